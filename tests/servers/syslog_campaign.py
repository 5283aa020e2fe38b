#!/usr/bin/env python3
"""Numbered messages of a real sender through the inputs syslog and statsd, while the daemon is killed: what is missing, what is there twice, and why.

    tests/servers/syslog_campaign.py --build build/release --way WAY [--messages 100000] [--kills 10] [--blocked SECONDS] [--rate 4000] [--seed N]
    tests/servers/syslog_campaign.py --list                                                  # WAY: rsyslog:relp, syslog-ng:tcp, logger:udp ...

By RELP nothing is missing. By TCP and TLS nothing is, but at each kill a stretch of what the sender had handed to its kernel: one stretch, and no larger than
the socket buffers of both ends and what sluice had read and not yet synced. Of UDP's datagrams each is stored, or was dropped by the kernel for want of room (and
counted by the daemon), or came while nobody listened, or was lost with a process that was killed: in its socket, or read and not yet synced. With --blocked the
destination is away for so long, and the spool is small: the sender is held back, and loses nothing (UDP: what the kernel counts).

It runs in a network of its own (`unshare -rn`), so that the kernel's counters are those of this campaign.
"""

import argparse
import collections
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]

import objects  # noqa: E402
from certificates import make_certificates  # noqa: E402
from common import stream  # noqa: E402
from harness import Case, free_port, wait_until  # noqa: E402
from s3_peer import Fail, S3Peer  # noqa: E402
from syslog_senders import Rsyslog, SyslogNg, listener, numbered  # noqa: E402
from topics import python_with  # noqa: E402

INSIDE = "SLUICE_SYSLOG_CAMPAIGN"
QUIET_SECONDS = 10  # nothing more has come for so long
SPOOL = 4 << 20
# What may be lost with a kill: read and not yet synced (what the docs of fifo and exec say, too), and datagrams in the socket's buffer.
UNSYNCED, DATAGRAMS = 5 << 20, 4 << 20


class Piped:
    """A program that sends each line of its standard input."""

    def __init__(self, t, ports):
        self.t, self.port, self.process = t, next(iter(ports.values())), None
        self.arguments = self.command()
        t.on_end(self.end)

    def start(self):
        with open(self.t.path("sender.log"), "ab") as log:
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE, stdout=log, stderr=log)
        return self

    def feed(self, lines):
        self.process.stdin.write(lines)
        self.process.stdin.flush()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Logger(Piped):
    def command(self):
        return ["logger", "--tag", "app", "--udp", "--server", "127.0.0.1", "--port", str(self.port)]


class Statsd(Piped):
    PROGRAM = "import statsd, sys\nclient = statsd.StatsClient('127.0.0.1', int(sys.argv[1]))\nfor line in sys.stdin: client.gauge('n', int(line.split()[1]))\n"

    def command(self):
        return [python_with(self.t, "statsd==4.0.1"), "-c", self.PROGRAM, str(self.port)]


WAYS = {**{f"rsyslog:{way}": (Rsyslog, way) for way in Rsyslog.ways}, **{f"syslog-ng:{way}": (SyslogNg, way) for way in SyslogNg.ways},
        "logger:udp": (Logger, "udp"), "statsd:udp": (Statsd, "udp")}


def kernel():
    """{counter: value} of UDP, in this network."""
    with open("/proc/net/snmp", encoding="ascii") as f:
        names, values = [line.split()[1:] for line in f if line.startswith("Udp:")]
    return {n: int(v) for n, v in zip(names, values)}


def gaps(missing):
    """[(first, how many)] of stretches of numbers."""
    out = []
    for n in sorted(missing):
        if out and out[-1][0] + out[-1][1] == n:
            out[-1][1] += 1
        else:
            out.append([n, 1])
    return out


def socket_bytes():
    """What a connection on loopback may have on its way: the sender's buffer and the receiver's."""
    total = 0
    for name in ("tcp_wmem", "tcp_rmem"):
        with open(f"/proc/sys/net/ipv4/{name}", encoding="ascii") as f:
            total += int(f.read().split()[2])
    return total


