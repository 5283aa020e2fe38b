"""A destination that is down, spools that fill up: pushed back in the open, bounded in memory and on disk, nothing lost."""

import os
import time

import objects
from common import MIB, append_lines, numbered_lines, put_until_refused, stream, tail, write_lines
from firehose import Firehose
from harness import wait_until
from s3_peer import S3Peer

LIMIT = 16 * MIB


def record_maker(size=9000, count=100):
    n = iter(range(1 << 30))

    def batch():
        return [b"put-%08d " % next(n) + os.urandom(size // 2).hex().encode() for _ in range(count)]
    return batch


def start_two_streams(t, s3):
    d = t.daemon({
        "limits": {"memory": "32MiB"},
        "streams": {
            "put": stream(s3.destination(), spool={"limit": "16MiB"}, compression="gzip"),
            "tailed": stream(s3.destination(), [tail(t.path("big.log"))], spool={"limit": "16MiB"}, compression="none"),
        },
    })
    return d.start()


def wait_steady(d, name):
    """The stream's incoming count once it does not move for a second."""
    last = [None, 0.0]

    def steady():
        now, count = time.monotonic(), d.books(name).incoming
        if count != last[0]:
            last[:] = [count, now]
        return count if now - last[1] > 1.0 else None
    return wait_until(f"{name} stands still", steady, 60 * d.slow, period=0.2)


def assert_refused_as_firehose_does(refused):
    for answer in refused:
        assert answer["ErrorCode"] == "ServiceUnavailableException", answer
        assert answer["ErrorMessage"] == "Slow down.", answer


def assert_bounded(t, d):
    if not t.sanitized:
        assert d.peak_rss() < 64 * MIB, f"{d.peak_rss() / MIB:.1f} MiB at the peak, limits.memory is 32 MiB"
    m = d.metrics()
    for name in ("put", "tailed"):
        on_disk = m.get("sluice_spool_disk_bytes", stream=name)
        assert on_disk <= LIMIT * 1.25, f"{name}: {on_disk} bytes, the limit is {LIMIT}"
    assert d.disk_bytes() < LIMIT * 2.8, f"{d.disk_bytes()} bytes under data_dir"


def test_a_full_spool_pushes_back_in_the_open_and_empties_when_the_store_is_back(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    lines = numbered_lines(t.random, 900000)
    write_lines(t.path("big.log"), lines)
    assert os.path.getsize(t.path("big.log")) > 2 * LIMIT
    s3.stop()
    d = start_two_streams(t, s3)

    client = Firehose(d.api_port)
    taken, refused = put_until_refused(client, "put", record_maker())
    assert_refused_as_firehose_does(refused)
    assert len(taken) * 9000 > LIMIT // 2, f"refused after {len(taken)} records already"
    read = wait_steady(d, "tailed")
    assert 0 < read < len(lines), "tail must stop reading"
    assert_bounded(t, d)
    assert d.metrics().get("sluice_throttled_records_total", stream="put") >= len(refused)
    status, text = d.http("/readyz")
    assert status == 503 and "put" in text and "tailed" in text and "127.0.0.1" in text, text
    assert d.http("/healthz")[0] == 200, "it works; it is the destination that does not"
    d.assert_books("put", "tailed")

    append_lines(t.path("big.log"), [b"the last line"])
    s3.start()
    d.wait_delivered("put", len(taken), timeout=100)
    d.wait_delivered("tailed", len(lines) + 1, timeout=100)
    client.put("put", b"as if nothing had happened")
    d.wait_delivered("put", len(taken) + 1)
    wait_until("ready again", lambda: d.http("/readyz")[0] == 200, 10 * t.slow)
    assert_bounded(t, d)
    d.stop()
    s3.assert_clean()
    got = objects.lines(s3.snapshot())
    objects.assert_exactly_once(got, taken + lines + [b"the last line", b"as if nothing had happened"])


test_a_full_spool_pushes_back_in_the_open_and_empties_when_the_store_is_back.timeout = 240


def test_files_that_are_read_as_fast_as_possible_leave_the_api_its_memory(t):
    """A call is never refused because files fill the memory: more to read than memory holds is there with every call."""
    d = t.daemon({
        "limits": {"memory": "64MiB"},
        "streams": {
            "put": stream({"file": {"path": t.path("put")}}),
            "tailed": stream({"file": {"path": t.path("tailed")}}, [tail(t.path("big.log"))], compression="gzip"),
        },
    }).start()
    client = Firehose(d.api_port)
    block = b"".join(line + b"\n" for line in numbered_lines(t.random, 400000))
    assert len(block) > 16 * MIB, "what is for input of 64 MiB"
    put, calls = [], 3 if t.sanitized else 10
    for _ in range(calls):
        with open(t.path("big.log"), "ab") as f:
            f.write(block)
        for _ in range(5):
            batch = [b"put-%06d " % (len(put) + i) + b"x" * 60000 for i in range(50)]
            assert all("RecordId" in a for a in client.put_batch("put", batch))  # raises when the call is refused
            put += batch
    d.wait_delivered("put", len(put))
    d.wait_delivered("tailed", calls * 400000)
    assert d.metrics().get("sluice_throttled_records_total", stream="put") == 0
    d.stop()
    assert not d.logged("memory limit is reached")
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("put"))), put)


def test_a_full_spool_of_one_stream_does_not_touch_another(t):
    dead, alive = S3Peer(), S3Peer()
    t.on_end(alive.stop)
    dead.stop()
    d = t.daemon({"streams": {
        "dead": stream(dead.destination(), spool={"limit": "16MiB"}),
        "alive": stream(alive.destination(), spool={"limit": "16MiB"}),
    }}).start()
    client = Firehose(d.api_port)
    taken, _ = put_until_refused(client, "dead", record_maker())
    records = numbered_lines(t.random, 20000)
    client.put_all("alive", records)
    d.wait_delivered("alive", len(records))
    assert d.books("dead").spooled == len(taken)
    d.assert_books("dead", "alive")
    d.expect_exit = 1  # what the dead store did not take is left in the spool
    d.process.terminate()
    time.sleep(0.2)
    d.process.terminate()  # a second signal: do not wait for it
    d.wait_exit()
    objects.assert_exactly_once(objects.lines(alive.snapshot()), records)
