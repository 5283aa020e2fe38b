#!/usr/bin/env python3
"""The n-th allocation, write, sync, open, read, renaming, sending or thread fails, for every n of a short life of the daemon.

    tests/torture/torture.py --build build/release [--life files|network] [--kind memory [--at N]] [--every K] [-j 2]

A life is: start, recovery of what an earlier life left sealed and unsealed, three batches or more, shutdown.

files    `run --once`: a tailed file, a script that drops, splits, changes and fails records, gzip, a folder, a backup
network  `run`: records through the API, zstd, a scripted S3; ended by SIGTERM

A library loaded into the daemon (fail_nth.c) counts the calls of each kind and lets one fail. After it:
- the process has ended by itself: exit 0, 1 or 2, or, when it was an allocation that failed, with the documented line;
- the next run, without faults, ends with exit 0 and nothing left;
- each record is delivered, dropped, or in the backup, exactly once; what the API did not acknowledge, at most once.

Prints a line for each kind, then "N passed, N failed, N skipped"; the folder of a failed life is kept, and its line says with
which --kind and --at it happens again. With --every K only each K-th allocation is tried, beginning at a random one (--seed).
"""

import argparse
import concurrent.futures
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "e2e"), os.path.join(HERE, "..", "crash")]

import backups  # noqa: E402
import objects  # noqa: E402
from campaign import Script  # noqa: E402
from common import append_lines, write_lines  # noqa: E402
from firehose import Answer, Firehose  # noqa: E402
from harness import free_port, to_yaml  # noqa: E402
from s3_peer import S3Peer  # noqa: E402

KINDS = ["memory", "write", "sync", "open", "read", "name", "peer", "thread"]
OUT_OF_MEMORY = "out of memory, ending"
SCRIPT = Script()
TIME_OUT = 40
FINDINGS_SHOWN = 8


class Finding(Exception):
    """What a life showed that must not be."""


def numbered(first, count):
    """Records whose numbers tell the script what to do."""
    return [b"%06d %s" % (first + i, b"some words that compress " * (i % 5 + 1)) for i in range(count)]


