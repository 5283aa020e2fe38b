"""The input amqp091 against a scripted server: each message is one record and is acknowledged when it is safe, whatever the server does, and whenever
either of the two goes."""

import struct
import subprocess

import objects
from amqp091_peer import Gone, Moved, RabbitPeer
from common import one_stream, stream, to_file
from harness import wait_until
from s3_peer import Fail, S3Peer


def rabbit(t, **kw):
    r = RabbitPeer(**kw)
    t.on_end(r.stop)
    return r


def amqp(r, **more):
    return {"amqp091": {"url": f"amqp://127.0.0.1:{r.port}", "username": "me", "password": "secret", "queue": "orders", **more}}


def daemon(t, r, destination=None, options=None, **more):
    config = one_stream("app", destination or to_file(t), inputs=[amqp(r, **(options or {}))], **{"interval": "0s", **more})
    return t.daemon({**config, "shutdown": {"grace": f"{round(4 * t.slow)}s"}})


def got(t, folder="out"):
    return [line.decode() for line in objects.lines(objects.read_dir(t.path(folder)))]


def fill(r, count, begin=0, **kw):
    sent = [f"m-{i:05d}" for i in range(begin, begin + count)]
    for body in sent:
        r.send(body, **kw)
    return sent


def check(t, d, r, sent, stop=True):
    """All is there once, and nothing is left in the queue."""
    d.wait_delivered("app", len(sent))
    wait_until("the queue to be empty", lambda: len(r.acked) == len(sent) and not r.left(), 30 * t.slow)
    if stop:
        d.stop()
    assert sorted(got(t)) == sorted(sent) and not r.bad, r.bad
    assert [a.decode() for a in r.acked] == sent


def test_each_message_is_a_record_and_is_acknowledged(t):
    r = rabbit(t)
    sent = fill(r, 2000)
    d = daemon(t, r, options={"prefetch": 50}).start()
    check(t, d, r, sent, stop=False)
    r.send("late")
    check(t, d, r, sent + ["late"])
    assert "secret" not in d.log_text()


