"""A scripted server of MQTT 3.1.1 and 5: keeps sessions, sends what is not acknowledged again with each new connection, and misbehaves on request.

    m = MqttPeer()                                    # versions=(4,): what it speaks; tls=(certificate, key)
    m.publish("t/a", b"payload", qos=2, properties=user_property("k", "v"))
    m.plan(b"\\x20\\x02\\x00\\x05", Close(), None)       # for the next connections, one each: these bytes in place of CONNACK, ...
    m.break_off()                                     # the connection there is
    m.lose_sessions()
    m.number_anew()                                   # as Artemis when it is restarted: the messages are there, their identifiers are not

What it saw: `connects` (dicts), `acked` (payloads, in the order of PUBACK and PUBREC), `disconnects` (reasons), `refused` (what breaks the
protocol).
"""

import socket
import ssl
import struct
import threading

from harness import free_port

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = range(1, 15)


class Close:
    """The connection is closed in place of an answer to CONNECT."""


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(value)) + value


def length(n):
    out = b""
    while True:
        out += bytes([(n & 127) | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            return out


def packet(kind, body=b"", flags=0):
    return bytes([kind << 4 | flags]) + length(len(body)) + body


def user_property(name, value):
    return b"\x26" + text(name) + text(value)


def matches(filter_, topic):
    if filter_.startswith("$share/"):
        filter_ = filter_.split("/", 2)[2]
    want, have = filter_.split("/"), topic.split("/")
    for i, level in enumerate(want):
        if level == "#":
            return True
        if i >= len(have) or level not in ("+", have[i]):
            return False
    return len(want) == len(have)


class Message:
    def __init__(self, topic, payload, qos, retain, properties):
        self.topic, self.payload, self.qos, self.retain, self.properties = topic, payload, qos, retain, properties
        self.id, self.recorded, self.again = 0, False, False


class Session:
    def __init__(self):
        self.filters, self.queue, self.flight, self.last_id = {}, [], {}, 0

    def free_id(self):
        while True:
            self.last_id = self.last_id % 65535 + 1
            if self.last_id not in self.flight:
                return self.last_id


class MqttPeer:
    def __init__(self, versions=(4, 5), tls=None, in_flight=20, ids=65535):
        self.versions, self.in_flight, self.ids = versions, in_flight, ids
        self.lock = threading.RLock()
        self.sessions, self.connection = {}, None
        self.connects, self.acked, self.disconnects, self.refused, self.plans = [], [], [], [], []
        self.subscribed, self.unsubscribed = [], []
        self.grant = lambda filter_, qos: qos
        self.connack_properties = b""
        self.mute = False  # acknowledgements are read and nothing is done about them
        self.deaf = False  # likewise subscriptions
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.stopping = False
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self):
        return f"mqtt{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def stop(self):
        self.stopping = True
        self.break_off()
        try:  # accept() comes back
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            pass
        self.listener.close()

    def plan(self, *what):
        with self.lock:
            self.plans += what

    # --- what a case does ---------------------------------------------------------------------------------------------

    def publish(self, topic, payload, qos=1, retain=False, properties=b""):
        with self.lock:
            for session in self.sessions.values():
                granted = [q for f, q in session.filters.items() if matches(f, topic)]
                if granted:
                    session.queue.append(Message(topic, payload, min(qos, max(granted)), retain, properties))
        self._pump()

    def left(self):
        with self.lock:
            return sum(len(s.queue) + len(s.flight) for s in self.sessions.values())

    def send_raw(self, data):
        with self.lock:
            if self.connection:
                self.connection.sendall(data)

    def break_off(self):
        with self.lock:
            if self.connection:
                self._drop(self.connection)

    def lose_sessions(self):
        with self.lock:
            self.break_off()
            self.sessions.clear()

    def number_anew(self):
        """What was on its way comes first, in the other order, so that identifiers are given to other messages."""
        with self.lock:
            self.break_off()
            for session in self.sessions.values():
                rest = [m for m, released in session.flight.values() if not released]
                for m in rest:
                    m.again = True
                session.queue[:0] = reversed(rest)
                session.flight, session.last_id = {}, 0

    def has_subscription(self):
        with self.lock:
            return any(s.filters for s in self.sessions.values())

    # --- the wire -----------------------------------------------------------------------------------------------------

    def _drop(self, sock):
        if self.connection is sock:
            self.connection = None
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        sock.close()

    def _accept(self):
        while not self.stopping:
            try:
                sock, _ = self.listener.accept()
                if self.tls:
                    sock = self.tls.wrap_socket(sock, server_side=True)
            except OSError:
                continue
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    @staticmethod
    def _read_exactly(sock, n):
        data = b""
        while len(data) < n:
            more = sock.recv(n - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data

    def _read(self, sock):
        first = self._read_exactly(sock, 1)[0]
        n = shift = 0
        while True:
            byte = self._read_exactly(sock, 1)[0]
            n |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return first >> 4, first & 15, self._read_exactly(sock, n)

    def _serve(self, sock):
        try:
            kind, _, body = self._read(sock)
            if kind != CONNECT:
                self.refused.append(f"{kind} before CONNECT")
                return
            if not self._connect(sock, body):
                return
            while True:
                self._take(*self._read(sock))
                self._pump()
        except OSError:
            pass
        finally:
            with self.lock:
                self._drop(sock)

    def _connect(self, sock, body):
        version, flags = body[6], body[7]
        at = 10
        info = {"version": version, "clean": bool(flags & 2), "keep_alive": struct.unpack(">H", body[8:10])[0]}
        if version == 5:
            n = body[at]
            info["properties"] = body[at + 1 : at + 1 + n]
            at += 1 + n
        fields = []
        while at < len(body):
            n = struct.unpack(">H", body[at : at + 2])[0]
            fields.append(body[at + 2 : at + 2 + n])
            at += 2 + n
        info.update(zip(["client_id", "username", "password"], fields))
        with self.lock:
            self.connects.append(info)
            planned = self.plans.pop(0) if self.plans else None
            if isinstance(planned, Close) or (planned is None and version not in self.versions):
                return False
            if planned is not None:
                sock.sendall(planned)
                self._linger(sock)
                return False
            if self.connection:
                self._drop(self.connection)
            self.connection, self.version = sock, version
            client = info["client_id"]
            present = client in self.sessions and not info["clean"]
            session = self.session = self.sessions[client] if present else Session()
            if not info["clean"]:
                self.sessions[client] = session
            properties = length(len(self.connack_properties)) + self.connack_properties if version == 5 else b""
            sock.sendall(packet(CONNACK, bytes([present, 0]) + properties))
            for m, released in list(session.flight.values()):
                if released:
                    sock.sendall(packet(PUBREL, struct.pack(">H", m.id), 2))
                else:
                    self._send(m, dup=True)
        self._pump()
        return True

    @staticmethod
    def _linger(sock):
        """Until the client has gone, so that it reads what was sent."""
        sock.settimeout(60)
        while sock.recv(4096):
            pass

    def _send(self, m, dup=False):
        body = text(m.topic)
        if m.qos:
            body += struct.pack(">H", m.id)
        if self.version == 5:
            body += length(len(m.properties)) + m.properties
        self.connection.sendall(packet(PUBLISH, body + m.payload, (8 if dup else 0) | m.qos << 1 | m.retain))

    def _pump(self):
        with self.lock:
            try:
                while self.connection and self.session.queue and len(self.session.flight) < self.in_flight:
                    m = self.session.queue.pop(0)
                    if m.qos:
                        self.session.last_id %= self.ids
                        m.id = self.session.free_id()
                        self.session.flight[m.id] = (m, False)
                    self._send(m, dup=m.again)
            except OSError:
                pass

    def _take(self, kind, flags, body):
        with self.lock:
            if not self.connection:
                raise OSError("dropped")
            if kind in (PUBACK, PUBREC, PUBCOMP):
                if not self.mute:
                    self._ack(kind, struct.unpack(">H", body[:2])[0], body[2] if len(body) > 2 else 0)
            elif kind == SUBSCRIBE:
                self._subscribe(body)
            elif kind == UNSUBSCRIBE:
                at = 2 + (self.version == 5)
                n = struct.unpack(">H", body[at : at + 2])[0]
                name = body[at + 2 : at + 2 + n].decode()
                self.unsubscribed.append(name)
                self.session.filters.pop(name, None)
                self.connection.sendall(packet(UNSUBACK, body[:2] + (b"\0\0" if self.version == 5 else b"")))
            elif kind == PINGREQ:
                self.connection.sendall(packet(PINGRESP))
            elif kind == DISCONNECT:
                self.disconnects.append(body[0] if body else 0)
                raise OSError("goodbye")
            else:
                self.refused.append(f"packet {kind}")

    def _ack(self, kind, number, reason):
        m, released = self.session.flight.get(number, (None, False))
        if not m or (kind == PUBCOMP) != released or (kind == PUBACK) != (m.qos == 1):
            if not (kind == PUBREC and released):  # of a message that came twice
                self.refused.append(f"ack {kind} of {number}")
            return
        if kind != PUBCOMP:
            first = next(x for x, done in self.session.flight.values() if not done)
            if first is not m:
                self.refused.append(f"ack {kind} of {number} before that of {first.id}")
            self.acked.append(m.payload)
        if kind == PUBREC and reason < 0x80:
            self.session.flight[number] = (m, True)
            self.connection.sendall(packet(PUBREL, struct.pack(">H", number), 2))
        else:
            del self.session.flight[number]

    def _subscribe(self, body):
        at = 2
        if self.version == 5:
            at += 1 + body[2]
        n = struct.unpack(">H", body[at : at + 2])[0]
        name, qos = body[at + 2 : at + 2 + n].decode(), body[at + 2 + n] & 3
        self.subscribed.append(name)
        if self.deaf:
            return
        reason = self.grant(name, qos)
        if reason < 0x80:
            self.session.filters[name] = reason
        self.connection.sendall(packet(SUBACK, body[:2] + (b"\0" if self.version == 5 else b"") + bytes([reason])))
