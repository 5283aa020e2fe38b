"""Logging in to real brokers, over TLS: RabbitMQ with a password and with a certificate, ActiveMQ Classic and Artemis with a user over STOMP and AMQP 1.0.
And what a real RabbitMQ says of streams."""

import subprocess

import objects
from broker_rabbitmq import Rabbit
from brokers import Broker, all_wanted
from certificates import make_certificates
from common import stream
from harness import wait_until

PASSWORD = "pass/word+1"

# As the sender of STOMP to Artemis and Classic: queues `one` and `two`.
STOMP_SEND = """\
import sys, stomp
port, count = int(sys.argv[1]), int(sys.argv[2])
c = stomp.Connection12([("127.0.0.1", port)])
c.connect("lake", "pass/word+1", wait=True)
for queue in sys.argv[3:]:
    for i in range(count): c.send(queue, f"m-{i:05d}", headers={"persistent": "true"}, **({"receipt": "last"} if i == count - 1 else {}))
import time; time.sleep(0.5)
c.disconnect()
"""

RABBIT_SEND = """\
import sys, pika
url, queue, kind, count, offset = sys.argv[1:]
channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
single = {"x-single-active-consumer": True} if kind == "single" else {}
channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic" if kind == "single" else kind, **single})
channel.confirm_delivery()
headers = {"x-stream-offset": int(offset)} if int(offset) else {}
for i in range(int(count)):
    channel.basic_publish("", queue, f"m-{i:05d}", pika.BasicProperties(delivery_mode=2, headers=headers))
"""


def daemon(t, name, source, **more):
    config = {"data_dir": t.path(f"data-{name}"), "shutdown": {"grace": "5s"}, "streams": {
        "app": stream({"file": {"path": t.path(f"out-{name}")}}, [source], interval="0s", **more)}}
    return t.daemon(config, name=name)


def got(t, name):
    return sorted(line.decode() for line in objects.lines(objects.read_dir(t.path(f"out-{name}"))))


def lines(count):
    return [f"m-{i:05d}" for i in range(count)]


