"""The way out: whatever hangs, the process leaves within the grace time, a second signal ends it at once, and nothing that was
acknowledged is lost."""

import os
import signal
import subprocess
import time

import objects
from common import numbered_lines, one_stream, stream, to_file
from firehose import Firehose
from harness import wait_until
from s3_peer import Hang, S3Peer

AT_ONCE = 20  # seconds; what is promised is one, but these machines are busy, and what hangs here hangs for longer


def with_a_disk_that_hangs(t, config, folder):
    """A daemon, and how to let the folder hang and go on."""
    if t.sanitized:
        t.skip("a sanitizer's runtime has to be loaded first")
    d = t.daemon(config)
    d.env = {
        "LD_PRELOAD": os.path.join(t.build, "tests", "e2e", "test_hang.so"),
        "TEST_HANG_FILE": t.path("hangs"), "TEST_HANG_FOLDER": folder,
    }

    def hang(yes=True):
        if yes:
            open(t.path("hangs"), "w").close()
        else:
            os.unlink(t.path("hangs"))
    return d, hang


def stop_in_time(d, *more_signals):
    d.expect_exit = 1
    d.process.send_signal(signal.SIGTERM)
    for other in more_signals:
        d.wait_logged("stopping")
        time.sleep(0.3)
        d.process.send_signal(other)
    d.wait_exit(AT_ONCE)


def not_ready(d):
    answer = d.http("/readyz")
    return answer if answer[0] == 503 else None


def test_a_write_to_a_file_that_hangs_does_not_hold_up_the_end(t):
    config = {
        "shutdown": {"grace": "1s"},
        "streams": {"bad": stream(to_file(t, "dead-disk"), interval="0s"), "good": stream(to_file(t), interval="0s")},
    }
    d, hang = with_a_disk_that_hangs(t, config, "/dead-disk")
    client = Firehose(d.start().api_port)
    hang()
    client.put_all("bad", [b"one", b"two", b"three"])
    client.put("good", b"fine")
    d.wait_delivered("good", 1)
    status, text = wait_until("/readyz tells of the attempt", lambda: not_ready(d), 30 * t.slow)
    assert status == 503 and "stream bad" in text and "does not end" in text and "good" not in text, text
    stop_in_time(d)
    last = d.log()[-1]
    assert "left in the spool" in last["msg"] and (last["stream"], last["records"]) == ("bad", "3"), last
    assert "under way" in last["cause"], last
    assert d.wait_logged("does not end in order.*writes to files", level="error"), d.log_text()
    hang(False)
    d.expect_exit = 0
    d.start()
    d.wait_delivered("bad", 3)
    d.stop()
    assert objects.lines(objects.read_dir(t.path("dead-disk"))) == [b"one", b"two", b"three"]


def test_a_second_signal_ends_it_whatever_hangs(t):
    for number, second in enumerate((signal.SIGTERM, signal.SIGINT)):
        d, hang = with_a_disk_that_hangs(
            t, {"shutdown": {"grace": "600s"}, **one_stream("app", to_file(t, "dead-disk"), interval="0s")}, "/dead-disk")
        client = Firehose(d.start().api_port)
        hang()
        client.put("app", b"%d" % number)
        stop_in_time(d, second)
        assert "left in the spool" in d.log()[-1]["msg"], d.log()[-1]
        hang(False)


def test_a_spool_that_cannot_be_synced_does_not_hold_up_the_end(t):
    d, hang = with_a_disk_that_hangs(
        t, {"shutdown": {"grace": "1s"}, **one_stream("app", to_file(t), inputs=["stdin"], interval="0s")}, "-data/streams")
    d.start(stdin=subprocess.PIPE)
    hang()
    d.process.stdin.write(b"a line\n")
    d.process.stdin.flush()
    stop_in_time(d)
    assert d.wait_logged("does not end in order.*spool", level="error"), d.log_text()
    hang(False)


def test_a_start_that_hangs_can_be_ended(t):
    d, hang = with_a_disk_that_hangs(t, one_stream("app", to_file(t)), "-data/streams")
    d.start()
    d.stop()
    hang()
    for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)):
        d.spawn()
        wait_until("its signals are caught", lambda: catches(d, first), 20 * t.slow)
        d.expect_exit = 1
        d.process.send_signal(first)
        time.sleep(0.3)
        assert d.running(), "one signal leaves it the grace time"
        d.process.send_signal(second)
        d.wait_exit(AT_ONCE)
        assert d.wait_logged("while starting", level="error"), d.log_text()
    hang(False)


