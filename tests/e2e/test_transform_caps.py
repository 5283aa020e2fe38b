"""The bounds of transforms, through the real daemon: what takes too long or becomes too much fails alone, nothing waits
for it, and what it says stays with its record."""

import gzip
import json

import backups
import objects
from common import MIB, one_stream, to_file
from firehose import Firehose
from harness import wait_until
from test_transform import backup, delivered, script

# Each takes seconds to years where only Lua's instructions are counted.
HOSTILE = {
    "set": "return (('a'):rep(400000)):find('[' .. ('b'):rep(400000) .. ']')",
    "format": "local s, t = ('x'):rep(8e6), {} for i = 1, 16000 do t[i] = s end "
              "return ('%.1s'):rep(16000):format(table.unpack(t))",
    "replacement": "while true do ('x'):rep(1000):gsub('()', ('%1'):rep(1e6)) end",
    "backtracking": "return sluice.re.match(('a'):rep(100000), '(?:a|a){16}[bc]')",
    "comparison": "local a, b = ('\\0'):rep(8e6) .. 'a', ('\\0'):rep(8e6) .. 'b' while a < b do end",
    "swallowed": "while true do pcall(function() while true do end end) end",
}


def cap(t):
    """Milliseconds for a record. The default, but for a sanitizer, under which honest work takes twenty times as long."""
    return 2000 if t.sanitized else 100


def test_a_script_that_takes_too_long_fails_this_record_whatever_it_calls(t):
    text = "local hostile = {\n"
    text += "".join(f"  {name} = function() {body} end,\n" for name, body in HOSTILE.items())
    text += "}\nfunction transform(r)\n  local f = hostile[r.raw]\n  if f then f() end\n  return r\nend\n"
    d = t.daemon(one_stream("app", to_file(t), transform={"lua": script(t, text), "timeout": f"{cap(t)}ms", "batch_timeout": "600s"},
                            backup=backup(t))).start()
    records = [b"before", *(name.encode() for name in HOSTILE), b"after"]
    Firehose(d.api_port).put_all("app", records)
    books = d.wait_delivered("app", 2)
    assert books.backed_up == len(HOSTILE), books
    d.stop()
    objects.assert_exactly_once(delivered(t), [b"before", b"after"])
    failed = backups.read(t.path("backup"), "processing-failed")
    objects.assert_exactly_once([line["data"] for line in failed], records[1:-1])
    for line in failed:
        if line["data"] == b"format":
            assert "the arguments have more than" in line["errorMessage"], line
        else:
            assert line["errorCode"] == "Lua.FunctionTimedOut", line
            assert f"takes longer than {cap(t)} ms" in line["errorMessage"], line


test_a_script_that_takes_too_long_fails_this_record_whatever_it_calls.one_thread = True


def test_the_end_does_not_wait_for_a_script_and_no_record_fails_by_it(t):
    text = "function transform(r) sluice.log('at work') while true do end end"
    config = one_stream("app", to_file(t), interval="0s", backup=backup(t),
                        transform={"lua": script(t, text), "timeout": "60s", "batch_timeout": "600s"})
    config["shutdown"] = {"grace": "1s"}
    d = t.daemon(config).start()
    records = [b"one", b"two", b"three"]
    Firehose(d.api_port).put_all("app", records)
    d.wait_logged("at work")
    d.expect_exit = 1
    d.stop()
    assert d.log()[-1]["records"] == "3", d.log()[-1]
    assert not objects.read_dir(t.path("backup"))
    script(t, "function transform(r) return r end")
    d.expect_exit = 0
    d.start()
    d.wait_delivered("app", 3)
    d.stop()
    objects.assert_exactly_once(delivered(t), records)


ZEROS = gzip.compress(bytes(16 * MIB))
BOUND = 250 * MIB  # of the whole process, with a worker for each core at work on one


def test_a_transform_that_does_not_end_is_told(t):
    config = one_stream("app", to_file(t), interval="0s", backup=backup(t), transform={
        "lua": script(t, "function transform(r) sluice.log('at work') while true do end end"), "timeout": "60s", "batch_timeout": "600s"})
    config["shutdown"] = {"grace": "1s"}
    d = t.daemon(config).start()
    Firehose(d.api_port).put("app", b"a record with a secret")
    d.wait_logged("at work")
    ready = wait_until("it is told", lambda: "SlowTransform" in (text := d.http("/readyz")[1]) and text, 40 * t.slow)
    assert "at work on one batch" in ready and "batch_timeout" in ready and "secret" not in ready, ready
    assert d.http("/readyz")[0] == 503 and "SlowTransform" in d.http("/")[1]
    d.expect_exit = 1
    d.stop()


