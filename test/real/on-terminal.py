"""Runs a program on a terminal of its own, for tests: what it writes is our output, a line of JSON is what to do.

{"type": BASE64}, {"size": [ROWS, COLUMNS]}, {"signal": NUMBER}. Ends with the program, with its exit status (128 and
the number of the signal that ended it), after a last line on stderr: whether the terminal is set as it was before.
"""
import base64, fcntl, json, os, pty, select, signal, struct, sys, termios


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


# We keep a hold on the terminal, so that it can still be looked at when the program has left.
fd, slave = pty.openpty()
set_size(fd, 40, 100)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for each in 0, 1, 2:
        os.dup2(slave, each)
    os.closerange(3, 64)
    os.execvp(sys.argv[1], sys.argv[1:])
pending = b""
status = None
while True:
    ready, _, _ = select.select([fd, 0] if pending is not None else [fd], [], [], 0.05)
    if fd in ready:
        os.write(1, os.read(fd, 65536))
    if 0 in ready:
        got = os.read(0, 65536)
        if not got:
            os.kill(pid, signal.SIGKILL)
            pending = None
            continue
        *lines, pending = (pending + got).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "type" in order:
                os.write(fd, base64.b64decode(order["type"]))
            if "size" in order:
                set_size(fd, *order["size"])
            if "signal" in order:
                os.kill(pid, order["signal"])
    if status is None:
        ended, status_ = os.waitpid(pid, os.WNOHANG)
        if ended:
            status = status_
    elif fd not in ready:
        break
same = termios.tcgetattr(slave) == before
sys.stderr.write("terminal as before\n" if same else "terminal changed\n")
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
