"""Large objects go to S3 in parts, and whatever is lost or killed on the way, each is completed as one object."""

import os

import objects
from common import one_stream, stream
from firehose import Firehose
from harness import wait_until
from s3_peer import Fail, Hang, LateError, Lost, S3Peer, Stuck, Upload, WhiteSpace

MIB = 1 << 20
PARTS = ["part-1", "part-2", "part-3"]


def peer_of(t, **more):
    s3 = S3Peer(**more)
    t.on_end(s3.stop)
    return s3


def configured(s3, size="11MiB", **more):
    """A batch is due when it is full, and not before."""
    destination = s3.destination(multipart={"threshold": "5MiB", "part_size": "5MiB"}, **more)
    return one_stream("app", destination, size=size, interval="900s")


def put_one_object(d, size=11):
    """A batch of just this size in MiB, each record a line that no other is."""
    records = [b"%06d " % i + os.urandom(8).hex().encode() + b"x" * (MIB // 8 - 24) for i in range(size * 8)]
    Firehose(d.api_port).put_all("app", records)
    return records


def whole(s3, records):
    s3.assert_clean()
    assert not s3.uploads, "nothing is left unfinished"
    assert len(s3.snapshot()) == 1, sorted(s3.snapshot())
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)


def steps(s3):
    return [step for step, _ in s3.done]


def run(t, s3, name="sluice", size=11, **more):
    d = t.daemon(configured(s3, f"{size}MiB", **more), name=name).start()
    records = put_one_object(d, size)
    d.wait_delivered("app", len(records), timeout=90)
    d.stop()
    whole(s3, records)
    return d


def test_a_large_object_goes_in_parts_and_a_small_one_does_not(t):
    s3 = peer_of(t)
    d = run(t, s3, storage_class="STANDARD_IA", tagging={"a": "b"})
    key, = s3.snapshot()
    assert steps(s3)[:2] == ["list", "create"] and steps(s3)[-1] == "complete", s3.done
    assert sorted(steps(s3)[2:-1]) == PARTS, s3.done
    headers = s3.headers_of[key]
    assert headers["x-amz-storage-class"] == "STANDARD_IA" and headers["x-amz-tagging"] == "a=b", headers
    assert headers["x-amz-checksum-algorithm"] == "CRC32C" and headers["x-amz-checksum-type"] == "FULL_OBJECT", headers
    assert not d.logged("delivery failed")


def test_an_object_below_the_threshold_goes_in_one_piece(t):
    s3 = peer_of(t)
    run(t, s3, size=4)
    assert not s3.done and len(s3.requests) == 1


def test_checksums_of_every_kind_go_with_the_parts(t):
    for kind in ("sha256", "md5", "none"):
        s3 = peer_of(t)
        run(t, s3, name=kind, size=6, checksum=kind)
        assert steps(s3)[-1] == "complete", (kind, s3.done)


def test_a_store_that_knows_only_checksums_of_parts_gets_none_of_the_whole(t):
    s3 = peer_of(t)
    s3.composite = True
    run(t, s3, size=6)
    assert steps(s3).count("complete") == 1, s3.done


def test_a_store_that_takes_the_checksum_of_the_whole_for_another_gets_it_once(t):
    s3 = peer_of(t)
    s3.steps = once("complete", Fail(400, "BadDigest"))
    d = run(t, s3, size=6)
    line, = d.wait_logged("delivery failed")
    assert "code=BadDigest" in line and "it begins anew" in line, line
    assert steps(s3).count("create") == 2 and steps(s3).count("abort") == 1, s3.done


def once(step, behaviour):
    """At the first attempt at this step."""
    return lambda at, _key, attempt: behaviour if at == step and attempt == 1 else None


def test_each_step_whose_answer_is_lost_is_settled_without_a_second_object(t):
    for name, step in (("list", "list"), ("create", "create"), ("part", ("part", 2)), ("complete", "complete")):
        s3 = peer_of(t)
        s3.steps = once(step, Lost())
        run(t, s3, name=name, size=6)
        assert steps(s3).count("create") == 1, (name, "the upload that was begun is gone on with", s3.done)
        assert bool(s3.looked) == (name == "complete"), (name, s3.looked)


def test_an_error_behind_white_space_is_no_success(t):
    s3 = peer_of(t)
    s3.steps = once("complete", LateError("InternalError"))
    d = run(t, s3)
    line, = d.wait_logged("delivery failed")
    assert "code=InternalError" in line, line
    assert steps(s3).count("part-1") == 1, "what was there was not sent again"


def test_white_space_before_success_is_waited_for(t):
    s3 = peer_of(t)
    s3.steps = once("complete", WhiteSpace())
    assert not run(t, s3).logged("delivery failed")


def test_a_part_that_fails_is_sent_again_alone(t):
    s3 = peer_of(t)
    s3.steps = once(("part", 2), Fail(503, "SlowDown"))
    run(t, s3)
    assert sorted(steps(s3)) == sorted(["list", "create", "complete"] + PARTS), s3.done


def test_an_upload_that_the_store_has_forgotten_begins_anew(t):
    s3 = peer_of(t)

    def forget(step, key, attempt):
        if step == ("part", 3) and attempt == 1:
            s3.uploads.clear()
        return None

    s3.steps = forget
    d = run(t, s3)
    line, = d.wait_logged("delivery failed")
    assert "code=NoSuchUpload" in line, line
    assert steps(s3).count("create") == 2


def test_a_restart_goes_on_with_the_same_upload(t):
    for name, step in (("create", "create"), ("part", ("part", 3)), ("complete", "complete")):
        s3 = peer_of(t)
        hanging = []

        def hang(at, _key, attempt, step=step, hanging=hanging):
            if at == step and attempt == 1:
                hanging.append(at)
                return Hang()
            return None

        s3.steps = hang
        d = t.daemon(configured(s3), name=name).start()
        records = put_one_object(d)
        wait_until("the step that hangs", lambda h=hanging: h, 60 * t.slow)
        if name != "create":
            wait_until("the other parts", lambda p=s3: {"part-1", "part-2"} <= set(steps(p)), 60 * t.slow)
        d.kill9()
        s3.steps = None
        d.start()
        d.wait_delivered("app", len(records), timeout=90)
        d.stop()
        whole(s3, records)
        assert steps(s3).count("create") == 1, (name, s3.done)


# A step, and what leads to it.
KILLED_AT = {
    "list": None, "create": None, "part": None, "complete": None,
    "look": ("complete", Lost()),                   # then the upload is gone, and the object there
    "abort": ("complete", Fail(400, "InvalidPart")),  # then it begins anew, and the old upload is aborted
}


def killed_at_each_step(t, kill):
    """A stream for each step, before and after the store has done it. When all hang there, kill(daemon, store)."""
    s3 = peer_of(t)
    cases = {f"{step}-{'after' if done else 'before'}": (step, done) for step in KILLED_AT for done in (False, True)
             if not done or step not in ("list", "look")}
    hang, stuck = [True], set()

    def script(at, key, attempt):
        name = key.partition("/")[0]
        step, done = cases[name]
        before = KILLED_AT[step]
        if before and at == before[0] and attempt == 1:
            return before[1]
        if hang and (at == step or (step == "part" and at == ("part", 1))):
            return Stuck(done, lambda: stuck.add(name))
        return None

    s3.steps = script
    s3.uploads = {name: Upload(f"{name}/2026/11/27/08/{name}-1-2026-11-27-08-00-00-somebody-elses", {}) for name in cases}
    parts = {"threshold": "5MiB", "part_size": "5MiB"}
    d = t.daemon({"streams": {name: stream(s3.destination(prefix=name + "/", multipart=parts), size="5632KiB", interval="900s")
                              for name in cases}}).start()
    records = {name: [(b"%s %06d " % (name.encode(), i) + os.urandom(8).hex().encode()).ljust(MIB // 2 - 1, b"x")
                      for i in range(11)] for name in cases}
    for name in cases:
        Firehose(d.api_port).put_all(name, records[name])
    wait_until("every step hangs", lambda: stuck == set(cases), 120 * t.slow)
    hang.clear()
    kill(d, s3)
    for name in cases:
        d.wait_delivered(name, 11, timeout=90)
    d.stop()
    s3.assert_clean()
    assert set(s3.uploads) == set(cases), {i: u.key for i, u in s3.uploads.items()}
    for name in cases:
        found = {key: body for key, body in s3.snapshot().items() if key.startswith(name + "/")}
        objects.assert_exactly_once(objects.lines(found), records[name])
        assert len(found) == 1, (name, sorted(found))


def test_kill_9_at_any_step_leaves_one_object_and_no_upload(t):
    killed_at_each_step(t, lambda d, s3: (d.kill9(), d.start()))


def test_a_store_that_dies_at_any_step_leaves_one_object_and_no_upload(t):
    killed_at_each_step(t, lambda d, s3: (s3.stop(), s3.start()))


def test_a_store_that_lacks_checksums_gets_uploads_without(t):
    """Also where an upload is found after a restart, and nobody knows what it was begun with."""
    s3 = peer_of(t)
    s3.old = True
    lost = []

    def lose(step, _key, _attempt):
        if step == "create" and not lost:
            lost.append(step)
            return Lost()
        return None

    s3.steps = lose
    run(t, s3, size=6)
    assert steps(s3).count("create") == 2 and steps(s3).count("abort") == 1, s3.done


def test_an_upload_at_another_endpoint_begins_anew_at_the_new_one(t):
    old, new = peer_of(t), peer_of(t)
    hanging = []

    def hang(step, _key, _attempt):
        if step == "complete":
            hanging.append(step)
            return Hang()
        return None

    old.steps = hang
    d = t.daemon(configured(old, "6MiB")).start()
    records = put_one_object(d, 6)
    wait_until("the step that hangs", lambda: hanging, 60 * t.slow)
    d.kill9()
    old.steps = None
    d.configure(configured(new, "6MiB"))
    d.start()
    d.wait_delivered("app", len(records), timeout=90)
    d.stop()
    whole(new, records)
    assert "abort" not in steps(old) and steps(new).count("create") == 1, (old.done, new.done)
    line, = d.wait_logged("what was sent of an object that is given up stays unfinished at the destination")
    assert "another endpoint, bucket or customer key" in line, line


def test_what_is_given_up_is_aborted(t):
    """Also where it is not known how many uploads were begun under its name."""
    refuses = Fail(400, "InvalidRequest")
    for name, script in (("known", lambda step, _key, _attempt: refuses if step == "complete" else None),
                         ("unsure", lambda step, _key, attempt: Fail(503, "SlowDown") if step == ("part", 1) else
                                    Lost() if (step, attempt) == ("create", 1) else None)):
        s3 = peer_of(t)
        s3.steps = script
        config = configured(s3, "6MiB")
        config["streams"]["app"] |= {"retry": {"duration": "1s"},
                                     "backup": {"mode": "failed", "file": {"path": t.path("backup-" + name)}}}
        d = t.daemon(config, name=name).start()
        put_one_object(d, 6)
        wait_until("the backup", lambda d=d: d.books("app").backed_up == 48, 90 * t.slow)
        wait_until("nothing left", lambda s3=s3: not s3.uploads, 30 * t.slow)
        d.stop()
        assert "abort" in steps(s3), s3.done
        assert (steps(s3)[-1] == "list") == (name == "unsure"), s3.done
        assert not s3.bad
