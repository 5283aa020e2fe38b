"""ActiveMQ Classic and Artemis over STOMP: what was not acknowledged comes again, and is known. Behind a power cut comes again what was
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


class ArtemisStomp(Stomp):
    name = "artemis-stomp"
    script = "artemis.sh"
    queue = "numbers"
