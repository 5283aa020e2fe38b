#!/usr/bin/env python3
"""All inputs to which others push, and those of files, pipes and the journal, in one stream, which is killed, stopped, reloaded with other options, and left
without a destination.

    tests/crash/inputs.py --build build/release [--rounds 20] [--seed N]

What was acknowledged is stored. What has a position (files, the journal) is stored once. Of what cannot be acknowledged (syslog by TCP and UDP, StatsD,
pipes, programs) it is said how much is missing. The seed decides what happens; it is printed.
"""

import argparse
import collections
import json
import os
import random
import re
import socket
import sys
import tempfile
import threading
import time
import urllib.error

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import journal_files  # noqa: E402
import objects  # noqa: E402
from common import append_lines, stream, tail  # noqa: E402
from firehose import Answer, Firehose  # noqa: E402
from forward_peer import Closed, Sender, event_time, message  # noqa: E402
from harness import Case, free_port, wait_until  # noqa: E402
from reloading import reload  # noqa: E402
from s3_peer import Fail, S3Peer  # noqa: E402
from test_http_input import post  # noqa: E402
from test_otlp import Grpc, logs, one_log  # noqa: E402
from test_syslog import BYTES, Relp  # noqa: E402

NUMBERED = re.compile(rb"\b([a-z_]+)-(\d{7})\b")
AT_ONCE = 20


class Source(threading.Thread):
    """Sends texts, AT_ONCE at a time, until stop(); those of which it heard that they are stored are `acked`."""

    pause, blind = 0.02, False

    def __init__(self, campaign, name):
        super().__init__(daemon=True)
        self.t, self.campaign, self.name = campaign.t, campaign, name
        self.sent, self.acked, self.error, self.port = 0, set(), None, free_port()
        self._halt = threading.Event()
        self.link = None

    def texts(self):
        return [f"{self.name}-{n:07d}" for n in range(self.sent, self.sent + AT_ONCE)]

    def run(self):
        try:
            while not self._halt.is_set():
                some = self.texts()
                numbers = range(self.sent, self.sent + AT_ONCE)
                self.sent += AT_ONCE
                if self.try_send(some):
                    self.acked.update(numbers)
                time.sleep(self.pause)
        except BaseException as e:
            self.error = e

    def try_send(self, some):
        try:
            return self.send(some)
        except (OSError, Closed, urllib.error.URLError, ConnectionError, EOFError) as e:
            if isinstance(e, AssertionError):
                raise
            self.link = None
        except Exception as e:  # http.client's, of an answer that was cut off
            if type(e).__module__ != "http.client":
                raise
            self.link = None
        time.sleep(0.05)
        return False

    def stop(self):
        self._halt.set()
        self.join(60)
        assert not self.is_alive(), f"{self.name} hangs"
        if self.error:
            raise self.error

    def changed(self, r):
        """What a reload may change in its options."""
        return {}

    def at(self):
        return f"127.0.0.1:{self.port}"


class Api(Source):
    def input(self, r):
        return "api"

    def send(self, some):
        try:
            answers = Firehose(self.campaign.daemon.api_port, timeout=30).put_batch("app", [s.encode() for s in some])
        except Answer as e:
            assert e.status >= 500, e
            return False
        return all("RecordId" in a for a in answers)


class Posts(Source):
    path, good, kind = "/app", (200,), "application/json"

    def input(self, r):
        return {self.name: {"listen": self.at(), **self.changed(r)}}

    def send(self, some):
        status, text, _ = post(self.port, self.body(some), path=self.path, headers={"Content-Type": self.kind})
        assert status in (*self.good, 404, 429, 503), (self.name, status, text)  # 404: its stream is not there for a moment
        return status in self.good and '"errors":true' not in text.replace(" ", "")


class Http(Posts):
    kind = "text/plain"

    def body(self, some):
        return "\n".join(some).encode()

    def changed(self, r):
        return {"body": r.choice(["auto", "lines"])}


class Loki(Posts):
    path, good = "/loki/api/v1/push", (204,)

    def body(self, some):
        return json.dumps({"streams": [{"stream": {"app": "x"}, "values": [["1700000000000000000", s] for s in some]}]}).encode()