def catches(d, sig):
    """The threads leave the signal to one of them."""
    with open(f"/proc/{d.process.pid}/status", encoding="ascii") as f:
        blocked = next(line for line in f if line.startswith("SigBlk:"))
    return int(blocked.split()[1], 16) & (1 << (sig - 1))


def test_compressing_much_at_a_high_level_does_not_hold_up_the_end(t):
    d = t.daemon({"shutdown": {"grace": "1s"}, **one_stream(
        "app", to_file(t), size="64MiB", interval="900s", compression={"zstd": {"level": 19}})}).start()
    client = Firehose(d.api_port, timeout=60)
    lines = [b"".join(numbered_lines(t.random, 40))[:9000] for _ in range(50)]
    for _ in range(80):
        client.put_all("app", [t.random.choice(lines) + b"%d" % t.random.randrange(10**9) for _ in range(400)])
    stop_in_time(d)
    assert "left in the spool" in d.log()[-1]["msg"], d.log()[-1]


def test_a_script_that_goes_round_in_circles_does_not_hold_up_the_end(t):
    with open(t.path("loop.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r) while true do end end\n")
    d = t.daemon({"shutdown": {"grace": "1s"}, **one_stream(
        "app", to_file(t), interval="0s", transform={"lua": t.path("loop.lua"), "timeout": "60s"})}).start()
    Firehose(d.api_port).put("app", b"round and round")
    stop_in_time(d)
    last = d.log()[-1]
    assert "left in the spool" in last["msg"] and last["records"] == "1", last


def test_a_signal_that_arrives_twice_at_once_is_one_wish(t):
    """timeout(1) signals a process, and then its group."""
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.always = Hang()
    d = t.daemon({"shutdown": {"grace": "600s"}, **one_stream("app", s3.destination(), interval="0s")}).start()
    Firehose(d.api_port).put("app", b"stuck")
    d.process.send_signal(signal.SIGTERM)
    d.process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert d.running(), "the grace time is not over"
    d.expect_exit = 1
    d.stop()


def write_keys(t, key, secret):
    with open(t.path("dead-aws", "new"), "w", encoding="ascii") as f:
        f.write(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    os.rename(t.path("dead-aws", "new"), t.path("dead-aws", "credentials"))


def test_a_file_of_keys_whose_disk_hangs_holds_up_nothing(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    keyed = s3.destination()
    key, secret = keyed["s3"].pop("access_key_id"), keyed["s3"].pop("secret_access_key")
    d, hang = with_a_disk_that_hangs(
        t, {"streams": {"keyed": stream(keyed, interval="0s"), "other": stream(to_file(t), interval="0s")}}, "/dead-aws")
    os.mkdir(t.path("dead-aws"))
    write_keys(t, key, secret)
    d.env.update({"AWS_SHARED_CREDENTIALS_FILE": t.path("dead-aws", "credentials"), "AWS_CONFIG_FILE": "/dev/null",
                  "AWS_ACCESS_KEY_ID": "", "AWS_PROFILE": ""})
    client = Firehose(d.start().api_port)
    client.put("keyed", b"one")
    d.wait_delivered("keyed", 1)
    hang()
    time.sleep(1.2)  # longer than what was read is believed
    client.put("keyed", b"two")
    for n in range(20):
        client.put("other", b"%d" % n)
    d.wait_delivered("other", 20)
    d.wait_delivered("keyed", 2)  # with the keys that were known
    hang(False)
    write_keys(t, "AKWRONG", "wrong")
    time.sleep(1.2)
    client.put("keyed", b"three")
    d.wait_logged("delivery failed.*stream=keyed.*(AKWRONG|InvalidAccessKeyId|SignatureDoesNotMatch)")
    write_keys(t, key, secret)
    d.wait_delivered("keyed", 3)
    d.stop()
    assert objects.joined(s3.snapshot()) == b"one\ntwo\nthree\n"
