#!/usr/bin/env python3
"""What a megabyte costs: CPU seconds of the daemon, next to what the bare codec takes for the same bytes.

    tests/bench/bench.py --build build/release [--only PATTERN] [--megabytes 256] [--runs 5] [--check] [--write]
                         [--against build/of/another/version]

Each row starts a daemon of its own with a store that costs it nothing (bench_null_server, another process), feeds it,
waits until the books say that everything is delivered, and then reads the daemon's CPU time (user and system) and its
peak resident size from /proc. The codec's own speed is measured in the same run, so that the quotient of the two holds
on other machines, and on busy ones. Everything is run some times in turn, and each figure is that of its cheapest run:
what others do on the machine can only add to it. (Memory is that of the largest.) --check ends with 1 when a target is
missed, --write updates README.md. --against runs each row with another version's daemon, too, right after this one's, and
says how many times its CPU this one takes: what got slower, or faster, on one machine in one run.
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import sources  # noqa: E402
from common import stream, tail  # noqa: E402
from harness import Case, wait_until  # noqa: E402

MIB = 1 << 20
RSS_TARGET = 48 * MIB
KEYS_RSS_TARGET = 64 * MIB
KEYS_OBJECT = 256 << 10  # with 500 keys each has enough bytes for it
PACED_RATE = 5000  # calls a second of 32 clients together, a seventh of what they reach when nothing paces them
PACED_MOST = 100  # us of CPU
P99_TARGET = 4  # times that of a bare fdatasync, of PutRecord with many clients
SCAN_TARGET = 1500  # MB per CPU s, for finding a field
CALL_RECORDS, RECORD_BYTES = 500, 340
OBJECT_BYTES = (64 << 10, 1 << 20, 16 << 20)  # for the table of levels; the rows make objects of 1 MiB
REFERENCE = 477  # MB per CPU s of the bare gzip codec on the JSON lines, on the machine that the targets are for


LINE_BYTES = {"short": 20, "long": 500_000}  # corpora of the mixed one's bytes in other lines


def cut_into_lines(path, out, size):
    with open(path, "rb") as f:
        while piece := f.read(40 * 500_000):
            piece = bytearray(piece.replace(b"\n", b" "))
            piece[size - 1::size] = b"\n" * (len(piece) // size)
            out.write(piece)


class Bench:
    def __init__(self, t, megabytes):
        self.t, self.megabytes = t, megabytes
        self.tools = os.path.join(t.build, "tests", "bench")
        self.port = None
        self.counted = {}

    def tool(self, name):
        return os.path.join(self.tools, "bench_" + name)

    def corpus(self, kind):
        """The file of this kind, made when it is first asked for; "zipf-500": with 500 keys."""
        path = self.t.path(kind + ".log")
        if not os.path.exists(path):
            with open(path, "wb") as out:
                if kind.startswith("cut-"):
                    cut_into_lines(self.corpus("mixed"), out, int(kind[len("cut-"):]) + 1)
                elif kind in LINE_BYTES:
                    cut_into_lines(self.corpus("mixed"), out, LINE_BYTES[kind])
                else:
                    name, _, keys = kind.partition("-")
                    subprocess.run([self.tool("corpus"), name, str(self.megabytes)] + (["1", keys] if keys else []), stdout=out, check=True)
        return path

    def objects_by_size(self, path):
        if path not in self.counted:
            self.counted[path] = objects_by_size(path, KEYS_OBJECT)
        return self.counted[path]

    def codec(self, kind):
        """{codec: MB per CPU second} of the bare codecs; prints ratio too."""
        out = subprocess.run([self.tool("codec"), self.corpus(kind)], stdout=subprocess.PIPE, check=True, text=True)
        speeds = {}
        for line in out.stdout.splitlines():
            name, speed, ratio = line.split()
            speeds[name] = float(speed)
            print(f"bare {name} on {kind}: {float(speed):.0f} MB per CPU s, ratio {float(ratio):.2f}", flush=True)
        return speeds

    def json_scan(self):
        """MB per CPU second of finding one field in each of the JSON lines, which checks the whole line; no daemon."""
        out = subprocess.run([self.tool("json"), self.corpus("json")], stdout=subprocess.PIPE, check=True, text=True)
        return float(dict(line.split() for line in out.stdout.splitlines())["field"])

    def levels(self):
        """A table of sluice's codecs, without a daemon."""
        found = {}
        for size in OBJECT_BYTES:
            out = subprocess.run([self.tool("levels"), self.corpus("mixed"), str(size)], stdout=subprocess.PIPE, check=True, text=True)
            for line in out.stdout.splitlines():
                codec, level, speed, ratio = line.split()
                found.setdefault((codec, level), []).append(f"{float(ratio):.2f} | {float(speed):.0f}")
        heads = [f"{size // 1024:,} KiB: ratio | MB per CPU s" for size in OBJECT_BYTES]
        return "\n".join(["| codec and level | " + " | ".join(heads) + " |", "|---" * (1 + 2 * len(heads)) + "|"] +
                         [f"| {codec}{' ' + level if level != '0' else ''} | " + " | ".join(cells) + " |" for (codec, level), cells in found.items()])

    def start_store(self):
        store = subprocess.Popen([self.tool("null_server"), "0"], stdout=subprocess.PIPE, text=True)
        self.t.on_end(store.kill)
        self.port = int(store.stdout.readline().split()[1])

    def stored_objects(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
            return json.load(answer)["objects"]

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def s3(self, **more):
        return {"s3": {"bucket": "bench", "region": "us-east-1", "endpoint": self.url(), "access_key_id": "BENCH",
                       "secret_access_key": "bench", **more}}

    def stream(self, *args, destination=None, **kw):
        return stream(destination or self.s3(), *args, spool={"limit": "8GiB"}, **kw)

    def start(self, streams, name):
        d = self.t.daemon({"streams": streams}, name)
        self.started = time.monotonic()
        return d.start()

    def stop(self, d):
        """Takes the row's figures: (CPU seconds, peak RSS, wall seconds). The next run begins with nothing."""
        wall = time.monotonic() - self.started
        figures = d.cpu_seconds(), d.peak_rss(), wall
        d.stop()
        shutil.rmtree(d.data_dir)
        return figures

    def run_to_end(self, streams, name):
        """A daemon that ends when all is delivered, what is gathered for an object as well: the row's figures."""
        d = self.t.daemon({"streams": streams}, name)
        before, started, rss = children_seconds(), time.monotonic(), 0
        d.spawn("--once")
        while d.running():
            rss = max(rss, peak_rss_of(d))
            time.sleep(0.02)
        d.wait_exit()
        shutil.rmtree(d.data_dir)
        return children_seconds() - before, rss, time.monotonic() - started

    def put(self, d, streams, calls, connections=4, records=CALL_RECORDS, size=RECORD_BYTES, rate=0):
        """What the load says: calls, seconds, p50_ms, ... `records` 0: PutRecord. `rate`: calls a second; 0: as fast as it goes."""
        load = subprocess.run([self.tool("put_load"), str(d.api_port), str(streams), str(records), str(size), str(calls),
                               str(connections), self.corpus("json"), str(rate)], stdout=subprocess.PIPE, check=True, text=True)
        return said(load.stdout)

    def sync(self, d, size, count):
        """The same of a bare fdatasync on the file system where the daemon's spool is."""
        out = subprocess.run([self.tool("sync"), d.data_dir, str(size), str(count)], stdout=subprocess.PIPE, check=True, text=True)
        return said(out.stdout)


def children_seconds():
    """Of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_rss_of(d):
    """0 when it has just ended."""
    try:
        return d.peak_rss()
    except (OSError, KeyError):
        return 0


def said(line):
    words = line.split()
    return dict(zip(words[::2], map(float, words[1::2])))


class Row:
    """Megabytes through the whole of it."""

    HEAD = "| row | MB per CPU s | times the bare codec's CPU | peak RSS, MiB | MB | s |\n|---|---|---|---|---|---|"
    RSS = RSS_TARGET

    def __init__(self, name, megabytes, figures, codec, target=None):
        self.name, self.megabytes, self.codec, self.target = name, megabytes, codec, target
        self.cpu, self.rss, self.wall = figures

    @property
    def speed(self):
        return self.megabytes / self.cpu

    @property
    def times_codec(self):
        return self.codec / self.speed

    def merge(self, other):
        """With another run of the same row."""
        self.codec = max(self.codec, other.codec)
        self.rss = max(self.rss, other.rss)
        if other.cpu < self.cpu:
            self.cpu, self.wall = other.cpu, other.wall

    def missed(self):
        out = []
        if self.target and not self.target[1](self):
            out.append(f"{self.name}: {self.target[0]}")
        return out + too_large(self, self.RSS)

    def line(self):
        return (f"| {self.name} | {self.speed:.0f} | {self.times_codec:.2f} | {self.rss / MIB:.1f} | {self.megabytes:.0f} "
                f"| {self.wall:.1f} |")


class KeysRow(Row):
    """A stream with partition keys: also how many objects it made, and how many its `buffer.size` makes of these records."""

    HEAD = "| row | MB per CPU s | times the bare codec's CPU | peak RSS, MiB | s | objects | by size |\n|---|---|---|---|---|---|---|"
    RSS = KEYS_RSS_TARGET

    def __init__(self, name, megabytes, figures, codec, objects, by_size):
        super().__init__(name, megabytes, figures, codec)
        self.objects, self.by_size = objects, by_size

    def merge(self, other):
        super().merge(other)
        self.objects = max(self.objects, other.objects)

    def missed(self):
        more = self.objects > self.by_size
        return super().missed() + ([f"{self.name}: {self.objects:,} objects, {self.by_size:,} would do"] if more else [])

    def line(self):
        return (f"| {self.name} | {self.speed:.0f} | {self.times_codec:.2f} | {self.rss / MIB:.1f} | {self.wall:.1f} "
                f"| {self.objects:,} | {self.by_size:,} |")


class CallRow:
    """PutRecord calls, one record each: what one costs and how long it takes, next to a bare fdatasync of as many bytes."""

    HEAD = ("| row | calls a second | CPU µs per record | p50, ms | p99, ms | bare fdatasync: p50, ms | p99, ms | peak RSS, MiB |\n"
            "|---|---|---|---|---|---|---|---|")

    def __init__(self, name, calls, figures, load, sync, most):
        self.name, self.calls, self.load, self.sync, self.most = name, calls, load, sync, most
        self.cpu, self.rss, self.wall = figures

    @property
    def each(self):
        return self.cpu / self.calls * 1e6

    def merge(self, other):
        """Latencies are those of the run with the smallest p99 beside the disk's."""
        self.cpu, self.rss = min(self.cpu, other.cpu), max(self.rss, other.rss)
        if other.load["p99_ms"] / other.sync["p99_ms"] < self.load["p99_ms"] / self.sync["p99_ms"]:
            self.load, self.sync = other.load, other.sync

    def missed(self):
        slow = self.load["p99_ms"] > P99_TARGET * self.sync["p99_ms"]
        return (([f"{self.name}: {self.each:.0f} µs per record, {self.most} wanted"] if self.each > self.most else []) +
                ([f"{self.name}: p99 is {self.load['p99_ms'] / self.sync['p99_ms']:.1f} times that of a bare fdatasync, "
                  f"{P99_TARGET} wanted"] if slow else []) + too_large(self))

    def line(self):
        return (f"| {self.name} | {self.load['calls'] / self.load['seconds']:,.0f} | {self.each:.0f} | {self.load['p50_ms']:.2f} | {self.load['p99_ms']:.2f} "
                f"| {self.sync['p50_ms']:.2f} | {self.sync['p99_ms']:.2f} | {self.rss / MIB:.1f} |")


class IdleRow:
    """Nothing to do."""

    HEAD = "| row | CPU s a minute | peak RSS, MiB |\n|---|---|---|"

    def __init__(self, name, figures, most):
        self.name, self.most = name, most
        self.cpu, self.rss, self.wall = figures

    def merge(self, other):
        self.cpu, self.rss = min(self.cpu, other.cpu), max(self.rss, other.rss)

    def missed(self):
        return ([f"{self.name}: {self.cpu:.2f} CPU s a minute, {self.most} wanted"] if self.cpu > self.most else []) + too_large(self)

    def line(self):
        return f"| {self.name} | {self.cpu:.2f} | {self.rss / MIB:.1f} |"


def too_large(row, most=RSS_TARGET):
    return [f"{row.name}: {row.rss / MIB:.1f} MiB resident, {most // MIB} wanted"] if row.rss > most else []


def count_lines(path):
    """Records of a file; its last line may have been cut off by the corpus' size."""
    count, last = 0, b"\n"
    with open(path, "rb") as f:
        for chunk in iter(lambda: f.read(MIB), b""):
            count, last = count + chunk.count(b"\n"), chunk[-1:]
    return count + (last != b"\n")


def wait_all(d, name, count):
    """Scrapes rarely: /metrics is part of what is measured."""
    wait_until(f"{count} records delivered", lambda: d.books(name).delivered >= count, 120, period=0.25)
    d.assert_books(name)
    assert d.books(name).delivered == count, d.books(name)


def tail_row(b, codec, speeds, payload_hash=None, kind="mixed", what="tail", options=None, **more):
    """`options` go to the tail, `more` goes to the stream."""
    name = f"{what} → S3, {codec}" + (f", payload_hash {payload_hash}" if payload_hash else "")
    source = tail(b.corpus(kind))
    source["tail"].update(options or {})
    destination = b.s3(**({"payload_hash": payload_hash} if payload_hash else {}))
    d = b.start({"s0": b.stream([source], destination=destination, compression=codec, **more)}, re.sub(r"\W+", "-", name))
    wait_all(d, "s0", count_lines(b.corpus(kind)))
    worst = {"gzip": 1.9, "zstd": 377 / 240}[codec]
    target = (f"at most {worst:.2f} times the codec's CPU", lambda r: r.times_codec <= worst) if what == "tail" else None
    return Row(name, os.path.getsize(b.corpus(kind)) / 1e6, b.stop(d), speeds[kind][codec], target)


def at_least(megabytes):
    """A target in MB per CPU s, carried over to this machine by what its bare codec does."""
    return (f"at least {megabytes} MB per CPU s, where the bare codec does {REFERENCE}",
            lambda r: r.times_codec <= REFERENCE / megabytes)


def json_row(b, name, speeds, target=None, script=None, **more):
    """The JSON lines, tailed; `more` goes to the stream."""
    if script:
        more["transform"] = {"lua": os.path.join(HERE, script)}
    d = b.start({"s0": b.stream([tail(b.corpus("json"))], **more)}, re.sub(r"\W+", "-", name))
    count = count_lines(b.corpus("json"))
    wait_until(f"{count} records through", lambda: d.books("s0").delivered + d.books("s0").dropped >= count, 120,
               period=0.25)
    d.assert_books("s0")
    assert (d.books("s0").dropped > count / 20) == (script == DROPPING), d.books("s0")
    return Row(name, os.path.getsize(b.corpus("json")) / 1e6, b.stop(d), speeds["json"]["gzip"], target)


def api_row(b, durability, speeds, records=CALL_RECORDS, size=RECORD_BYTES, megabytes=None, payload_hash=None):
    calls = (megabytes or b.megabytes) * 1_000_000 // (records * size)
    destination = b.s3(**({"payload_hash": payload_hash} if payload_hash else {}))
    d = b.start({"s0": b.stream(destination=destination, compression="gzip", durability=durability)},
                f"api-{durability}-{size}-{payload_hash}")
    b.put(d, 1, calls, records=records, size=size)
    wait_all(d, "s0", calls * records)
    target = at_least(180) if size == RECORD_BYTES else None
    name = ("API → S3, gzip" + (", durability memory" if durability == "memory" else "") +
            (f", payload_hash {payload_hash}" if payload_hash else "") +
            (f", records of {size:,} B" if size != RECORD_BYTES else ""))
    return Row(name, calls * records * size / 1e6, b.stop(d), speeds["json"]["gzip"], target)


def put_row(b, clients, calls, most, rate=0):
    d = b.start({"s0": b.stream(compression="gzip")}, f"put-{clients}")
    sync, before = b.sync(d, PUT_BYTES, 2000), d.cpu_seconds()
    load = b.put(d, 1, calls, connections=clients, records=0, size=PUT_BYTES, rate=rate)
    wait_all(d, "s0", calls)
    cpu, rss, wall = b.stop(d)
    name = f"PutRecord of {PUT_BYTES} B, {clients} client{'s' if clients > 1 else ''}{', paced' if rate else ''}"
    return CallRow(name, calls, (cpu - before, rss, wall), load, sync, most)


def idle_row(b, files, seconds=10):
    folder = b.t.path("idle")
    if not os.path.exists(folder):
        os.mkdir(folder)
        for i in range(files):
            with open(os.path.join(folder, f"{i}.log"), "w", encoding="ascii") as f:
                f.write(f"the only line of file {i}\n")
    d = b.start({"s0": b.stream([tail(os.path.join(folder, "*.log"))])}, "idle")
    wait_all(d, "s0", files)
    before = running_seconds(d)
    time.sleep(seconds)
    spent = running_seconds(d) - before
    _, rss, wall = b.stop(d)
    return IdleRow(f"idle, {files:,} files", (spent * 60 / seconds, rss, wall), 0.3)


def running_seconds(d):
    """CPU seconds, finer than cpu_seconds() tells them."""
    total = 0
    for task in os.listdir(f"/proc/{d.process.pid}/task"):
        with open(f"/proc/{d.process.pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def streams_row(b, streams, speeds):
    """Every call fills exactly one batch, whatever the number of streams, so only that number differs."""
    calls = max(2000, b.megabytes * 1_000_000 // (CALL_RECORDS * RECORD_BYTES)) // 1000 * 1000
    size = CALL_RECORDS * (RECORD_BYTES + 1)
    d = b.start({f"s{i}": b.stream(compression="gzip", size=size) for i in range(streams)}, f"streams-{streams}")
    idle, before = d.cpu_seconds(), b.stored_objects()
    b.put(d, streams, calls)
    wait_until("all objects stored", lambda: b.stored_objects() - before >= calls, 120)
    scrape_at_end = d.cpu_seconds()
    wait_until("all settled", lambda: sum(d.books(f"s{i}").spooled for i in (0, streams - 1)) == 0, 30)
    cpu, rss, wall = b.stop(d)
    figures = scrape_at_end - idle, rss, wall
    return Row(f"API → S3, gzip, {streams:,} stream{'s' if streams > 1 else ''}",
               calls * CALL_RECORDS * RECORD_BYTES / 1e6, figures, speeds["json"]["gzip"])


def objects_by_size(path, size):
    """How many objects the lines of a file make when each key's are filled one after the other."""
    count, filled = 0, {}
    with open(path, "rb") as f:
        for line in f:
            key = re.search(rb'"customer":"([^"]*)', line)
            key = key.group(1) if key else b""  # the corpus' size has cut off the last line
            if filled.get(key, size) + len(line) > size:
                count, filled[key] = count + 1, 0
            filled[key] += len(line)
    return count


def keys_row(b, speeds, keys, kind="uniform", partitioned=True):
    """All rows have the same lines, but for the key that is in them, the same `buffer` and the same limits. The interval is longer
    than the row: what has not reached the size is delivered at the end."""
    path = b.corpus(f"{kind}-{keys}")
    prefix, more = "all/", {}
    if partitioned:
        prefix = "!{partitionKeyFromQuery:customer}/"
        more = {"partition_keys": {"customer": {"query": ".customer", "default": "none"}}, "max_partitions": 20000}
    by_size, before = b.objects_by_size(path) if partitioned else 0, b.stored_objects()
    figures = b.run_to_end({"s0": b.stream([tail(path)], destination=b.s3(prefix=prefix), compression="gzip", size=KEYS_OBJECT,
                                           interval="15m", **more)}, f"keys-{kind}-{keys}-{partitioned}")
    objects = b.stored_objects() - before
    name = f"{keys:,} key{'s' if keys > 1 else ''}" + (", Zipf" if kind == "zipf" else "") if partitioned else "no partitions"
    return KeysRow(f"tail JSON → S3, gzip, {name}", os.path.getsize(path) / 1e6, figures, speeds["json"]["gzip"], objects,
                   by_size or objects)


def large_row(b, speeds):
    """One object of 1 GiB, in parts, and what is left of the file behind it."""
    path, mixed = b.t.path("large.log"), b.corpus("mixed")
    if not os.path.exists(path):
        with open(path, "wb") as out:
            while out.tell() < LARGE_OBJECT + 16 * MIB:
                with open(mixed, "rb") as f:
                    out.write(f.read(64 * MIB))
    figures = b.run_to_end({"s0": b.stream([tail(path)], compression="none", size=LARGE_OBJECT, interval="15m")}, "large")
    return Row("tail → S3, none, an object of 1 GiB in parts", os.path.getsize(path) / 1e6, figures, speeds["mixed"]["gzip"])


PUT_BYTES = 500
LARGE_OBJECT = 1 << 30
DROPPING = "drop_set_delete.lua"
ROWS = {
    "tail-gzip": lambda b, s: tail_row(b, "gzip", s),
    "tail-zstd": lambda b, s: tail_row(b, "zstd", s),
    "tail-gzip-unsigned": lambda b, s: tail_row(b, "gzip", s, "unsigned"),
    "tail-zstd-unsigned": lambda b, s: tail_row(b, "zstd", s, "unsigned"),
    "json-gzip": lambda b, s: json_row(b, "tail JSON → S3, gzip", s, compression="gzip"),
    "lua-nothing": lambda b, s: json_row(b, "tail JSON → Lua that reads nothing → S3, gzip", s, compression="gzip",
                                         script="reads_nothing.lua"),
    "lua-fields": lambda b, s: json_row(b, "tail JSON → Lua: drop by a field, set one, delete one → S3, gzip", s,
                                        at_least(150), DROPPING, compression="gzip"),
    "json-none": lambda b, s: json_row(b, "tail JSON → S3, none", s, compression="none"),
    "elasticsearch": lambda b, s: json_row(b, "tail JSON → Elasticsearch _bulk, none", s, at_least(300),
                                           destination={"elasticsearch": {"url": b.url(), "index": "bench"}},
                                           compression="none"),
    "lua-elasticsearch": lambda b, s: json_row(b, "tail JSON → Lua: the same → Elasticsearch _bulk, none", s, None, DROPPING,
                                               destination={"elasticsearch": {"url": b.url(), "index": "bench"}},
                                               compression="none"),
    "http-gzip": lambda b, s: json_row(b, "tail JSON → HTTP, Firehose's format, gzip", s, at_least(120),
                                       destination={"http": {"url": b.url() + "/put", "format": "firehose"}}, compression="gzip"),
    "api-gzip": lambda b, s: api_row(b, "disk", s),
    "api-gzip-unsigned": lambda b, s: api_row(b, "disk", s, payload_hash="unsigned"),
    "api-memory": lambda b, s: api_row(b, "memory", s),
    "tail-zstd-4": lambda b, s: tail_row(b, "zstd", s, what="tail, objects of 4 MiB", size="4MiB"),
    "tail-short": lambda b, s: tail_row(b, "gzip", s, kind="short", what="tail, lines of 20 B"),
    "tail-long": lambda b, s: tail_row(b, "gzip", s, kind="long", what="tail, lines of 500 KB"),
    "tail-multiline": lambda b, s: tail_row(b, "gzip", s, what="tail, multiline", options={"multiline": {"continue": "^[ \\t]+at "}}),
    # A line becomes an object, so more is compressed and sent: no quotient says what that may cost.
    "tail-fields": lambda b, s: tail_row(b, "gzip", s, what="tail, add_fields", options={"add_fields": ["host", "file"]}),
    "json-fields": lambda b, s: tail_row(b, "gzip", s, kind="json", what="tail JSON, add_fields", options={"add_fields": ["host", "file"]}),
    "api-short": lambda b, s: api_row(b, "disk", s, size=20, megabytes=32),
    "api-long": lambda b, s: api_row(b, "disk", s, records=8, size=500_000),
    "put-1": lambda b, s: put_row(b, 1, 3000, 100),
    "put-32": lambda b, s: put_row(b, 32, 20_000, 25),
    "put-paced": lambda b, s: put_row(b, 32, 10_000, PACED_MOST, rate=PACED_RATE),
    "idle": lambda b, s: idle_row(b, 10_000),
    "keys-none": lambda b, s: keys_row(b, s, 1, partitioned=False),
    **{f"keys-{kind}-{n}": lambda b, s, kind=kind, n=n: keys_row(b, s, n, kind)
       for kind, counts in (("uniform", (1, 10, 100, 500, 20_000)), ("zipf", (10, 100, 500, 20_000))) for n in counts},
    "large": large_row,
    "streams-1": lambda b, s: streams_row(b, 1, s),
    "streams-1000": lambda b, s: streams_row(b, 1000, s),
    **sources.ROWS,
}


class Against:
    """The same rows with another version's daemon."""

    def __init__(self, build):
        self.binary = os.path.join(os.path.abspath(build), "sluice") if build else None
        self.ratios = {}  # of CPU seconds, this version's to the other's: one for each run

    def run(self, b, key, row, fn, speeds):
        if self.binary:
            ours, b.t.binary = b.t.binary, self.binary
            try:
                other = fn(b, speeds)
            except AssertionError as e:  # it lacks an option of this row, say
                print(f"{key}: not with the other version: {str(e)[:200]}", flush=True)
                return
            finally:
                b.t.binary = ours
            self.ratios.setdefault(key, []).append(row.cpu / other.cpu)

    def lines(self, rows):
        return [f"{rows[key].name}: {statistics.median(ratios):.2f} times the other version's CPU "
                f"({min(ratios):.2f} to {max(ratios):.2f})" for key, ratios in self.ratios.items()]


def run_once(b, only, rows, speeds, against):
    """Each row once; adds what was found to `rows`, `speeds` and `against`."""
    wanted = {key: fn for key, fn in ROWS.items() if only is None or re.search(only, key)}
    for kind in ("mixed", "json") + tuple(k for k in LINE_BYTES if "tail-" + k in wanted):
        for codec, speed in b.codec(kind).items():
            speeds.setdefault(kind, {})[codec] = max(speed, speeds.get(kind, {}).get(codec, 0))
    for key, fn in wanted.items():
        row = fn(b, speeds)
        if row is None:
            continue
        print(row.line(), flush=True)
        against.run(b, key, row, fn, speeds)
        if key in rows:
            rows[key].merge(row)
        else:
            rows[key] = row


def run_rows(t, args, against):
    b = Bench(t, args.megabytes)
    b.start_store()
    rows, speeds = {}, {}
    for number in range(args.runs):
        print(f"run {number + 1} of {args.runs}", flush=True)
        run_once(b, args.only, rows, speeds, against)
    return rows, speeds, b.json_scan(), b.levels() if args.levels else ""


def table(rows):
    tables = [[r for r in rows if type(r) is kind] for kind in (Row, KeysRow, sources.InputRow, CallRow, IdleRow)]
    return "\n\n".join("\n".join([t[0].HEAD] + [r.line() for r in t]) for t in tables if t)


def times(rows, one, other):
    """How many times the CPU of row `one` row `other` takes; None when they were not both run."""
    return rows[one].speed / rows[other].speed if one in rows and other in rows else None


# Two rows, what the quotient of their CPU time says, and how much it may be.
QUOTIENTS = (
    ("streams-1", "streams-1000", "CPU per record, 1,000 streams against one", 1.10),
    ("tail-gzip", "tail-gzip-unsigned", "CPU with an unsigned payload hash, against a signed one, gzip", 1.0),
    ("tail-zstd", "tail-zstd-unsigned", "CPU with an unsigned payload hash, against a signed one, zstd", 1.0),
    ("keys-uniform-1", "keys-uniform-500", "CPU with 500 partition keys, against one", 1.15),
    ("tail-gzip", "tail-multiline", "CPU with multiline, against none", 1.25),
    ("json-gzip", "json-fields", "CPU with add_fields, against none, JSON", 1.25),
    ("json-gzip", "lua-nothing", "CPU with a script that reads nothing, against none", 1.25),
)


def quotients(rows):
    """[(text, value, most)] of what was run."""
    found = [(text, times(rows, one, other), most) for one, other, text, most in QUOTIENTS]
    return [q for q in found if q[1] is not None]


def missed(rows, scan):
    out = [m for r in rows.values() for m in r.missed()]
    if scan < SCAN_TARGET:
        out.append(f"JSON field look-up: {scan:.0f} MB per CPU s, {SCAN_TARGET} wanted")
    out += [f"{text}: {value:.2f} times, {most:.2f} wanted" for text, value, most in quotients(rows) if value > most]
    return out


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        found = re.search(r"model name\s*:\s*(.+)", f.read())
    return f"{found.group(1) if found else 'unknown CPU'}, {os.cpu_count()} CPUs"


def summary(rows, scan):
    """What stands below the table."""
    lines = [f"{text}: {value:.2f} times." for text, value, _ in quotients(rows)]
    return lines + [f"JSON field look-up alone, without a daemon: {scan:.0f} MB per CPU s."]


def write_readme(rows, speeds, scan, levels):
    path = os.path.join(HERE, "README.md")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    bare = ", ".join(f"{codec} {speed:.0f} MB per CPU s" for codec, speed in speeds["mixed"].items())
    lines = [f"Measured {time.strftime('%Y-%m-%d')} on {cpu_model()}. Bare codecs on the same lines: {bare}.", "",
             table(rows.values())]
    lines += ["\n" + line for line in summary(rows, scan)] + (["", levels] if levels else [])
    begin, end = "<!-- results -->\n", "<!-- end of results -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    with open(path, "w", encoding="utf-8") as f:
        f.write(before + begin + "\n".join(lines) + "\n" + end + after)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--only", help="regular expression on: " + ", ".join(ROWS))
    p.add_argument("--megabytes", type=int, default=256)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--levels", action="store_true", help="what each level of the codecs does with objects of several sizes, too")
    p.add_argument("--check", action="store_true")
    p.add_argument("--write", action="store_true")
    p.add_argument("--against", metavar="BUILD", help="the build folder of another version")
    args = p.parse_args()
    against = Against(args.against)
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        t = Case(args.build, folder)
        if t.sanitized:
            p.error("a sanitizer build measures the sanitizer; take the preset `release`")
        try:
            rows, speeds, scan, levels = run_rows(t, args, against)
        finally:
            t.take_down()
    print("\n" + table(rows.values()))
    for line in summary(rows, scan) + against.lines(rows):
        print("\n" + line)
    if levels:
        print("\n" + levels)
    failures = missed(rows, scan)
    for failure in failures:
        print(f"missed: {failure}")
    if args.write:
        write_readme(rows, speeds, scan, levels)
    return 1 if args.check and failures else 0


if __name__ == "__main__":
    sys.exit(main())
