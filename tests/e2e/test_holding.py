"""Scripts that hold records back: each is delivered once, joined with those it belongs to, whatever happens meanwhile."""

import json
import subprocess

import objects
from common import one_stream
from firehose import Firehose
from harness import wait_until

SCRIPT = """\
hold = true
local function all(name, parts, left) return { g = name, n = sluice.json.decode("[" .. table.concat(parts, ",") .. "]"), left = left } end
function transform(r, meta)
  if not r.last then return meta.hold(r.g, tostring(r.n)) end
  local parts = meta.release(r.g)
  parts[#parts + 1] = tostring(r.n)
  return all(r.g, parts)
end
function finish(name, parts) return all(name, parts, true) end
"""


def holding(t, **more):
    with open(t.path("join.lua"), "w", encoding="utf-8") as f:
        f.write(SCRIPT)
    transform = {"lua": t.path("join.lua"), "hold_age": "1h"}
    return one_stream("app", {"file": {"path": t.path("out")}}, transform=transform, **more)


class Groups:
    """What was put, by group."""

    def __init__(self):
        self.put = {}
        self.count = 0

    def part(self, group, last=False):
        self.put.setdefault(group, []).append(self.count)
        self.count += 1
        return json.dumps({"g": group, "n": self.count - 1, "last": last}).encode()

    def check(self, folder, left):
        """Each group is one record, with all of its numbers in their order; those of `left` had no end."""
        got = [json.loads(line) for data in objects.read_dir(folder).values()
               for line in objects.unpack(data).splitlines()]
        assert sorted(r["g"] for r in got) == sorted(self.put), "each group is there once"
        for r in got:
            assert r["n"] == self.put[r["g"]], r
            assert r.get("left", False) == (r["g"] in left), r


def check_printed(t, d, config):
    """What was taken out of the configuration is printed: of what is held the texts, a number each."""
    d.configure({**config, "streams": {"new": config["streams"]["app"]}})
    out = subprocess.run([t.binary, "drain", "app", "--print", "-c", d.config_path], stdout=subprocess.PIPE, check=True).stdout
    assert {type(json.loads(line)) for line in out.splitlines()} >= {int}, out
    d.configure(config)


def test_what_is_held_outlives_kills_and_is_handed_over_at_the_end(t):
    config = holding(t, interval="1s")
    d = t.daemon(config).start()
    groups = Groups()
    names = [f"group {i}" for i in range(20)]
    for kill in range(4):
        for _ in range(t.random.randrange(1, 4)):
            Firehose(d.api_port).put_all("app", [groups.part(t.random.choice(names)) for _ in range(100)])
        if kill == 0:
            Firehose(d.api_port).put_all("app", [groups.part("soon"), groups.part("soon", last=True)])
        if kill < 2:  # in the midst of it, or behind what was released
            wait_until("it is released", lambda: d.books("app").delivered == 1, 60 * t.slow)
        d.assert_books("app")
        d.kill9()
        if kill == 0:
            check_printed(t, d, config)
        d.start()
    ends = [n for n in groups.put if n != "soon"][::2]
    Firehose(d.api_port).put_all("app", [groups.part(n, last=True) for n in ends])
    wait_until("they are released", lambda: d.books("app").delivered == 1 + len(ends), 60 * t.slow)
    d.assert_books("app")
    d.stop()
    groups.check(t.path("out"), set(groups.put) - set(ends) - {"soon"})
    d.start()
    books = d.books("app")
    assert (books.incoming, books.delivered, books.spooled) == (groups.count, len(groups.put), 0), books
    d.stop()


def test_run_once_hands_over_what_is_held(t):
    groups = Groups()
    put = [groups.part(f"group {i % 7}", last=i in (30, 31)) for i in range(100)]
    for i in (30, 31):  # what comes behind an end is another group
        assert put[i].endswith(b"true}")
    d = t.daemon(holding(t, inputs=["stdin"]))
    d.spawn("--once", stdin=subprocess.PIPE)
    d.process.stdin.write(b"\n".join(put) + b"\n")
    d.process.stdin.close()
    d.wait_exit(60)
    got = [json.loads(line) for data in objects.read_dir(t.path("out")).values()
           for line in objects.unpack(data).splitlines()]
    assert sorted(n for r in got for n in r["n"]) == list(range(100))
    assert sorted(r["g"] for r in got) == sorted([f"group {i}" for i in range(7)] + ["group 2", "group 3"])
