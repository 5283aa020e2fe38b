"""The input elasticsearch_bulk, as agents use it: what they ask before they begin, documents each answered for itself, a stream that is full, and
a daemon that is killed."""

import base64
import gzip
import json

from common import stream
from harness import free_port, wait_until
from http_peer import HttpPeer
from test_http_input import post
from test_sns import Closed
from test_transform import script

TOKEN = "token-of-the-agent-01"
KEY = {"Authorization": "ApiKey " + base64.b64encode(b"id:" + TOKEN.encode()).decode(), "Content-Type": "application/x-ndjson"}


def lines(*documents):
    return b"".join(json.dumps(d).encode() + b"\n" if isinstance(d, dict) else d + b"\n" for d in documents)


def test_agents_of_elasticsearch_are_answered_and_wait_when_it_is_full(t):
    sink = HttpPeer(Closed)
    sink.takes, sink.bodies = True, []
    t.on_end(sink.stop)
    script(t, "function transform(r, meta)\n  if r.big then return r end\n"
              "  return string.format('%s|%s|%s|%s', r.n, meta.index or '-', meta.id or '-', meta.action)\nend\n")
    port = free_port()
    d = t.daemon({"streams": {"app": stream({"http": {"url": f"http://127.0.0.1:{sink.port}/", "format": "lines"}},
                                            inputs=[{"elasticsearch_bulk": {"listen": f"127.0.0.1:{port}", "tokens": [TOKEN]}}], interval="0s",
                                            transform={"lua": t.path("script.lua")}, spool={"limit": "4MiB"})}}).start()

    def ask(path, body=b"", method="POST", headers=None):
        status, text, back = post(port, body, path=path, method=method, headers={**KEY, **(headers or {})})
        assert back["X-Elastic-Product"] == "Elasticsearch" and back["Content-Type"] == "application/json"
        return status, json.loads(text) if text else None

    assert ask("/", method="GET")[1]["version"]["number"] == "8.17.0" and ask("/", method="HEAD") == (200, None)
    assert ask("/_license", method="GET")[1]["license"]["status"] == "active"
    assert ask("/_index_template/filebeat", method="HEAD")[0] == 200 and ask("/_cluster/health", method="GET")[1]["status"] == "green"
    assert ask("/_ilm/policy/filebeat", b'{"policy":{}}', method="PUT") == (200, {"acknowledged": True, "shards_acknowledged": True})
    assert ask("/%3Clogs-%7Bnow%2Fd%7D-000001%3E", b"{}", method="PUT")[0] == 200
    assert ask("/logs/_search", b"{}")[1]["error"]["type"] == "resource_not_found_exception"
    status, said = ask("/", method="GET", headers={"Authorization": "ApiKey d3Jvbmc6"})
    assert status == 401 and said["error"]["type"] == "security_exception" and said["status"] == 401

    status, said = ask("/_bulk", lines({"create": {"_index": "logs", "_id": "7"}}, {"n": 1}, {"index": {"_index": None, "_id": None}}, {"n": 2}))
    assert status == 200 and said["errors"] is False and [list(i) for i in said["items"]] == [["create"], ["index"]]
    assert said["items"][0]["create"]["_id"] == "7" and said["items"][1]["index"]["_id"] and said["items"][1]["index"]["status"] == 201
    body = gzip.compress(lines({"create": {}}, {"n": 3}, {"create": {}}, b"no json", {"delete": {"_id": "1"}}, {"index": {"_index": "own"}}, {"n": 4}))
    status, said = ask("/of-url/_bulk?filter_path=errors,items.*.error,items.*.status", body, headers={"Content-Encoding": "gzip"})
    assert status == 200 and said["errors"] is True
    fates = [i[k] for i in said["items"] for k in i]
    assert [f["status"] for f in fates] == [201, 400, 400, 201] and "no JSON" in fates[1]["error"]["reason"] and "_id" not in fates[0]
    assert ask("/_bulk?filter_path=took", lines({"index": {}}, b"x")) == (200, {"took": 0, "errors": True, "items": []})  # and nothing to store
    status, said = ask("/_bulk", lines({"create": {}}, {"n": 5}, b"no action"))
    assert status == 400 and "line [3]" in said["error"]["reason"] and said["error"]["type"] == "illegal_argument_exception"
    assert ask("/_bulk", b"")[0] == 400 and d.wait_logged("others of it were not")
    d.wait_delivered("app", 4)

    sink.takes = False
    big = [lines({"index": {}}, {"big": "x" * 400000, "i": i}) * 2 for i in range(8)]
    answers = [post(port, b, path="/_bulk", headers=KEY) for b in big]
    assert {a[0] for a in answers} == {200, 429} and all(a[2]["Retry-After"] for a in answers if a[0] == 429)
    assert all(json.loads(a[1])["error"]["type"] == "es_rejected_execution_exception" for a in answers if a[0] == 429)
    d.kill9()
    d.start()
    sink.takes = True
    for i, answer in enumerate(answers):
        if answer[0] == 429:
            wait_until("the request to be taken", lambda: ask("/_bulk", big[i])[0] == 200, 60 * t.slow)
    d.wait_delivered("app", 20)
    d.stop()
    got = [line.decode() for body in sink.bodies for line in body.splitlines()]
    assert sorted(line for line in got if line[0] != "{") == ["1|logs|7|create", "2|-|-|index", "3|of-url|-|create", "4|own|-|index"]
    assert sorted(json.loads(line)["i"] for line in got if line[0] == "{") == sorted(list(range(8)) * 2)
    assert TOKEN not in d.log_text()
