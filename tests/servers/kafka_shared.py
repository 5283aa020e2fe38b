#!/usr/bin/env python3
"""exactly_once: shared with a real Kafka: three daemons of one group, which are killed, stopped, started and held still meanwhile, and whose
partitions move from one to another; the server is killed, too. In the end each message is in the objects once.

    tests/servers/kafka_shared.py --build build/release [--seconds 300] [--partitions 12] [--rate 2000] [--s3] [--seed N]

Somebody else's client sends numbered messages (senders/numbered.py). Objects are files in one folder, or with --s3 in a scripted S3 store that
refuses some requests and leaves some without an answer. The seed decides when what happens; it is printed.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e"), os.path.join(HERE, "senders")]

import objects  # noqa: E402
from broker_campaign import Check  # noqa: E402
from broker_kafka import Kafka  # noqa: E402
from common import stream  # noqa: E402
from harness import Case, wait_until  # noqa: E402
from s3_peer import Fail, S3Peer  # noqa: E402

SESSION = 6  # seconds: the least that a broker allows
QUIET_SECONDS = 90


class SharedCampaign:
    def __init__(self, t, seconds, partitions=12, rate=2000, s3=False, daemons=3, size=100):
        self.t, self.random, self.seconds, self.rate, self.size = t, random.Random(t.seed), seconds, rate, size
        self.messages = seconds * rate
        self.broker = type("SharedKafka", (Kafka,), {"groups": partitions})(t)
        self.s3 = S3Peer() if s3 else None
        if s3:
            t.on_end(self.s3.stop)
        self.names = [f"d{i}" for i in range(daemons)]
        self.daemons = {n: self._daemon(n) for n in self.names}
        self.counted = dict.fromkeys(["kill", "stop", "hold", "server", "s3"], 0)

    def _daemon(self, name):
        source = {"kafka": {"brokers": [self.broker.env["KAFKA"]], "topics": ["numbers"], "group": "shared",
                            "exactly_once": "shared", "session_timeout": f"{SESSION}s"}}
        destination = self.s3.destination() if self.s3 else {"file": {"path": self.t.path("out")}}
        config = {"data_dir": self.t.path(f"data-{name}"), "shutdown": {"grace": "10s"},
                  "streams": {"app": stream(destination, [source], interval="1s", durability="memory")}}
        return self.t.daemon(config, name=name)

    def run(self):
        for d in self.daemons.values():
            d.start()
        self._start_sender()
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            time.sleep(self.random.uniform(0.2, 5.0))
            self._something()
        for d in self.daemons.values():
            if not d.running():
                d.start()
        if self.s3:
            self.s3.always = None
        again = self._end_sender()
        check = Check(self.messages, self.broker.groups, self.size, again)
        self._wait_for_all(check)
        for d in self.daemons.values():
            d.stop()
        check.run(self._stored())
        print(f"# {self.messages} messages, {self.counted}, {len(self._stored())} objects, {len(again)} sent more than once", flush=True)

    def _something(self):
        d = self.daemons[self.random.choice(self.names)]
        what = self.random.choices(list(self.counted), [5, 4, 2, 1 if self.seconds > 60 else 0, 2 if self.s3 else 0])[0]
        self.counted[what] += 1
        if what == "kill":
            if d.running():
                d.kill9()
            time.sleep(self.random.choice([0, 0, 0.5, SESSION + 2]))
            d.start()
        elif what == "stop":
            if d.running():
                d.stop()
            time.sleep(self.random.choice([0, 0.5, 3]))
            d.start()
        elif what == "hold" and d.running():  # the others have its partitions then, and it does not know
            os.kill(d.process.pid, signal.SIGSTOP)
            time.sleep(self.random.choice([1, SESSION + 3]))
            os.kill(d.process.pid, signal.SIGCONT)
        elif what == "server":
            (self.broker.kill, self.broker.end)[self.counted[what] % 2]()
            self.broker.start()
        elif what == "s3":
            self.s3.always = self.random.choice([None, Fail(503, "SlowDown")])

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
        code = self.sender.wait(60 + 20 * self.seconds)
        self.sender_said.seek(0)
        said = self.sender_said.read()
        assert code == 0, f"the sender ended with {code}:\n{said[-2000:]}"
        return {int(line.split()[1]) for line in said.splitlines() if line.startswith("again ")}

    def _stored(self):
        return self.s3.snapshot() if self.s3 else objects.read_dir(self.t.path("out"))

    def _wait_for_all(self, check):
        """Until no message is missing, or nothing more comes."""
        def there():
            missing = len(check.missing(self._stored()))
            for d in self.daemons.values():
                d.books("app").assert_balanced()
            if missing != seen["missing"]:
                seen.update(missing=missing, at=time.monotonic())
            return missing == 0 or time.monotonic() > seen["at"] + QUIET_SECONDS * self.t.slow
        seen = {"missing": -1, "at": 0}
        wait_until("all is delivered", there, 1200, period=1)


def bench(t, records, partitions):
    """Daemons that find a topic full: records a second of all together between a tenth and nine tenths of them, and the time of CPU that they
    took for it. (The last ones of a partition that has moved wait for buffer.interval.)"""
    broker = type("SharedKafka", (Kafka,), {"groups": partitions})(t)
    env = {**os.environ, "PYTHONPATH": os.path.join(HERE, "senders"), "MESSAGE_SIZE": "200"}
    subprocess.run(broker.sender(records, partitions, 10_000_000), check=True, env=env, cwd=t.dir)
    for count in (1, 2, 3):
        daemons = []
        for i in range(count):
            source = {"kafka": {"brokers": [broker.env["KAFKA"]], "topics": ["numbers"], "group": f"of {count}",
                                "exactly_once": "shared", "meta": False}}
            config = {"data_dir": t.path(f"bench-{count}-{i}"), "shutdown": {"grace": "10s"},
                      "streams": {"app": stream({"file": {"path": t.path(f"bench-{count}")}}, [source], interval="10s", size="16MiB",
                                                durability="memory", compression="gzip", spool={"limit": "128MiB"})}}
            daemons.append(t.daemon(config, name=f"bench-{count}-{i}").start())

        def delivered():
            return sum(d.books("app").delivered for d in daemons)
        wait_until("a tenth is delivered", lambda: delivered() >= records // 10, 120 * t.slow, period=0.02)
        began, first, cpu = time.monotonic(), delivered(), sum(_cpu(d) for d in daemons)
        wait_until("nine tenths are delivered", lambda: delivered() >= records // 10 * 9, 600 * t.slow, period=0.05)
        took, cpu, done = time.monotonic() - began, sum(_cpu(d) for d in daemons) - cpu, delivered() - first
        print(f"# {count} daemons: {done / took:,.0f} records/s, {done / cpu:,.0f} records for each second of CPU", flush=True)
        for d in daemons:
            d.stop()


def _cpu(d):
    with open(f"/proc/{d.process.pid}/stat", encoding="ascii") as f:
        words = f.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--seconds", type=int, default=300)
    p.add_argument("--partitions", type=int, default=12)
    p.add_argument("--rate", type=int, default=2000, help="messages a second")
    p.add_argument("--s3", action="store_true", help="a scripted S3 store instead of files")
    p.add_argument("--bench", type=int, default=0, metavar="RECORDS", help="no campaign: how fast 1, 2 and 3 daemons are")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = p.parse_args()
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sluice-shared-", ignore_cleanup_errors=True) as folder:
        t = Case(args.build, folder, args.seed)
        try:
            if args.bench:
                bench(t, args.bench, args.partitions)
            else:
                SharedCampaign(t, args.seconds, args.partitions, args.rate, args.s3).run()
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
