"""A stream with several destinations: one spool, and for each destination a place of its own in it."""

import gzip
import subprocess
import threading
import time

from common import Load, numbered_lines, put_with_patience, stream, to_file
from firehose import Firehose
from harness import wait_until
from http_peer import Handler, HttpPeer
from reloading import reload
from s3_peer import S3Peer
from test_admin import ask
from test_orders import order, shown
import backups
import objects


class _Lines(Handler):
    def do_POST(self):
        body = self.read_body()
        if body is None:
            return
        peer = self.server.peer
        with peer.guard:
            peer.lines += body.splitlines()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Lines(HttpPeer):
    """Takes lines by HTTP."""

    def __init__(self, t):
        self.guard, self.lines = threading.Lock(), []
        super().__init__(_Lines)
        t.on_end(self.stop)

    def destination(self):
        return {"http": {"url": self.url() + "/put", "format": "lines"}, "compression": "none"}


def books(d, **labels):
    m = d.metrics()
    b = {k: int(m.get(f"sluice_{k}_records{'' if k == 'spooled' else '_total'}", stream="app", **labels))
         for k in ("incoming", "delivered", "dropped", "unwanted", "backed_up", "corrupt", "returned", "spooled")}
    assert b["incoming"] == sum(v for k, v in b.items() if k != "incoming"), b
    return b


def wait_books(d, destination, count):
    """`count` records came, and all of them are delivered there."""
    def done():
        b = books(d, destination=destination)
        return b["delivered"] == count and b["spooled"] == 0
    wait_until(f"{count} records in {destination}", done, 60 * d.slow)


def spool_bytes(d):
    return d.metrics().get("sluice_spool_disk_bytes", stream="app", destination="s3")


def test_each_destination_has_its_own_place_in_the_spool(t):
    s3, http = S3Peer(), Lines(t)
    t.on_end(s3.stop)
    http.stop()
    a = {**to_file(t, "a"), "name": "a", "buffer": {"interval": "100ms"}, "compression": "none"}
    s3_and_http = [s3.destination(), http.destination()]
    config = {"streams": {"app": {**stream(None, interval="0s", compression="gzip", spool={"limit": "4MiB"}), "destinations": [a] + s3_and_http}}}
    del config["streams"]["app"]["destination"]
    d = t.daemon(config).start()
    client = Firehose(d.api_port)
    lines = numbered_lines(t.random, 4000, longest=400)

    # One is dead: the others go on, and what is for it stays, also over a kill.
    client.put_all("app", lines[:2000])
    wait_books(d, "a", 2000)
    wait_books(d, "s3", 2000)
    assert books(d, destination="http")["spooled"] == 2000
    held = spool_bytes(d)
    wait_until("it says which one fails", lambda: "stream app:http is retrying" in ask(d, "/readyz")[2], 20 * t.slow)
    page = ask(d, "/")[2]
    assert all(f'href="/streams/app:{name}"' in page for name in ("a", "s3", "http")), page
    d.kill9()
    d.start()
    wait_books(d, "a", 2000)
    wait_books(d, "s3", 2000)
    assert books(d, destination="http")["spooled"] == 2000

    # One is paused: the others are not.
    said = subprocess.run([t.binary, "pause", "app:a", "-c", d.config_path], capture_output=True, text=True, timeout=60 * t.slow)
    assert said.stdout.startswith("stream app:a is paused: ") and shown(d, "app:a")["health"] == "paused", said
    client = Firehose(d.api_port)
    client.put_all("app", lines[2000:3000])
    wait_books(d, "s3", 3000)
    assert books(d, destination="a")["spooled"] == 1000
    assert order(d, "resume")[0] == 200
    wait_books(d, "a", 3000)

    # It comes back: all is there once, and the spool is free.
    http.start()
    order(d, "retry", "app:http")
    wait_books(d, "http", 3000)
    wait_until("the spool is free", lambda: spool_bytes(d) < held / 2, 20 * t.slow)

    # One goes, one comes, while records come in; the others do not notice.
    load = Load(d, "app", b"while", pause=0.005)
    load.start()
    wait_until("records come in", lambda: len(load.acked) > 500, 20 * t.slow)
    config["streams"]["app"]["destinations"] = s3_and_http + [{**to_file(t, "b"), "name": "b"}]
    text = reload(d, config)
    assert "deliveries begin anew (destinations)" in text, text
    so_far = len(load.acked)
    wait_until("records come in again", lambda: len(load.acked) > so_far + 500, 20 * t.slow)
    load.stop()
    assert not load.unknown, "each put was answered"
    all_of_it = lines[:3000] + load.acked
    wait_books(d, "s3", len(all_of_it))
    wait_books(d, "http", len(all_of_it))
    wait_until("nothing is left for b", lambda: books(d, destination="b")["spooled"] == 0, 30 * t.slow)
    assert not d.metrics().text.count('destination="a"')
    d.stop()

    s3.assert_clean()
    objects.assert_exactly_once(b"".join(gzip.decompress(v) for v in s3.snapshot().values()).splitlines(), all_of_it)
    objects.assert_exactly_once(http.lines, all_of_it)
    got = objects.lines(objects.read_dir(t.path("a")))
    late = objects.lines(objects.read_dir(t.path("b")))
    assert len(set(got)) == len(got) and set(lines[:3000]) <= set(got) <= set(all_of_it)
    assert len(set(late)) == len(late) and set(late) <= set(all_of_it)
    assert set(got) | set(late) == set(all_of_it), "what a did not get any more, b got"


