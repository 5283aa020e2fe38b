"""Programs that send numbered events to an input, each with somebody else's code: which input it wants, how it is called, and what it promises.

Each event is the text "event N", wherever it stands in a record. A sender offers again what was refused, by itself or as a program does that may lose
none; it ends when its client says that all were taken."""

import os
import re
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from harness import wait_until  # noqa: E402

INSTALL_SECONDS, SKIPPED = 600, 77
KEY = "key-of-the-sender-0001"
NUMBER = re.compile(rb"event (\d+)")


def tool(t, kind):
    """The words of its command; installed at first."""
    done = subprocess.run(["sh", os.path.join(HERE, "sender.sh"), kind], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=INSTALL_SECONDS,
                          text=True, check=False)
    if done.returncode == SKIPPED:
        t.skip((done.stdout.strip().splitlines() or ["cannot be installed"])[-1])
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout.strip().splitlines()[-1].split()


class Sender:
    padding = ""  # behind each number
    stdin = subprocess.DEVNULL

    """`inputs`: what it sends to, without the address. `often`: it is tried in each run of the tests, with `short` events."""

    def __init__(self, name, kind, inputs, words, often=False, short=2000, environment=None):
        self.name, self.kind, self.inputs, self.words, self.often, self.short = name, kind, inputs, words, often, short
        self.environment = environment or {}

    def input(self, port):
        (name, options), = self.inputs.items()
        return {name: {"listen": f"127.0.0.1:{port}", **options}}

    def start(self, t, port, first, count, rate):
        url = f"http://127.0.0.1:{port}"
        words = [w.format(url=url, port=port, key=KEY, first=first, count=count, rate=rate) for w in self.words]
        self.said = open(t.path("sender.out"), "w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(tool(t, self.kind) + words, stdin=self.stdin, stdout=self.said, stderr=subprocess.STDOUT, cwd=t.dir,
                                        env={**os.environ, "EVENT_PADDING": self.padding, **self.environment})
        t.on_end(self.take_down)

    def has_failed(self):
        return self.process.poll() not in (None, 0)

    def end(self, seconds):
        """When it has sent all. What it said."""
        code = self.process.wait(seconds)
        assert code == 0, f"the sender ended with {code}:\n{self.text()[-3000:]}"
        return self.text()

    def text(self):
        self.said.seek(0)
        return self.said.read()

    def take_down(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.said.close()


class Docker(Sender):
    """A driver sends what it has once more when its container ends, and drops what is refused then: the container lives until all has come."""

    stdin = subprocess.PIPE

    def end(self, seconds):
        wait_until("all were given to the driver", lambda: self.has_failed() or "all given" in self.text(), seconds, period=0.3)
        assert not self.has_failed(), self.text()[-3000:]
        return ""

    def take_down(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        super().take_down()


class Collector(Sender):
    """OpenTelemetry's Collector tails a file that grows, with positions and its queue on the disk. It is ended when its file was read and its queue is empty,
    which nobody but who counts what has come can know."""

    def start(self, t, port, first, count, rate):
        self.t, self.stopped, self.written = t, threading.Event(), False
        self.lines = (first, count, rate)
        os.makedirs(t.path("state"), exist_ok=True)
        with open(t.path("collector.yaml"), "w", encoding="utf-8") as f:
            f.write(COLLECTOR.format(log=t.path("in.log"), state=t.path("state"), exporter=self.words[0], at=self.words[1].format(port=port), key=KEY,
                                     compression=self.words[2]))
        open(t.path("in.log"), "wb").close()
        self.said = open(t.path("sender.out"), "w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(tool(t, self.kind) + ["--config", "file:" + t.path("collector.yaml")], stdin=subprocess.DEVNULL, stdout=self.said,
                                        stderr=subprocess.STDOUT, cwd=t.dir)
        t.on_end(self.take_down)
        self.writer = threading.Thread(target=self._write, daemon=True)
        self.writer.start()

    def _write(self):
        first, count, rate = self.lines
        began = time.monotonic()
        with open(self.t.path("in.log"), "ab", buffering=0) as f:
            for at in range(0, count, 100):
                f.write(b"".join(b"event %d%s\n" % (n, self.padding.encode()) for n in range(first + at, first + min(at + 100, count))))
                if rate and self.stopped.wait(max(0.0, began + at / rate - time.monotonic())):
                    return
        self.written = True

    def end(self, seconds):
        self.writer.join(seconds)
        assert self.written and self.process.poll() is None, self.text()[-3000:]
        return self.text()

    def take_down(self):
        self.stopped.set()
        self.writer.join(10)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        super().take_down()


COLLECTOR = """
extensions:
  file_storage: {{ directory: {state} }}
receivers:
  filelog: {{ include: [{log}], start_at: beginning, storage: file_storage, poll_interval: 50ms }}
exporters:
  {exporter}:
    endpoint: {at}
    compression: {compression}
    tls: {{ insecure: true }}
    headers: {{ authorization: "Bearer {key}" }}
    retry_on_failure: {{ initial_interval: 200ms, max_interval: 2s, max_elapsed_time: 0s }}
    sending_queue: {{ storage: file_storage, queue_size: 200000, sizer: items, block_on_overflow: true, batch: {{ flush_timeout: 200ms, min_size: 500, max_size: 1000 }} }}
service:
  extensions: [file_storage]
  telemetry: {{ metrics: {{ level: none }}, logs: {{ level: warn }} }}
  pipelines:
    logs: {{ receivers: [filelog], exporters: [{exporter}] }}
"""

GO = ["{url}", "{key}", "{first}", "{count}", "{rate}"]
TOKENS = {"tokens": [KEY]}
SPLUNK = ["splunk", "{first}", "{count}", "{rate}", "splunk-url={url}", "splunk-token={key}", "splunk-gzip=true", "splunk-format=raw"]
PATIENT = {"SPLUNK_LOGGING_DRIVER_BUFFER_MAX": "1000000", "SPLUNK_LOGGING_DRIVER_POST_MESSAGES_FREQUENCY": "200ms"}

SENDERS = [
    Sender("go_elasticsearch", "go", {"elasticsearch_bulk": TOKENS}, ["elasticsearch", *GO], often=True),
    Sender("go_forward", "go", {"forward": {}}, ["forward", *GO], short=500),
    Sender("go_loki", "go", {"loki": TOKENS}, ["loki", *GO], often=True),
    Sender("go_http", "go", {"http": {**TOKENS, "path": "/"}}, ["http", *GO]),
    Sender("go_sdk_http", "go", {"otlp": TOKENS}, ["otel", *GO, "http"]),
    Sender("go_sdk_http_gzip", "go", {"otlp": TOKENS}, ["otel", *GO, "http-gzip"]),
    Sender("go_sdk_grpc", "go", {"otlp_grpc": TOKENS}, ["otel", *GO, "grpc"], often=True),
    Sender("go_sdk_grpc_gzip", "go", {"otlp_grpc": TOKENS}, ["otel", *GO, "grpc-gzip"]),
    Docker("docker_splunk", "docker", {"splunk_hec": TOKENS}, SPLUNK, environment=PATIENT, often=True),
    Docker("docker_splunk_acks", "docker", {"splunk_hec": TOKENS}, [*SPLUNK, "splunk-index-acknowledgment=true"], environment=PATIENT),
    Docker("docker_fluentd", "docker", {"forward": {}}, ["fluentd", "{first}", "{count}", "{rate}", "fluentd-address=tcp://127.0.0.1:{port}",
                                                         "fluentd-request-ack=true", "fluentd-retry-wait=200ms", "fluentd-max-retries=1000"], short=500),
    Sender("node_splunk", "node", {"splunk_hec": TOKENS}, ["splunk", *GO]),
    Sender("node_elasticsearch", "node", {"elasticsearch_bulk": TOKENS}, ["elasticsearch", *GO]),
    Sender("node_forward", "node", {"forward": {}}, ["forward", *GO]),
    Sender("node_loki", "node", {"loki": TOKENS}, ["loki", *GO]),
    Sender("node_loki_json", "node", {"loki": TOKENS}, ["loki-json", *GO]),
] + [
    Collector(f"collector_grpc_{c}", "collector", {"otlp_grpc": TOKENS}, ["otlp", "127.0.0.1:{port}", c], often=c == "gzip")
    for c in ("gzip", "zstd", "snappy", "none")
] + [
    Collector(f"collector_http_{c}".replace("-", "_"), "collector", {"otlp": TOKENS}, ["otlphttp", "http://127.0.0.1:{port}", c])
    for c in ("gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed", "lz4", "none")
]
