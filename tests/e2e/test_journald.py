"""The input journald on real journal files: each entry once, whatever is killed and rotated; filters; and what is said of entries that are gone."""

import json
import os

import journal_files
import objects
from common import one_stream, to_file
from harness import wait_until


def daemon(t, name="sluice", options=None, **more):
    if not journal_files.is_there():
        t.skip("systemd-journal-remote is not installed")
    os.makedirs(t.path("journal"), exist_ok=True)
    config = one_stream("app", to_file(t, name), inputs=[{"journald": {"path": t.path("journal"), **(options or {})}}], **{"interval": "900s", **more})
    return t.daemon(config, name=name)


def append(t, numbers, file="system", **fields):
    journal_files.append(
        t.path("journal", f"{file}.journal"),
        [journal_files.entry(i, {"MESSAGE": f"line {i:06d}", "PRIORITY": str(i % 8), "_SYSTEMD_UNIT": "app.service", **fields}) for i in numbers],
    )


def got(t, name="sluice"):
    return [json.loads(line) for line in objects.lines(objects.read_dir(t.path(name)))]


def messages(t, name="sluice"):
    return [r["MESSAGE"] for r in got(t, name)]


def expected(*ranges):
    return [f"line {i:06d}" for r in ranges for i in r]


def test_each_entry_is_a_record_once(t):
    """Entries that were there, that come, that come while the daemon is dead; files that are rotated; any bytes; a spool that is full."""
    d = daemon(t, options={"start": "beginning"}, spool={"limit": "4MiB"}, interval="1s")
    append(t, range(0, 3000))
    d.start()
    wait_until("the entries", lambda: d.books("app").incoming >= 3000, 60 * t.slow)
    append(t, range(3000, 3100))
    wait_until("those that came", lambda: d.books("app").incoming >= 3100, 60 * t.slow)
    d.kill9()
    os.rename(t.path("journal", "system.journal"), t.path("journal", "system@0001.journal"))  # as journald rotates
    append(t, range(3100, 7000))
    d.start()
    wait_until("some more", lambda: d.books("app").incoming >= 3500, 60 * t.slow)
    d.kill9()
    d.start()
    append(t, range(7000, 7001), MESSAGE=[b"a\xff\0b", "text"], REPEATED=["1", "2"], LARGE="x" * 2_000_000)
    d.wait_delivered("app", 7001, timeout=60 * t.slow)
    d.stop()
    records = got(t)
    last, = (r for r in records if "REPEATED" in r)
    assert sorted(r["MESSAGE"] for r in records if r is not last) == expected(range(7000))
    assert sorted(last["MESSAGE"]) == ["a\ufffd\0b", "text"] and sorted(last["MESSAGE_base64"]) == ["Yf8AYg==", "dGV4dA=="], last["MESSAGE"]
    assert sorted(last["REPEATED"]) == ["1", "2"] and last["__OMITTED"] == ["LARGE"] and "LARGE" not in last
    assert last["__REALTIME_TIMESTAMP"] == str(journal_files.BEGIN + 7000 * 1000) and last["_BOOT_ID"] == journal_files.BOOT
    assert d.wait_logged("fields for which a record has no room", level="warn")


def test_what_is_removed_or_copied_while_it_is_behind(t):
    """journald removes what was not read yet, as the spool is full: that is told. It copies what was read (from memory to the disk, at each start of
    the machine): that is no loss, and nothing comes twice."""
    d = daemon(t, options={"start": "beginning"}, spool={"limit": "4MiB"}, interval="1s")
    append(t, range(0, 60), LARGE=t.random.randbytes(100_000))
    os.rename(t.path("journal", "system.journal"), t.path("journal", "system@0001.journal"))
    append(t, range(60, 70))
    with open(t.path("sluice"), "wb"):
        pass  # a file where the destination wants a folder
    d.start()
    wait_until("the first entries", lambda: d.books("app").incoming >= 5, 60 * t.slow)
    os.remove(t.path("journal", "system@0001.journal"))
    d.wait_logged("entries of the journal were removed before they were read", level="warn", timeout=60 * t.slow)
    os.unlink(t.path("sluice"))
    wait_until("the last entry", lambda: "line 000069" in messages(t), 60 * t.slow)
    d.stop()

    copied = daemon(t, "copied", options={"start": "beginning", "path": t.path("copies")})
    for i in range(2):
        os.makedirs(t.path("copies"))
        append(t, range(0, 5 + i), file="../copies/system")
        copied.spawn("--once").wait_exit()
        assert sorted(messages(t, "copied")) == expected(range(5 + i)) and not copied.logged("removed before they were read")
        os.rename(t.path("copies"), t.path(f"copies{i}"))


