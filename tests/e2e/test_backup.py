"""The backup: what cannot be delivered in time goes there as error lines, through crashes too, and can be put back."""

import base64
import gzip
import json
import os
import shutil
import subprocess
import time

import objects
from common import Load, numbered_lines, one_stream, stream, to_file
from firehose import Firehose
from harness import wait_until
from s3_peer import (ACCESS_KEY, Breaks, Fail, Hang, ResetAfterReading, ResetBeforeReading, S3Peer, SECRET, Serve,
                     error_xml)
from test_tls import make_certificates


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
    return redrive_telling(t, d, *args, code=code)[0]


def redrive_telling(t, d, *args, code=0, env=None):
    """What it says on standard output, and on standard error."""
    done = subprocess.run([t.binary, "redrive", "-c", d.config_path, "--stream", "app", *args], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60 * t.slow, check=False, text=True,
                          env={**os.environ, **(env or {})})
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


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
    assert objects.joined(s3.snapshot()).splitlines() == later
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


def test_kills_with_mode_all_keep_every_source_record_once(t):
    """Destination and backup are stores that fail now and then."""
    s3, backup = S3Peer(), S3Peer()
    t.on_end(s3.stop)
    t.on_end(backup.stop)
    d = t.daemon(one_stream("app", s3.destination(), size="64KiB", interval="500ms", compression="gzip",
                            backup={"mode": "all", **backup.destination(error_prefix="!{firehose:error-output-type}/")})).start()
    load = Load(d, "app", b"crash", pause=0.01)
    load.start()
    for _ in range(5):
        for peer in (s3, backup):
            peer.plan(*t.random.sample([Fail(503, "SlowDown"), ResetAfterReading(), ResetBeforeReading()], 2))
        time.sleep(0.3 + t.random.random())
        d.kill9()
        d.start()
    load.stop()
    wait_until("all is out of the spool", lambda: d.books("app").spooled == 0, 60 * t.slow)
    d.assert_books("app")
    d.stop()
    for peer in (s3, backup):
        peer.assert_clean()
        arrived = objects.lines(peer.snapshot())
        assert len(arrived) == len(set(arrived)), "a record is there twice"
        assert set(load.acked) <= set(arrived) <= set(load.acked) | set(load.unknown)
    assert sorted(objects.lines(s3.snapshot())) == sorted(objects.lines(backup.snapshot()))


def test_validate_checks_the_backup_too(t):
    config = with_backup(t, {"file": {"path": t.path("out")}})
    config["streams"]["app"]["backup"]["file"]["prefix"] = "x/!{timestamp:yyyy}/"
    d = t.daemon(config)
    told = subprocess.run([t.binary, "validate", "-c", d.config_path], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, text=True)
    assert told.returncode != 0 and "error_prefix: needed where object names have expressions" in told.stdout, told.stdout


def test_redrive_puts_back_once_what_the_backup_holds(t):
    s3 = refusing_peer(t)
    d = t.daemon(with_backup(t, s3.destination(), mode="all", duration="1s", compression="zstd")).start()
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
    assert f"put back {len(records) - some:,} record" in told and f"{some:,} {'was' if some == 1 else 'were'} put back before" in told, told
    assert "put back 0 records" in redrive(t, d, t.path("backup"))
    wait_until("all is delivered", lambda: d.books("app").delivered == len(records), 60 * t.slow)
    d.stop()
    s3.assert_clean()
    assert sorted(objects.lines(s3.snapshot())) == sorted(records), "each record once"
    assert backup_objects(t, True) == before, "the error objects stay as they are"