def test_one_becomes_several_and_a_dead_one_is_given_up(t):
    one = {"shutdown": {"grace": "0s"}, "streams": {"app": stream(to_file(t, "a"), interval="0s")}}
    d = t.daemon(one).start()
    Firehose(d.api_port).put_all("app", [b"1", b"2"])
    d.wait_delivered("app", 2)
    several = {**one, "streams": {"app": {**one["streams"]["app"], "destinations": [to_file(t, "a"), {"http": {
        "url": "http://127.0.0.1:9/", "format": "lines"}, "name": "dead"}]}}}
    del several["streams"]["app"]["destination"]
    order(d, "pause", "app")
    reload(d, several)
    assert shown(d, "app:file")["health"] == "paused", "who holds it back holds it back by its new name"
    order(d, "resume", "app")
    Firehose(d.api_port).put_all("app", [b"3"])
    wait_books(d, "file", 3)
    assert books(d, destination="dead") == {**books(d, destination="dead"), "incoming": 1, "spooled": 1}
    reload(d, one)
    d.wait_logged("a destination is removed, and records for it stay in the spool.*destination=dead.*records=1")
    assert books(d)["delivered"] == 3, "the first went on"
    one["streams"]["app"]["give_up"] = ["dead"]
    reload(d, one)
    d.wait_logged("records for a destination that is gone are given up.*destination=dead.*records=1")
    Firehose(d.api_port).put_all("app", [b"4"])
    d.wait_delivered("app", 4)
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("a"))), [b"1", b"2", b"3", b"4"])


def test_what_the_one_without_a_name_left_can_be_given_up(t):
    one = stream(to_file(t, "a"), interval="0s")
    named = {**one, "destinations": [{**to_file(t, "a"), "name": "x"}]}
    del named["destination"]
    d = t.daemon({"streams": {"app": named}}).start()
    Firehose(d.api_port).put_all("app", [b"0"])
    wait_books(d, "x", 1)
    reload(d, {"streams": {"app": one}})  # x is no name that is to be had by itself
    order(d, "pause", "app")
    Firehose(d.api_port).put_all("app", [b"1"])
    reload(d, {"streams": {"app": named}})
    d.wait_logged("the spool keeps records for a destination that is not in the configuration.*destination=destination records=1")
    reload(d, {"streams": {"app": {**named, "give_up": ["destination"]}}})
    d.wait_logged("records for a destination that is gone are given up.*destination=destination records=1")
    order(d, "resume", "app")
    wait_books(d, "x", 2)
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("a"))), [b"0", b"1"])


