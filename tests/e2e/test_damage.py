"""Disks that lie and disks that are full: reported, contained, and over when they are over."""

import os
import shutil
import subprocess
import time

import objects
from common import MIB, numbered_lines, one_stream, stream
from firehose import Firehose
from harness import wait_until
from s3_peer import S3Peer


def segments(data_dir):
    out = []
    for folder, _, names in os.walk(data_dir):
        out += [os.path.join(folder, n) for n in names if n.endswith(".seg") and "damaged" not in folder]
    return sorted(out)


def flip_a_byte(path, needle):
    """Damages the record that contains `needle`."""
    with open(path, "r+b") as f:
        data = f.read()
        at = data.index(needle)
        f.seek(at)
        f.write(bytes([data[at] ^ 0xFF]))


def test_a_damaged_record_is_reported_and_the_rest_goes_on(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.stop()
    d = t.daemon(one_stream("app", s3.destination(), interval="1s")).start()
    client = Firehose(d.api_port)
    records = numbered_lines(t.random, 1000)
    for at in range(0, 1000, 100):
        client.put_all("app", records[at:at + 100])  # one frame each
    d.kill9()
    found = [p for p in segments(d.data_dir) if records[550] in open(p, "rb").read()]
    assert len(found) == 1, "records lie in the spool as they are"
    flip_a_byte(found[0], records[550])
    s3.start()
    d.start()
    d.wait_logged("damage", level="error")
    wait_until("all settled", lambda: d.books("app").spooled == 0, 30 * t.slow)
    books = d.books("app")
    d.assert_books("app")
    assert 1 <= books.corrupt <= 100, f"at most the frame with the damage: {books}"
    assert books.delivered == 1000 - books.corrupt, books
    line = d.wait_logged("damage", level="error")[0]
    assert "stream=app" in line and "hint=" in line, line
    d.stop()
    s3.assert_clean()
    got = objects.lines(s3.snapshot())
    assert records[550] not in got
    objects.assert_exactly_once(got, records[:500] + records[600:])


def test_damage_in_one_stream_does_not_touch_another(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.stop()
    d = t.daemon({"streams": {n: stream(s3.destination(prefix=n + "/")) for n in ("sick", "well")}}).start()
    client = Firehose(d.api_port)
    records = {n: numbered_lines(t.random, 300, n.encode()) for n in ("sick", "well")}
    for n in records:
        client.put_all(n, records[n], batch=100)
    d.kill9()
    for path in segments(d.data_dir):
        with open(path, "r+b") as f:
            data = f.read()
            if records["sick"][0] in data:  # nothing of it is left but zeros
                f.seek(0)
                f.write(bytes(len(data)))
    s3.start()
    d.start()
    d.wait_delivered("well", 300)
    wait_until("all settled", lambda: d.books("sick").spooled == 0, 30 * t.slow)
    d.assert_books("sick", "well")
    client = Firehose(d.api_port)
    client.put_all("sick", [b"it works again"])
    wait_until("new records of the damaged stream arrive",
               lambda: any(b"it works again" in objects.unpack(b) for b in s3.snapshot().values()), 30 * t.slow)
    d.stop()
    got = objects.lines({k: v for k, v in s3.snapshot().items() if k.startswith("well/")})
    objects.assert_exactly_once(got, records["well"])


def test_a_torn_write_at_the_end_is_cut_off_quietly(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.stop()
    d = t.daemon(one_stream("app", s3.destination())).start()
    records = numbered_lines(t.random, 500)
    Firehose(d.api_port).put_all("app", records)
    d.kill9()
    last = segments(d.data_dir)[-1]
    with open(last, "ab") as f:
        f.write(os.urandom(3333))
    s3.start()
    d.start()
    d.wait_delivered("app", len(records))
    d.stop()
    s3.assert_clean()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)


def small_disk(t, size):
    folder = t.path("disk")
    os.mkdir(folder)
    if os.geteuid() != 0:
        t.skip("mounting a small tmpfs needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if done.returncode != 0:
        t.skip(f"a small tmpfs cannot be mounted: {done.stderr.decode().strip()}")
    t.on_end(lambda: subprocess.run(["umount", "-l", folder], check=False))
    return folder


def put_or_none(client, name, batch):
    """The records of the batch that were taken; None when the call was refused as a whole."""
    answers = client.put_batch(name, batch)
    return [r for r, a in zip(batch, answers) if "RecordId" in a]


def test_a_full_disk_pushes_back_and_heals_when_there_is_space_again(t):
    disk = small_disk(t, 24 * MIB)
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.stop()
    config = one_stream("app", s3.destination(), spool={"limit": "1GiB"})
    config["data_dir"] = os.path.join(disk, "data")
    d = t.daemon(config).start()
    client = Firehose(d.api_port)
    n = iter(range(1 << 30))

    def batch():
        return [b"%08d " % next(n) + os.urandom(4500).hex().encode() for _ in range(50)]

    acked = put_or_none(client, "app", batch())
    with open(os.path.join(disk, "ballast"), "wb") as f:  # somebody else's data
        f.write(bytes(14 * MIB))
    for _ in range(100):
        got = put_or_none(client, "app", batch())
        acked += got
        if len(got) < 50:
            break
    else:
        raise AssertionError("the disk was never full")
    line = d.wait_logged("No space left")[0]
    assert "app" in line and d.data_dir in line, line
    assert d.http("/readyz")[0] == 503
    assert d.running()
    d.assert_books("app")

    os.unlink(os.path.join(disk, "ballast"))
    wait_until("records are taken again", lambda: take_more(client, batch, acked), 30 * t.slow, period=0.3)
    s3.start()
    d.wait_delivered("app", len(acked), timeout=60)
    d.stop()
    s3.assert_clean()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), acked)


def fill_up(folder):
    """To the last byte that the disk has."""
    with open(os.path.join(folder, "ballast"), "ab", buffering=0) as f:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    f.write(bytes(size))
            except OSError:
                pass


def stands_still(t, path):
    """The file does not grow for a second."""
    last = [0, 0.0]

    def steady():
        size, now = os.path.getsize(path), time.monotonic()
        if size != last[0]:
            last[:] = size, now
        return now - last[1] > 1
    wait_until(f"{path} stands still", steady, 30 * t.slow)


def test_a_disk_full_of_what_waits_is_emptied_by_delivery(t):
    """Small records, so that not even a few hundred bytes are free: what delivery itself must write has its place."""
    disk = small_disk(t, 8 * MIB)
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.stop()
    config = one_stream("app", s3.destination(), spool={"limit": "1GiB"}, size="64KiB", deliveries_in_flight={"min": 4, "max": 4})
    config["data_dir"] = os.path.join(disk, "data")
    d = t.daemon(config).start()
    client = Firehose(d.api_port)
    n = iter(range(1 << 30))
    acked = put_or_none(client, "app", [b"%08d first" % next(n)])
    for _ in range(10):
        acked += put_or_none(client, "app", [b"%08d " % next(n) + b"x" * 80 for _ in range(400)])
    # As many as may go at once are fixed: deliveries write nothing from now on, so what is kept for them is there when others take the rest.
    wait_until("four wait", lambda: d.metrics().get("sluice_delivery_waiting_retry", stream="app") == 4, 30 * t.slow)
    stands_still(t, segments(d.data_dir)[-1])
    with open(os.path.join(disk, "ballast"), "wb") as f:  # somebody else's data, which stays
        f.write(bytes(5 * MIB))
    refused = 0
    while refused < 20:
        batch = [b"%08d " % next(n) + b"x" * 80 for _ in range(20 if refused else 400)]
        got = put_or_none(client, "app", batch)
        acked += got
        refused += len(got) < len(batch)
    fill_up(disk)
    assert os.path.exists(os.path.join(d.data_dir, "streams", "app", "spool", "reserve"))
    s3.start()
    d.wait_delivered("app", len(acked), timeout=60)
    wait_until("records are taken again",
               lambda: take_more(client, lambda: [b"%08d last" % next(n) for _ in range(50)], acked), 30 * t.slow, period=0.3)
    d.wait_delivered("app", len(acked), timeout=60)
    d.stop()
    s3.assert_clean()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), acked)


