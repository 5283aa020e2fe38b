"""Names that come to stand for another address, and connections that are used again."""

import os
import threading
import time

from common import numbered_lines, one_stream, stream
from firehose import Firehose
from harness import free_port, wait_until
from http_peer import Handler, HttpPeer


class Keeping(Handler):
    """Takes lines and keeps the connection."""

    def setup(self):
        super().setup()
        with self.server.peer.lock:
            self.server.peer.connections += 1

    def do_POST(self):
        body = self.read_body()
        if body is None:
            return
        with self.server.peer.lock:
            self.server.peer.lines += body.split(b"\n")[:-1]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Peer(HttpPeer):
    def __init__(self, t, port, address="127.0.0.1"):
        self.lock, self.lines, self.connections = threading.Lock(), [], 0
        super().__init__(Keeping, address=address, port=port)
        t.on_end(self.stop)


def with_names(t, d):
    """Lets the daemon resolve *.test; returns how to move those names."""
    shim = os.path.join(t.build, "tests", "e2e", "test_resolver.so")
    if t.sanitized:
        t.skip("a sanitizer's runtime has to be loaded first")
    d.env = {"LD_PRELOAD": shim, "TEST_RESOLVER_FILE": t.path("address")}

    def move(address):
        with open(t.path("address.new"), "w", encoding="ascii") as f:
            f.write(address + "\n")
        os.rename(t.path("address.new"), t.path("address"))
    return move


def start_with_name(t, port):
    """A daemon that delivers each record at once to store.test, and how to move that name."""
    d = t.daemon(one_stream("app", {"http": {"url": f"http://store.test:{port}/in", "format": "lines"}}, interval="0s"))
    return d, with_names(t, d)


def test_connections_are_used_again(t):
    peer = Peer(t, free_port())
    d = t.daemon(one_stream("app", {"http": {"url": peer.url() + "/in", "format": "lines"}}, interval="0s")).start()
    client = Firehose(d.api_port)
    records = numbered_lines(t.random, 200)
    for record in records:
        client.put("app", record)
    d.wait_delivered("app", len(records))
    d.stop()
    assert sorted(peer.lines) == sorted(records)
    assert peer.connections <= 8, f"{peer.connections} connections for {len(records)} requests"


def test_a_name_is_asked_again_when_its_address_fails(t):
    port = free_port()
    d, move = start_with_name(t, port)
    old = Peer(t, port)
    move("127.0.0.1")
    client = Firehose(d.start().api_port)
    client.put("app", b"to the old one")
    d.wait_delivered("app", 1)
    new = Peer(t, port, "127.0.0.2")
    old.stop()
    move("127.0.0.2")
    client.put("app", b"to the new one")
    d.wait_delivered("app", 2)
    d.stop()
    assert (old.lines, new.lines) == ([b"to the old one"], [b"to the new one"])


def test_a_name_that_moves_is_followed_though_the_old_address_answers(t):
    """A kept connection would stay with it for ever."""
    port = free_port()
    d, move = start_with_name(t, port)
    old, new = Peer(t, port), Peer(t, port, "127.0.0.2")
    move("127.0.0.1")
    client = Firehose(d.start().api_port)
    client.put("app", b"first")
    d.wait_delivered("app", 1)
    move("127.0.0.2")

    def arrives_there():
        client.put("app", b"later")
        time.sleep(0.5)
        return new.lines
    wait_until("a record at the new address", arrives_there, 60)
    d.stop()
    assert old.lines[0] == b"first"


def threads(d, name):
    found = 0
    for task in os.listdir(f"/proc/{d.process.pid}/task"):
        try:
            with open(f"/proc/{d.process.pid}/task/{task}/comm", encoding="ascii") as f:
                found += f.read().strip() == name
        except FileNotFoundError:
            pass
    return found


def test_a_resolver_that_swallows_questions_holds_up_no_other_stream(t):
    port, dead = free_port(), 8
    peer = Peer(t, port)
    to = {"named": f"store.test:{port}", "numbered": f"127.0.0.1:{port}"}
    to.update({f"dead{i}": f"n{i % 4}.dead.test:{port}" for i in range(dead)})
    d = t.daemon({"shutdown": {"grace": "1s"}, "streams": {
        name: stream({"http": {"url": f"http://{host}/in", "format": "lines"}}, interval="0s") for name, host in to.items()}})
    with_names(t, d)("127.0.0.1")
    client = Firehose(d.start().api_port)
    for n in range(20):
        for i in range(dead):
            client.put(f"dead{i}", b"nobody gets this %d" % n)
    for i in range(dead):
        d.wait_logged(rf"delivery failed.*stream=dead{i} .*does not resolve.*resolver does not answer", 40)
    for n in range(20):
        client.put("named", b"named %d" % n)
        client.put("numbered", b"numbered %d" % n)
    d.wait_delivered("named", 20)
    d.wait_delivered("numbered", 20)
    assert threads(d, "resolver") == 4, "one for each name that hangs"
    d.expect_exit = 1
    d.stop()
    assert not d.logged("does not end in order")
    assert len(peer.lines) == 40


test_a_name_that_moves_is_followed_though_the_old_address_answers.timeout = 180
