"""What becomes of the log: whoever reads it may stop, go away or never have been there, and the daemon does not mind."""

import fcntl
import json
import os
import resource
import signal
import subprocess

import objects
from common import append_lines, numbered_lines, one_stream, tail, to_file
from firehose import Firehose
from harness import SANITIZER_ENV, parse_logfmt, wait_until


def spawn(t, d, **kw):
    """Starts it with standard descriptors of the test's choice."""
    d.process = subprocess.Popen([t.binary, "run", "-c", d.config_path], cwd=t.dir,
                                 env={**os.environ, **SANITIZER_ENV}, **{"stdin": subprocess.DEVNULL, **kw})
    wait_until("it answers", lambda: d.http("/healthz")[0] == 200, 20 * t.slow)
    return d


def noisy(t, **more):
    """A daemon that logs each file it finds, and each delivery."""
    os.mkdir(t.path("logs"))
    d = t.daemon({"log": {"level": "debug"}, "shutdown": {"grace": "2s"},
                  **one_stream("app", to_file(t), inputs=["api", tail(t.path("logs", "*.log"))], interval="0s", **more)})
    return d


def dropped(d):
    return d.metrics().get("sluice_log_lines_dropped_total")


def full_pipe():
    """A pipe that takes nothing more, and what is in it."""
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(w, False)
    os.write(w, b"." * 4095 + b"\n")
    os.set_blocking(w, True)
    return r, w


def deliver(t, d, count=300):
    records = numbered_lines(t.random, count)
    append_lines(t.path("logs", "a.log"), records)
    d.wait_delivered("app", count)
    assert d.http("/readyz")[0] == 200
    return records


def test_a_log_that_nobody_reads_stops_nothing(t):
    d = noisy(t)
    r, w = full_pipe()
    spawn(t, d, stdout=w, stderr=w)
    os.close(w)
    records = deliver(t, d)
    d.process.terminate()
    assert d.process.wait(20 * t.slow) == 0, "all was delivered"
    os.close(r)
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), records)


def test_a_second_signal_ends_it_though_nobody_reads_the_log(t):
    d = noisy(t)
    r, w = full_pipe()
    spawn(t, d, stdout=w, stderr=w)
    os.close(w)
    deliver(t, d)
    os.kill(d.process.pid, signal.SIGSTOP)  # both arrive while it does not run
    d.process.send_signal(signal.SIGTERM)
    d.process.send_signal(signal.SIGINT)
    os.kill(d.process.pid, signal.SIGCONT)
    d.process.wait(20 * t.slow)
    os.close(r)