def test_what_is_large_only_in_the_middle_takes_little_memory(t):
    text = "function transform(r, meta) return #r.raw .. ' bytes, record ' .. meta.sequence end"
    chain = [{"decompress": {}}, {"lua": script(t, text), "timeout": "60s", "batch_timeout": "600s"}]
    d = t.daemon(one_stream("app", to_file(t), transform=chain, backup=backup(t))).start()
    Firehose(d.api_port).put_all("app", [ZEROS] * 64)
    books = d.wait_delivered("app", 64)
    assert books.backed_up == 0, books
    if not t.sanitized:
        assert d.peak_rss() < BOUND, d.peak_rss()
    d.stop()
    assert len(set(delivered(t))) == 64
    assert all(line.startswith(b"16777216 bytes") for line in delivered(t)), delivered(t)[:3]


test_what_is_large_only_in_the_middle_takes_little_memory.one_thread = True


def test_what_stays_too_large_fails_alone_and_takes_little_memory(t):
    chain = [{"decompress": {"not_gzip": "pass"}}, {"delimiter": {"text": ";"}}]
    d = t.daemon(one_stream("app", to_file(t), transform=chain, backup=backup(t))).start()
    Firehose(d.api_port).put_all("app", [b"before", *[ZEROS] * 64, b"after"])
    books = d.wait_delivered("app", 2)
    assert books.backed_up == 64, books
    if not t.sanitized:
        assert d.peak_rss() < BOUND, d.peak_rss()
    d.stop()
    objects.assert_exactly_once(delivered(t), [b"before;", b"after;"])
    failed = backups.read(t.path("backup"), "processing-failed")
    assert len(failed) == 64 and all(line["data"] == ZEROS for line in failed)
    codes = {line["errorCode"] for line in failed}
    assert codes <= {"Transform.RecordTooLarge", "Transform.LimitExceeded"}, codes  # the latter with tight limits


test_what_stays_too_large_fails_alone_and_takes_little_memory.one_thread = True


def envelope(events):
    return gzip.compress(json.dumps({
        "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "subscriptionFilters": ["f"],
        "logEvents": [{"id": "1", "timestamp": 1, "message": ""}] * events,
    }).encode())


def test_one_record_that_becomes_hundreds_of_thousands_fails_alone(t):
    many = "function transform(r) if r.raw == 'bad' then local t = {} for i = 1, 300000 do t[i] = '' end return t end " \
           "return r end"
    d = t.daemon({"streams": {
        "lua": one_stream("lua", to_file(t, "lua"), transform={"lua": script(t, many), "timeout": f"{cap(t)}ms"},
                          backup={"mode": "failed", "file": {"path": t.path("lua-backup")}})["streams"]["lua"],
        "logs": one_stream("logs", to_file(t, "logs"),
                           transform={"decompress": {"cloudwatch_logs": "messages", "not_gzip": "pass"}},
                           backup={"mode": "failed", "file": {"path": t.path("logs-backup")}})["streams"]["logs"],
    }}).start()
    bad = {"lua": b"bad", "logs": envelope(300000)}
    for name, record in bad.items():
        Firehose(d.api_port).put_all(name, [b"before", record, b"after"])
    for name, record in bad.items():
        assert d.wait_delivered(name, 2).backed_up == 1
        [line] = backups.read(t.path(name + "-backup"), "processing-failed")
        assert line["data"] == record
        assert "one record becomes" in line["errorMessage"] and "is the most" in line["errorMessage"], line
    d.stop()
    for name in bad:
        objects.assert_exactly_once(objects.lines(objects.read_dir(t.path(name))), [b"before", b"after"])


test_one_record_that_becomes_hundreds_of_thousands_fails_alone.one_thread = True


RAISES = """\
function transform(r)
  if r.raw:find("Jane") then
    error("no rule for " .. r.raw .. "!")
  end
  return r
end
"""


def shown_everywhere(d):
    return d.log_text() + "".join(d.http(path)[1] for path in ("/readyz", "/", "/metrics"))


def test_what_a_script_says_of_a_record_is_in_the_backup_only(t):
    d = t.daemon(one_stream("app", to_file(t), transform={"lua": script(t, RAISES)}, backup=backup(t))).start()
    Firehose(d.api_port).put_all("app", [b"before", b"Jane Doe, 555-0100", b"after"])
    assert d.wait_delivered("app", 2).backed_up == 1
    assert "script.lua:3" in d.wait_logged("records fail in the transform")[0]
    shown = shown_everywhere(d)
    assert "Jane" not in shown and "555-" not in shown, shown  # numbers of the metrics may hold a 555
    d.stop()
    [line] = backups.read(t.path("backup"), "processing-failed")
    assert line["errorMessage"] == "script.lua:3: no rule for Jane Doe, 555-0100!", line


def test_what_a_script_says_of_a_record_is_not_shown_without_a_backup_either(t):
    config = one_stream("app", to_file(t), interval="0s", transform={"lua": script(t, RAISES)})
    config["shutdown"] = {"grace": "1s"}
    d = t.daemon(config).start()
    Firehose(d.api_port).put_all("app", [b"Jane Doe, 555-0100"])
    line = d.wait_logged("cannot be transformed")[0]
    assert "script.lua:3: error in the script" in line, line
    shown = shown_everywhere(d)
    assert "Jane" not in shown and "555-0100" not in shown, shown
    d.expect_exit = 1
    d.stop()
