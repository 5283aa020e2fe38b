"""Both HTTP servers: requests whose end is in doubt are refused and what follows them is never run; names and pages that are
not ours are refused where nobody has to sign."""

import http.client
import json
import socket

import sigv4
from api_wire import GOOD, Wire, chunked, head
from common import stream, to_file
from firehose import Firehose

SECOND = head(length=len(GOOD)) + GOOD
CHUNKED = chunked(GOOD, [len(GOOD)])
LENGTH = "Content-Length: %d\r\n" % len(GOOD)
HIDDEN = head(length=len(GOOD)).decode().removesuffix("\r\n")

# (what, header lines that say where the body ends, the body)
UNCLEAR = [
    ("a length and chunks", LENGTH + "Transfer-Encoding: chunked\r\n", CHUNKED),
    ("chunks and a length", "Transfer-Encoding: chunked\r\n" + LENGTH, CHUNKED),
    ("two lengths", LENGTH + "Content-Length: 5\r\n", GOOD),
    ("the shorter length first", "Content-Length: 5\r\n" + LENGTH, GOOD),
    ("the same length twice", LENGTH + LENGTH, GOOD),
    ("a list of lengths", "Content-Length: %d, %d\r\n" % (len(GOOD), len(GOOD)), GOOD),
    ("chunked, then identity", "Transfer-Encoding: chunked, identity\r\n", CHUNKED),
    ("chunked, then identity, in two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", CHUNKED),
    ("identity, then chunked", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
    ("identity and a length", "Transfer-Encoding: identity\r\n" + LENGTH, GOOD),
    ("a coding nobody knows", "Transfer-Encoding: xchunked\r\n", CHUNKED),
    ("gzip in chunks", "Transfer-Encoding: gzip, chunked\r\n", CHUNKED),
    ("chunked with a control before it", "Transfer-Encoding: \x0bchunked\r\n", CHUNKED),
    ("a space before the colon", "Content-Length : %d\r\n" % len(GOOD), GOOD),
    ("a tab before the colon", "Transfer-Encoding\t: chunked\r\n" + LENGTH, CHUNKED),
    ("a length on two lines", "Content-Length: %d\r\n %d\r\n" % divmod(len(GOOD), 10), GOOD),
    ("a coding on two lines", "Transfer-Encoding:\r\n chunked\r\n", CHUNKED),
    ("a bare CR", "X: y\rTransfer-Encoding: chunked\r\n" + LENGTH, GOOD),
    ("two hosts", "Host: localhost\r\n" + LENGTH, GOOD),
    ("a line without a name", ": x\r\n" + LENGTH, GOOD),
    ("a line without a name, at the end", LENGTH + ": x\r\n", GOOD),
    ("a request behind a line without a name", ": x\r\n" + HIDDEN, GOOD),
    ("a request behind a lone colon", ":\r\n" + HIDDEN, GOOD),
    ("a request behind a space and a colon", " : x\r\n" + HIDDEN, GOOD),
    ("a request behind a NUL", "\0X: y\r\n" + HIDDEN, GOOD),
    ("a request behind a lone NUL", "\0\r\n" + HIDDEN, GOOD),
    ("a NUL in a value", "X: y\0z\r\n" + LENGTH, GOOD),
    ("a NUL at the end of a value", "X: y\0\r\n" + LENGTH, GOOD),
    ("a NUL before a value", "X: \0y\r\n" + LENGTH, GOOD),
    ("a NUL in a name", "X\0Y: z\r\n" + LENGTH, GOOD),
    ("a header on two lines", "X: y\r\n z\r\n" + LENGTH, GOOD),
    ("a header on two lines, at the end", LENGTH + "X: y\r\n\tz\r\n", GOOD),
    ("an empty second line", "X: y\r\n \r\n" + LENGTH, GOOD),
    ("a lone LF", "X: y\n" + LENGTH, GOOD),
    ("a lone LF at the end", LENGTH + "X: y\n", GOOD),
]
# Not the plainest form, but clear.
CLEAR = ["X:y\r\n", "X:\r\n", "X: \r\n", "X: \t y \t \r\n", "".join("X-%d: %s\r\n" % (i, "y" * 400) for i in range(40))]


def start(t, **api):
    d = t.daemon({"api": api, "streams": {"app": stream(to_file(t))}}) if api else t.daemon(
        {"streams": {"app": stream(to_file(t))}})
    return d.start()


def refused(port, what, data, status=400):
    """Refused, then the end; nothing of what stood behind the request was answered."""
    with Wire(("127.0.0.1", port)) as w:
        w.socket.settimeout(20)
        got = b""
        w.send(data)
        try:
            while piece := w.socket.recv(1 << 16):
                got += piece
        except ConnectionError:
            pass
    assert got.startswith(b"HTTP/1.1 %d " % status), (what, got[:300])
    assert b"HTTP/1.1 %d " % status in got and b"HTTP/1.1 2" not in got, (what, got)


def test_the_api_runs_nothing_behind_a_request_whose_end_is_in_doubt(t):
    d = start(t)
    begin = head().decode().removesuffix("\r\n")
    for what, lines, body in UNCLEAR:
        refused(d.api_port, what, (begin + lines + "\r\n").encode("latin-1") + body + SECOND)
        assert d.books("app").incoming == 0, what
    no_host = begin.replace("Host: 127.0.0.1\r\n", "")
    refused(d.api_port, "no host", (no_host + LENGTH + "\r\n").encode() + GOOD + SECOND)
    refused(d.api_port, "HTTP/1.0 in chunks", (begin + "Transfer-Encoding: chunked\r\n\r\n").encode()
            .replace(b"HTTP/1.1", b"HTTP/1.0") + CHUNKED + SECOND)
    refused(d.api_port, "asks first", (begin + LENGTH + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
            .encode() + CHUNKED + SECOND)
    assert d.books("app").incoming == 0
    Firehose(d.api_port).put("app", b"as if nothing had happened")
    d.stop()


def test_the_admin_server_runs_nothing_behind_a_request_whose_end_is_in_doubt(t):
    d = start(t)
    second = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for what, lines, body in UNCLEAR:
        refused(d.admin_port, what, ("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + lines + "\r\n").encode("latin-1") + body + second)
    refused(d.admin_port, "no host", b"GET /healthz HTTP/1.1\r\n\r\n" + second)
    assert d.http("/healthz") == (200, "ok\n")
    d.stop()


def test_unusual_heads_are_taken(t):
    d = start(t)
    begin = head(length=len(GOOD)).removesuffix(b"\r\n")
    for lines in CLEAR:
        for step in (1 << 20, 1000):
            data = begin + lines.encode() + b"\r\n" + GOOD
            with Wire(("127.0.0.1", d.api_port)) as w:
                for _ in range(2):
                    for i in range(0, len(data), step):
                        w.send(data[i:i + step])
                    assert w.answer()[0] == 200, lines
    d.stop()


def test_a_request_in_chunks_is_the_last_of_its_connection(t):
    d = start(t)
    body = b"%x\n%s\r\n0\n\n" % (len(GOOD), GOOD)  # lone LFs, which another may not take for ends of lines
    taken = 0
    for chunks in (CHUNKED, body, CHUNKED.removesuffix(b"\r\n") + b": x\r\n"):
        with Wire(("127.0.0.1", d.api_port)) as w:
            w.send(head(Transfer_Encoding="chunked") + chunks + SECOND)
            status, headers, _ = w.answer()
            assert status == 200 or chunks is not CHUNKED and status == 400, (chunks, status)
            assert headers["connection"].lower() == "close", headers
            taken += status == 200
            assert w.is_closed(20) and not w.rest.startswith(b"HTTP"), w.rest
    assert d.books("app").incoming == taken
    with Wire(("127.0.0.1", d.admin_port)) as w:
        w.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND)
        assert w.answer()[1]["connection"].lower() == "close" and w.is_closed(20)
    d.stop()


def test_exactly_one_host_also_when_it_is_signed(t):
    keys = ("AKEXAMPLE", "a-secret-key")
    d = start(t, credentials=[{"access_key_id": keys[0], "secret_access_key": keys[1]}])
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Firehose_20150804.PutRecord"}
    url = f"http://127.0.0.1:{d.api_port}/"
    signed = sigv4.sign("POST", url, headers, GOOD, *keys, "us-east-1", "firehose")
    lines = [f"{k}: {v}\r\n" for k, v in signed.items() if k.lower() != "host"]
    host = f"Host: 127.0.0.1:{d.api_port}\r\n"
    first = "POST / HTTP/1.1\r\n"
    end = (LENGTH + "\r\n").encode() + GOOD
    for what, hosts in (("none", ""), ("two", host + host), ("a foreign one, too", host + "Host: evil.example\r\n")):
        refused(d.api_port, what, (first + hosts + "".join(lines)).encode() + end)
    with Wire(("127.0.0.1", d.api_port)) as w:
        assert w.send((first + host + "".join(lines)).encode() + end).answer()[0] == 200
    d.stop()


def put(d, **headers):
    """(status, __type) of a put with these headers."""
    c = http.client.HTTPConnection("127.0.0.1", d.api_port, timeout=20)
    try:
        c.request("POST", "/", GOOD, {"X-Amz-Target": "Firehose_20150804.PutRecord", **headers})
        answer = c.getresponse()
        return answer.status, json.loads(answer.read()).get("__type")
    finally:
        c.close()


def test_the_api_without_credentials_is_not_for_web_pages(t):
    d = start(t)
    good = [f"127.0.0.1:{d.api_port}", f"localhost:{d.api_port}", "localhost", f"[::1]:{d.api_port}"]
    for host in good:
        assert put(d, Host=host) == (200, None), host
    for host in ("evil.example", f"evil.example:{d.api_port}", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0"):
        assert put(d, Host=host) == (403, "AccessDeniedException"), host
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        assert put(d, **{"Origin": origin, "Content-Type": "text/plain"}) == (403, "AccessDeniedException"), origin
    assert put(d, **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert d.books("app").incoming == len(good)
    assert d.wait_logged("not meant for this server", level="warn")
    d.stop()


def test_names_can_be_allowed(t):
    d = start(t, hosts=["host.docker.internal"])
    assert put(d, Host=f"host.docker.internal:{d.api_port}") == (200, None)
    assert put(d, Host="evil.example")[0] == 403
    d.stop()


def test_servers_for_everybody_answer_to_their_own_names_only(t):
    d = t.daemon({"streams": {"app": stream(to_file(t))}})
    with open(d.config_path, encoding="utf-8") as f:
        text = f.read().replace("127.0.0.1", "0.0.0.0")
    assert text.count("0.0.0.0") == 2
    with open(d.config_path, "w", encoding="utf-8") as f:
        f.write(text.replace("api:\n", "api:\n  auth: none\n").replace("admin:\n", "admin:\n  auth: none\n"))
    d.start()

    def admin(host):
        c = http.client.HTTPConnection("127.0.0.1", d.admin_port, timeout=20)
        try:
            c.request("GET", "/metrics", headers={"Host": host})
            return c.getresponse().status
        finally:
            c.close()
    for host in ("10.1.2.3:9273", "sluice:9273", socket.gethostname(), "localhost"):
        assert admin(host) == 200 and put(d, Host=host)[0] == 200, host
    assert admin("sluice.evil.example") == 403 and put(d, Host="sluice.evil.example")[0] == 403
    d.stop()
