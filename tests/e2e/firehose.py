"""A small Firehose API client: one kept-alive connection, signed or not. It retries nothing by itself."""

import base64
import http.client
import json

import sigv4
from harness import dawdle

TARGET = "Firehose_20150804."
KINESIS = "Kinesis_20131202."


class Answer(Exception):
    """An answer that is not 200: the code and message of its body."""

    def __init__(self, status, code, message):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message


class Firehose:
    """`credentials`: (access key id, secret) or None. A broken connection raises OSError or HTTPException: the fate of
    the records of that call is then unknown, as in real life."""

    def __init__(self, port, credentials=None, region="us-east-1", timeout=60):
        self.port, self.credentials, self.region, self.timeout = port, credentials, region, timeout
        self._connection = None

    def close(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    def kinesis(self, operation, **arguments):
        """The same of the API of Kinesis Data Streams."""
        return self.call_raw(operation, json.dumps(arguments).encode(), KINESIS, "kinesis")

    def call(self, operation, arguments):
        body = json.dumps(arguments, separators=(",", ":")).encode()
        return self.call_raw(operation, body)

    def call_raw(self, operation, body, target=TARGET, service="firehose"):
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target + operation}
        if self.credentials:
            key, secret = self.credentials
            url = f"http://127.0.0.1:{self.port}/"
            headers = sigv4.sign("POST", url, headers, body, key, secret, self.region, service)
        status, answer = self._exchange(headers, body)
        try:
            answer = json.loads(answer or b"{}")
        except ValueError:
            raise Answer(status, "NotJSON", repr(answer[:200])) from None
        if status != 200:
            raise Answer(status, answer.get("__type", ""), answer.get("message", ""))
        return answer

    def _exchange(self, headers, body):
        dawdle()
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            self._connection.request("POST", "/", body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def put(self, stream, data):
        record = {"Data": base64.b64encode(data).decode()}
        return self.call("PutRecord", {"DeliveryStreamName": stream, "Record": record})["RecordId"]

    def put_batch(self, stream, records):
        """Returns RequestResponses after checking what every answer must be."""
        encoded = [{"Data": base64.b64encode(r).decode()} for r in records]
        answer = self.call("PutRecordBatch", {"DeliveryStreamName": stream, "Records": encoded})
        responses = answer["RequestResponses"]
        failed = sum(1 for r in responses if "ErrorCode" in r)
        assert len(responses) == len(records), "one answer per record"
        assert answer["FailedPutCount"] == failed, f"FailedPutCount {answer['FailedPutCount']} of {failed}"
        assert all(("RecordId" in r) != ("ErrorCode" in r) for r in responses), "a RecordId or an ErrorCode"
        return responses

    def put_all(self, stream, records, batch=500, max_bytes=3 << 20):
        """Puts every record, in calls of at most `batch`; every one must be taken."""
        at = 0
        while at < len(records):
            group, size = [], 0
            while at < len(records) and len(group) < batch and (not group or size + len(records[at]) <= max_bytes):
                group.append(records[at])
                size += len(records[at])
                at += 1
            refused = [r for r in self.put_batch(stream, group) if "ErrorCode" in r]
            assert not refused, f"{len(refused)} of {len(group)} records refused: {refused[0]}"
