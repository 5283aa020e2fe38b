"""A stream that was renamed in the file, or taken out of it, while its spool holds acknowledged records: said everywhere, and
`sluice drain` delivers or shows what it holds."""

import os
import shutil
import subprocess

import objects
from common import numbered_lines, stream, to_file
from firehose import Firehose
from harness import wait_until
from s3_peer import S3Peer

HINT = "sluice drain"


def sluice(t, d, *args):
    done = subprocess.run([t.binary, args[0], "-c", d.config_path, *args[1:]], capture_output=True, text=True,
                          timeout=60 * t.slow, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def left_behind(t, count=300, sealed=False, **more):
    """Stream `old` has records that could not be delivered; then the file knows only `new`. The S3 that is down, the daemon
    (stopped), the records."""
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.stop()
    old = stream(s3.destination(prefix="data/"), compression="none", interval="1s" if sealed else "900s", size="64MiB", **more)
    d = t.daemon({"streams": {"old": old}}).start()
    records = numbered_lines(t.random, count)
    each = count if sealed else 50  # what one call brings is fixed at once
    for at in range(0, count, each):
        Firehose(d.api_port).put_all("old", records[at:at + each])
    if sealed:
        d.wait_logged("delivery failed|will retry|fails")
    d.kill9()
    d.configure({"data_dir": d.data_dir, "streams": {"new": {**old, "buffer": {"size": "1MiB", "interval": "1s"}}}})
    return s3, d, records


def test_it_is_named_by_validate_fsck_start_ready_and_a_gauge(t):
    _, d, records = left_behind(t)
    code, out, err = sluice(t, d, "validate")
    assert code == 0 and "`old`" in err and f"{len(records)} records" in err and HINT in err, (code, out, err)
    code, out, err = sluice(t, d, "fsck")
    assert code == 0 and "stream old:" in out and f"{len(records)} records" in out and HINT in out, (code, out, err)
    code, out, err = sluice(t, d, "fsck", "--stream", "old")
    assert code == 0 and "stream old:" in out and "stream new:" not in out, (code, out, err)
    d.start()
    lines = d.wait_logged("not in the configuration", level="warn")
    assert len(lines) == 1 and "stream=old" in lines[0] and f"records={len(records)}" in lines[0] and HINT in lines[0], lines
    status, text = d.http("/readyz")
    assert status == 200 and text.startswith("ready\n") and "stream old" in text and HINT in text, text
    assert d.metrics().get("sluice_orphaned_spool_records", stream="old") == len(records)
    d.stop()


def test_nothing_is_said_of_streams_that_hold_nothing(t):
    d = t.daemon({"streams": {"old": stream(to_file(t))}}).start()
    Firehose(d.api_port).put_all("old", [b"one"])
    d.wait_delivered("old", 1)
    d.stop()
    d.configure({"data_dir": d.data_dir, "streams": {"new": stream(to_file(t))}})
    os.mkdir(os.path.join(d.data_dir, "streams", "empty"))
    code, _, err = sluice(t, d, "validate")
    assert code == 0 and "not in the configuration" not in err, err
    d.start()
    assert not d.logged("not in the configuration")
    assert d.http("/readyz") == (200, "ready\n")
    d.stop()
    code, out, err = sluice(t, d, "drain", "old", "--to", "new")
    assert code == 0 and "nothing waits" in out, (code, out, err)


def test_staged_records_without_a_log_are_named(t):
    keys = {"partition_keys": {"k": {"query": ".k"}}, "size": "64MiB", "interval": "900s"}
    d = t.daemon({"streams": {"old": stream({"file": {"path": t.path("out"), "prefix": "!{partitionKeyFromQuery:k}/"}}, **keys),
                              "new": stream(to_file(t))}}).start()
    Firehose(d.api_port).put_all("old", [b'{"k":"a"}', b'{"k":"b"}'])
    staging = os.path.join(d.data_dir, "streams", "old", "staging")
    wait_until("it is staged", lambda: os.path.isdir(staging) and len(os.listdir(staging)) == 2, 30 * t.slow)
    d.kill9()
    shutil.rmtree(os.path.join(d.data_dir, "streams", "old", "spool"))
    d.configure({"data_dir": d.data_dir, "streams": {"new": stream(to_file(t))}})
    code, out, err = sluice(t, d, "validate")
    assert code == 0 and "`old`" in err and "2 files with staged records" in err and HINT in err, (code, out, err)
    d.start()
    lines = d.wait_logged("not in the configuration", level="warn")
    assert len(lines) == 1 and "stream=old" in lines[0] and "2 files with staged records" in lines[0], lines
    d.stop()
    assert len(os.listdir(staging)) == 2
    os.rename(staging, staging + "-b")  # of one of several destinations
    code, out, err = sluice(t, d, "validate")
    assert code == 0 and "2 files with staged records" in err, (code, out, err)


def drained(t, d, s3, records, name="old"):
    code, out, err = sluice(t, d, "drain", name, "--to", "new")
    assert code == 0 and "nothing is left" in out, (code, out, err)
    s3.assert_clean()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)
    code, out, err = sluice(t, d, "validate")
    assert code == 0 and "not in the configuration" not in err, err


def test_drain_delivers_what_it_holds(t):
    s3, d, records = left_behind(t)
    s3.start()
    drained(t, d, s3, records)
    assert all("old-" in key for key in s3.snapshot()), "under its own name"
    d.start()
    assert not d.logged("not in the configuration")
    d.stop()


