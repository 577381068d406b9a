"""Calls openstacksdk's `conn.baremetal`, unmodified, as any of clouds.yaml's callers.

Reads one call a line, {"cloud": "owner", "method": "get_node", "arguments": [...], "keywords": {...}}, and writes
one outcome a line: {"value": ...}, or {"error": {"type": ..., "status": ..., "message": ...}}. An argument
{"resource": "allocation.Allocation", "id": "..."} is such a resource, of which only the id is known yet. Without a
cloud, the answer is the names of all public methods. Resources appear as dictionaries, with the SDK's own names.
"""

import importlib
import json
import sys
import types

import openstack
import requests
from openstack import resource
from openstack.baremetal.v1 import _proxy

connections = {}


def proxy(cloud):
    if cloud not in connections:
        connections[cloud] = openstack.connect(cloud=cloud)
    return connections[cloud].baremetal


def methods():
    """What the proxy adds to every service's client, and the two waits that it overrides for typing's sake."""
    return [name for name, value in vars(_proxy.Proxy).items() if callable(value) and not name.startswith('_')]


def argument(value):
    if isinstance(value, dict) and 'resource' in value:
        module, name = value['resource'].split('.')
        return getattr(importlib.import_module(f'openstack.baremetal.v1.{module}'), name).new(id=value['id'])
    return value


def plain(value):
    if isinstance(value, resource.Resource):
        return {key: plain(each) for key, each in value.to_dict(computed=False).items()}
    if isinstance(value, requests.Response):
        return {'status': value.status_code, 'body': value.json() if value.content else None}
    if isinstance(value, tuple) and hasattr(value, '_asdict'):
        return plain(value._asdict())
    if isinstance(value, (list, tuple, types.GeneratorType)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if hasattr(value, '__dict__'):
        return plain(vars(value))
    return value


def outcome(call):
    if 'cloud' not in call:
        return {'value': methods()}
    cloud = call['cloud']
    try:
        method = getattr(proxy(cloud), call['method'])
        value = method(
            *[argument(each) for each in call['arguments']],
            **{name: argument(each) for name, each in call['keywords'].items()},
        )
        return {'value': plain(value)}
    except Exception as error:
        status = getattr(error, 'status_code', None)
        return {'error': {'type': type(error).__name__, 'status': status, 'message': str(error)}}


for line in sys.stdin:
    print(json.dumps(outcome(json.loads(line))), flush=True)
