"""Proxies: followed where the environment or an option says so, shown before anything goes through them, and named when they
are what fails."""

import base64
import select
import socket
import ssl
import subprocess
import threading

from common import stream
from firehose import Firehose
from harness import free_port
from test_names import Peer
from test_tls import make_certificates


class Proxy:
    """Sends everything to one address, whatever is asked for. `says`: an answer instead, after reading the head. `tls`: its
    certificate and key, when it speaks https itself."""

    def __init__(self, t, to, says=None, tls=None):
        self.to, self.says, self.tls, self.heads = to, says, tls, []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = free_port()
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        t.on_end(self.listener.close)

    def url(self, user=""):
        return f"{'https' if self.tls else 'http'}://{user}127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            if self.tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.tls)
                sock = context.wrap_socket(sock, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                more = sock.recv(65536)
                if not more:
                    return
                head += more
            self.heads.append(head)
            if self.says is not None:
                sock.sendall(self.says)
                return
            there = socket.create_connection(("127.0.0.1", self.to))
            if head.startswith(b"CONNECT"):
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:  # the whole URL stands in the first line
                method, url, rest = head.split(b" ", 2)
                there.sendall(b"%s /%s %s" % (method, url.split(b"/", 3)[3], rest))
            self._pass(sock, there)
        except OSError:
            pass
        finally:
            sock.close()

    def _pass(self, a, b):
        while True:
            for s in select.select([a, b], [], [], 20)[0]:
                data = s.recv(65536)
                if not data:
                    return
                (b if s is a else a).sendall(data)


def lines_to(url, **more):
    return {"http": {"url": url + "/in", "format": "lines", **more}}


def s3_to(url, **more):
    return {"s3": {"bucket": "b", "endpoint": url, "region": "us-east-1", "access_key_id": "A", "secret_access_key": "s",
                   **more}}


def search_to(url, **more):
    return {"elasticsearch": {"url": url, "index": "i", **more}}


def daemon(t, env, **destinations):
    d = t.daemon({"shutdown": {"grace": "1s"}, "streams": {
        name: stream(to, interval="0s") for name, to in destinations.items()}})
    d.env = {**{name: "" for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy",
                                      "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")}, **env}
    return d