def test_drain_says_what_is_left_for_destinations_that_the_other_stream_has_not(t):
    dead = {"http": {"url": "http://127.0.0.1:9/", "format": "lines"}, "name": "dead"}
    several = {**stream(None, interval="0s"), "destinations": [{**to_file(t, "a"), "name": "a"}, dead]}
    del several["destination"]
    d = t.daemon({"shutdown": {"grace": "0s"}, "streams": {"old": several}}).start()
    Firehose(d.api_port).put_all("old", [b"1", b"2"])
    wait_until("they are in a", lambda: len(objects.lines(objects.read_dir(t.path("a")))) == 2, 30 * t.slow)
    d.kill9()
    new = {**stream(to_file(t, "b"), interval="0s"), "give_up": ["dead"]}  # its own spool's, not that of `old`
    d.configure({"data_dir": d.data_dir, "streams": {"new": new}})
    code, out, err = sluice(t, d, "drain", "old", "--to", "new")
    assert code == 1 and "nothing is left" not in out and "2 records are left" in err and "given up" not in err, (code, out, err)
    code, out, err = sluice(t, d, "drain", "old", "--print")
    assert code == 0 and sorted(out.splitlines()) == ["1", "2"], (code, out, err)


def test_drain_repeats_what_was_begun_under_its_old_names(t):
    s3, d, records = left_behind(t, sealed=True)
    twin = t.path("twin-data")
    shutil.copytree(d.data_dir, twin)
    s3.start()
    drained(t, d, s3, records)
    d.configure({"data_dir": twin, "streams": {"new": stream(s3.destination(prefix="data/"), compression="none")}})
    drained(t, d, s3, records)  # a batch that was fixed has one name: nothing is doubled


def test_drain_that_is_killed_goes_on(t):
    s3, d, records = left_behind(t, count=2000)
    process = subprocess.Popen([t.binary, "drain", "old", "--to", "new", "-c", d.config_path],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    t.on_end(process.kill)
    wait_until("its batch is fixed", lambda: b"data/" in b"".join(
        open(os.path.join(folder, n), "rb").read() for folder, _, names in os.walk(os.path.join(d.data_dir, "streams", "old"))
        for n in names), 20 * t.slow)
    process.kill()
    process.wait()
    s3.start()
    drained(t, d, s3, records)


def test_drain_ends_with_its_timeout_when_the_destination_takes_nothing(t):
    s3, d, records = left_behind(t, sealed=True)
    code, out, err = sluice(t, d, "drain", "old", "--to", "new", "--timeout", "2s")
    assert code == 1 and "the time of --timeout is over" in err, (code, out, err)
    assert "stream=old" in err and f"records={len(records)}" in err and "nothing is left" not in out, (code, out, err)
    for args in (("--to", "new", "--timeout", "0s"), ("--to", "new", "--timeout", "soon"), ("--print", "--timeout", "2s")):
        code, out, err = sluice(t, d, "drain", "old", *args)
        assert code == 2 and "--timeout" in err, (args, code, out, err)
    s3.start()
    drained(t, d, s3, records)  # the next one goes on; with time enough the option changes nothing
    code, out, err = sluice(t, d, "drain", "old", "--to", "new", "--timeout", "10m")
    assert code == 0 and "nothing waits" in out, (code, out, err)


def test_drain_prints_what_it_holds_and_keeps_it(t):
    s3, d, records = left_behind(t, sealed=True)
    for _ in range(2):
        code, out, err = sluice(t, d, "drain", "old", "--print")
        assert code == 0 and out.encode() == b"".join(r + b"\n" for r in records), (code, err)
        assert f"{len(records)} records" in err, err
    s3.start()
    drained(t, d, s3, records)


def test_drain_refuses_what_it_should_not_do(t):
    _, d, _ = left_behind(t, count=10)
    for args, want, words in (
        (("drain",), 2, "name of one stream"),
        (("drain", "old"), 2, "--to STREAM"),
        (("drain", "old", "--to", "nowhere"), 2, "no stream `nowhere`"),
        (("drain", "new", "--print"), 2, "`sluice run` delivers"),
        (("drain", "../old", "--print"), 2, "no stream `../old`"),
        (("drain", "odl", "--to", "new"), 2, "old holds 10 records"),
        (("drain", "odl", "--print"), 2, "did you mean `old`?"),
        (("drain", "unheard-of", "--to", "new"), 2, "known here: old"),
        (("drain", "old", "--to", "nww"), 2, "did you mean `new`?"),
        (("drain", "odl", "--to", "nowhere"), 2, "no stream `nowhere`"),
    ):
        code, out, err = sluice(t, d, *args)
        assert code == want and words in out + err, (args, code, out, err)
        assert not out or "--print" not in args, f"where only records belong: {out}"
    d.start()
    for how in (("--to", "new"), ("--print",)):
        code, out, err = sluice(t, d, "drain", "old", *how)
        assert code == 1 and "in use by another sluice" in out + err, (code, out, err)
    d.stop()


def test_a_renamed_stream_goes_on_when_its_folder_is_renamed(t):
    s3, d, records = left_behind(t, sealed=True)
    os.rename(os.path.join(d.data_dir, "streams", "old"), os.path.join(d.data_dir, "streams", "new"))
    s3.start()
    d.start()
    d.wait_delivered("new", len(records))
    assert not d.logged("not in the configuration")
    d.stop()
    s3.assert_clean()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)
