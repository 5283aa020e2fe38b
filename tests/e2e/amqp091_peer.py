"""A scripted server of AMQP 0-9-1: one queue, or one stream, and whatever a real one does not do on demand.

    r = RabbitPeer()                       # listens on 127.0.0.1; queue "orders"
    r.send("body", headers={"x": "y"}, message_id="m1")
    r.stream = True                        # messages have numbers, and are never forgotten
    r.on = lambda what, session: ...       # before an answer to "greeting", "open", "consume" or "ack"; and before each "deliver": may raise Gone,
                                           # or Moved, when it has said something else
    r.refuse = (404, "NOT_FOUND - no queue")   # to consume, while it is set
    r.stop(); r.start()                    # away; back on the same port with the same messages

What it saw: `acked` and `rejected` (bodies, in order), `bad` (what a real server would have closed the channel for), `sessions` so far, `consumers`.
"""

import select
import socket
import struct
import threading
import time

from harness import free_port

FRAME_MAX = 131072


class Gone(Exception):
    """The connection is over."""


class Moved(Gone):
    """The connection stays, and what was to be said is not."""


def short_text(text):
    data = text if isinstance(text, bytes) else text.encode()
    return bytes([len(data)]) + data


def long_text(data):
    return struct.pack(">I", len(data)) + data


def table(entries):
    out = b""
    for name, value in entries.items():
        out += short_text(name)
        if isinstance(value, int):
            out += b"l" + struct.pack(">q", value)
        else:
            out += b"S" + long_text(value if isinstance(value, bytes) else value.encode())
    return long_text(out)


def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method(channel, klass, number, arguments=b""):
    return frame(1, channel, struct.pack(">HH", klass, number) + arguments)


class Message:
    def __init__(self, number, body, headers, message_id):
        self.number, self.headers, self.message_id = number, headers, message_id
        self.body = body if isinstance(body, bytes) else body.encode()
        self.again = False
        self.sent_at = time.time()


