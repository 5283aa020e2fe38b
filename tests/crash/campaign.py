#!/usr/bin/env python3
"""kill -9 at random moments under load, again and again: nothing acknowledged is lost, nothing is doubled.

    tests/crash/campaign.py --build build/release [--kills 20] [--seed N] [--store STORE] [--transform [KIND]] [--all]
                            [--partitions N]

Two streams in one process. `put`: clients put distinct records and remember which were acknowledged, and of which they
do not know because the connection broke. `tailed`: a writer appends distinct lines to a file that is rotated by rename
all the time. The store is a scripted S3 (which itself fails now and then), a folder, or with --store seaweedfs or versitygw that server.

At the end every acknowledged record and every line ever written is in the store exactly once, byte for byte; a record
of unknown fate is there at most once; no key was ever written with two contents; the books balance. The seed decides
when it is killed; it is printed, and a run with the same seed kills at the same moments.

With --transform a script stands between: by their number it drops records, splits, changes or fails them. Then what it
makes of each is in the store exactly once, what it fails is in the backup exactly once, and what it drops is nowhere. `mixed` does
all of it within each batch; `runs` one of it for thousands of records on end, so that whole batches are dropped, fail or are
split; `drop`, `fail` and `split` do one thing to all. With --all every source record is in the backup, too, exactly once.

With --partitions N records have one of N keys, by their number. Then each is in the prefix of its own key only, and in an object the records of
a client are in the order in which it put them.
"""

import argparse
import os
import random
import re
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))

import backups  # noqa: E402
import objects  # noqa: E402
from common import Load, stream, tail  # noqa: E402
from harness import Case, wait_until  # noqa: E402
from s3_peer import Fail, ResetAfterReading, ResetBeforeReading, S3Peer, Truncated  # noqa: E402
from stores import Store  # noqa: E402

ROTATE_BYTES = 200_000
SERVERS = {"seaweedfs": "s3_seaweedfs.sh", "versitygw": "s3_versitygw.sh"}
NUMBERS = re.compile(rb"(line|client\d+)-(\d+)-?(\d*)")


class AsItIs:
    """No transform: every record arrives."""

    text = None

    @staticmethod
    def outputs(record):
        return [record]

    @staticmethod
    def fails(_record):
        return False


class Script:
    """What the script does to a record, in Lua and in Python. The fate is a digit that a subclass takes from the record."""

    fate = """\
local function fate_of(raw)
  return raw:match("(%d) ")
end
"""
    body = """\
function transform(r)
  local fate = fate_of(r.raw)
  if fate == "0" then return nil end
  if fate == "1" then return { r.raw .. "|a", r.raw .. "|b" } end
  if fate == "2" then error("a number of the kind that fails") end
  if fate == "3" then return r.raw .. "|changed" end
  return r
end
"""

    def __init__(self):
        self.text = self.fate + self.body

    @staticmethod
    def fate_of(record):
        return record.partition(b" ")[0][-1:]

    def outputs(self, record):
        endings = {b"0": [], b"1": [b"|a", b"|b"], b"2": [], b"3": [b"|changed"]}.get(self.fate_of(record), [b""])
        return [record + ending for ending in endings]

    def fails(self, record):
        return self.fate_of(record) == b"2"


class Runs(Script):
    """The same fate for thousands of records on end: `line-<number> ` and `client<n>-<call>-<number> `."""

    fate = """\
local function fate_of(raw)
  local line, call = raw:match("^line%-(%d+)"), raw:match("^client%d+%-(%d+)")
  local run = line and tonumber(line) // 3000 or tonumber(call) // 60
  return tostring(run % 5)
end
"""

    @staticmethod
    def fate_of(record):
        parts = record.partition(b" ")[0].split(b"-")
        run = int(parts[1]) // (3000 if parts[0] == b"line" else 60)
        return b"%d" % (run % 5)


class One(Script):
    """The same fate for all."""

    def __init__(self, digit):
        self.digit = digit
        self.fate = f'local function fate_of() return "{digit}" end\n'
        super().__init__()

    def fate_of(self, _record):
        return b"%d" % self.digit


