"""The backup: what cannot be delivered in time goes there as error lines, through crashes too, and can be put back."""

import base64
import json
import os
import subprocess
import time

import objects
from common import Load, numbered_lines, one_stream, stream
from firehose import Firehose
from harness import wait_until
from s3_peer import Fail, S3Peer


def with_backup(t, destination, mode="failed", duration="2s", **more):
    return one_stream("app", destination, retry={"duration": duration},
                      backup={"mode": mode, "file": {"path": t.path("backup")}}, **more)


def backup_objects(t, errors):
    found = objects.read_dir(t.path("backup")) if os.path.isdir(t.path("backup")) else {}
    return {k: v for k, v in found.items() if ("-failed/" in k) == errors}


def error_lines(t):
    return [json.loads(line) for body in backup_objects(t, True).values() for line in body.splitlines()]


def raw(lines):
    return [base64.b64decode(line["rawData"]) for line in lines]


def wait_backed_up(t, d, count):
    def done():
        b = d.books("app")
        b.assert_balanced()
        return b.backed_up >= count and b.spooled == 0
    wait_until(f"{count} records in the backup", done, 60 * t.slow)
    assert d.books("app").backed_up == count


def redrive(t, d, *args, code=0):
    done = subprocess.run([t.binary, "redrive", "-c", d.config_path, "--stream", "app", *args], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60 * t.slow, check=False, text=True)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def refusing_peer(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.always = Fail(503, "SlowDown")
    return s3


def test_what_a_store_refuses_too_long_goes_to_the_backup_and_delivery_recovers(t):
    s3 = refusing_peer(t)
    d = t.daemon(with_backup(t, s3.destination())).start()
    client = Firehose(d.api_port)
    lost, later = numbered_lines(t.random, 700, b"early"), numbered_lines(t.random, 300, b"later")
    started = time.time()
    client.put_all("app", lost)
    wait_backed_up(t, d, len(lost))
    lines = error_lines(t)
    assert sorted(raw(lines)) == sorted(lost), "each record once"
    for line in lines:
        assert line["errorCode"] == "SlowDown" and line["errorMessage"], line
        assert line["attemptsMade"] >= 2, line
        assert started - 5 <= line["arrivalTimestamp"] / 1000 <= line["attemptEndingTimestamp"] / 1000 <= time.time() + 5
    for key in backup_objects(t, True):
        assert key.startswith("s3-failed/20") and not key.endswith((".gz", ".zst")), key
    assert d.wait_logged(r"go to the backup", level="warn")
    s3.always = None
    client.put_all("app", later)
    d.wait_delivered("app", len(later))
    d.stop()
    s3.assert_clean()
    assert objects.lines(s3.snapshot()) == later
    assert len(error_lines(t)) == len(lost), "nothing more went to the backup"


def test_a_store_that_is_gone_is_given_up_as_well(t):
    s3 = S3Peer()
    s3.stop()
    d = t.daemon(with_backup(t, s3.destination())).start()
    records = numbered_lines(t.random, 50)
    Firehose(d.api_port).put_all("app", records)
    wait_backed_up(t, d, len(records))
    d.stop()
    assert sorted(raw(error_lines(t))) == sorted(records)


def test_kills_while_records_go_to_the_backup_lose_nothing(t):
    s3 = refusing_peer(t)
    d = t.daemon(with_backup(t, s3.destination(), duration="500ms", size="256KiB")).start()
    load = Load(d, "app", b"crash", pause=0.01)
    load.start()
    for _ in range(4):
        before = len(backup_objects(t, True))
        wait_until("one more error object", lambda: len(backup_objects(t, True)) > before, 30 * t.slow)
        time.sleep(t.random.random() * 0.5)
        d.kill9()
        d.start()
    load.stop()
    acknowledged = list(load.acked)
    s3.always = None
    wait_until("all is out of the spool", lambda: d.books("app").spooled == 0, 60 * t.slow)
    d.assert_books("app")
    books = d.books("app")
    d.stop()
    s3.assert_clean()
    arrived = objects.lines(s3.snapshot())
    backed_up = raw(error_lines(t))
    assert len(backed_up) == len(set(backed_up)), "error objects are overwritten, not doubled"
    missing = set(acknowledged) - set(arrived) - set(backed_up)
    assert not missing, f"{len(missing)} acknowledged records are nowhere; {books}"


def test_mode_all_keeps_every_source_record(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.plan(Fail(503, "SlowDown"), Fail(503, "SlowDown"))
    d = t.daemon(with_backup(t, s3.destination(), mode="all", duration="1h", compression="gzip")).start()
    records = numbered_lines(t.random, 5000)
    Firehose(d.api_port).put_all("app", records)
    d.wait_delivered("app", len(records))
    d.stop()
    s3.assert_clean()
    assert sorted(objects.lines(s3.snapshot())) == sorted(records)
    assert sorted(objects.lines(backup_objects(t, False))) == sorted(records)
    assert not backup_objects(t, True)


def test_validate_checks_the_backup_too(t):
    config = with_backup(t, {"file": {"path": t.path("out")}})
    config["streams"]["app"]["backup"]["file"]["prefix"] = "x/!{timestamp:yyyy}/"
    d = t.daemon(config)
    told = subprocess.run([t.binary, "validate", "-c", d.config_path], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, text=True)
    assert told.returncode != 0 and "error_prefix is needed when prefix has expressions" in told.stdout, told.stdout


def test_redrive_puts_back_once_what_the_backup_holds(t):
    s3 = refusing_peer(t)
    d = t.daemon(with_backup(t, s3.destination(), mode="all", duration="1s")).start()
    records = numbered_lines(t.random, 1200)
    Firehose(d.api_port).put_all("app", records)
    wait_backed_up(t, d, len(records))
    before = backup_objects(t, True)
    assert "would put back 1,200 records" in redrive(t, d, "--dry-run", t.path("backup"))
    assert "would put back 0 records" in redrive(t, d, "--dry-run", "--error-code", "Other", t.path("backup"))
    assert "would put back 0 records" in redrive(t, d, "--dry-run", "--since", "2200-01-01T00:00:00Z", t.path("backup"))
    assert d.books("app").incoming == len(records), "a dry run puts nothing"
    s3.always = None
    first = os.path.join(t.path("backup"), sorted(before)[0])
    some = len(before[sorted(before)[0]].splitlines())
    assert f"put back {some:,} record" in redrive(t, d, first)
    told = redrive(t, d, t.path("backup"))
    assert f"put back {len(records) - some:,} record" in told and f"{some:,} were put back before" in told, told
    assert "put back 0 records" in redrive(t, d, t.path("backup"))
    wait_until("all is delivered", lambda: d.books("app").delivered == len(records), 60 * t.slow)
    d.stop()
    s3.assert_clean()
    assert sorted(objects.lines(s3.snapshot())) == sorted(records), "each record once"
    assert backup_objects(t, True) == before, "the error objects stay as they are"


def test_redrive_goes_on_where_it_was_interrupted(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    records = numbered_lines(t.random, 3000)
    lines = [json.dumps({"attemptsMade": 1, "errorCode": "400", "rawData": base64.b64encode(r).decode()})
             for r in records]
    lines[10] = "no error line"
    with open(t.path("errors"), "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")
    d = t.daemon(one_stream("app", s3.destination(), spool={"limit": "16MiB"})).start()
    d.stop()
    told = redrive(t, d, "--give-up", "300ms", t.path("errors"), code=1)
    assert "put back 0 records" in told, told
    d.start()
    told = redrive(t, d, t.path("errors"), code=1)
    assert "put back 2,999 records" in told and "1 could not be read" in told, told
    assert "put back 0 records" in redrive(t, d, t.path("errors"), code=1)
    with open(t.path("errors"), "a", encoding="ascii") as f:
        f.write(lines[0] + "\n")
    redrive(t, d, t.path("errors"), code=1)
    d.wait_delivered("app", 2999)
    d.stop()
    assert objects.lines(s3.snapshot()) == records[:10] + records[11:], "in order, once"
