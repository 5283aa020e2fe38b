"""How many deliveries a destination gets at once follows how it does; a stuck one takes nothing from the others."""

import threading
import time

from common import MIB, numbered_lines, one_stream, stream, tail, write_lines
from firehose import Firehose
from harness import wait_until
from http_peer import Handler, HttpPeer


class Counting(Handler):
    """Takes plain lines, one request after the other or many at once, as slowly as the peer says."""

    def do_POST(self):
        peer = self.server.peer
        with peer.counted():
            body = self.read_body()
            status = peer.answer_after_a_while()
        if body is None:
            return
        if status == 200:
            with peer.lock:
                peer.lines += body.split(b"\n")[:-1]
        self.raw(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)


class CountingPeer(HttpPeer):
    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = self.seen = 0
        self.takes, self.status, self.lines = 0.05, 200, []
        super().__init__(Counting)

    def counted(self):
        return _Counted(self)

    def answer_after_a_while(self):
        self.stopping.wait(self.takes)
        return self.status

    def destination(self, **more):
        return {"http": {"url": self.url() + "/in", "format": "lines", **more}}


class _Counted:
    def __init__(self, peer):
        self.peer = peer

    def __enter__(self):
        with self.peer.lock:
            self.peer.seen += 1
            self.peer.now += 1
            self.peer.most = max(self.peer.most, self.peer.now)

    def __exit__(self, *_):
        with self.peer.lock:
            self.peer.now -= 1


def counting_peer(t):
    peer = CountingPeer()
    t.on_end(peer.stop)
    return peer


def limit(d, name="app"):
    return int(d.metrics().get("sluice_delivery_in_flight_limit", stream=name))


def start_backlog(t, peer, count=60000, **in_flight):
    """A stream with much to deliver, in many small pieces."""
    lines = numbered_lines(t.random, count)
    write_lines(t.path("in.log"), lines)
    d = t.daemon(one_stream("app", peer.destination(), [tail(t.path("in.log"))], size="8KiB", interval="0s",
                            deliveries_in_flight=in_flight)).start()
    return d, lines


def test_deliveries_grow_to_the_bound_and_fall_when_asked_to_slow_down(t):
    peer = counting_peer(t)
    d, lines = start_backlog(t, peer, min=2, max=6)
    wait_until("six at once", lambda: peer.most == 6 and limit(d) == 6, 30 * t.slow)
    peer.status = 429
    wait_until("as few as allowed", lambda: limit(d) == 2, 30 * t.slow)
    peer.status = 200
    wait_until("as many as allowed", lambda: limit(d) == 6, 60 * t.slow)
    peer.takes = 0
    d.wait_delivered("app", len(lines), timeout=90)
    d.stop()
    assert peer.most == 6, f"{peer.most} at once, 6 are allowed"
    assert sorted(peer.lines) == sorted(lines)


def test_deliveries_fall_when_the_destination_becomes_slow(t):
    peer = counting_peer(t)
    d, lines = start_backlog(t, peer, min=1, max=8)
    wait_until("eight at once", lambda: limit(d) == 8 and peer.seen > 80, 30 * t.slow)
    peer.takes = 2.5
    wait_until("fewer", lambda: limit(d) <= 4, 60 * t.slow)
    assert d.metrics().get("sluice_delivery_failures_total", stream="app") == 0, "slow is not failed"
    peer.takes = 0
    d.wait_delivered("app", len(lines), timeout=90)
    d.stop()
    assert sorted(peer.lines) == sorted(lines)


def test_destinations_that_are_stuck_take_nothing_from_another(t):
    """They accept requests and never answer. Together their batches would fill the memory several times over."""
    stuck, healthy = [counting_peer(t) for _ in range(16)], counting_peer(t)
    healthy.takes = 0
    for peer in stuck:
        peer.takes = 3600
    streams = {f"stuck{i:02}": stream(peer.destination(), interval="0s", spool={"limit": "64MiB"},
                                      deliveries_in_flight={"min": 4})
               for i, peer in enumerate(stuck)}
    streams["well"] = stream(healthy.destination(), interval="0s")
    d = t.daemon({"limits": {"memory": "64MiB"}, "shutdown": {"grace": "1s"}, "streams": streams}).start()
    client = Firehose(d.api_port)
    for name in streams:
        if name != "well":
            client.put_all(name, [b"x" * 900_000] * 8)
    for i, peer in enumerate(stuck):
        wait_until(f"a request to stuck{i:02}", lambda p=peer: p.seen >= 1, 30 * t.slow)
    records = numbered_lines(t.random, 5000)
    for at in range(0, len(records), 50):
        client.put_all("well", records[at:at + 50])
    d.wait_delivered("well", len(records), timeout=30)
    if not t.sanitized:
        assert d.peak_rss() < 96 * MIB, f"{d.peak_rss() / MIB:.1f} MiB at the peak, limits.memory is 64 MiB"
    d.assert_books(*streams)
    d.expect_exit = 1  # what the stuck ones did not take is left
    d.stop()
    assert sorted(healthy.lines) == sorted(records)


def test_after_an_outage_all_go_at_once(t):
    """Deliveries whose next attempts would be seconds apart go with the first that gets through."""
    peer = counting_peer(t)
    peer.takes = 0
    peer.stop()
    d = t.daemon(one_stream("app", peer.destination(), interval="0s", deliveries_in_flight={"min": 8, "max": 8})).start()
    client = Firehose(d.api_port)
    records = numbered_lines(t.random, 8)
    for record in records:
        client.put("app", record)
        time.sleep(0.4)
    wait_until("eight wait", lambda: d.metrics().get("sluice_delivery_waiting_retry", stream="app") == 8, 30 * t.slow)
    wait_until("some long", lambda: d.metrics().get("sluice_delivery_failures_total", stream="app") >= 24, 30 * t.slow)
    peer.start()
    d.wait_delivered("app", len(records))
    d.stop()
    assert sorted(peer.lines) == sorted(records)
