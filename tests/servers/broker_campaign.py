#!/usr/bin/env python3
"""Numbered messages through a real broker and the real daemon, which are killed and restarted meanwhile: nothing is lost, and
nothing is doubled beyond what is promised.

    tests/servers/broker_campaign.py --build build/release --broker NAME [--messages 100000] [--kills 10] [--restarts 2]
                                     [--blocked 60] [--over SECONDS] [--size 100] [--seed N]       # --list: their names

Somebody else's client sends the messages, in several groups. The daemon is killed with -9 at random moments, the broker is ended
by turns as a power cut would and as its administrator does, and with --blocked the destination is away for so many seconds: then
it is a scripted S3 store and the spool is small, so that the input must stop taking. Else objects are files.

At the end every message is delivered: once, or as many more times as the broker's adapter (brokers.py) allows; those of one group are in
their order; what is in the objects is what the books say. The seed decides when what happens; it is printed.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e"), os.path.join(HERE, "senders")]

import numbered  # noqa: E402
import objects  # noqa: E402
from brokers import adapters, all_wanted  # noqa: E402
from common import stream  # noqa: E402
from harness import Case, wait_until  # noqa: E402
from s3_peer import Fail, S3Peer  # noqa: E402

QUIET_SECONDS = 90  # nothing more has come for so long: what is missing is lost


class Check:
    """What came out, against what was sent. `again`: what the sender sent more than once, without knowing whether it had to. Such a message
    may be there twice, and anywhere."""

    def __init__(self, count, groups, size, again=()):
        self.count, self.groups, self.size, self.again = count, groups, size, set(again)

    def missing(self, stored):
        return set(range(self.count)) - {numbered.parse(line)[1] for line in objects.lines(stored)}

    def run(self, stored, most_doubled=0, ordered=True):
        """How many messages are there more than once."""
        copies = {}
        for line in objects.lines(stored):
            number = numbered.parse(line)[1]
            assert line == numbered.message(number, self.groups, self.size), f"not as it was sent: {line[:80]}"
            copies[number] = copies.get(number, 0) + 1
        lost = sorted(set(range(self.count)) - set(copies))
        assert not lost, f"{len(lost)} lost: {lost[:5]}"
        foreign = sorted(set(copies) - set(range(self.count)))
        assert not foreign, f"{len(foreign)} that nobody sent: {foreign[:5]}"
        doubled = sorted(n for n, times in copies.items() if times > 1 and n not in self.again)
        more = sum(copies[n] - 1 for n in doubled)
        assert more <= most_doubled, f"{more} doubled, {most_doubled} are allowed: {doubled[:5]}"
        if ordered:
            self._check_order(stored, {n for n, times in copies.items() if times == 1} - self.again)
        return more

    def _check_order(self, stored, single):
        """Within an object by line; of two objects by the time in their names, and one is wholly before the other."""
        spans = {}  # group: [(time, first, last)]
        for key, body in objects.in_order(stored):
            when, found = objects.KEY.match(os.path.basename(key))["time"], {}
            for line in body.splitlines():
                group, number = numbered.parse(line)
                if number in single:
                    numbers = found.setdefault(group, [])
                    assert not numbers or numbers[-1] < number, f"{number} is behind {numbers[-1]} of its group in {key}"
                    numbers.append(number)
            for group, numbers in found.items():
                spans.setdefault(group, []).append((when, numbers[0], numbers[-1], key))
        for group, parts in spans.items():
            parts.sort()
            for before, after in zip(parts, parts[1:]):
                assert before[2] < after[1], f"group {group}: {after[1]} in {after[3]} is behind {before[2]} in {before[3]}"


class Campaign:
    def __init__(self, t, adapter, messages, kills, restarts, blocked=0, rate=1500, size=100, over=0):
        self.t, self.random = t, random.Random(t.seed)
        restarts = restarts if adapter.restarts else 0
        self.messages, self.kills, self.restarts, self.blocked = messages, kills, restarts, blocked
        self.rate, self.size, self.over, self.rss = rate, size, over, 0
        self.broker = adapter(t)
        self.s3 = S3Peer() if blocked else None
        if self.s3:
            t.on_end(self.s3.stop)
        self.daemon = t.daemon({"streams": {"app": stream(
            self.s3.destination() if self.s3 else {"file": {"path": t.path("out")}}, [self.broker.input()], interval="1s",
            **({"spool": {"limit": "16MiB" if self.broker.slowly == 1 else "4MiB"}} if self.s3 else {}))}})

        self.daemon.env = self.broker.environment()

    def run(self):
        self.daemon.start()
        self._start_sender()
        events = ["kill"] * self.kills + ["restart"] * self.restarts + ["block"] * bool(self.blocked)
        self.random.shuffle(events)
        restarts = 0
        for event in events:
            time.sleep(self.random.uniform(0.05, max(1.0, 2 * self.over / len(events))))
            if event == "kill":
                self._kill()
            elif event == "block":
                self._block()
            else:
                (self.broker.kill, self.broker.end)[restarts % 2]()
                time.sleep(self.random.uniform(0.0, 0.5))
                self.broker.start()
                restarts += 1
        again = self._end_sender()
        self._finish(Check(self.messages, self.broker.groups, self.size, again))

    def _kill(self):
        self.rss = max(self.rss, self.daemon.peak_rss())
        self.daemon.kill9()
        self.daemon.start()

    def _block(self):
        """The destination is away until the input is held back, and then for the rest of the time; the daemon is killed then, too."""
        self.s3.always = Fail(503, "SlowDown")
        until = time.monotonic() + self.blocked
        wait_until("the input takes no more",
                   lambda: self.daemon.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 240 * self.t.slow, period=0.3)
        assert self.sender.poll() is None, "the sender had nothing more to send: nothing was held back"
        self._kill()
        time.sleep(max(5.0, until - time.monotonic()))
        self.s3.always = None

    # --- the sender -------------------------------------------------------------------------------------------------------

    def _start_sender(self):
        command = self.broker.sender(self.messages, self.broker.groups, self.rate)
        self.sender_said = open(self.t.path("sender.out"), "w+", encoding="utf-8")
        env = {**os.environ, "PYTHONPATH": os.path.join(HERE, "senders"), "MESSAGE_SIZE": str(self.size)}
        self.sender = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.sender_said, stderr=subprocess.STDOUT,
                                       cwd=self.t.dir, env=env)
        self.t.on_end(self._take_sender_down)

    def _take_sender_down(self):
        if self.sender.poll() is None:
            self.sender.kill()
            self.sender.wait()
        self.sender_said.close()

    def _end_sender(self):
        """The numbers of those that it sent more than once."""
        code = self.sender.wait(60 + 20 * self.messages / self.rate)
        self.sender_said.seek(0)
        said = self.sender_said.read()
        assert code == 0, f"the sender ended with {code}:\n{said[-2000:]}"
        return {int(line.split()[1]) for line in said.splitlines() if line.startswith("again ")}

    # --- what came out -----------------------------------------------------------------------------------------------------

    def _stored(self):
        return self.s3.snapshot() if self.s3 else objects.read_dir(self.t.path("out"))

    def _finish(self, check):
        self._wait_for_all(check)
        books = self.daemon.books("app")
        self.rss = max(self.rss, self.daemon.peak_rss())
        self.daemon.stop()
        if self.s3:
            self.s3.assert_clean()
        stored = self._stored()
        doubled = check.run(stored, self.broker.most_doubled(self.kills + bool(self.blocked), self.restarts), self.broker.ordered)
        lines = len(objects.lines(stored))
        assert (books.incoming, books.delivered) == (lines, lines), f"{lines} records are in the objects: {books}"
        print(f"# {self.broker.name}: {self.messages} messages, {self.kills} kills, {self.restarts} restarts of the server, "
              f"{len(check.again)} sent more than once, {doubled} doubled, {self.rss >> 20} MiB resident at most; {books}", flush=True)

    def _wait_for_all(self, check):
        """Until no message is missing and nothing is in the spool, or nothing more comes."""
        def drained():
            books = self.daemon.books("app")
            books.assert_balanced()
            if books.delivered != seen["delivered"]:
                seen.update(delivered=books.delivered, at=time.monotonic())
            late = time.monotonic() > seen["at"] + QUIET_SECONDS * self.t.slow
            return late or (books.spooled == 0 and books.delivered >= self.messages and not check.missing(self._stored()))
        seen = {"delivered": -1, "at": 0}
        wait_until("all is delivered", drained, 1200, period=0.3)


# --- in a short form, beside the other servers ------------------------------------------------------------------------------


def scenarios():
    return [(f"{a.name}:through_kills_and_a_restart", lambda t, a=a: Campaign(t, a, 4000 // a.slowly, kills=2, restarts=1, rate=1500 // a.slowly).run())
            for a in adapters() if a.short and (a.often or all_wanted())]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--broker", choices=[a.name for a in adapters()])
    p.add_argument("--list", action="store_true")
    p.add_argument("--messages", type=int, help="100,000, or as many fewer as the server is slow; then the destination is always there")
    p.add_argument("--kills", type=int, default=10)
    p.add_argument("--restarts", type=int, default=2)
    p.add_argument("--blocked", type=int, default=60, help="seconds; 0: the destination is there all the time")
    p.add_argument("--over", type=float, default=0, help="seconds that kills and restarts are spread over; else they come at once")
    p.add_argument("--rate", type=int, help="messages a second: 1,000, or as many fewer")
    p.add_argument("--size", type=int, help=f"bytes of a message, at most; {numbered.MIXED}: mixed, up to the largest that there may be")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = p.parse_args()
    if args.list or not args.broker:
        print("\n".join(a.name for a in adapters()))
        return 0
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sluice-brokers-", ignore_cleanup_errors=True) as folder:
        t = Case(args.build, folder, args.seed)
        adapter = next(a for a in adapters() if a.name == args.broker)
        slowly, blocked = adapter.slowly, args.blocked * (adapter.slowly == 1 or bool(args.messages))
        try:
            Campaign(t, adapter, args.messages or 100_000 // slowly, args.kills, args.restarts, blocked, args.rate or 1000 // slowly,
                     size=args.size or (adapter.size if blocked else 100), over=args.over).run()
        except BaseException:
            t.take_down()
            kept = folder + "-failed"
            os.rename(folder, kept)
            print(f"kept in {kept}", file=sys.stderr)
            raise
        t.take_down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