def test_two_redrives_at_once_take_turns(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    records = numbered_lines(t.random, 6000)
    os.mkdir(t.path("errors"))
    for i in range(30):
        with open(t.path("errors", f"object-{i:02}"), "w", encoding="ascii") as f:
            f.writelines(json.dumps({"attemptsMade": 1, "errorCode": "400", "rawData": base64.b64encode(r).decode()}) + "\n"
                         for r in records[i * 200:(i + 1) * 200])
    d = t.daemon(one_stream("app", s3.destination())).start()
    both = [subprocess.Popen([t.binary, "redrive", "-c", d.config_path, "--stream", "app", t.path("errors")],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(2)]
    told = [p.communicate(timeout=60 * t.slow)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0], told
    d.wait_delivered("app", len(records))
    d.stop()
    assert sorted(objects.lines(s3.snapshot())) == sorted(records), "each record once"


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
    assert objects.joined(s3.snapshot()).splitlines() == records[:10] + records[11:], "in order, once"


# --- redrive from a bucket ----------------------------------------------------------------------------------------------


def error_object(records):
    return b"".join(
        json.dumps({"attemptsMade": 1, "errorCode": "400", "rawData": base64.b64encode(r).decode()}).encode() + b"\n"
        for r in records)


def vault(t, objects_there=None, page_size=2, bucket="errors"):
    """A store for the backup, with error objects in it."""
    v = S3Peer(bucket=bucket)
    t.on_end(v.stop)
    v.page_size = page_size
    v.objects.update(objects_there or {})
    return v


def vault_stream(t, s3, v, **more):
    backup = v.destination(prefix="e/!{timestamp:yyyy}/", error_prefix="e/!{firehose:error-output-type}/", **more)
    return one_stream("app", s3.destination(), retry={"duration": "1s"}, backup={"mode": "failed", **backup})


def daemon_with_vault(t, v, **more):
    s3 = S3Peer()
    t.on_end(s3.stop)
    return s3, t.daemon(vault_stream(t, s3, v, **more)).start()


def split(records, names):
    return {name: error_object(records[i::len(names)]) for i, name in enumerate(names)}


STRANGE_KEYS = ["e/a b+c&d.json", "e/../e/up", "e/\u00e9/\u65e5", "e/%41", "e/x\ny", "e//double", "e/'quoted\"<>"]


def test_redrive_puts_back_once_what_the_backup_holds_in_a_bucket(t):
    v = vault(t)
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.always = Fail(503, "SlowDown")
    d = t.daemon(vault_stream(t, s3, v)).start()
    client, records = Firehose(d.api_port), numbered_lines(t.random, 900)
    for part in range(3):
        client.put_all("app", records[part * 300:(part + 1) * 300])
        wait_backed_up(t, d, (part + 1) * 300)
    before = v.snapshot()
    assert len(before) >= 3, sorted(before)
    v.objects["e/s3-failed/readme"] = b"not an error object"
    v.objects["other/x"] = error_object([b"not below the prefix"])
    assert "would put back 900 records" in redrive(t, d, "--dry-run", "s3://errors/e/")
    assert not os.path.exists(os.path.join(d.data_dir, "redrive")), "a dry run leaves nothing"
    assert d.books("app").incoming == 900, "a dry run puts nothing"
    s3.always = None
    first = sorted(before)[0]
    some = len(before[first].splitlines())
    assert f"put back {some:,} record" in redrive(t, d, f"s3://errors/{first}"), "one object by its key"
    told = redrive(t, d, "s3://errors/e/s3-failed/")
    assert f"put back {900 - some:,} record" in told and f"{some:,} {'was' if some == 1 else 'were'} put back before" in told, told
    assert "1 other file left alone" in told, told
    assert "put back 0 records" in redrive(t, d, "s3://errors/e/s3-failed/")
    d.wait_delivered("app", 900)
    d.stop()
    for peer in (s3, v):
        peer.assert_clean()
    assert not v.refused_reads, v.refused_reads
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)
    assert {k: b for k, b in v.snapshot().items() if k in before} == before, "the error objects stay as they are"
    assert len(v.snapshot()) == len(before) + 2, "and nothing was written beside them"
    assert os.stat(os.path.join(d.data_dir, "redrive")).st_mode & 0o777 == 0o700


def test_redrive_reads_keys_of_any_bytes_and_gzip_from_a_bucket(t):
    records = numbered_lines(t.random, 70)
    v = vault(t, split(records, STRANGE_KEYS))
    v.objects["e/up"] = b"what a path that is cleaned would find"
    v.objects["e/%41"] = gzip.compress(v.objects["e/%41"])
    s3, d = daemon_with_vault(t, v)
    told = redrive(t, d, "--state", t.path("notes", "of mine"), "s3://errors/e/")
    assert "put back 70 records" in told and "1 other file left alone" in told, told
    assert not os.path.exists(os.path.join(d.data_dir, "redrive")), "--state was given"
    assert len(os.listdir(t.path("notes", "of mine"))) == len(STRANGE_KEYS)
    assert "put back 0 records" in redrive(t, d, "--state", t.path("notes", "of mine"), "s3://errors/e/")
    d.wait_delivered("app", 70)
    d.stop()
    assert not v.refused_reads, v.refused_reads
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)


