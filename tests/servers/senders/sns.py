"""Publishes with boto3, to a topic with one subscription: sns.py ENDPOINT SUBSCRIBER COUNT GROUPS RATE."""

import sys
import time

import boto3
import numbered
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def main():
    endpoint, subscriber, count, groups, rate = sys.argv[1:]
    sns = boto3.client("sns", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b",
                       config=Config(retries={"total_max_attempts": 1}, read_timeout=30))
    topic = sns.create_topic(Name="orders")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber)
    for number, _, text in numbered.numbered(int(count), int(groups), float(rate)):
        while True:
            try:
                sns.publish(TopicArn=topic, Message=text.decode())
                break
            except (BotoCoreError, ClientError):
                numbered.again([number])
                time.sleep(0.2)


main()
