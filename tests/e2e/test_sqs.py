"""The input sqs against a scripted queue: each message is one record and is deleted when it is safe, whatever fails, hangs, is killed or comes
twice; what is in hand is put off, and given back at the end."""

import json
import random

import objects
from common import one_stream, to_file
from harness import wait_until
from http_peer import Handler, HttpPeer
from sqs_peer import Body, FailFirst, LoseAnswer, Reset, Say, SqsPeer

class Refusing(Handler):
    """Answers 503 until its peer `takes`."""

    def do_POST(self):
        self.read_body()
        self.send_response(200 if getattr(self.server.peer, "takes", False) else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()


KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret", "region": "eu-west-1"}


def queue(t, name="orders", **kw):
    q = SqsPeer(name, **kw)
    t.on_end(q.stop)
    return q


def sqs(q, **more):
    return {"sqs": {"queue_url": q.queue_url(), **KEYS, **more}}


def daemon(t, q, destination=None, name="sluice", options=None, **more):
    config = one_stream("app", destination or to_file(t), inputs=[sqs(q, **(options or {}))], **{"interval": "0s", **more})
    d = t.daemon({**config, "shutdown": {"grace": f"{round(4 * t.slow)}s"}}, name=name)
    d.env = {"AWS_EC2_METADATA_DISABLED": "true", "no_proxy": "*"}
    return d


def bodies(count, tag="m"):
    return [f"{tag}-{i:05d}" for i in range(count)]


def got(t, folder="out"):
    return [line.decode() for line in objects.lines(objects.read_dir(t.path(folder)))]


def check(t, d, q, sent, stop=True):
    d.wait_delivered("app", len(sent))
    wait_until("the queue to be empty", lambda: q.left() == 0, 30 * t.slow)
    if stop:
        d.stop()
    assert sorted(got(t)) == sorted(sent)
    assert sorted(q.deleted) == sorted(sent) and not q.refused, q.refused
    return d


def test_each_message_is_a_record_and_is_deleted(t):
    q, sent = queue(t), bodies(500)
    for body in sent:
        q.send(body)
    d = daemon(t, q).start()
    check(t, d, q, sent, stop=False)
    assert q.most_receiving > 1  # full answers brought more receivers
    wait_until("how many wait", lambda: d.metrics().has("sluice_input_lag"), 60 * t.slow)
    wait_until("one receiver for an empty queue", lambda: q.receiving == 1, 60 * t.slow)
    q.send("late")
    check(t, d, q, sent + ["late"])


def test_groups_of_a_fifo_queue_stay_in_order(t):
    q, sent = queue(t, "orders.fifo"), bodies(300)
    for i, body in enumerate(sent):
        q.send(f"{i % 7} {body}", group=str(i % 7))
    q.plan(None, None, LoseAnswer(), LoseAnswer())
    d = daemon(t, q, interval="900s").start()  # one object: within it the order is that of the spool
    wait_until("the queue to be empty", lambda: q.left() == 0, 60 * t.slow)
    d.stop()
    assert sorted(got(t)) == sorted(f"{i % 7} {body}" for i, body in enumerate(sent)) and not q.refused
    for group in "0123456":
        mine = [line for line in got(t) if line.startswith(group + " ")]
        assert mine == sorted(mine)


def test_an_answer_that_the_queue_cannot_repeat_is_given_up(t):
    q, sent, lost = queue(t, "orders.fifo"), bodies(40), []
    for i, body in enumerate(sent):
        q.send(body, group=str(i % 3))

    def on(operation, request):
        if operation != "ReceiveMessage":
            return None
        if not lost:
            lost.append(request["ReceiveRequestAttemptId"])
            return LoseAnswer()
        return Say(500, "InternalFailure") if request["ReceiveRequestAttemptId"] == lost[0] else None

    q.on = on
    d = daemon(t, q).start()
    wait_until("the queue to be empty", lambda: q.reveal(older=t.slow) == 0, 60 * t.slow)
    check(t, d, q, sent)
    asked = [r["ReceiveRequestAttemptId"] for op, r in q.calls if op == "ReceiveMessage"]
    assert asked.count(lost[0]) == 2, asked


def test_what_is_known_of_a_message_is_meta(t):
    q = queue(t, "orders.fifo")
    q.send('{"a":1}', attributes={"trace": "t-1", "count": 17, "raw": b"\0\xff"}, group="blue")
    with open(t.path("show.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r, meta)\n"
                "  r.group, r.trace = meta.group, meta['attribute.trace']\n"
                "  r.count, r.id = meta['attribute.count'], #meta.message_id\n"
                "  r.number = meta.sequence_number\n"
                "  return r\nend\n")
    d = daemon(t, q, transform={"lua": t.path("show.lua")}).start()
    d.wait_delivered("app", 1)
    d.stop()
    assert json.loads(got(t)[0]) == {"a": 1, "group": "blue", "trace": "t-1", "count": "17", "id": 36, "number": "18849496460467696128"}


def test_envelopes_are_taken_off(t):
    q, events = queue(t, "sns"), queue(t, "events")
    q.send(json.dumps({"Type": "Notification", "MessageId": "x", "TopicArn": "arn:t", "Message": "in \"it\"\n"}))
    q.send(json.dumps({"Type": "Other", "Message": "not"}))
    q.send("plain")
    events.send('{"version":"0","detail-type":"kind","source":"me","detail":{"b": [1, 2]}}')
    events.send('{"detail":{"b":1}}')
    config = one_stream("app", to_file(t), interval="0s",
                        inputs=[sqs(q, unwrap="sns"), sqs(events, unwrap="eventbridge")])
    d = t.daemon(config).start()
    d.wait_delivered("app", 5)
    d.stop()
    assert sorted(got(t)) == sorted(["in \"it\"", '{"Type": "Other", "Message": "not"}', "plain", '{"b": [1, 2]}',
                                     '{"detail":{"b":1}}'])


def test_kills_lose_and_double_nothing(t):
    q, sent = queue(t), bodies(1000)
    for body in sent:
        q.send(body)
    d = daemon(t, q, options={"visibility": "10s", "in_flight": 30})
    for i in range(4):
        d.start()
        wait_until("some progress", lambda: len(q.deleted) >= 150 * (i + 1), 60 * t.slow)
        d.kill9()
        q.reveal()  # what was in hand comes again
    d.start()
    wait_until("the queue to be empty", lambda: q.reveal(older=t.slow) == 0, 60 * t.slow)  # again and again: it is known
    check(t, d, q, sent)


def test_a_fifo_queue_through_whatever_happens_to_its_calls_and_receipts(t):
    """Times in the queue end early, receipts are forgotten, answers are lost, and the daemon is killed: each message is there once, in its group's order."""
    through_whatever_happens(t, random.Random(t.seed), count=120, groups=5, kills=1, faults=0.01)


def through_whatever_happens(t, chance, count, groups, kills, faults):
    q, sent = queue(t, "orders.fifo"), [(i % groups, f"{i % groups} {i:05d}") for i in range(count)]
    for group, body in sent:
        q.send(body, group=str(group))

    def forget_receipts():
        """They were given too long ago: messages come again, with other ones."""
        with q.changed:
            for m in q.queue:
                if chance.random() < 0.3:
                    m.handle, m.visible_at = None, 0

    def on(operation, request):
        if operation != "GetQueueAttributes":
            if chance.random() < 0.1:
                chance.choice([q.reveal, forget_receipts])()
            if chance.random() < faults:
                return chance.choice([LoseAnswer(), Reset(), Say(503, "ServiceUnavailable")])
            if operation != "ReceiveMessage" and chance.random() < faults:
                return FailFirst()
        return None

    def left():
        if chance.random() < 0.02:
            q.reveal()  # the time of those is over whose answer was lost
        return q.left()

    q.on = on
    d = daemon(t, q, interval="900s", options={"visibility": "10s"})  # one object: within it the order is that of the spool
    for i in range(kills):
        d.start()
        wait_until("some progress", lambda: left() <= count - count * (i + 1) // (kills + 2), 120 * t.slow)
        d.kill9()
        q.reveal()  # what was in hand comes again
    d.start()
    wait_until("the queue to be empty", lambda: left() == 0, 120 * t.slow)
    d.stop()
    records = got(t)
    assert sorted(records) == sorted(body for _, body in sent), (t.seed, objects.assert_exactly_once(records, [body for _, body in sent]))
    for group in range(groups):
        mine = [line for line in records if line.startswith(f"{group} ")]
        assert mine == sorted(mine), (t.seed, group, [b for a, b in zip(mine, mine[1:]) if a > b])


def test_a_call_that_fails_is_tried_again(t):
    faults = {
        "busy": Say(503, "ServiceUnavailable"),
        "throttled": Say(400, "RequestThrottled"),
        "expired": Say(403, "ExpiredToken"),
        "reset": Reset(),
        "lost": LoseAnswer(),
        "no json": Body(b"<html>hello</html>"),
        "half": Body(b'{"Messages":[{"MessageId":"1"'),
        "odd": Body(b'{"Messages":[{"MessageId":7,"ReceiptHandle":[]}],"Successful":[{"Id":"77"}]}'),
    }
    q = queue(t)
    failing = {}

    def once(operation, request):
        key = (operation, failing.get("name"))
        if not failing.get("name") or failing.get(key) or operation not in ("ReceiveMessage", "DeleteMessageBatch"):
            return None
        failing[key] = True
        return faults[failing["name"]]

    q.on = once
    d = daemon(t, q, options={"visibility": "10s"}).start()
    sent = []
    for name in faults:
        failing["name"] = name
        more = bodies(15, name.replace(" ", "-"))
        for body in more:
            q.send(body)
        sent += more
        wait_until(f"{name}: failures", lambda: failing.get(("DeleteMessageBatch", name)), 60 * t.slow)
        q.reveal()  # an answer that was lost hides its messages for their time
    check(t, d, q, sent, stop=False)
    assert d.wait_logged("a call to the source failed")
    assert d.wait_logged("calls to the source work again")
    d.stop()


def test_of_a_batch_only_what_failed_is_done_again(t):
    q, sent = queue(t), bodies(10)
    failed = []

    def once(operation, request):
        if operation == "DeleteMessageBatch" and len(request["Entries"]) > 1 and not failed:
            failed.append(request["Entries"][0]["ReceiptHandle"])
            return FailFirst()
        return None

    q.on = once
    for body in sent:
        q.send(body)
    d = daemon(t, q).start()
    check(t, d, q, sent)
    asked = [e["ReceiptHandle"] for op, r in q.calls if op == "DeleteMessageBatch" for e in r["Entries"]]
    assert failed and sorted(asked) == sorted([*set(asked), *failed])


def test_errors_say_what_to_do(t):
    q = queue(t)
    d = daemon(t, q)
    q.on = lambda operation, request: Say(400, "QueueDoesNotExist", "The specified queue does not exist.")
    d.start()
    line = d.wait_logged("a call to the source failed")
    assert "QueueDoesNotExist" in str(line) and "look at queue_url and region" in str(line), line
    q.on = lambda operation, request: Say(403, "AccessDeniedException", "not authorized")
    assert "sqs:DeleteMessage" in str(wait_until("the other cause", lambda: d.logged("AccessDenied"), 60 * t.slow))
    q.on = None
    q.send("x")
    check(t, d, q, ["x"])


def test_a_message_that_is_not_what_was_sent_stays(t):
    q = queue(t)
    q.counts = False
    q.break_md5 = True
    q.send("changed", attributes={"a": "b"})
    d = daemon(t, q).start()
    d.wait_logged("is not what was sent")
    assert "sqs:GetQueueAttributes" in str(d.wait_logged("how many messages wait in the queue is not known"))
    assert q.left() == 1 and d.books("app").incoming == 0
    with q.changed:
        q.break_md5, q.queue[0].visible_at = False, 0
    check(t, d, q, ["changed"])


def test_a_full_stream_keeps_what_is_in_hand(t):
    q, sent = queue(t), [b + "x" * 20000 for b in bodies(400)]
    for body in sent:
        q.send(body)
    d = daemon(t, q, destination={"http": {"url": "http://127.0.0.1:9/", "format": "lines"}}, options={"visibility": "10s", "in_flight": 100},
               spool={"limit": "4MiB"}, retry={"duration": "24h"})
    d.expect_exit = 1  # the spool keeps what is in it
    d.start()
    wait_until("a full spool", lambda: d.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 60 * t.slow)
    wait_until("messages in hand to be put off", lambda: q.count("ChangeMessageVisibilityBatch") > 0, 60 * t.slow)
    d.stop()
    with q.changed:
        given_back = [e for op, r in q.calls if op == "ChangeMessageVisibilityBatch" for e in r["Entries"] if e["VisibilityTimeout"] == 0]
    assert given_back
    assert len(q.deleted) + q.left() == len(sent) and not q.refused


def test_large_messages_go_through_little_memory(t):
    q, sent = queue(t), [f"{i:02d}" + "x" * 300_000 for i in range(12)] + ["y" * 1_000_000]
    for body in sent:
        q.send(body)
    config = one_stream("app", to_file(t), inputs=["api", sqs(q)], interval="0s")
    d = t.daemon({**config, "limits": {"memory": "24MiB"}}).start()
    check(t, d, q, sent)
    assert not d.logged("a call to the source failed")


def test_a_message_whose_receipt_is_forgotten_is_deleted_when_it_comes_again(t):
    q, sent = queue(t), [b + "x" * 20000 for b in bodies(400)]
    for body in sent:
        q.send(body)
    store = HttpPeer(Refusing)
    t.on_end(store.stop)
    d = daemon(t, q, destination={"http": {"url": store.url(), "format": "lines"}}, options={"visibility": "10s", "in_flight": 20},
               spool={"limit": "4MiB"}, retry={"duration": "24h"})
    d.start()
    wait_until("a full spool", lambda: d.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 60 * t.slow)
    with q.changed:  # what is in hand is known by other receipts now
        for m in q.queue:
            m.handle, m.visible_at = None, 0
        put_off = sum(1 for op, _ in q.calls if op == "ChangeMessageVisibilityBatch")
    wait_until("some to be put off, without success", lambda: q.count("ChangeMessageVisibilityBatch") > put_off, 60 * t.slow)
    store.takes = True
    wait_until("the queue to be empty", lambda: q.reveal(older=t.slow) == 0, 120 * t.slow)
    d.wait_delivered("app", len(sent))
    d.stop()


def test_once_waits_for_messages_of_an_answer_that_was_lost(t):
    q, sent = queue(t), bodies(10)
    for body in sent:
        q.send(body)
    q.plan(LoseAnswer())
    d = daemon(t, q, options={"visibility": "10s"})
    d.spawn("--once")
    wait_until("a call that failed", lambda: d.logged("a call to the source failed"), 60 * t.slow)
    q.reveal()
    d.wait_exit(60)
    assert sorted(got(t)) == sent and q.left() == 0


def test_once_ends_when_the_queue_is_empty(t):
    q, sent = queue(t), bodies(120)
    for body in sent:
        q.send(body)
    d = daemon(t, q)
    d.spawn("--once")
    d.wait_exit(60)
    assert sorted(got(t)) == sent and sorted(q.deleted) == sent and q.left() == 0