class Bulk(Posts):
    path = "/_bulk"

    def body(self, some):
        return "".join('{"create":{"_index":"logs"}}\n{"text":"%s"}\n' % s for s in some).encode()


class Splunk(Posts):
    path = "/services/collector/event"

    def body(self, some):
        return "".join('{"event":"%s"}' % s for s in some).encode()


class Otlp(Posts):
    path = "/v1/logs"

    def body(self, some):
        return logs(*some)


class OtlpGrpc(Posts):
    pause = 0.3

    def send(self, some):
        try:
            status, _, _ = Grpc(self.t, self.port).call("logs", b"".join(one_log(s) for s in some))
        except AssertionError:  # curl's: it did not get through
            return False
        assert status in (0, 14), status
        return status == 0


class Forward(Posts):
    def send(self, some):
        if not self.link:
            self.link = Sender(self.port, timeout=20)
        self.link.send(message("app", [(event_time(1700000000), {"text": s}) for s in some], chunk=some[0]))
        return self.link.receive() == {"ack": some[0]}

    def changed(self, r):
        return {"connections": r.choice([8, 256])}


class SyslogRelp(Source):
    def input(self, r):
        return {"syslog": {"listen": f"relp://{self.at()}", "keep_raw": r.random() < 0.5, "idle_timeout": r.choice(["0s", "60s"])}}

    def send(self, some):
        try:
            if not self.link:
                self.link = Relp(self.port)
                self.link.connect()
            self.link.send_all([(BYTES + s).encode() for s in some])
            self.link.close()
        except AssertionError:  # an answer that was cut off
            self.link = None
            return False
        self.link = None
        return True