def test_any_bytes_pass_and_what_is_known_of_them_is_in_meta(t):
    r = rabbit(t)
    with open(t.path("s.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r, meta)\n  return meta.routing_key .. ' ' .. meta['header.kind'] .. ' ' .. meta.message_id .. ' ' .. "
                "(r.raw:gsub('.', function(c) return ('%02x'):format(c:byte()) end))\nend\n")
    for i, body in enumerate([b"", b"\0", b"a\nb\n", bytes(range(256))]):
        r.send(body, headers={"kind": f"k{i}"}, message_id=f"id{i}")
    d = daemon(t, r, transform={"lua": t.path("s.lua")}).start()
    d.wait_delivered("app", 4)
    d.stop()
    assert sorted(got(t)) == ["orders k0 id0 ", "orders k1 id1 00", "orders k2 id2 610a620a", "orders k3 id3 " + bytes(range(256)).hex()]


def test_once_ends_when_the_queue_is_empty(t):
    r = rabbit(t)
    sent = fill(r, 300)
    d = daemon(t, r)
    d.spawn("--once")
    d.wait_exit(60)
    assert sorted(got(t)) == sent and len(r.acked) == 300


def test_a_message_that_is_too_large_is_rejected_and_the_others_go_on(t):
    r = rabbit(t)
    r.send("before")
    r.send(b"x" * (10 * (1 << 20) + 1))
    r.send("after")
    d = daemon(t, r).start()
    d.wait_delivered("app", 2)
    wait_until("it is rejected", lambda: len(r.rejected) == 1 and len(r.acked) == 2, 30 * t.slow)
    d.wait_logged("was rejected.*dead-letter", level="warn")
    d.stop()
    assert sorted(got(t)) == ["after", "before"] and not r.bad


def test_what_was_not_acknowledged_comes_again_and_is_known_by_its_id(t):
    r = rabbit(t)

    def lose(what, session):
        if what == "ack":
            r.on = None
            session.drop()
    r.on = lose
    sent = [f"m-{i:05d}" for i in range(200)]
    for body in sent:
        r.send(body, message_id=body)
    d = daemon(t, r, options={"remember": 5000}).start()
    check(t, d, r, sent, stop=False)
    assert d.metrics().get("sluice_input_redelivered_total", stream="app") > 0
    assert d.metrics().get("sluice_input_duplicates_total", stream="app") > 0
    d.stop()


def test_a_connection_that_breaks_off_anywhere_loses_nothing(t):
    """In each step once; in the middle of a message; with nonsense. The daemon is killed each time it has noticed."""
    r = rabbit(t)
    sent, happened = fill(r, 100), []

    def trouble(what, session):
        if happened or what != ("deliver" if step not in ("greeting", "open", "consume") else step):
            return
        if step == "deliver" and session.tag < 5:
            return
        happened.append(step)
        if what != "deliver" or step == "deliver":
            session.drop()
        message = session.message_frames(session.unacked[session.tag])
        if step == "half":
            session.send(message[:40])
            session.drop()
        elif step == "nonsense":
            session.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            raise Gone
        elif step == "cancel":
            session.send(message)
            session.cancel()
        elif step == "close_channel":
            session.close_channel(406, "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out")
        else:
            session.close(320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'")
        raise Moved

    d = daemon(t, r, options={"prefetch": 10})
    for step in ("greeting", "open", "consume", "deliver", "half", "nonsense", "cancel", "close_channel", "close"):
        happened.clear()
        r.on = trouble
        d.start()
        wait_until(f"it is noticed: {step}", lambda: any("source failed" in x["msg"] for x in d.log(this_run=True)), 60 * t.slow)
        d.kill9()
        assert happened
    r.on = None
    d.start()
    wait_until("all is acknowledged", lambda: len(set(r.acked)) == len(sent) and not r.left(), 60 * t.slow)
    d.stop()
    assert sorted(set(got(t))) == sent and not r.bad
    for words in ("AMQP_CONNECTION_FORCED", "AMQP_PRECONDITION_FAILED.*timed out.*consumer_timeout", "ended the consumer"):
        assert d.wait_logged(words), words


def test_what_is_wrong_is_said_and_tried_again(t):
    r = rabbit(t)
    r.refuse = (404, "NOT_FOUND - no queue 'orders' in vhost '/'")
    d = daemon(t, r).start()
    d.wait_logged("AMQP_NOT_FOUND.*no queue.*make the queue", level="warn")
    assert "no queue" in d.http("/readyz")[1], d.http("/readyz")[1]
    r.refuse = None
    check(t, d, r, fill(r, 10), stop=False)
    d.wait_logged("the connection to the source works again")
    d.stop()
    wrong = t.daemon({"streams": {"app": stream(to_file(t, "none"), [amqp(r, password="geheim")])}}, name="wrong").start()
    wrong.wait_logged("AMQP_ACCESS_REFUSED.*username and password", level="warn")
    wrong.stop()
    assert "geheim" not in wrong.log_text()


def test_a_stream_goes_on_behind_the_last_message_that_is_safe(t):
    r = rabbit(t)
    r.stream = True
    sent = fill(r, 500)
    d = daemon(t, r, options={"stream_start": "first", "prefetch": 30}).start()
    for kill in (True, False, True):
        wait_until("some records", lambda: d.books("app").incoming >= len(sent), 60 * t.slow)
        if kill:
            d.kill9()
        else:
            d.stop()
        sent += fill(r, 300, begin=len(sent))
        d.start()
    r.stop()
    r.start()
    sent += fill(r, 50, begin=len(sent))
    d.wait_delivered("app", len(sent))
    wait_until("the lag to be known", lambda: d.metrics().has("sluice_input_lag"), 60 * t.slow)
    d.stop()
    assert sorted(got(t)) == sent and not r.bad
    assert not r.asked[0].endswith(struct.pack(">q", 0)) and d.wait_logged("read on behind the last message")


def test_a_stream_that_is_begun_at_its_end_loses_nothing_from_then_on(t):
    """Neither what is sent while there is no connection, nor what had come when the next one breaks off."""
    r = rabbit(t)
    r.stream = True
    fill(r, 5)
    for message in r.messages:
        message.sent_at -= 3600
    d = daemon(t, r, options={"stream_start": "next"}).start()
    wait_until("the consumer", lambda: r.consumers == 1, 60 * t.slow)
    r.stop()
    sent = fill(r, 10, begin=5)

    def break_off(what, session):
        if what == "deliver":
            r.on = None
            session.send(session.message_frames(session.unacked[session.tag]) + b"HTTP/1.1 400 Bad Request\r\n\r\n")
            raise Gone
    r.on = break_off
    r.start()
    d.wait_delivered("app", len(sent))
    d.stop()
    assert sorted(got(t)) == sent and not r.bad and not r.on


def test_a_stream_that_lost_messages_or_was_made_anew_is_noticed(t):
    r = rabbit(t)
    r.stream = True
    sent = fill(r, 20)
    d = daemon(t, r, options={"stream_start": "first"}).start()
    d.wait_delivered("app", 20)
    d.stop()
    fill(r, 10, begin=20)
    del r.messages[:25]  # its age, or its size
    d.start()
    d.wait_delivered("app", 25)
    assert d.wait_logged("were removed by the server", level="warn")[0].count("expected=20 found=25")
    d.stop()
    r.messages, r.sent = [], 0
    r.send(b"x" * (10 * (1 << 20) + 1))  # is not taken
    sent = sent[:20] + [f"m-{i:05d}" for i in range(25, 30)] + fill(r, 3, begin=100)
    r.from_the_beginning = True
    d.start()
    d.wait_delivered("app", 28)
    assert d.wait_logged("deleted and made anew.*expected=30 found=0", level="warn")
    d.stop()
    assert sorted(got(t)) == sent


def test_a_queue_and_a_stream_are_not_taken_for_one_another(t):
    r = rabbit(t)
    fill(r, 5)
    d = daemon(t, r, options={"stream_start": "first"}).start()
    d.wait_logged("the queue is no stream.*leave stream_start out", level="warn")
    d.stop()
    assert not r.acked and r.left() == 5
    r.stream = True
    d = t.daemon({"streams": {"app": stream(to_file(t), [amqp(r)])}}, name="other").start()
    d.wait_logged("the queue is a stream.*stream_start", level="warn")
    d.stop()
    assert not r.acked and not got(t)


def test_a_message_of_a_queue_may_say_that_it_is_of_a_stream(t):
    """Somebody took it out of one."""
    r = rabbit(t)
    sent = fill(r, 20) + fill(r, 20, begin=20, headers={"x-stream-offset": 7}) + fill(r, 20, begin=40)
    d = daemon(t, r, options={"prefetch": 30}).start()
    check(t, d, r, sent, stop=False)
    r.send("late", headers={"x-stream-offset": 8})
    check(t, d, r, sent + ["late"])
    assert not d.logged("failed") and len(r.asked) == 2


def test_while_the_stream_is_full_the_queue_has_its_messages_back(t):
    r, s3 = rabbit(t), S3Peer()
    t.on_end(s3.stop)
    s3.always = Fail(503, "SlowDown")
    bodies = [f"{i:05d} ".encode() + bytes([97 + i % 26]) * 300_000 for i in range(80)]
    for body in bodies:
        r.send(body)
    d = t.daemon({"streams": {"app": stream(s3.destination(), [amqp(r, prefetch=20)], interval="0s", spool={"limit": "16MiB"}, size="1MiB",
                                            compression="gzip")}}).start()
    wait_until("the queue has its messages back", lambda: r.consumers == 0 and len(r.acked) + r.left() == 80 and r.acked, 60 * t.slow)
    acked = len(r.acked)
    assert d.books("app").incoming == acked, "what was appended is acknowledged, and nothing else"
    assert "blocked" in d.http("/readyz")[1]
    s3.always = None
    d.wait_delivered("app", 80)
    wait_until("all is acknowledged", lambda: len(r.acked) == 80, 30 * t.slow)
    d.stop()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), bodies)
    assert r.sessions == 1 and not r.bad


def test_heartbeats_keep_the_connection(t):
    r = rabbit(t, heartbeat=2)
    sent = fill(r, 3)
    d = daemon(t, r).start()
    wait_until("a heartbeat", lambda: r.heartbeats >= 1, 60 * t.slow)
    check(t, d, r, sent)
    assert r.sessions == 1


def test_validate_looks_whether_the_queue_is_there(t):
    r = rabbit(t)
    fill(r, 3)
    d = daemon(t, r)
    done = subprocess.run([d.binary, "validate", "-c", d.config_path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "warning" not in done.stderr + done.stdout, done
    r.password = "another"
    done = subprocess.run([d.binary, "validate", "-c", d.config_path], capture_output=True, text=True, timeout=60, check=False)
    assert "ACCESS_REFUSED" in done.stderr + done.stdout and "password" in done.stderr + done.stdout, done
    assert r.left() == 3 and not r.acked