def validate(t, d):
    done = subprocess.run([t.binary, "validate", "-c", d.config_path], capture_output=True, text=True, cwd=t.dir,
                          env={**d.env}, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_environments_proxy_is_followed_shown_and_never_for_this_machine(t):
    peer = Peer(t, free_port())
    proxy = Proxy(t, peer.port)
    d = daemon(t, {"http_proxy": proxy.url("user:hunter2@")},
               far=lines_to("http://store.example"), near=lines_to(peer.url()),
               none=lines_to(peer.url(), proxy="none"))
    code, text = validate(t, d)
    assert code == 0, text
    assert text.count(f"through proxy {proxy.url()} (from http_proxy)") == 1, text
    client = Firehose(d.start().api_port)
    for name in ("far", "near", "none"):
        client.put(name, name.encode())
        d.wait_delivered(name, 1)
    d.stop()
    assert sorted(peer.lines) == [b"far", b"near", b"none"]
    assert len(proxy.heads) == 1 and proxy.heads[0].startswith(b"POST http://store.example/in "), proxy.heads
    assert base64.b64encode(b"user:hunter2") in proxy.heads[0]
    assert d.wait_logged(r"stream=far .*through proxy http://127\.0\.0\.1:\d+ \(from http_proxy\)", level="info")
    assert not d.logged("hunter2") and "hunter2" not in text
    assert not d.logged("stream=near .*through proxy")


def test_an_environment_that_names_no_proxy_is_a_mistake(t):
    for sink, to in (("s3", s3_to), ("http", lines_to), ("elasticsearch", search_to)):
        d = daemon(t, {"http_proxy": "ftp://user:hunter2@proxy"}, far=to("http://store.example"))
        code, text = validate(t, d)
        assert code == 2 and "http_proxy: `ftp://proxy` is no proxy's URL" in text and "hunter2" not in text, (sink, text)
        d.expect_exit = 2
        d.spawn().wait_exit()
        assert d.wait_logged(r"http_proxy: `ftp://proxy`") and not d.logged("hunter2"), sink
        d = daemon(t, {"http_proxy": "ftp://proxy"}, far=to("http://store.example", proxy="none"))
        assert validate(t, d)[0] == 0, sink


def test_put_follows_the_environment_and_never_shows_a_password(t):
    d = daemon(t, {}, app=lines_to("http://127.0.0.1:9")).start()
    proxy = Proxy(t, d.api_port)

    def put(value, endpoint="http://store.localdomain"):
        done = subprocess.run([t.binary, "put", "-s", "app", "--endpoint", endpoint, "--give-up", "1s"], input=b"a line\n",
                              capture_output=True, cwd=t.dir, env={"http_proxy": value}, check=False)
        said = (done.stdout + done.stderr).decode()
        assert "hunter2" not in said, said
        return done.returncode, said

    for bad in ("ftp://user:hunter2@proxy", "http://user:hunter2@proxy:999999", "http://user:hunter2@"):
        code, said = put(bad)
        assert code != 0 and "http_proxy: `" in said, said
    put(f"http://user:hunter2@127.0.0.1:{free_port()}")
    put(proxy.url("user:hunter2@"))
    assert len(proxy.heads) >= 1 and base64.b64encode(b"user:hunter2") in proxy.heads[0], proxy.heads
    seen = len(proxy.heads)
    assert put(proxy.url(), f"http://127.0.0.1:{d.api_port}")[0] == 0 and len(proxy.heads) == seen
    d.expect_exit = 1
    d.stop()


def test_an_option_sets_a_proxy_also_for_this_machine(t):
    peer = Peer(t, free_port())
    proxy = Proxy(t, peer.port)
    d = daemon(t, {"http_proxy": "http://127.0.0.1:9", "no_proxy": "*"}, app=lines_to(peer.url(), proxy=proxy.url()))
    code, text = validate(t, d)
    assert code == 0 and f"through proxy {proxy.url()} (from the option `proxy`)" in text, text
    client = Firehose(d.start().api_port)
    client.put("app", b"round about")
    d.wait_delivered("app", 1)
    d.stop()
    assert peer.lines == [b"round about"] and len(proxy.heads) == 1


def test_none_goes_straight_whatever_the_environment_says(t):
    d = daemon(t, {"http_proxy": "http://127.0.0.1:9"}, app=lines_to("http://store.invalid", proxy="none"))
    code, text = validate(t, d)
    assert code == 0 and "through proxy" not in text, text
    Firehose(d.start().api_port).put("app", b"x")
    assert "store.invalid" in d.wait_logged("delivery failed.*does not resolve")[0]
    d.expect_exit = 1
    d.stop()


def test_https_goes_through_a_tunnel(t):
    ca, server = make_certificates(t)
    from s3_peer import S3Peer
    s3 = S3Peer(tls=server)
    t.on_end(s3.stop)
    proxy = Proxy(t, s3.port)
    d = daemon(t, {}, app=s3.destination(tls={"ca_file": ca}, proxy=proxy.url()))
    Firehose(d.start().api_port).put("app", b"a secret")
    d.wait_delivered("app", 1)
    d.stop()
    assert [h.split(b" ")[0] for h in proxy.heads] == [b"CONNECT"], proxy.heads


REFUSES = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 0\r\n\r\n"
FORBIDS = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
CANNOT = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
CASES = {  # name: (scheme, what the proxy says (None: it is down), pattern)
    "down": ("http", None, r"(Connection refused|connect to)"),
    "downs": ("https", None, r"(Connection refused|connect to)"),
    "407": ("http", REFUSES, r"407"),
    "407s": ("https", REFUSES, r"407"),
    "403s": ("https", FORBIDS, r"403"),
    "502s": ("https", CANNOT, r"502"),
}


def test_a_proxy_that_fails_is_named(t):
    proxies = {name: Proxy(t, 9, says) for name, (_, says, _) in CASES.items()}
    for name, (_, says, _) in CASES.items():
        if says is None:
            proxies[name].listener.shutdown(socket.SHUT_RDWR)
            proxies[name].listener.close()
    streams = {}
    for sink, to in (("s3", s3_to), ("http", lines_to), ("es", search_to)):
        for name, (scheme, _, _) in CASES.items():
            streams[f"{sink}-{name}"] = to(f"{scheme}://store.example", proxy=proxies[name].url("u:hunter2@"))
    d = daemon(t, {}, **streams)
    client = Firehose(d.start().api_port)
    for s in streams:
        client.put(s, b"{}")
    for s in streams:
        name = s.partition("-")[2]
        pattern = rf"delivery failed.*stream={s} .*cause=\"[^\"]*proxy {proxies[name].url()} \(from the option `proxy`\)[^\"]*"
        line = d.wait_logged(pattern + CASES[name][2])[0]
        assert "proxy" in line.split("hint=")[1], line
    assert not d.logged("hunter2")
    d.expect_exit = 1
    d.stop()
