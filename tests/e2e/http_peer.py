"""A server that a case starts, stops and scripts: what the scripted destinations (s3_peer, es_peer) have in common."""

import http.server
import os
import select
import socket
import socketserver
import ssl
import struct
import threading

from harness import free_port

RESET = struct.pack("ii", 1, 0)


class Handler(http.server.BaseHTTPRequestHandler):
    """`self.server.peer` is the HttpPeer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    finished_by_reset = False

    def log_message(self, *args):
        pass

    def setup(self):
        super().setup()
        self.server.peer.connected(self.connection)

    def finish(self):
        if self.finished_by_reset:
            self.connection.close()
            return
        try:
            super().finish()
        except OSError:
            pass

    def handle(self):
        try:
            super().handle()
        except ssl.SSLError:
            self.close_connection = True
            self._let_read()
        except OSError:
            self.close_connection = True

    def _let_read(self):
        """Closing with bytes unread resets the connection, and the client loses the alert that says why."""
        fd = self.connection.fileno()
        try:
            socket.socket.shutdown(self.connection, socket.SHUT_WR)
            while select.select([fd], [], [], 2)[0] and os.read(fd, 65536):
                pass
        except OSError:
            pass

    def read_body(self):
        """None when the client went away in the middle."""
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        if len(body) < size:
            self.close_connection = True
            return None
        return body

    def raw(self, data):
        """These bytes, and the end of the connection."""
        self.wfile.write(data)
        self.wfile.flush()
        self.close_connection = True

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close_connection = True
        self.finished_by_reset = True


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # a client that was killed; the cases assert on what arrived


class HttpPeer:
    """Listens on 127.0.0.1, or another address of this machine, once it is made. start() after stop() is on the same port."""

    def __init__(self, handler, tls=None, address="127.0.0.1", port=None):
        """`tls`: (certificate file, key file), and the file of the authority that clients' certificates must be from."""
        self.handler, self.tls, self.address, self.port = handler, tls, address, port or free_port()
        self._plan, self._lock, self._connections = [], threading.Lock(), []
        self._server = None
        self.start()

    def start(self):
        self.stopping = threading.Event()
        self._server = _Server((self.address, self.port), self.handler)
        self._server.peer = self
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls[:2])
            if len(self.tls) > 2:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(self.tls[2])
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        """Down: no listener, and every open connection is reset."""
        if self._server is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        with self._lock:
            connections, self._connections = self._connections, []
        for c in connections:
            try:
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def connected(self, connection):
        with self._lock:
            self._connections.append(connection)

    def plan(self, *behaviours):
        """For the next requests, one each."""
        with self._lock:
            self._plan.extend(behaviours)

    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.address}:{self.port}"
