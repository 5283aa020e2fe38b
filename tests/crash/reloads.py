#!/usr/bin/env python3
"""Reloads at random under full load: each record arrives once, no connection is cut, and memory stays what it is.

    tests/crash/reloads.py --build build/release [--reloads 200] [--seed N]

Clients put records into `put`, a writer appends lines to files that `tailed` reads, and some other streams come, change and go; their
destinations are folders, or an address where nobody listens. Every reload has another file: valid, or with a mistake, half written, gone, or
with a stream that cannot be opened. They are asked for by POST and by SIGHUP, and by both at once. Three streams exchange the addresses that they
listen at, the admin server moves, and streams are paused and resumed.

At the end all streams are taken out, and put back with folders as their destinations, and every record that was acknowledged, and every line that was
written, is in one of them exactly once. The seed decides what changes; it is printed.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import objects  # noqa: E402
from common import Load, append_lines, stream, tail  # noqa: E402
from firehose import Answer, Firehose  # noqa: E402
from harness import Case, free_port, wait_until  # noqa: E402
from reloading import post, rewrite  # noqa: E402

OTHERS = ["a", "b", "c", "d"]


class Writer(threading.Thread):
    """Appends lines to one of some files, as fast as the disk likes."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.lines, self._halt = folder, [], threading.Event()

    def run(self):
        n = 0
        while not self._halt.is_set():
            lines = [b"line-%08d %s" % (n + i, b"x" * ((n + i) % 90)) for i in range(40)]
            n += len(lines)
            append_lines(os.path.join(self.folder, f"in-{n % 3}"), lines)
            self.lines += lines
            time.sleep(0.01)

    def stop(self):
        self._halt.set()
        self.join()


