#!/usr/bin/env python3
"""Sends so many messages to a socket or a named pipe: streamer.py KIND RECORDS SIZE COUNT WHERE. What is sent is made once, in pieces, so that one process of
Python is faster than the daemon. Datagrams go RATE messages a second, since nobody holds their sender back."""

import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from feeder import Records  # noqa: E402
from poster import connect  # noqa: E402

AT_ONCE, RATE = 500, 50_000
WINDOW = 2  # pieces of RELP without an answer; librelp has 128 messages
RELP_AT_ONCE = 128
HEAD = b"<13>1 2026-11-27T22:14:15.003Z web-1 shop 4721 - - "


def metric(record):
    """A counter with two tags, in as many bytes as the record has."""
    tail = b":1|c|#env:prod,host:web-1"
    return b"page.views." + b"x" * (len(record) - len(tail) - 11) + tail


def pieces(records, count, at_once, make):
    """Each is made of the same records, but for the last."""
    whole = make([records[i] for i in range(at_once)])
    for _ in range(count // at_once):
        yield whole
    if count % at_once:
        yield make([records[i] for i in range(count % at_once)])


def lines(make):
    return lambda some: b"".join(make(r) + b"\n" for r in some)


def by_tcp(records, count, where):
    s = connect(int(where))
    for piece in pieces(records, count, AT_ONCE, lines(lambda r: HEAD + r)):
        s.sendall(piece)
    s.shutdown(socket.SHUT_WR)
    s.recv(1)


def by_relp(records, count, where):
    s = connect(int(where))
    answers = s.makefile("rb")
    s.sendall(b"1 open 30 relp_version=0\ncommands=syslog\n")
    while not (line := answers.readline()).startswith(b"commands"):
        assert line, "it is gone"
    may_send = threading.Semaphore(WINDOW)

    def hear():
        heard = 0
        while heard < count:
            assert answers.readline().endswith(b"200 OK\n")
            heard += 1
            if heard % RELP_AT_ONCE == 0:
                may_send.release()

    hearing = threading.Thread(target=hear)
    hearing.start()
    for piece in pieces(records, count, RELP_AT_ONCE, lambda some: b"".join(b"%d syslog %d %s\n" % (n, len(HEAD) + len(r), HEAD + r)
                                                                           for n, r in enumerate(some, 2))):
        may_send.acquire()
        s.sendall(piece)
    hearing.join()


def by_udp(make, together):
    def send(records, count, where):
        s, began, sent = socket.socket(type=socket.SOCK_DGRAM), time.monotonic(), 0
        s.connect(("127.0.0.1", int(where)))
        datagrams = [b"\n".join(make(records[i + k]) for k in range(together)) for i in range(0, AT_ONCE, together)]
        while sent < count:
            for d in datagrams:
                some = min(together, count - sent)
                if some <= 0:
                    break
                s.send(d if some == together else b"\n".join(d.split(b"\n")[:some]))
                sent += some
            time.sleep(max(0.0, began + sent / RATE - time.monotonic()))
    return send


def into_pipe(records, count, where):
    with open(where, "wb", buffering=0) as f:
        for piece in pieces(records, count, AT_ONCE, lines(lambda r: r)):
            f.write(piece)


KINDS = {"syslog-tcp": by_tcp, "syslog-relp": by_relp, "syslog-udp": by_udp(lambda r: HEAD + r, 1), "statsd-udp": by_udp(metric, 20), "fifo": into_pipe}


def main():
    kind, path, size, count, where = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    records = Records(path, size, max(count, AT_ONCE))
    while kind == "fifo" and not os.path.exists(where):
        time.sleep(0.05)
    if kind.endswith("udp"):
        sys.stdin.readline()  # until the daemon listens
    KINDS[kind](records, count, where)


if __name__ == "__main__":
    main()
