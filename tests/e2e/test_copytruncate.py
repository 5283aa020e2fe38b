"""Rotation by copytruncate with the rotated names in the patterns: a copy is recognised by what is in it, whatever comes
first, and what was written between the last read and the truncation is read from it. Files that only look alike are
delivered whole."""

import os
import shutil
import threading
import time

from tail_cases import Followed


def lines(tag, count):
    return b"".join(b"%s line %05d\n" % (tag, i) for i in range(count))


def reading(t, count, name="a.log", paths=("a.log*",)):
    """A file with so many lines, all of which were read."""
    w = Followed(t, paths=list(paths))
    w.write(name, lines(b"first", count))
    w.d.start()
    w.wait()
    return w


def stopped_when_read(t):
    """... and more was written and rotated while nobody looked."""
    w = reading(t, 1000)
    w.d.stop()
    w.write("a.log", lines(b"while away", 200))
    copytruncate(w, "a.log", "a.log.1")
    w.write("a.log", lines(b"second", 300))
    return w


def copytruncate(w, name, to):
    shutil.copyfile(w.path(name), w.path(to))
    os.truncate(w.path(name), 0)


def test_a_copy_is_not_read_again(t):
    w = reading(t, 1000)
    copytruncate(w, "a.log", "a.log.1")
    w.write("a.log", lines(b"second", 500))
    w.wait()
    assert w.d.wait_logged("copy of one that was read")
    w.check()


def test_what_nobody_had_read_is_read_from_the_copy(t):
    w = reading(t, 1000)
    for i in range(3):  # at once: the daemon cannot have read all of it
        w.write("a.log", lines(b"unread %d" % i, 20_000))
        copytruncate(w, "a.log", f"a.log.{i}")
    w.write("a.log", lines(b"last", 10))
    w.check()


def test_the_copy_of_a_file_that_is_never_truncated_below_its_old_size(t):
    # Truncated, and longer than before when it is looked at: the bytes tell.
    w = reading(t, 100)
    shutil.copyfile(w.path("a.log"), w.path("a.log.1"))
    w.write("a.log", lines(b"second", 1000), mode="wb")
    w.check()


def test_what_is_written_and_read_between_copy_and_truncation(t):
    w = Followed(t, paths=["a.log*"])
    w.d.start()
    for i in range(3):
        w.write("a.log", lines(b"life %d" % i, 3000))
        w.wait()
        shutil.copyfile(w.path("a.log"), w.path(f"a.log.{i}"))
        w.write("a.log", lines(b"late %d" % i, 100))
        w.d.wait_delivered("app", len(w.expected))
        os.truncate(w.path("a.log"), 0)
    w.write("a.log", lines(b"last", 5))
    w.check()


def test_a_copy_that_is_made_while_nobody_looks(t):
    w = stopped_when_read(t)
    os.rename(w.path("a.log.1"), w.path("a.log.2"))
    copytruncate(w, "a.log", "a.log.1")  # and once more
    w.write("a.log", lines(b"third", 50))
    w.d.start()
    w.wait()
    w.d.restart()
    w.write("a.log", lines(b"fourth", 5))
    w.check()


def test_once_recognises_it_too(t):
    w = stopped_when_read(t)
    w.d.spawn("--once").wait_exit(60)
    w.compare()


def test_a_copy_that_is_made_slowly(t):
    w = reading(t, 3000)
    w.write("a.log", lines(b"unread", 3000))
    with open(w.path("a.log"), "rb") as f:
        content = f.read()
    with open(w.path("a.log.1"), "ab", buffering=0) as copy:
        for at in range(0, len(content), 10_000):  # not at the ends of lines
            copy.write(content[at:at + 10_000])
            time.sleep(0.1)
    os.truncate(w.path("a.log"), 0)
    w.write("a.log", lines(b"second", 100))
    w.check()