class Session:
    """One connection, on a thread of its own."""

    def __init__(self, peer, sock):
        self.peer, self.sock, self.buffer = peer, sock, b""
        self.prefetch, self.consuming, self.tag, self.next, self.frame_max = 0, False, 0, 0, FRAME_MAX
        self.unacked = {}  # tag: message

    def run(self):
        try:
            self._greet()
            while True:
                self._turn()
        except (Gone, OSError):
            pass
        finally:
            self.back()
            self.sock.close()

    def back(self):
        """What has no answer goes back to where it was."""
        with self.peer.lock:
            if not self.peer.stream:
                for message in sorted(self.unacked.values(), key=lambda m: m.number, reverse=True):
                    message.again = True
                    self.peer.messages.insert(0, message)
            self.unacked = {}
            self.peer.consumers -= self.consuming
            self.consuming = False

    def send(self, data):
        self.sock.sendall(data)

    def drop(self):
        """Breaks the connection off."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def _read(self, n):
        while len(self.buffer) < n:
            data = self.sock.recv(65536)
            if not data:
                raise Gone
            self.buffer += data
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def _frame(self):
        kind, channel, size = struct.unpack(">BHI", self._read(7))
        payload = self._read(size + 1)
        assert payload[-1:] == b"\xce"
        return kind, channel, payload[:-1]

    def _event(self, what):
        if self.peer.on:
            self.peer.on(what, self)

    def _greet(self):
        assert self._read(8) == b"AMQP\0\0\x09\x01"
        self._event("greeting")
        self.send(method(0, 10, 10, b"\0\x09" + table({"product": "peer"}) + long_text(b"PLAIN AMQPLAIN") + long_text(b"en_US")))
        _, _, answer = self._frame()
        if self.peer.password.encode() not in answer:
            self.close(403, "ACCESS_REFUSED - Login was refused")
        self.send(method(0, 10, 30, struct.pack(">HIH", 2047, FRAME_MAX, self.peer.heartbeat)))

    def close(self, code, text):
        self.send(method(0, 10, 50, struct.pack(">H", code) + short_text(text) + bytes(4)))
        while self._frame()[2][:4] != struct.pack(">HH", 10, 51):
            pass
        raise Gone

    def close_channel(self, code, text):
        self.back()
        self.send(method(1, 20, 40, struct.pack(">H", code) + short_text(text) + bytes(4)))

    def cancel(self):
        with self.peer.lock:
            self.peer.consumers -= self.consuming
            self.consuming = False
        self.send(method(1, 60, 30, short_text("sluice") + b"\1"))

    def _turn(self):
        try:
            self._deliver()
        except Moved:
            pass
        if not self.buffer and not select.select([self.sock], [], [], 0.01)[0]:
            if self.peer.stopping.is_set():
                self.drop()
            return
        kind, _, payload = self._frame()
        if kind == 8:
            self.peer.heartbeats += 1
            self.send(frame(8, 0, b""))
        else:
            self._method(*struct.unpack(">HH", payload[:4]), payload[4:])

    def _method(self, klass, number, arguments):
        if (klass, number) == (10, 31):
            self.frame_max = struct.unpack(">I", arguments[2:6])[0]
        elif (klass, number) == (10, 40):
            self._event("open")
            self.send(method(0, 10, 41, b"\0"))
        elif (klass, number) == (10, 50):
            self.send(method(0, 10, 51))
            raise Gone
        elif (klass, number) == (20, 10):
            self.tag = 0
            self.send(method(1, 20, 11, long_text(b"")))
        elif (klass, number) == (20, 40):
            self.back()
            self.send(method(1, 20, 41))
        elif (klass, number) == (50, 10):
            self.send(method(1, 50, 11, short_text("orders") + struct.pack(">II", len(self.peer.messages), 1)))
        elif (klass, number) == (60, 10):
            if not self.consuming:  # else of the next consumer
                self.prefetch = struct.unpack(">H", arguments[4:6])[0]
            self.send(method(1, 60, 11))
        elif (klass, number) == (60, 20):
            self._consume(arguments)
        elif (klass, number) == (60, 70):
            self._get()
        elif (klass, number) == (60, 30):  # of the consumer that looks for the end
            assert arguments[1:].startswith(b"sluice-end")
        elif (klass, number) == (60, 80):
            self._settle(*struct.unpack(">QB", arguments), self.peer.acked)
        elif (klass, number) == (60, 90):
            tag, _ = struct.unpack(">QB", arguments)
            self._settle(tag, 0, self.peer.rejected)

    def _consume(self, arguments):
        if b"sluice-end" in arguments:
            self._show_end()
            return
        self._event("consume")
        if self.peer.refuse:
            self.close_channel(*self.peer.refuse)
            return
        self.peer.asked.append(arguments)
        if self.peer.stream:
            self.next = self._place(arguments[arguments.find(b"x-stream-offset") + len(b"x-stream-offset"):])
        with self.peer.lock:
            self.consuming = True
            self.peer.consumers += 1
        self.send(method(1, 60, 21, short_text("sluice")))

    def _show_end(self):
        self.send(method(1, 60, 21, short_text("sluice-end")))
        with self.peer.lock:
            message = self.peer.messages[-1] if self.peer.messages else None
        if message:
            self.tag += 1
            self.unacked[self.tag] = Message(message.number, b"", {}, None)
            self.send(self.message_frames(message, "sluice-end"))

    def _get(self):
        if self.peer.stream:
            self.close(540, "NOT_IMPLEMENTED - basic.get not supported by stream queues queue 'orders'")
        with self.peer.lock:
            message = self.peer.messages.pop(0) if self.peer.messages else None
        if message is None:
            self.send(method(1, 60, 72, b"\0"))
            return
        self.tag += 1
        self.unacked[self.tag] = message
        self.send(method(1, 60, 71, struct.pack(">QB", self.tag, message.again) + short_text("") + short_text("orders") + bytes(4)))
        self.send(self.content(message))

    def _place(self, value):
        with self.peer.lock:
            if self.peer.from_the_beginning:
                return 0
            if value[:1] == b"l":
                return struct.unpack(">q", value[1:9])[0]
            if value[:1] == b"T":
                since = struct.unpack(">Q", value[1:9])[0]
                return next((m.number for m in self.peer.messages if m.sent_at >= since), self.peer.sent)
            return self.peer.sent if value[5:] == b"next" else 0

    def _settle(self, tag, multiple, into):
        self._event("ack")
        tags = [t for t in sorted(self.unacked) if t == tag or (multiple and t < tag)]
        with self.peer.lock:
            if tag not in tags:
                self.peer.bad.append(f"tag {tag} is unknown: {tags[:3]}")
            into += [self.unacked.pop(t).body for t in tags]

    def _deliver(self):
        while self.consuming and len(self.unacked) < self.prefetch:
            with self.peer.lock:
                if self.peer.stream:
                    found = [m for m in self.peer.messages if m.number >= self.next][:1]
                else:
                    found = [self.peer.messages.pop(0)] if self.peer.messages else []
                if not found:
                    return
                self.tag += 1
                message, self.next = found[0], found[0].number + 1
                self.unacked[self.tag] = message
            self._event("deliver")
            self.send(self.message_frames(message))

    def message_frames(self, message, consumer="sluice"):
        out = method(1, 60, 60, short_text(consumer) + struct.pack(">QB", self.tag, message.again) + short_text("") + short_text("orders"))
        return out + self.content(message)

    def content(self, message):
        headers = dict(message.headers)
        if self.peer.stream:
            headers["x-stream-offset"] = message.number
        flags, properties = 0x2000, table(headers)
        if message.message_id:
            flags, properties = flags | 0x80, properties + short_text(message.message_id)
        out = frame(2, 1, struct.pack(">HHQH", 60, 0, len(message.body), flags) + properties)
        size = self.frame_max - 8
        for at in range(0, len(message.body), size):
            out += frame(3, 1, message.body[at:at + size])
        return out


class RabbitPeer:
    session = Session

    def __init__(self, password="secret", heartbeat=60):
        self.port, self.password, self.heartbeat = free_port(), password, heartbeat
        self.lock = threading.Lock()
        self.messages, self.acked, self.rejected, self.bad, self.asked = [], [], [], [], []
        self.stream, self.refuse, self.on = False, None, None
        self.from_the_beginning = False  # whatever number is asked for
        self.sent = self.sessions = self.consumers = self.heartbeats = 0
        self.start()

    def send(self, body, headers=None, message_id=None):
        with self.lock:
            self.messages.append(Message(self.sent, body, headers or {}, message_id))
            self.sent += 1

    def start(self):
        self.stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._threads = [threading.Thread(target=self._accept, args=(self._listener,), daemon=True)]
        self._threads[0].start()

    def _accept(self, listener):
        while not self.stopping.is_set():
            if not select.select([listener], [], [], 0.05)[0]:
                continue
            sock = listener.accept()[0]
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sessions += 1
            thread = threading.Thread(target=self.session(self, sock).run, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self):
        """Breaks all connections off."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def left(self):
        with self.lock:
            return len(self.messages)
