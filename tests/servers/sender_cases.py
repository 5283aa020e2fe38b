"""Senders with somebody else's code, through a kill: each event is there. Those with `often` run always, the others with SLUICE_SENDERS=all."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import objects  # noqa: E402
from common import one_stream, to_file  # noqa: E402
from harness import free_port, wait_until  # noqa: E402
from sender_kinds import NUMBER, SENDERS, tool  # noqa: E402


def counted(stored):
    """{number: how often}"""
    copies = {}
    for line in objects.lines(stored):
        found = NUMBER.search(line)
        if found:
            number = int(found[1])
            copies[number] = copies.get(number, 0) + 1
    return copies


def all_comes_through_a_kill(t, sender):
    port = free_port()
    tool(t, sender.kind)
    d = t.daemon(one_stream("app", to_file(t), interval="0s", inputs=[sender.input(port)])).start()
    sender.start(t, port, 0, sender.short, sender.short // 2)
    wait_until("some have come", lambda: sender.has_failed() or d.books("app").delivered > sender.short // 8, 30 * t.slow)
    d.kill9()
    d.start()
    sender.end(60 * t.slow)
    wait_until("all are there", lambda: len(counted(objects.read_dir(t.path("out")))) == sender.short, 60 * t.slow, period=0.2)
    sender.take_down()
    d.stop()
    copies = counted(objects.read_dir(t.path("out")))
    assert sorted(copies) == list(range(sender.short))
    assert sum(copies.values()) < 2 * sender.short, "it sent everything again"


def scenarios():
    everything = os.environ.get("SLUICE_SENDERS") == "all"
    return [(f"senders:{s.name}", lambda t, s=s: all_comes_through_a_kill(t, s)) for s in SENDERS if s.often or everything]
