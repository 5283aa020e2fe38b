"""Streams whose objects have partition keys: each record once, in its own prefix, in order; across crashes, outages, full folders and other
settings."""

import datetime
import json
import os
import re
import subprocess
import zoneinfo

import backups
import objects
from common import one_stream
from firehose import Firehose
from harness import wait_until
from s3_peer import Fail, S3Peer
from test_large_records import largest
from test_partition_keys import needs_libjq

SCRIPT = """\
function transform(r, meta)
  if r.fate == "drop" then return nil end
  if r.fate == "fail" then error("this one is of the kind that fails") end
  meta.partition_keys.k = r.k
  return r
end
"""
PREFIX = "k=!{partitionKeyFromLua:k}/"
ERRORS = "errors/!{firehose:error-output-type}/"


def script(t, text=SCRIPT):
    with open(t.path("keys.lua"), "w", encoding="utf-8") as f:
        f.write(text)
    return t.path("keys.lua")


def folder(t, prefix=PREFIX):
    return {"file": {"path": t.path("out"), "prefix": prefix}}


def backup(t, mode="failed"):
    return {"mode": mode, "file": {"path": t.path("backup")}}


def s3(t):
    peer = S3Peer()
    t.on_end(peer.stop)
    return peer


def partitioned(t, destination, **more):
    return one_stream("app", destination, transform={"lua": script(t)}, **{"interval": "900s", **more})


def records(numbers, keys, fate=lambda n: "keep"):
    return [json.dumps({"n": n, "k": f"key{n % keys}", "fate": fate(n)}).encode() for n in numbers]


def check(found, put, prefix=True):
    """Each record that is kept is there once, in the prefix of its key, and in its object behind those that came before it."""
    got = []
    for key, data in found.items():
        last = -1
        for line in objects.unpack(data).splitlines():
            r = json.loads(line)
            assert not prefix or key.startswith(f"k={r['k']}/"), f"{line} is in {key}"
            assert r["n"] > last, f"{line} is behind {last} in {key}"
            last = r["n"]
            got.append(line)
    objects.assert_exactly_once(got, [r for r in put if b'"keep"' in r])


def staged(d):
    """Objects that gather records."""
    return d.metrics().get("sluice_partition_count", stream="app")


def parcels(d):
    at = os.path.join(d.data_dir, "streams", "app", "staging")
    return sorted(os.path.join(at, n) for n in os.listdir(at)) if os.path.isdir(at) else []


def test_each_record_is_in_the_prefix_of_its_key(t):
    d = t.daemon(partitioned(t, folder(t), size="8KiB", compression="gzip")).start()
    put = records(range(4000), 7)
    Firehose(d.api_port).put_all("app", put)
    d.stop()
    found = objects.read_dir(t.path("out"))
    check(found, put)
    assert len(found) >= 7 * 2, "each key has objects of its own size"
    assert not parcels(d), "what is delivered is removed"
    d.start()
    d.wait_delivered("app", 4000)
    d.stop()


def test_a_key_is_delivered_at_its_own_age(t):
    d = t.daemon(partitioned(t, folder(t), interval="1s")).start()
    put = records(range(30), 3)
    Firehose(d.api_port).put_all("app", put)
    d.wait_delivered("app", 30)
    check(objects.read_dir(t.path("out")), put)
    assert d.metrics().get("sluice_active_partitions_limit", stream="app") == 500
    wait_until("no object gathers records", lambda: staged(d) == 0, 20 * t.slow)
    d.stop()


def test_open_objects_outlive_a_crash(t):
    d = t.daemon(partitioned(t, folder(t))).start()
    put = records(range(100), 5)
    Firehose(d.api_port).put_all("app", put)
    wait_until("they are staged", lambda: staged(d) == 5, 30 * t.slow)
    d.kill9()
    assert len(parcels(d)) == 5
    with open(parcels(d)[0], "ab") as f:
        f.write(b"half a block")
    with open(parcels(d)[0] + ".other", "wb") as f:
        f.write(b"nobody knows it")
    d.start()
    assert d.books("app").spooled == 100
    more = records(range(100, 200), 5)
    Firehose(d.api_port).put_all("app", more)
    d.stop()
    found = objects.read_dir(t.path("out"))
    check(found, put + more)
    assert len(found) == 5, "they went on where they were"
    assert not parcels(d)


