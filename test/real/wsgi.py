"""Serves the `application` of the module given at 127.0.0.1 on the port given, until standard input closes."""
import importlib
import os
import socketserver
import sys
import threading
import wsgiref.simple_server


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


def leave_with_parent():
    sys.stdin.read()
    os._exit(0)


port = int(sys.argv.pop())
# It reads what is left of the arguments, and its configuration from the environment.
application = importlib.import_module(sys.argv.pop()).application

threading.Thread(target=leave_with_parent, daemon=True).start()
server = Server(("127.0.0.1", port), Handler)
server.set_app(application)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
