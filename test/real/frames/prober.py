"""Sends Ethernet frames of every kind from every node, all the time, and says what arrives where and with which tags.

One process with a raw socket in each node's network namespace, so that one clock holds for all. Frames are numbered;
their payload says who sent them, as which kind, and when. Tags are read from where Linux puts them (PACKET_AUXDATA).

On standard input, a line each: `round N` sends every kind from every node once and answers when all that came of it
is in; `pace N` sets how many frames a second are sent besides. On standard output: first the kinds, as JSON, then
`d TO KIND NUMBER SENT GOT TAGS` for a frame that arrived and `r N FIRST LAST SENT WHOLE` for a round. Microseconds of
the monotonic clock.
"""

import ctypes
import json
import os
import random
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
VLAN_VALID = 1 << 4
TYPE = 0x88B5  # IEEE 802: for experiments
BODY = struct.Struct("!4sHIQ")  # mark, kind, number, sent
AUX = struct.Struct("=IIIHHHH")
BROADCAST = b"\xff" * 6
HOPS = 6  # a heartbeat crosses the switch so often before a round is over


def now():
    return time.monotonic_ns() // 1000


def open_port(namespace, interface):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}") as handle:
        if libc.setns(handle.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    port.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    port.bind((interface, 0))
    port.setblocking(False)
    return port


class DummyPort:
    """A port of the dummy datapath: frames go in through the daemon's control socket, and out into a pcap file."""

    control = None
    last = 0

    def __init__(self, file, name, control):
        self.file, self.name, self.read = file, name, 24
        self.address = b"\x02\0\0\0\0" + bytes([sum(name.encode()) & 0xFF])
        if DummyPort.control is None:
            DummyPort.control = socket.socket(socket.AF_UNIX)
            DummyPort.control.connect(control)

    def getsockname(self):
        return (self.name, 0, 0, 0, self.address)

    def send(self, frame):
        DummyPort.last += 1
        words = {"id": DummyPort.last, "method": "netdev-dummy/receive", "params": [self.name, frame.hex()]}
        DummyPort.control.sendall(json.dumps(words).encode())
        answer = b""
        while not answer.endswith(b"}"):
            part = DummyPort.control.recv(65536)
            if not part:
                raise OSError("the daemon is gone")
            answer += part

    def recvmsg(self, *_):
        """The next packet of the file; a tag stays within the frame, where read_frame finds it too."""
        if not os.path.exists(self.file):
            raise BlockingIOError
        with open(self.file, "rb") as handle:
            if os.fstat(handle.fileno()).st_size < self.read:
                self.read = 24  # written anew
            handle.seek(self.read)
            head = handle.read(16)
            size = struct.unpack("<I", head[8:12])[0] if len(head) == 16 else 0
            data = handle.read(size)
        if not size or len(data) < size:
            raise BlockingIOError
        self.read += 16 + size
        return data, [], 0, (self.name, 0, 0)


def kinds_of(nodes, vlans, addresses, chance):
    """Untagged, priority-tagged, tagged, double-tagged (802.1Q and 802.1ad outside), to all and to one."""
    q = lambda vid, priority=0: (0x8100, priority << 13 | vid)
    for node in range(nodes):
        yield node, [], None
        yield node, [q(0, 5)], None
        for vlan in vlans:
            inner = chance.choice([other for other in vlans if other != vlan])
            yield node, [q(vlan)], None
            yield node, [q(vlan), q(inner)], None
            yield node, [(0x88A8, vlan), q(inner)], None
        yield node, [q(0), q(chance.choice(vlans))], None
        for other in range(nodes):
            if other != node:
                yield node, [], other


def frame_of(source, target, tags):
    header = target + source + b"".join(struct.pack("!HH", *tag) for tag in tags)
    return header + struct.pack("!H", TYPE)


def read_frame(port):
    """The tags outside in and the body of one of our frames; None for others'. Raises BlockingIOError if none is there."""
    data, control, _, address = port.recvmsg(2048, 128)
    if address[2] == PACKET_OUTGOING:
        return None
    tags = []
    for level, kind, value in control:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, _ = AUX.unpack(value[: AUX.size])
            if status & VLAN_VALID:
                tags.append(tci & 0xFFF)
    at = 12
    while data[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        tags.append(struct.unpack("!H", data[at + 2 : at + 4])[0] & 0xFFF)
        at += 4
    if data[at : at + 2] != struct.pack("!H", TYPE):
        return None
    return tags, data[at + 2 :]


def main():
    plan = json.loads(sys.argv[1])
    chance = random.Random(plan["seed"])
    dummy = plan["dummy"]
    opened = lambda place: DummyPort(*place, plan["control"]) if dummy else open_port(*place)
    ports = [opened(place) for place in plan["nodes"]]
    beats = [opened(place) for place in plan["beats"]]
    addresses = [port.getsockname()[4] for port in ports]
    kinds = list(kinds_of(len(ports), plan["vlans"], addresses, chance))
    heads = [
        frame_of(addresses[node], BROADCAST if to is None else addresses[to], tags)
        for node, tags, to in kinds
    ]
    say = sys.stdout.write
    say(json.dumps([{"from": n, "tags": [t[1] & 0xFFF for t in tags], "type": tags[0][0] if tags else 0, "to": to} for n, tags, to in kinds]) + "\n")
    sys.stdout.flush()

    number = 0
    pace = plan["pace"]
    queue = []
    rounds = []  # id, first, last, hops left, deadline
    poll = select.poll()
    where = {}
    for index, port in enumerate([] if dummy else ports + beats):
        poll.register(port, select.POLLIN)
        where[port.fileno()] = index
    poll.register(0, select.POLLIN)
    commands = b""

    def send(kind):
        nonlocal number
        number += 1
        try:
            ports[kinds[kind][0]].send((heads[kind] + BODY.pack(b"LHFR", kind, number, now())).ljust(60, b"\0"))
        except OSError:
            pass  # a link that is down, or a full queue: a frame that was not sent proves nothing

    def beat(left):
        side = beats[left % 2]
        try:
            side.send(frame_of(side.getsockname()[4], BROADCAST, []).ljust(14, b"\0") + BODY.pack(b"BEAT", 0, rounds[0][0], left).ljust(46, b"\0"))
        except OSError:
            pass

    def begin(identity):
        order = list(range(len(kinds)))
        chance.shuffle(order)
        first = number + 1
        for step, kind in enumerate(order):
            send(kind)
            if step % 16 == 15:
                drain()
        rounds.append([identity, first, number, HOPS, now() + (2_000_000 if dummy else 400_000)])
        if len(rounds) == 1:
            beat(HOPS)

    def drain():
        for index, port in enumerate(ports):
            try:
                while True:
                    frame = read_frame(port)
                    if frame is None or frame[1][:4] != b"LHFR":
                        continue
                    _, kind, sequence, sent = BODY.unpack(frame[1][: BODY.size])
                    say(f"d {index} {kind} {sequence} {sent} {now()} {','.join(map(str, frame[0]))}\n")
            except BlockingIOError:
                pass
            except OSError:
                pass

    def hear(side):
        try:
            frame = read_frame(side)
        except OSError:
            return
        if frame is None or frame[1][:4] != b"BEAT" or not rounds:
            return
        _, _, identity, left = BODY.unpack(frame[1][: BODY.size])
        if identity != rounds[0][0] or left != rounds[0][3]:
            return
        rounds[0][3] -= 1
        if rounds[0][3] == 0:
            finish(True)
        else:
            beat(rounds[0][3])

    def finish(whole):
        drain()
        identity, first, last, _, _ = rounds.pop(0)
        say(f"r {identity} {first} {last} {number} {int(whole)}\n")
        if rounds:
            beat(HOPS)

    due = now()
    while True:
        wait = max(0, due - now()) / 1000 if pace else 50
        for handle, _ in poll.poll(min(wait, 1 if dummy else 50)):
            if handle == 0:
                data = os.read(0, 4096)
                if not data:
                    return
                *lines, commands = (commands + data).split(b"\n")
                for line in lines:
                    word, value = line.split()
                    if word == b"round":
                        begin(int(value))
                    elif word == b"pace":
                        pace, due = int(value), now()
            elif where[handle] >= len(ports):
                hear(beats[where[handle] - len(ports)])
        for side in beats if dummy and rounds else []:
            hear(side)
        drain()
        if rounds and now() > rounds[0][4]:
            finish(False)
        if pace and now() >= due:
            if not queue:
                queue = list(range(len(kinds)))
                chance.shuffle(queue)
            for _ in range(min(8, len(queue))):
                send(queue.pop())
            due = max(due + 8_000_000 // pace, now() - 50_000)
        sys.stdout.flush()


main()