def test_a_full_disk_does_not_keep_it_from_starting(t):
    disk = small_disk(t, 16 * MIB)
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.stop()
    config = one_stream("app", s3.destination())
    config["data_dir"] = os.path.join(disk, "data")
    d = t.daemon(config).start()
    records = numbered_lines(t.random, 500)
    for at in range(0, 500, 100):
        Firehose(d.api_port).put_all("app", records[at:at + 100])
    d.kill9()
    last = segments(d.data_dir)[-1]
    flip_a_byte(last, records[450])  # damage: the rest of the start has something to do
    fill_up(disk)
    s3.start()
    d.start()
    d.wait_logged("the spool is damaged", level="error")
    wait_until("all settled", lambda: d.books("app").spooled == 0, 60 * t.slow)
    d.assert_books("app")
    assert d.books("app").corrupt == 100
    d.stop()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records[:400])


def take_more(client, batch, acked):
    got = put_or_none(client, "app", batch())
    acked += got
    return len(got) == 50


def test_a_file_sink_on_a_full_disk_waits_and_goes_on(t):
    disk = small_disk(t, 4 * MIB)
    d = t.daemon(one_stream("app", {"file": {"path": os.path.join(disk, "out")}}, compression="none",
                            size="256KiB")).start()
    with open(os.path.join(disk, "ballast"), "wb") as f:
        f.write(bytes(3 * MIB))
    records = [b"%06d " % i + b"x" * 900 for i in range(3000)]
    Firehose(d.api_port).put_all("app", records)
    d.wait_logged("delivery failed.*No space left")
    assert d.http("/readyz")[0] == 503
    time.sleep(1)
    d.assert_books("app")
    os.unlink(os.path.join(disk, "ballast"))
    d.wait_delivered("app", len(records), timeout=60)
    assert objects.other_files(os.path.join(disk, "out")) == [], "no half-written files are left"
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(os.path.join(disk, "out"))), records)


