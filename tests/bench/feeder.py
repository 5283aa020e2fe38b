#!/usr/bin/env python3
"""A server with so many messages, for the rows of the inputs from queues and streams: feeder.py KIND RECORDS SIZE COUNT prints its port.

RECORDS is a file of records of SIZE bytes, each with a newline behind it, which are sent in turn. The servers are those of the end-to-end cases, with
another way to hand out: many messages at once, as fast as the input's window lets them, and answers are only counted. So one process of Python is
faster than the daemon (but for `sqs`, with its ten messages a call).
"""

import base64
import hashlib
import json
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import amqp091_peer  # noqa: E402
import amqp10_peer  # noqa: E402
import forward_peer  # noqa: E402
import mqtt_peer  # noqa: E402
import stomp_peer  # noqa: E402
from harness import free_port  # noqa: E402
from kinesis_peer import KinesisPeer  # noqa: E402
from sqs_peer import SqsPeer  # noqa: E402

AT_ONCE = 500
TOPIC = "bench/a"


class Records:
    def __init__(self, path, size, count):
        with open(path, "rb") as f:
            data = f.read(64 << 20)
        self.count = count
        self.all = [data[i:i + size] for i in range(0, min(len(data), count * (size + 1)) - size, size + 1)]

    def __getitem__(self, i):
        return self.all[i % len(self.all)]


class Amqp091(amqp091_peer.Session):
    """The queue has all messages for the first connection."""

    acked = sent = 0

    def _deliver(self):
        while self.consuming and (n := min(self.prefetch - (self.sent - self.acked), AT_ONCE, self.peer.records.count - self.sent)) > 0:
            self.send(b"".join(self._message(i) for i in range(self.sent, self.sent + n)))
            self.sent += n

    def _message(self, i):
        body = self.peer.records[i]
        head, middle = self.peer.around
        return b"".join((head, struct.pack(">Q", i + 1), middle, struct.pack(">I", len(body)), body, b"\xce"))

    def _settle(self, tag, multiple, into):
        self.acked = tag if multiple else self.acked + 1


class Amqp091Peer(amqp091_peer.RabbitPeer):
    session = Amqp091

    def __init__(self, records):
        a = amqp091_peer
        self.records = records
        head = a.method(1, 60, 60, a.short_text("sluice") + bytes(8) + b"\0" + a.short_text("") + a.short_text("orders"))
        at = len(a.frame(1, 1, struct.pack(">HH", 60, 60) + a.short_text("sluice"))) - 1
        content = a.frame(2, 1, struct.pack(">HHQH", 60, 0, len(records[0]), 0x2000) + a.table({"kind": "bench"}))
        self.around = head[:at], head[at + 8:] + content + struct.pack(">BH", 3, 1)
        super().__init__()


class Amqp10(amqp10_peer.Amqp10Peer):
    def __init__(self, records):
        self.records = records
        super().__init__(frame=1 << 20)

    def _settle(self, c, fields):
        pass

    def _hand_out(self, c):
        a = amqp10_peer
        performative = a.encode(a.Described(a.TRANSFER, [0, 0x01020304, b"\4\3\2\1", 0, False, False]))
        id_at, tag_at = performative.index(b"\1\2\3\4"), performative.index(b"\4\3\2\1")
        before, between, after = performative[:id_at], performative[id_at + 4:tag_at], performative[tag_at + 4:]
        after += a.encode(a.Described(0x75, self.records[0]))[:-len(self.records[0])]
        size = len(performative[:tag_at + 4] + after) + len(self.records[0]) + 8
        before = struct.pack(">IBBH", size, 2, 0, 0) + before
        while c.sent < self.records.count:
            with self.changed:
                self.changed.wait_for(lambda: c.gone or min(c.limit - c.sent, c.window - c.transfers) > 0)
                if c.gone:
                    return
                n = min(c.limit - c.sent, c.window - c.transfers, self.records.count - c.sent, AT_ONCE)
            numbers = [struct.pack(">I", i) for i in range(c.sent, c.sent + n)]
            data = b"".join(part for i, number in enumerate(numbers, c.sent) for part in (before, number, between, number, after, self.records[i]))
            c.sent += n
            c.transfers += n
            with c.lock:
                c.sock.sendall(data)


class Stomp(stomp_peer.StompPeer):
    def __init__(self, records):
        self.records = records
        super().__init__()

    def _talk(self, c):
        while c.read()[0] != "CONNECT":
            pass
        c.send(stomp_peer.frame("CONNECTED", [("version", "1.2"), ("heart-beat", "0,0")]))
        command, headers = c.read()
        prefetch, sent, acked, rest = int(headers["activemq.prefetchSize"]), 0, 0, b""
        if "receipt" in headers:
            c.send(stomp_peer.frame("RECEIPT", [("receipt-id", headers["receipt"])]))
        while True:
            while (n := min(prefetch - (sent - acked), AT_ONCE, self.records.count - sent)) > 0:
                c.send(b"".join(self._message(i) for i in range(sent, sent + n)))
                sent += n
            data = c.sock.recv(1 << 20)
            if not data:
                return
            data = rest + data
            whole, _, rest = data.rpartition(b"\0")
            acked += (whole + _).count(b"ACK\n")

    def _message(self, i):
        body = self.records[i]
        return (b"MESSAGE\nsubscription:0\nmessage-id:ID:bench-40009-1795000000000-4:1:1:1:%d\ndestination:/queue/orders\ntimestamp:1795000000000\n"
                b"expires:0\npriority:4\ncontent-length:%d\nack:ID:bench-40009-%d\n\n%b\0" % (i, len(body), i, body))


