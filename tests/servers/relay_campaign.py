#!/usr/bin/env python3
"""Numbered lines from a file through one sluice to another, by Firehose's requests to an HTTP endpoint; both are killed in turn, and each line is there once.

    tests/servers/relay_campaign.py --build build/release [--lines 100000] [--kills 10] [--blocked 60] [--rate 2000] [--seed N]

With --blocked the second one's destination is away for so many seconds, until the first is pushed back, too."""

import argparse
import os
import random
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]

import objects  # noqa: E402
from common import stream, tail  # noqa: E402
from harness import Case, free_port, wait_until  # noqa: E402
from s3_peer import Fail, S3Peer  # noqa: E402
from sender_cases import counted  # noqa: E402

KEY, PADDING = "key-of-the-delivery-1", b"x" * 200


def write(path, lines, rate, stopped):
    began = time.monotonic()
    with open(path, "ab", buffering=0) as f:
        for at in range(0, lines, 100):
            f.write(b"".join(b"event %d %s\n" % (n, PADDING) for n in range(at, min(at + 100, lines))))
            if stopped.wait(max(0.0, began + at / rate - time.monotonic())):
                return


def run(t, args):
    s3, port, rng, stopped = S3Peer(), free_port(), random.Random(t.seed), threading.Event()
    t.on_end(s3.stop)
    t.on_end(stopped.set)
    open(t.path("in.log"), "wb").close()
    to = t.daemon({"limits": {"memory": "256MiB"}, "streams": {"app": stream(
        s3.destination(), [{"http": {"listen": f"127.0.0.1:{port}", "path": "/", "tokens": [KEY]}}], interval="1s", spool={"limit": "4MiB"})}}, name="to")
    of = t.daemon({"limits": {"memory": "256MiB"}, "streams": {"app": stream(
        {"http": {"url": f"http://127.0.0.1:{port}/", "format": "firehose", "access_key": KEY}}, [tail(t.path("in.log"))], size="64KiB",
        interval="0s", spool={"limit": "4MiB"})}}, name="from")
    to.start()
    of.start()
    writer = threading.Thread(target=write, args=(t.path("in.log"), args.lines, args.rate, stopped), daemon=True)
    writer.start()
    events = ["from", "to"] * args.kills + ["block"] * bool(args.blocked)
    rng.shuffle(events)
    rss = 0
    for event in events:
        time.sleep(rng.uniform(0.2, 1.8) * args.lines / args.rate / (len(events) + 1))
        rss = max(rss, to.peak_rss(), of.peak_rss())
        if event == "block":
            s3.always = Fail(503, "SlowDown")
            wait_until("both are full", lambda: all(d.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1 for d in (of, to)),
                       10 * args.blocked * t.slow, period=0.3)
            to.kill9()
            to.start()
            of.kill9()
            of.start()
            time.sleep(5)
            s3.always = None
        else:
            d = of if event == "from" else to
            d.kill9()
            d.start()
    writer.join()
    wait_until("all are there", lambda: len(counted(s3.snapshot())) == args.lines and of.books("app").spooled == 0, 600 * t.slow, period=1.0)
    books = [d.books("app") for d in (of, to)]
    of.stop()
    to.stop()
    s3.assert_clean()
    copies = counted(s3.snapshot())
    assert sorted(copies) == list(range(args.lines))
    twice = sum(copies.values()) - args.lines
    print(f"# {args.lines} lines, {args.kills} kills each, {args.blocked and 'a full chain, '}{twice} twice, {rss >> 20} MiB resident at most; {books}", flush=True)
    assert twice == 0
    assert len(objects.lines(s3.snapshot())) == books[1].incoming


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--lines", type=int, default=100_000)
    p.add_argument("--kills", type=int, default=10)
    p.add_argument("--blocked", type=int, default=60, help="0: the destination is there all the time")
    p.add_argument("--rate", type=float, default=2000, help="lines a second")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = p.parse_args()
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sluice-relay-", ignore_cleanup_errors=True) as folder:
        t = Case(args.build, folder, args.seed)
        try:
            run(t, args)
        except BaseException:
            t.take_down()
            os.rename(folder, folder + "-failed")
            print(f"kept in {folder}-failed", file=sys.stderr)
            raise
        t.take_down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