def test_twelve_kills_lose_nothing_and_double_nothing(t):
    peer = s3(t)
    config = partitioned(t, peer.destination(prefix=PREFIX), size="4KiB", interval="1s", backup=backup(t), max_partitions=20)
    d = t.daemon(config).start()
    put = []
    for kill in range(12):
        for _ in range(t.random.randrange(1, 6)):
            batch = records(range(len(put), len(put) + t.random.randrange(1, 150)), 30,
                            lambda n: {0: "drop", 1: "fail"}.get(n % 11, "keep"))
            Firehose(d.api_port).put_all("app", batch)
            put += batch
        done = d.books("app").delivered + t.random.randrange(0, 60)
        if kill % 3 == 0:  # in the midst of it
            wait_until("some are delivered", lambda: d.books("app").delivered >= min(done, len(put) * 9 // 11 - 40),
                       60 * t.slow)
        d.assert_books("app")
        d.kill9()
        d.start()
    d.stop()
    peer.assert_clean()
    check(peer.snapshot(), put)
    failed = backups.data(t.path("backup"), "processing-failed")
    objects.assert_exactly_once(failed, [r for r in put if b'"fail"' in r])
    d.start()
    books = d.wait_delivered("app", sum(b'"keep"' in r for r in put))
    assert books.backed_up == len(failed) and books.corrupt == 0, books
    d.stop()


def test_run_once_delivers_all(t):
    config = partitioned(t, folder(t), inputs=["stdin"])
    put = records(range(500), 6)
    d = t.daemon(config)
    d.spawn("--once", stdin=subprocess.PIPE)
    d.process.stdin.write(b"\n".join(put) + b"\n")
    d.process.stdin.close()
    d.wait_exit(60)
    found = objects.read_dir(t.path("out"))
    check(found, put)
    assert len(found) == 6


def test_records_that_fail_and_records_without_a_key_are_kept_apart(t):
    """The text of a record that fails may look like the code of the other kind."""
    d = t.daemon(partitioned(t, folder(t), backup=backup(t))).start()
    put = records(range(60), 3, lambda n: ("keep", "fail")[n % 2])
    keyless = [json.dumps({"n": n, "fate": "keep"}).encode() for n in range(20)]
    like = [json.dumps({"fate": "fail", "x": ',"errorCode":"DynamicPartitioning.MetadataExtractionFailed",'}).encode()]
    Firehose(d.api_port).put_all("app", put[:30] + keyless + put[30:] + like)
    d.stop()
    check(objects.read_dir(t.path("out")), put)
    failed = backups.read(t.path("backup"), "processing-failed")
    objects.assert_exactly_once([e["data"] for e in failed], [r for r in put if b'"fail"' in r] + like)
    without = backups.read(t.path("backup"), "metadata-extraction-failed")
    objects.assert_exactly_once([e["data"] for e in without], keyless)
    assert {e["errorCode"] for e in without} == {"DynamicPartitioning.MetadataExtractionFailed"}
    d.start()
    books = d.wait_delivered("app", 30)
    assert (books.backed_up, books.corrupt) == (51, 0), books
    d.stop()


def test_failed_and_source_records_have_their_way(t):
    d = t.daemon(partitioned(t, folder(t), backup=backup(t, "all"), size="4KiB")).start()
    put = records(range(900), 4, lambda n: ("keep", "drop", "fail")[n % 3])
    Firehose(d.api_port).put_all("app", put)
    d.stop()
    check(objects.read_dir(t.path("out")), put)
    failed = backups.read(t.path("backup"), "processing-failed")
    objects.assert_exactly_once([line["data"] for line in failed], [r for r in put if b'"fail"' in r])
    kept = {k: v for k, v in objects.read_dir(t.path("backup")).items() if not k.startswith("processing-failed")}
    objects.assert_exactly_once(objects.lines(kept), put)
    d.start()
    books = d.wait_delivered("app", 300)
    assert (books.dropped, books.backed_up, books.corrupt) == (300, 300, 0), books
    d.stop()


def test_a_destination_that_is_down_holds_what_is_staged(t):
    peer = s3(t)
    peer.always = Fail(503, "SlowDown")
    d = t.daemon(partitioned(t, peer.destination(prefix=PREFIX), size="2KiB")).start()
    put = records(range(1500), 5)
    Firehose(d.api_port).put_all("app", put)
    wait_until("attempts fail", lambda: d.metrics().get("sluice_delivery_failures_total", stream="app") > 3, 30 * t.slow)
    assert d.books("app").spooled == 1500
    d.kill9()
    d.start()
    assert d.books("app").spooled == 1500
    peer.always = None
    d.stop(60)
    peer.assert_clean()
    check(peer.snapshot(), put)


def test_more_partitions_than_there_may_be_are_delivered_early(t):
    d = t.daemon(partitioned(t, folder(t), max_partitions=5)).start()
    put = records(range(600), 20)
    Firehose(d.api_port).put_all("app", put)
    wait_until("some were closed early",
               lambda: d.metrics().get("sluice_partition_count_exceeded_total", stream="app") > 0, 30 * t.slow)
    assert staged(d) <= 5
    d.stop()
    check(objects.read_dir(t.path("out")), put)


def test_a_spool_that_is_half_full_of_open_objects_delivers_some(t):
    d = t.daemon(partitioned(t, folder(t), spool={"limit": "8MiB"}, size="64MiB")).start()
    put = [r[:-1] + b',"more":"' + b"x" * 2000 + b'"}' for r in records(range(3000), 10)]
    Firehose(d.api_port).put_all("app", put)
    wait_until("some are delivered", lambda: d.books("app").delivered > 0, 60 * t.slow)
    d.stop()
    check(objects.read_dir(t.path("out")), put)


def test_records_that_cannot_be_staged_wait_in_the_spool(t):
    d = t.daemon(partitioned(t, folder(t))).start()
    at = os.path.join(d.data_dir, "streams", "app", "staging")
    with open(at, "wb") as f:
        f.write(b"a file is where the folder should be")
    put = records(range(200), 3)
    Firehose(d.api_port).put_all("app", put)
    d.wait_logged("cannot be staged", level="error")
    wait_until("the stream says why", lambda: "Not a directory" in d.http("/readyz")[1], 30 * t.slow)
    assert d.books("app").spooled == 200
    os.unlink(at)
    wait_until("they are staged", lambda: staged(d) == 3, 60 * t.slow)
    d.stop()
    check(objects.read_dir(t.path("out")), put)


def test_what_damage_took_is_corrupt_and_the_rest_is_delivered(t):
    d = t.daemon(partitioned(t, folder(t))).start()
    put = records(range(90), 3)
    Firehose(d.api_port).put_all("app", put)
    wait_until("they are staged", lambda: staged(d) == 3, 30 * t.slow)
    d.kill9()
    gone, cut, _ = parcels(d)
    os.unlink(gone)
    os.truncate(cut, os.path.getsize(cut) - 1)
    d.start()
    assert len(d.wait_logged("staged records are lost", level="error")) == 2
    d.stop()
    d.start()
    books = d.books("app")
    books.assert_balanced()
    assert books.spooled == 0 and books.corrupt + books.delivered == 90 and 30 < books.corrupt <= 60, books
    d.stop()


def test_settings_without_keys_deliver_what_was_staged_and_those_with_keys_go_on(t):
    d = t.daemon(partitioned(t, folder(t))).start()
    put = []
    for run in range(4):
        batch = records(range(run * 100, run * 100 + 100), 4)
        Firehose(d.api_port).put_all("app", batch)
        put += batch
        wait_until("they are staged", lambda: run % 2 or staged(d) == 4, 30 * t.slow)
        d.kill9()
        d.configure(partitioned(t, folder(t, PREFIX if run % 2 else "flat/")))
        d.start()
    d.stop()
    check(objects.read_dir(t.path("out")), put, prefix=False)
    d.start()
    d.wait_delivered("app", 400)
    d.stop()


def test_many_partitions_take_little_memory(t):
    if t.sanitized:
        t.skip("the sanitizers' memory is not the subject")
    d = t.daemon(partitioned(t, folder(t), max_partitions=1000)).start()
    put = records(range(20000), 500)
    Firehose(d.api_port).put_all("app", put)
    wait_until("all are staged", lambda: staged(d) == 500, 60)
    assert d.peak_rss() < 64 << 20, d.peak_rss()
    d.stop()
    check(objects.read_dir(t.path("out")), put)


def test_a_stream_that_was_taken_out_is_printed_and_drained_with_what_it_has_staged(t):
    config = partitioned(t, folder(t))
    d = t.daemon(config).start()
    put = records(range(60), 3)
    Firehose(d.api_port).put_all("app", put)
    wait_until("they are staged", lambda: staged(d) == 3, 30 * t.slow)
    d.kill9()
    d.configure({**config, "streams": {"new": config["streams"]["app"]}})

    def drain(*args):
        return subprocess.run([t.binary, "drain", "app", *args, "-c", d.config_path], stdout=subprocess.PIPE, check=True).stdout

    objects.assert_exactly_once(drain("--print").splitlines(), put)
    drain("--to", "new")
    check(objects.read_dir(t.path("out")), put)
    assert not parcels(d)


def fsck(t, d):
    p = subprocess.run([t.binary, "fsck", "-c", d.config_path], stdout=subprocess.PIPE, check=False, text=True)
    return p.returncode, p.stdout


def test_fsck_reads_what_is_staged(t):
    d = t.daemon(partitioned(t, folder(t))).start()
    Firehose(d.api_port).put_all("app", records(range(16), 4))  # a parcel is one block, also with small limits
    wait_until("they are staged", lambda: staged(d) == 4, 30 * t.slow)
    d.kill9()
    code, out = fsck(t, d)
    assert code == 0 and "16 of them staged in 4 parcels" in out and "damaged" not in out, out
    gone, cut, changed, _ = parcels(d)
    spool = os.path.join(os.path.dirname(os.path.dirname(gone)), "spool")
    os.rename(spool, spool + ".away")
    code, out = fsck(t, d)
    assert code == 1 and re.search(r" 4 files in \S+/staging that the missing log does not know", out), out
    os.rename(spool + ".away", spool)
    with open(os.path.join(os.path.dirname(gone), "00000000000000000099.parcel"), "wb") as f:
        f.write(b"what a crash left")
    code, out = fsck(t, d)
    assert code == 0 and re.search(r" 1 file in \S+/staging that the log does not know, of a write that was cut short", out), out
    os.unlink(gone)
    os.truncate(cut, os.path.getsize(cut) - 1)
    with open(changed, "r+b") as f:
        f.seek(50)
        f.write(b"?")
    before = {p: open(p, "rb").read() for p in parcels(d)}
    code, out = fsck(t, d)
    assert code == 1, out
    assert f"damaged: {gone} at offset 0: the file is missing" in out, out
    assert f"damaged: {cut} at offset {len(before[cut])}: its end is missing" in out, out
    assert f"damaged: {changed} at offset 0: records are not as they were written" in out, out
    assert out.count("4 of its 4 records are lost") == 3, out
    assert before == {p: open(p, "rb").read() for p in parcels(d)}
    d.start()
    d.stop()


def test_fsck_takes_no_stream_for_damaged_that_never_had_a_log(t):
    d = t.daemon(partitioned(t, folder(t)))
    assert fsck(t, d) == (0, "stream app:\n  nothing on disk\n")
    d = t.daemon(partitioned(t, folder(t), durability="memory"))
    at = os.path.join(d.data_dir, "streams", "app", "staging")
    os.makedirs(at)
    with open(os.path.join(at, "00000000000000000001.parcel"), "wb") as f:
        f.write(b"what a crash left")
    code, out = fsck(t, d)
    assert code == 0 and f" 1 file in {at} of records that were kept in memory" in out, out


BIG = """\
function transform(r, meta)
  meta.partition_keys.k = r.k
  if r.big then r.text = ("x"):rep(%d) end
  return r
end
"""


def test_records_of_ten_mebibytes_keep_their_place_among_small_ones(t):
    """Also with source records in the backup, and when it is killed before they are staged, or behind that."""
    big = largest(t) - 200
    d = t.daemon(one_stream("app", folder(t), transform={"lua": script(t, BIG % big), "timeout": "60s", "batch_timeout": "600s"}, backup=backup(t, "all"), size="1MiB",
                            interval="900s")).start()
    put = [json.dumps({"n": n, "k": f"key{n % 2}", "fate": "keep", **({"big": True} if n in (2, 3, 7) else {})}).encode()
           for n in range(10)]
    for part in (put[:5], put[5:]):
        Firehose(d.api_port).put_all("app", part)
        d.kill9()
        d.start()
    wait_until("both keys have parcels, and so have the sources", lambda: len(parcels(d)) >= 3, 60 * t.slow)
    d.kill9()
    d.start()
    d.stop()
    places = {}
    for key, data in sorted(objects.read_dir(t.path("out")).items()):
        for line in objects.unpack(data).splitlines():
            r = json.loads(line)
            assert key.startswith(f"k={r['k']}/") and len(r.get("text", "")) == (big if r.get("big") else 0), key
            places.setdefault(r["n"], []).append(key)
    assert sorted(places) == list(range(10)) and all(len(p) == 1 for p in places.values()), places
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("backup"))), put)


