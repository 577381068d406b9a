"""Runs OpenStack's command lines, unmodified, many times without importing them anew each time.

Reads one request a line, {"program": "openstack" | "baremetal", "arguments": [...], "environment": {...}}, and
writes one answer a line, {"code": N, "stdout": "...", "stderr": "..."}. Each command runs the program's own main() in
a process of its own, forked off this one, which has only loaded them: nothing of one command reaches the next.
"""

import contextlib
import io
import json
import os
import signal
import sys
import tempfile

import ironicclient.shell
import keystoneauth1.loading
import openstack.connection  # noqa: F401
import openstackclient.shell

PROGRAMS = {
    'openstack': openstackclient.shell.main,
    'baremetal': ironicclient.shell.main,
}
TIMEOUT_SECONDS = 120


def run(request, stdout, stderr):
    """Becomes the program; does not return."""
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(stdout.fileno(), 1)
        os.dup2(stderr.fileno(), 2)
        os.environ.clear()
        os.environ.update(request['environment'])
        sys.argv = [request['program'], *request['arguments']]
        signal.alarm(TIMEOUT_SECONDS)
        code = PROGRAMS[request['program']](request['arguments'])
    except SystemExit as end:
        code = end.code
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def answer(request):
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        child = os.fork()
        if child == 0:
            run(request, stdout, stderr)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
    return {'code': code, 'stdout': texts[0], 'stderr': texts[1]}


def load():
    """Imports what the programs would import one by one: plug-ins for logging in, commands, formats."""
    keystoneauth1.loading.get_available_plugin_loaders()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        openstackclient.shell.main(['help', 'baremetal', 'node', 'list'])


load()
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