def test_what_goes_gets_what_waits_for_it_also_behind_a_dead_one(t):
    dead = {"http": {"url": "http://127.0.0.1:9/", "format": "lines"}, "name": "dead"}
    late = {**to_file(t, "late"), "name": "late", "buffer": {"interval": "900s"}}
    config = {"shutdown": {"grace": "0s"}, "streams": {"app": {**stream(None, interval="0s"), "destinations": [dead, late, to_file(t, "a")]}}}
    del config["streams"]["app"]["destination"]
    d = t.daemon(config).start()
    Firehose(d.api_port).put_all("app", [b"1", b"2"])
    wait_books(d, "file", 2)
    config["shutdown"]["grace"] = "1s"  # of this reload, too
    config["streams"]["app"]["destinations"] = [to_file(t, "a")]
    began = time.monotonic()
    reload(d, config)
    assert time.monotonic() - began >= 1, "the dead one has its time"
    assert sorted(objects.lines(objects.read_dir(t.path("late")))) == [b"1", b"2"]
    d.kill9()


def test_records_go_where_they_are_meant(t):
    with open(t.path("audience.lua"), "w", encoding="ascii") as f:
        f.write('function transform(r, meta)\n  meta.partition_keys.audience = (r.n or 1) % 2 == 0 and "even" or "odd"\n  return r\nend\n')
    config = {"streams": {"app": {**stream(None, interval="0s"), "destinations": [
        {**to_file(t, "all"), "name": "all"},
        {**to_file(t, "bad"), "name": "bad", "when": {"field": "level", "in": ["WARN", "ERROR"]}},
        {**to_file(t, "even"), "name": "even", "transform": {"lua": t.path("audience.lua")},
         "when": [{"key": "audience", "equals": "even"}, {"not": {"field": "level", "equals": "INFO"}}]},
    ]}}}
    del config["streams"]["app"]["destination"]
    d = t.daemon(config).start()
    levels = ("INFO", "WARN", "ERROR")
    lines = [b'{"n":%d,"level":"%s"}' % (n, levels[n % 3].encode()) for n in range(300)]
    want = {"all": lines, "bad": [x for n, x in enumerate(lines) if n % 3], "even": [x for n, x in enumerate(lines) if n % 3 and n % 2 == 0]}
    Firehose(d.api_port).put_all("app", lines)
    for name, some in want.items():
        wait_until(f"{name} has all", lambda: books(d, destination=name)["spooled"] == 0, 30 * t.slow)
        b = books(d, destination=name)
        assert (b["incoming"], b["delivered"], b["dropped"], b["unwanted"]) == (300, len(some), 0, 300 - len(some)), b
    d.kill9()
    d.start()
    Firehose(d.api_port).put_all("app", [b"{}"])
    wait_books(d, "all", 301)
    for name in ("bad", "even"):
        wait_until(f"{name} has all", lambda: books(d, destination=name)["spooled"] == 0, 30 * t.slow)
        assert books(d, destination=name)["unwanted"] == 301 - len(want[name]), "the count goes on behind a kill"
    d.stop()
    for outlet, given, code, out, err in (("app:even", b'{"n":2}\n{"n":3}\n', 0, b'{"n":2}\n', b"line 2: dropped: when"), ("app:bad", b'{"n":2}\n', 0, b"", b"dropped"),
                                          ("app:evn", b"", 2, b"", b"did you mean `even`?"), ("app", b"", 2, b"", b"3 destinations; say which")):
        done = subprocess.run([t.binary, "transform", "-c", d.config_path, "-s", outlet], input=given, capture_output=True, timeout=60 * t.slow, check=False)
        assert (done.returncode, done.stdout) == (code, out) and err in done.stderr, (outlet, done)
    for name, some in want.items():
        objects.assert_exactly_once(objects.lines(objects.read_dir(t.path(name))), some + ([b"{}"] if name == "all" else []))


