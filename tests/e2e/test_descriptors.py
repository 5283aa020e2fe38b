"""Few file descriptors: tailed files leave delivery, the spool, the API and the admin pages what they need."""

import os
import socket
import stat

from common import one_stream, to_file
from firehose import Firehose
from tail_cases import Followed


def limited(t, d, limit):
    """Makes the daemon run with a hard limit of open files."""
    script = t.path("limited")
    with open(script, "w", encoding="ascii") as f:
        f.write(f'#!/bin/sh\nulimit -n {limit} || exit 126\nexec "{d.binary}" "$@"\n')
    os.chmod(script, stat.S_IRWXU)
    d.binary = script


def everything_is_delivered(t, limit, files, tails=1):
    w = Followed(t, paths=["*.log"])
    options = {"paths": [w.path("*.log")], "start": "beginning", "rescan": "1s"}
    streams = {
        f"tail{i}": one_stream("x", to_file(t, f"out{i}"), inputs=[{"tail": options}])["streams"]["x"] for i in range(tails)
    }
    streams["app"] = one_stream("x", to_file(t, "out"))["streams"]["x"]
    d = w.d = t.daemon({"streams": streams}, name="limited")
    limited(t, d, limit)
    for i in range(files):
        w.write(f"{i}.log", b"first line of %d\n" % i)
    d.start()
    client = Firehose(d.api_port)
    client.put("app", b"the first")
    idle = [socket.create_connection(("127.0.0.1", d.api_port)) for _ in range(limit)]
    for c in idle:
        t.on_end(c.close)
    for i in range(3):
        client.put("app", b"a record %d" % i)
        assert d.http("/readyz")[0] == 200
        for k in range(files):
            w.write(f"{k}.log", b"line %d of %d\n" % (i, k))
    for i in range(tails):
        d.wait_delivered(f"tail{i}", len(w.expected))
    d.wait_delivered("app", 4)
    assert d.http("/readyz")[0] == 200
    held = len(os.listdir(f"/proc/{d.process.pid}/fd"))
    assert held < limit - 4, f"{held} of {limit} descriptors are in use"
    d.stop()
    assert not d.logged("check the disk")


def test_64_descriptors(t):
    everything_is_delivered(t, 64, 300)


def test_128_descriptors_for_two_tails(t):
    everything_is_delivered(t, 128, 300, tails=2)


def test_256_descriptors_for_three_tails(t):
    everything_is_delivered(t, 256, 300, tails=3)
