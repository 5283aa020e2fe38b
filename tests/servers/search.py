"""Real Elasticsearch and OpenSearch: records go through sluice into them and are read back by searches made here."""

import json
import os
import re
import sys
import threading
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import backups  # noqa: E402
from common import stream, tail, write_lines  # noqa: E402
from firehose import Firehose  # noqa: E402
from stores import Store  # noqa: E402

PAGE = 5000


class Search(Store):
    """One running server, by its script. It runs as a user of its own, who must get at its folder."""

    def __init__(self, t, script):
        os.chmod(t.dir, 0o755)
        super().__init__(t, script)

    def destination(self, **more):
        return {"elasticsearch": {"url": self.env["SEARCH_URL"], "index": "app", **more}}

    def ask(self, path, body=None):
        asked = urllib.request.Request(self.env["SEARCH_URL"] + path, headers={"Content-Type": "application/json"},
                                       data=json.dumps(body).encode() if body is not None else None)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.load(answer)

    def numbers(self, most):
        """The field `n` of every document of every index, sorted; the numbers are below `most`."""
        self.ask("/app*/_refresh")
        found = []
        for at in range(0, most, PAGE):
            hits = self.ask("/app*/_search", {"size": 10000, "query": {"range": {"n": {"gte": at, "lt": at + PAGE}}},
                                              "_source": ["n"]})["hits"]["hits"]
            found += [hit["_source"]["n"] for hit in hits]
        assert len(found) == self.ask("/app*/_count")["count"], "there are documents with other numbers"
        return sorted(found)


def with_backup(t, **more):
    return {"backup": {"file": {"path": t.path("backup")}}, **more}


def lines_become_documents_and_what_the_mapping_refuses_goes_to_the_backup(t, server):
    lines = [b'{"n":%d,"level":"INFO","text":"line number %d"}' % (n, n) for n in range(20000)]
    wrong = (b'{"n":{"not":"a number"},"at":%d}', b'{"n":"neither","at":%d}')
    refused = [text % n for text in wrong for n in range(30)]
    path = t.path("in.log")
    write_lines(path, lines[:100])
    d = t.daemon({"streams": {"app": stream(server.destination(), [tail(path)], **with_backup(t))}}).start()
    d.wait_delivered("app", 100)  # the first documents decide what n is
    with open(path, "ab") as f:
        for i, line in enumerate(lines[100:]):
            f.write(line + b"\n" + (refused[i] + b"\n" if i < len(refused) else b""))
    books = d.wait_delivered("app", len(lines), timeout=120)
    assert books.backed_up == len(refused), books
    d.stop()
    assert server.numbers(len(lines)) == list(range(len(lines)))
    failed = backups.read(t.path("backup"), "AmazonOpenSearchService-failed")
    assert sorted(line["data"] for line in failed) == sorted(refused)
    for line in failed:
        assert line["errorCode"] == "400" and re.search(r"mapper|document|field", line["errorMessage"]), line
        assert re.fullmatch(r"app-\d{4}-\d\d-\d\d", line["esIndexName"]) and line["esDocumentId"], line


def a_server_killed_in_mid_flight_has_each_document_once_in_the_end(t, server):
    """It is killed twice while records come in, and the daemon once."""
    d = t.daemon({"streams": {"app": stream(server.destination(), size="64KiB", compression="gzip", **with_backup(t))}})
    d.start()
    count, stop, error = 0, threading.Event(), []

    def put():
        nonlocal count
        client = Firehose(d.api_port)
        try:
            while not stop.is_set():
                client.put_all("app", [b'{"n":%d,"text":"record %d"}' % (n, n) for n in range(count, count + 200)])
                count += 200
                time.sleep(0.05)
        except BaseException as e:
            error.append(e)

    for kill_daemon in (False, True):
        stop.clear()
        thread = threading.Thread(target=put)
        thread.start()
        time.sleep(2)
        server.kill()
        time.sleep(1)
        stop.set()
        thread.join(30)
        if kill_daemon:
            d.kill9()
            d.start()
        server.start()
    assert not error, error[0]
    books = d.wait_delivered("app", count, timeout=180)
    assert books.backed_up == 0 and count > 5000, (books, count)
    d.wait_logged("delivery failed.*127")
    d.stop()
    assert server.numbers(count) == list(range(count))


SCENARIOS = (
    lines_become_documents_and_what_the_mapping_refuses_goes_to_the_backup,
    a_server_killed_in_mid_flight_has_each_document_once_in_the_end,
)


def scenarios():
    return [(f"{server}:{fn.__name__}", lambda t, s=server, f=fn: f(t, Search(t, s + ".sh")))
            for server in ("opensearch", "elasticsearch") for fn in SCENARIOS]
