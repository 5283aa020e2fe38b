"""The caps of scripts, through the real daemon: what takes too long fails alone, and nothing waits for it."""

import backups
import objects
from common import one_stream, to_file
from firehose import Firehose
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


def test_a_script_that_takes_too_long_fails_this_record_whatever_it_calls(t):
    text = "local hostile = {\n"
    text += "".join(f"  {name} = function() {body} end,\n" for name, body in HOSTILE.items())
    text += "}\nfunction transform(r)\n  local f = hostile[r.raw]\n  if f then f() end\n  return r\nend\n"
    d = t.daemon(one_stream("app", to_file(t), transform={"lua": script(t, text)}, backup=backup(t))).start()
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
            assert "takes longer than 100 ms" in line["errorMessage"], line


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
