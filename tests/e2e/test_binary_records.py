"""Any bytes are a record: through every input, a script that does not look at them, every format, codec and destination.

One row of INPUTS is one input. A new input adds its row: how its source is made, what it can carry, how records get there, and what is said of
one that is too large.
"""

import base64
import gzip
import json
import socket
import threading

import backups
import test_http_input as http_posts
import objects
from amqp091_peer import RabbitPeer
from amqp10_peer import Amqp10Peer
from common import KIB, MIB, one_stream, stream, to_file
from es_peer import EsPeer
from firehose import Answer, Firehose
from harness import free_port, wait_until
from http_peer import Handler, HttpPeer
from kafka_peer import KafkaPeer
from kinesis_peer import KinesisPeer
from loki_wire import entry, push, stream as pushed
from mqtt_peer import MqttPeer
from raw_peer import RawPeer, answer
from s3_peer import S3Peer
from sns_peer import TOPIC, post
from sqs_peer import SqsPeer
from stomp_peer import StompPeer
from test_amqp091 import amqp
from test_codecs import CODECS
from test_kafka import kafka
from test_kinesis import KEYS
from test_mqtt import mqtt
from test_sqs import sqs
from test_syslog import Relp
from test_transform import script

UNTOUCHED = "function transform(r) return r end"


def largest(t):
    """limits.h: RECORD_MAX_BYTES, of the build that is tested."""
    return 1536 * KIB if t.tight else 10240 * KIB


def records(t):
    noise = t.random.randbytes
    return [
        b"first", b"", b"\0", b"\0\0\0\0", bytes(range(256)), b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"a\xffb\xc0\xafc",
        b"\n", b"\n\n", b"a\nb", b"a\n", b"\r", b"a\r\n", b"\x1b[31m", b"\xef\xbb\xbfmark", "snow \N{SNOWMAN} \N{OLD PERSIAN SIGN A}".encode(),
        b'{"a":1}', b'"', b"\\u0000", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", noise(1000), noise(70_000), b"last",
    ]


# --- inputs ---------------------------------------------------------------------------------------------------------


class Input:
    """A row: what all have unless they say otherwise."""

    ordered = True
    once = False  # its daemon runs with --once

    def __init__(self, t):
        self.t = t

    def config(self):
        """What stands in `inputs`."""
        raise NotImplementedError

    def carries(self, record):
        """Can its source have such a record?"""
        return True

    def most(self):
        """Bytes of the largest record that its source can have."""
        return largest(self.t)

    def send(self, d, some):
        """Before the daemon runs where it is `once`."""
        raise NotImplementedError

    def check_too_large(self, d):
        """Sends one that is larger than a record may be, and finds the limit in what is said of it."""


class Api(Input):
    def config(self):
        return "api"

    def most(self):
        return 1000 * KIB

    def send(self, d, some):
        Firehose(d.api_port).put_all("app", some)

    def check_too_large(self, d):
        try:
            Firehose(d.api_port).call("PutRecord", {
                "DeliveryStreamName": "app", "Record": {"Data": base64.b64encode(bytes(self.most() + 1)).decode()}})
            raise AssertionError("it was taken")
        except Answer as e:
            assert e.status == 400 and str(self.most()) in str(e), e


class Lines(Input):
    """What is cut at newlines."""

    def carries(self, record):
        return b"\n" not in record

    def most(self):
        return 1000 * KIB

    def write(self, some):
        with open(self.t.path("lines"), "ab") as f:
            f.write(b"".join(r + b"\n" for r in some))

    def check_too_large(self, d):
        assert d.wait_logged(rf"record_max_bytes={self.most()}"), d.log_text()


class Tail(Lines):
    def config(self):
        return {"tail": {"paths": [self.t.path("lines")], "start": "beginning"}}

    def send(self, d, some):
        self.write(some)

    def check_too_large(self, d):
        self.write([b"y" * (self.most() + 1)])
        d.wait_logged("longer than a record")
        super().check_too_large(d)


class Stdin(Lines):
    once = True

    def config(self):
        return "stdin"

    def send(self, d, some):
        self.write(some)


class Exec(Lines):
    once = True

    def config(self):
        return {"exec": {"command": ["cat", self.t.path("lines")]}}

    def send(self, d, some):
        self.write(some)


class Fifo(Lines):
    def config(self):
        return {"fifo": {"path": self.t.path("pipe")}}

    def write(self, some):
        with open(self.t.path("pipe"), "wb") as f:
            f.write(b"".join(r + b"\n" for r in some))

    def send(self, d, some):
        self.write(some)

    def check_too_large(self, d):
        self.write([b"y" * (self.most() + 1)])
        super().check_too_large(d)


