#!/usr/bin/env python3
"""Runs the end-to-end cases against a build: TAP lines, then "N passed, N failed, N skipped".

    tests/e2e/run.py --build build/dev [--only PATTERN] [--list] [-j 2] [--seed N] [--jitter] [--keep] [--times]

A case is a function test_*(t) in test_*.py, tail_cases.py or api_wire.py here. Each runs in a process and a temporary
folder of its own; the folder of a failed case is kept and its path printed. A function may have the attribute
`timeout` (seconds, 120 by default; sanitizer builds get four times as much), and `one_thread`: what takes its time there is what a
single thread does (a script, a command), so that ThreadSanitizer has nothing to find and makes it ten times as long.
"""

import argparse
import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import objects  # noqa: E402
from harness import JITTER, Case, Skip, dawdle  # noqa: E402

EXIT_OK, EXIT_FAILED, EXIT_SKIPPED = 0, 1, 77
USUAL_TIMEOUT = 120
MODULES = ("tail_cases", "api_wire")


def modules():
    names = sorted(n[:-3] for n in os.listdir(HERE) if re.fullmatch(r"test_\w+\.py", n))
    return names + [m for m in MODULES if os.path.exists(os.path.join(HERE, m + ".py"))]


def cases(only):
    """[(module:function, timeout)]"""
    out = []
    for module in modules():
        loaded = importlib.import_module(module)
        for name, fn in vars(loaded).items():
            if not name.startswith("test_") or not callable(fn) or fn.__module__ != module:
                continue
            case = f"{module}:{name}"
            if only is None or re.search(only, case):
                out.append((case, getattr(fn, "timeout", USUAL_TIMEOUT)))
    return out


def in_order(todo):
    """The long ones early (they say so by their timeout), so that none of them runs alone at the end; each among three
    others, since most of the long ones also compute much."""
    long = [c for c in todo if c[1] > USUAL_TIMEOUT]
    short = [c for c in todo if c[1] <= USUAL_TIMEOUT]
    out = []
    while long or short:
        out += long[:1] + short[:3]
        del long[:1], short[:3]
    return out


def run_here(case, args, folder):
    """In the child: one case, to its end."""
    module, name = case.split(":")
    t = Case(args.build, folder, args.seed, args.jitter)
    objects.no_order.seed(f"{args.seed} {case}")
    if args.jitter:
        dawdle.begin(f"{args.seed} {case}")
    try:
        function = getattr(importlib.import_module(module), name)
        if t.threads_checked and getattr(function, "one_thread", False):
            t.skip("what one thread does; ThreadSanitizer has nothing to find in it")
        function(t)
    except Skip as why:
        print(f"SKIP: {why}")
        return EXIT_SKIPPED
    except BaseException:
        traceback.print_exc()
        return EXIT_FAILED
    finally:
        t.take_down()
    return EXIT_OK


