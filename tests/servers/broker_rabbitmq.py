"""RabbitMQ: a classic queue, a quorum queue and a stream, each durable and bound to an exchange."""

import os

from brokers import SENDERS, Broker

MAKE = """\
import sys, pika
url, queue, kind = sys.argv[1:]
channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
channel.queue_declare(queue, durable=True, arguments={"x-queue-type": kind})
channel.exchange_declare("numbers", "fanout", durable=True)
channel.queue_bind(queue, "numbers")
"""
PREFETCH = 500


class Rabbit(Broker):
    script = "rabbitmq.sh"
    client = "pika==1.4.4"
    kind = None

    def make(self):
        """A power cut within three minutes of its making takes the name of a quorum queue or a stream with it (RabbitMQ's names.dets): an end in
        good order saves it."""
        self.run_client(MAKE, self.env["AMQP_URL"], "numbers", self.kind)
        if self.kind != "classic":
            self.end()
            self.start()

    def sender(self, count, groups, rate):
        return [self.python, os.path.join(SENDERS, "rabbitmq.py"), self.env["AMQP_URL"], "numbers", str(count),
                str(groups), str(rate)]

    def input(self):
        return {"amqp091": {"url": self.env["AMQP_URL"].partition("guest:guest@")[0] + self.env["AMQP_URL"].partition("@")[2],
                            "username": "guest", "password": "guest", "queue": "numbers", "prefetch": PREFETCH}}


class Classic(Rabbit):
    """What was not acknowledged comes again: once for each kill of the daemon and each end of the server, as much as may be unacknowledged; and
    what was acknowledged just before a power cut."""

    name = "rabbitmq-classic"
    kind = "classic"
    often = False

    def most_doubled(self, kills, restarts):
        return (kills + 2 * restarts) * PREFETCH


class Quorum(Classic):
    name = "rabbitmq-quorum"
    kind = "quorum"
    short = False


class Stream(Rabbit):
    name = "rabbitmq-stream"
    kind = "stream"
    exactly_once = True

    def input(self):
        found = super().input()
        found["amqp091"]["stream_start"] = "first"
        return found
