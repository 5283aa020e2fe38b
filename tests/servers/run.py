#!/usr/bin/env python3
"""sluice against real servers and real clients: "N passed, N failed, N skipped".

    tests/servers/run.py --build build/release [--only PATTERN] [--list] [-j 4]

Every s3_*.sh here is a store (stores.py; MinIO only where it is installed, or SLUICE_STORES=all), opensearch.sh and elasticsearch.sh take documents (search.py), telegraf.sh,
otel.sh and victorialogs.sh what the http sink sends (receivers.py), every sdk/*.sh is a client of the Firehose API
(clients.py), brokers.py has the brokers that inputs read from, topics.py what publishes to them, and monitoring.py the
dashboard and the alerts in a Prometheus. One that cannot be installed (exit code 77) is skipped; with CI=true that
is a failure. Servers keep their data in a temporary folder, listen on loopback and are ended by process id.

The scenarios of one server or client run one after the other in a process of their own, those of several side by side:
most of the time is waiting, for a server to start or for a retry.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]

import agents  # noqa: E402
import broker_campaign  # noqa: E402
import broker_elasticmq  # noqa: E402
import broker_logins  # noqa: E402
import clients  # noqa: E402
import kafka_cases  # noqa: E402
import kafka_logins  # noqa: E402
import live_journal  # noqa: E402
import monitoring  # noqa: E402
import receivers  # noqa: E402
import search  # noqa: E402
import search_server  # noqa: E402
import sender_cases  # noqa: E402
import stores  # noqa: E402
import syslog_senders  # noqa: E402
import telemetry  # noqa: E402
import topics  # noqa: E402
from harness import Case, Skip  # noqa: E402


def scenarios():
    """[(name, function of a Case)]"""
    return stores.scenarios() + receivers.scenarios() + clients.scenarios() + broker_campaign.scenarios() + \
        kafka_cases.scenarios() + kafka_logins.scenarios() + broker_logins.scenarios() + broker_elasticmq.scenarios() + topics.scenarios() + \
        monitoring.scenarios() + search.scenarios() + agents.scenarios() + telemetry.scenarios() + sender_cases.scenarios() + \
        syslog_senders.scenarios() + live_journal.scenarios()


class Tally:
    def __init__(self, ci):
        self.passed = self.failed = self.skipped = 0
        self.ci = ci

    def run(self, number, name, fn, args):
        folder = tempfile.mkdtemp(prefix="sluice-servers-")
        t = Case(args.build, folder, seed=number)
        began = time.monotonic()
        try:
            fn(t)
        except Skip as why:
            self._skip(number, name, why)
        except BaseException as e:
            self._fail(number, name, traceback.format_exc(), folder)
            if isinstance(e, KeyboardInterrupt):
                raise
            folder = None
        else:
            self.passed += 1
            print(f"ok {number} - {name} ({time.monotonic() - began:.1f} s)", flush=True)
        finally:
            t.take_down()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)

    def _skip(self, number, name, why):
        if self.ci:
            self.failed += 1
            print(f"not ok {number} - {name}: skipped, and CI must not skip: {why}", flush=True)
        else:
            self.skipped += 1
            print(f"ok {number} - {name} # SKIP {why}", flush=True)

    def _fail(self, number, name, text, folder):
        self.failed += 1
        lines = "".join(f"\n#   {line}" for line in text.splitlines()[-30:])
        print(f"not ok {number} - {name}, kept in {folder}{lines}", flush=True)


def lanes(only):
    """{what stands before the colon: [(number, name, function)]}, those that were chosen."""
    chosen = [(n, fn) for n, fn in scenarios() if only is None or re.search(only, n)]
    found = {}
    for number, (name, fn) in enumerate(chosen, 1):
        found.setdefault(name.partition(":")[0], []).append((number, name, fn))
    return found


def run_lane(lane, args):
    """In a process of its own."""
    tally = Tally(os.environ.get("CI") == "true")
    try:
        for number, name, fn in lanes(args.only)[lane]:
            tally.run(number, name, fn, args)
    finally:
        search_server.end()
    return tally.passed, tally.failed, tally.skipped


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--only", help="regular expression on the names of --list")
    p.add_argument("--list", action="store_true")
    p.add_argument("-j", "--jobs", type=int, default=4, help="servers and clients at a time")
    args = p.parse_args()
    chosen = lanes(args.only)
    if args.list:
        print("\n".join(name for lane in chosen.values() for _, name, _ in lane))
        return 0
    print(f"1..{sum(map(len, chosen.values()))}", flush=True)
    with concurrent.futures.ProcessPoolExecutor(args.jobs) as pool:
        # The search engines take longest: the last ones begin first.
        counts = list(pool.map(run_lane, reversed(chosen), [args] * len(chosen)))
    passed, failed, skipped = (sum(c) for c in zip(*counts)) if counts else (0, 0, 0)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
