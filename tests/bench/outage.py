#!/usr/bin/env python3
"""A destination is down for ten minutes while records keep coming: what it costs, how soon all is as before.

    tests/bench/outage.py --build build/release [--minutes 10] [--faster 20] [--rate 15] [--check]

The daemon's clock runs `--faster` times as fast as ours (libfaketime), so its ten minutes are half a minute here; back-off,
batching and time-outs are the daemon's own, nothing is told that it is a test. Two streams get `--rate` MB per second of
ours each, through the API, all the time. The store of one of them is killed, and comes back. Told are, for before, during and
after: what each stream delivers per second of ours, the age of its oldest record, the daemon's memory, the spool; and how long (by
the daemon's clock) after the store's return all is delivered as fast as before.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from common import stream  # noqa: E402
from harness import Case, free_port, wait_until  # noqa: E402

MIB = 1 << 20
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
RECORDS, RECORD_BYTES = 500, 1000
SPOOL_LIMIT = 192 * MIB
RSS_MOST = 64 * MIB
STEADY = 8  # seconds of ours, before and after


class Load(threading.Thread):
    """Puts batches at a steady rate and never stops; what is refused is lost to it, as to a producer that moves on."""

    def __init__(self, d, name, rate):
        super().__init__(daemon=True)
        self.port, self.name, self.pause = d.api_port, name, RECORDS * RECORD_BYTES / 1e6 / rate
        self.taken = self.refused = 0
        self.ends = threading.Event()
        self.body = self._body(name)

    @staticmethod
    def _body(name):
        import base64
        lines = [b'{"n":%d,"text":"%s"}' % (n, os.urandom(RECORD_BYTES // 2 - 16).hex().encode()) for n in range(RECORDS)]
        records = [{"Data": base64.b64encode(line).decode()} for line in lines]
        return json.dumps({"DeliveryStreamName": name, "Records": records}).encode()

    def run(self):
        connection, due = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60), time.monotonic()
        while not self.ends.is_set():
            due = max(due + self.pause, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))
            connection.request("POST", "/", self.body, {"Content-Type": "application/x-amz-json-1.1",
                                                        "X-Amz-Target": "Firehose_20150804.PutRecordBatch"})
            answer = connection.getresponse()
            reply = json.loads(answer.read())
            failed = reply["FailedPutCount"] if answer.status == 200 else RECORDS
            self.taken += RECORDS - failed
            self.refused += failed


class Store:
    """A null server that can be killed and started again on the same port."""

    def __init__(self, t):
        self.tool, self.port = os.path.join(t.build, "tests", "bench", "bench_null_server"), free_port()
        t.on_end(self.kill)
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.tool, str(self.port)], stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def destination(self):
        return {"s3": {"bucket": "b", "region": "us-east-1", "endpoint": f"http://127.0.0.1:{self.port}",
                       "access_key_id": "BENCH", "secret_access_key": "bench"}}


class Phase:
    """What was seen between two moments."""

    def __init__(self, d, name):
        self.d, self.name = d, name
        self.began, self.before = time.monotonic(), d.metrics()
        self.rss = self.spool = 0
        self.oldest = {"down": 0, "well": 0}

    def look(self):
        m = self.d.metrics()
        self.rss = max(self.rss, self.d.rss())
        self.spool = max(self.spool, m.get("sluice_spool_disk_bytes", stream="down"))
        for s in self.oldest:
            self.oldest[s] = max(self.oldest[s], m.get("sluice_delivery_data_freshness_seconds", stream=s))
        return m

    def watch(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(0.25)
        return self.end()

    def end(self):
        after, seconds = self.look(), time.monotonic() - self.began
        self.rate = {s: (after.get("sluice_delivered_records_total", stream=s) -
                         self.before.get("sluice_delivered_records_total", stream=s)) * RECORD_BYTES / 1e6 / seconds
                     for s in self.oldest}
        return self

    def row(self):
        return (f"| {self.name} | {self.rate['down']:.1f} | {self.rate['well']:.1f} | {self.oldest['well']:.0f} "
                f"| {self.rss / MIB:.0f} | {self.spool / MIB:.0f} |")


HEAD = ("| | MB/s of the one that fails | MB/s of the other | its oldest record, s | RSS, MiB | spool of the first, MiB |\n"
        "|---|---|---|---|---|---|")


def recovered(d, before):
    """Seconds of ours until what was kept is delivered and the rate is again what it was."""
    began = time.monotonic()
    first = d.books("down").delivered
    wait_until("the first delivery", lambda: d.books("down").delivered > first, 60, period=0.02)
    to_first = time.monotonic() - began
    wait_until("the spool is empty again", lambda: d.metrics().get("sluice_spooled_bytes", stream="down")
               < 4 * before["down"] * 1e6, 120, period=0.05)
    return to_first, time.monotonic() - began


def measure(t, args):
    stores = {"down": Store(t), "well": Store(t)}
    d = t.daemon({"limits": {"memory": "64MiB"}, "streams": {
        s: stream(store.destination(), interval="10s", compression="gzip", spool={"limit": f"{SPOOL_LIMIT // MIB}MiB"})
        for s, store in stores.items()}})
    d.env = {"LD_PRELOAD": FAKETIME, "FAKETIME": f"+0 x{args.faster}"}
    d.start()
    loads = [Load(d, s, args.rate) for s in stores]
    for load in loads:
        load.start()
    time.sleep(2)
    before = Phase(d, "before").watch(STEADY)
    stores["down"].kill()
    during = Phase(d, "during").watch(args.minutes * 60 / args.faster)
    stores["down"].start()
    phase = Phase(d, "catching up")
    first, caught_up = recovered(d, before.rate)
    phase.end()
    after = Phase(d, "after").watch(STEADY)
    for load in loads:
        load.ends.set()
        load.join(60)
    wait_until("all delivered", lambda: all(d.books(s).spooled == 0 for s in stores), 60)
    for load in loads:
        books = d.books(load.name)
        books.assert_balanced()
        assert books.delivered == load.taken, (books, load.taken)
    return [before, during, phase, after], first * args.faster, caught_up, loads


def failures(phases, first, args):
    before, during, _, after = phases
    worst_rss = max(p.rss for p in phases)
    out = []
    if worst_rss > RSS_MOST:
        out.append(f"{worst_rss / MIB:.1f} MiB resident, {RSS_MOST // MIB} wanted")
    if during.spool > SPOOL_LIMIT * 1.25:
        out.append(f"the spool grows to {during.spool / MIB:.0f} MiB, its limit is {SPOOL_LIMIT // MIB}")
    if first > 12:
        out.append(f"the first delivery {first:.0f} s after the store's return, 12 wanted")
    for phase, stream_name in ((during, "well"), (after, "down"), (after, "well")):
        if phase.rate[stream_name] < 0.9 * before.rate[stream_name]:
            out.append(f"{phase.name}: {stream_name} does {phase.rate[stream_name]:.1f} MB/s, "
                       f"{before.rate[stream_name]:.1f} before")
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--minutes", type=float, default=10, help="by the daemon's clock")
    p.add_argument("--faster", type=int, default=20)
    p.add_argument("--rate", type=float, default=15, help="MB per second of ours, for each stream")
    p.add_argument("--check", action="store_true", help="end with 1 when it is not as it should be")
    args = p.parse_args()
    if not os.path.exists(FAKETIME):
        p.error("libfaketime is missing: apt-get install libfaketime")
    with tempfile.TemporaryDirectory(prefix="sluice-outage-") as folder:
        t = Case(args.build, folder)
        try:
            phases, first, caught_up, loads = measure(t, args)
        finally:
            t.take_down()
    print(HEAD)
    print("\n".join(p.row() for p in phases))
    print(f"\nThe first delivery was {first:.1f} s after the store's return by the daemon's clock; what the spool held was "
          f"delivered {caught_up:.1f} s (of ours) after it. Refused while the spool was full: {loads[0].refused:,} records "
          f"of the one, {loads[1].refused:,} of the other.")
    found = failures(phases, first, args)
    for line in found:
        print("missed: " + line)
    return 1 if args.check and found else 0


if __name__ == "__main__":
    sys.exit(main())
