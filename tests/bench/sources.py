"""Rows of the inputs from queues and streams: records of one size, S3 with gzip, the options that an input has without any being given.

Kafka is a real one, where tests/servers/kafka.sh can start it, with all messages in it before the row begins; the other sources are feeder.py's, in
a process of their own, because real ones cannot keep up with the daemon. A row counts what the daemon spends, from its start to the last delivery.
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "servers"))

import journal_files  # noqa: E402
from broker_kafka import Kafka  # noqa: E402
from feeder import Records  # noqa: E402
from harness import Skip, free_port, wait_until  # noqa: E402

MIB = 1 << 20
RSS_MOST = 64 * MIB
KEYS = {"region": "eu-west-1", "access_key_id": "BENCH", "secret_access_key": "bench"}

FILL = """\
import sys
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
brokers, topic, path, size, count = sys.argv[1:]
size, count = int(size), int(count)
admin = AdminClient({"bootstrap.servers": brokers})
admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(30)
data = open(path, "rb").read(64 << 20)
records = [data[i:i + size] for i in range(0, min(len(data), count * (size + 1)) - size, size + 1)]
p = Producer({"bootstrap.servers": brokers, "linger.ms": 50, "batch.size": 500000, "queue.buffering.max.messages": 200000, "acks": 1})
for i in range(count):
    while True:
        try:
            p.produce(topic, records[i % len(records)], partition=i // 500 % 4)
            break
        except BufferError:
            p.poll(0.1)
    if i % 1000 == 0: p.poll(0)
assert p.flush(300) == 0
"""


class Server(Kafka):
    """With a topic for each size of records."""

    def make(self):
        self.filled, self.groups_made = set(), 0

    def fill(self, topic, path, size, count):
        if topic not in self.filled:
            done = subprocess.run([self.python, "-c", FILL, self.env["KAFKA"], topic, path, str(size), str(count)], check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert done.returncode == 0, done.stdout[-2000:]
            self.filled.add(topic)

    def config(self, topic, **more):
        self.groups_made += 1
        return {"kafka": {"brokers": [self.env["KAFKA"]], "topics": [topic], "group": f"bench-{self.groups_made}", **more}}


class InputRow:
    """Records through an input."""

    HEAD = "| row | records per CPU s | MB per CPU s | peak RSS, MiB | records | s |\n|---|---|---|---|---|---|"

    def __init__(self, name, count, size, figures):
        self.name, self.count, self.size = name, count, size
        self.cpu, self.rss, self.wall = figures

    @property
    def speed(self):
        return self.count * self.size / 1e6 / self.cpu

    def merge(self, other):
        self.rss = max(self.rss, other.rss)
        if other.cpu < self.cpu:
            self.cpu, self.wall = other.cpu, other.wall

    def missed(self):
        return [f"{self.name}: {self.rss / MIB:.1f} MiB resident, {RSS_MOST // MIB} wanted"] if self.rss > RSS_MOST else []

    def line(self):
        return f"| {self.name} | {self.count / self.cpu:,.0f} | {self.speed:.0f} | {self.rss / MIB:.1f} | {self.count:,} | {self.wall:.1f} |"


def kafka(b, size, count, **more):
    if not hasattr(b, "kafka"):
        b.kafka = Server(b.t)
    b.kafka.fill(f"records-{size}", b.corpus(f"cut-{size}"), size, count)
    return b.kafka.config(f"records-{size}", **more), lambda: None


def fed(kind, make):
    """make(port) is what stands in `inputs`."""
    def source(b, size, count):
        feeder = subprocess.Popen([sys.executable, os.path.join(HERE, "feeder.py"), kind, b.corpus(f"cut-{size}"), str(size), str(count)],
                                  stdout=subprocess.PIPE, text=True)

        def end():
            feeder.kill()
            feeder.wait()

        b.t.on_end(end)
        return make(int(feeder.stdout.readline())), end
    return source


def posted(kind, name=None):
    def source(b, size, count):
        port = free_port()
        poster = subprocess.Popen([sys.executable, os.path.join(HERE, "poster.py"), kind, b.corpus(f"cut-{size}"), str(size), str(count), str(port)])

        def end():
            poster.kill()
            poster.wait()

        b.t.on_end(end)
        return {name or kind: {"listen": f"127.0.0.1:{port}"}}, end
    return source


def streamed(kind, make):
    """make(port or path) is what stands in `inputs`."""
    def source(b, size, count):
        where = b.t.path("bench.fifo") if kind == "fifo" else str(free_port())
        sender = subprocess.Popen([sys.executable, os.path.join(HERE, "streamer.py"), kind, b.corpus(f"cut-{size}"), str(size), str(count), where],
                                  stdin=subprocess.PIPE)

        def end():
            sender.kill()
            sender.wait()

        b.t.on_end(end)
        end.begin = lambda: sender.stdin.close()
        return make(where), end
    return source


def printed(b, size, count):
    """By a program."""
    path = b.corpus(f"cut-{size}")
    again = count * (size + 1) // os.path.getsize(path) + 1
    return {"exec": {"command": ["sh", "-c", f"(for i in $(seq {again}); do cat {path}; done) 2>&- | head -n {count}; exec sleep 1000"]}}, lambda: None


def journal(b, size, count):
    """Entries with what journald knows of a service's, which is not counted."""
    if not journal_files.is_there():
        raise Skip("systemd-journal-remote is not installed")
    folder, records = b.t.path(f"journal-{size}"), Records(b.corpus(f"cut-{size}"), size, count)
    if not os.path.exists(folder):
        os.mkdir(folder)
        known = {"PRIORITY": "6", "SYSLOG_IDENTIFIER": "shop", "_PID": "4721", "_UID": "33", "_COMM": "shop", "_SYSTEMD_UNIT": "shop.service",
                 "_HOSTNAME": "web-1", "_TRANSPORT": "stdout"}
        journal_files.append(os.path.join(folder, "system.journal"), [journal_files.entry(n, {"MESSAGE": records[n], **known}) for n in range(count)])
    return {"journald": {"path": folder, "start": "beginning"}}, lambda: None


SQS_QUEUE = "http://127.0.0.1:{}/123456789012/orders"
# The source, its name in the table, and the share of the megabytes that its rows have: those that take longer, less.
SOURCES = {
    "kafka": (kafka, "Kafka", 1),
    "kafka-no-meta": (lambda *a: kafka(*a, meta=False), "Kafka, meta: false", 1),
    "sqs": (fed("sqs", lambda port: {"sqs": {"queue_url": SQS_QUEUE.format(port), **KEYS}}), "SQS", 1 / 64),
    "kinesis": (fed("kinesis", lambda port: {"kinesis": {"stream": "orders", "endpoint": f"http://127.0.0.1:{port}", **KEYS}}), "Kinesis, 8 shards", 1 / 4),
    "amqp091": (fed("amqp091", lambda port: {"amqp091": {"url": f"amqp://127.0.0.1:{port}", "password": "secret", "queue": "orders"}}),
                "AMQP 0-9-1", 1 / 2),
    "amqp10": (fed("amqp10", lambda port: {"amqp10": {"url": f"amqp://127.0.0.1:{port}", "address": "orders"}}), "AMQP 1.0", 1 / 4),
    "stomp": (fed("stomp", lambda port: {"stomp": {"url": f"stomp://127.0.0.1:{port}", "destination": "/queue/orders"}}), "STOMP", 1 / 4),
    "mqtt": (fed("mqtt", lambda port: {"mqtt": {"url": f"mqtt://127.0.0.1:{port}", "client_id": "bench", "topics": ["bench/#"]}}),
             "MQTT 5, QoS 1", 1 / 4),
    "forward": (fed("forward", lambda port: {"forward": {"listen": f"127.0.0.1:{port}"}}), "forward", 1 / 2),
    "mqtt-2": (fed("mqtt-2", lambda port: {"mqtt": {"url": f"mqtt://127.0.0.1:{port}", "client_id": "bench", "topics": ["bench/#"], "qos": 2}}),
               "MQTT 5, QoS 2", 1 / 64),
    "http": (posted("http"), "posts of 500 lines", 1),
    "splunk_hec": (posted("splunk_hec"), "Splunk's events", 1),
    "elasticsearch_bulk": (posted("elasticsearch_bulk"), "Elasticsearch's bulk API", 1),
    "otlp": (posted("otlp"), "OTLP, logs in protobuf", 1),
    "loki": (posted("loki"), "Loki, protobuf", 1),
    "loki-json": (posted("loki-json", "loki"), "Loki, JSON", 1),
    "syslog-tcp": (streamed("syslog-tcp", lambda port: {"syslog": {"listen": f"tcp://127.0.0.1:{port}"}}), "syslog, TCP", 1),
    "syslog-raw": (streamed("syslog-tcp", lambda port: {"syslog": {"listen": f"tcp://127.0.0.1:{port}", "format": "raw"}}), "syslog, TCP, raw", 1),
    "syslog-relp": (streamed("syslog-relp", lambda port: {"syslog": {"listen": f"relp://127.0.0.1:{port}"}}), "syslog, RELP", 1 / 2),
    "syslog-udp": (streamed("syslog-udp", lambda port: {"syslog": {"listen": f"udp://127.0.0.1:{port}"}}), "syslog, UDP", 1 / 4),
    "statsd": (streamed("statsd-udp", lambda port: {"statsd": {"listen": f"udp://127.0.0.1:{port}"}}), "StatsD, UDP, 20 in a datagram", 1 / 4),
    "fifo": (streamed("fifo", lambda path: {"fifo": {"path": path}}), "named pipe", 1),
    "exec": (printed, "a program's output", 1),
    "journald": (journal, "systemd's journal", 1 / 8),
}


def lost(d):
    m = d.metrics()
    return int(m.get("sluice_input_lost_total", stream="s0")) if m.has("sluice_input_lost_total") else 0


def row(b, key, size):
    """None where its server is not here."""
    make, name, share = SOURCES[key]
    count = int(b.megabytes * 1e6 * share) // size
    try:
        source, end = make(b, size, count)
    except Skip as e:
        print(f"{key}: skipped, {e}", flush=True)
        return None
    d = b.start({"s0": b.stream([source], compression="gzip")}, f"input-{key}-{size}")
    getattr(end, "begin", lambda: None)()
    wait_until(f"{count} records delivered", lambda: d.books("s0").delivered + lost(d) >= count, 300, period=0.25)
    books, missing = d.books("s0"), lost(d)
    books.assert_balanced()
    assert books.delivered + missing == count, books
    figures = b.stop(d)
    end()
    said = f", {missing:,} datagrams lost" if missing else ""
    return InputRow(f"{name} → S3, gzip, records of {size:,} B{said}", books.delivered, size, figures)


ROWS = {f"{key}-{size}": lambda b, s, key=key, size=size: row(b, key, size) for key in SOURCES for size in (75, 1000)}
