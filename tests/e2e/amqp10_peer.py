"""A server that speaks as much AMQP 1.0 as one receiver needs, with one queue. What was handed out and has no outcome when a connection ends goes
back to the front. Transfers are cut into frames of `frame` bytes, or of as many as the client takes."""

import collections
import socket
import struct
import threading

from harness import free_port

OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
MECHANISMS, INIT, OUTCOME = 0x40, 0x41, 0x44
SOURCE = 0x28
ACCEPTED, REJECTED, RELEASED, MODIFIED = 0x24, 0x25, 0x26, 0x27
ERROR = 0x1D


class Described(collections.namedtuple("Described", "code value")):
    pass


class Symbol(str):
    pass


class Ubyte(int):
    pass


class Ushort(int):
    pass


def encode(v):
    if v is None:
        return b"\x40"
    if isinstance(v, bool):
        return b"\x41" if v else b"\x42"
    if isinstance(v, Ubyte):
        return b"\x50" + bytes([v])
    if isinstance(v, Ushort):
        return b"\x60" + struct.pack(">H", v)
    if isinstance(v, int):
        return b"\x70" + struct.pack(">I", v)
    if isinstance(v, bytes):
        return b"\xb0" + struct.pack(">I", len(v)) + v
    if isinstance(v, str):
        code = b"\xb3" if isinstance(v, Symbol) else b"\xb1"
        return code + struct.pack(">I", len(v.encode())) + v.encode()
    if isinstance(v, Described):
        return b"\x00\x53" + bytes([v.code]) + encode(v.value)
    assert isinstance(v, list), v
    items = b"".join(encode(x) for x in v)
    return b"\xd0" + struct.pack(">II", len(items) + 4, len(v)) + items


WIDTHS = {5: 1, 6: 2, 7: 4, 8: 8, 9: 16}


def decode(data, at=0):
    """(value, where it ends). Maps and arrays are left as bytes."""
    code, at = data[at], at + 1
    if code == 0:
        descriptor, at = decode(data, at)
        value, at = decode(data, at)
        return Described(descriptor, value), at
    kind = code >> 4
    if kind == 4:
        return {0x40: None, 0x41: True, 0x42: False, 0x43: 0, 0x44: 0, 0x45: []}[code], at
    if kind in WIDTHS:
        end = at + WIDTHS[kind]
        value = int.from_bytes(data[at:end], "big")
        return (bool(value) if code == 0x56 else value), end
    wide = 1 if kind % 2 == 0 else 4
    end = at + wide + int.from_bytes(data[at:at + wide], "big")
    at += wide
    if kind in (0xA, 0xB):
        value = data[at:end]
        return (value if code & 15 == 0 else value.decode()), end
    if kind in (0xC, 0xD) and code & 15 == 0:
        count, at = int.from_bytes(data[at:at + wide], "big"), at + wide
        items = []
        for _ in range(count):
            item, at = decode(data, at)
            items.append(item)
        return items, end
    return data[at:end], end


Message = collections.namedtuple("Message", "id body")


def sections(message):
    properties = b"" if message.id is None else encode(Described(0x73, [message.id]))
    return properties + encode(Described(0x75, message.body))


