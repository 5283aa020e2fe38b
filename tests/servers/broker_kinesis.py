"""kinesis-local: a stream whose shards are split and merged while it is written and read. It has everything in memory, so its restarts are long
silences: it is frozen, and goes on."""

import os
import signal

from brokers import SENDERS, Broker

MAKE = """\
import sys, time, boto3
c = boto3.client("kinesis", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
c.create_stream(StreamName="numbers", ShardCount=2)
while c.describe_stream_summary(StreamName="numbers")["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
    time.sleep(0.1)
"""


class Kinesis(Broker):
    name = "kinesis"
    script = "kinesis.sh"
    client = "boto3==1.43.11"
    exactly_once = True
    slowly, size = 8, 2000
    frozen = False

    def make(self):
        self.run_client(MAKE, self.env["KINESIS"])

    def sender(self, count, groups, rate):
        return [self.python, os.path.join(SENDERS, "kinesis.py"), self.env["KINESIS"], "numbers", str(count), str(groups), str(rate)]

    def input(self):
        return {"kinesis": {"stream": "numbers", "endpoint": self.env["KINESIS"], "region": "us-east-1", "poll": "1s",
                            "access_key_id": "k", "secret_access_key": "s"}}

    def _signal(self, number):
        with open(os.path.join(self.dir, "pid"), encoding="ascii") as f:
            os.kill(int(f.read()), number)
        self.frozen = number == signal.SIGSTOP

    def kill(self):
        self._signal(signal.SIGSTOP)

    def end(self):
        self._signal(signal.SIGSTOP)

    def start(self):
        if self.frozen:
            self._signal(signal.SIGCONT)
        else:
            super().start()
