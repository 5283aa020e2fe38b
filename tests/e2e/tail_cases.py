"""Followed files and stdin: what is written is delivered once, whatever happens to the files and to the daemon.

Every case keeps the list of the lines it wrote and compares it, as a multiset, with the lines of the delivered objects.
The file sink overwrites an object that is delivered again after a crash, so "once" holds across kill -9 too.
"""

import os
import random
import stat
import subprocess
import threading
import time
from collections import Counter

import objects
from common import MIB, one_stream, to_file
from harness import wait_until

RECORD_MAX = 1_024_000


class Followed:
    """A folder of logs, a daemon that follows it, and what it must deliver."""

    def __init__(self, t, paths=("*.log",), spool=None, **options):
        self.t = t
        self.dir = t.path("logs")
        os.makedirs(self.dir, exist_ok=True)
        options = {"start": "beginning", "last_line": "500ms", "rescan": "1s", **options}
        options["paths"] = [self.path(p) for p in paths]
        more = {"spool": {"limit": spool}} if spool else {}
        self.config = one_stream("app", to_file(t), inputs=[{"tail": options}], interval="1s", compression="none", **more)
        self.d = t.daemon(self.config)
        self.expected = []
        self.lock = threading.Lock()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, data, mode="ab", records=None):
        """Writes bytes; what they must deliver is `records`, or the lines of the data."""
        with open(self.path(name), mode, buffering=0) as f:
            f.write(data)
        self.expect(data.split(b"\n")[:-1] if records is None else records)

    def expect(self, records):
        with self.lock:
            self.expected += records

    def wait(self, timeout=60):
        """Until everything that is expected is delivered."""
        self.d.wait_delivered("app", len(self.expected), timeout)
        return self

    def check(self, timeout=60):
        """The end of a case: everything is there, once, and the daemon goes in peace."""
        self.wait(timeout)
        self.d.stop()
        self.compare()

    def compare(self):
        got, want = Counter(self.delivered()), Counter(self.expected)
        lost, extra = want - got, got - want
        assert not lost and not extra, (
            f"{sum(lost.values())} lost, {sum(extra.values())} too many; lost: {short(lost)}; too many: {short(extra)}"
        )

    def delivered(self):
        out = []
        for body in objects.read_dir(self.t.path("out")).values():
            assert body.endswith(b"\n"), "an object must end with a newline"
            out += body.split(b"\n")[:-1]
        return out


def short(counter):
    return [line[:60] for line in sorted(counter)[:5]]


class Writer(threading.Thread):
    """A program that logs without pause, and rotates by renaming: the name is moved away while the handle stays open
    for a few lines more, as with a daemon that reopens on a signal."""

    def __init__(self, followed, seed, lines=40_000, rotate_every=3_000, name="app.log", until_seen=False):
        super().__init__(daemon=True)
        self.until_seen = until_seen  # a file that is moved to a name outside of `paths` before anybody saw it is nobody's
        self.followed, self.lines, self.rotate_every, self.name = followed, lines, rotate_every, name
        self.random = random.Random(seed)
        self.written, self.rotations = 0, 0
        self.enough = True  # False: it goes on behind `lines`, until that is so

    def run(self):
        f = open(self.followed.path(self.name), "ab", buffering=0)
        while self.written < self.lines or not self.enough:
            n = self.random.randrange(1, 40)
            block = [b"%s %07d %s" % (self.name.encode(), self.written + i, b"x" * self.random.randrange(0, 200))
                     for i in range(n)]
            f.write(b"".join(line + b"\n" for line in block))
            self.followed.expect(block)
            self.written += n
            if self.written // self.rotate_every > self.rotations:
                f = self.rotate(f)
            time.sleep(0.0005)
        f.close()

    def seen(self):
        return self.followed.d.log_text().count(f"/{self.name} offset=0") > self.rotations

    def rotate(self, f):
        if self.until_seen:
            wait_until(f"{self.name} is seen", self.seen, 60 * self.followed.t.slow)
        self.rotations += 1
        os.rename(self.followed.path(self.name), self.followed.path(f"{self.name}.{self.rotations}"))
        late = b"%s late line of rotation %d" % (self.name.encode(), self.rotations)
        if self.random.random() < 0.5:
            time.sleep(0.01)
        f.write(late + b"\n")
        self.followed.expect([late])
        f.close()
        return open(self.followed.path(self.name), "ab", buffering=0)


