"""The input splunk_hec, as agents use it: events, raw lines, acknowledgements, health; and a sluice that delivers to it as to Splunk."""

import json

import objects
from common import stream, to_file
from harness import free_port
from test_http_input import post
from test_transform import script

TOKEN = "8a6a5c1e-0000-4000-8000-0123456789ab"
KEY = {"Authorization": "Splunk " + TOKEN}


def daemon(t, options=None, **more):
    port = free_port()
    d = t.daemon({"streams": {"app": stream(to_file(t), inputs=[{"splunk_hec": {"listen": f"127.0.0.1:{port}", "tokens": [TOKEN], **(options or {})}}],
                                            interval="0s", **more)}}).start()
    d.hec_port = port
    return d


def hec(d, body, path="/event", headers=None, **kw):
    status, text, back = post(d.hec_port, body, path="/services/collector" + path, headers={**KEY, **(headers or {})}, **kw)
    assert back["Content-Type"].startswith("application/json")
    return status, json.loads(text)


def got(t):
    return sorted(line.decode() for line in objects.lines(objects.read_dir(t.path("out"))))


def test_agents_of_splunk_are_answered(t):
    script(t, "function transform(r, meta)\n"
              "  return r .. '|' .. (meta.host or '-') .. '|' .. (meta.time or '-') .. '|' .. (meta['field.k'] or '-')\nend\n")
    d = daemon(t, transform={"lua": t.path("script.lua")})
    good = {"text": "Success", "code": 0}
    assert hec(d, b'{"event":"one","host":"h","time":1.5}{"event":{"two":2},"fields":{"k":"v"}}\n{"event":"th\\"ree"}') == (200, good)
    assert hec(d, b'{"event":"old path"}', path="") == (200, good)
    assert hec(d, b"raw 1\nraw 2\n", path="/raw/1.0?host=r") == (200, good)
    acks = [hec(d, b'{"event":"acked"}', headers={"X-Splunk-Request-Channel": "c"}), hec(d, b'{"event":"acked"}', path="/event?channel=c")]
    assert [a[0] for a in acks] == [200, 200] and [a[1]["ackId"] for a in acks] == [0, 1]
    assert hec(d, b'{"acks":[0,1]}', path="/ack?channel=c") == (200, {"acks": {"0": True, "1": True}})
    assert hec(d, b"", path="/health", method="GET") == (200, {"text": "HEC is healthy", "code": 17})
    for path, method in (("/health", "GET"), ("/health/1.0", "GET"), ("/event/1.0", "OPTIONS"), ("", "OPTIONS")):  # by who shows no token
        assert hec(d, b"", path=path, method=method, headers={"Authorization": ""})[0] == 200
    assert hec(d, b"", path="/other", method="OPTIONS", headers={"Authorization": ""})[0] == 401
    for body, code in ((b"", 5), (b"nonsense", 6), (b'{"event":"good"}{"event":', 6), (b'{"host":"h"}', 12), (b'{"event":""}', 13)):
        status, said = hec(d, body)
        assert (status, said["code"]) == (400, code), (body, status, said)
    assert hec(d, b"\n\n", path="/raw")[0] == 400 and hec(d, b'{"acks":["x"]}', path="/ack")[0] == 400
    assert hec(d, b'{"acks":[' + b"0," * 2000000 + b"0]}", path="/ack")[0] == 413  # its answer would have 18 MB
    assert hec(d, b"x", path="/other")[0] == 404 and hec(d, b"", method="GET")[0] == 405
    assert hec(d, b'{"event":"x"}', headers={"Authorization": "Splunk wrong"}) [0] == 401
    d.wait_delivered("app", 8)
    d.stop()
    assert got(t) == sorted(["one|h|1.5|-", '{"two":2}|-|-|v', 'th"ree|-|-|-', "old path|-|-|-", "raw 1|r|-|-", "raw 2|r|-|-", "acked|-|-|-", "acked|-|-|-"])


def test_a_sluice_delivers_to_it_as_to_splunk(t):
    receiver = daemon(t, options={"record": "envelope"})
    port = free_port()
    sender = t.daemon({"streams": {"from": stream({"http": {"preset": "splunk_event", "url": f"http://127.0.0.1:{receiver.hec_port}", "access_key": TOKEN}},
                                                  inputs=[{"http": {"listen": f"127.0.0.1:{port}"}}], interval="0s")}}, name="sender").start()
    for i in range(20):
        assert post(port, b'{"n":%d}' % i, path="/from")[0] == 200
    sender.wait_delivered("from", 20)
    sender.stop()
    receiver.wait_delivered("app", 20)
    receiver.stop()
    assert sorted(json.loads(line)["event"]["n"] for line in got(t)) == list(range(20))