class Connection:
    def __init__(self, peer, sock):
        self.peer, self.sock = peer, sock
        self.lock = threading.Lock()
        self.limit = 0     # deliveries that it may have had in all, by its credit
        self.sent = 0
        self.transfers, self.window = 0, 0  # frames that it has had, and may have had by its session's window
        self.held = collections.OrderedDict()  # delivery id: message
        self.gone = False
        self.frame = peer.frame

    def read_exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def read(self):
        """(code, fields) of the next frame that is not empty."""
        while True:
            size, offset, _, _ = struct.unpack(">IBBH", self.read_exactly(8))
            body = self.read_exactly(size - 8)[offset * 4 - 8:]
            if body:
                performative, _ = decode(body)
                return performative.code, performative.value + [None] * 20

    def send(self, code, fields, payload=b"", kind=0):
        body = encode(Described(code, fields)) + payload
        with self.lock:
            self.sock.sendall(struct.pack(">IBBH", len(body) + 8, 2, kind, 0) + body)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Amqp10Peer:
    def __init__(self, frame=400):
        self.frame = frame
        self.accept_outcomes = True  # else they are read and forgotten: as if they were lost
        self.forgotten = 0           # so many
        self.refuse = None           # (condition, description) of the address
        self.changed = threading.Condition()
        self.queue = collections.deque()  # guarded by changed, as what follows
        self.accepted, self.rejected, self.errors, self.sources = [], [], [], []
        self.said_goodbye = 0
        self.connections = []
        self.stopped = False
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self):
        return f"amqp://127.0.0.1:{self.port}"

    def put(self, body, id=None):
        with self.changed:
            self.queue.append(Message(id, body if isinstance(body, bytes) else body.encode()))
            self.changed.notify_all()

    def held(self):
        with self.changed:
            return sum(len(c.held) for c in self.connections)

    def left(self):
        """Messages without an outcome."""
        with self.changed:
            return len(self.queue) + sum(len(c.held) for c in self.connections)

    def kick(self):
        with self.changed:
            connections = list(self.connections)
        for c in connections:
            c.close()

    def stop(self):
        self.stopped = True
        self.listener.close()
        self.kick()
        with self.changed:
            self.changed.notify_all()

    # --- its threads -------------------------------------------------------------------------------------------------

    def _accept(self):
        while not self.stopped:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(Connection(self, sock),), daemon=True).start()

    def _serve(self, c):
        with self.changed:
            self.connections.append(c)
        try:
            self._talk(c)
        except OSError:
            pass
        with self.changed:
            self.connections.remove(c)
            for message in reversed(c.held.values()):
                self.queue.appendleft(message)
            c.held.clear()
            c.gone = True
            self.changed.notify_all()
        c.sock.close()

    def _talk(self, c):
        assert c.read_exactly(8) == b"AMQP\3\1\0\0"
        c.sock.sendall(b"AMQP\3\1\0\0")
        c.send(MECHANISMS, [Symbol("ANONYMOUS")], kind=1)
        assert c.read()[0] == INIT
        c.send(OUTCOME, [Ubyte(0)], kind=1)
        assert c.read_exactly(8) == b"AMQP\0\1\0\0"
        c.sock.sendall(b"AMQP\0\1\0\0")
        while True:
            code, fields = c.read()
            if code == OPEN:
                c.frame = min(self.frame, (fields[2] or 1 << 20) - 100)
                c.send(OPEN, ["peer"])
            elif code == BEGIN:
                c.window = fields[2]
                c.send(BEGIN, [Ushort(0), 0, 2048, 2048])
            elif code == ATTACH:
                self._attach(c, fields)
            elif code == FLOW:
                self._flow(c, fields)
            elif code == DISPOSITION:
                self._settle(c, fields)
            elif code == CLOSE:
                with self.changed:
                    self.said_goodbye += 1
                c.send(CLOSE, [])
                return

    def _attach(self, c, fields):
        with self.changed:
            self.sources.append(fields[5].value)
        if self.refuse:
            condition, description = self.refuse
            c.send(ATTACH, [fields[0], 0, False, Ubyte(0), Ubyte(0), None, None, None, False, 0])
            c.send(DETACH, [0, True, Described(ERROR, [Symbol(condition), description])])
            return
        c.send(ATTACH, [fields[0], 0, False, Ubyte(0), Ubyte(0), Described(SOURCE, [fields[5].value[0]]), None, None, False, 0])
        threading.Thread(target=self._hand_out, args=(c,), daemon=True).start()

    def _flow(self, c, fields):
        with self.changed:
            c.window = (fields[0] or 0) + fields[1]
            if fields[4] is not None:
                c.limit = (fields[5] or 0) + (fields[6] or 0)
            self.changed.notify_all()

    def _settle(self, c, fields):
        first, last, state = fields[1], fields[2] if fields[2] is not None else fields[1], fields[4]
        with self.changed:
            if not self.accept_outcomes:
                self.forgotten += last + 1 - first
                return
            for number in range(first, last + 1):
                message = c.held.pop(number, None)
                if message is None:
                    self.errors.append(number)
                elif state.code == RELEASED:
                    self.queue.appendleft(message)
                else:
                    (self.accepted if state.code == ACCEPTED else self.rejected).append(message.body)
            self.changed.notify_all()

    def _hand_out(self, c):
        try:
            while True:
                with self.changed:
                    while not c.gone and not (self.queue and c.sent < c.limit):
                        self.changed.wait()
                    if c.gone:
                        return
                    message, number = self.queue.popleft(), c.sent
                    c.held[number] = message
                    c.sent += 1
                data = sections(message)
                pieces = [data[i:i + c.frame] for i in range(0, len(data), c.frame)]
                for i, piece in enumerate(pieces):
                    with self.changed:
                        self.changed.wait_for(lambda: c.gone or c.transfers < c.window)
                        c.transfers += 1
                    c.send(TRANSFER, [0, number, struct.pack(">I", number), 0, False, i + 1 < len(pieces)], piece)
        except OSError:
            pass
