"""The input otlp: what OpenTelemetry's SDKs and collectors send becomes records, by signal; who asks in JSON is answered in JSON; what cannot be stored now
is 503, and what was answered with 200 is there after a kill."""

import base64
import gzip
import http.client
import json
import os
import subprocess
import zlib

import objects
from common import stream, to_file
from harness import Skip, free_port, wait_until
from http_peer import HttpPeer
from test_sns import Closed
from test_tls import make_certificates

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz", "corpus", "otlp")
PROTOBUF, JSON = "application/x-protobuf", "application/json"


def post(port, signal, body, kind=JSON, method="POST", headers=None):
    """(status, the answer, its headers)"""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        c.request(method, f"/v1/{signal}", body, {"Content-Type": kind, **(headers or {})})
        answer = c.getresponse()
        said = answer.read()
        return answer.status, json.loads(said) if kind == JSON else said, answer.headers
    finally:
        c.close()


def logs(*texts):
    records = [{"timeUnixNano": str(1700000000000000000 + i), "severityNumber": 9, "body": {"stringValue": text}} for i, text in enumerate(texts)]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": {"name": "lib"}, "logRecords": records}]}]}).encode()


def field(number, content):
    """A field of protobuf, of bytes."""
    length, out = len(content), b""
    while length > 0x7f:
        out, length = out + bytes([length & 0x7f | 0x80]), length >> 7
    return bytes([number << 3 | 2]) + out + bytes([length]) + content


def one_log(text):
    """A request with one log record, in protobuf."""
    return field(1, field(2, field(2, field(5, field(1, text.encode())))))


def sample(name):
    with open(os.path.join(CORPUS, name), "rb") as f:
        return f.read()[1:]  # the first byte is the fuzzer's


def records(t, name):
    return [json.loads(line) for line in objects.lines(objects.read_dir(t.path(name)))]


def test_signals_of_opentelemetry_become_records(t):
    port = free_port()
    d = t.daemon({"streams": {
        "app": stream(to_file(t, "out-app"), inputs=[{"otlp": {"listen": f"127.0.0.1:{port}", "signals": ["logs"], "max_body": "1MiB"}}], interval="0s"),
        "rest": stream(to_file(t, "out-rest"), interval="0s",
                       inputs=[{"otlp": {"listen": f"127.0.0.1:{port}", "signals": ["metrics", "traces"], "record": "nested", "times": "unix_nano"}}]),
    }}).start()
    for signal, pack, encoding in (("logs", gzip.compress, "gzip"), ("metrics", zlib.compress, "deflate"), ("traces", zlib.compress, "zlib")):
        status, said, headers = post(port, signal, pack(sample(f"{signal}.pb")), PROTOBUF, headers={"Content-Encoding": encoding})
        assert (status, said, headers["Content-Type"]) == (200, b"", PROTOBUF)
        assert post(port, signal, sample(f"{signal}.json"))[:2] == (200, {})
    assert post(port, "logs", b"{}")[:2] == (200, {}) and post(port, "logs", b"", PROTOBUF)[0] == 200  # nothing in it
    for answer, status, code in (
            (post(port, "logs", b"{"), 400, 3), (post(port, "logs", b'{"resource_logs":[]}'), 400, 3), (post(port, "logs", b"{}", method="PUT"), 405, 12),
            (post(port, "logs", b" " * (1 << 20) + b"{}"), 413, 8), (post(port, "logs", b"{}", headers={"Host": "evil.example"}), 403, 7)):
        assert (answer[0], answer[1]["code"], answer[2]["Content-Type"]) == (status, code, JSON), answer
    status, said, headers = post(port, "logs", b"\x0a\x05x", PROTOBUF)
    assert status == 400 and headers["Content-Type"] == PROTOBUF and said.startswith(b"\x08\x03\x12") and b"cut off" in said
    assert post(port, "logs", b"x", "text/plain")[0] == 415 and post(port, "other", b"", "x/y")[0] == 404
    d.wait_delivered("app", 16)
    d.wait_delivered("rest", 64)
    d.kill9()
    d.start()
    assert post(port, "logs", logs("behind it"))[0] == 200
    d.wait_delivered("app", 17)
    d.stop()
    app, rest = records(t, "out-app"), records(t, "out-rest")
    last = next(r for r in app if r["body"] == "behind it")
    assert [last[k] for k in ("signal", "body", "severity_number", "resource.attributes.service.name", "scope.name", "time")] == \
        ["log", "behind it", 9, "shop", "lib", "2023-11-14T22:13:20.000000000Z"]
    texts = sorted(json.dumps(r) for r in app if r is not last)  # protobuf and JSON say the same
    assert len(texts) == 16 and texts[::2] == texts[1::2]
    assert {r["signal"] for r in rest} == {"metric", "span"} and all("attributes" in r["resource"] for r in rest)
    assert {r["type"] for r in rest if r["signal"] == "metric"} == {"gauge", "sum", "histogram", "exponential_histogram", "summary"}


