"""Records of up to 10 MiB, which a transform may make of what the API takes: through every destination, format and codec, into
the backup whole, and what `redrive` says of them."""

import gzip
import json
import re
import threading

import backups
import objects
from common import KIB, MIB, stream, to_file
from es_peer import EsPeer, Whole
from firehose import Firehose
from raw_peer import RawPeer, answer
from s3_peer import S3Peer
from test_backup import redrive_telling
from test_http_misbehaviour import healthy_firehose
from test_transform import backup, script

UNTOUCHED = "function transform(r) return r end"


def largest(t):
    """limits.h: RECORD_MAX_BYTES, of the build that is tested."""
    return 1536 * KIB if t.tight else 10 * MIB


def document(size, n=0):
    frame = '{"n":%d,"m":"%%s"}' % n
    return (frame % ("x" * (size - len(frame % "")))).encode()


def chain(t):
    return [{"decompress": {"not_gzip": "pass"}}, {"lua": script(t, UNTOUCHED), "memory": "16MiB", "timeout": "60s", "batch_timeout": "600s"}]


def test_the_largest_record_reaches_every_destination(t):
    es, s3 = EsPeer(), S3Peer()
    bulk_peers = {"firehose": RawPeer([], healthy_firehose), "lines": RawPeer([], lambda c: answer(b"200 OK"))}
    for peer in (es, s3, *bulk_peers.values()):
        t.on_end(peer.stop)
    to = {
        "file": (to_file(t), {"compression": "gzip"}),
        "array": (to_file(t, "array"), {"format": "json_array", "compression": "none"}),
        "s3": (s3.destination(), {"compression": "zstd"}),
        "search": (es.destination(), {}),
        "firehose": ({"http": {"url": bulk_peers["firehose"].url() + "/in", "format": "firehose"}}, {}),
        "lines": ({"http": {"url": bulk_peers["lines"].url() + "/in", "format": "lines"}}, {}),
    }
    d = t.daemon({"streams": {name: stream(where, interval="0s", transform=chain(t), **more)
                              for name, (where, more) in to.items()}}).start()
    records = [document(100, 1), document(largest(t), 2), document(100, 3), document(largest(t) - 1, 4)]
    clients = [threading.Thread(target=Firehose(d.api_port).put_all, args=(name, [gzip.compress(r) for r in records]))
               for name in to]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    for name in to:
        books = d.wait_delivered(name, 4, timeout=120)
        assert books.backed_up == 0, (name, books)
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), records)
    made = [json.dumps(r, separators=(",", ":")).encode() for text in objects.read_dir(t.path("array")).values()
            for r in json.loads(objects.unpack(text))]
    objects.assert_exactly_once(made, records)
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)
    objects.assert_exactly_once(es.stored(), records)
    lines = b"".join(body for _, _, body in bulk_peers["lines"].requests).splitlines()
    objects.assert_exactly_once(lines, records)
    assert len({body for _, _, body in bulk_peers["firehose"].requests}) > 0


def test_what_is_larger_than_a_record_may_be_fails_alone(t):
    d = t.daemon({"streams": {"app": stream(to_file(t), interval="0s", transform=chain(t), backup=backup(t))}}).start()
    large, small = gzip.compress(document(largest(t) + 1)), document(100, 1)
    Firehose(d.api_port).put_all("app", [small, large])
    books = d.wait_delivered("app", 1)
    assert books.backed_up == 1, books
    d.stop()
    failed = backups.read(t.path("backup"), "processing-failed")
    assert [(line["errorCode"], line["data"]) for line in failed] == [("Transform.RecordTooLarge", large)], failed
    assert str(largest(t)) in failed[0]["errorMessage"], failed[0]["errorMessage"]


def test_the_largest_record_is_whole_in_the_backup_and_redrive_says_why_it_stays_there(t):
    es = EsPeer()
    t.on_end(es.stop)
    es.plan(*[Whole(413, "too_large")] * 20)
    d = t.daemon({"streams": {"app": stream(es.destination(), interval="2s", transform=chain(t), backup=backup(t))}}).start()
    records = [document(100, 1), document(largest(t), 2), document(100, 3)]
    Firehose(d.api_port).put_all("app", [gzip.compress(r) for r in records])
    books = d.wait_delivered("app", 0)
    assert books.backed_up == 3, books
    objects.assert_exactly_once(backups.data(t.path("backup")), records)
    with es._lock:
        es._plan.clear()
    _, told = redrive_telling(t, d, t.path("backup"), code=1)
    said = [line for line in told.splitlines() if "rawData" in line]
    assert len(said) == 1 and re.search(rf"rawData has {largest(t)} bytes, and the API takes no record of over 1024000", said[0]), told
    d.wait_delivered("app", 2)
    d.stop()
    objects.assert_exactly_once(es.stored(), [records[0], records[2]])


def test_the_least_memory_is_enough_for_the_largest_record(t):
    """24 MiB is the least that a configuration with the API may have."""
    config = {"limits": {"memory": "24MiB"},
              "streams": {"app": stream(to_file(t), interval="0s", transform=chain(t), compression="gzip")}}
    d = t.daemon(config).start()
    records = [document(largest(t) if n % 2 else 100, n) for n in range(8)]
    Firehose(d.api_port).put_all("app", [gzip.compress(r) for r in records])
    d.wait_delivered("app", len(records), timeout=120)
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), records)