class SyslogTcp(Source):
    blind = True

    def input(self, r):
        return {"syslog": {"listen": [f"tcp://{self.at()}", f"udp://{self.at()}", f"unixgram://{self.t.path('log')}"], "keep_raw": r.random() < 0.5}}

    def send(self, some):
        if not self.link:
            self.link = socket.create_connection(("127.0.0.1", self.port), timeout=20)
            self.link.settimeout(None if self._halt.is_set() else 20)
        text = [(BYTES + s).encode() for s in some]
        self.link.sendall(b"".join(x + b"\n" for x in text[:10]))
        udp, gram = socket.socket(type=socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with udp, gram:
            for x in text[10:15]:
                udp.sendto(x, ("127.0.0.1", self.port))
            gram.settimeout(1)
            for x in text[15:]:
                gram.sendto(x, self.t.path("log"))
        return False


class Statsd(Source):
    blind = True

    def input(self, r):
        return {"statsd": {"listen": f"udp://{self.at()}", "receive_buffer": r.choice(["1MiB", "4MiB"])}}

    def send(self, some):
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.sendto("\n".join(f"{s}:1|c" for s in some).encode(), ("127.0.0.1", self.port))
        return False


class Fifo(Source):
    blind = True

    def input(self, r):
        return {"fifo": {"path": self.t.path("pipe")}}

    def send(self, some):
        fd = os.open(self.t.path("pipe"), os.O_WRONLY | os.O_NONBLOCK)
        with os.fdopen(fd, "wb", buffering=0) as f:
            f.write("".join(s + "\n" for s in some).encode())
        return False


class Exec(Source):
    blind = True

    def input(self, r):
        program = 'n=0; while :; do printf "exec-%07d\\n" $n; n=$((n+1)); sleep 0.05; done'
        return {"exec": {"command": ["sh", "-c", program], "environment": r.choice([["A=1"], ["A=2"]])}}

    def texts(self):
        return []

    def send(self, some):
        time.sleep(0.2)
        return False


class Tail(Source):
    exactly = True

    def input(self, r):
        return tail(self.t.path("lines"))

    def send(self, some):
        append_lines(self.t.path("lines"), [s.encode() for s in some])
        return True


class Journal(Source):
    exactly, pause = True, 0.4

    def input(self, r):
        return {"journald": {"path": self.t.path("journal"), "start": "beginning", "fields": r.choice([["MESSAGE"], ["MESSAGE", "_MACHINE_ID"]])}}

    def send(self, some):
        journal_files.append(os.path.join(self.t.path("journal"), "system.journal"),
                             [journal_files.entry(self.sent + i, {"MESSAGE": s}) for i, s in enumerate(some)])
        return True


SOURCES = {"api": Api, "http": Http, "loki": Loki, "elasticsearch_bulk": Bulk, "splunk_hec": Splunk, "otlp": Otlp, "otlp_grpc": OtlpGrpc, "forward": Forward,
           "syslog_relp": SyslogRelp, "syslog_tcp": SyslogTcp, "statsd": Statsd, "fifo": Fifo, "exec": Exec, "tail": Tail, "journald": Journal}


class Campaign:
    def __init__(self, t, rounds):
        self.t, self.rounds, self.random = t, rounds, random.Random(t.seed)
        self.s3 = S3Peer()
        t.on_end(self.s3.stop)
        os.mkdir(t.path("journal"))
        self.sources = [kind(self, name) for name, kind in SOURCES.items()]
        self.done = collections.Counter()
        self.daemon = t.daemon(self.config())

    def config(self, without=None):
        return {"streams": {"app": stream(self.s3.destination(), [s.input(self.random) for s in self.sources if s.name != without],
                                          interval="1s", spool={"limit": self.random.choice(["8MiB", "16MiB"])})}}

    def kill(self):
        self.daemon.kill9()
        self.daemon.start()

    def restart(self):
        self.daemon.expect_exit = 1 if self.s3.always else 0  # something is left in the spool
        self.daemon.stop(60)
        self.daemon.expect_exit = 0
        self.daemon.start()

    def reload(self):
        reload(self.daemon, self.config())

    def without_one(self):
        name = self.random.choice([s.name for s in self.sources if s.name != "api"])
        reload(self.daemon, self.config(without=name))
        time.sleep(self.random.uniform(0.0, 1.0))
        reload(self.daemon, self.config())

    def outage(self):
        self.s3.always = Fail(503, "SlowDown")
        time.sleep(self.random.uniform(1.0, 6.0))
        self.random.choice([self.kill, self.reload, self.restart])()
        self.s3.always = None

    def run(self):
        self.daemon.start()
        for s in self.sources:
            s.start()
        for _ in range(self.rounds):
            time.sleep(self.random.uniform(0.2, 3.0))
            event = self.random.choice(["kill", "restart", "reload", "without_one", "outage"])
            self.done[event] += 1
            getattr(self, event)()
            self.daemon.assert_books("app")
        for s in self.sources:
            s.stop()
        wait_until("all is delivered", lambda: self.daemon.books("app").spooled == 0 and not self.missing(), 120, period=0.5)
        self.daemon.assert_books("app")
        rss = self.daemon.peak_rss()
        self.daemon.stop()
        self.s3.assert_clean()
        print(f"# {self.rounds} rounds: {dict(self.done)}; {rss >> 20} MiB resident; seed {self.t.seed}")
        copies = self.stored()
        for s in self.sources:
            mine = copies[s.name]
            twice = sum(n - 1 for n in mine.values())
            assert not getattr(s, "exactly", False) or twice == 0, f"{s.name}: {twice} twice"
            assert mine, f"nothing came by {s.name}"
            print(f"# {s.name}: {s.sent} sent, {len(s.acked)} acknowledged, {len(mine)} stored, {twice} twice")

    def stored(self):
        """{source: {number: how often}}"""
        found = {s.name: collections.Counter() for s in self.sources}
        for line in objects.lines(self.s3.snapshot()):
            name, number = NUMBERED.search(line).groups()
            found[name.decode()][int(number)] += 1
        return found

    def missing(self):
        copies = self.stored()
        return {s.name: len(s.acked - set(copies[s.name])) for s in self.sources if s.acked - set(copies[s.name])}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluice-inputs-", ignore_cleanup_errors=True) as folder:
        t = Case(args.build, folder, args.seed)
        campaign = Campaign(t, args.rounds)
        try:
            campaign.run()
        except BaseException:
            print(f"seed {args.seed}; missing: {campaign.missing()}", file=sys.stderr)
            t.take_down()
            os.rename(folder, folder + "-failed")
            print(f"kept in {folder}-failed", file=sys.stderr)
            raise
        t.take_down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
