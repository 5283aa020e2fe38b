"""PutRecord and PutRecords of Kinesis Data Streams on the API's port: what is answered with a sequence number is delivered, and the rest is refused under
Kinesis' names."""

import base64
import json

import objects
from common import MIB, one_stream, to_file
from firehose import Answer, Firehose
from harness import wait_until

KEY = ("AKIDEXAMPLE", "secret")


def daemon(t, **more):
    grace = "1s" if "destination" in more else "60s"  # one that takes nothing uses up all of it
    config = one_stream("app", more.pop("destination", None) or to_file(t), **{"interval": "900s", "size": "64MiB", **more})
    return t.daemon({**config, "limits": {"memory": "128MiB"}, "api": {"credentials": [{"access_key_id": KEY[0], "secret_access_key": KEY[1]}]},
                     "shutdown": {"grace": grace}}).start()


def record(data, key="k", **more):
    return {"Data": base64.b64encode(data).decode(), **({"PartitionKey": key} if key is not None else {}), **more}


def refused(call, code, words=""):
    try:
        call()
    except Answer as e:
        assert e.code == code and words in str(e), e
        return
    raise AssertionError(f"it was not refused with {code}")


def test_what_is_put_as_to_kinesis_is_delivered_and_its_keys_are_meta(t):
    with open(t.path("show.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r, meta)\n  r.key, r.hash = meta.partition_key, meta.explicit_hash_key\n  return r\nend\n")
    d = daemon(t, transform={"lua": t.path("show.lua")})
    c = Firehose(d.api_port, KEY)
    first = c.kinesis("PutRecord", StreamName="app", **record(b'{"n":1}', "blau\u00e4", ExplicitHashKey="17"))
    answer = c.kinesis("PutRecords", StreamARN="arn:aws:kinesis:us-east-1:000000000000:stream/app",
                       Records=[record(b'{"n":2}', "b"), record(b'{"n":3}', None)])
    assert first["ShardId"] == "shardId-000000000000" and answer["FailedRecordCount"] == 0
    numbers = [int(r["SequenceNumber"]) for r in [first, *answer["Records"]]]
    assert numbers == sorted(set(numbers)) and len(numbers) == 3
    d.stop()
    got = [json.loads(line) for line in objects.lines(objects.read_dir(t.path("out")))]
    assert got == [{"n": 1, "key": "blau\u00e4", "hash": "17"}, {"n": 2, "key": "b"}, {"n": 3}], got


def test_records_of_any_size_are_taken_up_to_the_limits(t):
    d = daemon(t)
    c = Firehose(d.api_port, KEY)
    large = MIB if t.tight else 10 * MIB
    sent = [b"", b"\0\xff", b"x" * 1_048_543, b"y" * 1_048_576, bytes(range(255)) * 6000]
    answer = c.kinesis("PutRecords", StreamName="app", Records=[record(data) for data in sent])
    assert answer["FailedRecordCount"] == 0
    sent += [b"z" * large] + [b"%03d" % i for i in range(500)]
    c.kinesis("PutRecord", StreamName="app", **record(sent[5]))
    c.kinesis("PutRecords", StreamName="app", Records=[record(data, "k" * 256) for data in sent[6:]])
    for arguments, code, words in (
            ({"Records": [record(b"x")] * 501}, "ValidationException", "500"),
            ({"Records": []}, "ValidationException", "1"),
            ({"Records": [record(b"x", "")]}, "ValidationException", "partitionKey"),
            ({"Records": [record(b"x", "k" * 257)]}, "ValidationException", "256"),
            ({"Records": [{"PartitionKey": "k"}]}, "ValidationException", "records.1.member.data"),
            ({"Records": [{"Data": "?", "PartitionKey": "k"}]}, "SerializationException", "base64"),
            ({"Records": [record(b"x" * 3_600_000)] * 3}, "InvalidArgumentException", "10 MB"),
            ({}, "ValidationException", "records")):
        if words == "10 MB" and t.tight:
            continue
        refused(lambda a=arguments: c.kinesis("PutRecords", StreamName="app", **a), code, words)
    refused(lambda: c.kinesis("PutRecord", StreamName="app", **record(b"x" * (large + (MIB if t.tight else 1)))), "ValidationException")
    refused(lambda: c.kinesis("PutRecord", StreamName="none", **record(b"x")), "ResourceNotFoundException")
    refused(lambda: c.kinesis("PutRecord", **record(b"x")), "ValidationException", "streamName")
    refused(lambda: c.kinesis("CreateStream", StreamName="new"), "InvalidArgumentException", "YAML")
    refused(lambda: c.call_raw("PutRecord", b"{}", "Kinesis_20131202.", "firehose"), "InvalidSignatureException", "kinesis")
    refused(lambda: Firehose(d.api_port, (KEY[0], "wrong")).kinesis("PutRecord", StreamName="app", **record(b"x")), "InvalidSignatureException")
    d.stop()
    got = objects.joined(objects.read_dir(t.path("out")))
    assert got == b"".join(data + b"\n" for data in sent), len(got)


def test_a_body_that_needs_more_memory_than_there_is_is_refused_and_says_what_to_do(t):
    config = one_stream("app", to_file(t))
    d = t.daemon({**config, "limits": {"memory": "64MiB"}}).start()
    refused(lambda: Firehose(d.api_port).kinesis("PutRecord", StreamName="app", **record(b"x" * 9_000_000)),
            "RequestEntityTooLargeException", "limits.memory")
    d.stop()


def test_a_full_stream_throttles(t):
    d = daemon(t, destination={"http": {"url": "http://127.0.0.1:9/", "format": "lines"}}, interval="1s", size="1MiB", spool={"limit": "4MiB"},
               retry={"duration": "24h"})
    d.expect_exit = 1  # the spool keeps what is in it
    c, answers = Firehose(d.api_port, KEY), []

    def full():
        answers.append(c.kinesis("PutRecords", StreamName="app", Records=[record(b"x" * 200_000)] * 20))
        return answers[-1]["FailedRecordCount"]

    wait_until("a full spool", full, 60 * t.slow)
    last = answers[-1]["Records"]
    assert {r["ErrorCode"] for r in last if "ErrorCode" in r} == {"ProvisionedThroughputExceededException"}
    assert sum(1 for r in last if "ErrorCode" in r) == answers[-1]["FailedRecordCount"]
    refused(lambda: [c.kinesis("PutRecord", StreamName="app", **record(b"x" * 900_000)) for _ in range(6)],
            "ProvisionedThroughputExceededException")
    safe = sum(1 for a in answers for r in a["Records"] if "SequenceNumber" in r)
    assert d.books("app").incoming >= safe
    d.stop()


def test_what_clients_ask_first_is_answered(t):
    c = Firehose(daemon(t).api_port, KEY)
    assert [s["ShardId"] for s in c.kinesis("ListShards", StreamName="app")["Shards"]] == ["shardId-000000000000"]
    summary = c.kinesis("DescribeStreamSummary", StreamName="app")["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "ACTIVE" and summary["OpenShardCount"] == 1 and summary["StreamARN"].endswith(":stream/app")
    assert c.kinesis("DescribeStream", StreamName="app")["StreamDescription"]["HasMoreShards"] is False
    refused(lambda: c.kinesis("ListShards", StreamName="none"), "ResourceNotFoundException", "none")
