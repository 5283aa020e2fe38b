"""Puts with boto3: kinesis.py ENDPOINT STREAM COUNT GROUPS RATE, a partition key for each group. At each sixth of the way a shard is split, or two
are merged."""

import sys
import time

import boto3
import numbered
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

TOGETHER = 50


class Sender:
    def __init__(self, endpoint, stream):
        self.stream = stream
        self.client = boto3.client("kinesis", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k",
                                   aws_secret_access_key="s",
                                   config=Config(retries={"total_max_attempts": 1}, read_timeout=30))

    def put(self, batch):
        """(number, group, text) of each. What was refused goes again, and its group may have lost its order."""
        while batch:
            records = [{"Data": text, "PartitionKey": f"g{group}"} for _, group, text in batch]
            try:
                answer = self.client.put_records(StreamName=self.stream, Records=records)
            except (BotoCoreError, ClientError):
                numbered.again(number for number, _, _ in batch)
                time.sleep(0.2)
                continue
            refused = [m for m, r in zip(batch, answer["Records"]) if "ErrorCode" in r]
            groups = {group for _, group, _ in refused}
            numbered.again(number for number, group, _ in batch if group in groups)
            batch = refused

    def reshard(self):
        shards = [s for s in self.client.list_shards(StreamName=self.stream)["Shards"]
                  if "EndingSequenceNumber" not in s["SequenceNumberRange"]]
        hashes = [(int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"]), s["ShardId"])
                  for s in shards]
        hashes.sort()
        if len(hashes) > 2:
            self.client.merge_shards(StreamName=self.stream, ShardToMerge=hashes[0][2], AdjacentShardToMerge=hashes[1][2])
        else:
            low, high, shard = hashes[0]
            self.client.split_shard(StreamName=self.stream, ShardToSplit=shard, NewStartingHashKey=str((low + high) // 2))


def main():
    endpoint, stream, count, groups, rate = sys.argv[1:]
    sender, batch, count = Sender(endpoint, stream), [], int(count)
    for message in numbered.numbered(count, int(groups), float(rate)):
        batch.append(message)
        if len(batch) == TOGETHER or message[0] == count - 1:
            sender.put(batch)
            batch = []
        if message[0] % (count // 6) == count // 12:
            try:
                sender.reshard()
            except (BotoCoreError, ClientError) as e:
                print("# not resharded:", e)


main()
