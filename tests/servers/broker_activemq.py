"""ActiveMQ Classic and Artemis over STOMP and AMQP 1.0: what was not acknowledged comes again, and is known. Behind a power cut comes again what was
acknowledged just before, which is known as well."""

import os

from brokers import SENDERS, Broker


class Stomp(Broker):
    client = "stomp-py==9.0.0"
    queue = None
    exactly_once = True

    def sender(self, count, groups, rate):
        return [self.python, os.path.join(SENDERS, "stomp_sender.py"), self.env["STOMP_PORT"], self.queue, str(count), str(groups), str(rate)]

    def input(self):
        return {"stomp": {"url": f"stomp://127.0.0.1:{self.env['STOMP_PORT']}", "destination": self.queue, "prefetch": 500}}


class ClassicStomp(Stomp):
    name = "activemq-stomp"
    script = "activemq.sh"
    queue = "/queue/numbers"
    ordered = False  # it hands out to the next connection before it takes back what the last one had


class ArtemisStomp(Stomp):
    name = "artemis-stomp"
    ordered = False  # as Classic
    often = False
    script = "artemis.sh"
    queue = "numbers"


class Amqp(Broker):
    client = "python-qpid-proton==0.40.0"
    queue = None
    exactly_once = True

    def sender(self, count, groups, rate):
        return [self.python, os.path.join(SENDERS, "amqp_sender.py"), self.env["AMQP_PORT"], self.queue, str(count), str(groups), str(rate)]

    def input(self):
        return {"amqp10": {"url": f"amqp://127.0.0.1:{self.env['AMQP_PORT']}", "address": self.queue, "credit": 500}}


class ClassicAmqp(Amqp):
    name = "activemq-amqp10"
    often = False
    script = "activemq.sh"
    queue = "queue://numbers"
    ordered = False  # as above


class ArtemisAmqp(Amqp):
    name = "artemis-amqp10"
    ordered = False  # as Classic
    script = "artemis.sh"
    queue = "numbers"
