"""Nova's serial proxy and Nova's Ironic driver, both as they are, without the Nova in between.

    nova-serialproxy.py serve CONFIG TOKENS    the proxy: nova.cmd.serialproxy
    nova-serialproxy.py token CONFIG TOKENS INSTANCE NODE    what `openstack console url show --serial` has nova-compute do

What a Nova has a database and a message bus for is a file here, TOKENS: which token is for which instance, and at
which port its console was. The question that nova-compute gets from the proxy over the bus at each connection,
whether the console still is at that port, is answered in the proxy's own process, by the same code.
"""

import inspect
import json
import sys
import uuid

mode, config_file, tokens_file = sys.argv[1:4]
subject = sys.argv[4:]
sys.argv = ['nova-serialproxy', '--config-file', config_file]

from nova.cmd import serialproxy  # noqa: E402  patches the standard library first

from nova import config, context, exception, objects  # noqa: E402
from nova.compute import manager  # noqa: E402
from nova.console import websocketproxy  # noqa: E402
from nova.virt.ironic import driver  # noqa: E402

objects.register_all()


class Compute:
    """What nova-compute answers: its own code, asked without the bus."""

    def __init__(self):
        self.driver = driver.IronicDriver(None)

    def validate_console_port(self, ctxt, instance, port, console_type):
        return inspect.unwrap(manager.ComputeManager.validate_console_port)(
            self, ctxt, instance, port, console_type
        )


def read():
    try:
        with open(tokens_file) as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def validate(ctxt, token):
    known = read().get(token)
    if known is None:
        raise exception.InvalidToken(token='***')
    return objects.ConsoleAuthToken(
        token=token,
        console_type='serial',
        host=known['host'],
        port=known['port'],
        internal_access_path=None,
        instance_uuid=known['instance'],
        access_url_base='ws://127.0.0.1',
    )


def instance_of(ctxt, instance_uuid):
    node = next(known['node'] for known in read().values() if known['instance'] == instance_uuid)
    return objects.Instance(uuid=instance_uuid, node=node)


if mode == 'token':
    instance, node = subject
    config.parse_args(sys.argv)
    console = driver.IronicDriver(None).get_serial_console(
        context.get_admin_context(), objects.Instance(uuid=instance, node=node)
    )
    token = str(uuid.uuid4())
    known = {'instance': instance, 'node': node, 'host': console.host, 'port': console.port}
    tokens = {**read(), token: known}
    with open(tokens_file, 'w') as file:
        json.dump(tokens, file)
    print(token)
else:
    objects.ConsoleAuthToken.validate = staticmethod(validate)
    objects.Instance.get_by_uuid = staticmethod(instance_of)
    websocketproxy.NovaProxyRequestHandler.compute_rpcapi = property(lambda self: Compute())
    serialproxy.main()