class Keys:
    """One of `count` partition keys for each record, in Lua and in Python."""

    text = """\
local function key_of(raw)
  local call, number = raw:match("^%%a+%%d*%%-(%%d+)%%-?(%%d*)")
  return tostring((tonumber(call) * 50 + (tonumber(number) or 0)) %% %d)
end
local inner = transform or function(r) return r end
function transform(r, meta)
  meta.partition_keys.k = key_of(r.raw)
  return inner(r, meta)
end
"""

    def __init__(self, count):
        self.count, self.text = count, self.text % count

    def key_of(self, record):
        _, call, number = NUMBERS.match(record).groups()
        return b"%d" % ((int(call) * 50 + int(number or 0)) % self.count)

    def check(self, found):
        for name, data in found.items():
            last, key = {}, re.search(r"k=(\d+)/", name).group(1).encode()
            for record in objects.lines({name: data}):
                assert self.key_of(record) == key, f"{record} is in {name}"
                who, call, number = NUMBERS.match(record).groups()
                place = (int(call), int(number or 0))
                if who != b"line":  # files that were rotated are read side by side
                    assert place >= last.get(who, place), f"{record} is behind {last[who]} in {name}"
                last[who] = place


SCRIPTS = {"mixed": Script, "runs": Runs, "drop": lambda: One(0), "split": lambda: One(1), "fail": lambda: One(2)}


class Writer(threading.Thread):
    """A program that logs: appends lines, sometimes in pieces, and rotates its file by rename."""

    def __init__(self, folder, seed, lines_per_second=4000):
        super().__init__(daemon=True)
        self.folder, self.random, self.rate = folder, random.Random(seed), lines_per_second
        self.lines, self.error = [], None
        self._halt, self._rotations = threading.Event(), 0

    def run(self):
        try:
            f = self._open()
            while not self._halt.is_set():
                self._burst(f)
                if f.tell() > ROTATE_BYTES:
                    f.close()
                    f = self._rotate()
                time.sleep(0.02)
            f.close()
        except BaseException as e:
            self.error = e

    def _open(self):
        return open(os.path.join(self.folder, "app.log"), "ab", buffering=0)

    def _burst(self, f):
        for _ in range(int(self.rate * 0.02)):
            line = b"line-%09d %s" % (len(self.lines), b"x" * self.random.randrange(120))
            cut = self.random.randrange(len(line)) if self.random.random() < 0.05 else 0
            if cut:
                f.write(line[:cut])  # a writer that stops in the middle of a line
                time.sleep(0.001)
            f.write(line[cut:] + b"\n")
            self.lines.append(line)

    def _rotate(self):
        self._rotations += 1
        name = os.path.join(self.folder, "app.log")
        os.rename(name, f"{name}.{self._rotations:04d}")
        return self._open()

    def stop(self):
        self._halt.set()
        self.join()
        if self.error:
            raise self.error


