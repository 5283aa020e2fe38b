"""Many streams in one process: threads and memory do not grow with them."""

import os

import objects
from common import MIB, numbered_lines, stream
from firehose import Firehose
from harness import Books, wait_until

STREAMS = 200
OWN_THREADS = 24  # those that a daemon with one stream has, and some to spare


def threads_of(d):
    return len(os.listdir(f"/proc/{d.process.pid}/task"))


def test_two_hundred_streams_share_one_process(t):
    config = {"streams": {
        f"s{i}": stream({"file": {"path": t.path("out", f"s{i}")}}, compression="gzip") for i in range(STREAMS)
    }}
    d = t.daemon(config).start()
    client = Firehose(d.api_port)
    records = {f"s{i}": numbered_lines(t.random, 40, b"s%d" % i) for i in range(STREAMS)}
    for round_number in range(4):
        for name, mine in records.items():
            client.put_all(name, mine[round_number * 10:(round_number + 1) * 10])

    def all_delivered():  # one page for all: it is large, and there are 200
        page = d.metrics()
        books = [Books(page, name) for name in records]
        for b in books:
            b.assert_balanced()
        return all(b.delivered == 40 and b.spooled == 0 for b in books)

    wait_until("each stream has delivered its 40 records", all_delivered, 60 * t.slow)
    # A thread for each write that waits for the disk, 256 at most whatever the streams; those that have no work end.
    assert threads_of(d) < 256 + OWN_THREADS, f"{threads_of(d)} threads"
    wait_until("threads without work end", lambda: threads_of(d) < OWN_THREADS, 40 * t.slow)
    if not t.sanitized:
        assert d.peak_rss() < 64 * MIB, f"{d.peak_rss() / MIB:.1f} MiB"
    d.stop()
    for name, mine in records.items():
        objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out", name))), mine)


test_two_hundred_streams_share_one_process.timeout = 180
