"""Which files are followed: patterns that find nothing are told, with what to do; braces and ~ mean what they mean in a
shell; links are followed only when they may be."""

import ctypes
import os
import subprocess

from common import one_stream, to_file
from tail_cases import Followed


def told(w, pattern):
    """What the log says about a pattern at the start."""
    lines = [line for line in w.d.log() if line.get("path") == w.path(pattern) and "pattern" in line["msg"]]
    return lines[0]["cause"] if lines else None


def test_patterns_that_find_nothing(t):
    w = Followed(t, paths=["none/*.log", "lgos/*.log", "*.typo", "a[1].log", "{a,missing}.log", "pods/*", "old*.gz", "only-folder",
                           "fifo", "hidden.log", "app-%Y-%-m.log", "q"],
                 exclude=["hidden*"])
    os.mkdir(w.path("logs"))
    os.mkdir(w.path("pods"))
    os.makedirs(w.path("only-folder/below"))
    os.mkfifo(w.path("fifo"))
    w.write("a[1].log", b"not read\n", records=[])
    w.write("a.log", b"read\n")
    w.write("old.gz", b"not read\n", records=[])
    w.write("hidden.log", b"not read\n", records=[])
    os.symlink("/nowhere/containers/x.log", w.path("pods/dangling"))
    os.symlink("dangling", w.path("pods/chain"))
    validated = subprocess.run([w.d.binary, "validate", "-c", w.d.config_path], capture_output=True, text=True, check=False)
    assert validated.returncode == 0
    text = validated.stdout + validated.stderr
    for part in ("did you mean logs?", "/nowhere/containers/x.log", "in place of [", "compressed files", "excluded"):
        assert part in text, text
    w.d.start()
    w.wait()
    assert "did you mean logs?" in told(w, "lgos/*.log")
    assert "is not there" in told(w, "none/*.log")
    assert "no file matches yet" in told(w, "*.typo")
    assert "did you mean" not in told(w, "q"), told(w, "q")
    assert "write \\[ in place of [" in told(w, "a[1].log")
    assert told(w, "a.log") is None
    assert "missing.log is not there" in told(w, "missing.log")
    assert "2 of the links" in told(w, "pods/*") and "leads to /nowhere/containers/x.log" in told(w, "pods/*")
    assert "compressed" in told(w, "old*.gz")
    assert "no file matches" in told(w, "only-folder")
    assert "no regular file" in told(w, "fifo")
    assert "excluded" in told(w, "hidden.log")
    assert "%Y is no time here" in told(w, "app-%Y-%-m.log") and "app-*-*.log" in told(w, "app-%Y-%-m.log")
    w.write("b.typo", b"there now\n")
    w.wait()
    w.d.wait_logged("pattern finds files now")
    w.check()


def test_braces_and_home(t):
    w = Followed(t, paths=["{a,b/{c,d}}.log", "e{1}.log"], exclude=["{x,y}*.log", "b/{d,z}.log"])
    options = {"paths": ["~/logs/home/*.log", w.path("{a,b/{c,d}}.log"), w.path("e{1}.log")],
               "exclude": ["{x,y}*.log", "~/logs/b/{d,z}.log"], "start": "beginning"}
    w.d.configure(one_stream("app", to_file(t), inputs=[{"tail": options}], compression="none"))
    w.d.env["HOME"] = t.dir
    os.mkdir(w.path("b"))
    os.mkdir(w.path("home"))
    for name in ("a.log", "b/c.log", "e{1}.log", "home/h.log"):
        w.write(name, b"%s\n" % name.encode())
    for name in ("b/d.log", "e1.log", "c.log", "home/x1.log"):
        w.write(name, b"not read\n", records=[])
    w.d.start()
    w.check()


def test_a_folder_that_becomes_a_link(t):
    w = Followed(t, paths=["*/*.log"], follow_symlinks=False)
    os.makedirs(t.path("secret"))
    os.mkdir(w.path("sub"))
    with open(t.path("secret/x.log"), "wb") as f:
        f.write(b"a secret\n")
    w.write("sub/x.log", b"one\n")
    w.d.start()
    w.wait()
    os.rename(w.path("sub"), w.path("moved"))
    os.symlink(t.path("secret"), w.path("sub"))
    with open(t.path("secret/y.log"), "wb") as f:
        f.write(b"another secret\n")
    w.write("moved/x.log", b"two\n")
    w.wait()
    w.d.restart()
    w.write("moved/x.log", b"three\n")
    w.check()


def test_folders_and_files_swapped_for_links_all_the_time(t):
    # An attacker who may write in the folder, and a daemon that may read more than he.
    exchange = ctypes.CDLL(None, use_errno=True).renameat2
    w = Followed(t, paths=["*/*.log"], follow_symlinks=False, max_open_files=2)
    os.makedirs(t.path("secret"))
    for i in range(20):
        with open(t.path(f"secret/{i}.log"), "wb") as f:
            f.write(b"a secret\n")
    os.mkdir(w.path("sub"))
    os.symlink(t.path("secret"), w.path("link"))
    w.d.start()
    for i in range(200):
        assert exchange(-100, w.path("sub").encode(), -100, w.path("link").encode(), 2) == 0
        there = "link" if os.path.islink(w.path("sub")) else "sub"
        w.write(f"{there}/{i % 40}.log", b"a line %d\n" % i)
        if i % 10 == 0:
            os.symlink(t.path("secret/0.log"), w.path(f"{there}/s{i}.log"))
    w.check()


def test_a_fifo_in_place_of_a_file(t):
    w = Followed(t, paths=["*.log"])
    w.write("a.log", b"one\n")
    w.write("b.log", b"one\n")
    w.d.start()
    w.wait()
    os.unlink(w.path("a.log"))
    os.mkfifo(w.path("a.log"))
    w.write("b.log", b"two\n")
    w.check()
