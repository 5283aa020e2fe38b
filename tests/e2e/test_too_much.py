"""Transforms that make more of a batch than can be held: it goes in pieces, down to the record that makes too much alone. And a disk that is
full of what only delivery can free."""

import json
import os
import subprocess

import backups
import objects
from common import MIB, one_stream, to_file
from firehose import Firehose
from harness import wait_until
from s3_peer import S3Peer
from test_damage import fill_up, small_disk
from test_transform import backup, delivered, script, transformed

# A record becomes `times` of itself; two of these in a chain: that many of each.
COPIES = """\
function transform(r)
  local out, line = {}, string.format('{"n":%d,"pad":"%s"}', r.n, r.pad)
  for i = 1, r.times do out[i] = line end
  return out
end
"""


def record(n, times, size=1000):
    return json.dumps({"n": n, "times": times, "pad": "x" * size}).encode()


def count_copies(t, folder="out"):
    found = {}
    for line in objects.lines(objects.read_dir(t.path(folder))):
        n = json.loads(line)["n"]
        found[n] = found.get(n, 0) + 1
    return found


def test_a_batch_of_which_too_much_comes_out_goes_in_pieces(t):
    times = {n: 1500 for n in range(60)}  # 90 MB in all
    d = t.daemon(transformed(t, {"lua": script(t, COPIES), "timeout": "20s"}, backup=backup(t))).start()
    Firehose(d.api_port).put_all("app", [record(n, times[n]) for n in times])
    books = d.wait_delivered("app", 60, timeout=120)
    assert (books.dropped, books.backed_up) == (0, 0), books
    if not t.sanitized:
        assert d.peak_rss() < 200 * MIB, d.peak_rss()
    d.stop()
    assert len(objects.read_dir(t.path("out"))) >= 2, "pieces of half the batch"
    assert count_copies(t) == times


AGAIN = """\
function transform(r)
  local out, line = {}, string.format('{"n":%d,"pad":"%s"}', r.n, r.pad)
  for i = 1, (r.n == 17 and 300 or 1) do out[i] = line end
  return out
end
"""


def chain(t):
    """Record 17 becomes 300 x 300, 90 MB; alone in neither of the two scripts too many."""
    return [{"lua": script(t, COPIES, "copies.lua"), "timeout": "60s"}, {"lua": script(t, AGAIN, "again.lua"), "timeout": "60s"}]


def test_the_record_that_makes_too_much_alone_fails_and_its_neighbours_do_not(t):
    d = t.daemon(transformed(t, chain(t), backup=backup(t))).start()
    guilty = record(17, 300)
    Firehose(d.api_port).put_all("app", [guilty if n == 17 else record(n, 2) for n in range(40)])
    books = d.wait_delivered("app", 39, timeout=120)
    assert books.backed_up == 1, books
    Firehose(d.api_port).put("app", record(100, 1))
    d.wait_delivered("app", 40)
    d.stop()
    lines = backups.read(t.path("backup"), "processing-failed")
    assert [line["data"] for line in lines] == [guilty]
    assert lines[0]["errorCode"].startswith("Transform."), lines[0]["errorCode"]
    found = count_copies(t)
    found.pop(17, None)  # what came through before one of its parts failed
    assert found == {**{n: 2 for n in range(40) if n != 17}, 100: 1}


def test_without_a_backup_its_batch_waits_and_the_next_goes_on(t):
    config = transformed(t, chain(t))
    config["shutdown"] = {"grace": "1s"}
    d = t.daemon(config).start()
    Firehose(d.api_port).put_all("app", [record(n, 300 if n == 17 else 1) for n in range(12, 22)])
    line = d.wait_logged("cannot be transformed", timeout=60)[0]
    assert "ProcessingFailed" in line and "backup" in line and "hint=" in line, line
    Firehose(d.api_port).put("app", record(100, 1))
    wait_until("the next batch is delivered", lambda: 100 in count_copies(t), 30 * t.slow)
    wait_until("it is settled, the other one not", lambda: d.books("app").spooled == 10, 30 * t.slow)
    d.expect_exit = 1
    d.stop()


def test_one_record_that_becomes_very_many_empty_ones(t):
    text = "function transform(r) local out = {} for i = 1, r.n do out[i] = '' end return out end"
    d = t.daemon(transformed(t, {"lua": script(t, text), "timeout": "20s"}, backup=backup(t), interval="0s")).start()
    client = Firehose(d.api_port)
    for n in (300000, 20000, 1):
        client.put("app", b'{"n":%d}' % n)
        wait_until("the record is settled", lambda: d.books("app").spooled == 0, 60 * t.slow)
    books = d.books("app")
    books.assert_balanced()
    assert books.delivered >= 1 and books.delivered + books.backed_up == 3, books
    d.stop()
    got = sum(objects.unpack(body).count(b"\n") for body in objects.read_dir(t.path("out")).values())
    assert got == {1: 1, 2: 20001, 3: 320001}[books.delivered], (got, books)