class Syslog(Input):
    """By RELP, which says how long a message is; line breaks and zeros at its end are none of it."""

    def __init__(self, t):
        super().__init__(t)
        self.client = Relp(free_port())

    def config(self):
        return {"syslog": {"listen": f"relp://127.0.0.1:{self.client.port}", "format": "raw"}}

    def carries(self, record):
        return record == record.rstrip(b"\n\r\0") != b""

    def most(self):
        return 1000 * KIB

    def send(self, d, some):
        self.client.connect()
        self.client.send_all(some)

    def check_too_large(self, d):
        self.client.connect()
        self.client.send_all([b"y" * (self.most() + 1)])
        d.wait_logged(f"longer than {self.most():,} bytes")


class Statsd(Lines):
    """Blanks at both ends of a line are none of it."""

    def __init__(self, t):
        super().__init__(t)
        self.port = free_port()

    def config(self):
        return {"statsd": {"listen": f"tcp://127.0.0.1:{self.port}", "format": "raw"}}

    def carries(self, record):
        return super().carries(record) and record == record.strip() != b""

    def most(self):
        return 1024 * KIB

    def write(self, some):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as s:
            s.sendall(b"".join(r + b"\n" for r in some))
            s.shutdown(socket.SHUT_WR)
            assert s.recv(1) == b""

    def send(self, d, some):
        self.write(some)

    def check_too_large(self, d):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as s:
            s.sendall(b"y" * (self.most() + 256 * KIB))
            d.wait_logged("a message is longer than may be")


class Sqs(Input):
    """Its messages are text, and never empty."""

    def __init__(self, t):
        super().__init__(t)
        self.queue = SqsPeer("orders.fifo")
        t.on_end(self.queue.stop)

    def config(self):
        return sqs(self.queue)

    def carries(self, record):
        try:
            return record != b"" and all(c in "\t\n\r" or c >= " " for c in record.decode())
        except UnicodeDecodeError:
            return False

    def most(self):
        return 1024 * KIB

    def send(self, d, some):
        for r in some:
            self.queue.send(r.decode())

    def check_too_large(self, d):
        self.queue.send("x" * (largest(self.t) + 1), group="other")
        assert d.wait_logged(rf"stays in the queue.*record_bytes_max={largest(self.t)}")
        with self.queue.changed:
            self.queue.queue.clear()


class Sns(Input):
    """Raw messages: their bytes are the record. (Signed ones are JSON, and so text.)"""

    SECRET = "secret-of-the-topic-1"
    ordered = False  # each is a request of its own, and may be a batch of its own: two of these are on their way at the same time

    def __init__(self, t):
        super().__init__(t)
        self.port, self.sent = free_port(), 0

    def config(self):
        return {"sns": {"listen": f"127.0.0.1:{self.port}", "topics": [TOPIC], "raw_delivery": True, "secret": self.SECRET}}

    def post(self, record):
        self.sent += 1
        names = {"Type": "Notification", "MessageId": str(self.sent), "TopicArn": TOPIC}
        return post(f"http://127.0.0.1:{self.port}/sns/app/{self.SECRET}", names, raw=record)[:2]

    def send(self, d, some):
        for r in some:
            assert self.post(r)[0] == 200

    def check_too_large(self, d):
        status, text = self.post(bytes(self.most() + 1))
        assert status == 413 and str(self.most()) in text, (status, text)


class HttpPosts(Input):
    """A body that is one record, and the records of Firehose's requests by turns."""

    ordered = False  # as Sns

    def __init__(self, t):
        super().__init__(t)
        self.port, self.sent = free_port(), 0

    def config(self):
        return {"http": {"listen": f"127.0.0.1:{self.port}"}}

    def send(self, d, some):
        for r in some:
            self.sent += 1
            if self.sent % 2:
                assert http_posts.post(self.port, r)[0] == 200
            else:
                assert http_posts.firehose(self.port, str(self.sent), [r]) == (200, None)

    def check_too_large(self, d):
        status, text, _ = http_posts.post(self.port, bytes(self.most() + 1))
        assert status == 413 and str(self.most()) in text, (status, text)


class Loki(Input):
    """Protobuf has any bytes as a line."""

    ordered = False  # as Sns

    def __init__(self, t):
        super().__init__(t)
        self.port = free_port()

    def config(self):
        return {"loki": {"listen": f"127.0.0.1:{self.port}", "record": "line"}}

    def post(self, some):
        return http_posts.post(self.port, push(pushed({"app": "web"}, *[entry(r) for r in some])), path="/loki/api/v1/push")[:2]

    def send(self, d, some):
        for r in (some[:-1], some[-1:]):
            assert self.post(r)[0] == 204

    def check_too_large(self, d):
        status, text = self.post([bytes(self.most() + 1)])
        assert status == 400 and str(self.most()) in text, (status, text)


