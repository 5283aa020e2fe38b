#!/usr/bin/env python3
"""A systemd-journald that runs, with a /run of its own: numbered entries through it and the input journald, while its files are rotated and sluice is killed:
each is stored once.

    tests/servers/live_journal.py --build build/release [--messages 100000] [--kills 10] [--seed N]

It wants systemd-journald and user namespaces; where one of them is missing there is no such scenario.
"""

import argparse
import collections
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]

import objects  # noqa: E402
from common import one_stream, to_file  # noqa: E402
from harness import Case, wait_until  # noqa: E402

JOURNALD, MACHINE = "/lib/systemd/systemd-journald", "/etc/machine-id"
CONF = """[Journal]
Storage=volatile
RateLimitIntervalSec=0
RuntimeMaxFileSize=1M
RuntimeMaxUse=1G
RuntimeKeepFree=1M
ReadKMsg=no
Audit=no
"""


def is_possible():
    return os.access(JOURNALD, os.X_OK) and os.path.exists(MACHINE) and os.path.getsize(MACHINE) > 0 and \
        subprocess.run(["unshare", "-rm", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


class Journald:
    def __init__(self, t):
        self.run = t.path("run")
        os.makedirs(os.path.join(self.run, "systemd", "journald.conf.d"))
        with open(MACHINE, encoding="ascii") as f:
            self.folder = os.path.join(self.run, "log", "journal")
            os.makedirs(os.path.join(self.folder, f.read().strip()))
        with open(os.path.join(self.run, "systemd", "journald.conf.d", "test.conf"), "w", encoding="ascii") as f:
            f.write(CONF)
        with open(t.path("journald.log"), "wb") as log:
            self.process = subprocess.Popen(["unshare", "-rm", "sh", "-c", f'mount --bind "$0" /run && exec {JOURNALD}', self.run], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        t.on_end(self.end)
        self.socket = os.path.join(self.run, "systemd", "journal", "socket")
        wait_until("journald listens", lambda: os.path.exists(self.socket), 20 * t.slow)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def rotate(self):
        self.process.send_signal(signal.SIGUSR2)

    def write(self, first, count):
        """As a program does that speaks journald's own protocol; when journald is busy it waits."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect(self.socket)
            for n in range(first, first + count):
                s.sendall(b"MESSAGE=number %d\nPRIORITY=6\nSYSLOG_IDENTIFIER=live\nRAW\n\x03\0\0\0\0\0\0\0\xff\n\0\n" % n)


def entries_come_once(t, messages, kills, over):
    journal, r = Journald(t), random.Random(t.seed)
    d = t.daemon(one_stream("app", to_file(t), inputs=[{"journald": {"path": journal.folder, "identifiers": ["live"], "start": "beginning"}}])).start()
    writer = threading.Thread(target=lambda: [(journal.write(n, 100), time.sleep(over * 100 / messages)) for n in range(0, messages, 100)])
    writer.start()
    for _ in range(kills):
        time.sleep(r.uniform(0.0, 2 * over / (kills + 1)))
        journal.rotate()
        d.kill9()
        d.start()
    writer.join()
    d.wait_delivered("app", messages, 60)
    d.assert_books("app")
    d.stop()
    records = [json.loads(line) for line in objects.lines(objects.read_dir(t.path("out")))]
    copies = collections.Counter(int(x["MESSAGE"].split()[1]) for x in records)
    assert sorted(copies) == list(range(messages)), f"{messages - len(copies)} missing"
    assert max(copies.values()) == 1, f"{len(records) - messages} twice"
    assert all(x["_TRANSPORT"] == "journal" and x["RAW_base64"] == "/woA" for x in records), records[0]
    files = sum(len(names) for _, _, names in os.walk(journal.folder))
    print(f"# {messages} entries in {files} files, {kills} kills: each once", flush=True)


def scenarios():
    return [("journald:entries_of_a_live_one_come_once", lambda t: entries_come_once(t, 3000, 2, 1.5))] if is_possible() else []


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--messages", type=int, default=100_000)
    p.add_argument("--kills", type=int, default=10)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluice-journal-", ignore_cleanup_errors=True) as folder:
        t = Case(args.build, folder, args.seed)
        try:
            entries_come_once(t, args.messages, args.kills, args.messages / 4000)
        finally:
            t.take_down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