def test_lines_that_were_dropped_are_counted_and_told_when_it_is_read_again(t):
    os.mkdir(t.path("logs"))
    with open(t.path("loud.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r)\n  for _ = 1, 20 do sluice.log('warn', ('loud '):rep(99)) end\n  return r\nend\n")
    d = t.daemon(one_stream("app", to_file(t), interval="0s", transform={"lua": t.path("loud.lua")}))
    r, w = full_pipe()
    spawn(t, d, stdout=w, stderr=w)
    os.close(w)
    client = Firehose(d.api_port)
    for n in range(1, 400):
        client.put("app", b"a batch of its own")
        if n % 20 == 0:
            d.wait_delivered("app", n)
            if dropped(d):
                break
    lost = dropped(d)
    assert lost > 0
    text = b""
    os.set_blocking(r, False)

    def read_all():
        nonlocal text
        try:
            text += os.read(r, 1 << 20)
        except BlockingIOError:
            pass
        return b"dropped" in text
    wait_until("the line that says how many", read_all, 20 * t.slow)
    line = next(parse_logfmt(li) for li in text.decode().splitlines() if "dropped" in li)
    assert line["msg"] == "%d log lines were dropped" % lost and line["level"] == "warn", line
    os.set_blocking(r, True)
    d.process.terminate()
    rest = b""
    while chunk := os.read(r, 1 << 16):
        rest += chunk
    assert d.process.wait(20 * t.slow) == 0
    assert b"everything is delivered" in rest, rest
    os.close(r)


def test_a_log_whose_reader_is_gone_stops_nothing(t):
    d = noisy(t)
    r, w = os.pipe()
    spawn(t, d, stdout=w, stderr=w)
    os.close(w)
    os.close(r)
    deliver(t, d)
    d.process.terminate()
    assert d.process.wait(20 * t.slow) == 0


def test_a_log_on_a_full_disk_stops_nothing(t):
    d = noisy(t)
    with open("/dev/full", "wb") as full:
        spawn(t, d, stdout=full, stderr=full)
    deliver(t, d)
    assert dropped(d) > 0
    d.process.terminate()
    assert d.process.wait(20 * t.slow) == 0


def test_closed_standard_descriptors_are_held_open(t):
    for case, closed in enumerate(((0, 1, 2), (2,), (1, 2), (0,))):
        d = t.daemon(one_stream("app", to_file(t, f"out{case}"), interval="0s"), f"case{case}")
        what = " ".join(f"{fd}>&-" for fd in closed)
        d.process = subprocess.Popen(["/bin/sh", "-c", f'exec "$0" run -c "$1" {what}', t.binary, d.config_path],
                                     cwd=t.dir, env={**os.environ, **SANITIZER_ENV}, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("it answers", lambda: d.http("/healthz")[0] == 200, 20 * t.slow)
        for fd in closed:
            assert os.readlink(f"/proc/{d.process.pid}/fd/{fd}") == "/dev/null"
        Firehose(d.api_port).put("app", b"a record")
        d.wait_delivered("app", 1)
        d.process.terminate()
        assert d.process.wait(20 * t.slow) == 0
        with open(os.path.join(d.data_dir, "lock"), "rb") as f:
            assert b"level=" not in f.read()


def test_printing_to_a_closed_descriptor_is_no_success(t):
    d = noisy(t)
    for what in ("1>&-", ">/dev/full"):
        for command in ("reference", "--help", "--version", "help run", f"validate -c {d.config_path}",
                        f"fsck -c {d.config_path}"):
            done = subprocess.run(["/bin/sh", "-c", f'exec "$0" {command} {what}', t.binary], capture_output=True, cwd=t.dir,
                                  check=False)
            assert done.returncode == 1 and b"cannot write to standard output" in done.stderr, (what, command, done)


def test_a_file_that_may_not_grow_is_an_error_and_not_the_end(t):
    """ulimit -f, LimitFSIZE: an object that is too large is told like a full disk, and goes out when it may. It is one record, as
    others would go in smaller objects, and larger in the object than in the spool."""
    d = t.daemon(one_stream("app", to_file(t), interval="2s", size="8MiB", format="json_array", compression="none")).start()
    records = [b"\x01" * 300_000]
    Firehose(d.api_port).put_all("app", records)
    _, hard = resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (800_000, hard))
    d.wait_logged("delivery failed.*[Ff]ile too large")
    resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    d.wait_delivered("app", len(records))
    d.stop()
    made = [json.loads(b) for b in objects.read_dir(t.path("out")).values()]
    assert made == [[r.decode("ascii") for r in records]]


def test_a_spool_whose_files_may_not_grow_says_which_limit_and_goes_on_when_it_is_raised(t):
    os.mkdir(t.path("logs"))
    d = t.daemon(one_stream("app", to_file(t), inputs=[tail(t.path("logs", "*.log"))], size="256KiB")).start()
    _, hard = resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (100_000, hard))
    for i in range(100):
        append_lines(t.path("logs", f"{i}.log"), [b"%d " % i + b"x" * 2000] * 100)
    # A slow disk may be named first: that a write does not end is true then, too.
    ready = wait_until("it is blocked", lambda: "File too large" in (text := d.http("/readyz")[1]) and text, 60 * t.slow)
    assert "is blocked" in ready and "LimitFSIZE=" in ready and "free space" not in ready, ready
    resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    d.wait_delivered("app", 100 * 100)
    wait_until("it is well", lambda: d.http("/readyz")[0] == 200, 60 * t.slow)
    d.stop()