def test_redrive_from_a_bucket_tries_again_and_doubles_nothing_when_interrupted(t):
    records = numbered_lines(t.random, 600)
    v = vault(t, split(records, ["e/1", "e/2", "e/3", "e/4", "e/5"]))
    plan = {None: [Fail(503, "SlowDown"), Serve(), Fail(500, "InternalError")], "e/1": [ResetAfterReading()],
            "e/2": [Breaks()], "e/3": [Hang()]}
    v.reads = lambda key, query, attempt: plan[key].pop(0) if plan.get(key) else None
    s3, d = daemon_with_vault(t, v)
    first = subprocess.Popen([t.binary, "redrive", "-c", d.config_path, "--stream", "app", "s3://errors/e/"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until("it waits for the third object", lambda: "e/3" in v.read, 60 * t.slow)
    first.kill()
    first.wait()
    assert d.books("app").incoming == 240
    told = redrive(t, d, "s3://errors/e/")
    assert "put back 360 records" in told and "240 were put back before" in told, told
    assert not any(plan.values()), f"the store was to fail more often: {plan}"
    d.wait_delivered("app", 600)
    assert d.books("app").incoming == 600
    d.stop()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)


def test_redrive_says_what_is_wrong_about_a_bucket(t):
    records = numbered_lines(t.random, 40)
    v = vault(t, split(records, ["e/1", "e/2", "e/3", "e/4"]))
    s3, d = daemon_with_vault(t, v)
    mine = ("--s3-endpoint", v.url(), "--s3-region", "us-east-1")
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    cases = (
        (("s3://errors/nothing",), {}, "no object in bucket `errors`"),
        (("s3://elsewhere/e", *mine), keys, "bucket `elsewhere` does not exist"),
        (("s3://elsewhere/e", *mine), {**keys, "AWS_SECRET_ACCESS_KEY": "wrong"}, "keys come from the environment"),
        (("s3://errors/e", "--s3-region", "eu-west-9"), {}, "set --s3-region"),
        (("s3://errors/e", "--s3-endpoint", "http://nowhere.invalid:1"), {}, "does not resolve"),
        (("s3://errors/e", "--s3-endpoint", "nowhere"), {}, "does not begin with http://"),
        (("s3://UP_er%/e", *mine), keys, "is not a bucket's name"),
    )
    for args, env, want in cases:
        said, err = redrive_telling(t, d, *args, code=1, env=env)
        assert want in err and "put back 0 records" in said, (args, said, err)
    assert "options of the stream's `backup`" in redrive_telling(t, d, "s3://errors/nothing", code=1)[1]
    v.secrets = {ACCESS_KEY: "changed"}
    err = redrive_telling(t, d, "s3://errors/e", code=1)[1]
    assert "refused the signature" in err and v.url() in err, err
    v.secrets = {ACCESS_KEY: SECRET}
    assert redrive_telling(t, d, "s3:///e", code=2)[1].count("names no bucket") == 1
    d.stop()
    s3.assert_clean()


def test_redrive_trusts_a_store_as_the_configuration_says(t):
    ca, server = make_certificates(t)
    v = S3Peer(bucket="errors", tls=server)
    t.on_end(v.stop)
    v.objects["e/1"] = error_object([b"over", b"TLS"])
    _, d = daemon_with_vault(t, v, tls={"ca_file": ca})
    assert "would put back 2 records" in redrive(t, d, "--dry-run", "s3://errors/e/")
    d.stop()
    _, d = daemon_with_vault(t, v)
    err = redrive_telling(t, d, "--dry-run", "s3://errors/e/", code=1)[1]
    assert "no TLS connection" in err and "tls.ca_file" in err, err
    d.stop()


def test_redrive_from_a_bucket_needs_no_configuration(t):
    v = vault(t, {"e/1": error_object([b"one"])})
    s3, d = daemon_with_vault(t, v)
    args = [t.binary, "redrive", "--stream", "app", "--endpoint", f"http://127.0.0.1:{d.api_port}", "--s3-endpoint",
            v.url(), "s3://errors/e/"]
    env = {**os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True, env=env)
    assert done.returncode == 2 and "write --state FOLDER" in done.stderr, done.stderr
    for told in ("put back 1 record ", "put back 0 records"):
        done = subprocess.run([*args, "--state", t.path("notes")], stdout=subprocess.PIPE, check=True, text=True, env=env)
        assert told in done.stdout, done.stdout
    d.wait_delivered("app", 1)
    d.stop()
    assert objects.lines(s3.snapshot()) == [b"one"]


def test_redrive_goes_on_behind_objects_that_cannot_be_read(t):
    records = numbered_lines(t.random, 40)
    v = vault(t, split(records, ["e/1", "e/2", "e/3", "e/4"]))
    v.reads = lambda key, query, attempt: Fail(403, "AccessDenied") if key == "e/2" else None
    s3, d = daemon_with_vault(t, v)
    said, err = redrive_telling(t, d, "s3://errors/e/", code=1)
    assert "put back 30 records" in said and "1 could not be read" in said, said
    assert "s3://errors/e/2: " in err and "s3:GetObject" in err, err
    v.reads = None
    assert "put back 10 records" in redrive(t, d, "s3://errors/e/")
    d.wait_delivered("app", 40)
    d.stop()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)


