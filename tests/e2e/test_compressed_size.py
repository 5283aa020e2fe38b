"""buffer.compressed_size: objects weigh about what they are to weigh, as the last ones did, and never more than twice that."""

import json

import objects
from common import one_stream, to_file
from es_peer import EsPeer
from firehose import Firehose
from harness import wait_until
from s3_peer import S3Peer

WANTED = 32 << 10


def light(numbers):
    """Lines that become a twentieth or less."""
    return [b"%07d GET /index.html HTTP/1.1 200 the same words in each of these lines, over and over again, so that they compress" % n
            for n in numbers]


def heavy(t, numbers):
    """Lines that hardly become less."""
    return [b"%07d " % n + t.random.randbytes(400).replace(b"\n", b"\r") for n in numbers]


def config(destination, size=None, interval="900s", wanted="32KiB", **more):
    made = one_stream("app", destination, interval=interval, **{"compression": "gzip", **more})
    buffer = made["streams"]["app"]["buffer"]
    buffer["compressed_size"] = wanted
    buffer["size"] = size
    if size is None:
        del buffer["size"]
    return made


def put(d, records):
    Firehose(d.api_port).put_all("app", records)


def check(found, records):
    """All of them, in order, and no object of more than twice the size. The sizes of the objects, oldest first."""
    assert objects.joined(found) == b"".join(r + b"\n" for r in records)
    return check_sizes(found)


def check_sizes(found):
    sizes = [len(found[key]) for key, _ in objects.in_order(found)]
    assert max(sizes) <= 2 * WANTED, sizes
    return sizes


def test_objects_weigh_what_they_are_to_weigh(t):
    d = t.daemon(config(to_file(t))).start()
    records = light(range(60000))
    put(d, records)
    d.stop()
    sizes = check(objects.read_dir(t.path("out")), records)
    assert len(sizes) <= 4 + sum(sizes) / (WANTED / 2), sizes
    assert sum(size >= WANTED / 2 for size in sizes) >= 3, sizes


def test_records_that_suddenly_weigh_more_make_no_larger_objects(t):
    d = t.daemon(config(to_file(t))).start()
    records = light(range(30000)) + heavy(t, range(30000, 33000)) + light(range(33000, 50000))
    put(d, records)
    d.stop()
    sizes = check(objects.read_dir(t.path("out")), records)
    assert len(sizes) < 4 + 3 * sum(sizes) / WANTED + 20, sizes


def test_one_batch_in_several_objects_survives_kills_and_doubles_nothing(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    conf = config(s3.destination(prefix="o/"), interval="1s")
    d = t.daemon(conf).start()
    records = light(range(30000))
    put(d, records)
    wait_until("a ratio is known", lambda: d.books("app").delivered == len(records), 60 * t.slow)
    for _ in range(2):
        more = heavy(t, range(len(records), len(records) + 800))
        records += more
        before = len(s3.requests)
        put(d, more)
        wait_until("one of its objects is there", lambda: len(s3.requests) > before, 60 * t.slow)
        d.kill9()
        conf["streams"]["app"]["buffer"]["compressed_size"] = "20KiB"  # what is sealed stays as it is
        d.configure(conf)
        d.start()
    d.stop()
    s3.assert_clean()
    check(s3.snapshot(), records)


def test_a_transform_counts_as_it_changes_the_size(t):
    """What it makes is a sixth of what comes in: batches are six times as large."""
    with open(t.path("short.lua"), "w", encoding="utf-8") as f:
        f.write("function transform(r) return {n = r.n} end\n")
    d = t.daemon(config(to_file(t), compression="none", transform={"lua": t.path("short.lua")})).start()
    numbers = list(range(100000, 130000))
    put(d, [json.dumps({"n": n, "more": "x" * 60}).encode() for n in numbers])
    d.stop()
    found = objects.read_dir(t.path("out"))
    assert [json.loads(line)["n"] for line in objects.joined(found).splitlines()] == numbers
    sizes = check_sizes(found)
    assert len(sizes) <= 4 + sum(sizes) / (WANTED / 2), sizes


def test_each_object_of_a_partitioned_stream_has_its_weight(t):
    place = {"file": {"path": t.path("out"), "prefix": "k=!{partitionKeyFromQuery:k}/"}}
    d = t.daemon(config(place, partition_keys={"k": ".k"}, interval="2s", compression="zstd")).start()
    records = [json.dumps({"n": n, "k": n % 3, "words": "the same words in each of these lines, over and over"}).encode()
               for n in range(40000)]
    records += [json.dumps({"n": n, "k": n % 3, "words": t.random.randbytes(300).hex()}).encode() for n in range(40000, 42000)]
    put(d, records)
    d.wait_delivered("app", len(records))
    d.stop()
    found = objects.read_dir(t.path("out"))
    objects.assert_exactly_once(objects.lines(found), records)
    assert max(len(data) for data in found.values()) <= 2 * WANTED, sorted(map(len, found.values()))


def test_requests_to_elasticsearch_and_their_backup_keep_to_it_too(t):
    """What is sent is larger than the records, by a line for each: that counts. The source records in the backup are objects, too."""
    es = EsPeer()
    t.on_end(es.stop)
    backup = {"mode": "all", "file": {"path": t.path("backup")}}
    d = t.daemon(config(es.destination(), backup=backup)).start()
    light_ones = [json.dumps({"n": n, "words": "the same words in each of these lines, over and over"}).encode() for n in range(10000)]
    heavy_ones = [json.dumps({"n": n, "words": t.random.randbytes(200).hex()}).encode() for n in range(10000, 12000)]
    put(d, light_ones + heavy_ones)
    d.stop()
    es.assert_clean()
    objects.assert_exactly_once(es.stored(), light_ones + heavy_ones)
    sent = [size for _, _, size in es.requests]
    assert max(sent) <= 2 * WANTED, sent
    kept = objects.read_dir(t.path("backup"))
    objects.assert_exactly_once(objects.lines(kept), light_ones + heavy_ones)
    check_sizes(kept)


def test_size_and_interval_still_count(t):
    d = t.daemon(config(to_file(t), size="64KiB", interval="1s")).start()
    records = light(range(5000))
    put(d, records)
    d.wait_delivered("app", len(records))  # not a full batch is left, so this is the interval
    d.stop()
    found = objects.read_dir(t.path("out"))
    check(found, records)
    assert max(len(objects.unpack(data)) for data in found.values()) <= 64 << 10
