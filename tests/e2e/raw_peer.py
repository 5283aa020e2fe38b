"""A server made of bare sockets, so that it can do what no HTTP library would: the peer of test_http_misbehaviour.py.

Its first connections go by the behaviours it was given, one each; all later ones are answered as they should be. A
behaviour is a function of a Connection.
"""

import re
import socket
import ssl
import struct
import threading
import time

from harness import free_port

RESET = struct.pack("ii", 1, 0)


class Gone(Exception):
    """The client closed the connection."""


class Connection:
    def __init__(self, peer, sock):
        self.peer, self.sock, self.buffer = peer, sock, b""
        self.head = self.body = b""

    # --- reading ------------------------------------------------------------------------------------------------

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Gone
        self.buffer += data

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")

    def read_body(self, share=1.0):
        size = int(self.header(b"Content-Length") or 0)
        while len(self.buffer) < size * share:
            self._more()
        self.body, self.buffer = self.buffer[:size], self.buffer[size:]

    def read(self):
        self.read_head()
        self.read_body()
        self.peer.note(self)

    def header(self, name):
        found = re.search(rb"\r\n" + name + rb": *([^\r]*)", self.head, re.I)
        return found.group(1) if found else None

    # --- answering ----------------------------------------------------------------------------------------------

    def send(self, data):
        self.sock.sendall(data)

    def drip(self, data, pause):
        for i in range(len(data)):
            self.send(data[i:i + 1])
            time.sleep(pause)

    def stall(self):
        """Until the client has had enough, or the case ends."""
        try:
            while not self.peer.stopping.is_set():
                self._more()
        except Gone:
            pass

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def answer(status, body=b"", *headers, version=b"1.1", length=True):
    lines = [b"HTTP/" + version + b" " + status, *headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class RawPeer:
    """`healthy`: function of a Connection, the bytes of a right answer to its request. `down`: does not listen until
    cure() is called."""

    def __init__(self, behaviours, healthy, tls=None, down=False):
        self.behaviours, self.healthy, self.tls = list(behaviours), healthy, tls
        self.requests, self.accepted = [], []  # (seconds, head, body); seconds of each connection
        self.errors = []
        self.stopping, self._lock = threading.Event(), threading.Lock()
        self._sockets = []
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = free_port()
        self._listener.bind(("127.0.0.1", self.port))
        if not down:
            self.cure()

    def cure(self):
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def note(self, connection):
        with self._lock:
            self.requests.append((time.monotonic(), connection.head, connection.body))

    def stop(self):
        self.stopping.set()
        with self._lock:
            for s in [self._listener, *self._sockets]:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()

    def _accept(self):
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.append(sock)
                self.accepted.append(time.monotonic())
                behaviour = self.behaviours.pop(0) if self.behaviours else None
            threading.Thread(target=self._serve, args=(sock, behaviour), daemon=True).start()

    def _serve(self, sock, behaviour):
        try:
            if self.tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.tls)
                sock = context.wrap_socket(sock, server_side=True)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock)
            if behaviour:
                behaviour(connection)
            else:
                self._serve_well(connection)
        except (OSError, Gone):
            pass
        except Exception as e:
            self.errors.append(e)
        finally:
            sock.close()

    def _serve_well(self, connection):
        while True:
            connection.read()
            connection.send(self.healthy(connection))
