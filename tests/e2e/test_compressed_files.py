"""Rotated files that are compressed, as logrotate does it: what was delivered before is not delivered again, what was not is, once, whoever is
killed when."""

import gzip
import os
import subprocess
import threading
import time

from harness import wait_until
from tail_cases import Followed


def lines(tag, count):
    return b"".join(b"%s line %05d\n" % (tag, i) for i in range(count))


class Rotating(threading.Thread):
    """Writes numbered lines, rotates by renaming, and compresses what it renamed: under its name at once, in two halves, and then the old file
    is removed."""

    def __init__(self, followed, seed_random, total, rounds):
        super().__init__(daemon=True)
        self.w, self.random, self.total, self.rounds = followed, seed_random, total, rounds

    def compress(self, name):
        data = open(self.w.path(name), "rb").read()
        if self.random.random() < 0.3:
            packed, suffix = subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout, ".zst"
        else:
            packed, suffix = gzip.compress(data, 1), ".gz"
        with open(self.w.path(name + suffix), "wb", buffering=0) as f:
            f.write(packed[:len(packed) // 2])
            time.sleep(self.random.choice([0, 0.01, 0.2]))
            f.write(packed[len(packed) // 2:])
        os.remove(self.w.path(name))

    def rotate(self):
        for old in range(self.rounds, 0, -1):
            for suffix in (".gz", ".zst"):
                if os.path.exists(self.w.path(f"app.log.{old}{suffix}")):
                    os.rename(self.w.path(f"app.log.{old}{suffix}"), self.w.path(f"app.log.{old + 1}{suffix}"))
        os.rename(self.w.path("app.log"), self.w.path("app.log.1"))

    def run(self):
        n = 0
        for _ in range(self.rounds):
            until = n + self.total // self.rounds
            while n < until:
                count = min(self.random.randrange(1, 400), until - n)
                self.w.write("app.log", b"".join(b"number %07d\n" % (n + k) for k in range(count)))
                n += count
                time.sleep(0.001)
            self.rotate()
            self.compress("app.log.1")


def campaign(t, total, rounds, kills):
    w = Followed(t, paths=["app.log*"], compressed="read")
    w.d.start()
    rotating = Rotating(w, t.random, total, rounds)
    rotating.start()
    for _ in range(kills):
        time.sleep(t.random.uniform(0.05, 0.5))
        w.d.kill9()
        time.sleep(t.random.choice([0, 0.1, 0.4]))
        w.d.start()
    rotating.join()
    w.check(180)


def test_kill_9_among_files_that_are_compressed(t):
    campaign(t, 20_000, 15, 6)


test_kill_9_among_files_that_are_compressed.timeout = 300


def test_compressed_files_are_read_when_they_are_whole(t):
    """Those that were there are left alone with start: end; one that is damaged is told; one that is large is read in pieces, and taken up again
    behind a kill; with --once all are read."""
    w = Followed(t, paths=["a.log*"], compressed="read", start="end")
    packed = gzip.compress(lines(b"old", 1000))
    open(w.path("a.log.9.gz"), "wb").write(packed)
    w.d.start()
    w.d.wait_logged("compressed file was there before")
    large = lines(b"large", 200_000)
    open(w.path("a.log.2.gz"), "wb").write(gzip.compress(large, 1))
    w.expect(large.split(b"\n")[:-1])
    wait_until("some of it", lambda: w.d.books("app").incoming > 0, 60 * t.slow)
    w.d.kill9()
    open(w.path("a.log.3.gz"), "wb").write(packed[:-8] + b"\x55" * 8)
    w.d.start()
    w.wait()
    w.d.wait_logged("compressed file cannot be read")
    open(w.path("a.log.3.gz"), "wb").write(packed[:-20])
    time.sleep(0.2)
    w.write("a.log", lines(b"plain", 10))
    w.wait()
    open(w.path("a.log.3.gz"), "wb").write(packed)
    w.expect(lines(b"old", 1000).split(b"\n")[:-1])
    w.check()


test_compressed_files_are_read_when_they_are_whole.one_thread = True
