#!/usr/bin/env python3
"""Runs the end-to-end cases against a build: TAP lines, then "N passed, N failed, N skipped".

    tests/e2e/run.py --build build/dev [--only PATTERN] [--list] [-j 2] [--seed N] [--keep]

A case is a function test_*(t) in test_*.py, tail_cases.py or api_wire.py here. Each runs in a process and a temporary
folder of its own; the folder of a failed case is kept and its path printed. A function may have the attribute
`timeout` (seconds, 120 by default; sanitizer builds get four times as much).
"""

import argparse
import concurrent.futures
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from harness import Case, Skip  # noqa: E402

EXIT_OK, EXIT_FAILED, EXIT_SKIPPED = 0, 1, 77
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
                out.append((case, getattr(fn, "timeout", 120)))
    return out


def run_here(case, build, folder, seed):
    """In the child: one case, to its end."""
    module, name = case.split(":")
    t = Case(build, folder, seed)
    try:
        getattr(importlib.import_module(module), name)(t)
    except Skip as why:
        print(f"SKIP: {why}")
        return EXIT_SKIPPED
    except BaseException:
        traceback.print_exc()
        return EXIT_FAILED
    finally:
        t.take_down()
    return EXIT_OK


class Result:
    def __init__(self, case, code, text, folder, seconds):
        self.case, self.code, self.text, self.folder, self.seconds = case, code, text, folder, seconds


def run_child(case, timeout, args):
    folder = tempfile.mkdtemp(prefix="sluice-e2e-")
    out_path = os.path.join(folder, "case.out")
    command = [sys.executable, os.path.abspath(__file__), "--build", args.build, "--seed", str(args.seed),
               "--case", case, "--dir", folder]
    began = time.monotonic()
    with open(out_path, "wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = child.wait(timeout)
        except subprocess.TimeoutExpired:
            code = EXIT_FAILED
            out.write(f"no end within {timeout} s\n".encode())
        kill_group(child)
    with open(out_path, encoding="utf-8", errors="replace") as f:
        text = f.read()
    return Result(case, code, text, folder, time.monotonic() - began)


def kill_group(child):
    """Whatever the case left running (it has a session of its own)."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


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


def run_all(args):
    todo = cases(args.only)
    print(f"1..{len(todo)}", flush=True)
    slow = 4 if Case(args.build, "/").sanitized else 1
    counts = {EXIT_OK: 0, EXIT_FAILED: 0, EXIT_SKIPPED: 0}
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        futures = [pool.submit(run_child, case, timeout * slow, args) for case, timeout in todo]
        for number, future in enumerate(concurrent.futures.as_completed(futures), 1):
            r = future.result()
            counts[r.code if r.code in counts else EXIT_FAILED] += 1
            report(number, r, args.keep)
    print(f"{counts[EXIT_OK]} passed, {counts[EXIT_FAILED]} failed, {counts[EXIT_SKIPPED]} skipped")
    return 1 if counts[EXIT_FAILED] or not todo else 0


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True, help="build folder, with the binary `sluice` in it")
    p.add_argument("--only", help="regular expression on module:function")
    p.add_argument("--list", action="store_true")
    p.add_argument("-j", "--jobs", type=int, default=5, help="cases wait more than they compute")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--keep", action="store_true", help="keep the folders of passed cases too")
    p.add_argument("--case", help=argparse.SUPPRESS)
    p.add_argument("--dir", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.case:
        return run_here(args.case, args.build, args.dir, args.seed)
    if args.list:
        print("\n".join(case for case, _ in cases(args.only)))
        return 0
    if not os.access(os.path.join(args.build, "sluice"), os.X_OK):
        p.error(f"no binary {args.build}/sluice: build it first")
    return run_all(args)


if __name__ == "__main__":
    sys.exit(main())
