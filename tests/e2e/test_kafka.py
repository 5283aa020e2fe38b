"""The input kafka against librdkafka's own brokers: each message is one record, whatever is killed, away or refused; what is safe is committed
to the group, and what the spool has read is not read again."""

import objects
from common import one_stream, to_file
from harness import wait_until
from kafka_peer import KafkaPeer


def kafka(peer, topics=("orders",), **more):
    return {"kafka": {"brokers": peer.brokers, "topics": list(topics), "group": "g", "session_timeout": "6s", **more}}


def daemon(t, peer, options=None, name="sluice", folder="out", **more):
    config = one_stream("app", to_file(t, folder), inputs=[kafka(peer, **(options or {}))], **{"interval": "0s", **more})
    # The least there is for records: what is read ahead is beside it.
    return t.daemon({**config, "shutdown": {"grace": "6s"}, "limits": {"memory": "16MiB"}}, name=name)


def got(t, folder="out"):
    return [line.decode() for line in objects.lines(objects.read_dir(t.path(folder)))]


def filled(t, partitions=3, count=200):
    peer, sent = KafkaPeer(t), []
    peer.ask("topic", "orders", partitions)
    for i in range(partitions):
        sent += peer.put("orders", i, count, f"p{i}")
    return peer, sent


def in_order(lines):
    for tag in {line.split("-")[0] for line in lines}:
        mine = [line for line in lines if line.startswith(tag + "-")]
        assert mine == sorted(mine), tag


# Numbers of Kafka's protocol.
OFFSET_COMMIT, UNKNOWN_SERVER_ERROR = 8, -1


def test_each_message_is_a_record_once(t):
    peer, sent = filled(t)
    peer.ask("null", "orders", 0)
    with open(t.path("show.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r, meta)\n"
                "  if not meta.key then return r end\n"
                "  return r .. ' ' .. meta.topic .. ' ' .. meta.partition .. ' ' .. meta.offset .. ' ' .. meta.key .. ' ' ..\n"
                "    meta['header.trace'] .. ' ' .. #meta.timestamp\nend\n")
    d = daemon(t, peer, interval="900s", transform={"lua": t.path("show.lua")}).start()
    wait_until("all to be in", lambda: d.books("app").incoming == len(sent), 60 * t.slow)
    peer.ask("down", 1)
    d.wait_logged("the connection to the source failed", 60 * t.slow)
    peer.ask("up", 1)
    d.wait_logged("the connection to the source works again", 60 * t.slow)
    # From now on the group learns nothing: the spool's positions count.
    peer.ask("fail", OFFSET_COMMIT, UNKNOWN_SERVER_ERROR, 1000)
    sent += peer.put("orders", 1, 50, "q1")
    peer.ask("text", "orders", 2, "k-1", "hello")
    wait_until("all to be in", lambda: d.books("app").incoming == len(sent) + 1, 60 * t.slow)
    d.wait_logged("messages without a value were left out", 60 * t.slow)
    d.stop()
    sent.append("hello orders 2 200 k-1 k-1 13")
    assert sorted(got(t)) == sorted(sent)
    sent += peer.put("orders", 1, 7, "r1")
    d.spawn("--once")
    assert d.wait_exit(60) == 0
    assert sorted(got(t)) == sorted(sent)
    in_order([line for line in got(t) if " " not in line])
