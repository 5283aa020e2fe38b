"""How it ends: what is open is delivered, what cannot be stays safe, and the last lines say so."""

import resource
import subprocess
import time

import objects
from common import numbered_lines, one_stream, stream, tail, to_file, write_lines
from firehose import Firehose
from harness import free_port, to_yaml
from s3_peer import Fail, Hang, s3_down, S3Peer


def test_sigterm_delivers_open_batches(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    d = t.daemon({"streams": {f"s{i}": stream(s3.destination(), interval="900s") for i in range(5)}}).start()
    client = Firehose(d.api_port)
    records = []
    for i in range(5):
        mine = numbered_lines(t.random, 500, b"s%d" % i)
        client.put_all(f"s{i}", mine)
        records += mine
    assert s3.snapshot() == {}, "the interval is far away"
    d.stop()
    assert d.wait_logged("stopped, everything is delivered", level="info")
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)
    s3.assert_clean()


def test_sigterm_with_the_store_down_leaves_the_rest_safely_and_says_how_much(t):
    s3 = s3_down(t)
    records = numbered_lines(t.random, 1234)
    config = one_stream("app", s3.destination(), interval="1s")
    config["shutdown"] = {"grace": "2s"}
    d = t.daemon(config).start()
    Firehose(d.api_port).put_all("app", records)
    time.sleep(1.5)
    d.expect_exit = 1
    began = time.monotonic()
    d.stop()
    took = time.monotonic() - began
    assert took >= 1.5, f"grace is 2 s, it took {took:.1f} s"
    last = d.log()[-1]
    assert last["records"] == "1234" and last["stream"] == "app" and last["data_dir"] == d.data_dir, last
    assert "left in the spool" in last["msg"], last
    s3.start()
    d.expect_exit = 0
    d.start()
    d.wait_delivered("app", len(records))
    d.stop()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)
    s3.assert_clean()


