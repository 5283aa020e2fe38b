"""The input sqs with `unwrap: s3`, against a scripted queue and a scripted store: each line of an object is one record, once, and the message is deleted
when all lines are safe, whatever fails, is killed, comes twice, is gone or was overwritten."""

import gzip
import json
import re

import objects
from common import one_stream, to_file
from harness import wait_until
from objects_peer import Break, ObjectsPeer, Say, Wait, Whole, event, in_eventbridge, in_sns, message
from sqs_peer import SqsPeer

KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret", "region": "eu-west-1"}
MIB = 1 << 20


def peers(t):
    q, s = SqsPeer("events"), ObjectsPeer()
    t.on_end(q.stop)
    t.on_end(s.stop)
    return q, s


def daemon(t, q, s, options=None, **more):
    sqs = {"queue_url": q.queue_url(), **KEYS, "unwrap": "s3", "s3": {"endpoint": s.url()}, "visibility": "10s", **(options or {})}
    config = one_stream("app", to_file(t), inputs=[{"sqs": sqs}], **{"interval": "0s", **more})
    d = t.daemon({**config, "shutdown": {"grace": f"{round(4 * t.slow)}s"}})
    d.env = {"AWS_EC2_METADATA_DISABLED": "true", "no_proxy": "*"}
    return d


def got(t):
    return [line.decode() for line in objects.lines(objects.read_dir(t.path("out")))]


def lines(tag, count, width=0):
    return [f"{tag}-{i:06d}" + "x" * width for i in range(count)]


def text(records, end="\n"):
    return ("\n".join(records) + end).encode()


def check(t, d, q, sent, stop=True):
    d.wait_delivered("app", len(sent))
    wait_until("the queue to be empty", lambda: q.left() == 0, 60 * t.slow)
    if stop:
        d.stop()
    assert sorted(got(t)) == sorted(sent) and not q.refused, q.refused


def test_objects_are_read_line_by_line(t):
    q, s = peers(t)
    a, b, c, v, e = lines("a", 300), lines("b", 200), lines("c", 50), lines("v", 10), lines("e", 3)
    long = "y" * 1_500_000
    first = s.put("logs", "v.log", text(v), versioned=True)
    s.put("logs", "v.log", b"another version\n", versioned=True)
    q.send(message(s.put("logs", "year=2026/a b+c%&ü.log", text(a, end="")), s.put("logs", "empty", b"")))
    q.send(in_sns(message(s.put("logs", "b.log.gz", gzip.compress(text(b[:100])) + gzip.compress(text(b[100:]))))))
    q.send(in_eventbridge(s.put("logs", "c d+.log", text(c))))
    q.send(in_sns(in_eventbridge(s.put("logs", "e.log", text(e)))))
    q.send(message(first))
    q.send(message(first, first))  # known by then
    q.send(message(s.put("logs", "long", f"f\n{long}\ng".encode()), s.put("logs", "whole", b"w1\nw2\n")))
    s.on = lambda path, query, headers: Whole() if path == "/logs/whole" else None  # a store that knows no ranges
    q.send(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "logs"}))
    q.send(in_sns(json.dumps({"Event": "s3:TestEvent"})))
    q.send(message(event("logs", "x", "ObjectRemoved:Delete")))
    q.send(in_eventbridge(event("logs", "x"), kind="Object Deleted"))
    d = daemon(t, q, s).start()
    check(t, d, q, a + b + c + v + e + ["f", long[:1_024_000], long[1_024_000:], "g", "w1", "w2"])
    assert not s.refused and sum("versionId" in query for _, query, _ in s.gets) == 1