def validate(d):
    done = subprocess.run([d.binary, "validate", "-c", d.config_path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "warning" not in done.stdout + done.stderr, done.stdout + done.stderr


def read(t, name, source, wanted):
    d = daemon(t, name, source)
    validate(d)
    d.start()
    wait_until("all to be there", lambda: len(got(t, name)) >= len(wanted), 60)
    d.stop()
    assert got(t, name) == wanted, name
    assert PASSWORD not in d.log_text()


class SecureRabbit(Rabbit):
    def __init__(self, t):
        make_certificates(t)
        self.settings = {"RABBITMQ_TLS": t.dir, "RABBITMQ_PLUGINS": "rabbitmq_auth_mechanism_ssl"}
        super().__init__(t)

    def make(self):
        pass

    def send(self, queue, kind, count, offset=0):
        self.run_client(RABBIT_SEND, self.env["AMQP_URL"], queue, kind, str(count), str(offset))

    def source(self, queue, plain=False, **more):
        t = self.t
        where = {"url": f"amqps://127.0.0.1:{self.port + 2}", "tls": {"ca_file": t.path("ca.pem"), **more.pop("tls", {})}}
        if plain:
            where = {"url": f"amqp://127.0.0.1:{self.port}"}
        return {"amqp091": {**where, "queue": queue, **more}}


def rabbitmq(t):
    s = SecureRabbit(t)
    s.send("q", "classic", 50)
    read(t, "password", s.source("q"), lines(50))
    s.send("q", "classic", 50)
    by_certificate = {"login": "certificate", "tls": {"cert_file": t.path("client.crt"), "key_file": t.path("client.key")}}
    read(t, "certificate", s.source("q", **by_certificate), lines(50))
    # A header of a stream's in queues: each kind answers basic.get in its way.
    for kind in ("classic", "quorum", "single"):
        s.send(f"of-{kind}", kind, 50, offset=7)
        read(t, kind, s.source(f"of-{kind}", plain=True), lines(50))
    # A stream is none of these, and has an end.
    s.send("events", "stream", 3000)
    d = daemon(t, "no-queue", s.source("events", plain=True)).start()
    s.send("events", "stream", 1)
    d.wait_logged("the queue is a stream.*stream_start", 60)
    d.stop()
    d = daemon(t, "stream", s.source("events", plain=True, stream_start="first", prefetch=100)).start()
    wait_until("all to be there", lambda: len(got(t, "stream")) == 3001, 60)
    wait_until("the lag", lambda: d.metrics().has("sluice_input_lag") and d.metrics().get("sluice_input_lag") < 3001, 60)
    d.stop()
    assert not d.logged("failed")


class Secure(Broker):
    client = "stomp-py==9.0.0"

    def __init__(self, t, script):
        make_certificates(t)
        self.script, self.settings = script, {"BROKER_TLS": t.dir}
        super().__init__(t)

    def login(self, port, stomp):
        t = self.t
        return {"url": f"{'stomp+ssl' if stomp else 'amqps'}://127.0.0.1:{port}", "user": "lake", "password": PASSWORD,
                "tls": {"ca_file": t.path("ca.pem")}}

    def try_all(self, stomp_port, amqp_port, stomp_queue, amqp_queue):
        t = self.t
        self.run_client(STOMP_SEND, self.env["STOMP_PORT"], "100", stomp_queue("one"), stomp_queue("two"))
        read(t, "stomp", {"stomp": {**self.login(stomp_port, True), "destination": stomp_queue("one")}}, lines(100))
        read(t, "amqp", {"amqp10": {**self.login(amqp_port, False), "address": amqp_queue("two")}}, lines(100))
        for name, source in (("stomp-no", {"stomp": {**self.login(stomp_port, True), "destination": stomp_queue("one"), "password": "no"}}),
                             ("amqp-no", {"amqp10": {**self.login(amqp_port, False), "address": amqp_queue("two"), "password": "no"}})):
            d = daemon(t, name, source).start()
            line = d.wait_logged("the connection to the source failed", 60)[0]
            print(f"# {name}: {line[line.find('call='):][:300]}")
            d.stop()

    def try_twice(self, stomp_port, amqp_port, stomp_topic, amqp_topic):
        """Two daemons, one durable subscription."""
        t = self.t
        for kind, source in (("stomp", {"stomp": {**self.login(stomp_port, True), "destination": stomp_topic, "client_id": "c", "subscription": "s"}}),
                             ("amqp", {"amqp10": {**self.login(amqp_port, False), "address": amqp_topic, "container_id": "d", "subscription": "s"}})):
            first = daemon(t, f"{kind}-first", source).start()
            wait_until("it is connected", lambda: first.metrics().get("sluice_input_connected") == 1, 60)
            second = daemon(t, f"{kind}-second", source).start()
            both = [first, second]
            wait_until("it is clear", lambda: any(d.logged("failed") for d in both) or second.metrics().get("sluice_input_connected") == 1, 60)
            said = [f"{d.name}: {line[line.find('call='):][:300]}" for d in both for line in d.logged("failed")[:2]]
            print(f"# {kind}: {said or 'both read it'}")
            second.stop()
            first.stop()


def artemis(t):
    s = Secure(t, "artemis.sh")
    port = s.env["TLS_PORT"]
    s.try_all(port, port, str, str)
    s.try_twice(port, port, "t.x", "t.y")


def activemq(t):
    s = Secure(t, "activemq.sh")
    s.try_all(s.env["STOMP_TLS_PORT"], s.env["AMQP_TLS_PORT"], lambda q: f"/queue/{q}", lambda q: f"queue://{q}")
    s.try_twice(s.env["STOMP_TLS_PORT"], s.env["AMQP_TLS_PORT"], "/topic/x", "topic://y")


def scenarios():
    # Half a minute each.
    return [(f"logins:{f.__name__}", f) for f in (rabbitmq, artemis, activemq)] if all_wanted() else []