class Campaign:
    def __init__(self, t, name, args):
        self.t, self.name, self.args = t, name, args
        self.random = random.Random(t.seed)
        kind, self.way = WAYS[name]
        make_certificates(t)
        port = free_port()
        self.port = port
        self.s3 = S3Peer() if args.blocked else None
        if self.s3:
            t.on_end(self.s3.stop)
        source = {"statsd": {"listen": f"udp://127.0.0.1:{port}"}} if kind is Statsd else listener(t, self.way, port)
        self.daemon = t.daemon({"streams": {"app": stream(
            self.s3.destination() if self.s3 else {"file": {"path": t.path("out")}}, [source], interval="1s",
            **({"spool": {"limit": "4MiB"}} if self.s3 else {}))}})
        self.sender = kind(t, {self.way: port})
        self.lost = self.rss = 0

    def write(self):
        began = time.monotonic()
        for first in range(0, self.args.messages, 50):
            time.sleep(max(0.0, began + first / self.args.rate - time.monotonic()))
            self.sender.feed(numbered(first, min(50, self.args.messages - first)))

    def look(self):
        """Counters of a daemon that is to be killed go with it."""
        return int(self.daemon.metrics().get("sluice_input_lost_total", stream="app"))

    def kill(self):
        self.lost += self.look()
        self.rss = max(self.rss, self.daemon.peak_rss())
        self.daemon.kill9()
        self.daemon.start()

    def block(self):
        self.s3.always, until = Fail(503, "SlowDown"), time.monotonic() + self.args.blocked
        wait_until("the stream takes no more",
                   lambda: self.daemon.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, self.args.blocked, period=0.3)
        time.sleep(max(0.0, until - time.monotonic()))
        self.rss = max(self.rss, self.daemon.peak_rss())
        self.s3.always = None

    def run(self):
        before = kernel()
        self.daemon.start()
        self.sender.start()
        writer = threading.Thread(target=self.write, daemon=True)
        writer.start()
        events = ["kill"] * self.args.kills + ["block"] * bool(self.args.blocked)
        self.random.shuffle(events)
        for event in events:
            most = 1.6 * self.args.messages / self.args.rate / len(events)
            time.sleep(self.random.uniform(0.1, min(most, 3) if event == "block" else most))  # there must be enough left to fill the spool
            getattr(self, event)()
        writer.join()
        self.wait_for_the_last()
        self.lost += self.look()
        self.daemon.assert_books("app")
        self.rss = max(self.rss, self.daemon.peak_rss())
        self.sender.end()
        self.daemon.stop()
        self.judge(collections.Counter(self.numbers()), {k: v - before[k] for k, v in kernel().items()})

    def numbers(self):
        stored = self.s3.snapshot() if self.s3 else objects.read_dir(self.t.path("out"))
        records = [json.loads(line) for line in objects.lines(stored)]
        return [int(r["value"]) if "value" in r else int(r["message"].split()[1]) for r in records if r.get("name") == "n" or r.get("app") == "app"]

    def wait_for_the_last(self):
        def quiet():
            books = self.daemon.books("app")
            if books.incoming != seen["incoming"]:
                seen.update(incoming=books.incoming, at=time.monotonic())
            return books.spooled == 0 and time.monotonic() > seen["at"] + QUIET_SECONDS
        seen = {"incoming": -1, "at": 0}
        wait_until("nothing more comes", quiet, 900, period=0.5)

    def judge(self, copies, counted):
        args = self.args
        foreign = set(copies) - set(range(args.messages))
        assert not foreign, f"{len(foreign)} that nobody sent: {sorted(foreign)[:5]}"
        missing = set(range(args.messages)) - set(copies)
        twice = sum(n - 1 for n in copies.values())
        found = gaps(missing)
        said = f"{len(missing)} missing, {twice} twice, {self.rss >> 20} MiB resident at most"
        if self.way == "udp":
            said += self.judge_datagrams(sum(copies.values()), counted)
        elif self.way.startswith("relp"):
            assert not missing, f"{len(missing)} lost: {found[:5]}"
        else:
            most = socket_bytes() + UNSYNCED
            assert len(found) <= args.kills, f"{len(found)} stretches are missing: {found[:20]}"
            assert all(n * 20 <= most for _, n in found), found
            said += f", in stretches of {[n for _, n in found]}"
        assert twice <= args.kills * 5000, f"{twice} are there twice"
        print(f"# {self.name}: {args.messages} messages, {args.kills} kills, {args.blocked} s without destination, seed {self.t.seed}: {said}", flush=True)

    def judge_datagrams(self, stored, counted):
        sent, full, nobody = counted["OutDatagrams"], counted["RcvbufErrors"], counted["NoPorts"]
        in_socket = sent - counted["InDatagrams"] - full - nobody
        read = counted["InDatagrams"] - stored
        kills = self.args.kills
        assert sent >= stored + full + nobody and in_socket >= 0 and read >= 0, counted
        assert in_socket <= kills * DATAGRAMS // 100 and read <= kills * UNSYNCED // 100, counted
        assert self.lost <= full and (kills or self.lost == full), f"the daemon counted {self.lost}, the kernel {full}"
        return f", {sent} datagrams sent: {stored} stored, {full} found no room ({self.lost} counted by the daemons), {nobody} came while nobody " \
            f"listened, killed {in_socket} in the socket and {read} read but not yet synced"


def inside(argv):
    """The same in a network of its own."""
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$0" "$@"', sys.executable, *argv])


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build")
    p.add_argument("--way", choices=WAYS)
    p.add_argument("--list", action="store_true")
    p.add_argument("--messages", type=int, default=100_000)
    p.add_argument("--kills", type=int, default=10)
    p.add_argument("--blocked", type=int, default=0)
    p.add_argument("--rate", type=int, default=4000)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = p.parse_args()
    if args.list or not args.way:
        print("\n".join(WAYS))
        return 0
    if INSIDE not in os.environ:
        if WAYS[args.way][0] is Statsd:
            python_with(Case(args.build, tempfile.gettempdir(), 0), "statsd==4.0.1")  # while there is a network
        inside(sys.argv)
    with tempfile.TemporaryDirectory(prefix="sluice-syslog-", ignore_cleanup_errors=True) as folder:
        t = Case(args.build, folder, args.seed)
        try:
            Campaign(t, args.way, args).run()
        except BaseException:
            t.take_down()
            os.rename(folder, folder + "-failed")
            print(f"seed {args.seed}, kept in {folder}-failed", file=sys.stderr)
            raise
        t.take_down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
