"""Clients of other servers, in front of inputs that speak as those do: the bulk helpers of Elasticsearch and OpenSearch, a handler of Python's logging for
Loki, and Fluentd's logger."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import objects  # noqa: E402
from common import one_stream, to_file  # noqa: E402
from harness import free_port  # noqa: E402
from topics import python_with  # noqa: E402

KEY, COUNT = "key-of-the-client-0001", 1200

BULK = """
import sys, warnings
kind, url, key, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
if kind == "opensearch":
    from opensearchpy import OpenSearch, helpers
    client = OpenSearch(url, http_auth=("agent", key), http_compress=True)
    client.indices.put_index_template(name="logs", body={"index_patterns": ["logs-*"]})
else:
    from elasticsearch import Elasticsearch, helpers
    client = Elasticsearch(url, api_key=("id", key), http_compress=True, max_retries=5, retry_on_timeout=True)
    client.indices.put_index_template(name="logs", index_patterns=["logs-*"])
assert client.ping() and client.info()["version"]["number"] == "8.17.0"
assert client.indices.exists(index="logs") and client.cluster.health()["status"] == "green"
documents = [{"_op_type": ("create", "index")[i % 2], "_index": "logs", "_id": str(i), "n": i, "text": "\\u00fc \\"quoted\\""} for i in range(count)]
documents.insert(7, {"_op_type": "delete", "_index": "logs", "_id": "x"})
good, bad = helpers.bulk(client, documents, chunk_size=500, raise_on_error=False)
assert good == count and len(bad) == 1 and bad[0]["delete"]["status"] == 400, (good, bad)
"""

LOGGING = """
import logging, logging_loki, sys
url, key, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
handler = logging_loki.LokiHandler(url=url + "/loki/api/v1/push", tags={"app": "web"}, auth=("agent", key), version="1")
handler.handleError = lambda record: sys.exit("it was not taken")
log = logging.getLogger("client")
log.addHandler(handler)
for i in range(count):
    log.error("message %d: \\u00fc \\"quoted\\"", i, extra={"tags": {"part": str(i % 3)}})
"""


FLUENT = """
import sys
from fluent import sender
port, count = int(sys.argv[1].rsplit(":", 1)[1]), int(sys.argv[2])
log = sender.FluentSender("app", host="127.0.0.1", port=port, nanosecond_precision=True)
for i in range(count):
    assert log.emit_with_time("part%d" % (i % 3), 1700000000.5, {"n": i, "text": "\\u00fc", "raw": b"\\xff", "more": [1.5, None, {"a": True}]}), log.last_error
log.close()
"""


def run(t, package, program, options, *arguments):
    """What the records are when it has sent to an input of these options."""
    python, port = python_with(t, package), free_port()
    (name, more), = options.items()
    d = t.daemon(one_stream("app", to_file(t), inputs=[{name: {"listen": f"127.0.0.1:{port}", **more}}])).start()
    at = arguments.index("URL")
    done = subprocess.run([python, "-c", program, *arguments[:at], f"http://127.0.0.1:{port}", *arguments[at + 1:]], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    d.wait_delivered("app", int(arguments[-1]))
    d.stop()
    return [json.loads(line) for line in objects.lines(objects.read_dir(t.path("out")))]


def documents_of(kind, package):
    def scenario(t):
        got = run(t, package, BULK, {"elasticsearch_bulk": {"tokens": [KEY], "record": "envelope"}}, kind, "URL", KEY, str(COUNT))
        assert sorted(r["_source"]["n"] for r in got) == list(range(COUNT))
        assert all(r["_index"] == "logs" and r["_id"] == str(r["_source"]["n"]) and r["_source"]["text"] == 'ü "quoted"' for r in got)
    return scenario


def lines_are_logged_to_loki(t):
    got = run(t, "python-logging-loki==0.3.1", LOGGING, {"loki": {"tokens": [KEY]}}, "URL", KEY, "60")
    assert sorted(r["line"] for r in got) == sorted(f'message {i}: ü "quoted"' for i in range(60))
    assert all(r["labels"]["app"] == "web" and r["labels"]["severity"] == "error" and len(r["timestamp"]) == 19 for r in got)


def events_are_forwarded(t):
    got = run(t, "fluent-logger==0.11.1", FLUENT, {"forward": {}}, "URL", str(COUNT))
    assert sorted(r["n"] for r in got) == list(range(COUNT))
    assert all(r == {"n": r["n"], "text": "ü", "raw": "/w==", "more": [1.5, None, {"a": True}], "time": "2023-11-14T22:13:20.500000000Z",
                     "tag": f"app.part{r['n'] % 3}"} for r in got), got[0]


def scenarios():
    return [("agents:elasticsearch_py_sends_documents", documents_of("elasticsearch", "elasticsearch==9.1.0")),
            ("agents:opensearch_py_sends_documents", documents_of("opensearch", "opensearch-py==3.0.0")),
            ("agents:a_handler_of_logging_pushes_to_loki", lines_are_logged_to_loki),
            ("agents:fluent_logger_forwards_events", events_are_forwarded)]
