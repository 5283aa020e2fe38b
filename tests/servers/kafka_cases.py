"""What a real Kafka does and a scripted one does not: topics that are deleted and made again, records that retention took, transactions, large
messages, and a group of several daemons that are killed."""

import json
import random
import subprocess
import time

import objects
from broker_kafka import Kafka
from brokers import all_wanted
from common import stream
from harness import wait_until
from reloading import reload
from s3_peer import Fail, S3Peer

MIB = 1 << 20

# Does what its standard input asks for, a JSON list a line.
CLIENT = """\
import json, sys, time
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
BROKERS = sys.argv[1]
admin = AdminClient({"bootstrap.servers": BROKERS})
def make(topic, partitions, config):
    admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(30)
def delete(topic):
    admin.delete_topics([topic])[topic].result(30)
    while topic in admin.list_topics(timeout=30).topics: time.sleep(0.1)
def cut(topic, before):
    for f in admin.delete_records([TopicPartition(topic, 0, before)]).values(): f.result(30)
def put(topic, tag, first, end, partitions):
    p = Producer({"bootstrap.servers": BROKERS, "enable.idempotence": True})
    for i in range(first, end):
        p.produce(topic, f"{tag}-{i:06d}", partition=i % partitions)
        p.poll(0)
    assert p.flush(60) == 0
def large(topic, sizes):
    p = Producer({"bootstrap.servers": BROKERS, "message.max.bytes": 20000000})
    for n in sizes:
        p.produce(topic, b"x" * n, partition=0)
        assert p.flush(60) == 0
def transactions(topic, count):
    p = Producer({"bootstrap.servers": BROKERS, "transactional.id": "t"})
    p.init_transactions(60)
    for k in range(count):
        p.begin_transaction()
        for i in range(10): p.produce(topic, f"{'no' if k % 2 else 'yes'}-{k}-{i}", partition=0)
        p.flush(60)
        (p.abort_transaction if k % 2 else p.commit_transaction)(60)
for line in sys.stdin:
    name, *args = json.loads(line)
    globals()[name](*args)
    print("ok", flush=True)
"""


class Server(Kafka):
    shared = False  # exactly_once: shared

    def make(self):
        self.client_process = subprocess.Popen([self.python, "-c", CLIENT, self.env["KAFKA"]], stdin=subprocess.PIPE,
                                               stdout=subprocess.PIPE, text=True)
        self.t.on_end(self._end_client)

    def _end_client(self):
        self.client_process.kill()
        self.client_process.wait()
        self.client_process.stdin.close()
        self.client_process.stdout.close()

    def ask(self, *words):
        self.client_process.stdin.write(json.dumps(words) + "\n")
        self.client_process.stdin.flush()
        assert self.client_process.stdout.readline() == "ok\n", words

    def streams(self, topic, destination, more=None, **settings):
        once = {"exactly_once": "shared"} if self.shared else {}
        source = {"kafka": {"brokers": [self.env["KAFKA"]], "topics": [topic], "group": f"of {topic}", "session_timeout": "6s",
                            **once, **(more or {})}}
        if self.shared:
            settings["durability"] = "memory"
        return {"app": stream(destination, [source], **{"interval": "0s", **settings})}

    def daemon(self, topic, name="sluice", destination=None):
        t = self.t
        destination = destination or {"file": {"path": t.path(f"out-{name}")}}
        config = {"data_dir": t.path(f"data-{name}"), "shutdown": {"grace": "10s"}, "streams": self.streams(topic, destination)}
        return t.daemon(config, name=name)

    def once(self, topic, name):
        d = self.daemon(topic, name)
        d.spawn("--once")
        return d

    def got(self, name):
        return [line.decode() for line in objects.lines(objects.read_dir(self.t.path(f"out-{name}")))]


def lines(tag, count):
    return [f"{tag}-{i:06d}" for i in range(count)]


class SharedServer(Server):
    shared = True