def test_what_is_known_of_a_line_is_meta(t):
    q, s = peers(t)
    q.send(message(s.put("logs", "k ey", b'{"a":1}\n{"a":2}', versioned=True)))
    with open(t.path("show.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r, meta)\n  r.of = meta.bucket .. '/' .. meta.key .. '@' .. meta.offset .. meta.version\n"
                "  return r\nend\n")
    d = daemon(t, q, s, {"s3": {"readers": 1}}, transform={"lua": t.path("show.lua")})
    d.env["AWS_ENDPOINT_URL_S3"] = s.url()
    d.start()
    d.wait_delivered("app", 2)
    d.stop()
    assert "AWS_ENDPOINT_URL_S3" in str(d.wait_logged("objects are read where AWS's own tools would"))
    assert sorted(json.loads(line)["of"] for line in got(t)) == ["logs/k ey@0v1", "logs/k ey@8v1"]


def test_kills_in_the_middle_of_objects_lose_and_double_nothing(t):
    q, s = peers(t)
    plain, packed, small = lines("plain", 24_000, 200), lines("packed", 24_000, 200), lines("small", 100)
    q.send(message(s.put("logs", "plain", text(plain)), s.put("logs", "small", text(small, end=""))))
    q.send(message(s.put("logs", "packed", gzip.compress(text(packed), 0))))
    waits = []

    def stop_at(path, query, headers):
        """Each life gets one piece further of each object than the one before."""
        begin = int(re.match(r"bytes=(\d+)", headers["Range"]).group(1))
        if begin >= (len(waits) // 2 + 1) * MIB and len(waits) < 4:
            waits.append(Wait())
            return waits[-1]
        return None

    s.on = stop_at
    d = daemon(t, q, s)
    for life in (1, 2):
        d.start()
        wait_until("both objects to be on their way", lambda: q.reveal(older=t.slow) and len(waits) == 2 * life and all(w.here.is_set() for w in waits), 60 * t.slow)
        # More than one piece has lines, so both objects have some that are safe.
        wait_until("what came to be safe", lambda: d.metrics().get("sluice_input_records_total", stream="app", input="sqs") > MIB // 210, 60 * t.slow)
        d.kill9()
    d.start()
    wait_until("the queue to be empty", lambda: q.reveal(older=t.slow) == 0, 60 * t.slow)
    check(t, d, q, plain + packed + small)
    begins = [h["range"] for p, _, h in s.gets if p == "/logs/plain"]
    assert any(not re.match(rf"bytes=\d*?(?:{'|'.join(str(i * MIB) for i in range(6))})-", b) for b in begins), begins  # behind what was safe
    assert all(h.get("if-match") for p, _, h in s.gets if not h["range"].startswith("bytes=0-"))


def test_objects_that_cannot_be_had(t):
    q, s = peers(t)
    good, after, lost = lines("good", 5), lines("after", 5), lines("lost", 9_000, 150)
    gone = s.put("logs", "gone", b"x\n")
    s.remove("logs", "gone")
    faults = [Break()]
    q.send(message(gone, s.put("logs", "good", text(good)), s.put("logs", "lost", text(lost))))
    q.send("no event")
    q.send(message(event("not a bucket", "k")))
    q.send(message(s.put("logs", "damaged.gz", gzip.compress(b"x" * 100)[:-9])))
    q.send(message(s.put("logs", "secret", b"x\n")))

    def answer(path, query, headers):
        if path == "/logs/lost" and faults:
            return faults.pop()
        return Say(403, "AccessDenied", "no") if path == "/logs/secret" else None

    s.on = answer
    d = daemon(t, q, s).start()
    d.wait_delivered("app", len(good + lost))
    wait_until("the first to be deleted", lambda: q.left() == 4, 60 * t.slow)
    assert "logs/gone" in str(d.wait_logged("an object is gone before it was read"))
    d.wait_logged("is no event of S3")
    assert "cut off" in str(d.wait_logged("cannot be unpacked"))
    assert "s3:GetObject" in str(d.wait_logged("AccessDenied"))
    q.send(message(s.put("logs", "after", text(after))))  # the others hold up nobody
    d.wait_delivered("app", len(good + lost + after))
    wait_until("it to be deleted", lambda: q.left() == 4, 60 * t.slow)
    d.wait_logged("objects can be read again")
    d.stop()
    assert sorted(got(t)) == sorted(good + lost + after) and not faults


def test_an_object_that_was_overwritten_meanwhile_is_not_mixed(t):
    q, s = peers(t)
    old, new = lines("old", 9_000, 150), lines("new", 10)
    q.send(message(s.put("logs", "k", text(old))))

    def overwrite(path, query, headers):
        if not headers["Range"].startswith("bytes=0-") and "old" in s.objects["/logs/k"][0][2][:3].decode():
            q.send(message(s.put("logs", "k", text(new))))
            return Say(412, "PreconditionFailed")
        return None

    s.on = overwrite
    d = daemon(t, q, s).start()
    d.wait_logged("overwritten while it was read")
    wait_until("both messages to be deleted", lambda: q.left() == 0, 60 * t.slow)
    d.wait_delivered("app", d.books("app").incoming)
    d.stop()
    assert sorted(x for x in got(t) if x.startswith("new")) == new
    assert sorted(x for x in got(t) if x.startswith("old")) == old[: len(got(t)) - len(new)]
