"""Sends with boto3, ten messages a call: sqs.py QUEUE_URL COUNT GROUPS RATE. To a FIFO queue with a deduplication id, so that the queue takes
none twice."""

import sys
import time

import boto3
import botocore.config
import botocore.exceptions
import numbered

BATCH = 10


class Sender:
    def __init__(self, url):
        config = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)
        self.client = boto3.client("sqs", endpoint_url=url.rsplit("/", 2)[0], region_name="us-east-1", aws_access_key_id="x",
                                   aws_secret_access_key="x", config=config)
        self.url, self.fifo = url, url.endswith(".fifo")

    def entry(self, number, group, text):
        found = {"Id": str(number), "MessageBody": text.decode()}
        if self.fifo:
            found.update(MessageGroupId=f"g{group}", MessageDeduplicationId=str(number))
        return found

    def send(self, batch):
        left = {str(number): (number, group, text) for number, group, text in batch}
        while left:
            try:
                answer = self.client.send_message_batch(QueueUrl=self.url, Entries=[self.entry(*m) for m in left.values()])
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                if not self.fifo:
                    numbered.again(number for number, _, _ in left.values())
                time.sleep(0.2)
                continue
            for done in answer.get("Successful", []):
                del left[done["Id"]]


def main():
    url, count, groups, rate = sys.argv[1:]
    sender, batch = Sender(url), []
    for message in numbered.numbered(int(count), int(groups), float(rate)):
        batch.append(message)
        if len(batch) == BATCH:
            sender.send(batch)
            batch = []
    if batch:
        sender.send(batch)


main()
