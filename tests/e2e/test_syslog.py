"""The inputs syslog and statsd, and the ground below them: a round trip by each kind of socket, RELP through kills, a full spool that holds
senders back, a reload that no connection notices."""

import json
import os
import signal
import socket

import objects
from common import stream, to_file
from harness import free_port, wait_until
from reloading import reload

BYTES = "<13>1 - - - - - - "


class Relp:
    """A client that is strict: it sends again what was not answered, and counts what it had to send twice."""

    def __init__(self, port):
        self.port, self.answered, self.sent_again = port, 0, 0

    def connect(self, timeout=60):
        self.begin(socket.create_connection(("127.0.0.1", self.port), timeout=timeout))

    def begin(self, sock):
        self.sock, self.file = sock, sock.makefile("rb")
        self.sock.sendall(b"1 open 30 relp_version=0\ncommands=syslog\n")
        assert self.answer() == (1, b"200 OK\nrelp_version=0\nrelp_software=sluice\ncommands=syslog")

    def answer(self):
        head = b""
        while head.count(b" ") < 3 and not head.endswith(b"\n"):
            one = self.file.read(1)
            if not one:
                raise ConnectionError("it is gone")
            head += one
        number, kind, size = head.split()[:3]
        assert kind in (b"rsp", b"serverclose"), head
        text = self.file.read(int(size)) if int(size) else b""
        if head.endswith(b" "):
            assert self.file.read(1) == b"\n"
        return int(number), text

    def send(self, first, last, stop_at=None):
        """Messages first..last, at most 20 without an answer; until `stop_at` were answered. Returns how far it came."""
        sent = self.answered = first - 1
        while self.answered < last:
            while sent < min(last, self.answered + 20):
                sent += 1
                text = b"%smessage %d" % (BYTES.encode(), sent)
                self.sock.sendall(b"%d syslog %d %s\n" % (sent - first + 2, len(text), text))
            number, said = self.answer()
            assert (number, said) == (self.answered - first + 3, b"200 OK")
            self.answered += 1
            if self.answered == stop_at:
                break
        return self.answered

    def send_all(self, some, first=2):
        """Any bytes, one after the other; on a new connection, where `first` does not say otherwise."""
        for number, text in enumerate(some, first):
            self.sock.sendall(b"%d syslog %d %s\n" % (number, len(text), text))
            answer = self.answer()
            if answer == (0, b""):
                raise ConnectionError("it is asked to come again")
            assert answer == (number, b"200 OK"), answer

    def close(self):
        self.sock.sendall(b"999 close 0\n")
        assert self.answer() == (999, b"")
        assert self.answer() == (0, b"")
        assert self.sock.recv(1) == b""


def texts(t, out="out"):
    return [json.loads(line)["message"] for line in objects.lines(objects.read_dir(t.path(out)))]


