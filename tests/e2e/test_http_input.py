"""The input http: what is posted becomes records and is answered when they are safe; a request that comes again is stored once; who may
not post does not; a full stream says so; and one sluice delivers to another."""

import base64
import gzip
import http.client
import json
import threading

import objects
from common import stream, to_file
from harness import free_port, wait_until
from http_peer import HttpPeer
from test_sns import Closed
from test_transform import script

TOKEN = "token-of-the-sender-01"


def post(port, body=b"", path="/app", headers=None, method="POST", chunked=False):
    """(status, text, headers)."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        c.request(method, path, iter([body[:1], body[1:]]) if chunked else body, headers or {}, encode_chunked=chunked)
        answer = c.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        c.close()


def firehose(port, request_id, records, headers=None, **kw):
    body = {"requestId": request_id, "timestamp": 1, "records": [{"data": base64.b64encode(r).decode()} for r in records]}
    status, text, _ = post(port, json.dumps(body).encode(), headers={"X-Amz-Firehose-Request-Id": request_id, **(headers or {})}, **kw)
    said = json.loads(text)
    assert said["requestId"] == request_id and isinstance(said["timestamp"], int) and set(said) <= {"requestId", "timestamp", "errorMessage"}
    return status, said.get("errorMessage")


def daemon(t, name="sluice", streams=("app",), options=None, destination=None, limits=None, **more):
    port = free_port()
    config = {"streams": {n: stream(destination or to_file(t, "out-" + n),
                                    inputs=[{"http": {"listen": f"127.0.0.1:{port}", **(options or {})}}], interval="0s", **more)
                          for n in streams}}
    d = t.daemon({**config, "limits": limits} if limits else config, name=name)
    d.http_port = port
    return d


def got(t, stream_name="app"):
    return sorted(line.decode() for line in objects.lines(objects.read_dir(t.path("out-" + stream_name))))


def test_a_body_is_one_record_or_several(t):
    script(t, "function transform(r, meta)\n"
              "  return r .. ' ' .. meta.input .. ' ' .. meta.path .. ' ' .. meta.address .. ' ' .. (meta['header.x-trace'] or '-')\nend\n")
    d = daemon(t, options={"headers": ["X-Trace"], "max_body": "1MiB"}, transform={"lua": t.path("script.lua")}).start()
    behind = " http /app 127.0.0.1 -"

    def ok(body, **kw):
        status, text, _ = post(d.http_port, body, **kw)
        assert (status, text) == (200, "it is stored\n"), (status, text)

    def of(kind, **more):
        return {"Content-Type": kind, **more}

    ok(b"plain=1")  # as curl -d
    ok(b"traced", headers={"x-trace": "abc"})
    ok(b"a\nb", headers=of("text/plain; charset=utf-8"))
    ok(b'{"n":1}\n\n{"n":2}\n', headers=of("application/x-ndjson"))
    ok(b'[{"n":3},4]', headers=of("application/json"))
    ok(b'{"n":5}', headers=of("application/json"))
    ok(gzip.compress(b"zipped") + gzip.compress(b" twice"), headers={"Content-Encoding": "gzip"})
    ok(bytes.fromhex("28b52ffd04584900007a737464207465787453444a3b"), headers={"Content-Encoding": "zstd"})
    ok(b"in chunks", chunked=True)
    assert post(d.http_port, b"", headers=of("text/plain"))[:2] == (200, "there was nothing to store\n")

    def refused(status, why, body, **kw):
        got_status, text, _ = post(d.http_port, body, **kw)
        assert got_status == status and why in text, (got_status, text)

    refused(400, "line 2 is no JSON", b'{"n":6}\n{"n":\n', headers=of("application/x-ndjson"))
    refused(400, "the body is no JSON", b'[{"n":6},', headers=of("application/json"))
    refused(400, "does not begin as Content-Encoding: gzip", b"x", headers={"Content-Encoding": "gzip"})
    refused(400, "cut off", gzip.compress(b"x" * 1000)[:-9], headers={"Content-Encoding": "gzip"})
    refused(400, "is not what Content-Encoding says", gzip.compress(b"x") + b"more", headers={"Content-Encoding": "gzip"})
    refused(415, "gzip, deflate, zstd, lz4, x-snappy-framed, snappy, identity", b"x", headers={"Content-Encoding": "br"})
    refused(413, "max_body", gzip.compress(bytes(2 << 20)), headers={"Content-Encoding": "gzip"})
    refused(413, "max_body", bytes(2 << 20))
    refused(405, "posted here", b"", method="GET")
    refused(403, "page of another site", b"x", headers={"Origin": "http://evil.example"})
    refused(403, "", b"x", headers={"Host": "evil.example"})
    refused(404, "", b"x", path="/apps")
    d.wait_delivered("app", 12)
    assert d.wait_logged("a request was refused")
    d.stop()
    assert got(t) == sorted([*[r + behind for r in ("plain=1", "a", "b", '{"n":1}', '{"n":2}', '{"n":3}', "4", '{"n":5}', "zipped twice", "zstd text",
                                                           "in chunks")],
                             "traced http /app 127.0.0.1 abc"])


def test_a_request_that_comes_again_is_stored_once(t):
    d = daemon(t, options={"tokens": [TOKEN]}).start()
    key = {"Authorization": f"Bearer {TOKEN}"}
    lines = 400 if t.tight else 4000  # several frames, and no more ids than a small build remembers
    large = b"\n".join(b"%06d" % i + b"x" * 500 for i in range(lines))
    sent = [(b"a", {"Idempotency-Key": "1"}), (b"b", {"Idempotency-Key": "2"}), (b"a", {}),
            (large, {"Idempotency-Key": "large", "Content-Type": "text/plain"})]
    for body, headers in sent:
        assert post(d.http_port, body, headers={**key, **headers})[0] == 200
    access = {"X-Amz-Firehose-Access-Key": TOKEN}
    assert firehose(d.http_port, "r-1", [b"\x00\xff", b"", b"f"], headers=access) == (200, None)
    d.kill9()
    d.start()
    for body, headers in sent:
        if headers:
            assert post(d.http_port, body, headers={**key, **headers})[0] == 200
    assert firehose(d.http_port, "r-1", [b"\x00\xff", b"", b"f"], headers=access) == (200, None)
    d.wait_delivered("app", 3 + lines + 3)
    assert d.metrics().get("sluice_input_duplicates_total", stream="app", input="http") == 2 + lines + 3
    for headers in ({}, {"Authorization": "Bearer " + TOKEN[:-1]}, {"X-Amz-Firehose-Access-Key": "x"}):
        status, text, back = post(d.http_port, b"no", headers=headers)
        assert status == 401 and back["WWW-Authenticate"], (status, text)
    assert firehose(d.http_port, "r-2", [b"x"], headers={"X-Amz-Firehose-Protocol-Version": "2.0", **access})[0] == 400
    assert "not what" in post(d.http_port, b'{"requestId":"r-4","records":[]}', headers={"X-Amz-Firehose-Request-Id": "r-3", **access})[1]
    d.stop()
    assert TOKEN not in d.log_text()
    written = b"".join(objects.read_dir(t.path("out-app")).values())
    assert written.count(b"x" * 500) == lines and written.count(b"\x00\xff\n\nf") == 1


def test_a_full_http_stream_answers_503_and_goes_on(t):
    sink = HttpPeer(Closed)
    sink.takes, sink.bodies = False, []
    t.on_end(sink.stop)
    d = daemon(t, destination={"http": {"url": f"http://127.0.0.1:{sink.port}/", "format": "lines"}}, spool={"limit": "4MiB"}).start()

    def send(i):
        return post(d.http_port, b"\n".join([b"%d" % i + b"x" * 400000] * 2), headers={"Content-Type": "text/plain", "Idempotency-Key": str(i)})

    answers = [send(i) for i in range(8)]
    assert {a[0] for a in answers} == {200, 503}, answers
    assert all(a[2]["Retry-After"] for a in answers if a[0] == 503)
    sink.takes = True
    for i in range(8):
        wait_until("the request to be taken", lambda: send(i)[0] == 200, 60 * t.slow)
    d.wait_delivered("app", 16)
    d.stop()
    lines = sorted(line[:1] for body in sink.bodies for line in body.splitlines())
    assert lines == sorted(b"0123456701234567"[i:i + 1] for i in range(16))


def test_a_request_that_no_spool_holds_is_refused_whole(t):
    d = daemon(t, spool={"limit": "4MiB"}).start()
    large = b"\n".join([b"x" * 100000] * 45)  # several pieces, of which most had room
    for headers in ({}, {"Idempotency-Key": "k"}):
        status, text, _ = post(d.http_port, large, headers={"Content-Type": "text/plain", **headers})
        assert status == 413 and "spool.limit" in text, (status, text)
    assert post(d.http_port, b"small")[0] == 200
    d.wait_delivered("app", 1)
    d.stop()
    assert got(t) == ["small"]


def test_a_request_that_no_memory_holds_is_refused_for_good(t):
    """A header that is kept with each of its records needs memory once for many of them."""
    headers = {"Content-Type": "text/plain", "X-Long": "y" * (100 if t.tight else 2000)}
    d = daemon(t, options={"headers": ["X-Long"]}, limits={"memory": "16MiB"}).start()
    status, text, _ = post(d.http_port, b"x" * 5000000, headers=headers)
    assert status == 413 and "limits.memory" in text, (status, text)
    assert post(d.http_port, b"x\n" * 10000, headers=headers)[0] == 200
    d.wait_delivered("app", 10000)
    d.stop()


def test_one_sluice_delivers_to_another_without_doubles(t):
    """The receiver is killed while it is delivered to; what the sender did not hear of comes again, and is known."""
    receiver = daemon(t, name="receiver", options={"tokens": [TOKEN]}).start()
    port = free_port()
    sender = t.daemon({"streams": {"from": stream({"http": {"format": "firehose", "url": f"http://127.0.0.1:{receiver.http_port}/app", "access_key": TOKEN}},
                                                  inputs=[{"http": {"listen": f"127.0.0.1:{port}", "path": "/in"}}], size="1MiB", interval="0s")}},
                      name="sender").start()
    count = 300
    progress, answers = threading.Event(), []

    def feed():
        try:
            for i in range(count):
                answers.append(post(port, b"event %d" % i, path="/in")[0])
                if i == count // 3:
                    progress.set()
        finally:
            progress.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    progress.wait()
    receiver.kill9()
    receiver.start()
    feeder.join()
    assert answers == [200] * count
    sender.wait_delivered("from", count)
    sender.stop()
    receiver.stop()
    assert got(t) == sorted(f"event {i}" for i in range(count))


def test_what_is_stored_is_answered_while_it_stops(t):
    """Senders go on while it stops: what one of them did not hear of, it would send again."""
    d = daemon(t).start()
    lock, heard, answered, refused = threading.Lock(), [], threading.Event(), (OSError, http.client.HTTPException)

    def send(sender):
        for i in range(1000000):
            record = f"{sender} {i}"
            try:
                status = post(d.http_port, record.encode())[0]
            except refused:
                return
            if status != 200:
                return
            with lock:
                heard.append(record)
                if len(heard) > 50:
                    answered.set()

    senders = [threading.Thread(target=send, args=(i,)) for i in range(8)]
    for sender in senders:
        sender.start()
    assert answered.wait(60 * t.slow)
    d.stop()
    for sender in senders:
        sender.join()
    d.start()
    d.wait_delivered("app", len(heard))
    d.stop()
    assert got(t) == sorted(heard)


def test_several_http_inputs_share_an_address_and_come_and_go(t):
    d = daemon(t, streams=("app", "web")).start()
    assert post(d.http_port, b"1")[0] == 200 and post(d.http_port, b"2", path="/web")[0] == 200
    d.wait_delivered("app", 1)
    d.wait_delivered("web", 1)
    d.stop()
    assert got(t) == ["1"] and got(t, "web") == ["2"]
