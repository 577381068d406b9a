"""Attaches ports with network-runner: NetworkRunner.conf_access_port, each in a thread, so many at once.

Reads one line of JSON: {target: {address, port, username, password}, wanted: {port: vlan}, atOnce}.
Says "ready" when all is loaded, begins at the next line, and ends with {"seconds", "errors"}.
"""
import json
import os
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor

order = json.loads(sys.stdin.readline())
out = sys.stdout
sys.stdout = sys.stderr  # ansible-runner prints what Ansible prints
# The wheel puts the role where Ansible does not look.
os.environ["ANSIBLE_ROLES_PATH"] = os.path.join(sysconfig.get_path("purelib"), "etc/ansible/roles")

from network_runner import api  # noqa: E402
from network_runner.models.inventory import Host, Inventory  # noqa: E402

target, wanted = order["target"], order["wanted"]
inventory = Inventory()
inventory.hosts.add(
    Host(
        name="leaf",
        ansible_host=target["address"],
        ansible_user=target["username"],
        ansible_ssh_pass=target["password"],
        ansible_network_os="nxos",
        ansible_port=target["port"],
    )
)
errors = []


def attach(port, vlan):
    try:
        api.NetworkRunner(inventory).conf_access_port("leaf", port, vlan)
    except Exception as error:
        errors.append(f"{port}: {str(error)[-300:]}")


pool = ThreadPoolExecutor(order["atOnce"])
print("ready", file=out, flush=True)
sys.stdin.readline()
begun = time.monotonic()
for done in [pool.submit(attach, *one) for one in wanted.items()]:
    done.result()
print(json.dumps({"seconds": time.monotonic() - begun, "errors": errors}), file=out, flush=True)
