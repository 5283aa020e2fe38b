"""The running sluice in a terminal: `sluice status` and `sluice top`."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

from common import one_stream, to_file
from harness import wait_until


def read_until(fd, words, seconds):
    """What the terminal shows up to `words`; fails when they do not come."""
    seen = b""
    while words not in seen:
        assert select.select([fd], [], [], seconds)[0], f"{words!r} did not come, but {seen!r}"
        try:
            piece = os.read(fd, 65536)
        except OSError:
            piece = b""
        assert piece, f"it ended before {words!r}: {seen!r}"
        seen += piece
    return seen


def test_status_and_top_show_the_streams_of_the_running_daemon(t):
    d = t.daemon(one_stream("app", to_file(t), interval="60s")).start()
    shown = subprocess.run([t.binary, "status", "-c", d.config_path], capture_output=True, text=True, timeout=60 * t.slow)
    assert shown.returncode == 0 and "\napp " in shown.stdout and "\nready\n" in shown.stdout, shown
    assert "\033" not in shown.stdout
    piped = subprocess.run([t.binary, "top", "-c", d.config_path], capture_output=True, text=True, timeout=60 * t.slow)
    assert piped.returncode == 1 and "terminal" in piped.stderr, piped

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
    top = subprocess.Popen([t.binary, "top", "-c", d.config_path], stdin=theirs, stdout=theirs, stderr=theirs)
    try:
        first = read_until(ours, b"\033[J", 30 * t.slow)
        rows = re.sub(rb"\033\[[0-9?]*[A-Za-z]", b"", first).splitlines()
        assert any(row.startswith(b"app ") for row in rows) and max(map(len, rows)) == 40, first
        os.write(ours, b"xq")
        read_until(ours, b"\033[?1049l", 30 * t.slow)
        assert top.wait(timeout=30 * t.slow) == 0
        assert termios.tcgetattr(theirs) == before, "the terminal was not put back"
    finally:
        top.kill()
        top.wait()
        os.close(ours)
        os.close(theirs)
    d.stop()
    gone = subprocess.run([t.binary, "status", "-c", d.config_path], capture_output=True, text=True, timeout=60 * t.slow)
    assert gone.returncode == 1 and "is not reached" in gone.stderr, gone


def state_of(process):
    with open(f"/proc/{process.pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0]


def asks(process):
    """It has a connection."""
    for fd in os.listdir(f"/proc/{process.pid}/fd"):
        try:
            if os.readlink(f"/proc/{process.pid}/fd/{fd}").startswith("socket:"):
                return True
        except OSError:
            pass
    return False


def test_top_puts_the_terminal_back_when_it_pauses_and_when_it_is_ended_while_nobody_answers(t):
    d = t.daemon(one_stream("app", to_file(t), interval="60s")).start()
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    top = subprocess.Popen([t.binary, "top", "-c", d.config_path], stdin=theirs, stdout=theirs, stderr=theirs)
    try:
        read_until(ours, b"\033[J", 30 * t.slow)
        top.send_signal(signal.SIGTSTP)
        read_until(ours, b"\033[?1049l", 30 * t.slow)
        wait_until("top pauses", lambda: state_of(top) == "T", 30 * t.slow)
        assert termios.tcgetattr(theirs) == before, "the terminal was not put back for the pause"
        top.send_signal(signal.SIGCONT)
        read_until(ours, b"\033[J", 30 * t.slow)
        os.kill(d.process.pid, signal.SIGSTOP)
        os.write(ours, b"x")  # at once
        wait_until("top asks a sluice that does not answer", lambda: asks(top), 30 * t.slow)
        top.send_signal(signal.SIGQUIT)
        read_until(ours, b"\033[?1049l", 30 * t.slow)
        assert top.wait(timeout=30 * t.slow) == 0
        assert termios.tcgetattr(theirs) == before, "the terminal was not put back at the end"
    finally:
        os.kill(d.process.pid, signal.SIGCONT)
        top.kill()
        top.wait()
        os.close(ours)
        os.close(theirs)
    d.stop()
