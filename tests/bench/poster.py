#!/usr/bin/env python3
"""Posts so many records to an input that listens: poster.py KIND RECORDS SIZE COUNT PORT. A request has AT_ONCE of them, is made once, and is sent again and again
on CONNECTIONS, so that one process of Python is faster than the daemon. What must wait is sent again. Ends when all are stored."""

import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from feeder import Records  # noqa: E402
from loki_wire import entry, field, push, stream  # noqa: E402

AT_ONCE, CONNECTIONS = 500, 4


def text_of(record):
    return json.dumps(record.decode("utf-8", "replace"), ensure_ascii=False).encode()


def document(record):
    return b'{"message":%s}' % text_of(record[:-14])


def logs(some):
    """A request of OTLP, with what an SDK says of itself."""
    who = b"".join(field(1, field(1, k) + field(2, field(1, v))) for k, v in (("service.name", "shop"), ("service.instance.id", "69725ad9-ceda-4181-9223-2df9d10d2c4f")))
    records = b"".join(field(2, b"\x09" + (10**18).to_bytes(8, "little") + field(2, 9) + field(3, "INFO") + field(5, field(1, r))) for r in some)
    return field(1, field(1, who) + field(2, field(1, field(1, "lib")) + records))


KINDS = {
    "otlp": ("/v1/logs", "application/x-protobuf", logs),
    "http": ("/s0", "text/plain", lambda some: b"\n".join(some)),
    "splunk_hec": ("/services/collector/event", "application/json", lambda some: b"".join(b'{"event":%s}' % text_of(r) for r in some)),
    "elasticsearch_bulk": ("/_bulk?filter_path=errors,items.*.error,items.*.status", "application/x-ndjson",
                           lambda some: b"".join(b'{"create":{"_index":"bench"}}\n%s\n' % document(r) for r in some)),
    "loki": ("/loki/api/v1/push", "application/x-protobuf", lambda some: push(stream({"app": "bench"}, *[entry(r, 10**18) for r in some]))),
    "loki-json": ("/loki/api/v1/push", "application/json", lambda some: b'{"streams":[{"stream":{"app":"bench"},"values":[%s]}]}' % b",".join(
        b'["1700000000000000000",%s]' % text_of(r) for r in some)),
}


def connect(port):
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except OSError:
            time.sleep(0.05)


def answer(s):
    """Its status; the body is read and forgotten."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += s.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += s.recv(65536)
    return int(head.split(b" ")[1])


def main():
    kind, path, size, count, port = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    records = Records(path, size, count)
    at, content_type, make = KINDS[kind]
    left, lock = [count], threading.Lock()
    whole = {}

    def request(n):
        if n not in whole:
            body = make([records[i] for i in range(n)])
            whole[n] = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (at.encode(), content_type.encode(), len(body)) + body
        return whole[n]

    def send():
        s = connect(port)
        while True:
            with lock:
                n = min(AT_ONCE, left[0])
                left[0] -= n
                text = request(n) if n else b""
            if not n:
                return
            while True:
                s.sendall(text)
                status = answer(s)
                if status in (200, 204):
                    break
                assert status in (429, 503), status
                time.sleep(0.05)

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


if __name__ == "__main__":
    main()
