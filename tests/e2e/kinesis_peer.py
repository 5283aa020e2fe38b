"""A scripted stream of Kinesis Data Streams: shards that are split and merged, iterators that expire, and whatever a case asks for.

    k = KinesisPeer(shards=2)
    k.put("key", b"data")                 # to the open shard of the key
    k.put_many([("key", b"a"), ...])      # what the Kinesis Producer Library makes of many, as one record
    k.split(0), k.merge(1, 2)             # by number of the shard; the new shards' numbers
    k.recreate()                          # deleted and made again: the same names, other sequence numbers
    k.plan(Say(400, "ExpiredIteratorException"), ...)            # for the next calls, one each
    k.on = lambda operation, request: Behaviour or None          # for whatever call a case chooses

What it saw: `calls` ([operation, request]), `refused` (what Kinesis would have refused).
"""

import base64
import hashlib
import json
import threading
import time

from http_peer import Handler, HttpPeer
from sqs_peer import Body, Hang, LoseAnswer, Reset  # noqa: F401 - what a call may meet is the same

HASHES = 1 << 128


class Say:
    """An error as Kinesis says it."""

    def __init__(self, status, code, message="said the script"):
        self.status, self.code, self.message = status, code, message

    def act(self, handler, operation, request):
        handler.say(self.status, json.dumps({"__type": self.code, "message": self.message}).encode())


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class Shard:
    def __init__(self, number, first, low, high, parents=()):
        self.id, self.first, self.low, self.high = f"shardId-{number:012d}", first, low, high
        self.parents, self.children, self.records, self.closed = list(parents), [], [], False


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def aggregate(pairs):
    """[(partition key, data)] as the Kinesis Producer Library packs it."""
    keys = list(dict.fromkeys(k for k, _ in pairs))
    message = b"".join(field(1, k.encode()) for k in keys)
    for k, data in pairs:
        message += field(3, b"\x08" + varint(keys.index(k)) + field(3, data))
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()


