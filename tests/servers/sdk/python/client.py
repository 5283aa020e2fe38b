"""The Firehose API through boto3: client.py ENDPOINT STREAM."""

import os
import sys
import zlib

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

count = failed = 0


def case(what, passed, detail=""):
    global count, failed
    count += 1
    failed += not passed
    print(f"{'ok' if passed else 'not ok'} {count} - {what}" + (f" ({detail})" if detail and not passed else ""))


def raises(what, code, fn, text=""):
    try:
        fn()
    except ClientError as e:
        got = e.response["Error"]
        case(what, got["Code"] == code and text in got["Message"], str(e))
    except Exception as e:  # what a client cannot read is a fault of the server
        case(what, False, repr(e))
    else:
        case(what, False, "no error")


def client(endpoint, **more):
    return boto3.client("firehose", endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 2}), **more)


def puts(c, stream):
    r = c.put_record(DeliveryStreamName=stream, Record={"Data": b"from boto3\n"})
    case("put_record", len(r["RecordId"]) > 1 and r["ResponseMetadata"]["HTTPStatusCode"] == 200, str(r))
    case("a reply has a request id", bool(r["ResponseMetadata"].get("RequestId")), str(r))
    r = c.put_record(DeliveryStreamName=stream, Record={"Data": b""})
    case("put_record of nothing", len(r["RecordId"]) > 1, str(r))
    records = [{"Data": b"batch %d \xff\x00?>\n" % i} for i in range(500)]
    r = c.put_record_batch(DeliveryStreamName=stream, Records=records)
    ids = {x.get("RecordId") for x in r["RequestResponses"]}
    case("put_record_batch of 500", r["FailedPutCount"] == 0 and len(ids) == 500 and None not in ids, str(r)[:300])
    r = c.put_record(DeliveryStreamName=stream, Record={"Data": zlib.compress(b"x" * 10000) + b"\n"})
    case("put_record of binary data", len(r["RecordId"]) > 1, str(r))


def limits(c, stream):
    large = b"x" * 1024000
    r = c.put_record_batch(DeliveryStreamName=stream, Records=[{"Data": large}] * 4)
    case("four records of 1,024,000 bytes", r["FailedPutCount"] == 0, str(r))
    raises("five are over 4 MiB", "InvalidArgumentException",
           lambda: c.put_record_batch(DeliveryStreamName=stream, Records=[{"Data": large}] * 5), "4 MB")
    raises("a record of 1,024,001 bytes", "ValidationException",
           lambda: c.put_record(DeliveryStreamName=stream, Record={"Data": large + b"x"}),
           "Member must have length less than or equal to 1024000")
    raises("501 records", "ValidationException",
           lambda: c.put_record_batch(DeliveryStreamName=stream, Records=[{"Data": b"x"}] * 501), "'records'")


def describes(c, stream):
    d = c.describe_delivery_stream(DeliveryStreamName=stream)["DeliveryStreamDescription"]
    case("describe_delivery_stream", d["DeliveryStreamStatus"] == "ACTIVE" and d["DeliveryStreamName"] == stream and
         d["DeliveryStreamARN"].endswith(":deliverystream/" + stream) and not d["HasMoreDestinations"], str(d))
    case("one destination", [x["DestinationId"] for x in d["Destinations"]] == ["destinationId-000000000001"], str(d))
    names = c.list_delivery_streams(Limit=10000)["DeliveryStreamNames"]
    case("list_delivery_streams", stream in names and names == sorted(names), str(names))


def errors(c, stream):
    gone = c.exceptions.ResourceNotFoundException
    try:
        c.put_record(DeliveryStreamName="no-such-stream", Record={"Data": b"x"})
        case("an unknown stream", False, "no error")
    except gone as e:
        case("an unknown stream", "no-such-stream under account" in str(e), str(e))
    raises("describing an unknown stream", "ResourceNotFoundException",
           lambda: c.describe_delivery_stream(DeliveryStreamName="no-such-stream"))
    raises("creating a stream says YAML", "InvalidArgumentException",
           lambda: c.create_delivery_stream(DeliveryStreamName="new"), "YAML")
    raises("tagging says YAML", "InvalidArgumentException",
           lambda: c.tag_delivery_stream(DeliveryStreamName=stream, Tags=[{"Key": "team", "Value": "logs"}]), "YAML")
    tags = c.list_tags_for_delivery_stream(DeliveryStreamName=stream)
    case("there are no tags", (tags["Tags"], tags["HasMoreTags"]) == ([], False), str(tags))


def kinesis(endpoint, stream):
    """The same stream as one of Kinesis Data Streams."""
    c = boto3.client("kinesis", endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 2}))
    r = c.put_record(StreamName=stream, Data=b"\x00\xff from boto3", PartitionKey="k")
    case("kinesis put_record", int(r["SequenceNumber"]) > 0 and r["ShardId"].startswith("shardId-"), str(r))
    r = c.put_records(StreamName=stream, Records=[{"Data": b"%d" % i, "PartitionKey": str(i)} for i in range(500)])
    numbers = [int(x["SequenceNumber"]) for x in r["Records"]]
    case("kinesis put_records of 500", r["FailedRecordCount"] == 0 and numbers == sorted(set(numbers)), str(r)[:300])
    arn = c.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    case("kinesis put_record by ARN", c.put_record(StreamARN=arn, Data=b"x", PartitionKey="k")["ShardId"] ==
         c.list_shards(StreamName=stream)["Shards"][0]["ShardId"])
    case("kinesis describe_stream", c.describe_stream(StreamName=stream)["StreamDescription"]["StreamStatus"] == "ACTIVE")
    raises("kinesis put_records of 501", "ValidationException",
           lambda: c.put_records(StreamName=stream, Records=[{"Data": b"x", "PartitionKey": "k"}] * 501), "records")
    try:
        c.put_record(StreamName="no-such-stream", Data=b"x", PartitionKey="k")
        case("kinesis: an unknown stream", False, "no error")
    except c.exceptions.ResourceNotFoundException as e:
        case("kinesis: an unknown stream", "no-such-stream" in str(e), str(e))


def keys(endpoint):
    own = os.environ["AWS_ACCESS_KEY_ID"]
    wrong = client(endpoint, aws_access_key_id=own, aws_secret_access_key="not-it")
    raises("a wrong secret", "InvalidSignatureException", wrong.list_delivery_streams)
    unknown = client(endpoint, aws_access_key_id="AKNOBODY", aws_secret_access_key="not-it")
    raises("an unknown key", "UnrecognizedClientException", unknown.list_delivery_streams)


def main(endpoint, stream):
    c = client(endpoint)
    puts(c, stream)
    limits(c, stream)
    describes(c, stream)
    errors(c, stream)
    kinesis(endpoint, stream)
    if os.environ.get("SIGNED") == "1":
        keys(endpoint)
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
