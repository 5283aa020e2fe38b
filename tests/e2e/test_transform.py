"""Transforms through the real daemon: every fate of a record in the books, chains, built-ins, scripts that fail,
run away, remember, and change while it runs."""

import gzip
import json
import os
import re
import subprocess
import time

import backups
import objects
from common import MIB, one_stream, stream, to_file
from firehose import Firehose
from harness import wait_until
from s3_peer import Fail, S3Peer

# What becomes of a record by its `kind`.
FATES = """\
function transform(r)
  if r.kind == "drop" then return nil end
  if r.kind == "fail" then error("this one is of the kind that fails") end
  if r.kind == "split" then
    return { '{"n":' .. r.n .. ',"part":1}', '{"n":' .. r.n .. ',"part":2}' }
  end
  if r.kind == "change" then r.env = "prod" end
  return r
end
"""
KINDS = ("keep", "change", "drop", "split", "fail")


def script(t, text, name="script.lua"):
    """Appears whole under its name, as an editor or a deployment writes it."""
    with open(t.path(name + ".new"), "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(t.path(name + ".new"), t.path(name))
    return t.path(name)


def backup(t):
    return {"mode": "failed", "file": {"path": t.path("backup")}}


def transformed(t, transform, **more):
    return one_stream("app", to_file(t), transform=transform, **more)


def delivered(t):
    return objects.lines(objects.read_dir(t.path("out")))


def put_numbers(d, numbers, kind_of=lambda n: "keep"):
    records = [b'{"n":%d,"kind":"%s"}' % (n, kind_of(n).encode()) for n in numbers]
    Firehose(d.api_port).put_all("app", records)
    return records


def expected(record):
    """What FATES makes of a record."""
    r = json.loads(record)
    if r["kind"] == "keep":
        return [record]
    if r["kind"] == "change":
        return [record[:-1] + b',"env":"prod"}']
    if r["kind"] == "split":
        return [b'{"n":%d,"part":%d}' % (r["n"], part) for part in (1, 2)]
    return []


def of_kind(records, kind):
    return [r for r in records if b'"%s"' % kind.encode() in r]


def test_each_fate_ends_where_it_should_and_the_books_balance(t):
    d = t.daemon(transformed(t, {"lua": script(t, FATES)}, backup=backup(t), size="64KiB")).start()
    records = put_numbers(d, range(20000), lambda n: KINDS[n % len(KINDS)])
    books = d.wait_delivered("app", 12000)
    assert (books.dropped, books.backed_up, books.corrupt) == (4000, 4000, 0), books
    assert d.metrics().get("sluice_backup_objects_total", stream="app") >= 1
    d.stop()
    objects.assert_exactly_once(delivered(t), [line for r in records for line in expected(r)])
    failed = backups.read(t.path("backup"), "processing-failed")
    objects.assert_exactly_once([line["data"] for line in failed], of_kind(records, "fail"))
    for line in failed:
        assert "script.lua:3:" in line["errorMessage"] and "the kind that fails" in line["errorMessage"], line
    assert not d.logged("this one is of the kind", level="error"), "records with a backup are no error of the daemon"


def test_the_books_of_transformed_records_survive_a_restart(t):
    d = t.daemon(transformed(t, {"lua": script(t, FATES)}, backup=backup(t), interval="0s")).start()
    put_numbers(d, range(100), lambda n: KINDS[n % len(KINDS)])
    d.wait_delivered("app", 60)
    before = repr(d.books("app"))
    d.restart()
    assert repr(d.books("app")) == before
    d.stop()


def test_the_partitions_of_the_last_batch_are_counted(t):
    keyed = script(t, "function transform(r, meta) meta.partition_keys.tenant = tostring(r.n % 7) return r end")
    d = t.daemon(transformed(t, {"lua": keyed}, interval="0s")).start()
    assert d.metrics().get("sluice_partition_count", stream="app") == 0
    put_numbers(d, range(70))  # one request: one batch
    d.wait_delivered("app", 70)
    wait_until("they are counted", lambda: d.metrics().get("sluice_partition_count", stream="app") == 7, 30 * t.slow)
    d.stop()


def test_two_scripts_work_as_a_chain(t):
    first = script(t, "function transform(r) r.first = true; if r.n % 3 == 0 then return nil end return r end", "a.lua")
    second = script(t, """\
function transform(r)
  if not r.first then error("the first did not see it") end
  if r.n % 3 == 1 then return { '{"n":' .. r.n .. ',"half":1}', '{"n":' .. r.n .. ',"half":2}' } end
  r.first = nil
  return r
end
""", "b.lua")
    d = t.daemon(transformed(t, [{"lua": first}, {"lua": second}], backup=backup(t))).start()
    put_numbers(d, range(3000))
    books = d.wait_delivered("app", 2000)
    assert (books.dropped, books.backed_up) == (1000, 0), books
    d.stop()
    want = [b'{"n":%d,"kind":"keep"}' % n for n in range(3000) if n % 3 == 2]
    want += [b'{"n":%d,"half":%d}' % (n, half) for n in range(3000) if n % 3 == 1 for half in (1, 2)]
    objects.assert_exactly_once(delivered(t), want)


def envelope(n, events):
    return json.dumps({
        "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "subscriptionFilters": ["f"],
        "logEvents": [{"id": str(i), "timestamp": 1700000000000, "message": f"message {n}-{i}"} for i in range(events)],
    }).encode()


def test_built_in_transforms_unpack_and_a_script_sees_what_they_made(t):
    chain = [
        {"decompress": {"cloudwatch_logs": "messages"}},
        {"lua": script(t, '''
function transform(r)
  if r.raw == "message 7-1" then return nil end
  return "seen " .. r.raw
end
''')},
        {"delimiter": {"text": ";\n"}},
    ]
    d = t.daemon(transformed(t, chain, backup=backup(t))).start()
    control = gzip.compress(json.dumps({"messageType": "CONTROL_MESSAGE", "logEvents": []}).encode())
    damaged = gzip.compress(envelope(0, 3))[:40]
    packed = [gzip.compress(envelope(n, 3)) for n in range(50)]
    Firehose(d.api_port).put_all("app", [*packed, control, damaged, b"not gzip"])
    books = d.wait_delivered("app", 50)
    assert (books.dropped, books.backed_up) == (1, 2), books
    d.stop()
    want = [b"seen message %d-%d;" % (n, i) for n in range(50) for i in range(3) if (n, i) != (7, 1)]
    objects.assert_exactly_once(delivered(t), want)
    failed = {line["data"]: line["errorCode"] for line in backups.read(t.path("backup"), "processing-failed")}
    assert set(failed) == {damaged, b"not gzip"}, failed
    assert set(failed.values()) == {"Decompression.InvalidData"}, failed


def test_deaggregate_splits_objects_that_stand_in_a_row(t):
    d = t.daemon(transformed(t, [{"deaggregate": {"split": "json"}}])).start()
    Firehose(d.api_port).put_all("app", [b'{"a":%d}{"b":%d}\n{"c":%d}' % (n, n, n) for n in range(500)])
    d.wait_delivered("app", 500)
    d.stop()
    objects.assert_exactly_once(delivered(t), [b'{"%s":%d}' % (k, n) for n in range(500) for k in (b"a", b"b", b"c")])


def test_a_script_that_fails_on_everything_fills_the_backup_and_not_the_log(t):
    text = "function transform(r)\n  local x = nil\n  return x.field\nend\n"
    d = t.daemon(transformed(t, {"lua": script(t, text)}, backup=backup(t), size="64KiB")).start()
    records = put_numbers(d, range(20000))
    wait_until("all in the backup", lambda: d.books("app").backed_up == len(records), 60 * t.slow)
    d.assert_books("app")
    books = d.books("app")
    assert (books.delivered, books.dropped, books.spooled) == (0, 0, 0), books
    lines = len(d.log(this_run=True))
    assert lines < 60, f"{lines} log lines for {len(records)} records that fail"
    d.stop()
    failed = backups.read(t.path("backup"), "processing-failed")
    objects.assert_exactly_once([line["data"] for line in failed], records)
    assert all("script.lua:3:" in line["errorMessage"] for line in failed), failed[0]
    assert delivered(t) == []


def test_without_a_backup_it_pauses_and_says_why_and_a_mended_script_gets_everything_through(t):
    config = transformed(t, {"lua": script(t, FATES)}, interval="0s")
    config["shutdown"] = {"grace": "1s"}
    d = t.daemon(config).start()
    records = put_numbers(d, range(300), lambda n: KINDS[n % len(KINDS)])
    line = d.wait_logged("cannot be transformed")[0]
    assert "script.lua:3:" in line and "stream=app" in line and "backup" in line, line
    time.sleep(1)
    books = d.books("app")
    books.assert_balanced()
    assert books.backed_up == 0 and books.spooled > 0, books
    assert len(d.wait_logged("cannot be transformed")) < 10, "the pause is repeated rarely"
    d.expect_exit = 1
    d.stop()
    script(t, FATES.replace('error("this one is of the kind that fails")', 'r.mended = true; return r'))
    d.expect_exit = 0
    d.start()
    books = d.wait_delivered("app", 240)
    assert (books.dropped, books.backed_up) == (60, 0), books
    d.stop()
    want = [line for r in records for line in expected(r)]
    want += [r[:-1] + b',"mended":true}' for r in of_kind(records, "fail")]
    objects.assert_exactly_once(delivered(t), want)


def test_a_runaway_script_is_stopped_and_only_its_record_fails(t):
    text = 'function transform(r)\n  while r.n == 17 or r.n == 230 do end\n  return r\nend\n'
    d = t.daemon(transformed(t, {"lua": script(t, text), "timeout": "200ms"}, backup=backup(t))).start()
    records = put_numbers(d, range(400))
    books = d.wait_delivered("app", 398)
    assert books.backed_up == 2, books
    assert d.cpu_seconds() < 10 * t.slow, "the loop went on"
    d.stop()
    lines = backups.read(t.path("backup"), "processing-failed")
    assert sorted(line["data"] for line in lines) == sorted([records[17], records[230]])
    assert {line["errorCode"] for line in lines} == {"Lua.FunctionTimedOut"}, lines
    assert all("200 ms" in line["errorMessage"] for line in lines), lines
    objects.assert_exactly_once(delivered(t), [r for n, r in enumerate(records) if n not in (17, 230)])


def test_a_script_that_takes_all_memory_fails_its_record_and_not_the_daemon(t):
    text = """\
function transform(r)
  if r.n == 5 then local s = {} while true do s[#s + 1] = ("x"):rep(100000) .. #s end end
  return r
end
"""
    lua = {"lua": script(t, text), "memory": "16MiB", "timeout": "20s"}
    d = t.daemon(transformed(t, lua, backup=backup(t))).start()
    put_numbers(d, range(50))
    books = d.wait_delivered("app", 49)
    assert books.backed_up == 1, books
    if not t.sanitized:
        assert d.peak_rss() < 150 * MIB, d.peak_rss()
    d.stop()
    assert "memory" in backups.read(t.path("backup"))[0]["errorMessage"]


COUNTER = """\
local seen = 0
function transform(r)
  seen = seen + 1
  r.seen = seen
  return r
end
"""


def test_a_single_script_sees_every_record_in_order(t):
    d = t.daemon(transformed(t, {"lua": script(t, COUNTER), "single": True}, size="16KiB")).start()
    put_numbers(d, range(5000))
    d.wait_delivered("app", 5000)
    d.stop()
    assert len(objects.read_dir(t.path("out"))) > 1
    got = {r["n"]: r["seen"] for r in map(json.loads, delivered(t))}
    assert got == {n: n + 1 for n in range(5000)}, "one state, in order, across batches"


def test_a_retry_delivers_what_the_script_made_the_first_time(t):
    """The script counts its calls, so running it again would put other bytes under the same key."""
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.plan(Fail(500, "InternalError", stores=True), Fail(503, "SlowDown", stores=True))
    config = one_stream("app", s3.destination(), interval="0s", transform={"lua": script(t, COUNTER), "single": True})
    d = t.daemon(config).start()
    put_numbers(d, range(200))
    d.wait_delivered("app", 200)
    d.stop()
    s3.assert_clean()
    assert sorted(json.loads(x)["seen"] for x in objects.lines(s3.snapshot())) == list(range(1, 201))


def marked(version, more=""):
    return f'function transform(r)\n  r.version = {version}\n  return r\nend\n{more}'


def test_a_changed_script_is_taken_with_the_next_batch_and_a_broken_one_refused(t):
    d = t.daemon(transformed(t, {"lua": script(t, marked(1)), "watch": True}, interval="0s")).start()
    client = Firehose(d.api_port)
    count = 0

    def put_and_read():
        nonlocal count
        client.put("app", b'{"n":%d}' % count)
        count += 1
        d.wait_delivered("app", count)
        return next(r["version"] for r in map(json.loads, delivered(t)) if r["n"] == count - 1)

    assert put_and_read() == 1
    script(t, marked(22))
    wait_until("the new script works", lambda: put_and_read() == 22, 20 * t.slow, period=0.2)
    script(t, marked(333, "end end end\n"))
    line = wait_until("the refusal is logged", lambda: put_and_read() == 22 and d.logged(r"script\.lua:\d+:"),
                      20 * t.slow, period=0.2)[0]
    assert "level=info" not in line, line
    script(t, marked(4444))
    wait_until("the mended script works", lambda: put_and_read() == 4444, 20 * t.slow, period=0.2)
    d.assert_books("app")
    d.stop()


# What is wrong with a script -> its text -> what must be said.
BROKEN = {
    "syntax": ("function transform(r)\n  return r +\nend\n", r"script\.lua:3:"),
    "no transform": ("local x = 1\n", r"script\.lua.*transform"),
    "fails when loaded": ('\n\nerror("no such table")\n', r"script\.lua:3:.*no such table"),
    "bytecode": ("\x1bLua", r"script\.lua"),
    "forbidden": ('os.execute("true")\nfunction transform(r) return r end\n', r"script\.lua:1:.*(os|nil)"),
    "endless when loaded": ("while true do end\nfunction transform(r) return r end\n", r"script\.lua.*longer than"),
}


def test_validate_and_run_report_a_broken_script_with_its_place(t):
    d = t.daemon(transformed(t, {"lua": t.path("script.lua")}))
    wrong = []
    for what, (text, pattern) in BROKEN.items():
        script(t, text)
        # This one takes the five seconds that a script may take to load, of CPU.
        long = t.sanitized and what == "endless when loaded"
        for command in ("validate",) if long else ("validate", "run"):
            done = subprocess.run([t.binary, command, "-c", d.config_path], capture_output=True, cwd=t.dir,
                                  timeout=90 * t.slow, check=False)
            said = done.stderr.decode()
            if done.returncode != 2 or not re.search(pattern, said):
                wrong.append(f"{what}, {command}: exit {done.returncode}, wanted {pattern!r}, said: {said.strip()}")
    assert not wrong, "\n".join(wrong)


test_validate_and_run_report_a_broken_script_with_its_place.one_thread = True


def test_a_missing_script_is_named_at_its_place(t):
    d = t.daemon(transformed(t, {"lua": "nowhere.lua"}))
    done = subprocess.run([t.binary, "validate", "-c", d.config_path], capture_output=True, cwd=t.dir, timeout=60,
                          check=False)
    said = done.stderr.decode()
    assert done.returncode == 2 and "nowhere.lua" in said and re.search(r"sluice\.yaml:\d+:\d+", said), said


def test_streams_with_and_without_a_script_share_a_source(t):
    """One input file, two streams: each has its own spool, script and books."""
    path = t.path("in.log")
    lines = [b'{"n":%d,"kind":"%s"}' % (n, KINDS[n % len(KINDS)].encode()) for n in range(5000)]
    with open(path, "wb") as f:
        f.write(b"".join(line + b"\n" for line in lines))
    source = [{"tail": {"paths": [path], "start": "beginning"}}]
    d = t.daemon({"streams": {
        "plain": stream(to_file(t, "plain"), source),
        "script": stream(to_file(t, "script"), source, transform={"lua": script(t, FATES)}, backup=backup(t)),
    }}).start()
    d.wait_delivered("plain", 5000)
    d.wait_delivered("script", 3000)
    d.assert_books("plain", "script")
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("plain"))), lines)
    want = [x for line in lines for x in expected(line)]
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("script"))), want)