class Run:
    """One process: the daemon with a fault in it, or without one."""

    def __init__(self, torture, folder, name, fault=None):
        self.report = os.path.join(folder, name + ".calls")
        self.log_path = os.path.join(folder, name + ".log")
        self.env = {**os.environ, **torture.env}
        if fault:
            kind, at = fault
            self.env |= {"LD_PRELOAD": torture.library, "TORTURE_REPORT": self.report, "TORTURE_KIND": kind,
                         "TORTURE_AT": str(at)}
        self.folder, self.binary, self.process = folder, torture.binary, None

    def start(self, *args):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([self.binary, "run", "-c", "sluice.yaml", *args], cwd=self.folder,
                                            env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def wait(self):
        try:
            return self.process.wait(TIME_OUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Finding(f"no end within {TIME_OUT} s") from None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def calls(self):
        """({kind: calls}, whether the one that was to fail was reached)"""
        with open(self.report, "rb") as f:
            values = struct.unpack(f"={len(KINDS) + 1}Q", f.read(8 * (len(KINDS) + 1)))
        return dict(zip(KINDS, values)), bool(values[-1])


def end_of(run, kind):
    """Waits for the end of a run with a fault in it, and says what is wrong with it."""
    code = run.wait()
    if code in (0, 1, 2):
        return code
    text = run.log()
    if kind == "memory" and code == -signal.SIGABRT and OUT_OF_MEMORY in text:
        return code
    raise Finding(f"ended with {code}: {text[-1500:]}")


class Files:
    """`run --once` from a file to a folder."""

    name = "files"

    def __init__(self, torture):
        self.torture = torture

    def config(self, logs, admin):
        return to_yaml({
            "data_dir": "data", "admin": {"listen": f"127.0.0.1:{admin}"}, "shutdown": {"grace": "15s"},
            "streams": {"app": {
                "inputs": [{"tail": {"paths": [f"{logs}/*.log"], "start": "beginning"}}],
                "buffer": {"size": "4KiB", "interval": "900s"}, "compression": "gzip",
                "transform": {"lua": "script.lua"}, "destination": {"file": {"path": "out"}},
                "backup": {"file": {"path": "backup"}}, "retry": {"duration": "300s"}}}})

    def prepare(self, folder):
        """What an earlier life left: 100 records, partly sealed; a destination that could not take them. The logs are not
        copied with the rest: a copy would be another file."""
        with open(os.path.join(folder, "script.lua"), "w", encoding="ascii") as f:
            f.write(SCRIPT.text)
        self.logs = folder + "-logs"
        os.mkdir(self.logs)
        write_lines(os.path.join(self.logs, "a.log"), numbered(0, 100))
        self._configure(folder)
        open(os.path.join(folder, "out"), "w", encoding="ascii").close()
        run = Run(self.torture, folder, "earlier").start()
        deadline = time.monotonic() + 30
        while "delivery failed" not in run.log() and time.monotonic() < deadline:
            time.sleep(0.02)
        run.process.kill()
        run.process.wait()
        os.remove(os.path.join(folder, "out"))
        append_lines(os.path.join(self.logs, "a.log"), numbered(100, 100))

    def _configure(self, folder):
        with open(os.path.join(folder, "sluice.yaml"), "w", encoding="ascii") as f:
            f.write(self.config(self.logs, self.torture.port()))

    def live(self, folder, fault):
        self._configure(folder)
        run = Run(self.torture, folder, "faulty", fault).start("--once")
        end_of(run, fault[0])
        return run

    def heal(self, folder):
        run = Run(self.torture, folder, "healthy").start("--once")
        code = run.wait()
        if code != 0:
            raise Finding(f"the next run ended with {code}: {run.log()[-1500:]}")

    def check(self, folder):
        records = numbered(0, 200)
        got = objects.lines(objects.read_dir(os.path.join(folder, "out")))
        objects.assert_exactly_once(got, [out for r in records for out in SCRIPT.outputs(r)])
        failed = backups.data(os.path.join(folder, "backup"), "processing-failed")
        objects.assert_exactly_once(failed, [r for r in records if SCRIPT.fails(r)])


class Network:
    """`run` from the API to a scripted S3."""

    name = "network"

    def __init__(self, torture):
        self.torture = torture
        self.s3 = S3Peer()
        self.serial, self.lock = 0, threading.Lock()
        self.kept = {}  # folder: (prefix, records that were acknowledged, records of unknown fate)

    def close(self):
        self.s3.stop()

    def config(self, prefix, api, admin):
        return to_yaml({
            "data_dir": "data", "admin": {"listen": f"127.0.0.1:{admin}"}, "api": {"listen": f"127.0.0.1:{api}"},
            "shutdown": {"grace": "15s"},
            "streams": {"app": {
                "inputs": ["api"], "buffer": {"size": "4KiB", "interval": "900s"}, "compression": "zstd",
                "destination": self.s3.destination(prefix=prefix)}}})

    def prepare(self, folder):
        pass

    def live(self, folder, fault):
        with self.lock:
            self.serial += 1
            prefix = f"life{self.serial}/"
        api, admin = self.torture.port(), self.torture.port()
        with open(os.path.join(folder, "sluice.yaml"), "w", encoding="ascii") as f:
            f.write(self.config(prefix, api, admin))
        acked, unknown = [], []
        self.kept[folder] = prefix, acked, unknown
        run = Run(self.torture, folder, "faulty", fault).start()
        self._put(run, api, acked, unknown)
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGTERM)
        end_of(run, fault[0])
        return run

    def _put(self, run, port, acked, unknown):
        """Three calls of 60 records, each made until it is answered or the process is gone."""
        client, deadline, batches = Firehose(port, timeout=5), time.monotonic() + 20, [numbered(100 * i, 60) for i in range(3)]
        while batches and run.process.poll() is None:
            if time.monotonic() > deadline:
                raise Finding(f"the API takes nothing for 20 s: {run.log()[-1500:]}")
            try:
                answers = client.put_batch("app", batches[0])
            except Answer as e:
                if e.code == "ServiceUnavailableException":
                    time.sleep(0.02)
                else:
                    unknown += batches.pop(0)  # an answer that could not be made: perhaps taken, perhaps not
                continue
            except ConnectionRefusedError:
                time.sleep(0.005)
                continue
            except AssertionError:
                raise
            except Exception:
                unknown += batches.pop(0)  # the connection broke: perhaps taken, perhaps not
                continue
            batch = batches.pop(0)
            acked += [r for r, a in zip(batch, answers) if "RecordId" in a]
            again = [r for r, a in zip(batch, answers) if "ErrorCode" in a]
            if again:
                batches.insert(0, again)
                time.sleep(0.02)
        client.close()

    def heal(self, folder):
        run = Run(self.torture, folder, "healthy").start()
        deadline = time.monotonic() + 30
        while "msg=running" not in run.log():
            if run.process.poll() is not None or time.monotonic() > deadline:
                run.process.kill()
                raise Finding(f"the next run does not start: {run.log()[-1500:]}")
            time.sleep(0.01)
        run.process.send_signal(signal.SIGTERM)
        code = run.wait()
        if code != 0:
            raise Finding(f"the next run ended with {code}: {run.log()[-1500:]}")

    def check(self, folder):
        prefix, acked, unknown = self.kept.pop(folder)
        stored = {k: v for k, v in self.s3.snapshot().items() if k.startswith(prefix)}
        got = objects.lines(stored)
        maybe = set(unknown)
        objects.assert_exactly_once([r for r in got if r not in maybe], acked)
        strays = [r for r in got if r in maybe]
        if len(strays) != len(set(strays)):
            raise Finding("a record of unknown fate was delivered twice")


class Torture:
    def __init__(self, args):
        self.args = args
        build = os.path.abspath(args.build)
        self.binary = os.path.join(build, "sluice")
        self.library = os.path.join(build, "tests", "torture", "fail_nth.so")
        self.env = {"LC_ALL": "C.UTF-8"}
        self.root = tempfile.mkdtemp(prefix="sluice-torture-", dir=args.dir)
        self.random = random.Random(args.seed)
        self.passed = self.failed = 0
        self.ports = threading.Lock()

    def port(self):
        with self.ports:
            return free_port()

    def template(self, life):
        folder = os.path.join(self.root, "template-" + life.name)
        os.mkdir(folder)
        life.prepare(folder)
        return folder

    def one(self, life, template, kind, at):
        """None when all was well, else the finding; and what was called how often, and whether it was reached."""
        folder = os.path.join(self.root, f"{life.name}-{kind}-{at}")
        shutil.copytree(template, folder)
        calls, reached, finding = {}, False, None
        try:
            run = life.live(folder, (kind, at))
            calls, reached = run.calls()
            life.heal(folder)
            life.check(folder)
        except (Finding, AssertionError) as e:
            finding, reached = f"--life {life.name} --kind {kind} --at {at}, kept in {folder}: {e}", True
        if finding is None:
            shutil.rmtree(folder)
        return finding, calls, reached

    def all_of(self, life, template, kind):
        """Every place of a kind, until one is not reached any more. The count of calls varies a little with the threads, so it
        goes on a little behind the first that is not reached."""
        began, tried, findings = time.monotonic(), 0, []
        step = self.args.every if kind == "memory" else 1
        at, behind = 1 + self.random.randrange(step), 0
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            while behind < 5:
                places = [at + i * step for i in range(4 * self.args.jobs)]
                for finding, _, reached in pool.map(lambda n: self.one(life, template, kind, n), places):
                    tried += reached
                    behind = 0 if reached else behind + 1
                    if finding:
                        findings.append(finding)
                at = places[-1] + step
        word = "not ok" if findings else "ok"
        print(f"{word} - {life.name}, {kind}: {tried} places, {len(findings)} findings, {time.monotonic() - began:.0f} s",
              flush=True)
        for finding in findings[:FINDINGS_SHOWN]:
            print("#   " + finding.replace("\n", "\n#     "), flush=True)
        self.failed += bool(findings)
        self.passed += not findings

    def run(self):
        for make in (Files, Network):
            if self.args.life and self.args.life != make.name:
                continue
            life = make(self)
            try:
                template = self.template(life)
                if self.args.at:
                    finding, calls, reached = self.one(life, template, self.args.kind, self.args.at)
                    print(finding or f"ok, reached: {reached}, calls: {calls}")
                    self.failed += finding is not None
                    self.passed += finding is None
                    continue
                for kind in [self.args.kind] if self.args.kind else KINDS:
                    self.all_of(life, template, kind)
            finally:
                if hasattr(life, "close"):
                    life.close()
        if not self.failed:
            shutil.rmtree(self.root, ignore_errors=True)
        print(f"{self.passed} passed, {self.failed} failed, 0 skipped")
        return 1 if self.failed else 0


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--life", choices=("files", "network"))
    p.add_argument("--kind", choices=KINDS)
    p.add_argument("--at", type=int, help="only this place; needs --kind and --life")
    p.add_argument("--every", type=int, default=1)
    p.add_argument("-j", "--jobs", type=int, default=2)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    p.add_argument("--dir", default=None, help="where the lives are lived; left out: the system's folder for such things")
    args = p.parse_args()
    print(f"seed {args.seed}", flush=True)
    return Torture(args).run()


if __name__ == "__main__":
    sys.exit(main())
