"""The input forward, as Fluentd, Fluent Bit and Docker send to it: events by tag, acknowledged when they are safe, stored once."""

import json
import os
import socket
import ssl
import threading

import objects
from common import MIB, stream, to_file
from forward_peer import Closed, Sender, event_time, message, pack
from harness import free_port, wait_until
from reloading import reload
from test_tls import make_certificates


def forward(port, **more):
    return {"forward": {"listen": f"127.0.0.1:{port}", **more}}


def got(t, folder="out"):
    return [json.loads(line) for line in objects.lines(objects.read_dir(t.path(folder)))]


def is_closed(sender):
    try:
        sender.receive()
    except Closed:
        return True
    return False


def test_all_modes_by_tag_with_and_without_a_key_and_what_is_not_taken(t):
    port, safe_port, lone_port = free_port(), free_port(), free_port()
    ca, server = make_certificates(t)
    key = {"listen": [f"tls://127.0.0.1:{safe_port}"], "tls": {"cert_file": server[0], "key_file": server[1]},
           "shared_key": "a secret", "users": ["ann:pass:word"]}
    listen = [f"127.0.0.1:{port}", f"udp://127.0.0.1:{port}", "unix://" + t.path("s")]
    config = {"streams": {
        "apps": stream(to_file(t), inputs=[forward(port, tags=["app.**", "kube.*"])], interval="0s"),
        "rest": stream(to_file(t, "rest"), inputs=[forward(port, listen=listen, time_field="", tag_field="from")], interval="0s"),
        "lone": stream(to_file(t, "lone"), inputs=[forward(lone_port, tags=["app"])]),
        "safe": stream(to_file(t, "safe"), inputs=[{"forward": key}], interval="0s")}}
    d = t.daemon(config).start()
    s = Sender(port)
    at = event_time(1700000000, 5)
    for i, mode in enumerate(("message", "forward", "packed", "gzip")):
        s.send(message(f"app.{mode}", [(at, {"n": i, "b": b"\xff", "t": b"text", "x": None})], mode, chunk=f"c{i}"))
    s.send(pack(None) + message("", [], "forward"))  # signs of life
    s.send(message("other", [(0, {"n": 4}), (1700000001, {"time": "mine", "from": "me"})], chunk=7))
    s.send(message("other", [(at, {"n": 6})], chunk="c6", size=1, unknown={"a": [1]}))
    assert [s.receive() for _ in range(5)] == [{"ack": f"c{i}"} for i in (0, 1, 2, 3, 6)]
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.settimeout(60)
    u.sendto(b"\0", ("127.0.0.1", port))
    assert u.recv(10) == b"\0"
    u.close()

    for wrong in (b"\xc1", b"GET / HTTP/1.0\r\n\r\n", pack({}), pack(["t", b"", {"compressed": "lz4"}]), pack(["t", b"", {"fluent_signal": 2}]),
                  message("app.x", [(at, {})], chunk="c" * 300), pack(["other", b"\x92\x05\x81", {"chunk": "cut"}]), b"\x91" * 200 + b"\x01",
                  pack(["other", b"\x1f\x8b\x08 no gzip", {"compressed": "gzip", "chunk": "z"}])):
        w = Sender(port)
        w.send(wrong)
        assert is_closed(w), wrong[:20]
        w.close()
    assert d.wait_logged("a connection is closed") and not d.logged("Bearer")

    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    for user, password, shown, good in (("ann", "pass:word", "a secret", True), ("ann", "wrong", "a secret", False), ("ann", "pass:word", "wrong", False)):
        w = Sender(safe_port, tls=context)
        assert w.shake_hands(shown, user, password)[0] == good
        if good:
            w.send(message("s", [(at, {"n": 9})], chunk="safe"))
            assert w.receive() == {"ack": "safe"}
        else:
            assert is_closed(w)
        w.close()
    w = Sender(lone_port)
    w.send(message("other", [(1, {})], chunk="c"))
    assert is_closed(w)
    d.wait_logged("takes the tag other")
    w = Sender(safe_port, tls=context)  # one that shows nothing
    assert w.receive()[0] == "HELO"
    w.send(message("s", [(at, {"n": 10})], chunk="safe"))
    assert w.receive()[:2] == ["PONG", False] and is_closed(w)
    config["streams"]["apps"]["inputs"] = [forward(port, tags=["app.**", "new.tag"])]
    reload(d, config)
    s.send(message("new.tag", [(at, {"n": 4, "b": b"\xff", "t": b"text", "x": None})], chunk="n"))  # the connection is still there
    assert s.receive() == {"ack": "n"}
    d.wait_delivered("apps", 5)
    d.wait_delivered("rest", 3)
    d.wait_delivered("safe", 1)
    d.stop()
    at = "2023-11-14T22:13:20.000000005Z"
    assert sorted(got(t), key=lambda r: r["n"]) == [{"n": i, "b": "/w==", "t": "text", "x": None, "time": at, "tag": f"app.{mode}"}
                                                    for i, mode in enumerate(("message", "forward", "packed", "gzip"))] + [
        {"n": 4, "b": "/w==", "t": "text", "x": None, "time": at, "tag": "new.tag"}]
    # Two chunks may be one object or two of one second, whose names are in no order.
    assert sorted(got(t, "rest"), key=lambda r: r.get("n", 5)) == [{"n": 4, "from": "other"}, {"time": "mine", "from": "me"},
                                                                   {"n": 6, "from": "other"}]
    assert got(t, "safe") == [{"n": 9, "time": at, "tag": "s"}]