class Campaign:
    def __init__(self, t, kills, store="s3", transform=None, keep_all=False, partitions=0):
        """`transform`: one of SCRIPTS. `keep_all`: the backup keeps the sources."""
        self.t, self.kills, self.random = t, kills, random.Random(t.seed)
        self.script, self.keep_all = SCRIPTS[transform]() if transform else AsItIs, keep_all
        self.keys = Keys(partitions) if partitions else None
        os.mkdir(t.path("logs"))
        self.server = Store(t, SERVERS[store]) if store in SERVERS else None
        self.s3 = S3Peer() if store == "s3" else None
        if self.s3:
            t.on_end(self.s3.stop)
            self.s3.by_key = self._misbehave
        self.daemon = t.daemon({"streams": {
            "put": stream(self._destination("put"), size="256KiB", compression="gzip", **self._options("put")),
            "tailed": stream(self._destination("tailed"), [tail(t.path("logs", "app.log*"))], size="128KiB",
                             compression="zstd", **self._options("tailed")),
        }})

    def _destination(self, name):
        prefix = "k=!{partitionKeyFromLua:k}/" if self.keys else ""
        if self.s3 or self.server:
            return (self.s3 or self.server).destination(prefix=f"{name}/{prefix}")
        return {"file": {"path": self.t.path("out", name), **({"prefix": prefix} if prefix else {})}}

    def _options(self, name):
        out = {"interval": "3s"} if self.keys else {}
        text = (self.script.text or "") + (self.keys.text if self.keys else "")
        if text:
            with open(self.t.path("script.lua"), "w", encoding="ascii") as f:
                f.write(text)
            out["transform"] = {"lua": self.t.path("script.lua")}
        if self.script.text or self.keep_all:
            out["backup"] = {"mode": "all" if self.keep_all else "failed", "file": {"path": self.t.path("backup", name)}}
        return out

    def _misbehave(self, _key, attempt):
        """One first attempt in ten goes wrong, half of them after the object was stored."""
        if attempt > 1 or self.random.random() > 0.1:
            return None
        return self.random.choice([
            Fail(500, "InternalError"), Fail(503, "SlowDown", stores=True), ResetBeforeReading(),
            ResetAfterReading(stores=True), Truncated(),
        ])

    def run(self):
        writer = Writer(self.t.path("logs"), self.t.seed)
        loads = [Load(self.daemon, "put", b"client%d" % i, pause=0.005) for i in range(2)]
        self.daemon.start()
        for thread in [writer, *loads]:
            thread.start()
        for _ in range(self.kills):
            time.sleep(self.random.uniform(0.05, 1.2) * self.t.slow)
            self.daemon.kill9()
            self.daemon.start()
        for thread in [writer, *loads]:
            thread.stop()
        self.finish(writer, loads)

    def finish(self, writer, loads):
        d = self.daemon
        for name in ("tailed", "put"):
            self._wait_drained(name, len(writer.lines) if name == "tailed" else sum(len(load.acked) for load in loads))
        d.assert_books("put", "tailed")
        books = {name: d.books(name) for name in ("put", "tailed")}
        d.stop()
        stored = self._stored()
        for name in stored if self.keys else ():
            self.keys.check(stored[name])
        if self.s3:
            self.s3.assert_clean()
        self._check_exact(objects.lines(stored["tailed"]), self._failed("tailed"), writer.lines)
        assert books["tailed"].incoming == len(writer.lines), books["tailed"]
        unknown = self._check_put(objects.lines(stored["put"]), self._failed("put"), loads)
        assert books["put"].backed_up == len(self._failed("put")), books["put"]
        if self.keep_all:
            objects.assert_exactly_once(self._sources("tailed"), writer.lines)
            self._check_sources_put(loads)
        acked = sum(len(load.acked) for load in loads)
        print(f"{self.kills} kills, {len(writer.lines)} lines, {acked} records acknowledged, "
              f"{unknown} of unknown fate; {books}")
        assert acked > 100 * self.kills and len(writer.lines) > 100 * self.kills, "too little load to mean anything"

    def _wait_drained(self, name, at_least):
        def drained():
            books = self.daemon.books(name)
            books.assert_balanced()
            return books.incoming >= at_least and books.spooled == 0
        wait_until(f"{name} is empty", drained, 90 * self.t.slow)

    def _failed(self, name):
        folder = self.t.path("backup", name)
        return backups.data(folder, "processing-failed") if os.path.exists(folder) else []

    def _sources(self, name):
        found = objects.read_dir(self.t.path("backup", name))
        return objects.lines({k: v for k, v in found.items() if not k.startswith("processing-failed")})

    def _check_sources_put(self, loads):
        unknown = {r for load in loads for r in load.unknown}
        sources = self._sources("put")
        objects.assert_exactly_once([r for r in sources if r not in unknown], [r for load in loads for r in load.acked])
        strays = [r for r in sources if r in unknown]
        assert len(strays) == len(set(strays)), "a source of unknown fate is in the backup twice"

    def _stored(self):
        if self.server:
            return {n: self.server.objects(n + "/") for n in ("put", "tailed")}
        if not self.s3:
            return {n: objects.read_dir(self.t.path("out", n)) for n in ("put", "tailed")}
        found = self.s3.snapshot()
        return {n: {k: v for k, v in found.items() if k.startswith(n + "/")} for n in ("put", "tailed")}

    def _check_exact(self, got, failed, records):
        objects.assert_exactly_once(got, [out for r in records for out in self.script.outputs(r)])
        objects.assert_exactly_once(failed, [r for r in records if self.script.fails(r)])

    def _check_put(self, got, failed, loads):
        """Acknowledged records exactly once; those of unknown fate at most once. How many of those there were."""
        unknown = {r for load in loads for r in load.unknown}
        theirs = {out for r in unknown for out in self.script.outputs(r)}
        self._check_exact([r for r in got if r not in theirs], [r for r in failed if r not in unknown],
                          [r for load in loads for r in load.acked])
        strays = [r for r in got if r in theirs] + [r for r in failed if r in unknown]
        assert len(strays) == len(set(strays)), "a record of unknown fate is there twice"
        return len(unknown)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--kills", type=int, default=20)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    p.add_argument("--store", choices=("s3", "file", *SERVERS), default="s3")
    p.add_argument("--transform", nargs="?", const="mixed", choices=sorted(SCRIPTS),
                   help="a script drops, splits, changes and fails records")
    p.add_argument("--all", action="store_true", help="the backup keeps all sources (backup: { mode: all })")
    p.add_argument("--partitions", type=int, default=0, metavar="N", help="records have one of N partition keys")
    args = p.parse_args()
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sluice-crash-", ignore_cleanup_errors=True) as folder:
        t = Case(args.build, folder, args.seed)
        try:
            Campaign(t, args.kills, args.store, args.transform, args.all, args.partitions).run()
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