def test_a_full_stream_asks_otlp_to_come_again(t):
    sink = HttpPeer(Closed)
    sink.takes, sink.bodies = False, []
    t.on_end(sink.stop)
    port = free_port()
    d = t.daemon({"streams": {"app": stream({"http": {"url": f"http://127.0.0.1:{sink.port}/", "format": "lines"}}, spool={"limit": "4MiB"}, interval="0s",
                                            inputs=[{"otlp": {"listen": f"127.0.0.1:{port}"}}])}}).start()

    def send(i):
        return post(port, "logs", logs(*(f"{i}-{n} " + "x" * 300000 for n in range(2))))

    answers = [send(i) for i in range(8)]
    assert {a[0] for a in answers} == {200, 503}, [a[:2] for a in answers]
    for _, said, headers in (a for a in answers if a[0] == 503):
        assert headers["Retry-After"] and said["code"] == 14 and said["details"][0]["retryDelay"].endswith("s")
    again = [i for i, a in enumerate(answers) if a[0] == 503]
    d.kill9()
    d.start()
    sink.takes = True
    for i in again:
        wait_until("the request to be taken", lambda: send(i)[0] == 200, 60 * t.slow)
    d.wait_delivered("app", 16)
    d.stop()
    bodies = sorted(json.loads(line)["body"].split()[0] for body in sink.bodies for line in body.splitlines())
    assert bodies == sorted(f"{i}-{n}" for i in range(8) for n in range(2))


class Grpc:
    """Calls by curl, which knows neither protobuf nor gRPC, but shows all that is answered."""

    def __init__(self, t, port, url="http", *options):
        self.t, self.base, self.options, self.count = t, f"{url}://127.0.0.1:{port}", options, 0

    def call(self, service, message, packed=None, headers=(), path=None):
        """(grpc-status or the status of HTTP, the message of the answer, all headers and trailers)"""
        self.count += 1
        sent, got = self.t.path(f"call-{self.count}"), self.t.path(f"answer-{self.count}")
        with open(sent, "wb") as f:
            f.write(bytes([packed is not None]) + len(message).to_bytes(4, "big") + message)
        head = ["content-type: application/grpc", "te: trailers", *headers] + ([f"grpc-encoding: {packed}"] if packed else [])
        path = path or f"/opentelemetry.proto.collector.{service}.v1.{service.capitalize()}Service/Export"
        said = subprocess.run(["curl", "-sS", "-m", "60", "--http2-prior-knowledge" if self.base.startswith("http:") else "--http2", "-D", "-", "-o", got,
                               "--data-binary", "@" + sent, *self.options, *(x for h in head for x in ("-H", h)), self.base + path], capture_output=True)
        assert said.returncode == 0, said
        lines = said.stdout.decode().split("\r\n")
        found = dict(line.split(": ", 1) for line in lines if ": " in line)
        body = b""
        if os.path.exists(got):
            with open(got, "rb") as f:
                body = f.read()
        return int(found.get("grpc-status", lines[0].split()[1])), body[5:], found


