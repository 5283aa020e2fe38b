"""The input amqp10 against a scripted server: each message is one record and is accepted when it is safe, whatever is refused, killed or comes twice."""

import subprocess

import objects
from amqp10_peer import Amqp10Peer
from common import one_stream, to_file
from harness import wait_until
from http_peer import HttpPeer
from test_stomp import Refusing, bodies, got


def server(t, **kw):
    p = Amqp10Peer(**kw)
    t.on_end(p.stop)
    return p


def daemon(t, p, destination=None, options=None, **more):
    amqp10 = {"amqp10": {"url": p.url(), "address": "orders", **(options or {})}}
    config = one_stream("app", destination or to_file(t), inputs=[amqp10], **{"interval": "0s", **more})
    return t.daemon({**config, "shutdown": {"grace": f"{round(4 * t.slow)}s"}})


def check(t, d, p, sent):
    d.wait_delivered("app", len(sent))
    wait_until("the queue to be empty", lambda: p.left() == 0, 60 * t.slow)
    d.stop()
    assert sorted(got(t)) == sorted(sent)
    assert sorted(b.decode() for b in p.accepted) == sorted(sent) and not p.errors and not p.rejected


def test_each_message_is_a_record_and_is_accepted(t):
    p = server(t)
    sent = [b.encode() for b in bodies(1000)] + [b"\0\xff\n\n", b"", b"x" * 5000, b"last"]
    for body in sent:
        p.put(body)
    d = daemon(t, p, interval="900s", options={"credit": 300}).start()
    wait_until("the queue to be empty", lambda: p.left() == 0, 60 * t.slow)
    d.stop()
    want = b"".join(body if body.endswith(b"\n") else body + b"\n" for body in sent)
    assert b"".join(objects.unpack(o) for o in objects.read_dir(t.path("out")).values()) == want
    assert p.accepted == sent and not p.errors and p.said_goodbye == 1
    assert p.sources[0][0] == "orders" and b"queue" in p.sources[0][10], p.sources


def test_kills_lose_and_double_nothing(t):
    p, sent = server(t), bodies(900)
    d = daemon(t, p, options={"credit": 50}).start()
    for i in range(3):
        for body in sent[i * 300:(i + 1) * 300]:
            p.put(body, id=body)
        wait_until("some progress", lambda: len(p.accepted) >= 300 * i + 100, 60 * t.slow)
        d.kill9()
        wait_until("the end of the connection", lambda: p.held() == 0, 60 * t.slow)
        d.start()
    check(t, d, p, sent)


def test_what_comes_again_is_known(t):
    p, sent = server(t), bodies(50)
    p.accept_outcomes = False  # they are lost
    for body in sent:
        p.put(body, id=body)
    d = daemon(t, p).start()
    d.wait_delivered("app", len(sent))
    wait_until("all outcomes to be lost", lambda: p.forgotten == len(sent), 60 * t.slow)
    p.accept_outcomes = True
    p.kick()
    wait_until("the queue to be empty", lambda: p.left() == 0, 60 * t.slow)
    assert d.metrics().get("sluice_input_duplicates_total", stream="app", input="amqp10") == len(sent)
    assert d.wait_logged("works again")
    check(t, d, p, sent)


def test_validate_says_what_is_refused(t):
    p = server(t)
    d = daemon(t, p)
    for refused in (("amqp:not-found", "no such queue"), None):
        p.refuse = refused
        done = subprocess.run([t.binary, "validate", "-c", d.config_path], capture_output=True, text=True, timeout=60 * t.slow, check=False)
        assert done.returncode == 0 and ("no such queue; make the queue" in done.stderr) == bool(refused), done
    assert not p.errors and p.held() == 0


def test_a_full_stream_takes_no_more(t):
    p, sent = server(t, frame=20000), [b + "x" * 20000 for b in bodies(400)]
    for body in sent:
        p.put(body)
    store = HttpPeer(Refusing)
    t.on_end(store.stop)
    d = daemon(t, p, destination={"http": {"url": store.url(), "format": "lines"}}, options={"credit": 50}, spool={"limit": "4MiB"},
               retry={"duration": "24h"})
    d.start()
    wait_until("a full spool", lambda: d.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 60 * t.slow)
    assert p.held() <= 50 and p.left() > 100
    store.takes = True
    wait_until("the queue to be empty", lambda: p.left() == 0, 120 * t.slow)
    d.wait_delivered("app", len(sent))
    d.stop()
    assert len(p.accepted) == len(sent) and not p.errors


def test_a_message_that_is_too_large_is_rejected(t):
    p = server(t, frame=30000)
    p.put(b"x" * (11 << 20))
    p.put("after")
    d = daemon(t, p).start()
    d.wait_delivered("app", 1)
    wait_until("the other to be accepted", lambda: p.accepted == [b"after"], 60 * t.slow)
    assert "it was rejected" in str(d.wait_logged("larger than a record"))
    assert len(p.rejected) == 1 and p.left() == 0
    d.stop()
