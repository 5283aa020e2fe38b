"""The alarm `blocked`: on whenever an input was pushed back in the last seconds, with why and what to do; a line in the log
when it begins and one when it is over; off again afterwards."""

import os
import socket
import subprocess

from common import MIB, numbered_lines, put_until_refused, put_with_patience, stream, tail, write_lines
from firehose import Answer, Firehose
from harness import wait_until
from s3_peer import s3_down


def health(d, name):
    m = d.metrics()
    return {h for h in ("ok", "retrying", "blocked") if m.get("sluice_stream_health", stream=name, health=h) == 1}


def wait_health(t, d, name, wanted, seconds=30):
    wait_until(f"{name} is {wanted}", lambda: health(d, name) == {wanted}, seconds * t.slow)


def ready_line(d, name):
    return next((x for x in d.http("/readyz")[1].splitlines() if x.startswith(f"stream {name} ")), "")


def assert_blocked(t, d, name, why, *words):
    """Metric, /readyz, console and log say so; what they say names the cause."""
    wait_health(t, d, name, "blocked")
    line = ready_line(d, name)
    assert d.http("/readyz")[0] == 503
    assert "is blocked: inputs are pushed back for " in line and "to do: " in line, line
    page = d.http("/")[1]
    assert "blocked: inputs pushed back" in page, page
    for word in (why, *words):
        assert word in line, (word, line)
        assert word in page, (word, page)
    begun = d.wait_logged(f"inputs are pushed back.*stream={name}", level="warn")
    assert len(begun) == 1, begun
    assert why in begun[0] and "hint=" in begun[0], begun


def assert_over(t, d, name):
    wait_health(t, d, name, "ok")
    wait_until("ready", lambda: d.http("/readyz")[0] == 200, 10 * t.slow)
    over = d.wait_logged(f"no longer pushed back.*stream={name}", level="info")
    assert len(over) == 1 and "blocked_for_s=" in over[0], over
    assert len(d.wait_logged(f"inputs are pushed back.*stream={name}")) == 1, "one line at the beginning"


def write_big(t):
    """big.log, more than fits into a spool of 16 MiB."""
    lines = numbered_lines(t.random, 600000)
    write_lines(t.path("big.log"), lines)
    assert os.path.getsize(t.path("big.log")) > 20 * MIB
    return lines


def assert_over_when_all_is_there(t, d, name, lines):
    d.wait_delivered(name, len(lines))
    assert_over(t, d, name)
    d.stop()


def big_batch():
    return [os.urandom(450).hex().encode() * 10 for _ in range(100)]


def test_a_spool_at_its_limit_is_an_alarm_with_the_limit_in_it(t):
    """The last append does not fit; so the spool is never quite full."""
    s3 = s3_down(t)
    d = t.daemon({"streams": {"put": stream(s3.destination(), spool={"limit": "16MiB"}),
                              "other": stream(s3.destination())}}).start()
    put_until_refused(Firehose(d.api_port), "put", big_batch)
    assert_blocked(t, d, "put", "spool.limit", "16.0 MiB")
    assert "127.0.0.1" in ready_line(d, "put"), "and why it is full"
    assert "blocked" not in health(d, "other")
    s3.start()
    assert_over(t, d, "put")
    d.assert_books("put", "other")
    d.stop()


def test_a_tail_that_is_held_back_is_an_alarm(t):
    s3 = s3_down(t)
    lines = write_big(t)
    d = t.daemon({"streams": {
        "tailed": stream(s3.destination(), [tail(t.path("big.log"))], spool={"limit": "16MiB"})}}).start()
    assert_blocked(t, d, "tailed", "spool.limit")
    s3.start()
    assert_over_when_all_is_there(t, d, "tailed", lines)


def test_standard_input_that_is_held_back_is_an_alarm(t):
    s3 = s3_down(t)
    lines = write_big(t)
    d = t.daemon({"streams": {"piped": stream(s3.destination(), ["stdin"], spool={"limit": "16MiB"})}})
    with open(t.path("big.log"), "rb") as f:
        d.start(stdin=f)
    assert_blocked(t, d, "piped", "spool.limit")
    s3.start()
    assert_over_when_all_is_there(t, d, "piped", lines)


def test_reading_fast_is_no_alarm(t):
    """Memory for reading and places for writes are short all the time then; but it goes on."""
    write_lines(t.path("big.log"), lines := numbered_lines(t.random, 400000))
    d = t.daemon({"limits": {"memory": "16MiB"}, "streams": {
        "tailed": stream({"file": {"path": t.path("out")}}, [tail(t.path("big.log"))])}}).start()
    d.wait_delivered("tailed", len(lines))
    assert not d.logged("pushed back")
    d.stop()


def test_requests_refused_for_memory_are_an_alarm(t):
    d = t.daemon({"limits": {"memory": "48MiB"},
                  "streams": {"put": stream({"file": {"path": t.path("out")}}),
                              "tailed": stream({"file": {"path": t.path("out2")}}, [tail(t.path("no.log"))])}}).start()
    held = []
    t.on_end(lambda: [s.close() for s in held])

    def hold():  # a body of 3 MiB that is announced and begun; a quarter of the limit is for what comes in
        s = socket.create_connection(("127.0.0.1", d.api_port), timeout=30)
        held.append(s)
        s.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: Firehose_20150804.PutRecordBatch\r\n"
                  b"Content-Type: application/x-amz-json-1.1\r\nContent-Length: 3145728\r\n\r\n{")

    def refused():  # one that was held may have been refused itself, because this one was before it
        hold()
        try:
            put_one()
        except Answer as e:
            assert (e.status, e.code) == (500, "ServiceUnavailableException"), e
            return True
        return False

    def put_one():
        Firehose(d.api_port).put_batch("put", [b"x" * 900000])
    wait_until("a call is refused", refused, 20 * t.slow)
    wait_health(t, d, "put", "blocked")
    assert "limits.memory" in ready_line(d, "put"), d.http("/readyz")[1]
    assert health(d, "tailed") == {"ok"}, "it has no API"
    assert len(d.wait_logged("requests are pushed back: the memory limit is reached", level="warn")) == 1
    for s in held:
        s.close()
    wait_health(t, d, "put", "ok")
    d.wait_logged("requests are no longer pushed back for memory")
    put_with_patience(Firehose(d.api_port), "put", [b"as if nothing had happened"])
    d.stop()


def test_a_full_disk_is_one_long_alarm_that_names_the_disk(t):
    """It takes a small write now and then: that is no end of it."""
    disk = t.path("disk")
    os.mkdir(disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", disk], capture_output=True).returncode != 0:
        t.skip("mounting a small tmpfs needs root")
    t.on_end(lambda: subprocess.run(["umount", "-l", disk], check=False))
    s3 = s3_down(t)
    d = t.daemon({"data_dir": os.path.join(disk, "data"), "streams": {"put": stream(s3.destination())}}).start()
    client = Firehose(d.api_port)
    with open(os.path.join(disk, "ballast"), "wb") as f:
        f.write(b"x" * (16 * MIB))
    put_until_refused(client, "put", big_batch)
    for _ in range(12):  # small ones may fit for a while, between large ones that do not
        put_with_patience(client, "put", [b"small"])
        put_with_patience(client, "put", big_batch())
        assert health(d, "put") == {"blocked"}, d.http("/readyz")[1]
    assert_blocked(t, d, "put", "disk: ", "No space left on device", disk)
    os.unlink(os.path.join(disk, "ballast"))
    s3.start()
    assert_over(t, d, "put")
    d.assert_books("put")
    d.stop()
