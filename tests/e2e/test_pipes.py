"""The inputs exec and fifo: what a program prints, and what is written into a named pipe."""

import os
import subprocess

import objects
from common import stream, to_file
from harness import wait_until

PROGRAM = """#!/bin/sh
echo "begins with ${SECRET:-nothing} and $GIVEN"
echo "a word to the log" >&2
trap 'echo "was asked to end"; exit 0' TERM
while [ ! -e %(fail)s ]; do sleep 0.05; done
rm -f %(fail)s
exit 7
"""


def got(t, folder="out"):
    return [line.decode() for line in objects.lines(objects.read_dir(t.path(folder)))]


def test_programs_and_named_pipes(t):
    """One program that runs for ever, fails once and is asked to end; one that runs now and then; one that does not hear; one that is not
    there; and a pipe whose writers come and go, also while the daemon is killed."""
    with open(t.path("program"), "w") as f:
        f.write(PROGRAM % {"fail": t.path("fail")})
    os.chmod(t.path("program"), 0o755)
    deaf = ["sh", "-c", "trap '' TERM; echo deaf; sleep 1000 & wait; wait"]
    d = t.daemon({"streams": {
        "ever": stream(to_file(t), inputs=[{"exec": {"command": [t.path("program")], "environment": ["GIVEN=this"]}}], interval="0s"),
        "often": stream(to_file(t, "often"), inputs=[{"exec": {"command": ["echo", "now and then"], "interval": "100ms"}}], interval="0s"),
        "deaf": stream(to_file(t, "deaf"), inputs=[{"exec": {"command": deaf}}, {"exec": {"command": ["/nowhere/program"]}}], interval="0s"),
        "pipe": stream(to_file(t, "pipe"), inputs=[{"fifo": {"path": t.path("fifo"), "mode": "0620"}}], interval="0s")},
        "shutdown": {"grace": "10s"}})
    d.env = {"SECRET": "a secret", "PATH": os.environ["PATH"]}
    d.start()
    d.wait_delivered("ever", 1)
    wait_until("three runs", lambda: d.books("often").delivered >= 3, 60 * t.slow)
    d.wait_delivered("deaf", 1)
    with open(t.path("fail"), "w"):
        pass
    d.wait_delivered("ever", 2)
    assert d.wait_logged("the program says.*a word to the log")
    assert d.wait_logged("the program does not run.*exit code 7") and d.wait_logged("the program does not run.*/nowhere/program")
    status, text = d.http("/readyz")
    assert status == 200 and "input exec-2 has no connection" in text, text

    wait_until("the pipe", lambda: os.path.exists(t.path("fifo")), 60 * t.slow)
    assert os.stat(t.path("fifo")).st_mode & 0o777 == 0o620
    for i in range(3):
        with open(t.path("fifo"), "w") as w:
            w.write(f"{i} one\n{i} two\n{i} rest")
        d.wait_delivered("pipe", 3 * i + 3)  # else the next writer's first line would be the rest of this one's last
    with open(t.path("fifo"), "w") as w:  # its writer stays while the daemon goes and comes back
        w.write("before\n")
        w.flush()
        d.wait_delivered("pipe", 10)
        keeper = os.open(t.path("fifo"), os.O_RDONLY | os.O_NONBLOCK)
        d.kill9()
        w.write("while it is away\n")
        w.flush()
        d.start()
        w.write("after\n")
        w.flush()
        d.wait_delivered("pipe", 12)
        os.close(keeper)
    d.wait_delivered("ever", 3)
    d.wait_delivered("deaf", 2)
    d.stop()
    assert "was killed" in d.log_text() or d.logged("did not end when it was asked to")
    assert set(got(t)) == {"begins with nothing and this", "was asked to end"}, got(t)
    assert set(got(t, "often")) == {"now and then"} and set(got(t, "deaf")) == {"deaf"}
    lines = [f"{i} {what}" for i in range(3) for what in ("one", "two", "rest")] + ["before", "while it is away", "after"]
    assert sorted(got(t, "pipe")) == sorted(lines)
    left = subprocess.run(["pgrep", "-f", t.path("program")], capture_output=True, text=True, check=False).stdout
    assert not left, left