def test_syslog_comes_by_each_kind_of_socket(t):
    port, relp, log, logs = free_port(), free_port(), t.path("log"), t.path("logs")
    at = [f"udp://127.0.0.1:{port}", f"tcp://127.0.0.1:{port}"]
    config = {"streams": {
        "auth": stream(to_file(t, "auth"), inputs=[{"syslog": {"listen": at, "match": {"facilities": ["auth"]}}}], interval="0s"),
        "rest": stream(to_file(t), inputs=[{"syslog": {"listen": [*at, f"unixgram://{log}", f"unix://{logs}"]}}], interval="0s")}}
    d = t.daemon(config).start()
    udp, gram = socket.socket(type=socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    udp.sendto(b"<13>Nov 27 22:14:15 h app[7]: by udp", ("127.0.0.1", port))
    udp.sendto(b"<34>su: by udp, auth", ("127.0.0.1", port))
    gram.sendto(b"<13>Nov 27 22:14:15 app: by unixgram", log)
    assert os.stat(log).st_mode & 0o777 == 0o660
    tcp, local = socket.create_connection(("127.0.0.1", port)), socket.socket(socket.AF_UNIX)
    tcp.sendall(b"<13>by tcp, a line\n27 <13>by tcp,\nwith its length<34>auth: by tcp, auth\n<13>by tcp, li")
    local.connect(logs)
    local.sendall(b"<13>by unix\n")
    local.close()
    d.wait_delivered("auth", 2)
    d.wait_delivered("rest", 5)
    # The inputs begin anew, and the connection goes on in the middle of a line.
    config["streams"]["rest"]["inputs"][0]["syslog"]["keep_raw"] = True
    reload(d, config)
    udp.sendto(b"<13>behind the reload", ("127.0.0.1", port))
    tcp.sendall(b"ne\n")
    tcp.shutdown(socket.SHUT_WR)
    assert tcp.recv(1) == b""
    d.wait_delivered("rest", 7)
    d.stop()
    assert sorted(texts(t, "auth")) == ["by tcp, auth", "by udp, auth"]
    assert sorted(texts(t)) == sorted(["by udp", "by unixgram", "by tcp, a line", "by tcp,\nwith its length", "by tcp, line", "by unix", "behind the reload"])
    assert not os.path.exists(log) and not os.path.exists(logs)


def test_relp_loses_nothing(t):
    port = free_port()
    d = t.daemon({"streams": {"app": stream(to_file(t), inputs=[{"syslog": {"listen": f"relp://127.0.0.1:{port}"}}], interval="0s")}}).start()
    client, at = Relp(port), 1
    for stop_at in (3, 70, 111):  # killed with answers on their way
        client.connect()
        at = client.send(at, 400, stop_at) + 1
        d.kill9()
        d.start()
    client.connect()
    client.send(at, 400)
    client.close()
    client.connect()  # one that says all it has, and goodbye, before it hears a word
    text = BYTES.encode() + b"eager"
    client.sock.sendall(b"".join(b"%d syslog %d %s\n" % (i, len(text), text) for i in range(2, 4098)) + b"4098 close 0\n")
    assert [client.answer() for _ in range(4098)] == [*((i, b"200 OK") for i in range(2, 4098)), (4098, b""), (0, b"")]
    wait_until("all is delivered", lambda: d.metrics().get("sluice_spooled_records", stream="app") == 0, 20 * d.slow)
    d.assert_books("app")
    d.stop()
    got = texts(t)
    assert got.count("eager") == 4096
    got = [text for text in got if text != "eager"]
    assert set(got) == {f"message {i}" for i in range(1, 401)}
    assert len(got) <= 400 + 3 * 20, len(got)  # only what had no answer came twice


def test_a_full_spool_holds_senders_back(t):
    port, udp_port = free_port(), free_port()
    d = t.daemon({"streams": {"app": {
        "inputs": [{"syslog": {"listen": f"tcp://127.0.0.1:{port}", "format": "raw"}}, {"statsd": {"listen": f"udp://127.0.0.1:{udp_port}"}}],
        "spool": {"limit": "4MiB"}, "buffer": {"size": "1MiB", "interval": "0s"},
        "destination": {"http": {"url": f"http://127.0.0.1:{free_port()}/", "format": "lines"}}, "retry": {"duration": "24h"}}}, "shutdown": {"grace": "900s"}}).start()
    udp = socket.socket(type=socket.SOCK_DGRAM)
    for line in (b"a:1|c|#x:y\nb:2:3|ms", b"nonsense", b"_e{1,1}:t|x"):
        udp.sendto(line, ("127.0.0.1", udp_port))
    wait_until("metrics are in", lambda: d.metrics().get("sluice_input_records_total", stream="app", input="statsd") == 4, 20 * d.slow)
    wait_until("a bad line is counted", lambda: d.metrics().get("sluice_input_errors_total", stream="app", input="statsd") == 1, 20 * d.slow)
    tcp, line, sent = socket.create_connection(("127.0.0.1", port)), b"<13>" + b"x" * 995 + b"\n", 0
    tcp.settimeout(1.5)
    try:
        while sent < 64 << 20:
            sent += tcp.send(line * 64)
    except TimeoutError:
        pass
    assert 2 << 20 < sent < 60 << 20, sent
    wait_until("the stream is blocked", lambda: d.metrics().get("sluice_input_records_total", stream="app", input="syslog") > 2000, 20 * d.slow)
    d.assert_books("app")
    # A stop waits for deliveries; who sends does not wait with it.
    d.process.send_signal(signal.SIGTERM)
    tcp.settimeout(60 * t.slow)
    try:
        assert tcp.recv(1) == b""
    except ConnectionResetError:
        pass
    assert d.running()
    d.kill9()


def test_addresses_of_others_want_words(t):
    d = t.daemon({"streams": {"app": stream(to_file(t), inputs=[
        {"syslog": {"listen": ["udp://0.0.0.0:514", "tls://127.0.0.1:6514", "ftp://x"], "timezone": "Mars", "match": {"facilities": ["authority"]}}}])}})
    d.expect_exit = 2
    d.spawn()
    d.wait_exit()
    for want in ("other machines can reach this address", "it speaks TLS", "begins with none of", "timezone", "is no facility"):
        assert want in d.log_text(), want
