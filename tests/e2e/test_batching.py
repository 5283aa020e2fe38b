"""Size or interval, whichever comes first: on time, also under load and across a restart."""

import time

from common import Load, numbered_lines, one_stream, stream, to_file, wait_object
from firehose import Firehose


def test_the_interval_is_kept_while_another_stream_is_under_full_load(t):
    if t.sanitized:
        t.skip("the sanitizers' slowness is not the subject")
    config = {"streams": {
        "busy": stream(to_file(t, "busy"), compression="gzip"),
        "quiet": stream(to_file(t, "quiet"), interval="2s"),
    }}
    d = t.daemon(config).start()
    load = Load(d, "busy", b"busy", batch=200)
    load.start()
    time.sleep(0.5)
    began = time.time()
    Firehose(d.api_port).put("quiet", b"one quiet record")
    took = wait_object(t.path("quiet"), 10) - began
    load.stop()
    assert 1.9 <= took <= 2.9, f"2 s were asked for, {took:.2f} s it took"
    assert len(load.acked) > 1000, "the other stream was not under load"
    d.wait_delivered("busy", len(load.acked))
    d.assert_books("busy", "quiet")
    d.stop()


def test_interval_zero_delivers_at_once(t):
    d = t.daemon(one_stream("app", to_file(t), interval="0s")).start()
    client = Firehose(d.api_port)
    began = time.time()
    client.put("app", b"now")
    took = wait_object(t.path("out"), 10) - began
    assert took < 0.5 * t.slow, f"{took:.2f} s"
    d.wait_delivered("app", 1)
    d.stop()


def test_a_restart_does_not_make_records_young_again(t):
    interval = 6
    d = t.daemon(one_stream("app", to_file(t), interval=f"{interval}s")).start()
    put_at = time.time()
    Firehose(d.api_port).put("app", b"I was here before the crash")
    time.sleep(2)
    d.kill9()
    d.start()
    took = wait_object(t.path("out"), interval * 3) - put_at
    assert interval - 0.2 <= took <= interval + 1.5 * t.slow, f"{interval} s were asked for, {took:.2f} s it took"
    d.wait_delivered("app", 1)
    d.stop()


def test_a_full_batch_does_not_wait_for_its_interval(t):
    records = numbered_lines(t.random, 4000, longest=100)
    d = t.daemon(one_stream("app", to_file(t), size="256KiB", interval="900s")).start()
    Firehose(d.api_port).put_all("app", records)
    took = wait_object(t.path("out"), 10)
    assert took
    d.stop()  # delivers the open batch too
    d.start()
    d.wait_delivered("app", len(records))
    d.stop()
