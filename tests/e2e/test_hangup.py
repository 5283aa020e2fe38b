"""SIGHUP: the file is read again; one line says what came of it, and a mistake changes nothing."""

import os
import signal

from common import numbered_lines, one_stream, stream, tail, to_file, write_lines
from firehose import Firehose
from harness import free_port
from reloading import hang_up
import objects
from s3_peer import S3Peer


def edit(d, *changes):
    with open(d.config_path, encoding="utf-8") as f:
        text = f.read()
    for old, new in changes:
        assert old in text, f"{old!r} is not in the configuration:\n{text}"
        text = text.replace(old, new)
    with open(d.config_path, "w", encoding="utf-8") as f:
        f.write(text)


def test_sighup_takes_what_the_file_says(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    d = t.daemon(one_stream("app", s3.destination(), interval="900s")).start()
    client = Firehose(d.api_port)
    records = numbered_lines(t.random, 600)
    client.put_all("app", records[:300])
    hang_up(d, "changed=0", "info")
    edit(d, ("interval: 900s", "interval: 0s"))
    hang_up(d, "changed=1", "info")
    client.put_all("app", records[300:])
    d.wait_delivered("app", 600)
    d.stop()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)
    s3.assert_clean()
    assert not d.logged("HUP", "error")


def test_sighup_says_what_is_wrong_with_the_file_and_everything_goes_on(t):
    out = to_file(t)
    d = t.daemon(one_stream("app", out, interval="0s")).start()
    with open(d.config_path, encoding="utf-8") as f:
        good = f.read()
    client = Firehose(d.api_port)
    client.put("app", b"before")
    with open(d.config_path, "w", encoding="utf-8") as f:
        f.write(good + "shutdwon: { grace: 1s }\nlog: { level: quiet }\n")
    line = hang_up(d, "reload: refused", "warn")
    count = good.count("\n") + 1
    assert "mistakes=2" in line and f".yaml:{count}:1:" in line and "shutdwon" in line, line
    os.unlink(d.config_path)
    hang_up(d, "reload: refused", "warn")
    with open(d.config_path, "w", encoding="utf-8") as f:
        f.write("")
    hang_up(d, "reload: refused", "warn")
    with open(d.config_path, "w", encoding="utf-8") as f:
        f.write(good)
    hang_up(d, "reload: done", "info")
    client.put("app", b"after")
    d.wait_delivered("app", 2)
    d.stop()


def test_sighup_finds_what_only_a_start_would_need(t):
    """A script that does not load; another address, which takes a restart."""
    d = t.daemon(one_stream("app", to_file(t))).start()
    with open(t.path("bad.lua"), "w", encoding="utf-8") as f:
        f.write("function transform(r)\n  return r(\nend\n")
    with open(d.config_path, encoding="utf-8") as f:
        good = f.read()
    edit(d, ("    destination:", "    transform: { lua: bad.lua }\n    destination:"))
    assert "bad.lua:" in hang_up(d, "reload: refused", "warn")
    with open(d.config_path, "w", encoding="utf-8") as f:
        f.write(good)
    edit(d, (f"127.0.0.1:{d.api_port}", f"127.0.0.1:{free_port()}"))
    line = hang_up(d, "reload: refused", "warn")
    assert "`api.listen`" in line and "restart" in line, line
    with open(d.config_path, "w", encoding="utf-8") as f:
        f.write(good)
    hang_up(d, "reload: done", "info")
    assert d.running()
    d.stop()


def test_sighup_shows_no_secret(t):
    d = t.daemon(one_stream("app", to_file(t)))
    d.env = {"SLUICE_TEST_SECRET": "hush-hush"}
    d.start()
    with open(d.config_path, "a", encoding="utf-8") as f:
        f.write('log: { level: "${env:SLUICE_TEST_SECRET}" }\n')
    hang_up(d, "reload: refused", "warn")
    assert "hush" not in d.log_text()
    d.stop()


def test_many_sighups_neither_stop_nor_delay_it(t):
    """While it works, beside the signal that stops it, and until it is gone."""
    records = numbered_lines(t.random, 3000)
    write_lines(t.path("in.log"), records)
    d = t.daemon({"streams": {"app": stream(to_file(t), [tail(t.path("in.log"))], size="1KiB", interval="0s")}})
    d.start()
    while d.books("app").delivered < len(records):
        d.process.send_signal(signal.SIGHUP)
    d.process.send_signal(signal.SIGTERM)
    while d.process.poll() is None:
        d.process.send_signal(signal.SIGHUP)
    d.wait_exit(60)
    assert d.wait_logged("stopped, everything is delivered", level="info")
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), records)


def test_a_configuration_from_a_pipe_is_not_waited_for(t):
    """Read once, at the start; a pipe would never answer, and the stop would wait for it."""
    d = t.daemon(one_stream("app", to_file(t)))
    with open(d.config_path, "rb") as f:
        text = f.read()
    d.config_path = t.path("pipe.yaml")
    os.mkfifo(d.config_path)
    d.spawn()
    with open(d.config_path, "wb") as f:
        f.write(text)
    d.wait_logged("msg=running")
    hang_up(d, "did not come from a file", "warn")
    d.stop()
