"""A batch that cannot be delivered costs the room of its own records: what was delivered around it is freed."""

import os

import objects
from common import MIB, one_stream, tail, write_lines
from firehose import Firehose
from harness import wait_until
from s3_peer import Fail, S3Peer

LIMIT = 8 * MIB


def stuck_peer(t, count=1):
    """An S3 that refuses the first `count` objects for as long as `peer.stuck` holds their keys."""
    peer = S3Peer()
    t.on_end(peer.stop)
    peer.stuck = []

    def by_key(key, attempt):
        if len(peer.stuck) < count and key not in peer.stuck:
            peer.stuck.append(key)
        return Fail(503, "SlowDown") if key in peer.stuck and not peer.healed else None

    peer.healed = False
    peer.by_key = by_key
    return peer


def config_for(peer, **more):
    return one_stream("app", peer.destination(), compression="none", spool={"limit": LIMIT}, size="256KiB",
                      deliveries_in_flight={"min": 3, "max": 4}, **more)


def records_of(t, megabytes):
    return [b"%07d " % i + t.random.randbytes(500).hex().encode() for i in range(megabytes * 1000)]


def put_all_with_patience(d, client, records, per_call=100):
    """Like an SDK: what was refused is put again, for as long as it takes."""
    for at in range(0, len(records), per_call):
        left = records[at:at + per_call]

        def put():
            nonlocal left
            answers = client.put_batch("app", left)
            left = [r for r, a in zip(left, answers) if "RecordId" not in a]
            assert d.running()
            return not left
        wait_until("records are taken", put, 30 * d.slow)


def spool_files(d):
    return sum(os.path.getsize(os.path.join(folder, n)) for folder, _, names in os.walk(d.data_dir) for n in names
               if n.endswith(".seg"))


def finish(d, peer, records, heal=True):
    peer.healed = heal
    d.wait_delivered("app", len(records), timeout=90)
    d.assert_books("app")
    d.stop()
    peer.assert_clean()
    objects.assert_exactly_once(objects.lines(peer.snapshot()), records)


def test_a_stuck_batch_of_seven_bytes_does_not_fill_the_spool(t):
    peer = stuck_peer(t)
    d = t.daemon(config_for(peer)).start()
    client = Firehose(d.api_port)
    client.put_all("app", [b"7 bytes"])
    wait_until("it is refused", lambda: peer.stuck, 20 * t.slow)
    records = records_of(t, 24)
    put_all_with_patience(d, client, records)
    wait_until("all but one are delivered", lambda: d.books("app").spooled == 1, 60 * t.slow)
    assert spool_files(d) <= LIMIT + MIB
    assert not d.logged("is damaged")
    finish(d, peer, [b"7 bytes"] + records)


def test_several_stuck_batches_and_a_crash_in_between(t):
    peer = stuck_peer(t, count=2)
    d = t.daemon(config_for(peer)).start()
    client = Firehose(d.api_port)
    client.put_all("app", [b"first"])
    wait_until("it is refused", lambda: len(peer.stuck) == 1, 20 * t.slow)
    records = records_of(t, 12)
    client.put_all("app", [b"second"])
    wait_until("both are refused", lambda: len(peer.stuck) == 2, 20 * t.slow)
    put_all_with_patience(d, client, records[:6000])
    d.kill9()
    d.start()
    put_all_with_patience(d, Firehose(d.api_port), records[6000:])
    wait_until("all but two are delivered", lambda: d.books("app").spooled == 2, 60 * t.slow)
    d.kill9()
    d.start()
    finish(d, peer, [b"first", b"second"] + records)


def test_a_tailed_file_goes_on_beside_a_stuck_batch(t):
    peer = stuck_peer(t)
    records = records_of(t, 16)
    path = t.path("app.log")
    write_lines(path, [b"stuck"])
    d = t.daemon(config_for(peer, inputs=[tail(path)])).start()
    wait_until("it is refused", lambda: peer.stuck, 20 * t.slow)
    with open(path, "ab") as f:
        f.write(b"".join(r + b"\n" for r in records))
    wait_until("all but one are delivered",
               lambda: d.books("app").incoming == len(records) + 1 and d.books("app").spooled == 1, 90 * t.slow)
    finish(d, peer, [b"stuck"] + records)