def topics_that_change(t, server=Server):
    s = server(t)
    sent = lines("old", 100)
    s.ask("make", "a", 1, {})
    s.ask("put", "a", "old", 0, 100, 1)
    s.once("a", "a").wait_exit(60)
    for tag, count in (("longer", 150), ("shorter", 20)):
        s.ask("delete", "a")
        s.ask("make", "a", 1, {})
        s.ask("put", "a", tag, 0, count, 1)
        sent += lines(tag, count)
        s.once("a", "a").wait_exit(60)
        assert sorted(s.got("a")) == sorted(sent)
    d = s.daemon("a", "a").start()
    d.wait_logged("partitions are read", 60)
    s.ask("delete", "a")
    d.wait_logged("the brokers refuse something", 60)
    s.ask("make", "a", 1, {})
    s.ask("put", "a", "live", 0, 200, 1)
    sent += lines("live", 200)
    wait_until("all to be there", lambda: len(s.got("a")) >= len(sent), 60)
    d.stop()
    assert sorted(s.got("a")) == sorted(sent)


def records_that_are_gone_aborted_or_large(t, server=Server):
    s = server(t)
    s.ask("make", "r", 1, {})
    s.ask("put", "r", "r", 0, 100, 1)
    s.once("r", "r").wait_exit(60)
    s.ask("put", "r", "r", 100, 200, 1)
    s.ask("cut", "r", 150)
    d = s.once("r", "r")
    d.expect_exit = 1  # not everything could be read
    d.wait_exit(60)
    assert d.wait_logged("records were deleted from a topic before they were read.* offsets_missed=50 ", level="error")
    assert sorted(s.got("r")) == sorted(set(lines("r", 200)) - set(lines("r", 150)[100:]))

    s.ask("make", "x", 1, {})
    s.ask("transactions", "x", 6)
    for _ in range(2):  # the marks of transactions behind the last record are no records
        s.once("x", "x").wait_exit(60)
    assert sorted(s.got("x")) == sorted(f"yes-{k}-{i}" for k in (0, 2, 4) for i in range(10))

    s.ask("make", "l", 1, {"max.message.bytes": "20000000"})
    s.ask("large", "l", [1, 10 * MIB, 10 * MIB + 1, 2, 10 * MIB, 0, 3])
    d = s.once("l", "l")
    d.expect_exit = 1
    d.wait_exit(60)
    assert sorted(map(len, s.got("l"))) == [0, 1, 2, 3, 10 * MIB, 10 * MIB]


def once_beside_a_daemon(t):
    """Who is given partitions reads these to their end. Who is given none waits for a session's time, and says so."""
    s = Server(t)
    s.ask("make", "o", 1, {})
    s.ask("put", "o", "o", 0, 100, 1)
    first = s.daemon("o", "first").start()
    wait_until("all to be there", lambda: len(s.got("first")) == 100, 60)
    d = s.once("o", "second")
    d.expect_exit = 1
    d.wait_exit(60)
    assert d.wait_logged("the group gives this member no partition: nothing was read", level="warn")
    first.stop()
    s.ask("put", "o", "o", 100, 150, 1)
    d.expect_exit = 0
    d.spawn("--once")
    d.wait_exit(60)
    assert len(s.got("second")) == 50

    s.ask("make", "p", 2, {})
    first = s.daemon("p", "third").start()
    first.wait_logged("partitions are read", 60)
    s.once("p", "fourth").wait_exit(60)
    first.stop()


def three_daemons(t, seconds=8, rate=500):
    """Who is killed loses what it had not committed: that comes twice. Nothing is lost, and an orderly end doubles nothing."""
    s, dice, count = Server(t), random.Random(t.seed), 0
    s.ask("make", "g", 6, {})
    names = ["one", "two", "three"]
    daemons = {n: s.daemon("g", n).start() for n in names}
    for turn in range(seconds):
        s.ask("put", "g", "g", count, count + rate, 6)
        count += rate
        victim = daemons[dice.choice(names)]
        if turn % 3 == 1:
            victim.kill9()
            victim.start()
        elif turn % 3 == 2:
            victim.stop()
            victim.start()
        time.sleep(dice.uniform(0, 0.5))
    wanted = set(lines("g", count))
    wait_until("all to be there", lambda: wanted <= {line for n in names for line in s.got(n)}, 120)
    for d in daemons.values():
        d.stop()
    found = [line for n in names for line in s.got(n)]
    print(f"# kafka: {count} messages, {len(found) - len(set(found))} doubled by kills")
    assert set(found) == wanted