test_what_is_removed_or_copied_while_it_is_behind.one_thread = True


def test_where_it_begins_and_what_it_takes(t):
    """start: end; filters; entries that are removed before they were read; --once."""
    d = daemon(t, options={"priority": "warning", "units": ["app"], "identifiers": ["me"], "match": ["_TRANSPORT=stdout"], "fields": ["MESSAGE", "PRIORITY"]})
    mine = {"SYSLOG_IDENTIFIER": "me", "_TRANSPORT": "stdout"}
    append(t, range(0, 100), **mine)
    d.start()
    wait_until("the end", lambda: d.metrics().get("sluice_input_connected", stream="app", input="journald") == 1, 60 * t.slow)
    append(t, range(100, 108), **mine)
    append(t, range(108, 116), **{**mine, "SYSLOG_IDENTIFIER": "you"})
    append(t, range(116, 124), **{**mine, "_TRANSPORT": "kernel"})
    append(t, range(124, 132), **{**mine, "_SYSTEMD_UNIT": "app2.service"})
    append(t, range(132, 140), **{**mine, "_SYSTEMD_UNIT": "init.scope", "UNIT": "app.service", "_PID": "1"})
    append(t, range(140, 148), **{**mine, "_SYSTEMD_UNIT": "liar.service", "UNIT": "app.service", "_PID": "2"})
    wait_until("the entries", lambda: d.books("app").incoming >= 10, 60 * t.slow)
    d.stop()
    want = [f"line {i:06d}" for r in (range(100, 108), range(132, 140)) for i in r if i % 8 <= 4]
    assert sorted(messages(t)) == want and set(got(t)[0]) == {"MESSAGE", "PRIORITY"}

    daemon(t, "later", options={"start": "beginning", "units": ["nothing"]}).spawn("--once").wait_exit()
    append(t, range(148, 150))
    daemon(t, "later", options={"start": "beginning"}).spawn("--once").wait_exit()
    assert messages(t, "later") == expected(range(148, 150))  # what the filter left out is behind its position

    whole = daemon(t, "whole", options={"start": "beginning"})
    for i in range(2):
        whole.spawn("--once").wait_exit()
        assert whole.wait_logged("the journal is read to its end") and len(messages(t, "whole")) == 150
    os.rename(t.path("journal", "system.journal"), t.path("journal", "system@0001.journal"))
    append(t, range(150, 160))
    os.rename(t.path("journal", "system.journal"), t.path("journal", "system@0002.journal"))
    append(t, range(160, 170))
    os.remove(t.path("journal", "system@0001.journal"))
    os.remove(t.path("journal", "system@0002.journal"))
    whole.expect_exit = 1  # it says that not all could be read
    whole.spawn("--once").wait_exit()
    assert sorted(messages(t, "whole"))[150:] == expected(range(160, 170))
    assert whole.wait_logged("entries of the journal were removed before they were read", level="warn")

    append(t, range(200, 210), file="other")
    late = daemon(t, "late", options={"path": t.path("nowhere")})
    late.start()
    late.wait_logged("the journal cannot be read", timeout=30 * t.slow)
    os.rename(t.path("journal"), t.path("nowhere"))
    late.wait_logged("the journal can be read again", timeout=60 * t.slow)
    late.stop()


test_where_it_begins_and_what_it_takes.one_thread = True
