"""ElasticMQ over SQS's protocol, a standard queue and a FIFO queue: what was not deleted comes again and is known by its id."""

import os
import subprocess

import objects
from brokers import SENDERS, Broker
from common import stream


class Standard(Broker):
    name = "elasticmq-standard"
    script = "elasticmq.sh"
    client = "boto3==1.43.11"
    queue = "numbers"
    exactly_once = True
    ordered = False
    short = False  # a kill hides what was in hand for as long as `visibility`, ten seconds at least

    def url(self):
        return f"{self.env['SQS_ENDPOINT']}/000000000000/{self.queue}"

    def sender(self, count, groups, rate):
        return [self.python, os.path.join(SENDERS, "sqs.py"), self.url(), str(count), str(groups), str(rate)]

    def input(self):
        return {"sqs": {"queue_url": self.url(), "region": "us-east-1", "access_key_id": "x", "secret_access_key": "x", "visibility": "10s"}}


class Fifo(Standard):
    """Behind a restart ElasticMQ knows neither which groups are in hand nor which deduplication ids it has had: it hands out what is behind
    messages that wait to come again, and takes what is sent again as new, under another id."""
    name = "elasticmq-fifo"
    restarts = False
    queue = "numbers.fifo"
    ordered = True


MAKE = """\
import sys, boto3
c = boto3.client("sqs", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
c.create_queue(QueueName=sys.argv[2], Attributes={"FifoQueue": "true"})
"""


class MotoFifo(Fifo):
    """It has all in memory, so it is not restarted. Behind a kill it hands out messages whose group is in hand, whether it is asked by many at a time or by
    one: the order is its own."""
    name = "moto-fifo"
    groups = 100  # so that not everything waits for what a kill has hidden
    ordered = False
    script = "moto.sh"

    def make(self):
        self.run_client(MAKE, self.env["SQS_ENDPOINT"], self.queue)

    def url(self):
        return f"{self.env['SQS_ENDPOINT']}/123456789012/{self.queue}"


# --- what a queue shows in a moment -----------------------------------------------------------------------------------

SEND_ONE = """\
import sys, boto3
url, endpoint = sys.argv[1:]
c = boto3.client("sqs", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
c.send_message(QueueUrl=url, MessageBody="snow \\u2603 \\"quoted\\"\\n", MessageAttributes={
    "trace": {"DataType": "String", "StringValue": "t-1"}, "raw": {"DataType": "Binary", "BinaryValue": b"\\0\\xff"}})
"""
LEFT = """\
import sys, boto3
url, endpoint = sys.argv[1:]
c = boto3.client("sqs", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
a = c.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
print(int(a["ApproximateNumberOfMessages"]) + int(a["ApproximateNumberOfMessagesNotVisible"]))
"""


def a_queue_is_emptied(t):
    """With checksums of somebody else's making, facts for a script, and what `validate` says of the queue and of one that is not there."""
    queue = Standard(t)
    sent = subprocess.run(queue.sender(100, 4, 1e9), env={**os.environ, "PYTHONPATH": SENDERS, "MESSAGE_SIZE": "100"}, timeout=60, check=False)
    assert sent.returncode == 0
    queue.run_client(SEND_ONE, queue.url(), queue.env["SQS_ENDPOINT"])
    with open(t.path("script.lua"), "w", encoding="utf-8") as f:
        f.write('function transform(r, meta) return (meta["attribute.trace"] or "-") .. "|" .. r end')
    config = {"streams": {"app": stream({"file": {"path": t.path("out")}}, [queue.input()], transform={"lua": t.path("script.lua")})}}
    d = t.daemon(config)

    def validate():
        done = subprocess.run([t.binary, "validate", "-c", d.config_path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60,
                              check=True)
        return done.stderr

    assert validate() == ""
    d.spawn("--once").wait_exit(120)
    got = b"".join(text for _, text in objects.in_order(objects.read_dir(t.path("out"))))
    assert got.count(b"-|g") == 100 and 't-1|snow \u2603 "quoted"\n'.encode() in got, got[:300]
    assert queue.run_client(LEFT, queue.url(), queue.env["SQS_ENDPOINT"]).strip() == "0"
    queue.queue = "nowhere"
    config["streams"]["app"]["inputs"] = [queue.input()]
    d.configure(config)
    said = validate()
    assert "warning: stream `app`: sqs: " in said and "look at queue_url and region" in said, said


def scenarios():
    return [("elasticmq:a_queue_is_emptied", a_queue_is_emptied)]
