"""Batches that are not taken while others are: they hold up nobody, and their clock runs. What nobody gets through is for
somebody to mend: nothing is given up."""

import threading

import backups
from common import one_stream
from firehose import Firehose
from harness import free_port, wait_until
from http_peer import Handler, HttpPeer


class Judging(Handler):
    def do_POST(self):
        body = self.read_body()
        if body is None:
            return
        status = self.server.peer.judge(body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Peer(HttpPeer):
    """Answers what `verdict(body)` says; remembers what it took."""

    def __init__(self, t, verdict):
        self.verdict, self.lock = verdict, threading.Lock()
        self.taken, self.refused = [], 0
        super().__init__(Judging, port=free_port())
        t.on_end(self.stop)

    def judge(self, body):
        with self.lock:
            status = self.verdict(body)
            if status < 300:
                self.taken += body.split(b"\n")[:-1]
            else:
                self.refused += 1
            return status


def judging(t, verdict, duration="3s", **more):
    peer = Peer(t, verdict)
    destination = {"http": {"url": peer.url() + "/in", "format": "lines"}}
    config = one_stream("app", destination, interval="0s", size="1KiB", retry={"duration": duration},
                        backup={"mode": "failed", "file": {"path": t.path("backup")}}, **more)
    config["shutdown"] = {"grace": "1s"}
    return peer, t.daemon(config)


def put_one_by_one(d, records):
    client = Firehose(d.api_port)
    for record in records:
        client.put("app", record)


PADDING = b"." * 700  # with a buffer of 1 KiB each record is a batch, also those that have to wait


def good(n):
    return [b"good %d %s" % (i, PADDING) for i in range(n)]


def bad(n):
    return [b"BAD %d %s" % (i, PADDING) for i in range(n)]


def is_bad(status):
    return lambda body: status if b"BAD" in body else 200


def mixed(bads, goods):
    """The bad ones first, so that they have all places there are."""
    return bad(bads) + good(goods)


def check_goes_around(t, status, bads, goods, ends_in_backup=True):
    peer, d = judging(t, is_bad(status))
    d.start()
    put_one_by_one(d, mixed(bads, goods))
    wait_until("the others are delivered", lambda: d.books("app").delivered == goods, 60 * t.slow)
    if ends_in_backup:
        wait_until("the bad ones are in the backup", lambda: d.books("app").backed_up == bads, 60 * t.slow)
    books = d.books("app")
    books.assert_balanced()
    assert (books.delivered, books.corrupt, books.dropped) == (goods, 0, 0), books
    d.stop()
    assert sorted(peer.taken) == sorted(good(goods)), "each once"
    assert sorted(backups.data(t.path("backup"))) == sorted(bad(bads))


def test_one_batch_that_is_answered_400_goes_to_the_backup_and_the_others_are_delivered(t):
    check_goes_around(t, 400, bads=1, goods=15)


def test_422_does_as_400(t):
    check_goes_around(t, 422, bads=2, goods=10)


def test_more_bad_batches_than_places_hold_up_nobody(t):
    check_goes_around(t, 400, bads=10, goods=20)


def test_one_batch_that_a_firewall_forbids_goes_to_the_backup_once_others_get_through(t):
    check_goes_around(t, 403, bads=1, goods=15)


def test_more_forbidden_batches_than_places_hold_up_nobody(t):
    """Nothing gets through at first, so it looks like a wrong password; then one more is tried."""
    check_goes_around(t, 403, bads=4, goods=10)


def test_what_is_forbidden_for_all_is_given_up_by_nobody(t):
    broken = threading.Event()
    broken.set()
    peer, d = judging(t, lambda body: 403 if broken.is_set() else 200, duration="1s")
    d.start()
    put_one_by_one(d, good(10))
    wait_until("several attempts", lambda: peer.refused >= 7, 60 * t.slow)
    books = d.books("app")
    assert (books.delivered, books.backed_up, books.spooled) == (0, 0, 10), books
    assert d.wait_logged("403", level="error"), "somebody has to mend it"
    broken.clear()
    d.wait_delivered("app", 10)
    assert d.books("app").backed_up == 0
    d.stop()
    assert sorted(peer.taken) == sorted(good(10))


def test_a_password_that_changes_while_one_batch_is_stuck_gives_up_nothing_else(t):
    locked = threading.Event()
    peer, d = judging(t, lambda body: 401 if locked.is_set() else 400 if b"BAD" in body else 200, duration="2s")
    d.start()
    put_one_by_one(d, good(3))
    d.wait_delivered("app", 3)
    locked.set()
    put_one_by_one(d, [b"later %d" % i for i in range(6)])
    before = peer.refused
    wait_until("several attempts", lambda: peer.refused >= before + 5, 60 * t.slow)
    assert d.books("app").backed_up == 0, d.books("app")
    locked.clear()
    d.wait_delivered("app", 9)
    d.stop()


def test_a_stuck_batch_is_told_with_others_that_get_through(t):
    peer, d = judging(t, is_bad(403), duration="1h")
    d.start()
    put_one_by_one(d, mixed(1, 10))
    wait_until("the others are delivered", lambda: d.books("app").delivered == 10, 60 * t.slow)
    wait_until("it was tried again", lambda: peer.refused >= 2, 60 * t.slow)
    assert d.metrics().get("sluice_spooled_records", stream="app") == 1
    ready = wait_until("it is told", lambda: "delivery of 1 batch to" in (text := d.http("/readyz")[1]) and text, 30 * t.slow)
    assert "while others get through" in ready and "403" in ready, ready
    for i in range(5):
        Firehose(d.api_port).put("app", b"good later %d" % i)
        wait_until("one more is delivered", lambda: d.books("app").delivered == 11 + i, 60 * t.slow)
        status, text = d.http("/readyz")
        assert status == 503 and "delivery of 1 batch to" in text, text
    assert "Delivery of 1 batch fails while others get through" in d.http("/")[1]
    d.expect_exit = 1
    d.stop()