class Running:
    """One case in a process of its own, which leads a session. It is a fork: Python and the modules are loaded once for
    all cases."""

    def __init__(self, case, timeout, args):
        self.case, self.timeout = case, timeout
        self.folder = tempfile.mkdtemp(prefix="sluice-e2e-")
        self.out_path = os.path.join(self.folder, "case.out")
        self.began = time.monotonic()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = EXIT_FAILED
            try:
                os.setsid()
                out = os.open(self.out_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                os.dup2(out, 1)
                os.dup2(out, 2)
                code = run_here(case, args, self.folder)
            except BaseException:
                traceback.print_exc()
                code = EXIT_FAILED
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def kill_group(self):
        """The case, if it still runs, and whatever it left running."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def out_of_time(self):
        return time.monotonic() - self.began > self.timeout

    def end_it(self):
        with open(self.out_path, "a", encoding="utf-8") as out:
            out.write(f"no end within {self.timeout} s\n")
        self.timeout = float("inf")  # it is said once
        self.kill_group()

    def result(self, status, usage):
        self.kill_group()
        with open(self.out_path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        code = os.waitstatus_to_exitcode(status)
        return Result(self.case, code if code in (EXIT_OK, EXIT_SKIPPED) else EXIT_FAILED, text, self.folder,
                      time.monotonic() - self.began, usage.ru_utime + usage.ru_stime)


class Result:
    """`seconds` on the clock; `cpu` of the case and of every process that it started and waited for."""

    def __init__(self, case, code, text, folder, seconds, cpu):
        self.case, self.code, self.text, self.folder = case, code, text, folder
        self.seconds, self.cpu = seconds, cpu


def results(todo, args, slow):
    """Runs them, `args.jobs` at a time, and yields each result as it comes."""
    waiting, running = list(reversed(todo)), {}
    try:
        while waiting or running:
            while waiting and len(running) < args.jobs:
                case, timeout = waiting.pop()
                r = Running(case, timeout * slow, args)
                running[r.pid] = r
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid in running:
                yield running.pop(pid).result(status, usage)
                continue
            for r in running.values():
                if r.out_of_time():
                    r.end_it()
            time.sleep(0.02)
    finally:
        for r in running.values():
            r.kill_group()


def report(number, r, keep):
    if r.code == EXIT_OK:
        print(f"ok {number} - {r.case} ({r.seconds:.1f} s)", flush=True)
    elif r.code == EXIT_SKIPPED:
        why = next((line[6:] for line in r.text.splitlines() if line.startswith("SKIP: ")), "")
        print(f"ok {number} - {r.case} # SKIP {why}", flush=True)
    else:
        print(f"not ok {number} - {r.case} ({r.seconds:.1f} s), kept in {r.folder}")
        print("".join(f"#   {line}\n" for line in r.text.splitlines()[-40:]), end="", flush=True)
    if r.code in (EXIT_OK, EXIT_SKIPPED) and not keep:
        shutil.rmtree(r.folder, ignore_errors=True)


def print_times(results):
    """The slowest first, on the clock and in CPU seconds: a case whose two differ much waits, and holds up nobody."""
    for r in sorted(results, key=lambda r: -max(r.seconds, r.cpu)):
        print(f"# took {r.seconds:7.1f} s {r.cpu:7.2f} CPU s  {r.case}")
    print(f"# took {sum(r.seconds for r in results):7.1f} s {sum(r.cpu for r in results):7.2f} CPU s  all")


def run_all(args):
    todo = in_order(cases(args.only))
    print(f"1..{len(todo)}", flush=True)
    if args.jitter:
        print(f"# seed {args.seed}", flush=True)
    sanitized = Case(args.build, "/").sanitized
    slow = 4 if sanitized or args.jitter else 1
    args.jobs = args.jobs or min((5 if sanitized else 7) * os.cpu_count(), 16)  # most of a case is waiting
    counts = {EXIT_OK: 0, EXIT_FAILED: 0, EXIT_SKIPPED: 0}
    done = []
    for number, r in enumerate(results(todo, args, slow), 1):
        counts[r.code] += 1
        done.append(r)
        report(number, r, args.keep)
    if args.times:
        print_times(done)
    print(f"{counts[EXIT_OK]} passed, {counts[EXIT_FAILED]} failed, {counts[EXIT_SKIPPED]} skipped")
    return 1 if counts[EXIT_FAILED] or not todo else 0


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True, help="build folder, with the binary `sluice` in it")
    p.add_argument("--only", help="regular expression on module:function")
    p.add_argument("--list", action="store_true")
    p.add_argument("-j", "--jobs", type=int, help="cases at a time; they wait more than they compute, least under a sanitizer")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--jitter", action="store_true", help="make the daemon dawdle now and then, see jitter.c; not with a sanitizer")
    p.add_argument("--keep", action="store_true", help="keep the folders of passed cases too")
    p.add_argument("--times", action="store_true", help="print what each case took")
    args = p.parse_args()
    if args.list:
        print("\n".join(case for case, _ in cases(args.only)))
        return 0
    if not os.access(os.path.join(args.build, "sluice"), os.X_OK):
        p.error(f"no binary {args.build}/sluice: build it first")
    if args.jitter and not os.path.exists(os.path.join(args.build, JITTER)):
        p.error(f"no {args.build}/{JITTER}: a build with a sanitizer has none")
    return run_all(args)


if __name__ == "__main__":
    sys.exit(main())
