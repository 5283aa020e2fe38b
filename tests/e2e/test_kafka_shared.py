"""exactly_once: shared, against librdkafka's own brokers: several daemons of a group, each record in one object whoever is killed."""

import objects
from common import one_stream, to_file
from kafka_peer import KafkaPeer


def daemon(t, peer, name, options=None, destination=None, **more):
    source = {"kafka": {"brokers": peer.brokers, "topics": ["orders"], "group": "g", "session_timeout": "6s", "exactly_once": "shared",
                        **(options or {})}}
    config = one_stream("app", destination or to_file(t, "out"), inputs=[source], durability="memory", **{"interval": "0s", **more})
    return t.daemon({**config, "data_dir": t.path("data-" + name), "shutdown": {"grace": "10s"}, "limits": {"memory": "16MiB"}}, name=name)


def got(t):
    return [line.decode() for line in objects.lines(objects.read_dir(t.path("out")))]


def filled(t, partitions=3, count=200):
    peer, sent = KafkaPeer(t), []
    peer.ask("topic", "orders", partitions)
    for i in range(partitions):
        sent += peer.put("orders", i, count, f"p{i}")
    return peer, sent


def test_an_object_has_records_of_one_partition(t):
    peer, sent = filled(t)
    peer.ask("null", "orders", 0)
    d = daemon(t, peer, "one")
    d.spawn("--once")
    assert d.wait_exit(60) == 0
    assert sorted(got(t)) == sorted(sent)
    for body in objects.read_dir(t.path("out")).values():
        assert len({line[:2] for line in body.splitlines()}) == 1