def test_a_second_signal_ends_the_wait(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.always = Hang()
    config = one_stream("app", s3.destination(), interval="0s")
    config["shutdown"] = {"grace": "900s"}
    d = t.daemon(config).start()
    Firehose(d.api_port).put("app", b"stuck")
    d.process.terminate()
    time.sleep(1)
    assert d.running(), "the grace time is not over"
    d.expect_exit = 1
    d.stop()
    s3.stop()
    s3.always = None
    s3.start()
    d.expect_exit = 0
    d.start()
    d.wait_delivered("app", 1)
    d.stop()
    assert objects.lines(s3.snapshot()) == [b"stuck"]


def test_a_batch_that_was_being_delivered_when_it_stopped_keeps_its_name(t):
    """The seal fixes the object's key before the first attempt: a redelivery overwrites, it does not double."""
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.always = Hang(stores=True)  # the store has it, and its answer never comes
    d = t.daemon(one_stream("app", s3.destination(), interval="0s")).start()
    Firehose(d.api_port).put_all("app", [b"one", b"two"])
    d.wait_logged("running")
    while not s3.snapshot():
        time.sleep(0.05)
    d.kill9()
    s3.stop()
    s3.always = None
    s3.start()
    d.start()
    d.wait_delivered("app", 2)
    d.stop()
    s3.assert_clean()
    assert len(s3.snapshot()) == 1 and len(s3.requests) >= 2
    assert objects.lines(s3.snapshot()) == [b"one", b"two"]


def test_a_second_process_on_the_same_data_dir_is_refused_in_words(t):
    first = t.daemon(one_stream("app", to_file(t))).start()
    config = one_stream("app", to_file(t))
    config["data_dir"] = first.data_dir
    second = t.daemon(config, "second")
    second.expect_exit = 1
    second.spawn()
    second.wait_exit(20)
    line = second.wait_logged("in use", level="error")
    assert line and first.data_dir in line[0] and str(first.process.pid) in line[0], second.log_text()
    Firehose(first.api_port).put("app", b"the first does not mind")
    first.wait_delivered("app", 1)
    first.stop()


def test_an_occupied_port_is_named(t):
    first = t.daemon(one_stream("app", to_file(t))).start()
    config = one_stream("app", to_file(t))
    config["api"] = {"listen": f"127.0.0.1:{first.api_port}"}
    second = t.daemon(config, "second")
    second.expect_exit = 1
    second.spawn()
    second.wait_exit(20)
    assert second.wait_logged(rf"another program.*127\.0\.0\.1:{first.api_port}.*api.listen", level="error"), second.log_text()
    first.stop()


def test_shutdown_while_the_store_refuses_does_not_lose_the_reason(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.always = Fail(403, "AccessDenied")
    config = one_stream("app", s3.destination(), interval="0s")
    config["shutdown"] = {"grace": "1s"}
    d = t.daemon(config).start()
    Firehose(d.api_port).put("app", b"refused")
    d.wait_logged("delivery failed.*AccessDenied")
    d.expect_exit = 1
    d.stop()
    last = d.log()[-1]
    assert last["stream"] == "app" and "may not write" in last["cause"] and "s3:PutObject" in last["hint"], last


def test_help_and_version_need_no_configuration(t):
    for args in (["--help"], ["run", "--help"], ["--version"]):
        done = subprocess.run([t.binary, *args], capture_output=True, cwd=t.dir, check=True)
        assert done.stdout and not done.stderr, args


def test_once_ends_with_its_timeout_when_the_destination_takes_nothing(t):
    write_lines(t.path("in.log"), [b"one", b"two"])
    good, bad = t.path("good"), {"http": {"url": f"http://127.0.0.1:{free_port()}/", "format": "lines"}}  # nobody listens
    streams = {"bad": stream(bad, inputs=[tail(t.path("in.log"))]),
               "good": stream({"file": {"path": good}}, inputs=[tail(t.path("in.log"))])}
    d = t.daemon({"streams": streams})
    d.expect_exit = 1
    d.spawn("--once", "--timeout", "3s")
    d.wait_exit(60)
    assert d.wait_logged("the time of --timeout is over", level="error"), d.log_text()
    left = d.wait_logged("records are left in the spool", level="warn")
    assert len(left) == 1 and "stream=bad" in left[0] and "records=2" in left[0] and "data_dir=" in left[0], d.log_text()
    assert "cause=" in left[0] and "127.0.0.1" in left[0], left[0]
    assert objects.lines(objects.read_dir(good)) == [b"one", b"two"]
    # The next run goes on.
    streams["bad"]["destination"] = {"file": {"path": t.path("mended")}}
    d.configure({"streams": streams})
    d.expect_exit = 0
    d.spawn("--once", "--timeout", "10m")
    d.wait_exit(60)
    assert objects.lines(objects.read_dir(t.path("mended"))) == [b"one", b"two"]
    for args in (["--timeout", "3s"], ["--once", "--timeout", "soon"], ["--once", "--timeout", "0s"], ["--timeout"]):
        done = subprocess.run([t.binary, "run", *args], capture_output=True, cwd=t.dir, timeout=30 * t.slow)
        assert done.returncode == 2, (args, done.stderr)


def test_a_batch_that_the_disk_does_not_let_be_fixed_waits_for_the_next_run(t):
    """The open batch is cut by the end itself, and its seal cannot be written any more."""
    d = t.daemon({**one_stream("app", to_file(t), interval="900s"), "shutdown": {"grace": "1s"}}).start()
    records = numbered_lines(t.random, 100)
    Firehose(d.api_port).put_all("app", records)
    _, hard = resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (1, hard))  # not one more byte into any file
    d.expect_exit = 1
    d.stop()
    d.expect_exit = 0
    d.start()
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), records)


def said_at_the_end(t, data, **more):
    config = t.path("once.yaml")
    with open(config, "w", encoding="utf-8") as f:
        f.write(to_yaml({"admin": {"listen": "none"}, "data_dir": t.path("data"),
                         "streams": {"app": stream(more.pop("to", to_file(t)), inputs=["stdin"], **more)}}))
    done = subprocess.run([t.binary, "run", "--once", "-c", config], input=data, capture_output=True, cwd=t.dir,
                          timeout=60 * t.slow, check=True)
    return done.stderr.decode()


def test_the_last_lines_of_once_are_about_this_run(t):
    assert "delivered 10 records, " in said_at_the_end(t, b"one\n" * 10)
    said = said_at_the_end(t, b"two\n" * 5)
    assert "delivered 5 records, 15 B" in said and "stopped, everything is delivered\"" in said, said
    refusing = {"to": {"http": {"url": f"http://127.0.0.1:{free_port()}/", "format": "lines"}}, "retry": {"duration": "0s"},
                "backup": {"mode": "failed", "file": {"path": t.path("backup")}}}
    said = said_at_the_end(t, b"three\n" * 3, **refusing)
    assert "delivered 0 records" in said and "or in the backup" in said and "records_backed_up=3" in said, said
    assert "everything is delivered\"" in said_at_the_end(t, b"four\n", **refusing | {"to": to_file(t)})
