"""pyghmi's BMC with a machine whose serial line says back what is typed.

Called with a UDP port and the power state that it begins with, on or off; its only user is admin, secret. What is
typed is said back, and is a line on standard output, in hexadecimal; a line on standard input, likewise, is said by
the machine. Ends with its standard input.
"""

import os
import sys
import threading

from pyghmi.ipmi import bmc


class Machine(bmc.Bmc):
    powered = sys.argv[2] == 'on'
    early = b''

    def is_active(self):
        return self.powered

    def get_power_state(self):
        return 'on' if self.powered else 'off'

    def power_on(self):
        self.powered = True

    def power_off(self):
        self.powered = False

    def power_reset(self):
        pass

    def iohandler(self, data):
        print(data.hex(), flush=True)
        if self.sol:
            self.sol.send_data(data)
        else:
            self.early += data

    def activate_payload(self, request, session):
        # What is typed as soon as SOL is had is handed over while it is being made.
        super().activate_payload(request, session)
        early, self.early = self.early, b''
        if early and self.sol:
            self.sol.send_data(early)


def hear():
    for line in sys.stdin.buffer:
        if machine.sol:
            machine.sol.send_data(bytes.fromhex(line.decode().strip()))
    os._exit(0)


machine = Machine({'admin': 'secret'}, port=int(sys.argv[1]), address='127.0.0.1')
threading.Thread(target=hear, daemon=True).start()
print('ready', flush=True)
machine.listen()
