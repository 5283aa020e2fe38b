"""Records that are not simply lines of their file: of several lines, of a container's two streams, with fields, over kill -9."""

import json
import os
import random
import socket
from collections import Counter

from harness import wait_until
from tail_cases import Followed

TRACE = ["java.lang.IllegalStateException: number %d", "\tat a.B.c(B.java:1)", "Caused by: java.io.IOException", "\t... 12 more"]


class Container:
    """Writes as containerd does: two streams mixed, long lines in parts. Each stream has its messages in order."""

    def __init__(self, w, name, seed):
        self.f, self.random = open(w.path(name), "ab", buffering=0), random.Random(seed)
        self.said = {"stdout": [], "stderr": []}
        self.waits = {"stdout": [], "stderr": []}  # lines that are still to be written
        self.clock = 0

    def say(self, stream):
        message = "\n".join(TRACE) % len(self.said[stream]) if stream == "stderr" else f"line {len(self.said[stream])} " + "x" * self.random.randrange(60)
        self.said[stream].append(message)
        for line in message.split("\n"):
            cuts = sorted(self.random.randrange(len(line)) for _ in range(self.random.choice((0, 0, 2))))
            parts = [line[a:b] for a, b in zip([0] + cuts, cuts + [len(line)])]
            self.waits[stream] += [("P", p) for p in parts[:-1]] + [("F", parts[-1])]

    def write(self, count):
        """So many lines of the file; it may end in the middle of a message."""
        for _ in range(count):
            stream = self.random.choice(("stdout", "stderr"))
            if not self.waits[stream]:
                self.say(stream)
            self.line(stream)

    def line(self, stream):
        tag, text = self.waits[stream].pop(0)
        self.clock += 1
        self.f.write(f"2026-01-02T03:04:{self.clock // 1000:02}.{self.clock % 1000:03}Z {stream} {tag} {text}\n".encode())

    def end(self):
        for stream in self.waits:
            while self.waits[stream]:
                self.line(stream)


def test_streams_and_traces_of_a_container_over_kills(t):
    name = "web-1_shop_front-" + "0" * 64 + ".log"
    w = Followed(t, format="auto", multiline={"preset": "java", "timeout": "60s"}, add_fields=["host", "file", "stream", "pod"])
    c = Container(w, name, t.seed)
    w.d.start()
    for _ in range(2):
        c.write(1500)
        wait_until("some are delivered", lambda: w.d.books("app").delivered > 100, 60 * t.slow)
        w.d.kill9()
        c.write(200)
        w.d.start()
    c.end()
    w.d.wait_delivered("app", sum(map(len, c.said.values())) - 2)
    w.d.stop()  # ends the last trace, and the last line, which might have gone on
    got = [json.loads(line) for line in w.delivered()]
    want = Counter((s, m) for s, messages in c.said.items() for m in messages)
    have = Counter((r["stream"], r["message"]) for r in got)
    assert have == want, (list((want - have).items())[:3], list((have - want).items())[:3])
    assert {(r["host"], r["file"], r["pod"]) for r in got} == {(socket.gethostname(), w.path(name), "web-1")}


def test_fields_of_json_and_of_other_lines(t):
    w = Followed(t, add_fields={"file": None, "env": "test"})
    where = json.dumps(w.path("a.log"))
    w.write("a.log", b'{"a":1.50}\nplain \xff\n{"env":0}\n', records=[
        b'{"a":1.50,"file":%s,"env":"test"}' % where.encode(),
        b'{"message":"plain \xef\xbf\xbd","file":%s,"env":"test"}' % where.encode(),
        b'{"env":0,"file":%s}' % where.encode()])
    w.d.start()
    w.wait()
    os.rename(w.path("a.log"), w.path("a.log.1"))
    w.write("a.log.1", b"late\n", records=[b'{"message":"late","file":%s,"env":"test"}' % where.encode()])
    w.check()
