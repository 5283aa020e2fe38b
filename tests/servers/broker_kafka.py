"""Kafka: a topic with a partition for each group of the messages, read by one daemon of a consumer group."""

import os

from brokers import SENDERS, Broker

MAKE = """\
import sys
from confluent_kafka.admin import AdminClient, NewTopic
admin = AdminClient({"bootstrap.servers": sys.argv[1]})
admin.create_topics([NewTopic("numbers", int(sys.argv[2]), 1)])["numbers"].result(30)
"""


class Kafka(Broker):
    name = "kafka"
    script = "kafka.sh"
    client = "confluent-kafka==2.16.1"
    exactly_once = True

    def make(self):
        self.run_client(MAKE, self.env["KAFKA"], str(self.groups))

    def sender(self, count, groups, rate):
        return [self.python, os.path.join(SENDERS, "kafka.py"), self.env["KAFKA"], "numbers", str(count), str(groups), str(rate)]

    def input(self):
        # Static membership: who was killed has its partitions again at once.
        return {"kafka": {"brokers": [self.env["KAFKA"]], "topics": ["numbers"], "group": "campaign", "group_instance_id": "one",
                          "session_timeout": "10s", "prefetch": "2MiB"}}
