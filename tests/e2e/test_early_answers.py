"""Servers that answer before they have read the request: an error is an error, and "stored" is not to be believed."""

import os
import re
import socket
import time

from common import one_stream, stream
from firehose import Firehose
from raw_peer import RawPeer, answer
from test_http_misbehaviour import healthy_firehose

# More than the buffers of a connection hold: what the server does not read is not sent.
PIECE, PIECES = 990_000, 8


def reads_a_little(c):
    while len(c.buffer) < 1000:
        c._more()


def closes(c):
    """The end of the connection as a close: what was not read makes a reset of it, behind the answer."""
    time.sleep(0.3)


def closes_at_once(_c):
    """What is being sent fails before the answer is read, if it comes to that."""


def ends_its_side(c):
    """No reset: the server says that it is done, and reads nothing more."""
    c.sock.shutdown(socket.SHUT_WR)
    keeps_open(c)


def resets(c):
    time.sleep(0.3)
    c.reset()


def keeps_open(c):
    c.peer.stopping.wait(20)


ENDS = (closes, ends_its_side, resets, keeps_open)
BYE, STAY = (b"Connection: close",), ()


def says(data, end):
    """To the first request with a body. What asks who is there (GET) may come before it or behind."""
    told = []

    def behave(c):
        c.read_head()
        if c.head.startswith(b"GET"):
            c.send(answer(b"200 OK", b"{}"))
        elif told:
            c.read_body()
            c.peer.note(c)
            c.send(c.peer.healthy(c))
        else:
            told.append(True)
            reads_a_little(c)
            c.send(data(c) if callable(data) else data)
            end(c)
    return behave


def s3_ok(_c):
    return answer(b"200 OK", b"", b'ETag: "0"')


def lines_ok(_c):
    return answer(b"200 OK")


def bulk_ok(c):
    items = c.body.count(b"\n") // 2 or 1
    item = b'{"create":{"_index":"i","_id":"1","status":201}}'
    return answer(b"200 OK", b'{"took":1,"errors":false,"items":[' + b",".join([item] * items) + b"]}",
                  b"Content-Type: application/json")


def to_s3(url):
    return {"s3": {"bucket": "b", "endpoint": url, "region": "us-east-1", "access_key_id": "A",
                   "secret_access_key": "s", "timeout": "3s"}}


def to_http(url):
    return {"http": {"url": url + "/in", "format": "lines", "timeout": "3s"}}


def to_firehose(url):
    return {"http": {"url": url + "/in", "format": "firehose", "timeout": "3s"}}


def to_search(url):
    return {"elasticsearch": {"url": url, "index": "i", "timeout": "3s", "body_limit": "32MiB"}}


SINKS = {"s3": (to_s3, s3_ok), "lines": (to_http, lines_ok), "firehose": (to_firehose, healthy_firehose),
         "search": (to_search, bulk_ok)}


def record(sink):
    filler = os.urandom(PIECE // 2).hex()
    return ('{"m":"%s"}' % filler).encode() if sink == "search" else filler.encode()


def run(t, rows):
    """rows: name -> (sink, behaviour, pattern). One stream each; the first connection misbehaves. The threads are the same in all of
    them, so ThreadSanitizer, to which each byte is dear, gets every fifth: each sink and each end once."""
    if t.threads_checked:
        rows = dict(list(rows.items())[::5])
    peers = {name: RawPeer([behaviour] * 3, SINKS[sink][1]) for name, (sink, behaviour, _) in rows.items()}
    for peer in peers.values():
        t.on_end(peer.stop)
    names = {f"s{i:02}": name for i, name in enumerate(rows)}
    d = t.daemon({"limits": {"memory": "512MiB"}, "streams": {
        s: stream(SINKS[rows[name][0]][0](peers[name].url()), interval="900s", size="8MiB")
        for s, name in names.items()}}).start()
    client = Firehose(d.api_port, timeout=60)
    for s, name in names.items():
        for _ in range(PIECES + 1):
            client.put(s, record(rows[name][0]))
    for s, name in names.items():
        line = d.wait_logged(rf"delivery failed.*stream={s} ", 40)[0]
        assert re.search(rows[name][2], line), f"{name}: {rows[name][2]!r} is not in {line}"
    for s, name in names.items():
        t_end = time.monotonic() + 60 * t.slow
        while d.books(s).delivered < PIECES and time.monotonic() < t_end:
            time.sleep(0.1)
        b = d.books(s)
        b.assert_balanced()
        assert b.delivered >= PIECES, (name, b)
        whole = [body for _, head, body in peers[name].requests if head.startswith((b"PUT", b"POST"))]
        assert whole and len(whole[-1]) > PIECE * (PIECES - 1), (name, [len(x) for x in whole])
    d.process.kill()
    d.process.wait()
    d.check_log()


def test_a_success_before_the_body_was_sent_is_none(t):
    run(t, {
        f"{sink}, {end.__name__}": (sink, says(SINKS[sink][1], end), r"127\.0\.0\.1")
        for sink in SINKS for end in ENDS
    })


def test_a_success_that_closes_says_how_much_was_sent(t):
    rows = {}
    for sink, (_, ok) in SINKS.items():
        def closing(c, ok=ok):
            head, _, body = ok(c).partition(b"\r\n\r\n")
            return head + b"\r\nConnection: close\r\n\r\n" + body
        rows[sink] = (sink, says(closing, ends_its_side), r"200 when [0-9]+ of [0-9]+ bytes were sent")
    run(t, rows)


def errors(t, status, sinks, ends):
    run(t, {
        f"{sink}, {status}, {end.__name__}, {more}": (
            sink, says(answer(status + b" No", b"no", *more), end),
            status.decode())
        for sink in sinks for end in ends for more in (BYE, STAY)
    })


def test_a_401_before_the_body_was_sent_is_a_401(t):
    errors(t, b"401", ("s3", "lines", "search"), (closes, keeps_open))


def test_a_503_before_the_body_was_sent_is_a_503(t):
    errors(t, b"503", ("lines",), (*ENDS, closes_at_once))


test_a_success_before_the_body_was_sent_is_none.timeout = 240