# --- exactly_once: shared ------------------------------------------------------------------------------------------------


def shared_topics_that_change(t):
    topics_that_change(t, SharedServer)


def shared_records_that_are_gone_aborted_or_large(t):
    records_that_are_gone_aborted_or_large(t, SharedServer)


def sealed(s, topic, name, count):
    """A daemon that has sealed what is in the topic, and could not deliver it, is killed. Returns the store."""
    peer = S3Peer()
    s.t.on_end(peer.stop)
    s.ask("make", topic, 1, {})
    s.ask("put", topic, topic, 0, count, 1)
    peer.always = Fail(503, "SlowDown")
    d = s.daemon(topic, name, peer.destination()).start()
    d.wait_logged("SlowDown", 60)
    d.kill9()
    peer.always = None
    return peer, d


def stored(peer):
    return sorted(line.decode() for line in objects.lines(peer.snapshot()))


def sealed_batches_of_which_records_are_gone(t):
    """What is left of them is delivered, and it is said; what came later is there once. With a topic its offsets and seals are deleted, too."""
    s = SharedServer(t)
    peer, d = sealed(s, "c", "c", 100)
    s.ask("cut", "c", 40)
    s.ask("put", "c", "c", 100, 150, 1)
    d.start()
    wait_until("all to be there", lambda: len(stored(peer)) >= 110, 60)
    d.stop()
    assert d.wait_logged("records were deleted from a topic before they were read.* offsets_missed=40 ", level="error")
    assert stored(peer) == lines("c", 150)[40:]

    peer, d = sealed(s, "k", "k", 100)
    s.ask("delete", "k")
    s.ask("make", "k", 1, {})
    s.ask("put", "k", "new", 0, 50, 1)
    d.start()
    wait_until("all to be there", lambda: len(stored(peer)) >= 50, 60)
    d.stop()
    assert stored(peer) == lines("new", 50)


def a_stream_that_is_configured_anew(t):
    """Each record once, while one of two daemons changes its input, its buffer and its destination's layout, loses the stream and has it
    again."""
    s = SharedServer(t)
    s.ask("make", "v", 6, {})
    out, count = {"file": {"path": t.path("out-v"), "prefix": "v/"}}, 0
    beside = {"other": stream({"file": {"path": t.path("other")}}, ["api"])}

    def config(name, **settings):
        return {"data_dir": t.path(f"data-{name}"), "shutdown": {"grace": "10s"},
                "streams": {**s.streams("v", out, **settings), **beside}}

    one, two = (t.daemon(config(name), name=name).start() for name in ("one", "two"))
    changes = [{"interval": "1s"}, {"more": {"tombstones": "empty"}}, {"compression": "gzip"}, None, {}, {"more": {"prefetch": "1MiB"}}, {}]
    for change in changes:
        s.ask("put", "v", "v", count, count + 2000, 6)
        count += 2000
        new = config("one", **(change or {}))
        if change is None:
            del new["streams"]["app"]
        reload(one, new)
        if change is None:  # the other one takes all of it
            wait_until("all to be there", lambda: set(s.got("v")) == set(lines("v", count)), 60)
    wait_until("all to be there", lambda: set(s.got("v")) == set(lines("v", count)), 60)
    one.stop()
    two.stop()
    assert sorted(s.got("v")) == lines("v", count)


def scenarios():
    # Three minutes, of which little is ours: partitions move when members' sessions have ended.
    if not all_wanted():
        return []
    return [(f"kafka:{f.__name__}", f) for f in (
        topics_that_change, records_that_are_gone_aborted_or_large, once_beside_a_daemon, three_daemons,
        shared_topics_that_change, shared_records_that_are_gone_aborted_or_large, sealed_batches_of_which_records_are_gone,
        a_stream_that_is_configured_anew)]