def test_rotations_in_a_row(t):
    w = Followed(t, paths=["a.log*", "old/*"])
    os.mkdir(w.path("old"))
    w.d.start()
    for i in range(6):
        w.write("a.log", lines(b"life %d" % i, 700 - 100 * i))
        if i % 2:
            w.wait()
        for old in (2, 1):
            if os.path.exists(w.path(f"a.log.{old}")):
                os.rename(w.path(f"a.log.{old}"), w.path(f"a.log.{old + 1}"))
        copytruncate(w, "a.log", "a.log.1")
    w.write("a.log", lines(b"dated", 10))
    w.wait()
    copytruncate(w, "a.log", "a.log-20261126")
    w.write("a.log", lines(b"in another folder", 20))
    w.wait()
    copytruncate(w, "a.log", "old/a.log.1")
    w.write("a.log", lines(b"under its own name", 20))
    w.wait()
    copytruncate(w, "a.log", "old/a.log")
    w.write("a.log", lines(b"last", 20))
    w.check()


def test_the_date_before_the_extension(t):
    w = reading(t, 100, "app.log", ["*.log"])
    copytruncate(w, "app.log", "app-20261126.log")
    w.write("app.log", lines(b"second", 100))
    w.wait()
    copytruncate(w, "app.log", "app-20261127.log")
    w.write("app.log", lines(b"third", 100))
    w.check()


def test_a_copy_of_what_a_link_leads_to(t):
    w = Followed(t, paths=["current.log*"])
    os.mkdir(w.path("data"))
    w.write("data/app-of-this-year.txt", lines(b"first", 100))
    os.symlink("data/app-of-this-year.txt", w.path("current.log"))
    w.d.start()
    w.wait()
    for i in range(2):
        w.write("current.log", lines(b"unread %d" % i, 1000))
        copytruncate(w, "current.log", f"current.log.{i}")
    w.write("current.log", lines(b"last", 10))
    w.check()


def test_copies_over_the_same_names(t):
    # cp app.log.1 app.log.2; cp app.log app.log.1; : > app.log -- the copies keep their inodes.
    w = Followed(t, paths=["a.log*"])
    w.d.start()
    for i in range(4):
        w.write("a.log", lines(b"life %d" % i, 300))
        w.wait()
        if os.path.exists(w.path("a.log.1")):
            shutil.copyfile(w.path("a.log.1"), w.path("a.log.2"))
        copytruncate(w, "a.log", "a.log.1")
        w.write("a.log", lines(b"after %d" % i, 3))
        w.wait()
    w.check()


def test_a_copy_of_a_file_that_is_deleted_then(t):
    # logrotate's renamecopy, and mv to another file system.
    w = Followed(t, paths=["a.log*", "old/*"])
    os.mkdir(w.path("old"))
    w.write("a.log", lines(b"first", 100))
    w.d.start()
    w.wait()
    os.rename(w.path("a.log"), w.path("a.log.tmp"))
    shutil.copyfile(w.path("a.log.tmp"), w.path("old/a.log.1"))
    os.unlink(w.path("a.log.tmp"))
    w.write("a.log", lines(b"second", 100))
    w.check()


def test_files_that_begin_alike_are_all_delivered(t):
    w = Followed(t, paths=["*.log*", "*.csv"])
    head = b"time,value\n"
    w.write("a.log", head + lines(b"a", 10))
    w.write("a.log.1", head + lines(b"older", 10))  # a rotated file of before
    w.write("a.log.2", head)
    w.write("x.csv", head)
    w.d.start()
    w.write("a.log.3", head)  # nothing more ever comes
    w.write("x-1.csv", head)
    w.write("a.log.4", head + lines(b"of its own", 10))
    w.write("a.log.5", head + lines(b"a", 10))  # the same as a.log, which stays as it is
    w.write("a.log.6", head + lines(b"a", 9))
    w.wait()
    w.write("a.log", lines(b"more", 10))
    w.write("a.log.5", lines(b"more of it", 10))
    w.check()


def test_files_that_begin_alike_when_one_is_truncated(t):
    # Read to the same length, ending alike, and not the same: the checksum over all of it tells.
    w = Followed(t, paths=["a.log*"])
    beat = b"beat\n" * 500
    w.write("a.log", b"head\nx1\n" + beat)
    w.d.start()
    w.wait()
    w.write("a.log.1", b"head\nx2\n" + beat)
    os.truncate(w.path("a.log"), 0)
    w.write("a.log", b"head\n" + lines(b"second", 10))
    w.check()