def test_a_batch_that_needs_a_file_is_delivered_from_a_disk_that_is_full(t):
    """The disk is full of the stream's own spool, so nothing but delivery can make room on it."""
    disk = small_disk(t, 40 * MIB)
    blocked = t.path("out")
    with open(blocked, "w", encoding="ascii"):  # a file where the folder should be
        pass
    config = one_stream("app", to_file(t), size="16MiB", interval="900s", spool={"limit": "1GiB"})
    config["data_dir"] = os.path.join(disk, "data")
    d = t.daemon(config).start()
    client, n = Firehose(d.api_port), 0
    acked = []
    while d.disk_bytes() < 24 * MIB:
        batch = [b"%06d " % n + os.urandom(20000).hex().encode() for n in range(n, n + 50)]
        n += 50
        answers = client.put_batch("app", batch)
        acked += [r for r, a in zip(batch, answers) if "RecordId" in a]
    d.wait_logged("delivery failed")
    ballast = os.path.join(disk, "ballast")
    subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=64k"], capture_output=True, check=False)
    os.remove(blocked)
    wait_until("what is due is delivered", lambda: d.books("app").delivered > 0, 60 * t.slow)
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), acked)


def copies(t):
    """Of one record: 10 MB; or what the tight build takes of one, which holds 4 KiB in memory as a rule."""
    return 250 if t.tight else 2500


def test_what_one_record_becomes_needs_no_room_on_a_full_disk(t):
    """Records of which 10 MB come out each, and one of 1 MB that fails: larger than what is held in memory as a rule."""
    disk = small_disk(t, 40 * MIB)
    lua = "if r.fails then error('no') end\n" + COPIES.split("\n", 1)[1]
    config = transformed(t, {"lua": script(t, "function transform(r)\n" + lua), "timeout": "20s"}, backup=backup(t),
                         interval="1s")
    config["data_dir"] = os.path.join(disk, "data")
    d = t.daemon(config).start()
    fill_up(disk)
    os.truncate(os.path.join(disk, "ballast"), os.path.getsize(os.path.join(disk, "ballast")) - 3 * MIB)
    large = json.dumps({"fails": True, "pad": "x" * 1000000}).encode()
    client = Firehose(d.api_port)
    client.put_all("app", [record(n, copies(t), size=4000) for n in range(3)])
    client.put_all("app", [large])
    d.wait_delivered("app", 3, timeout=60)
    wait_until("the failed one is in the backup", lambda: d.books("app").backed_up == 1, 30 * t.slow)
    d.stop()
    assert count_copies(t) == {n: copies(t) for n in range(3)}
    assert [line["data"] for line in backups.read(t.path("backup"), "processing-failed")] == [large]


def bytes_in_tmp(d):
    """Of the temporary files, which have no names."""
    found, folder = 0, f"/proc/{d.process.pid}/fd"
    for fd in os.listdir(folder):
        try:
            if os.readlink(f"{folder}/{fd}").startswith(os.path.join(d.data_dir, "tmp") + "/"):
                found += os.stat(f"{folder}/{fd}").st_size
        except FileNotFoundError:
            continue  # closed meanwhile
    return found


def test_what_waits_behind_a_transform_takes_no_more_of_the_disk_than_the_spool_may(t):
    """Ten records of which 10 MB come out each, and a destination that is down. Each is a batch, as a rule: on a loaded machine some may be one."""
    one, limit = 4000 * copies(t), 16 * MIB
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.stop()
    config = one_stream("app", s3.destination(), transform={"lua": script(t, COPIES), "timeout": "20s", "single": True},
                        compression="zstd", interval="0s", deliveries_in_flight={"min": 8, "max": 8}, spool={"limit": "16MiB"})
    d = t.daemon(config).start()
    client = Firehose(d.api_port)
    for n in range(10):
        client.put("app", record(n, copies(t), size=4000))
    most = 0

    def have_tried():
        nonlocal most
        most = max(most, bytes_in_tmp(d))
        return d.metrics().get("sluice_delivery_attempts_total", stream="app") >= 5

    wait_until("several attempts", have_tried, 60 * t.slow)
    assert most > one / 2, most
    s3.start()
    d.wait_delivered("app", 10, timeout=60)
    d.stop()
    sent = s3.snapshot()
    assert len(objects.lines(sent)) == 10 * copies(t)
    largest = max(len(objects.unpack(body)) for body in sent.values())
    assert most < limit + 1.2 * largest, (most, largest)