def chunks_of(first, count, events):
    """(id, message), with numbered events."""
    return [(f"chunk-{i}", message("app", [(1700000000 + i, {"n": i * events + k, "pad": "x" * 100}) for k in range(events)],
                                   ("gzip", "packed", "forward")[i % 3], chunk=f"chunk-{i}")) for i in range(first, first + count)]


def test_each_chunk_is_stored_once_whatever_is_killed_or_full(t):
    """Chunks of several pieces. One sender has sent all and hears of nothing when the daemon is killed; then all come again, those
    that were acknowledged as well. Then there is no room for some time."""
    if t.tight:
        t.skip("with small limits a chunk has more pieces than are remembered")
    port, events = free_port(), 1500
    with open(t.path("out"), "w"):  # the folder it delivers into cannot be made
        pass
    d = t.daemon({"streams": {"app": stream(to_file(t), inputs=[forward(port)], interval="0s", spool={"limit": 4 * MIB})}}).start()
    all_of_them = chunks_of(0, 9, events)
    acknowledged = set()
    for _ in range(3):
        s = Sender(port)
        for _, raw in all_of_them:
            s.send(raw)
        acknowledged.add(s.receive()["ack"])
        d.kill9()
        s.close()
        d.start()
    s = Sender(port)
    for name, raw in all_of_them:
        s.send(raw)
        assert s.receive() == {"ack": name}
    assert len(acknowledged) >= 1 and d.metrics().get("sluice_input_duplicates_total", stream="app") > 0
    assert d.metrics().get("sluice_incoming_records_total", stream="app") == 9 * events

    more = chunks_of(9, 60, events)
    s.s.settimeout(0.5 * t.slow)
    sent = 0
    try:
        for name, raw in more:
            s.send(raw)
            assert s.receive() == {"ack": name}
            sent += 1
    except TimeoutError:
        pass
    assert 0 < sent < 60
    wait_until("the stream to be blocked", lambda: "blocked" in d.http("/readyz")[1], 60 * t.slow)
    s.close()
    s = Sender(port, timeout=120 * t.slow)  # it sends again what it heard nothing of
    os.unlink(t.path("out"))
    for name, raw in more[sent:sent + 12]:
        s.send(raw)
        assert s.receive() == {"ack": name}
    # Many that are small, without looking at the answers: more than may wait for the disk, and more answers than may wait to be read.
    many = [f"{i:0250d}" for i in range(2000)]
    raw = b"".join(message("app", [(1, {"n": (9 + sent + 12) * events + i})], "message", chunk=chunk) for i, chunk in enumerate(many))
    thread = threading.Thread(target=s.send, args=[raw])
    thread.start()
    assert [s.receive()["ack"] for _ in many] == many
    thread.join()
    total = (9 + sent + 12) * events + len(many)
    d.wait_delivered("app", total, timeout=120)
    d.assert_books("app")
    d.stop()
    assert sorted(r["n"] for r in got(t)) == list(range(total))
