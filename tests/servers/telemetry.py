"""OpenTelemetry's SDK for Python sends to the inputs otlp and otlp_grpc: each log record, span and data point that it sent is there."""

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

SDK = "opentelemetry-exporter-otlp==1.45.2"
TOKEN = "token-of-the-sdk-00001"
COUNT = 1500


def sdk_sends(t, kind):
    python = python_with(t, SDK)
    port = free_port()
    name = "otlp" if kind == "http" else "otlp_grpc"
    d = t.daemon(one_stream("app", to_file(t), interval="0s", inputs=[{name: {"listen": f"127.0.0.1:{port}", "tokens": [TOKEN]}}])).start()
    endpoint = f"http://127.0.0.1:{port}" if kind == "http" else f"127.0.0.1:{port}"
    for first in (0, COUNT):
        said = subprocess.run([python, os.path.join(HERE, "senders", "otel.py"), kind, endpoint, TOKEN, str(first), str(COUNT)], capture_output=True,
                              text=True, timeout=120, check=False)
        assert said.returncode == 0 and not said.stderr, said.stderr[-2000:]
        d.wait_delivered("app", (2 * COUNT + 1) * (first // COUNT + 1))
        d.kill9()
        d.start()
    d.stop()
    records = [json.loads(line) for line in objects.lines(objects.read_dir(t.path("out")))]
    assert sorted(r["body"] for r in records if r["signal"] == "log") == sorted(f"log-{n}" for n in range(2 * COUNT))
    spans = {r["name"]: r for r in records if r["signal"] == "span"}
    assert sorted(r["attributes.n"] for r in spans.values()) == list(range(2 * COUNT)) and len(records) == 4 * COUNT + 2
    assert all(r["resource.attributes.service.name"] == "numbers-" + kind for r in records)
    for r in records:
        if r["signal"] == "log":  # it knows the span in which it was written
            assert r["span_id"] == spans["span-" + r["body"][4:]]["span_id"]
    assert [r["value"] for r in records if r["signal"] == "metric"] == [COUNT, COUNT]


def scenarios():
    return [("otlp:python_sdk_http", lambda t: sdk_sends(t, "http")), ("otlp:python_sdk_grpc", lambda t: sdk_sends(t, "grpc"))]