class Mqtt(mqtt_peer.MqttPeer):
    def __init__(self, records, qos):
        self.records, self.qos = records, qos
        super().__init__()

    def _serve(self, sock):
        m = mqtt_peer
        window = {1: 1000, 2: 20}[self.qos]
        self._read(sock)
        sock.sendall(m.packet(m.CONNACK, b"\0\0\0"))
        kind, _, body = self._read(sock)
        assert kind == m.SUBSCRIBE
        sock.sendall(m.packet(m.SUBACK, body[:2] + b"\0" + bytes([self.qos])))
        sent = acked = 0
        rest = b""
        while True:
            while (n := min(window - (sent - acked), AT_ONCE, self.records.count - sent)) > 0:
                sock.sendall(b"".join(self._message(i) for i in range(sent, sent + n)))
                sent += n
            data = sock.recv(1 << 20)
            if not data:
                return
            rest, done, out = self._answers(rest + data)
            acked += done
            if out:
                sock.sendall(out)

    def _answers(self, data):
        """(what is left, messages that are done with, what is to be said)"""
        at = done = 0
        out = []
        while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
            kind = data[at] >> 4
            if kind == mqtt_peer.PUBREC:
                out.append(b"\x62\2" + data[at + 2:at + 4])
            elif kind in (mqtt_peer.PUBACK, mqtt_peer.PUBCOMP):
                done += 1
            elif kind == mqtt_peer.PINGREQ:
                out.append(b"\xd0\0")
            at += 2 + data[at + 1]
        return data[at:], done, b"".join(out)

    def _message(self, i):
        payload = self.records[i]
        return mqtt_peer.packet(mqtt_peer.PUBLISH, mqtt_peer.text(TOPIC) + struct.pack(">H", i % 65535 + 1) + b"\0" + payload, self.qos << 1)


class Sqs(SqsPeer):
    def __init__(self, records):
        self.records, self.next = records, 0
        super().__init__()

    def behaviour(self, operation, request):
        return None

    def _ReceiveMessage(self, request):
        with self.changed:
            first, self.next = self.next, min(self.next + request["MaxNumberOfMessages"], self.records.count)
            end = self.next
        if first == end:
            self.stopping.wait(1)
            return {}
        return {"Messages": [self._message(i) for i in range(first, end)]}

    def _message(self, i):
        body = self.records[i].decode()
        return {"MessageId": f"{i:08d}-aaaa-4bbb-8ccc-dddddddddddd", "ReceiptHandle": f"{i:08d}" + "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a" * 11, "Body": body,
                "MD5OfBody": hashlib.md5(body.encode()).hexdigest(),
                "Attributes": {"SentTimestamp": "1795000000000", "ApproximateReceiveCount": "1"}}

    def _DeleteMessageBatch(self, request):
        return {"Successful": [{"Id": e["Id"]} for e in request["Entries"]], "Failed": []}


class Kinesis(KinesisPeer):
    """Eight shards."""

    def __init__(self, records):
        self.records = records
        super().__init__(shards=8, page=100)
        arrived = 1795000000.123
        for n, s in enumerate(self.shards):
            s.records = [(s.first + 1 + i, f"key-{i % 1000}", self.records[i], arrived) for i in range(n, records.count, 8)]

    def behaviour(self, operation, request):
        return None

    @staticmethod
    def _wire(r):
        return {"SequenceNumber": str(r[0]), "Data": base64.b64encode(r[2]).decode(), "ApproximateArrivalTimestamp": r[3], "PartitionKey": r[1]}


class Forward:
    """No server: it sends chunks of 512 KB to the daemon that listens at the port, four of them ahead of their acknowledgement."""

    HEAD = b"\x92\xd7\x00" + struct.pack(">II", 1795000000, 123456789) + b"\x81\xa3log\xda"

    def __init__(self, records):
        self.records, self.port = records, free_port()
        threading.Thread(target=self._send, daemon=True).start()

    def _connect(self):
        while True:
            try:
                return forward_peer.Sender(self.port, timeout=300)
            except ConnectionRefusedError:
                time.sleep(0.05)

    def _send(self):
        r, to, first, waits = self.records, self._connect(), 0, 0
        some = 512000 // len(r[0])
        while first < r.count or waits:
            if first < r.count and waits < 4:
                last = min(first + some, r.count)
                body = b"".join(self.HEAD + struct.pack(">H", len(r[i])) + r[i] for i in range(first, last))
                to.send(forward_peer.pack(["bench.a", body, {"chunk": str(first)}]))
                first, waits = last, waits + 1
            else:
                to.receive()
                waits -= 1


PEERS = {
    "forward": Forward,
    "amqp091": Amqp091Peer, "amqp10": Amqp10, "stomp": Stomp, "mqtt": lambda r: Mqtt(r, 1), "mqtt-2": lambda r: Mqtt(r, 2), "sqs": Sqs, "kinesis": Kinesis,
}


def main():
    kind, path, size, count = sys.argv[1:]
    peer = PEERS[kind](Records(path, int(size), int(count)))
    print(peer.port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
