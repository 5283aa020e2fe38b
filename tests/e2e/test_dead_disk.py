"""Files on a disk that does not answer any more (a network disk whose server is gone): they stop the inputs of their own stream,
and nothing else; what waits for which file is said; and the process leaves in time."""

import os
import re
import signal
import subprocess

import objects
from common import append_lines, one_stream, stream, tail, to_file, write_lines
from firehose import Firehose
from harness import parse_logfmt, wait_until
from test_leaving import not_ready, stop_in_time, with_a_disk_that_hangs

EVERYTHING = "open,stat,statx,preadv,pread,readdir,realpath"


def two_streams(t, calls=EVERYTHING, grace="1s"):
    """`dead` tails files on a disk that can hang, `alive` others. Both have the API."""
    config = {"shutdown": {"grace": grace}, "streams": {}}
    for name in ("dead", "alive"):
        os.makedirs(t.path(f"{name}-disk", "logs"))
        write_lines(t.path(f"{name}-disk", "logs", "a.log"), [name.encode() + b" 1"])
        config["streams"][name] = stream(
            to_file(t, f"out-{name}"), inputs=["api", tail(t.path(f"{name}-disk", "logs", "*.log"))], interval="0s")
    d, hang = with_a_disk_that_hangs(t, config, "/dead-disk")
    d.env["TEST_HANG_CALLS"] = calls
    return d, hang


def append(t, stream_name, *lines):
    append_lines(t.path(f"{stream_name}-disk", "logs", "a.log"), list(lines))


def is_said(t, d):
    status, text = wait_until("/readyz tells of the file", lambda: not_ready(d), 60 * t.slow)
    assert status == 503 and "stream dead is blocked: tail: the attempt to" in text and "does not end" in text, text
    assert "/dead-disk/logs" in text and "alive" not in text and "look at the disk" in text, text
    assert "does not end" in d.http("/")[1]
    line = parse_logfmt(d.wait_logged("an input waits for a file", 60, "warn")[-1])
    assert line["stream"] == "dead" and line["input"] == "tail" and "/dead-disk/logs" in line["path"], line


def the_rest_goes_on(t, d, alive, dead):
    """`alive`, `dead`: records that the two have delivered."""
    append(t, "alive", b"more")
    d.wait_delivered("alive", alive + 1, 60 * t.slow)
    client = Firehose(d.api_port)
    for name, count in (("alive", alive + 2), ("dead", dead + 1)):
        client.put(name, b"by the API")
        d.wait_delivered(name, count, 60 * t.slow)


def leaves_in_time(t, d):
    stop_in_time(d)
    line = d.wait_logged("an input does not stop", level="error")
    assert line, d.log_text()
    assert d.wait_logged("does not end in order.*inputs", level="error"), d.log_text()


def delivered(t, name):
    return sorted(objects.lines(objects.read_dir(t.path(f"out-{name}"))))


def goes_on_after(t, d, hang, *lines):
    """Without the hanging everything of the dead disk comes, once."""
    hang(False)
    d.expect_exit = 0
    d.start()
    d.wait_delivered("dead", len(lines) + 1, 60 * t.slow)
    d.stop()
    assert delivered(t, "dead") == sorted([b"by the API", *lines]), delivered(t, "dead")


def test_a_disk_that_hangs_at_the_start_holds_up_only_its_stream(t):
    d, hang = two_streams(t)
    hang()
    d.start()
    d.wait_delivered("alive", 1, 60 * t.slow)
    the_rest_goes_on(t, d, 1, 0)
    is_said(t, d)
    leaves_in_time(t, d)
    goes_on_after(t, d, hang, b"dead 1")


def test_a_read_that_hangs_holds_up_only_its_stream(t):
    d, hang = two_streams(t, "preadv")
    d.start()
    d.wait_delivered("alive", 1)
    d.wait_delivered("dead", 1)
    hang()
    append(t, "dead", b"dead 2")
    the_rest_goes_on(t, d, 1, 1)
    is_said(t, d)
    assert "attempt to read" in d.http("/readyz")[1]
    leaves_in_time(t, d)
    goes_on_after(t, d, hang, b"dead 1", b"dead 2")


def test_a_look_that_hangs_holds_up_only_its_stream(t):
    d, hang = two_streams(t, "readdir,statx")
    d.start()
    d.wait_delivered("alive", 1)
    d.wait_delivered("dead", 1)
    hang()
    write_lines(t.path("dead-disk", "logs", "b.log"), [b"dead 2"])
    the_rest_goes_on(t, d, 1, 1)
    is_said(t, d)
    leaves_in_time(t, d)
    goes_on_after(t, d, hang, b"dead 1", b"dead 2")