def test_records_around_the_change_of_clocks_are_in_their_hours_with_one_object_at_a_time(t):
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    ends = [datetime.datetime(2026, m, day, 1, tzinfo=datetime.timezone.utc) for m, day in ((3, 29), (10, 25))]
    times = [end + datetime.timedelta(minutes=30 * i) for end in ends for i in range(-4, 5)]
    place = {"file": {"path": t.path("out"), "prefix": "!{timestamp:yyyy-MM-dd-HH}/", "timezone": "Europe/Berlin"}}
    d = t.daemon(one_stream("app", place, time={"field": "ts"}, interval="900s", max_partitions=1)).start()
    put = [json.dumps({"n": n, "ts": at.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode() for n, at in enumerate(times)]
    for part in (put[::2], put[1::2]):
        Firehose(d.api_port).put_all("app", part)
        d.kill9()
        d.start()
    d.stop()
    got = []
    for key, data in objects.read_dir(t.path("out")).items():
        for line in objects.unpack(data).splitlines():
            at = times[json.loads(line)["n"]]
            assert key.startswith(at.astimezone(zone).strftime("%Y-%m-%d-%H/")), f"{line} is in {key}"
            got.append(line)
        offsets = {times[json.loads(line)["n"]].astimezone(zone).utcoffset() for line in objects.unpack(data).splitlines()}
        assert len(offsets) == 1, f"{key} has records of an hour that comes twice"
    objects.assert_exactly_once(got, put)


def test_the_page_and_metrics_show_partitions_but_not_what_they_are_called(t):
    """Few records: of 7 keys that take turns in 4 places nearly each pair is an object, and with small limits 768 may wait."""
    needs_libjq(t)
    peer = s3(t)
    peer.always = Fail(503, "SlowDown")
    config = one_stream("app", peer.destination(prefix="k=!{partitionKeyFromQuery:k}/"), interval="900s", size="4KiB",
                        partition_keys={"k": ".k | ascii_downcase"}, max_partitions=4, backup=backup(t))
    config["streams"]["plain"] = {"destination": {"file": {"path": t.path("plain")}}}
    d = t.daemon(config).start()
    put = [json.dumps({"n": n, "k": f"SECRET{n % 7}", "fate": "keep"}).encode() for n in range(600)]
    Firehose(d.api_port).put_all("app", put + [b'{"n":1}', b"no json"])
    number = lambda name: d.metrics().get("sluice_" + name, stream="app")
    wait_until("all are staged, and some wait", lambda: number("metadata_extraction_failed_records_total") == 2
               and number("partition_objects_waiting") > 0 and number("partition_count_exceeded_total") > 0, 60 * t.slow)
    assert 0 < number("partition_count") <= number("active_partitions_limit") == 4
    assert number("staged_bytes") > 10000 and number("per_partition_throughput_bytes") > 0
    assert number("jq_processing_microseconds_total") > 0
    page, metrics = d.http("/")[1], d.http("/metrics")[1]
    for name in ("partitions", "objects waiting", "staged", "busiest", "delivered early", "without a key"):
        assert page.count(f"<dt>{name}</dt>") == 1, (name, page)  # of the one stream that is partitioned
    assert "<dt>without a key</dt><dd>2</dd>" in page
    assert abs(number("rejected_records_ratio") - 2 / 602) < 1e-9, "2 of 602, though none is delivered yet"
    assert "secret" not in (page + metrics + d.http("/readyz")[1]).lower()
    d.kill9()
