"""When a batch is settled: never before its seal is in the journal, never while something of it is under way."""

import gzip
import json
import os

import objects
from common import one_stream, to_file
from firehose import Firehose
from harness import wait_until
from test_damage import flip_a_byte, segments
from test_transform import backup, script, transformed

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "config", "examples", "scripts")
CONTROL = gzip.compress(json.dumps({"messageType": "CONTROL_MESSAGE", "logEvents": []}).encode())
DROPS_ALL = "function transform(r) return nil end"
KEEPS_THE_LAST = "function transform(r) if r.n ~= 99 then return nil end return r end"
HEALTH_CHECK = b'{"path":"/healthz","status":200,"n":%d}'


def drops(t, text):
    return [{"lua": script(t, text)}]


def check_drops(t, d, records, kept=(), rounds=5):
    """Batch after batch is dropped, all but `kept`; the daemon goes on, also behind a restart."""
    d.start()
    for n in range(1, rounds + 1):
        Firehose(d.api_port).put_all("app", records)
        if n == rounds:
            d.restart()
        wait_until("the batch is settled", lambda: d.books("app").spooled == 0, 30 * t.slow)
    books = d.books("app")
    books.assert_balanced()
    assert books.incoming == rounds * len(records), books
    assert (books.delivered, books.dropped) == (rounds * len(kept), rounds * (len(records) - len(kept))), books
    d.stop()
    objects.assert_exactly_once(sorted(set(objects.lines(objects.read_dir(t.path("out"))))), sorted(kept))


def with_slow_sync(t, d, ms):
    if not t.sanitized:
        d.env = {"LD_PRELOAD": os.path.join(t.build, "tests", "e2e", "test_slow_sync.so"), "TEST_SYNC_MS": str(ms)}
    return d


def numbers(count):
    return [b'{"n":%d}' % n for n in range(count)]


def test_a_batch_of_which_a_script_drops_everything_is_settled(t):
    d = t.daemon(transformed(t, drops(t, DROPS_ALL), interval="0s"))
    check_drops(t, d, numbers(1), rounds=20)


def test_a_batch_that_is_dropped_waits_for_a_slow_sync(t):
    d = with_slow_sync(t, t.daemon(transformed(t, drops(t, DROPS_ALL), interval="0s")), 30)
    check_drops(t, d, numbers(100))


def test_a_batch_of_which_one_record_is_kept_waits_for_a_slow_sync(t):
    d = with_slow_sync(t, t.daemon(transformed(t, drops(t, KEEPS_THE_LAST), interval="0s")), 30)
    check_drops(t, d, numbers(100), kept=[b'{"n":99}'])


def test_a_batch_that_is_dropped_with_a_copy_of_everything_in_the_backup(t):
    everything = {"mode": "all", "file": {"path": t.path("backup")}}
    d = with_slow_sync(t, t.daemon(transformed(t, drops(t, DROPS_ALL), interval="0s", backup=everything)), 30)
    check_drops(t, d, numbers(100))
    assert sorted(set(objects.lines(objects.read_dir(t.path("backup"))))) == sorted(numbers(100))


def test_a_batch_that_is_dropped_from_memory(t):
    d = t.daemon(transformed(t, drops(t, DROPS_ALL), interval="0s", durability="memory")).start()
    for _ in range(5):
        Firehose(d.api_port).put_all("app", numbers(100))
    wait_until("all is dropped", lambda: d.books("app").dropped == 500, 30 * t.slow)
    d.stop()


def test_the_script_of_the_examples_drops_whole_batches(t):
    with open(os.path.join(EXAMPLES, "drop_health_checks.lua"), encoding="utf-8") as f:
        text = f.read()
    d = with_slow_sync(t, t.daemon(transformed(t, drops(t, text), interval="0s")), 30)
    check_drops(t, d, [HEALTH_CHECK % n for n in range(50)])


def test_control_messages_alone_are_a_batch_that_is_dropped(t):
    unpack = [{"decompress": {"cloudwatch_logs": "events"}}]
    d = with_slow_sync(t, t.daemon(transformed(t, unpack, interval="0s", backup=backup(t))), 30)
    check_drops(t, d, [CONTROL] * 3)


def damaged_batch(t, mode, batches=8):
    """A daemon whose spool holds sealed batches of one frame each, all but the last one damaged, and its destination."""
    blocked = [t.path("out"), t.path("backup")]
    for path in blocked:  # a file where the folder should be: nothing can be delivered
        with open(path, "w", encoding="ascii"):
            pass
    config = one_stream("app", to_file(t), interval="0s", backup={"mode": mode, "file": {"path": t.path("backup")}},
                        deliveries_in_flight={"max": batches})
    d = t.daemon(config).start()
    records = [[b"batch %d record %d" % (n, i) for i in range(50)] for n in range(batches)]
    for n, batch in enumerate(records):
        Firehose(d.api_port).put_all("app", batch)
    d.wait_logged("delivery failed")
    d.kill9()
    for path in blocked:
        os.remove(path)
    for batch in records[:-1]:
        for path in segments(d.data_dir):
            if batch[0] in open(path, "rb").read():
                flip_a_byte(path, batch[0])
    return d, records


def check_damaged(t, mode):
    d, records = damaged_batch(t, mode)
    lost = sum(len(batch) for batch in records[:-1])
    d.start()
    Firehose(d.api_port).put_all("app", [b"the next one"])
    wait_until("everything is settled", lambda: d.books("app").spooled == 0, 30 * t.slow)
    books = d.books("app")
    books.assert_balanced()
    assert (books.corrupt, books.delivered) == (lost, len(records[-1]) + 1), books
    d.stop()
    want = [*records[-1], b"the next one"]
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), want)
    if mode == "all":
        objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("backup"))), want)


def test_a_batch_that_is_wholly_damaged_is_counted_and_the_next_goes_on(t):
    check_damaged(t, "failed")


def test_a_batch_that_is_wholly_damaged_is_counted_with_a_copy_of_everything(t):
    check_damaged(t, "all")


def test_bytes_are_those_of_the_records_that_arrived_and_survive_a_restart(t):
    drops_odd = "function transform(r) if r.n % 2 == 1 then return nil end return r end"
    d = t.daemon(transformed(t, drops(t, drops_odd), interval="0s", compression="gzip")).start()
    records = [b'{"n":%d,"pad":"%s"}' % (n, b"x" * 100) for n in range(1000)]
    kept = sum(len(r) for r in records[::2])

    def count():
        m = d.metrics()
        return {name: m.get(f"sluice_{name}_total", stream="app")
                for name in ("incoming_bytes", "delivery_bytes", "delivery_wire_bytes", "delivered_records")}

    Firehose(d.api_port).put_all("app", [r + b"\n" if n == 0 else r for n, r in enumerate(records)])
    d.wait_delivered("app", 500)
    before = count()
    assert before["incoming_bytes"] == sum(map(len, records)) + 1, before
    assert before["delivery_bytes"] in (kept, kept + 1), (before, kept)  # whether the script keeps its line break or not
    assert 0 < before["delivery_wire_bytes"] < kept, before
    d.restart()
    assert count() == before, "bytes live as long as records"
    d.kill9()
    d.start()
    assert count() == before
    d.stop()