# --- what was acknowledged and is gone, or is somebody else's --------------------------------------------------------


def fsck(t, d, *args):
    done = subprocess.run([t.binary, "fsck", "-c", d.config_path, *args], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def spool_with_records(t, count=30, names=("app",), bytes_each=100_000, **config):
    """Records that were acknowledged and are not delivered; some segments. The S3 that is down, the daemon that was
    killed, the records."""
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.stop()
    d = t.daemon({**config, "streams": {n: stream(s3.destination(prefix=n + "/"), spool={"limit": "8MiB"}, interval="60s",
                                                  size="64MiB") for n in names}}).start()
    client = Firehose(d.api_port)
    records = {n: [b"%s-%04d " % (n.encode(), i) + t.random.randbytes(bytes_each // 2).hex().encode()
                   for i in range(count)] for n in names}
    for n in names:
        for r in records[n]:
            client.put_all(n, [r])
    d.kill9()
    return s3, d, records


def holding(d, record):
    found = [p for p in segments(d.data_dir) if record in open(p, "rb").read()]
    assert len(found) == 1, "records lie in the spool as they are"
    return found[0]


def deliver_the_rest(t, s3, d, records, lost, name="app"):
    """A start says what is lost, counts it, and delivers the others."""
    s3.start()
    d.start()
    d.wait_logged("damaged", level="error")
    line = d.wait_logged("the spool is damaged", level="error")[0]
    assert f"stream={name}" in line and f"records={len(lost)}" in line, line
    d.process.send_signal(15)
    d.wait_exit()
    s3.assert_clean()
    got = objects.lines({k: v for k, v in s3.snapshot().items() if k.startswith(name + "/")})
    objects.assert_exactly_once(got, [r for r in records if r not in lost])


def test_damage_in_the_last_acknowledged_record_is_no_torn_write(t):
    s3, d, records = spool_with_records(t)
    last = records["app"][-1]
    path = holding(d, last)
    flip_a_byte(path, last)
    code, said = fsck(t, d)
    assert code == 1 and "1 record lost" in said and path in said, said
    assert "never acknowledged" not in said and "cut short" not in said, said
    deliver_the_rest(t, s3, d, records["app"], [last])
    kept = os.path.join(os.path.dirname(path), "damaged")
    assert os.listdir(kept) == [os.path.basename(path)]
    code, said = fsck(t, d)
    assert code == 0, said


def test_the_end_of_the_newest_segment_is_missed(t):
    s3, d, records = spool_with_records(t)
    last = records["app"][-1]
    path = holding(d, last)
    data = open(path, "rb").read()
    os.truncate(path, data.index(last) - 100)
    code, said = fsck(t, d)
    assert code == 1 and "record" in said and "missing" in said, said
    lost = [r for r in records["app"] if r in data and r not in open(path, "rb").read()]
    deliver_the_rest(t, s3, d, records["app"], lost)


def test_a_segment_that_is_missing_is_said_wherever_it_was(t):
    s3, d, records = spool_with_records(t)
    files = segments(d.data_dir)
    assert len(files) >= 3
    for path in (files[0], files[1], files[-1]):
        data = open(path, "rb").read()
        os.unlink(path)
        lost = [r for r in records["app"] if r in data]
        code, said = fsck(t, d)
        assert code == 1 and f"{path} " in said and "the file is missing" in said, said
        assert f"{len(lost)} records lost" in said, said
        with open(path, "wb") as f:
            f.write(data)
    code, said = fsck(t, d)
    assert code == 0, said
    data = open(files[1], "rb").read()
    os.unlink(files[1])
    deliver_the_rest(t, s3, d, records["app"], [r for r in records["app"] if r in data])


def test_a_segment_of_another_stream_is_not_delivered_as_ones_own(t):
    s3, d, records = spool_with_records(t, names=("app", "other"))
    mine = [p for p in segments(d.data_dir) if "/app/" in p]
    theirs = [p for p in segments(d.data_dir) if "/other/" in p]
    data = open(mine[1], "rb").read()
    with open(mine[1], "wb") as f:
        f.write(open(theirs[1], "rb").read())
    lost = [r for r in records["app"] if r in data]
    code, said = fsck(t, d, "--stream", "app")
    assert code == 1 and "belongs to another stream" in said and f"{len(lost)} records lost" in said, said
    deliver_the_rest(t, s3, d, records["app"], lost)
    got = objects.lines({k: v for k, v in s3.snapshot().items() if k.startswith("other/")})
    objects.assert_exactly_once(got, records["other"])


def test_a_mark_of_another_stream_takes_nothing_away(t):
    """Of a stream beside it, and of one of the same name in another data_dir; with many segments, and with one."""
    elsewhere = spool_with_records(t, count=5, data_dir=t.path("elsewhere"))[1].data_dir
    for count, names in ((30, ("app", "other")), (2, ("app", "other")), (2, ("app",))):
        s3, d, records = spool_with_records(t, count=count, names=names, data_dir=t.path(f"data-{count}-{len(names)}"))
        folder = os.path.join(d.data_dir, "streams", "app", "spool")
        theirs = os.path.join(d.data_dir if "other" in names else elsewhere, "streams", names[-1], "spool", "mark")
        shutil.copy(theirs, folder)
        code, said = fsck(t, d, "--stream", "app")
        assert code == 1 and f"{folder}/mark at" in said and "belongs to another stream" in said, said
        assert "lost" not in said and f"{count} records waiting" in said, said
        deliver_the_rest(t, s3, d, records["app"], [])
        assert os.listdir(os.path.join(folder, "damaged")) == ["mark"]
        code, said = fsck(t, d)
        assert code == 0, said


def test_segments_under_wrong_names_are_put_right_and_other_streams_go_on(t):
    s3, d, records = spool_with_records(t, names=("app", "other"))
    first, second, *_, last = [p for p in segments(d.data_dir) if "/app/" in p]
    spare = os.path.join(os.path.dirname(first), "%020d.seg" % 77)
    shutil.copy(second, spare)  # a copy
    os.rename(first, first + ".x")  # and three that changed places
    os.rename(last, first)
    os.rename(second, last)
    os.rename(first + ".x", second)
    code, said = fsck(t, d)
    assert code == 1 and "lost" not in said and "30 records waiting" in said, said
    assert said.count("the name of another segment") + said.count("a copy of another segment") == 4, said
    deliver_the_rest(t, s3, d, records["app"], [])
    got = objects.lines({k: v for k, v in s3.snapshot().items() if k.startswith("other/")})
    objects.assert_exactly_once(got, records["other"])
    code, said = fsck(t, d)
    assert code == 0, said


def test_a_copy_in_the_place_of_another_segment_concerns_its_stream_only(t):
    s3, d, records = spool_with_records(t, names=("app", "other"))
    mine = [p for p in segments(d.data_dir) if "/app/" in p]
    data = open(mine[1], "rb").read()
    lost = [r for r in records["app"] if r in data]
    shutil.copy(mine[0], mine[1])
    code, said = fsck(t, d)
    assert code == 1 and "a copy of another segment" in said and f"{len(lost)} records lost" in said, said
    deliver_the_rest(t, s3, d, records["app"], lost)
    assert os.listdir(os.path.join(os.path.dirname(mine[1]), "damaged")) == [os.path.basename(mine[1])]
    got = objects.lines({k: v for k, v in s3.snapshot().items() if k.startswith("other/")})
    objects.assert_exactly_once(got, records["other"])


def test_what_is_named_like_a_segment_and_is_no_file_hangs_nobody(t):
    _, d, _ = spool_with_records(t, count=2)
    path = os.path.join(os.path.dirname(segments(d.data_dir)[0]), "%020d.seg" % 99)
    for make in (os.mkfifo, os.mkdir, lambda p: os.symlink("/etc/hostname", p)):
        make(path)
        code, said = fsck(t, d)
        assert code == 1 and path in said and "is not a regular file" in said, said
        d.expect_exit = 1
        d.spawn()
        d.wait_exit()
        assert d.wait_logged(f"{path} is not a regular file"), d.log_text()[-500:]
        os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


def test_data_dir_may_be_a_link_and_no_folder_in_it(t):
    s3, d, records = spool_with_records(t, count=3)
    elsewhere = t.path("another-disk")
    for name in ("streams/app/spool", "streams/app", "streams", "tmp"):
        folder = os.path.join(d.data_dir, name)
        os.rename(folder, elsewhere)
        os.symlink(elsewhere, folder)
        code, said = fsck(t, d)
        assert name == "tmp" or (code == 1 and f"{folder} is a link" in said), said
        done = subprocess.run([d.binary, "validate", "-c", d.config_path], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and f"{folder} is a link" in done.stderr, done.stderr
        d.expect_exit = 1
        d.spawn()
        d.wait_exit()
        assert d.wait_logged(f"{folder} is a link"), d.log_text()[-500:]
        os.unlink(folder)
        os.rename(elsewhere, folder)
    os.rename(d.data_dir, elsewhere)
    os.symlink(elsewhere, d.data_dir)
    code, said = fsck(t, d)
    assert code == 0, said
    s3.start()
    d.expect_exit = 0
    d.start()
    d.process.send_signal(15)
    d.wait_exit()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records["app"])
