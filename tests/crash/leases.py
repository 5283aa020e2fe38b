#!/usr/bin/env python3
"""Three daemons that share a stream of Kinesis by leases, which are killed, stopped, started and held still at random while its shards are split and
merged and the store of the leases fails: nothing is lost, and what is doubled is no more than accidents explain.

    tests/crash/leases.py --build build/release [--store table|object] [--seconds 120] [--calm] [--seed N]

Stream and store are scripted. With --calm daemons are only stopped and started, and shards change hands: then nothing may be doubled. The seed decides
when what happens; it is printed.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import kinesis_peer  # noqa: E402
import objects_peer  # noqa: E402
from harness import Case, wait_until  # noqa: E402
from test_kinesis import stream  # noqa: E402
from test_kinesis_leases import daemon, lines, metric, one_object, table  # noqa: E402

FAILOVER = 3  # seconds
RATE = 500  # records a second
KEYS = 40
MOST_SHARDS = 8


class Writer(threading.Thread):
    """Puts numbered records, and splits and merges shards now and then."""

    def __init__(self, k, r):
        super().__init__(daemon=True)
        self.k, self.random, self.sent, self.reshards, self._halt = k, r, 0, 0, threading.Event()

    def run(self):
        began, next_reshard = time.monotonic(), 3.0
        while not self._halt.is_set():
            now = time.monotonic() - began
            while self.sent < now * RATE:
                self.k.put(f"k{self.sent % KEYS}", b"k%d %08d" % (self.sent % KEYS, self.sent))
                self.sent += 1
            if now > next_reshard:
                self.reshard()
                next_reshard = now + self.random.uniform(2, 8)
            time.sleep(0.02)

    def reshard(self):
        shards = self.k.shards
        opened = sorted((i for i, s in enumerate(shards) if not s.closed), key=lambda i: shards[i].low)
        if len(opened) < 2 or (len(opened) < MOST_SHARDS and self.random.random() < 0.5):
            self.k.split(self.random.choice(opened))
        else:
            i = self.random.randrange(len(opened) - 1)
            self.k.merge(opened[i], opened[i + 1])
        self.reshards += 1

    def stop(self):
        self._halt.set()
        self.join()


class Campaign:
    def __init__(self, t, store, seconds, calm):
        self.t, self.random, self.seconds, self.calm = t, random.Random(t.seed), seconds, calm
        self.k = stream(t, shards=4, page=1000)
        self.leases = one_object(t) if store == "object" else table(t, page=100)
        self.failure = self.refusal(store)
        self.names = ["a", "b", "c"]
        self.daemons = {n: daemon(t, self.k, self.leases, n, failover=f"{FAILOVER}s", interval="1s") for n in self.names}
        self.counted = {"kill": 0, "stop": 0, "hold": 0, "store": 0}
        self.lost = 0

    @staticmethod
    def refusal(store):
        if store == "object":
            return objects_peer.Say(503, "SlowDown")
        return kinesis_peer.Say(500, "InternalServerError")

    def run(self):
        for d in self.daemons.values():
            d.start()
        self.writer = Writer(self.k, random.Random(self.t.seed + 1))
        self.writer.start()
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            time.sleep(self.random.uniform(0.2, 3.0))
            self.something()
        self.writer.stop()
        self.leases.on = None
        for d in self.daemons.values():
            if not d.running():
                d.start()
        self.finish()

    def something(self):
        d = self.daemons[self.random.choice(self.names)]
        what = self.random.choices(list(self.counted), [0, 1, 0, 0] if self.calm else [5, 4, 2, 2])[0]
        self.counted[what] += 1
        pause = self.random.choice([0, 0, 0.5, FAILOVER + 1])
        if what == "kill":
            d.kill9()
            time.sleep(pause)
            d.start()
        elif what == "stop":
            self.lost += metric(d, "leases_lost_total") or 0
            d.stop()
            time.sleep(pause)
            d.start()
        elif what == "hold":
            os.kill(d.process.pid, signal.SIGSTOP)
            time.sleep(pause)
            os.kill(d.process.pid, signal.SIGCONT)
        else:
            self.leases.on = None if self.leases.on else lambda *_: self.failure

    def finish(self):
        sent = {b"k%d %08d" % (i % KEYS, i) for i in range(self.writer.sent)}
        wait_until("all to be delivered", lambda: sent <= set(lines(self.t, *self.names)), 180 * self.t.slow, period=1)
        for d in self.daemons.values():
            d.books("app").assert_balanced()
            self.lost += metric(d, "leases_lost_total") or 0
            d.stop()
        got = lines(self.t, *self.names)
        doubled = len(got) - len(sent)
        assert set(got) == sent, f"{len(set(got) - sent)} that nobody put"
        assert not self.k.refused and not self.leases.refused, (self.k.refused[:3], self.leases.refused[:3])
        # A machine that is too busy to renew its leases in time loses them, which is an accident, too.
        accidents = sum(self.counted.values()) - self.counted["stop"] + self.lost + len(self.leases.seized)
        assert accidents or doubled == 0, f"{doubled} doubled"
        assert doubled <= accidents * RATE * 2 * FAILOVER, f"{doubled} doubled by {accidents} accidents"
        print(f"# {len(sent)} records, {self.writer.reshards} splits and merges, {self.counted}, {doubled} doubled; leases: {self.lost} lost, "
              f"{len(self.leases.seized)} taken from the dead", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--store", choices=["table", "object"], default="table")
    p.add_argument("--seconds", type=int, default=120)
    p.add_argument("--calm", action="store_true", help="no accidents")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = p.parse_args()
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sluice-leases-", ignore_cleanup_errors=True) as folder:
        t = Case(args.build, folder, args.seed)
        try:
            Campaign(t, args.store, args.seconds, args.calm).run()
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
