"""Inputs of three protocols on the one thread that takes them, of one stream: its spool is full, and each holds its sender back in its own way; then all options
change at once, and what waits goes on."""

import json
import subprocess
import threading
import time

from common import stream
from forward_peer import Closed, Sender, event_time, message
from harness import free_port, wait_until
from http_peer import HttpPeer
from reloading import reload
from test_otlp import Grpc, one_log
from test_sns import Closed as Shut
from test_syslog import BYTES, Relp

PAD = "x" * 250_000
COUNT = 20  # of each, 250 KB: more than the spool holds


def config(sink, ports, connections):
    return {"streams": {"app": stream(
        {"http": {"url": f"http://127.0.0.1:{sink.port}/", "format": "lines"}}, spool={"limit": "4MiB"}, interval="0s",
        inputs=[{"forward": {"listen": f"127.0.0.1:{ports[0]}", "connections": connections}},
                {"syslog": {"listen": f"relp://127.0.0.1:{ports[1]}", "connections": connections, "keep_raw": connections > 8}},
                *([{"otlp_grpc": {"listen": f"127.0.0.1:{ports[2]}", "connections": connections}}] if len(ports) > 2 else [])])}}


def test_all_that_listen_wait_for_a_full_spool_through_a_reload(t):
    sink = HttpPeer(Shut)
    sink.takes, sink.bodies = False, []
    t.on_end(sink.stop)
    grpc = "otlp_grpc" in subprocess.run([t.binary, "--version"], capture_output=True, text=True).stdout
    ports = [free_port() for _ in range(3 if grpc else 2)]
    d = t.daemon(config(sink, ports, 8)).start()
    done = {}

    def forward(n):
        s = Sender(ports[0], timeout=120)
        for i in range(n, COUNT):
            s.send(message("app", [(event_time(1700000000), {"text": f"forward-{i}", "pad": PAD})], chunk=str(i)))
            assert s.receive() == {"ack": str(i)}
            yield

    def relp(n):
        client = Relp(ports[1])
        client.connect(120)
        for i in range(n, COUNT):
            client.send_all([f"{BYTES}relp-{i} {PAD}".encode()], first=i - n + 2)
            yield

    def otlp(n):
        g = Grpc(t, ports[2])
        for i in range(n, COUNT):
            try:
                while g.call("logs", one_log(f"otlp-{i} {PAD}"))[0] != 0:
                    time.sleep(0.3)
            except AssertionError as e:  # curl's
                raise ConnectionError from e
            yield

    def send(sends):
        """Each is sent until it is answered; one whose connection is cut, again."""
        taken = cuts = 0
        while taken < COUNT and cuts < 50:
            try:
                for _ in sends(taken):
                    taken += 1
            except (OSError, Closed):
                cuts += 1
        done[sends.__name__] = (taken, cuts)

    kinds = [forward, relp, *([otlp] if grpc else [])]
    senders = [threading.Thread(target=send, args=(kind,), daemon=True) for kind in kinds]
    for s in senders:
        s.start()
    wait_until("the stream takes no more", lambda: d.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 60 * t.slow)
    reload(d, config(sink, ports, 16))
    assert not done, done
    d.assert_books("app")
    sink.takes = True
    for s in senders:
        s.join(100 * t.slow)
    assert [taken for taken, _ in done.values()] == [COUNT] * len(kinds), done
    wait_until("all is delivered", lambda: d.books("app").spooled == 0, 60 * t.slow)
    d.assert_books("app")
    d.stop()
    found = [json.loads(line) for body in sink.bodies for line in body.splitlines()]
    found = [(r.get("text") or r.get("message") or r.get("body")).split()[0] for r in found]
    assert set(found) == {f"{kind.__name__}-{n}" for kind in kinds for n in range(COUNT)}
    assert len(found) <= len(set(found)) + sum(cuts for _, cuts in done.values()), (len(found), done)  # without an answer, and so sent again
