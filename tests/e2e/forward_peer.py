"""A sender of Fluentd's forward protocol: MessagePack, messages of all modes, the handshake."""

import gzip
import hashlib
import os
import socket
import struct


class Ext:
    def __init__(self, kind, data):
        self.kind, self.data = kind, data


def pack(v):
    if v is None:
        return b"\xc0"
    if v is True or v is False:
        return b"\xc3" if v else b"\xc2"
    if isinstance(v, int):
        return bytes([v]) if 0 <= v < 128 else struct.pack(">Bq", 0xD3, v)
    if isinstance(v, float):
        return struct.pack(">Bd", 0xCB, v)
    if isinstance(v, str):
        raw = v.encode()
        return (bytes([0xA0 | len(raw)]) if len(raw) < 32 else struct.pack(">BI", 0xDB, len(raw))) + raw
    if isinstance(v, bytes):
        return struct.pack(">BI", 0xC6, len(v)) + v
    if isinstance(v, (list, tuple)):
        return struct.pack(">BI", 0xDD, len(v)) + b"".join(map(pack, v))
    if isinstance(v, dict):
        return struct.pack(">BI", 0xDF, len(v)) + b"".join(pack(k) + pack(x) for k, x in v.items())
    return struct.pack(">BIb", 0xC9, len(v.data), v.kind) + v.data


def unpack(b, at=0):
    """The first value, and where it ends. Raises IndexError or struct.error when it is not whole."""
    c = b[at]
    at += 1

    def text(n):
        if len(b) < at + n:
            raise IndexError
        return b[at:at + n], at + n

    def many(n):
        out, where = [], at
        for _ in range(n):
            v, where = unpack(b, where)
            out.append(v)
        return out, where

    def pairs(n):
        out, where = many(2 * n)
        return dict(zip(out[::2], out[1::2])), where

    if c < 0x80:
        return c, at
    if c < 0x90:
        return pairs(c & 15)
    if c < 0xA0:
        return many(c & 15)
    if c < 0xC0:
        raw, at = text(c & 31)
        return raw.decode(), at
    if c in (0xC2, 0xC3):
        return c == 0xC3, at
    if c in (0xC4, 0xD9):
        n, at = b[at], at + 1
    elif c in (0xC6, 0xDB):
        n, at = struct.unpack_from(">I", b, at)[0], at + 4
    else:
        raise ValueError(hex(c))
    raw, at = text(n)
    return (raw.decode() if c >= 0xD9 else raw), at


def event_time(seconds, nanoseconds=0):
    return Ext(0, struct.pack(">II", seconds, nanoseconds))


def entries(events):
    return b"".join(pack([t, record]) for t, record in events)


def message(tag, events, mode="packed", chunk=None, **options):
    if chunk:
        options["chunk"] = chunk
    if mode == "message":
        (t, record), = events
        return pack([tag, t, record, options])
    if mode == "forward":
        return pack([tag, [[t, record] for t, record in events], options])
    body = entries(events)
    if mode == "gzip":
        body, options["compressed"] = gzip.compress(body), "gzip"
    return pack([tag, body, options])


def hexdigest(*parts):
    return hashlib.sha512(b"".join(p.encode() if isinstance(p, str) else p for p in parts)).hexdigest()


class Closed(Exception):
    pass


class Sender:
    def __init__(self, port, timeout=60, tls=None):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        if tls:
            self.s = tls.wrap_socket(self.s, server_hostname="localhost")
        self.buffer = b""

    def close(self):
        self.s.close()

    def send(self, raw):
        self.s.sendall(raw)

    def receive(self):
        while True:
            try:
                value, at = unpack(self.buffer)
                self.buffer = self.buffer[at:]
                return value
            except (IndexError, struct.error):
                try:
                    more = self.s.recv(65536)
                except ConnectionResetError:
                    more = b""
                if not more:
                    raise Closed from None
                self.buffer += more

    def shake_hands(self, key, user="", password="", name="a-sender"):
        kind, options = self.receive()
        assert kind == "HELO", kind
        salt = os.urandom(16).hex()
        shown = hexdigest(options["auth"], user, password) if options["auth"] else ""
        self.send(pack(["PING", name, salt, hexdigest(salt, name, options["nonce"], key), user, shown]))
        pong, good, why, server, digest = self.receive()
        assert pong == "PONG"
        if good:
            assert server != name and digest == hexdigest(salt, server, options["nonce"], key)
        return good, why