def test_a_copy_of_what_came_while_nothing_could_be_read(t):
    # What was found out of the file before the spool was full is in it no more when it is read.
    w = Followed(t, paths=["filler.*", "a.log*"], spool="8MiB")
    blocker = t.path("out")
    with open(blocker, "wb"):
        pass  # a file where the destination wants a folder
    for i in range(120):  # they are read before a.log, and it is looked at before that
        w.write(f"filler.{i}", b"".join(b"%03d %03d %s\n" % (i, k, b"x" * 990) for k in range(100)))
    w.write("a.log", lines(b"of one that nobody reads", 400), records=[])
    w.d.start()
    assert w.d.wait_logged("inputs are pushed back")
    w.write("a.log", lines(b"second", 120), mode="wb")
    os.unlink(blocker)
    w.wait()
    w.write("a.log", lines(b"the rest of it", 400))
    w.wait()
    shutil.copyfile(w.path("a.log"), w.path("a.log.1"))
    assert w.d.wait_logged(r"new file.*a\.log\.1")
    time.sleep(0.3)  # it would be read as a file of its own by now
    os.truncate(w.path("a.log"), 0)
    w.write("a.log", lines(b"third", 50))
    w.check()


class Renaming(threading.Thread):
    """Moves every file on by one name, again and again."""

    def __init__(self, w, count, seconds):
        super().__init__(daemon=True)
        self.w, self.count, self.seconds, self.rounds = w, count, seconds, 0

    def run(self):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            for i in range(self.rounds + self.count, self.rounds, -1):
                os.rename(self.w.path(f"a.log.{i}"), self.w.path(f"a.log.{i + 1}"))
            self.rounds += 1


def renamed_while_looked_for(t, seconds):
    w = Followed(t, paths=["a.log*"])
    for i in range(1, 201):
        w.write(f"a.log.{i}", lines(b"file %d" % i, 2))
    renaming = Renaming(w, 200, seconds)
    renaming.start()
    return w, renaming


def test_files_that_move_between_the_look_and_the_read(t):
    w, renaming = renamed_while_looked_for(t, 2)
    w.d.start()
    renaming.join()
    assert renaming.rounds > 1, "they were not renamed while somebody looked"
    w.check()


def test_files_that_move_while_once_looks(t):
    w, renaming = renamed_while_looked_for(t, 0.5)
    w.d.spawn("--once").wait_exit(60)
    renaming.join()
    w.compare()


class Rotating(threading.Thread):
    """Writes, and rotates by copytruncate with nothing written in between, as the program is the rotator itself."""

    def __init__(self, followed, seed_random, rounds):
        super().__init__(daemon=True)
        self.w, self.random, self.rounds = followed, seed_random, rounds
        self.enough = False  # it goes on behind `rounds`, until that is so

    def run(self):
        n = i = 0
        while i < self.rounds or not self.enough:
            i += 1
            for _ in range(self.random.randrange(1, 30)):
                count = self.random.randrange(1, 200)
                self.w.write("a.log", b"".join(b"number %07d\n" % (n + k) for k in range(count)))
                n += count
                time.sleep(0.001)
            for old in range(i, 0, -1):  # none is deleted
                if os.path.exists(self.w.path(f"a.log.{old}")):
                    os.rename(self.w.path(f"a.log.{old}"), self.w.path(f"a.log.{old + 1}"))
            copytruncate(self.w, "a.log", "a.log.1")


def test_kill_9_among_copies(t):
    w = Followed(t, paths=["a.log*"])
    w.d.start()
    rotating = Rotating(w, t.random, 40)
    rotating.start()
    kills = 0
    while rotating.is_alive():
        time.sleep(t.random.uniform(0.05, 0.4))
        w.d.kill9()
        w.d.start()
        kills += 1
        rotating.enough = kills >= 2
    rotating.join()
    w.check(120)


test_kill_9_among_copies.timeout = 300
