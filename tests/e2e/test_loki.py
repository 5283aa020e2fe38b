"""The input loki: pushes as JSON and as protobuf, what is refused, a stream that is full, a daemon that is killed; and a sluice that delivers to it as
to Loki."""

import gzip
import json

import objects
from common import stream, to_file
from harness import free_port, wait_until
from http_peer import HttpPeer
from loki_wire import entry, push, stream as pushed
from test_binary_records import largest
from test_http_input import post
from test_sns import Closed
from test_transform import script

TOKEN = "token-of-the-agent-01"


def config(port, destination, options=None, **more):
    return stream(destination, inputs=[{"loki": {"listen": f"127.0.0.1:{port}", **(options or {})}}], interval="0s", **more)


def test_what_is_pushed_to_loki_is_kept_or_pushed_again(t):
    sink = HttpPeer(Closed)
    sink.takes, sink.bodies = True, []
    t.on_end(sink.stop)
    port = free_port()
    d = t.daemon({"streams": {"app": config(port, {"http": {"url": f"http://127.0.0.1:{sink.port}/", "format": "lines"}},
                                            {"tokens": [TOKEN]}, spool={"limit": "4MiB"})}}).start()

    def ask(body, kind="application/json", path="/loki/api/v1/push", method="POST", **headers):
        return post(port, body, path=path, method=method, headers={"Authorization": "Bearer " + TOKEN, "Content-Type": kind, **headers})[:2]

    def one(line, n=1):
        return json.dumps({"streams": [{"stream": {"app": "web"}, "values": [["17", line]] * n}]}).encode()

    assert post(port, b"", path="/ready", method="GET")[:2] == (200, "ready\n")
    assert ask(b'{"streams":[{"stream":{"app":"web"},"values":[["1","a"],["2","b \\"q\\"",{"trace":"t"}]]}]}') == (204, "")
    assert ask(gzip.compress(one("zipped")), **{"Content-Encoding": "gzip"}) == (204, "")
    proto = pushed({"app": "x\\ny"}, entry("line", 1700000000000000001, {"k": "v"}), entry(b"\xff"))
    assert ask(push(proto), "application/x-protobuf") == (204, "") and ask(push(proto), "application/x-protobuf", **{"Content-Encoding": "snappy"}) == (204, "")
    assert ask(b'{"streams":[]}') == (204, "")
    for body, kind, why in ((b"x", "application/json", "no JSON"), (b'{"streams":[{"stream":{},"values":[["1","good"],["x","bad"]]}]}', "application/json", "entry 2"),
                            (b"x", "application/x-protobuf", "Snappy"), (push(proto)[:-3], "application/x-protobuf", "damaged"),
                            (push(proto[:-3]), "application/x-protobuf", "protobuf"), (push(pushed({"": "x"})), "application/x-protobuf", "labels")):
        status, text = ask(body, kind)
        assert status == 400 and why in text, (body, status, text)
    assert ask(b"\xff\xff\xff\xff\x0f", "application/x-protobuf")[0] == 413  # it says that it has 4 GiB
    assert ask(one("x"), path="/loki/api/v1/query")[0] == 404 and ask(b"", method="GET")[0] == 405
    assert ask(one("x"), Authorization="Bearer wrong")[0] == 401 and ask(one("x"), **{"Content-Encoding": "br"})[0] == 415
    d.wait_delivered("app", 7)

    sink.takes = False
    big = [one(f"{i}" + "x" * 400000, 2) for i in range(8)]
    answers = [ask(b)[0] for b in big]
    assert set(answers) == {204, 429}, answers
    d.kill9()
    d.start()
    sink.takes = True
    for body, answer in zip(big, answers):
        if answer == 429:
            wait_until("the push to be taken", lambda: ask(body)[0] == 204, 60 * t.slow)
    d.wait_delivered("app", 23)
    d.stop()
    got = [json.loads(line) for body in sink.bodies for line in body.splitlines()]
    large = [r for r in got if len(r["line"]) > 100000]
    small = [r for r in got if len(r["line"]) < 100]
    assert sorted(r["line"][0] for r in large) == sorted("01234567" * 2)
    twice = [{"timestamp": "1700000000000000001", "labels": {"app": "x\ny"}, "metadata": {"k": "v"}, "line": "line"},
             {"timestamp": "1", "labels": {"app": "x\ny"}, "line": "\ufffd"}]
    assert sorted(small, key=str) == sorted(
        [{"timestamp": "1", "labels": {"app": "web"}, "line": "a"}, {"timestamp": "2", "labels": {"app": "web"}, "metadata": {"trace": "t"}, "line": 'b "q"'},
         {"timestamp": "17", "labels": {"app": "web"}, "line": "zipped"}] + twice * 2, key=str)


def test_a_sluice_delivers_to_it_as_to_loki(t):
    script(t, "function transform(r, meta) return r .. '|' .. (meta['label.sluice_stream'] or meta['label.stream'] or '-') .. '|' .. meta.tenant end\n")
    port, source = free_port(), free_port()
    d = t.daemon({"streams": {
        "from": stream({"http": {"preset": "loki", "url": f"http://127.0.0.1:{port}", "headers": {"X-Scope-OrgID": "team"}}},
                       inputs=[{"http": {"listen": f"127.0.0.1:{source}", "body": "lines"}}], interval="0s"),
        "app": config(port, to_file(t), {"record": "line"}, transform={"lua": t.path("script.lua")})}}).start()
    large = [["18", "before"], ["18", "y" * (largest(t) + 1)], ["18", "behind"]]  # no record may be so large
    body = json.dumps({"streams": [{"stream": {"app": "web"}, "values": large}]}).encode()
    status, text = post(port, body, path="/loki/api/v1/push", headers={"Content-Type": "application/json", "X-Scope-OrgID": "team"})[:2]
    assert status == 400 and "an entry has" in text and "others are stored" in text, text
    assert post(source, b'one\n{"two":"2"}\nth\\"ree', path="/from")[0] == 200
    d.wait_delivered("app", 5)
    d.stop()
    got = [line.decode().split("|") for line in objects.lines(objects.read_dir(t.path("out")))]
    assert sorted(g[0] for g in got) == sorted(["before", "behind", "one", '{"two":"2"}', 'th\\"ree']) and all(g[2] == "team" for g in got), got