def test_redrive_does_not_trust_a_listing(t):
    v = vault(t, {"e/1": error_object([b"one"])})
    _, d = daemon_with_vault(t, v)
    page = v.listing({"prefix": "e/"})
    again = page.replace(b"<IsTruncated>false", b"<IsTruncated>true")
    cases = (
        (page[:-30], "breaks off"),
        (b"<html>hello</html>", "no listing of a bucket"),
        (error_xml("AccessDenied", "no", "/"), "no listing of a bucket"),
        (page.replace(b"e/1", b"f/1"), "not asked for"),
        (again, "no continuation token"),
        (again.replace(b"<Contents>", b"<NextContinuationToken>t</NextContinuationToken><Contents>"), "in circles"),
        (b" " * (9 << 20), "more than"),
        (page.replace(b"<Size>", b"<Size>99999999"), "s3://errors/e/1: it has more than 1073741824 bytes"),
    )
    for body, want in cases:
        v.reads = lambda key, query, attempt, b=body: Serve(b) if key is None else None
        said, err = redrive_telling(t, d, "--dry-run", "s3://errors/e/", code=1)
        assert want in err and "1 could not be read" in said, (want, said, err)
    tokens = iter(range(10 ** 9))
    v.reads = lambda key, query, attempt: Serve(again.replace(
        b"<Contents>", b"<NextContinuationToken>%d</NextContinuationToken><Contents>" % next(tokens))) \
        if key is None else None
    assert "in circles" in redrive_telling(t, d, "--dry-run", "s3://errors/e/", code=1)[1]
    d.stop()