def test_rotation_by_rename_under_load(t):
    w = Followed(t)
    w.d.start()
    writers = [Writer(w, t.seed + i, name=f"app{i}.log", until_seen=True) for i in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    w.check(120)


def test_kill_9_in_mid_rotation(t):
    # The rotated names are in the patterns: a file can come and be rotated away while nobody looks.
    w = Followed(t, paths=["*.log", "*.log.*"])
    w.d.start()
    writer = Writer(w, t.seed, lines=60_000, rotate_every=1_000)
    writer.enough = False
    writer.start()
    kills = 0
    while writer.is_alive():
        time.sleep(t.random.uniform(0.05, 0.6))
        w.d.kill9()
        kills += 1
        if t.random.random() < 0.5:
            time.sleep(t.random.uniform(0, 0.3))  # rotations that nobody sees
        w.d.start()
        writer.enough = kills >= 2
    writer.join()
    w.check(120)


test_kill_9_in_mid_rotation.timeout = 300


def test_copytruncate(t):
    w = Followed(t)
    w.write("a.log", b"".join(b"before %d\n" % i for i in range(1000)))
    w.d.start()
    w.wait()
    os.truncate(w.path("a.log"), 0)  # everything was read: nothing is lost
    w.write("a.log", b"after\n")
    w.wait()
    assert w.d.wait_logged("truncated", level="warn")
    # Truncated and longer than before when we look again: only the bytes tell.
    w.write("a.log", b"".join(b"longer than before %d\n" % i for i in range(100)), mode="wb")
    w.check()


def test_a_file_that_is_deleted_while_open(t):
    w = Followed(t)
    w.write("a.log", b"one\n")
    w.d.start()
    w.wait()
    with open(w.path("a.log"), "ab", buffering=0) as f:
        os.unlink(w.path("a.log"))
        for i in range(10):
            f.write(b"after the deletion %d\n" % i)
            w.expect([b"after the deletion %d" % i])
            time.sleep(0.1)
        w.write("a.log", b"its successor\n")
        w.wait()
    w.check()


def test_a_symbolic_link_that_is_switched(t):
    w = Followed(t, paths=["current.log"])
    os.mkdir(w.path("data"))
    for i in range(3):
        w.write(f"data/{i}", b"file %d\n" % i)
        os.symlink(f"data/{i}", w.path("next"))
        os.rename(w.path("next"), w.path("current.log"))
        if i == 0:
            w.d.start()
        w.wait()
        w.write(f"data/{i}", b"file %d, more\n" % i)
        w.wait()
    w.write("data/0", b"the first one is still read\n")
    w.check()


def test_links_are_left_alone_when_told_so(t):
    w = Followed(t, follow_symlinks=False)
    w.write("a.txt", b"behind the link\n", records=[])
    os.symlink("a.txt", w.path("link.log"))
    w.write("b.log", b"a file\n")
    w.d.start()
    w.check()


def as_nobody(t, d):
    """Makes the daemon run without root's right to read everything."""
    if os.geteuid() != 0:
        return
    script = t.path("as-nobody")
    with open(script, "w", encoding="ascii") as f:
        f.write(f'#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups "{d.binary}" "$@"\n')
    os.chmod(script, 0o755)
    for folder in (t.dir, t.path("logs")):
        os.chown(folder, 65534, 65534)
    if subprocess.run([script, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 126:
        t.skip("the build folder is not readable for others")
    d.binary = script


def test_a_file_that_cannot_be_read_at_first(t):
    w = Followed(t)
    as_nobody(t, w.d)
    w.write("a.log", b"secret for now\n")
    w.write("b.log", b"open\n")
    os.chmod(w.path("a.log"), 0)
    w.d.start()
    w.d.wait_logged("cannot be read", level="warn")
    w.d.wait_delivered("app", 1)
    assert w.d.metrics().get("sluice_input_errors_total", stream="app") >= 1
    os.chmod(w.path("a.log"), stat.S_IRUSR | stat.S_IROTH)
    w.check()
    assert w.d.wait_logged("can be read again")


def test_a_last_line_without_newline(t):
    w = Followed(t)
    w.write("a.log", b"whole\nthe first half", records=[b"whole", b"the first half"])
    w.d.start()
    w.wait()
    w.write("a.log", b", the second half\n", records=[b", the second half"])
    w.write("b.log", b"only the newline is missing", records=[b"only the newline is missing"])
    w.wait()
    w.write("b.log", b"\nnext\n", records=[b"next"])
    w.wait()
    w.write("b.log", b"delivered, then we are killed", records=[b"delivered, then we are killed"])
    w.wait()
    w.d.kill9()
    w.write("b.log", b"\nand the rest\n", records=[b"and the rest"])
    w.d.start()
    w.check()


def test_a_line_that_is_written_slowly_is_not_split(t):
    w = Followed(t, last_line=f"{round(3 * t.slow)}s")
    w.d.start()
    with open(w.path("a.log"), "ab", buffering=0) as f:
        for _ in range(20):
            f.write(b"piece ")
            time.sleep(0.2)
        f.write(b"end\n")
    w.expect([b"piece " * 20 + b"end"])
    w.check()


def test_lines_over_the_record_limit(t):
    w = Followed(t)
    long_line = bytes(t.random.choices(b"abcdefgh", k=3 * RECORD_MAX + 77))
    pieces = [long_line[i:i + RECORD_MAX] for i in range(0, len(long_line), RECORD_MAX)]
    exact = b"e" * RECORD_MAX
    w.write("a.log", b"before\n" + long_line + b"\n" + exact + b"\nafter\n", records=[b"before", *pieces, exact, b"after"])
    w.d.start()
    w.wait()
    assert w.d.metrics().get("sluice_input_split_lines_total", stream="app") == 1
    w.check()


def test_every_byte_passes(t):
    w = Followed(t)
    every = [bytes([b]) for b in range(256) if b != 10]
    lines = [b"".join(every), b"cr\r", b"\r\r", b"a\rb", b"\0", b"\0\0nul\0", b"\xff\xfe\xc0\x80", "grüße".encode(), b""]
    w.write("a.log", b"".join(line + b"\n" for line in lines + every))
    w.d.start()
    w.check()


def test_folders_that_come_and_go(t):
    w = Followed(t, paths=["**/*.log", "flat"], exclude=["skip*", w_path(t, "never/**")])
    w.d.start()
    for name in ("x/y", "never/z", "flat/below", "x/.hidden"):
        os.makedirs(w.path(name))
    w.write("x/y/deep.log", b"deep\n")
    w.write("x/a.log", b"a\n")
    w.write("never/z/b.log", b"no\n", records=[])
    w.write("x/.hidden/c.log", b"no\n", records=[])
    w.write("skip-this.log", b"no\n", records=[])
    w.write("x/a.log.gz", b"no\n", records=[])
    w.write("flat/anything", b"in the folder\n")
    w.write("flat/below/anything", b"no\n", records=[])
    w.wait()
    os.rename(w.path("x"), w.path("renamed"))
    w.write("renamed/y/deep.log", b"deeper\n")
    w.check()


def w_path(t, *parts):
    return os.path.join(t.path("logs"), *parts)


def test_start_at_the_end(t):
    w = Followed(t, start="end", last_line="60s")  # else half a line is a record when we are slow
    w.write("a.log", b"old\n", records=[])
    w.write("idle.log", b"old\nhalf", records=[])
    w.d.start()
    w.write("a.log", b"new\n")
    w.write("idle.log", b" a line\n", records=[b"half a line"])
    w.write("b.log", b"a new file\n")
    w.wait()
    w.d.kill9()
    w.write("a.log", b"while away\n")
    w.write("c.log", b"a new file while away\n")
    w.d.start()
    w.check()


def test_20000_files(t):
    count = 5_000 if t.sanitized else 20_000
    w = Followed(t, max_open_files=256)
    for i in range(count):
        w.write(f"{i:05}.log", b"first line of %d\n" % i)
    w.d.start()
    w.wait(120)
    for i in t.random.sample(range(count), count // 10):
        w.write(f"{i:05}.log", b"second line of %d\n" % i)
    for i in range(100):  # a rotation of files whose handles were closed long ago
        w.write(f"{i:05}.log", b"last line of %d\n" % i)
        os.rename(w.path(f"{i:05}.log"), w.path(f"{i:05}.log.1"))
        w.write(f"{i:05}.log", b"successor of %d\n" % i)
    w.wait(120)
    handles = len(os.listdir(f"/proc/{w.d.process.pid}/fd"))
    assert handles < 256 + 100, f"{handles} open handles"
    w.d.kill9()
    w.write("00042.log", b"while away\n")
    w.d.start()
    w.check(120)


test_20000_files.timeout = 300


def test_a_full_spool_holds_reading_and_loses_nothing(t):
    w = Followed(t, spool="8MiB")
    blocker = t.path("out")
    with open(blocker, "wb"):
        pass  # a file where the destination wants a folder
    line = b"x" * 990
    w.write("a.log", b"".join(b"%08d %s\n" % (i, line) for i in range(30_000)))
    w.d.start()
    wait_until("the spool is nearly full", lambda: w.d.books("app").spooled > 5_000, 30 * t.slow)
    time.sleep(1)
    assert w.d.disk_bytes() < 12 * MIB
    w.d.kill9()
    w.d.start()
    os.unlink(blocker)
    w.check(120)


test_a_full_spool_holds_reading_and_loses_nothing.timeout = 240


def test_once_reads_to_the_end_and_again_only_what_is_new(t):
    w = Followed(t, start="end")  # has no meaning with --once
    w.write("a.log", b"one\ntwo\nlast", records=[b"one", b"two", b"last"])
    w.d.spawn("--once").wait_exit(60)
    w.compare()
    w.d.spawn("--once").wait_exit(60)
    w.compare()
    w.write("a.log", b"\nthree\n", records=[b"three"])
    w.write("b.log", b"")
    w.d.spawn("--once").wait_exit(60)
    w.compare()


def stdin_case(t, **spawn):
    w = Followed(t)
    w.config["streams"]["app"]["inputs"] = ["stdin"]
    w.d.configure(w.config)
    return w


def test_a_pipe_into_once(t):
    w = stdin_case(t)
    lines = [b"%d %s" % (i, b"y" * (i % 300)) for i in range(100_000)] + [b"\r", b"", b"\0"]
    w.d.spawn("--once", stdin=subprocess.PIPE)
    w.d.process.stdin.write(b"".join(line + b"\n" for line in lines) + b"no newline")
    w.d.process.stdin.close()
    w.d.wait_exit(60)
    w.expect(lines + [b"no newline"])
    w.compare()


def test_a_file_as_stdin_of_once(t):
    w = stdin_case(t)
    with open(t.path("in"), "wb") as f:
        f.write(b"one\ntwo\n")
    with open(t.path("in"), "rb") as f:
        w.d.spawn("--once", stdin=f).wait_exit(60)
    w.expect([b"one", b"two"])
    w.compare()


def test_stdin_of_a_daemon_may_end(t):
    w = stdin_case(t)
    w.d.start(stdin=subprocess.PIPE)
    w.d.process.stdin.write(b"one\n")
    w.d.process.stdin.flush()
    w.expect([b"one"])
    w.wait()
    w.d.process.stdin.close()
    w.d.wait_logged("stdin has ended")
    w.check()