def test_one_that_falls_far_behind_gives_up(t):
    dead = {"http": {"url": "http://127.0.0.1:9/", "format": "lines"}, "name": "dead", "max_behind": "1MiB", "buffer": {"size": "256KiB", "interval": "0s"},
            "retry": {"duration": "24h"}, "backup": {"file": {"path": t.path("backup")}}}
    config = {"streams": {"app": {**stream(None, interval="0s", spool={"limit": "8MiB"}), "destinations": [to_file(t, "a"), dead]}}}
    del config["streams"]["app"]["destination"]
    d = t.daemon(config).start()
    client = Firehose(d.api_port)
    first, rest = [b"%06d" % n + b"x" * 1000 for n in range(500)], [b"%06d" % n + b"x" * 1000 for n in range(500, 12000)]
    client.put_all("app", first)
    wait_books(d, "file", 500)
    assert books(d, destination="dead")["spooled"] == 500, "it is within its limit"
    put_slowly(t, client, rest)
    d.wait_logged("a destination is further behind than max_behind.*stream=app:dead")
    d.wait_logged("a destination is within max_behind again.*stream=app:dead", timeout=60)
    wait_until("it is within the limit again", lambda: books(d, destination="dead")["spooled"] < 1100, 60 * t.slow)
    wait_books(d, "file", 12000)
    if books(d, destination="dead")["spooled"] == 0:  # all of it was tried while it was too much
        client.put_all("app", first)
        wait_books(d, "file", 12500)
        assert books(d, destination="dead")["spooled"] == 500, "what is within the limit has its time"
    b = books(d, destination="dead")
    d.kill9()
    held = len({r["rawData"] for r in backups.read(t.path("backup"), "http-endpoint-failed")})
    assert held >= b["backed_up"], (held, b)


def test_what_is_staged_for_others_does_not_put_one_behind(t):
    def gathers(name):
        return {"file": {"path": t.path(name), "prefix": "!{partitionKeyFromQuery:k}/"}, "name": name, "partition_keys": {"k": {"query": ".k"}},
                "max_behind": "1MiB", "backup": {"file": {"path": t.path("backup")}}, "buffer": {"size": "64MiB", "interval": "900s"}}
    config = {"shutdown": {"grace": "0s"}, "streams": {"app": {**stream(None, spool={"limit": "64MiB"}), "destinations": [gathers("a"), gathers("b")]}}}
    del config["streams"]["app"]["destination"]
    d = t.daemon(config).start()
    put = [b'{"n":%d,"k":"%d","x":"%s"}' % (n, n % 2, b"x" * 1500) for n in range(400)]  # 600 KB for each
    Firehose(d.api_port).put_all("app", put)
    for name in ("a", "b"):
        wait_until("it is staged", lambda: d.metrics().get("sluice_staged_bytes", stream="app", destination=name) > 1200000, 60 * t.slow)
    order(d, "retry", "app")  # a turn more
    assert d.metrics().get("sluice_spooled_bytes", stream="app", destination="a") < 1 << 20
    order(d, "pause", "app:a")
    config["streams"]["app"]["destinations"] = [gathers("b")]
    reload(d, config)
    d.kill9()
    assert not d.logged("further behind than max_behind")
    # What is staged for one that is gone is shown as well.
    d.configure({"data_dir": d.data_dir, "streams": {"new": stream(to_file(t, "c"))}})
    printed = subprocess.run([t.binary, "drain", "app", "--print", "-c", d.config_path], capture_output=True, timeout=60 * t.slow, check=True).stdout
    assert sorted(printed.splitlines()) == sorted(2 * put), len(printed.splitlines())


def put_slowly(t, client, records):
    """What the full spool has refused is put again."""
    for at in range(0, len(records), 500):
        left = records[at:at + 500]

        def put():
            nonlocal left
            left = [r for r, a in zip(left, put_with_patience(client, "app", left)) if "RecordId" not in a]
            return not left
        wait_until("records are taken", put, 60 * t.slow)
