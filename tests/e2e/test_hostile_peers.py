"""Peers that mean no good, at each address on which others send by sockets: whoever speaks nonsense, speaks plainly where TLS is spoken, or has a certificate that
nobody vouches for, and more connections than may be, each with half a message. One who sends as he should gets through all the same.

One row of LISTENERS is one address. A new input of this kind adds its rows."""

import contextlib
import json
import select
import socket
import ssl
import subprocess
import threading

import objects
from common import stream, to_file
from forward_peer import Closed, Sender, event_time, message
from harness import free_port, wait_until
from test_otlp import Grpc, one_log
from test_syslog import BYTES, Relp
from test_tls import make_certificates

CONNECTIONS = 4
HALF_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"  # of a handshake


def one_line(text):
    return f"{BYTES}{text}\n".encode()


class Listener:
    """`half`: what of a message hangs there; `whole`: one, that has the text."""

    def __init__(self, kind, scheme, half, whole, tls=False):
        self.kind, self.scheme, self.half, self.whole, self.tls = kind, scheme, HALF_HELLO if tls else half, whole, tls
        self.port, self.name = free_port(), f"good-{kind}-{scheme}-x"  # none is a part of another

    def input(self, own):
        tls = {"tls": {"cert_file": own[1][0], "key_file": own[1][1], "client_ca_file": own[0]}} if self.tls else {}
        return {self.kind: {"listen": f"{self.scheme}://127.0.0.1:{self.port}", "connections": CONNECTIONS, **tls}}

    def connect(self, context=None):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        return context.wrap_socket(s) if context else s

    def send_well(self, t, context, own):
        """Until it has gone through: a connection that waits for a place may be closed by who makes one."""
        if self.kind == "otlp_grpc":
            options = ["--cacert", own[0], "--cert", own[1][0], "--key", own[1][1]] if self.tls else []
            caller = Grpc(t, self.port, "https" if self.tls else "http", *options)
            caller.count = self.port  # its files have names of their own
            return caller.call("logs", one_log(self.name))[0] == 0
        context = context if self.tls else None
        if self.kind == "forward":
            sender = Sender(self.port, tls=context)
            sender.send(self.whole(self.name))
            return sender.receive() == {"ack": self.name}
        with self.connect(context) as s:
            if self.scheme.startswith("relp"):
                client = Relp(self.port)
                client.begin(s)
                client.send_all([one_line(self.name)])
            else:
                s.sendall(self.whole(self.name))
                s.shutdown(socket.SHUT_WR)
                s.recv(1)
        return True


def forwarded(text):
    return message("app", [(event_time(1700000000), {"text": text})], chunk=text)


def listeners(grpc):
    out = [Listener("syslog", "tcp", b"<13>half" + b"x" * 700_000, one_line), Listener("syslog", "tls", b"", one_line, tls=True),
           Listener("syslog", "relp", b"1 open 30 relp_ver", None), Listener("syslog", "relps", b"", None, tls=True),
           Listener("statsd", "tcp", b"half:1|" + b"x" * 500_000, lambda text: f"{text}:1|c\n".encode()),
           Listener("forward", "tcp", forwarded("half")[:-4], forwarded), Listener("forward", "tls", b"", forwarded, tls=True)]
    if grpc:
        out += [Listener("otlp_grpc", "grpc", b"PRI * HTTP/2.0\r\n\r\nSM", None), Listener("otlp_grpc", "grpcs", b"", None, tls=True)]
    return out


def send_what_goes(s, data):
    """As much as it takes now, and nobody waits for it."""
    s.setblocking(False)
    with contextlib.suppress(OSError):
        while data and select.select([], [s], [], 0.05)[1]:
            data = data[s.send(data):]


def is_refused(at, context):
    """It is closed, whatever it says."""
    try:
        with at.connect(context) as s:
            s.sendall(one_line("unknown"))
            while s.recv(4096):
                pass
    except OSError:  # and so is what TLS says
        pass
    return True


def test_hostile_peers_keep_no_address_from_others(t):
    own, others = make_certificates(t), make_certificates(t, name="other-")
    grpc = "otlp_grpc" in subprocess.run([t.binary, "--version"], capture_output=True, text=True).stdout
    table = listeners(grpc)
    d = t.daemon({"streams": {"app": stream(to_file(t), interval="0s", inputs=[at.input(own) for at in table])}}).start()
    good, stranger, nameless = contexts = [ssl.create_default_context(cafile=own[0]) for _ in range(3)]
    for context in contexts:
        context.check_hostname = False
    good.load_cert_chain(*own[1])
    stranger.load_cert_chain(*others[1])
    noise = t.random.randbytes(300_000)
    for at in table:
        if at.tls:
            assert all(is_refused(at, context) for context in (None, stranger, nameless))
        else:  # a handshake where none is expected, and noise
            for data in (HALF_HELLO + noise[:600], noise):
                with at.connect() as s:
                    send_what_goes(s, data)
    hanging = []
    for at in table:
        for _ in range(CONNECTIONS + 2):
            hanging.append(at.connect())
            send_what_goes(hanging[-1], at.half)
    through = {}

    def send(at):
        with contextlib.suppress(OSError, Closed, AssertionError):
            through[at.name] = at.send_well(t, good, own)

    def texts():
        return objects.lines(objects.read_dir(t.path("out")))

    def all_are_there():
        """A line by TCP has no answer. One that is lost with a connection that gave way to another one goes again."""
        lines = texts()
        missing = [at for at in table if not (through.get(at.name) and any(at.name.encode() in line for line in lines))]
        senders = [threading.Thread(target=send, args=(at,)) for at in missing]
        for s in senders:
            s.start()
        for s in senders:
            s.join()
        return not missing

    wait_until("all good ones are through, and delivered", all_are_there, 120 * t.slow, period=1)
    d.assert_books("app")
    d.stop()
    for s in hanging:
        s.close()
    assert all(json.loads(line) for line in texts())
    assert not any(b"unknown" in line for line in texts())


test_hostile_peers_keep_no_address_from_others.timeout = 180