class _Handler(Handler):
    def say(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        peer = self.server.peer
        body = self.read_body()
        if body is None:
            return
        prefix, operation = self.headers.get("X-Amz-Target", ".").split(".", 1)
        request = json.loads(body)
        if prefix != "Kinesis_20131202" or "/kinesis/aws4_request" not in self.headers.get("Authorization", ""):
            peer.refused.append((operation, "request"))
        behaviour = peer.behaviour(operation, request)
        if behaviour:
            behaviour.act(self, operation, request)
            return
        try:
            answer = peer.do(operation, request)
        except Refused as e:
            Say(400, e.code, e.message).act(self, operation, request)
            return
        self.say(200, json.dumps(answer).encode())


class KinesisPeer(HttpPeer):
    def __init__(self, name="orders", shards=1, page=3, **kw):
        self.name, self.page, self.count, self.made = name, page, 0, 0
        self.shards, self.calls, self.refused, self.on = [], [], [], None
        self.changed, self.serial, self.alive_from = threading.RLock(), 0, 0
        self.exists, self.unordered_clock, self.unlisted = True, False, set()  # unlisted: numbers of shards
        self._make(shards)
        super().__init__(_Handler, **kw)

    # --- the stream

    def _sequence(self):
        self.count += 1
        return 49600000000000000000000000000000000000000000000000000000 + self.count

    def _make(self, shards):
        step = HASHES // shards
        for i in range(shards):
            self._add(i * step, HASHES - 1 if i == shards - 1 else (i + 1) * step - 1)

    def _add(self, low, high, parents=()):
        shard = Shard(len(self.shards), self._sequence(), low, high, [p.id for p in parents])
        self.shards.append(shard)
        for p in parents:
            p.closed = True
            p.children.append(shard)
        return len(self.shards) - 1

    def put(self, key, data, shard=None, arrived=None):
        with self.changed:
            at = int.from_bytes(hashlib.md5((key or "").encode()).digest(), "big")
            s = self.shards[shard] if shard is not None else next(
                s for s in self.shards if not s.closed and s.low <= at <= s.high)
            arrived = arrived or time.time() - (self.count % 3 if self.unordered_clock else 0)
            s.records.append((self._sequence(), key, data, arrived))

    def put_many(self, pairs, shard=None):
        self.put(pairs[0][0], aggregate(pairs), shard)

    def split(self, number):
        with self.changed:
            s = self.shards[number]
            half = (s.low + s.high) // 2
            return self._add(s.low, half, [s]), self._add(half + 1, s.high, [s])

    def merge(self, a, b):
        with self.changed:
            a, b = self.shards[a], self.shards[b]
            return self._add(min(a.low, b.low), max(a.high, b.high), [a, b])

    def recreate(self, shards=1):
        with self.changed:
            self.shards, self.exists = [], True
            self.alive_from = self.serial + 1
            self.made += 1
            self._make(shards)

    def expire(self):
        """All iterators that there are."""
        with self.changed:
            self.alive_from = self.serial + 1

    def seen(self, operation):
        with self.changed:
            return sum(1 for op, _ in self.calls if op == operation)

    # --- calls

    def behaviour(self, operation, request):
        with self.changed:
            self.calls.append((operation, request))
        chosen = self.on(operation, request) if self.on else None
        if chosen:
            return chosen
        with self._lock:
            return self._plan.pop(0) if self._plan else None

    def do(self, operation, request):
        with self.changed:
            if "NextToken" not in request and operation != "GetRecords":
                if request.get("StreamName", request.get("StreamARN", "/").split("/")[-1]) != self.name:
                    self.refused.append((operation, "stream"))
            elif "StreamName" in request:
                self.refused.append((operation, "stream beside token"))
            if not self.exists:
                raise Refused("ResourceNotFoundException", "Stream not found.")
            return getattr(self, "_" + operation)(request)

    def _ListShards(self, request):
        at = int(request.get("NextToken", "0"))
        out = [self._described(s) for i, s in enumerate(self.shards[at:at + self.page], at) if i not in self.unlisted]
        return {"Shards": out, **({"NextToken": str(at + self.page)} if at + self.page < len(self.shards) else {})}

    @staticmethod
    def _described(s):
        out = {"ShardId": s.id, "HashKeyRange": {"StartingHashKey": str(s.low), "EndingHashKey": str(s.high)},
               "SequenceNumberRange": {"StartingSequenceNumber": str(s.first)}}
        if s.closed:
            out["SequenceNumberRange"]["EndingSequenceNumber"] = str(s.first + (1 << 60))
        for name, parent in zip(("ParentShardId", "AdjacentParentShardId"), s.parents):
            out[name] = parent
        return out

    def _find(self, name):
        for s in self.shards:
            if s.id == name:
                return s
        raise Refused("ResourceNotFoundException", f"Shard {name} does not exist")

    def _iterator(self, s, index):
        self.serial += 1
        return f"{self.serial}+/{s.id}/{index}=="

    def _GetShardIterator(self, request):
        s, kind = self._find(request["ShardId"]), request["ShardIteratorType"]
        index = len(s.records)
        if kind == "TRIM_HORIZON":
            index = 0
        elif kind == "AT_TIMESTAMP":
            index = next((i for i, r in enumerate(s.records) if r[3] >= request["Timestamp"]), len(s.records))
        elif kind.endswith("SEQUENCE_NUMBER"):
            sequence = int(request["StartingSequenceNumber"])
            if sequence < s.first:
                raise Refused("InvalidArgumentException", "StartingSequenceNumber did not come from this stream")
            more = 1 if kind.startswith("AFTER") else 0
            index = next((i for i, r in enumerate(s.records) if r[0] >= sequence + more), len(s.records))
        return {"ShardIterator": self._iterator(s, index)}

    def _GetRecords(self, request):
        serial, name, index = request["ShardIterator"].rstrip("=").replace("+", "").split("/")
        if int(serial) < self.alive_from:
            raise Refused("ExpiredIteratorException", "Iterator expired.")
        s, index = self._find(name), int(index)
        end = min(index + request["Limit"], len(s.records))
        out = {"Records": [self._wire(r) for r in s.records[index:end]],
               "MillisBehindLatest": 1000 if end < len(s.records) else 0}
        if end < len(s.records) or not s.closed:
            out["NextShardIterator"] = self._iterator(s, end)
        else:
            out["NextShardIterator"] = None
            out["ChildShards"] = [{"ShardId": c.id, "ParentShards": c.parents, "HashKeyRange": {}} for c in s.children]
        return out

    @staticmethod
    def _wire(r):
        out = {"SequenceNumber": str(r[0]), "Data": base64.b64encode(r[2]).decode(),
               "ApproximateArrivalTimestamp": float(f"{r[3]:.3f}")}
        return {**out, "PartitionKey": r[1]} if r[1] is not None else out
