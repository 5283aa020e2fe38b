"""The input stomp against a scripted server: each message is one record and is acknowledged when it is safe, whatever fails, hangs, is killed or
comes twice."""

import json
import subprocess

import objects
from common import one_stream, to_file
from harness import wait_until
from http_peer import Handler, HttpPeer
from stomp_peer import Refuse, StompPeer


class Refusing(Handler):
    """Answers 503 until its peer `takes`."""

    def do_POST(self):
        self.read_body()
        self.send_response(200 if getattr(self.server.peer, "takes", False) else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()


def server(t, **kw):
    p = StompPeer(**kw)
    t.on_end(p.stop)
    return p


def daemon(t, p, destination=None, options=None, **more):
    stomp = {"stomp": {"url": p.url(), "destination": "/queue/orders", **(options or {})}}
    config = one_stream("app", destination or to_file(t), inputs=[stomp], **{"interval": "0s", **more})
    return t.daemon({**config, "shutdown": {"grace": f"{round(4 * t.slow)}s"}})


def bodies(count, tag="m"):
    return [f"{tag}-{i:05d}" for i in range(count)]


def got(t):
    return [line.decode() for line in objects.lines(objects.read_dir(t.path("out")))]


def check(t, d, p, sent):
    d.wait_delivered("app", len(sent))
    wait_until("the queue to be empty", lambda: p.left() == 0, 60 * t.slow)
    d.stop()
    assert sorted(got(t)) == sorted(sent)
    assert sorted(b.decode() for b in p.acked) == sorted(sent) and not p.errors, p.errors


def test_each_message_is_a_record_and_is_acknowledged(t):
    for version in ("1.2", "1.1"):
        p, sent = server(t, version=version), bodies(2000, version)
        for body in sent:
            p.put(body)
        options = {"user": "u", "password": "p:w", "vhost": "/", "prefetch": 300, "headers": ["x-more: a:b"]}
        d = daemon(t, p, to_file(t, "out" + version), options=options, interval="900s").start()
        wait_until("the queue to be empty", lambda: p.left() == 0, 60 * t.slow)
        d.stop()
        assert [line.decode() for line in objects.lines(objects.read_dir(t.path("out" + version)))] == sent  # and in order
        wait_until("the goodbye", lambda p=p: p.said_goodbye == 1, 60 * t.slow)
        assert [b.decode() for b in p.acked] == sent and not p.errors
        assert p.connects == [{"accept-version": "1.1,1.2", "host": "/", "login": "u", "passcode": "p:w", "heart-beat": "10000,10000"}]
        assert p.subscribes[0]["x-more"] == "a:b" and p.subscribes[0]["ack"] == "client-individual"
        assert "p:w" not in d.log_text()


def test_any_bytes_in_any_pieces(t):
    p = server(t)
    p.piece = 7
    sent = [b"", b"\0\xff\xfe a\r\0b", b"\n\n"]
    for body in sent:
        p.put(body, [("k:1", "a\\b\nc")])
    d = daemon(t, p, interval="900s").start()
    wait_until("the queue to be empty", lambda: p.left() == 0, 60 * t.slow)
    d.stop()
    assert b"".join(objects.unpack(o) for o in objects.read_dir(t.path("out")).values()) == b"\n" + sent[1] + b"\n" + sent[2]


def test_what_is_known_of_a_message_is_meta(t):
    p = server(t)
    p.put('{"a":1}', [("trace:1", "t\n1"), ("trace:1", "second")], id="ID:7")
    with open(t.path("show.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r, meta)\n"
                "  r.trace, r.queue, r.id = meta['header.trace:1'], meta.destination, meta.message_id\n"
                "  return r\nend\n")
    d = daemon(t, p, transform={"lua": t.path("show.lua")}).start()
    d.wait_delivered("app", 1)
    d.stop()
    assert json.loads(got(t)[0]) == {"a": 1, "trace": "t\n1", "queue": "/queue/orders", "id": "ID:7"}


def test_kills_lose_and_double_nothing(t):
    p, sent = server(t), bodies(1200)
    d = daemon(t, p, options={"prefetch": 50})
    d.start()
    for i in range(3):
        for body in sent[i * 400:(i + 1) * 400]:
            p.put(body)
        wait_until("some progress", lambda: len(p.acked) >= 400 * i + 150, 60 * t.slow)
        d.kill9()
        wait_until("the end of the connection", lambda: p.held() == 0, 60 * t.slow)
        d.start()
    check(t, d, p, sent)


def test_what_comes_again_is_known(t):
    """The first connection is refused, of the second the acknowledgements are lost."""
    p, sent = server(t), bodies(50)
    p.plan(Refuse("User name [u] or password is invalid."))
    p.accept_acks = False
    for body in sent:
        p.put(body)
    d = daemon(t, p).start()
    d.wait_delivered("app", len(sent))
    line = str(d.wait_logged("password is invalid"))
    assert "look at `user` and `password`" in line, line
    wait_until("all acknowledgements to be lost", lambda: p.forgotten == len(sent), 60 * t.slow)
    p.accept_acks = True
    p.kick()
    wait_until("the queue to be empty", lambda: p.left() == 0, 60 * t.slow)
    assert d.metrics().get("sluice_input_duplicates_total", stream="app", input="stomp") == len(sent)
    assert d.wait_logged("works again")
    check(t, d, p, sent)


def test_a_full_stream_takes_no_more(t):
    p, sent = server(t), [b + "x" * 20000 for b in bodies(400)]
    for body in sent:
        p.put(body)
    store = HttpPeer(Refusing)
    t.on_end(store.stop)
    d = daemon(t, p, destination={"http": {"url": store.url(), "format": "lines"}}, options={"prefetch": 50}, spool={"limit": "4MiB"},
               retry={"duration": "24h"})
    d.start()
    wait_until("a full spool", lambda: d.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 60 * t.slow)
    assert p.held() <= 50 and p.left() > 100
    store.takes = True
    wait_until("the queue to be empty", lambda: p.left() == 0, 120 * t.slow)
    d.wait_delivered("app", len(sent))
    d.stop()
    assert len(p.acked) == len(sent) and not p.errors


def test_a_connection_that_breaks_while_the_stream_is_full_is_made_anew(t):
    p = server(t)
    for body in bodies(400):
        p.put(body + "x" * 20000)
    d = daemon(t, p, destination={"http": {"url": "http://127.0.0.1:9/", "format": "lines"}}, spool={"limit": "4MiB"}, retry={"duration": "24h"})
    d.start()
    wait_until("a full spool", lambda: d.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 60 * t.slow)
    p.kick(reset=True)
    wait_until("another subscription", lambda: len(p.subscribes) == 2, 60 * t.slow)
    wait_until("a connection", lambda: d.metrics().get("sluice_input_connected", stream="app", input="stomp") == 1, 60 * t.slow)
    d.kill9()


def test_a_message_that_is_too_large_is_left_or_refused(t):
    for n, rule in enumerate(("leave", "nack"), 1):
        p = server(t)
        p.put(b"x" * (11 << 20))
        p.put("after " + rule)
        d = daemon(t, p, to_file(t, rule), options={"too_large": rule}).start()
        d.wait_delivered("app", n)  # the books go on from the run before
        wait_until("the other to be acknowledged", lambda: p.acked == [b"after " + rule.encode()], 60 * t.slow)
        line = str(d.wait_logged("larger than a record"))
        assert "ID:peer-1" in line and "too_large" in line if rule == "leave" else "NACK" in line, line
        assert (len(p.nacked), p.left()) == ((1, 0) if rule == "nack" else (0, 1))
        d.stop()


def test_hearts_beat(t):
    p = server(t, heart_beat=200)
    d = daemon(t, p, options={"heart_beat": "200ms"}).start()
    wait_until("heart-beats", lambda: p.heart_beats >= 3, 60 * t.slow)
    line = str(d.wait_logged("no heart-beat of the server", timeout=60 * t.slow))  # it sends none
    assert "look at the server" in line
    d.stop()


def test_validate_says_whether_it_would_be_let_in(t):
    p = server(t)
    p.plan(Refuse("User name [u] or password is invalid."))
    d = daemon(t, p)
    for refused in (True, False):
        done = subprocess.run([t.binary, "validate", "-c", d.config_path], capture_output=True, text=True, timeout=60 * t.slow, check=False)
        assert ("password is invalid" in done.stdout + done.stderr) == refused, done
        assert done.returncode == 0, done
    assert not p.subscribes
