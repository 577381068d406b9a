"""Attaches ports with networking-generic-switch, as its Neutron mechanism driver does: plug_port_to_network, each in a thread.

Reads one line of JSON: {target: {address, port, username, password}, wanted: {port: vlan}, options: {...}, backend}.
Says "ready" when all is loaded, begins at the next line, and ends with {"seconds", "errors"}.
"""
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from oslo_service import backend

backend.init_backend(backend.BackendType.THREADING)  # as Neutron's servers do

from networking_generic_switch import devices  # noqa: E402
from oslo_config import cfg  # noqa: E402

order = json.loads(sys.stdin.readline())
cfg.CONF.register_opts([cfg.StrOpt("host", default="bench")])  # Neutron's own
cfg.CONF([], project="bench")
if order["backend"]:
    cfg.CONF.set_override("backend_url", order["backend"], group="ngs_coordination")
target, wanted = order["target"], order["wanted"]
# All values are text, as they come out of [genericswitch:...] of its configuration file.
switch = devices.device_manager(
    {
        "device_type": "netmiko_cisco_nxos",
        "ip": target["address"],
        "port": str(target["port"]),
        "username": target["username"],
        "password": target["password"],
        **order["options"],
    },
    "leaf",
)
errors = []


def attach(port, vlan):
    try:
        switch.plug_port_to_network(port, vlan)
    except Exception as error:
        errors.append(f"{port}: {error}")


pool = ThreadPoolExecutor(len(wanted))
print("ready", flush=True)
sys.stdin.readline()
begun = time.monotonic()
for done in [pool.submit(attach, *one) for one in wanted.items()]:
    done.result()
print(json.dumps({"seconds": time.monotonic() - begun, "errors": errors}), flush=True)
time.sleep(3)  # a batch is saved after its calls were answered
os._exit(0)  # else it waits a minute for threads that do nothing
