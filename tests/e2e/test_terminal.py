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
import urllib.error
import urllib.parse
import urllib.request

from common import one_stream, to_file
from firehose import Firehose
from harness import wait_until
from reloading import token


def read_until(fd, seconds, *words):
    """What the terminal shows until each of `words` was there, in any order; fails when they do not come."""
    seen = b""
    while not all(w in seen for w in words):
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
        first = read_until(ours, 30 * t.slow, b"\033[J")
        rows = re.sub(rb"\033\[[0-9?]*[A-Za-z]", b"", first).splitlines()
        assert any(row.startswith(b"app ") for row in rows) and max(map(len, rows)) == 40, first
        os.write(ours, b"xq")
        read_until(ours, 30 * t.slow, b"\033[?1049l")
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
        read_until(ours, 30 * t.slow, b"\033[J")
        top.send_signal(signal.SIGTSTP)
        read_until(ours, 30 * t.slow, b"\033[?1049l")
        wait_until("top pauses", lambda: state_of(top) == "T", 30 * t.slow)
        assert termios.tcgetattr(theirs) == before, "the terminal was not put back for the pause"
        top.send_signal(signal.SIGCONT)
        read_until(ours, 30 * t.slow, b"\033[J")
        os.kill(d.process.pid, signal.SIGSTOP)
        os.write(ours, b"x")  # at once
        wait_until("top asks a sluice that does not answer", lambda: asks(top), 30 * t.slow)
        top.send_signal(signal.SIGQUIT)
        read_until(ours, 30 * t.slow, b"\033[?1049l")
        assert top.wait(timeout=30 * t.slow) == 0
        assert termios.tcgetattr(theirs) == before, "the terminal was not put back at the end"
    finally:
        os.kill(d.process.pid, signal.SIGCONT)
        top.kill()
        top.wait()
        os.close(ours)
        os.close(theirs)
    d.stop()


def own_terminal(fd):
    """Ctrl-C typed there is a signal for the child."""
    def become():
        os.setsid()
        fcntl.ioctl(fd, termios.TIOCSCTTY, 0)

    return become


def post_form(d, path, form):
    request = urllib.request.Request(f"http://127.0.0.1:{d.admin_port}{path}", data=form.encode(), method="POST",
                                     headers={"Content-Type": "application/x-www-form-urlencoded"})
    try:
        with urllib.request.urlopen(request, timeout=60 * d.slow) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read()


def test_tap_shows_what_passes_by_and_nothing_that_a_terminal_obeys(t):
    """In a terminal until Ctrl-C, which is a key there; elsewhere as many lines as were asked for."""
    script = t.path("script.lua")
    with open(script, "w", encoding="utf-8") as f:
        f.write("function transform(r, meta)\n  if r.raw == 'drop' then return nil end\n  return '<' .. r.raw .. '>'\nend\n")
    d = t.daemon(one_stream("app", to_file(t), interval="0s", transform={"lua": script})).start()
    client = Firehose(d.api_port)
    ours, theirs = pty.openpty()
    tap = subprocess.Popen([t.binary, "tap", "app", "-c", d.config_path], stdin=theirs, stdout=theirs, stderr=theirs,
                           preexec_fn=own_terminal(theirs))
    try:
        d.wait_logged("records of a stream are looked at")
        client.put("app", b"one\x1b[2J\xff")
        client.put("app", b"drop")
        # Two records may be two batches, transformed by two workers: the second may be done first.
        seen = read_until(ours, 30 * t.slow, b"1 in one\\x1b[2J\\xff", b"1 out <one\\x1b[2J\\xff>", b"2 in drop", b" dropped ")
        assert b"\x1b" not in seen and b"\xff" not in seen, seen
        os.write(ours, b"\x03")
        assert b"4 shown, 0 not shown" in read_until(ours, 30 * t.slow, b" not shown")
        assert tap.wait(timeout=30 * t.slow) == 0
    finally:
        tap.kill()
        tap.wait()
        os.close(ours)
        os.close(theirs)
    counted = subprocess.Popen([t.binary, "tap", "app", "-n", "1", "-c", d.config_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        while counted.poll() is None:
            client.put("app", b"again")
        out, err = counted.communicate(timeout=30 * t.slow)
        assert counted.returncode == 0 and re.fullmatch(rb"(\d+ more\n)?\d+ (in|out) <?again>?\n", out), (out, err)
    finally:
        counted.kill()
        counted.wait()
    form = urllib.parse.urlencode({"token": token(d)})
    page = post_form(d, "/streams/app/records", form)
    assert page[0] == 200 and b"again" in page[1] and post_form(d, "/streams/app/records", "token=wrong")[0] == 401, page
    assert b"again" not in d.log_text().encode() and "again" not in d.http("/streams/app")[1]
    d.stop()


def test_records_are_not_shown_where_the_configuration_says_so(t):
    d = t.daemon({**one_stream("app", to_file(t)), "admin": {"records": "never"}}).start()
    refused = subprocess.run([t.binary, "tap", "app", "-c", d.config_path], capture_output=True, text=True, timeout=60 * t.slow)
    assert refused.returncode == 1 and "admin.records" in refused.stderr, refused
    d.stop()