def test_redrive_does_not_fetch_what_is_older_than_since(t):
    v = vault(t, split(numbered_lines(t.random, 30), ["e/1", "e/2", "e/3"]))
    v.objects["e/3"] = v.objects["e/3"].replace(b'"attemptsMade"', b'"attemptEndingTimestamp":1783951509000,"attemptsMade"')
    v.modified = {"e/1": "2026-07-13T12:30:00.000Z", "e/2": "2026-07-13T13:30:00.000Z"}
    _, d = daemon_with_vault(t, v)
    told = redrive(t, d, "--dry-run", "--since", "2026-07-13T14:00:00Z", "s3://errors/e/")
    assert "would put back 10 records" in told and "1 object is older" in told, told
    assert [k for k in v.read if k] == ["e/2", "e/3"], v.read
    d.stop()


def memory_of_dry_run(t, d, address, records):
    """KiB that a redrive had at most, by the kernel."""
    process = subprocess.Popen([t.binary, "redrive", "-c", d.config_path, "--stream", "app", "--dry-run", address],
                               stdout=subprocess.PIPE)
    told = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0 and f"would put back {records} records" in told, (status, told)
    return usage.ru_maxrss


def test_redrive_reads_large_objects_in_pieces(t):
    small, large = error_object([b"x" * 100_000] * 10), error_object([t.random.randbytes(900_000) for _ in range(60)])
    packed = error_object([b"x" * 900_000] * 60)
    forms = {"plain": large, "gzip": gzip.compress(packed, 1)}
    if shutil.which("zstd"):
        forms["zstd"] = subprocess.run(["zstd", "-q", "-c"], input=packed, stdout=subprocess.PIPE, check=True).stdout
    v = vault(t, {"e/small": small, **{f"e/{name}": body for name, body in forms.items()}})
    _, d = daemon_with_vault(t, v)
    for name, body in {"small": small, **forms}.items():
        with open(t.path(name), "wb") as f:
            f.write(body)
    base = memory_of_dry_run(t, d, t.path("small"), 10)
    base_bucket = memory_of_dry_run(t, d, "s3://errors/e/small", 10)
    for name in forms:
        assert memory_of_dry_run(t, d, t.path(name), 60) < base + (40 << 10), f"{name}, a file of 70 MB"
        assert memory_of_dry_run(t, d, f"s3://errors/e/{name}", 60) < base_bucket + (60 << 10), f"{name} in a bucket"
    assert v.read.count("e/plain") >= 9, "asked for in pieces of 8 MiB"
    # What another version replaces in between, and a store that reads no pieces.
    v.reads = lambda key, query, attempt: Serve(large[:-9]) if key == "e/plain" and v.read.count(key) > 12 else None
    assert "could not be read" in redrive(t, d, "--dry-run", "s3://errors/e/plain", code=1)
    v.reads = lambda key, query, attempt: Serve(ranges=False) if key == "e/plain" else None
    assert "reads no pieces" in redrive_telling(t, d, "--dry-run", "s3://errors/e/plain", code=1)[1]
    d.stop()


test_redrive_reads_large_objects_in_pieces.one_thread = True


def test_redrive_puts_back_nothing_of_a_damaged_object(t):
    body = gzip.compress(error_object([t.random.randbytes(60_000) for _ in range(40)]), 1)
    d = t.daemon(one_stream("app", to_file(t))).start()
    for name, bad in {"cut": body[:-100], "flipped": body[:len(body) // 2] + b"\0\0\0\0" + body[len(body) // 2 + 4:]}.items():
        with open(t.path(name), "wb") as f:
            f.write(bad)
        said, err = redrive_telling(t, d, t.path(name), code=1)
        assert "put back 0 records" in said and "gzip: " in err, (name, said, err)
    assert d.books("app").incoming == 0
    d.stop()
