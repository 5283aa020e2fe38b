"""A server that speaks STOMP 1.2 and 1.1, with one queue. What was handed out and not acknowledged when a connection ends goes back to the front, as
redelivered; an ACK of what this connection does not have is an error.

A `behaviour` is called with each new connection before anything is read, and may use it up: `plan(Refuse("no"), None)` goes by the
connections, one each; later ones are as they should be."""

import collections
import socket
import struct
import threading

from harness import free_port

ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", ":": "\\c"}


def escape(text):
    return "".join(ESCAPES.get(c, c) for c in text)


def unescape(text):
    for plain, escaped in ((":", "\\c"), ("\n", "\\n"), ("\r", "\\r"), ("\\", "\\\\")):
        text = text.replace(escaped, plain)
    return text


def frame(command, headers=(), body=b""):
    lines = [command, *(f"{escape(name)}:{escape(value)}" for name, value in headers)]
    return "\n".join(lines).encode() + b"\n\n" + body + b"\0"


class Refuse:
    """An ERROR as the answer to CONNECT."""

    def __init__(self, message):
        self.message = message

    def __call__(self, connection):
        connection.read()
        connection.send(frame("ERROR", [("message", self.message)]))
        connection.close()


Message = collections.namedtuple("Message", "id body headers")


class Connection:
    def __init__(self, peer, sock):
        self.peer, self.sock, self.buffer = peer, sock, b""
        self.lock = threading.Lock()
        self.prefetch = 0  # 0: it has no subscription
        self.held = collections.OrderedDict()  # ack: message

    def send(self, data):
        with self.lock:
            if self.peer.piece:
                for i in range(0, len(data), self.peer.piece):
                    self.sock.sendall(data[i:i + self.peer.piece])
            else:
                self.sock.sendall(data)

    def read(self):
        """The next frame as (command, headers); heart-beats are counted."""
        while True:
            while self.buffer[:1] in (b"\n", b"\r"):
                self.peer.heart_beats += 1
                self.buffer = self.buffer[1:]
            if b"\0" in self.buffer:
                text, _, self.buffer = self.buffer.partition(b"\0")
                lines = text.decode().partition("\n\n")[0].split("\n")
                headers = {}
                for line in lines[1:]:
                    name, _, value = line.partition(":")
                    headers.setdefault(unescape(name), value if lines[0] == "CONNECT" else unescape(value))
                return lines[0], headers
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError
            self.buffer += data

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class StompPeer:
    def __init__(self, version="1.2", heart_beat=0):
        self.version, self.heart_beat = version, heart_beat
        self.piece = None  # bytes are sent in pieces of so many
        self.accept_acks = True  # else they are read and forgotten: as if they were lost
        self.forgotten = 0  # so many
        self.changed = threading.Condition()
        self.queue = collections.deque()  # guarded by changed, as what follows
        self.again = set()  # ids that were handed out before
        self.acked, self.nacked, self.connects, self.subscribes, self.errors = [], [], [], [], []
        self.said_goodbye = 0
        self.heart_beats = 0
        self.ids = self.acks = 0
        self.connections = []
        self.behaviours = collections.deque()
        self.stopped = False
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self):
        return f"stomp://127.0.0.1:{self.port}"

    def plan(self, *behaviours):
        with self.changed:
            self.behaviours.extend(behaviours)

    def put(self, body, headers=(), id=None):
        with self.changed:
            self.ids += 1
            self.queue.append(Message(id or f"ID:peer-{self.ids}", body if isinstance(body, bytes) else body.encode(), list(headers)))
            self.changed.notify_all()

    def left(self):
        """Messages that are not acknowledged."""
        with self.changed:
            return len(self.queue) + sum(len(c.held) for c in self.connections)

    def held(self):
        with self.changed:
            return sum(len(c.held) for c in self.connections)

    def kick(self, reset=False):
        """Ends all connections; with a `reset` also who does not read hears of it."""
        with self.changed:
            connections = list(self.connections)
        for c in connections:
            if reset:
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
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
            behaviour = self.behaviours.popleft() if self.behaviours else None
            self.connections.append(c)
        try:
            if behaviour:
                behaviour(c)
            else:
                self._talk(c)
        except OSError:
            pass
        with self.changed:
            self.connections.remove(c)
            for message in reversed(c.held.values()):
                self.queue.appendleft(message)
                self.again.add(message.id)
            c.prefetch = 0
            self.changed.notify_all()
        c.sock.close()

    def _talk(self, c):
        command, headers = c.read()
        assert command == "CONNECT", command
        with self.changed:
            self.connects.append(headers)
        answer = [("version", self.version), ("heart-beat", f"{self.heart_beat},{self.heart_beat}")]
        c.send(frame("CONNECTED", answer))
        while True:
            command, headers = c.read()
            if command == "SUBSCRIBE":
                with self.changed:
                    self.subscribes.append(headers)
                    c.prefetch = int(headers["activemq.prefetchSize"])
                if "receipt" in headers:
                    c.send(frame("RECEIPT", [("receipt-id", headers["receipt"])]))
                threading.Thread(target=self._hand_out, args=(c,), daemon=True).start()
            elif command in ("ACK", "NACK"):
                self._settle(c, command, headers)
            elif command == "DISCONNECT":
                with self.changed:
                    self.said_goodbye += 1
                c.send(frame("RECEIPT", [("receipt-id", headers["receipt"])]))
                return

    def _settle(self, c, command, headers):
        key = headers["id"] if self.version == "1.2" else headers["message-id"]
        with self.changed:
            if not self.accept_acks:
                self.forgotten += 1
                return
            message = c.held.pop(key, None)
            if message is None:
                self.errors.append(headers)
            else:
                (self.acked if command == "ACK" else self.nacked).append(message.body)
            self.changed.notify_all()

    def _hand_out(self, c):
        try:
            while True:
                with self.changed:
                    while c.prefetch and not (self.queue and len(c.held) < c.prefetch):
                        self.changed.wait()
                    if not c.prefetch:
                        return
                    message = self.queue.popleft()
                    self.acks += 1
                    key = f"ack:{self.acks}" if self.version == "1.2" else message.id
                    c.held[key] = message
                    again = message.id in self.again
                headers = [("subscription", "0"), ("message-id", message.id), ("destination", "/queue/orders"),
                           ("content-length", str(len(message.body))), *message.headers]
                if self.version == "1.2":
                    headers.append(("ack", key))
                if again:
                    headers.append(("redelivered", "true"))
                c.send(frame("MESSAGE", headers, message.body))
        except OSError:
            pass
