#!/usr/bin/env python3
"""Numbered events from somebody else's sender through the real daemon, which is killed meanwhile, and whose destination is away for a minute: nothing is lost.

    tests/servers/sender_campaign.py --build build/release --sender NAME [--events 100000] [--kills 10] [--blocked 60] [--rate 1500] [--seed N]   # --list: their names

The daemon is killed with -9 at random moments. While the destination is away the spool fills and the sender is pushed back; memory stays within its limit. At
the end each event is there, what is in the objects is what the books say, and it is printed how often events are there twice."""

import argparse
import os
import random
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]

import objects  # noqa: E402
from common import stream  # noqa: E402
from harness import Case, free_port, wait_until  # noqa: E402
from s3_peer import Fail, S3Peer  # noqa: E402
from sender_cases import counted  # noqa: E402
from sender_kinds import SENDERS, tool  # noqa: E402

QUIET_SECONDS = 90  # nothing more has come for so long: what is missing is lost
MIB = 1 << 20


class Campaign:
    def __init__(self, t, sender, args):
        self.t, self.sender, self.args, self.random = t, sender, args, random.Random(t.seed)
        self.rss = self.refused = 0
        self.s3, self.port = S3Peer(), free_port()
        t.on_end(self.s3.stop)
        sender.padding = " " + "x" * 200  # a minute's events do not fit
        self.daemon = t.daemon({"limits": {"memory": "256MiB"}, "streams": {"app": stream(
            self.s3.destination(), [sender.input(self.port)], interval="1s", spool={"limit": args.spool})}})

    def run(self):
        args = self.args
        tool(self.t, self.sender.kind)
        self.daemon.start()
        began = time.monotonic()
        self.sender.start(self.t, self.port, 0, args.events, args.rate)
        events = ["kill"] * args.kills
        if args.blocked:  # while the sender has much to send still
            events.insert(self.random.randrange(len(events) // 2 + 1), "block")
        over = args.events / args.rate / (len(events) + 1)
        for event in events:
            time.sleep(self.random.uniform(0.2, 1.8) * over)
            if event == "kill":
                self._kill()
            else:
                self._block()
        said = self.sender.end(600 + args.events / args.rate)
        self._wait_for_all()
        took = time.monotonic() - began
        self._look()
        books = self.daemon.books("app")
        self.sender.take_down()
        self.daemon.stop()
        self.s3.assert_clean()
        stored = self.s3.snapshot()
        copies = counted(stored)
        lost = set(range(args.events)) - set(copies)
        assert not lost, f"{len(lost)} lost: {sorted(lost)[:5]}"
        lines = len(objects.lines(stored))
        assert (books.incoming, books.delivered) == (lines, lines), f"{lines} records are in the objects: {books}"
        print(f"# {self.sender.name}: {args.events} events, {args.kills} kills, {args.blocked} s without destination, 0 lost, "
              f"{sum(copies.values()) - args.events} twice, {self.refused} records pushed back, {self.rss >> 20} MiB resident at most, {took:.0f} s; {books}\n"
              + "\n".join(said.strip().splitlines()[-3:]), flush=True)

    def _look(self):
        self.rss = max(self.rss, self.daemon.peak_rss())
        self.refused += int(self.daemon.metrics().get("sluice_throttled_records_total", stream="app"))

    def _kill(self):
        self._look()
        self.daemon.kill9()
        self.daemon.start()

    def _block(self):
        """Away until the sender is pushed back, and then for the rest of the time; the daemon is killed then, too."""
        self.s3.always = Fail(503, "SlowDown")
        until = time.monotonic() + self.args.blocked
        wait_until("the stream is full", lambda: self.daemon.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 240 * self.t.slow,
                   period=0.3)
        self._kill()
        time.sleep(max(5.0, until - time.monotonic()))
        self.s3.always = None

    def _wait_for_all(self):
        def all_there():
            books = self.daemon.books("app")
            books.assert_balanced()
            if books.delivered != seen["delivered"]:
                seen.update(delivered=books.delivered, at=time.monotonic())
            late = time.monotonic() > seen["at"] + QUIET_SECONDS * self.t.slow
            return late or (books.spooled == 0 and books.delivered >= self.args.events and len(counted(self.s3.snapshot())) == self.args.events)
        seen = {"delivered": -1, "at": 0}
        wait_until("all is delivered", all_there, 1200, period=1.0)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--sender", choices=[s.name for s in SENDERS])
    p.add_argument("--list", action="store_true")
    p.add_argument("--events", type=int, default=100_000)
    p.add_argument("--kills", type=int, default=10)
    p.add_argument("--blocked", type=int, default=60, help="seconds; 0: the destination is there all the time")
    p.add_argument("--rate", type=float, default=1500, help="events a second")
    p.add_argument("--spool", default="4MiB")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = p.parse_args()
    if args.list or not args.sender:
        print("\n".join(s.name for s in SENDERS))
        return 0
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sluice-senders-", ignore_cleanup_errors=True) as folder:
        t = Case(args.build, folder, args.seed)
        try:
            Campaign(t, next(s for s in SENDERS if s.name == args.sender), args).run()
        except BaseException:
            t.take_down()
            os.rename(folder, folder + "-failed")
            print(f"kept in {folder}-failed", file=sys.stderr)
            raise
        t.take_down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
