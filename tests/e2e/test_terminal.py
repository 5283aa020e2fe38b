"""The running sluice in a terminal: `sluice status` and `sluice top`."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios

from common import one_stream, to_file


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