def test_when_the_disk_answers_again_the_input_goes_on(t):
    d, hang = two_streams(t, "preadv")
    d.start()
    d.wait_delivered("dead", 1)
    hang()
    append(t, "dead", b"dead 2")
    is_said(t, d)
    hang(False)
    d.wait_delivered("dead", 2, 60 * t.slow)
    line = parse_logfmt(d.wait_logged("the input goes on", 60, "info")[-1])
    assert line["stream"] == "dead", line
    wait_until("it is ready again", lambda: d.http("/readyz")[0] == 200, 60 * t.slow)
    d.stop()


def test_a_second_signal_does_not_wait_for_a_dead_disk(t):
    d, hang = two_streams(t, grace="600s")
    d.start()
    d.wait_delivered("dead", 1)
    hang()
    append(t, "dead", b"dead 2")
    is_said(t, d)
    stop_in_time(d, signal.SIGINT)
    assert d.wait_logged("an input does not stop", level="error"), d.log_text()


def test_a_disk_that_comes_back_within_the_grace_is_waited_for(t):
    d, hang = two_streams(t, "preadv", grace="120s")
    d.start()
    d.wait_delivered("dead", 1)
    hang()
    append(t, "dead", b"dead 2")
    is_said(t, d)
    d.process.send_signal(signal.SIGTERM)
    d.wait_logged("stopping")
    hang(False)
    d.wait_exit(60 * t.slow)
    assert not d.logged("does not end in order"), d.log_text()


def test_once_with_a_dead_disk_ends_by_a_signal(t):
    os.makedirs(t.path("dead-disk"))
    write_lines(t.path("dead-disk", "a.log"), [b"one"])
    d, hang = with_a_disk_that_hangs(
        t, {"shutdown": {"grace": "1s"},
            **one_stream("app", to_file(t), inputs=[tail(t.path("dead-disk", "*.log"))], interval="0s")}, "/dead-disk")
    d.env["TEST_HANG_CALLS"] = "preadv"
    hang()
    d.spawn("--once")
    d.wait_logged("an input waits for a file", 60, "warn")
    stop_in_time(d)
    assert d.wait_logged("an input does not stop", level="error"), d.log_text()


def test_standard_input_from_a_dead_disk_holds_up_only_its_stream(t):
    os.makedirs(t.path("dead-disk"))
    write_lines(t.path("dead-disk", "a.log"), [b"one"])
    d, hang = with_a_disk_that_hangs(
        t, {"shutdown": {"grace": "1s"}, "streams": {
            "dead": stream(to_file(t, "out-dead"), inputs=["stdin"], interval="0s"),
            "alive": stream(to_file(t, "out-alive"), interval="0s")}}, "/dead-disk")
    d.env["TEST_HANG_CALLS"] = "read"
    hang()
    with open(t.path("dead-disk", "a.log"), "rb") as f:
        d.start(stdin=f)
    Firehose(d.api_port).put("alive", b"fine")
    d.wait_delivered("alive", 1)
    line = parse_logfmt(d.wait_logged("an input waits for a file", 60, "warn")[-1])
    assert line["stream"] == "dead" and line["input"] == "stdin", line
    leaves_in_time(t, d)
    hang(False)


def test_validate_says_what_it_waits_for(t):
    d, hang = two_streams(t)
    hang()
    with open(t.path("validate.log"), "wb") as log:
        validate = subprocess.Popen([d.binary, "validate", "-c", d.config_path], env={**os.environ, **d.env},
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    t.on_end(validate.kill)

    def said():
        with open(t.path("validate.log"), encoding="utf-8") as f:
            return re.search(r"still looking at the files of an input.*stream=dead input=tail", f.read())
    wait_until("it is said", said, 60 * t.slow)
    assert validate.poll() is None
    hang(False)
    assert validate.wait(60 * t.slow) == 0


def test_a_destination_on_a_dead_disk_holds_up_nobodys_start(t):
    os.makedirs(t.path("logs"))
    write_lines(t.path("logs", "a.log"), [b"one"])
    d, hang = with_a_disk_that_hangs(t, {"shutdown": {"grace": "1s"}, "streams": {
        "dead": stream(to_file(t, "dead-disk"), interval="0s"),
        "alive": stream(to_file(t), inputs=["api", tail(t.path("logs", "*.log"))], interval="0s")}}, "/dead-disk")
    d.env["TEST_HANG_CALLS"] = EVERYTHING
    hang()
    d.start()
    d.wait_delivered("alive", 1, 60 * t.slow)
    assert d.wait_logged("where its links lead is not known.*dead-disk", level="warn"), d.log_text()
    d.stop()