class SplunkHec(Input):
    """Events are JSON, and so text; raw ones are lines of any bytes."""

    ordered = False  # as Sns

    def __init__(self, t):
        super().__init__(t)
        self.port = free_port()

    def config(self):
        return {"splunk_hec": {"listen": f"127.0.0.1:{self.port}"}}

    def carries(self, record):
        return record and b"\n" not in record

    def post(self, record):
        return http_posts.post(self.port, record, path="/services/collector/raw")[:2]

    def send(self, d, some):
        for r in some:
            assert self.post(r)[0] == 200

    def check_too_large(self, d):
        status, text = self.post(b"x" * (self.most() + 1))
        assert status == 413 and str(self.most()) in text, (status, text)


class Queue(Input):
    """A server or a stream whose messages have any bytes. `said`: what the log says of one that is too large."""

    said, beside = "may be", 0  # bytes that are counted beside it

    def put(self, record):
        raise NotImplementedError

    def send(self, d, some):
        for r in some:
            self.put(r)

    def check_too_large(self, d):
        self.put(b"x" * (self.most() + 1))
        assert d.wait_logged(rf"a (message|record) is larger than a record.*{self.said}.* bytes={self.most() + 1 + self.beside} bytes_max={self.most()}")


class Kafka(Queue):
    said = "left out"

    def __init__(self, t):
        super().__init__(t)
        self.brokers = KafkaPeer(t)
        self.brokers.ask("topic", "orders", 1)

    def config(self):
        return kafka(self.brokers)

    def put(self, record):
        with open(self.t.path("value"), "wb") as f:
            f.write(record)
        self.brokers.ask("file", "orders", 0, self.t.path("value"))

    def most(self):
        """These brokers keep 5 MiB of a partition, and not even the last message if it is larger. (Against real ones: kafka_cases.py.)"""
        return min(largest(self.t), 4 * MIB)

    def send(self, d, some):
        *small, large = some
        super().send(d, small)
        wait_until("all of them to be in", lambda: d.books("app").incoming == len(small), 60 * self.t.slow)
        self.put(large)

    def check_too_large(self, d):
        if self.most() == largest(self.t):
            super().check_too_large(d)


class Kinesis(Queue):
    said = "left out"

    def __init__(self, t):
        super().__init__(t)
        self.stream = KinesisPeer()
        t.on_end(self.stream.stop)

    def config(self):
        return {"kinesis": {"stream": self.stream.name, "endpoint": self.stream.url(), "poll": "200ms", **KEYS}}

    def put(self, record):
        self.stream.put("key", record)


class Amqp091(Queue):
    said = "rejected"

    def __init__(self, t):
        super().__init__(t)
        self.server = RabbitPeer()
        t.on_end(self.server.stop)

    def config(self):
        return amqp(self.server)

    def put(self, record):
        self.server.send(record)


class Amqp10(Queue):
    beside = 8  # what says that it is bytes, and how many

    def __init__(self, t):
        super().__init__(t)
        self.server = Amqp10Peer(frame=1 << 20)
        t.on_end(self.server.stop)

    def config(self):
        return {"amqp10": {"url": self.server.url(), "address": "orders"}}

    def put(self, record):
        self.server.put(record)


class Stomp(Queue):
    def __init__(self, t):
        super().__init__(t)
        self.server = StompPeer()
        t.on_end(self.server.stop)

    def config(self):
        return {"stomp": {"url": self.server.url(), "destination": "/queue/orders"}}

    def put(self, record):
        self.server.put(record)


class Mqtt(Queue):
    said = "is lost"

    def __init__(self, t):
        super().__init__(t)
        self.server = MqttPeer()
        t.on_end(self.server.stop)

    def config(self):
        return mqtt(self.server)

    def put(self, record):
        self.server.publish("t/a", record, qos=2)

    def send(self, d, some):
        wait_until("the subscription", self.server.has_subscription, 60 * self.t.slow)
        super().send(d, some)


INPUTS = {
    "api": Api, "tail": Tail, "stdin": Stdin, "exec": Exec, "fifo": Fifo, "syslog": Syslog, "statsd": Statsd, "sqs": Sqs, "sns": Sns, "kafka": Kafka,
    "kinesis": Kinesis, "amqp091": Amqp091, "amqp10": Amqp10, "stomp": Stomp, "mqtt": Mqtt, "http": HttpPosts, "splunk_hec": SplunkHec, "loki": Loki,
}