class Campaign:
    def __init__(self, t):
        self.t, self.random = t, t.random
        self.folders, self.acked, self.refused = set(), [], 0
        self.dead, self.listens, self.admins = free_port(), [free_port() for _ in range(3)], [free_port(), free_port()]
        os.makedirs(t.path("logs"))

    def folder(self, name, which):
        self.folders.add(self.t.path("out", f"{name}-{which}"))
        return {"file": {"path": self.t.path("out", f"{name}-{which}")}}

    def any_stream(self, name, inputs=("api",), may_be_dead=True):
        r = self.random
        if may_be_dead and r.random() < 0.3:
            to = {"http": {"url": f"http://127.0.0.1:{self.dead}/{r.randrange(9)}", "format": "lines"}}
        else:
            to = self.folder(name, r.randrange(4))
        more = r.choice([{}, {"compression": "gzip"}, {"compression": "zstd"}, {"transform": {"lua": "same.lua"}}, {"spool": {"limit": "64MiB"}}])
        return stream(to, inputs, size=r.choice(["16KiB", "64KiB", "256KiB"]), interval=r.choice(["0s", "1s"]), **more)

    def any_tail(self):
        return {"tail": {**tail(self.t.path("logs", "in-*"))["tail"], "rescan": self.random.choice(["1s", "2s", "10s"])}}

    def config(self, calm=False):
        r = self.random
        streams = {"put": self.any_stream("put", may_be_dead=False), "tailed": self.any_stream("tailed", [self.any_tail()], False)}
        for name in OTHERS:
            if calm:
                streams[name] = stream(self.folder(name, 0), interval="0s")
            elif r.random() < 0.6:
                streams[name] = self.any_stream(name)
        for name, port in zip("xyz", r.sample(self.listens, 3)):
            sns = {"sns": {"listen": f"127.0.0.1:{port}", "path": "/" + name, "topics": ["arn:aws:sns:us-east-1:123456789012:t"]}}
            streams["at-" + name] = stream(self.folder(name, 0), [sns])
        limits = {"memory": r.choice(["32MiB", "64MiB"])}
        admin = {"listen": f"{r.choice(['127.0.0.1', '0.0.0.0'])}:{r.choice(self.admins)}", "token": r.choice(["a token of sixteen", "another of sixteen"]), "auth": "none"}
        return {"admin": admin, "shutdown": {"grace": "200ms"}, "log": {"level": r.choice(["info", "debug"])}, "limits": limits, "streams": streams}

    def put_some(self, client, streams):
        """Into those that come and go: what is acknowledged counts."""
        for name in OTHERS:
            if name not in streams:
                continue
            records = [b"%s-%d-%d" % (name.encode(), len(self.acked), i) for i in range(5)]
            try:
                answers = client.put_batch(name, records)
            except Answer:
                continue
            self.acked += [r for r, a in zip(records, answers) if "RecordId" in a]

    @staticmethod
    def ask(d, path="/reload"):
        """Where the daemon says that it is; it may be just about to move."""
        for _ in range(50):
            with open(os.path.join(d.data_dir, "admin.address"), encoding="ascii") as f:
                d.admin_port = int(f.readline().rpartition(":")[2])
            try:
                status, said = post(d, path)
            except OSError:
                status = 0
            if status and not (status == 503 and "stopping" in said):
                return status, said
            time.sleep(0.02)
        raise AssertionError("nobody answers")

    def script(self):
        with open(self.t.path("same.lua.new"), "w", encoding="utf-8") as f:
            f.write(f"-- {self.random.random()}\nfunction transform(r) return r end\n")
        os.replace(self.t.path("same.lua.new"), self.t.path("same.lua"))

    def bad(self, d):
        """A file that is not taken; how it is answered."""
        kind = self.random.randrange(6)
        config = self.config()
        if kind == 0:
            config["streams"]["a"] = {"destination": {"fiel": {}}}
        elif kind == 1:
            config["api"] = {"threads": 3}
        elif kind == 2:  # nobody has this address
            sns = {"sns": {"listen": "192.0.2.1:99", "topics": ["arn:aws:sns:us-east-1:123456789012:t"]}}
            config["streams"]["x"] = stream(self.folder("x", 0), [sns])
        rewrite(d, config)
        if kind == 3:
            with open(d.config_path, "r+", encoding="utf-8") as f:
                f.truncate(os.path.getsize(d.config_path) // 2)
        elif kind == 4:
            os.unlink(d.config_path)
        elif kind == 5:
            with open(self.t.path("same.lua"), "w", encoding="utf-8") as f:
                f.write("function transform(r")
            config["streams"]["put"]["transform"] = {"lua": "same.lua"}
            rewrite(d, config)
        status, said = self.ask(d)
        self.script()
        assert status in (422, 500, 409) or kind == 3 and status == 200, f"{kind}: {status}\n{said}"
        self.refused += status != 200

    def good(self, d):
        config = self.config()
        if self.random.random() < 0.3:
            self.script()
        rewrite(d, config)
        if self.random.random() < 0.2:
            d.process.send_signal(signal.SIGHUP)
        while True:
            status, said = self.ask(d)
            if status != 409:
                break
            time.sleep(0.05)
        assert status == 200, f"{status}\n{said}"
        return config["streams"]

    def run(self, reloads):
        t = self.t
        self.script()
        d = t.daemon(self.config())
        d.start()
        paused = set()
        load = [Load(d, "put", b"put%d" % i, batch=40, pause=0.005) for i in range(3)]
        writer = Writer(t.path("logs"))
        client = Firehose(d.api_port)
        client.call("ListDeliveryStreams", {})
        connection = client._connection
        for x in [*load, writer]:
            x.start()
        sizes = []
        for i in range(reloads):
            if self.random.random() < 0.3:
                self.bad(d)
            else:
                self.put_some(client, self.good(d))
            for name in ("put", "tailed", "a"):
                if self.random.random() < 0.2:
                    status, said = self.ask(d, f"/api/streams/{name}/{'resume' if name in paused else 'pause'}")
                    assert status == 200 or name == "a", said
                    paused ^= {name}
            if i % 20 == 19:
                sizes.append(d.rss() >> 20)
                print(f"reload {i + 1}: {sizes[-1]} MiB, {self.refused} refused", flush=True)
        assert client._connection is connection, "the connection was cut"
        writer.stop()
        for x in load:
            x.stop()
            assert not x.unknown, "a connection was cut"
            self.acked += x.acked
        calm = self.config(calm=True)
        keep = {n: s for n, s in calm["streams"].items() if n not in OTHERS}
        for streams in (keep, calm["streams"]):  # what was sealed for nobody is for whoever the file names once a stream was away
            rewrite(d, {**calm, "streams": streams})
            status, said = self.ask(d)
            assert status == 200, said
        for name in ("put", "tailed", "a"):
            self.ask(d, f"/api/streams/{name}/resume")
        self.ask(d)
        names = ["put", "tailed", *OTHERS]
        wait_until("all is delivered", lambda: self.settled(d, names), 180)
        d.stop(60)
        got = [line for f in self.folders if os.path.isdir(f) for line in objects.lines(objects.read_dir(f))]
        objects.assert_exactly_once(got, self.acked + writer.lines)
        print(f"{reloads} reloads, {self.refused} refused: {len(got)} records, each once; MiB: {sizes}")

    @staticmethod
    def settled(d, names):
        m = d.metrics()
        return all(m.get("sluice_spooled_records", stream=n) == 0 for n in names)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", required=True)
    p.add_argument("--reloads", type=int, default=200)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    a = p.parse_args()
    print(f"seed {a.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sluice-reloads-") as folder:
        t = Case(a.build, folder, a.seed)
        try:
            Campaign(t).run(a.reloads)
        except BaseException:
            log = os.path.join(folder, "sluice.log")
            if os.path.exists(log):
                with open(log, encoding="utf-8", errors="replace") as f:
                    print(f.read()[-6000:], file=sys.stderr)
            raise
        finally:
            t.take_down()


if __name__ == "__main__":
    main()
