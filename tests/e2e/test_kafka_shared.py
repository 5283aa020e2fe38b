"""exactly_once: shared, against librdkafka's own brokers: several daemons of a group, each record in one object whoever is killed."""

import threading

import objects
from common import one_stream, to_file
from harness import free_port, wait_until
from http_peer import Handler, HttpPeer
from kafka_peer import KafkaPeer


def daemon(t, peer, name, options=None, destination=None, grace="10s", **more):
    source = {"kafka": {"brokers": peer.brokers, "topics": ["orders"], "group": "g", "session_timeout": "6s", "exactly_once": "shared",
                        **(options or {})}}
    config = one_stream("app", destination or to_file(t, "out"), inputs=[source], durability="memory", **{"interval": "0s", **more})
    return t.daemon({**config, "data_dir": t.path("data-" + name), "shutdown": {"grace": grace}, "limits": {"memory": "16MiB"}}, name=name)


def got(t):
    return [line.decode() for line in objects.lines(objects.read_dir(t.path("out")))]


def filled(t, partitions=3, count=200):
    peer, sent = KafkaPeer(t), []
    peer.ask("topic", "orders", partitions)
    for i in range(partitions):
        sent += peer.put("orders", i, count, f"p{i}")
    return peer, sent


# Numbers of Kafka's protocol.
OFFSET_COMMIT, UNKNOWN_SERVER_ERROR = 8, -1


def test_an_object_has_records_of_one_partition(t):
    """And whoever does not know whether its seals are in the group asks it: by joining it once more."""
    peer, sent = filled(t)
    peer.ask("null", "orders", 0)
    peer.ask("fail", OFFSET_COMMIT, UNKNOWN_SERVER_ERROR, 1)
    d = daemon(t, peer, "one")
    d.spawn("--once")
    assert d.wait_exit(60 * t.slow) == 0
    assert len(d.wait_logged("whether the group has taken what was committed is not known")) == 1
    assert sorted(got(t)) == sorted(sent)
    for body in objects.read_dir(t.path("out")).values():
        assert len({line[:2] for line in body.splitlines()}) == 1


def test_a_sealed_batch_that_is_larger_than_the_spool_is_delivered_in_parts(t):
    """Another daemon sealed it, with a larger spool.limit."""
    peer, sent = KafkaPeer(t), []
    peer.ask("topic", "orders", 1)
    sent = peer.put("orders", 0, 32000, "p0" + "x" * 110)
    dead = {"s3": {"bucket": "b", "endpoint": f"http://127.0.0.1:{free_port()}", "access_key_id": "a", "secret_access_key": "b"}}
    one = daemon(t, peer, "one", destination=dead, grace="3s", interval="1s", size="5MiB", spool={"limit": "64MiB"}).start()
    wait_until("it is sealed, and tried", lambda: one.metrics().get("sluice_delivery_failures_total", stream="app"), 60 * t.slow)
    one.stop()  # it leaves the group, and the seal there
    two = daemon(t, peer, "two", size="1MiB", spool={"limit": "4MiB"}).start()
    two.wait_delivered("app", 32000)
    two.wait_logged("a batch that an earlier owner sealed cannot be made as it was", timeout=60 * t.slow)
    two.stop()
    assert sorted(got(t)) == sorted(sent)


class SilentHandler(Handler):
    def do_POST(self):
        self.read_body()
        self.server.peer.asked.set()
        self.connection.recv(1)  # until the daemon is gone
        self.close_connection = True


def test_it_stops_while_a_token_is_asked_for(t):
    tokens = HttpPeer(SilentHandler)
    t.on_end(tokens.stop)
    tokens.asked = threading.Event()
    oauth = {"token_url": tokens.url() + "/token", "client_id": "lake", "client_secret": "verysecret"}
    peer = KafkaPeer(t)
    d = daemon(t, peer, "one", {"sasl": {"mechanism": "oauthbearer", "oauth": oauth}}).start()
    assert tokens.asked.wait(60 * t.slow), "no token is asked for"
    d.stop()