class Collects(Handler):
    """A Firehose endpoint."""

    def do_POST(self):
        body = self.read_body()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        body = json.loads(body)
        with self.server.peer.lock:
            self.server.peer.records += [base64.b64decode(r["data"], validate=True) for r in body["records"]]
        text = json.dumps({"requestId": body["requestId"], "timestamp": body["timestamp"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def collector(t):
    peer = HttpPeer(Collects)
    peer.lock, peer.records = threading.Lock(), []
    t.on_end(peer.stop)
    return peer


def through(t, row):
    """Whole records come out as they went in, in their order."""
    source, peer = row(t), collector(t)
    sent = [r for r in records(t) if source.carries(r)]
    large = b"x" * source.most()  # text, so that every source has it
    d = t.daemon(one_stream("app", {"http": {"url": peer.url() + "/in", "format": "firehose"}}, inputs=[source.config()], interval="0s",
                            deliveries_in_flight={"min": 1, "max": 1},
                            transform={"lua": script(t, UNTOUCHED), "memory": "16MiB", "timeout": "60s", "batch_timeout": "600s"}))
    d.env = {"AWS_EC2_METADATA_DISABLED": "true", "no_proxy": "*"}
    if source.once:
        source.send(d, sent + [large])
        with open(t.path("lines"), "rb") as text:
            d.spawn("--once", stdin=text)
        d.wait_exit()
    else:
        d.start()
        source.send(d, sent + [large])
        d.wait_delivered("app", len(sent) + 1)
        source.check_too_large(d)
        d.stop()
    got = peer.records[:len(sent) + 1]
    assert sorted(got) == sorted(sent + [large]), [r[:80] for r in got]
    assert not source.ordered or got == sent + [large]


def _case(row):
    return lambda t: through(t, row)


for _name, _row in INPUTS.items():
    globals()["test_any_bytes_pass_" + _name] = _case(_row)


# --- formats, codecs, destinations ----------------------------------------------------------------------------------


def test_any_bytes_reach_every_codec_and_destination(t):
    s3, es, endpoint = S3Peer(), EsPeer(), collector(t)
    plain = RawPeer([], lambda c: answer(b"200 OK"))
    for peer in (s3, es, plain):
        t.on_end(peer.stop)
    one = {"interval": "1s", "size": "5MiB", "deliveries_in_flight": {"min": 1, "max": 1}}
    to = {
        "http": stream({"http": {"url": plain.url() + "/in", "format": "lines"}}, **one),
        "firehose": stream({"http": {"url": endpoint.url() + "/in", "format": "firehose"}}, compression="gzip", **one),
        "array": stream(to_file(t, "array"), format="json_array", compression="none", **one),
        "search": stream(es.destination(), backup={"mode": "failed", "file": {"path": t.path("backup")}}, **one),
    }
    for codec in [*CODECS, "none"]:
        to["raw-" + codec] = stream(to_file(t, "raw-" + codec), format="raw", compression=codec, **one)
        to["lines-" + codec] = stream(s3.destination(prefix=codec + "/"), format="lines", compression=codec, **one)
    d = t.daemon({"streams": to}).start()
    sent, client = records(t) + [t.random.randbytes(900 * KIB)], Firehose(d.api_port)
    for name in to:
        client.put_all(name, sent)
    for name in to:
        wait_until(f"{name} to be delivered", lambda: d.books(name).incoming == len(sent) and d.books(name).spooled == 0, 120 * t.slow)
        d.books(name).assert_balanced()
    backed_up = d.books("search").backed_up
    d.stop()
    as_lines = b"".join(r if r.endswith(b"\n") else r + b"\n" for r in sent)
    assert endpoint.records == sent
    assert b"".join(body for _, _, body in plain.requests) == as_lines
    for codec in [*CODECS, "none"]:
        for want, found in ((b"".join(sent), objects.read_dir(t.path("raw-" + codec))),
                            (as_lines, {k: v for k, v in s3.snapshot().items() if k.startswith(codec + "/")})):
            if codec == "hadoop_snappy":
                found = {k: objects.hadoop_snappy(v) for k, v in found.items()}
            if codec == "none":  # some records begin as compressed data does
                assert b"".join(found[k] for k in sorted(found)) == want
            else:
                assert objects.joined(found) == want, codec
    # JSON has no bytes: what is no JSON is a text there, one for each record.
    made = [r for text in objects.read_dir(t.path("array")).values() for r in json.loads(text)]
    assert len(made) == len(sent) and {"a": 1} in made, made
    # A document must be JSON: what is none is in the backup, untouched.
    kept = backups.data(t.path("backup")) if backed_up else []
    assert len(kept) == backed_up, (len(kept), backed_up)
    assert sorted(kept + es.stored()) == sorted(sent)