def test_signals_come_over_grpc(t):
    if "otlp_grpc" not in subprocess.run([t.binary, "--version"], capture_output=True, text=True).stdout:
        raise Skip("built without libnghttp2")
    port, secure = free_port(), free_port()
    ca, server = make_certificates(t)
    token = "token-of-a-collector"
    d = t.daemon({"streams": {
        "app": stream(to_file(t, "out-app"), interval="0s",
                      inputs=[{"otlp_grpc": {"listen": f"127.0.0.1:{port}", "signals": ["logs"], "max_message": "1MiB"}},
                              {"otlp_grpc": {"listen": f"grpcs://127.0.0.1:{secure}", "signals": ["logs"], "tokens": [token],
                                             "tls": {"cert_file": server[0], "key_file": server[1]}}}]),
        "rest": stream(to_file(t, "out-rest"), interval="0s",
                       inputs=[{"otlp_grpc": {"listen": f"127.0.0.1:{port}", "signals": ["metrics", "traces"], "record": "nested"}}]),
    }}).start()
    g = Grpc(t, port)
    for service, name, pack, encoding in (("logs", "logs", gzip.compress, "gzip"), ("metrics", "metrics", zlib.compress, "deflate"),
                                          ("trace", "traces", gzip.compress, "gzip")):
        assert g.call(service, sample(f"{name}.pb"))[:2] == (0, b"")
        assert g.call(service, pack(sample(f"{name}.pb")), encoding)[:2] == (0, b"")
    assert g.call("logs", b"")[:2] == (0, b"")
    for status, said, answer in (
            (3, "cut off", g.call("logs", b"\x0a\x05x")), (3, "not packed", g.call("logs", b"x", "gzip")), (12, "grpc-encoding", g.call("logs", b"x", "br")),
            (8, "max_message", g.call("logs", b"\0" * (1 << 20) + b"x")), (12, "services", g.call("logs", b"", path="/other"))):
        assert answer[0] == status and said in answer[2]["grpc-message"], (status, answer)
    assert g.call("logs", gzip.compress(one_log("x" * (2 << 20))), "gzip")[0] == 8
    tls = Grpc(t, secure, "https", "--cacert", ca)
    assert tls.call("logs", b"")[0] == 16
    assert tls.call("logs", sample("logs.pb"), headers=["authorization: Bearer " + token])[:2] == (0, b"")
    try:
        post(port, "logs", b"{}", PROTOBUF)
        raise AssertionError("HTTP/1.1 was answered")
    except (http.client.HTTPException, OSError):
        pass
    d.wait_delivered("app", 24)
    d.wait_delivered("rest", 64)
    d.kill9()
    d.start()
    assert g.call("logs", sample("logs.pb"))[0] == 0
    d.wait_delivered("app", 32)
    d.stop()
    texts = sorted(json.dumps(r) for r in records(t, "out-app"))
    assert texts[::4] == texts[1::4] == texts[2::4] == texts[3::4] and len(texts) == 32
    assert {r["signal"] for r in records(t, "out-rest")} == {"metric", "span"}


def test_a_full_stream_asks_grpc_to_come_again(t):
    if "otlp_grpc" not in subprocess.run([t.binary, "--version"], capture_output=True, text=True).stdout:
        raise Skip("built without libnghttp2")
    sink = HttpPeer(Closed)
    sink.takes, sink.bodies = False, []
    t.on_end(sink.stop)
    port = free_port()
    d = t.daemon({"streams": {"app": stream({"http": {"url": f"http://127.0.0.1:{sink.port}/", "format": "lines"}}, spool={"limit": "4MiB"}, interval="0s",
                                            inputs=[{"otlp_grpc": {"listen": f"127.0.0.1:{port}"}}])}}).start()
    g = Grpc(t, port)

    def send(i):
        return g.call("logs", one_log(f"{i} " + "x" * 600000))

    answers = [send(i) for i in range(8)]
    assert {a[0] for a in answers} == {0, 14}, answers
    for _, _, headers in (a for a in answers if a[0] == 14):
        assert headers["google.rpc.retryinfo-bin"] and "RetryInfo" in str(base64.b64decode(headers["grpc-status-details-bin"] + "=="))
    again = [i for i, a in enumerate(answers) if a[0] == 14]
    d.kill9()
    d.start()
    sink.takes = True
    for i in again:
        wait_until("the request to be taken", lambda: send(i)[0] == 0, 60 * t.slow)
    d.wait_delivered("app", 8)
    d.stop()
    assert sorted(json.loads(line)["body"].split()[0] for body in sink.bodies for line in body.splitlines()) == [str(i) for i in range(8)]
