"""The input kinesis against a scripted stream: each record once and each key in order, whatever is split, merged, fails, expires or is killed."""

import json
import resource
import time

import objects
from common import one_stream, to_file
from harness import wait_until
from http_peer import Handler, HttpPeer
from kinesis_peer import Body, KinesisPeer, Reset, Say, aggregate

class Refusing(Handler):
    """Answers 503 until its peer `takes`; then keeps the numbers of the records."""

    def do_POST(self):
        peer, body = self.server.peer, self.read_body()
        takes = getattr(peer, "takes", False)
        if takes:
            peer.numbers.extend(int(line[:6]) for line in body.splitlines())
        self.send_response(200 if takes else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()


KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret", "region": "eu-west-1"}


def stream(t, **kw):
    k = KinesisPeer(**kw)
    t.on_end(k.stop)
    return k


def daemon(t, k, options=None, destination=None, **more):
    """One object of all: within it the order is that of the spool."""
    kinesis = {"stream": k.name, "endpoint": k.url(), "poll": "200ms", **KEYS, **(options or {})}
    config = one_stream("app", destination or to_file(t), inputs=[{"kinesis": kinesis}], **{"interval": "900s", **more})
    d = t.daemon({**config, "shutdown": {"grace": f"{round(4 * t.slow)}s"}})
    d.env = {"AWS_EC2_METADATA_DISABLED": "true", "no_proxy": "*"}
    return d


def put(k, first, count, keys=7):
    """Records `key number`. What was put."""
    for i in range(first, first + count):
        k.put(f"k{i % keys}", f"k{i % keys} {i:06d}".encode())
    return [f"k{i % keys} {i:06d}".encode() for i in range(first, first + count)]


def check(t, sent):
    got = objects.lines(objects.read_dir(t.path("out")))
    assert sorted(got) == sorted(sent), (len(got), len(sent), sorted(set(sent) - set(got))[:5])
    for key in {line.split(b" ")[0] for line in sent}:
        mine = [line for line in got if line.split(b" ")[0] == key]
        assert mine == sorted(mine), key


def read_once(t, k, sent, **kw):
    d = daemon(t, k, **kw)
    d.spawn("--once")
    d.wait_exit(60)
    check(t, sent)
    assert not k.refused, k.refused
    return d


def test_shards_are_read_through_splits_and_merges_in_order(t):
    k = stream(t, shards=2)
    sent = put(k, 0, 100)
    k.split(0)
    sent += put(k, 100, 100)
    k.merge(2, 3)
    k.split(1)
    sent += put(k, 200, 100)
    k.split(4)
    sent += put(k, 300, 100)
    read_once(t, k, sent, options={"limit": 40})
    assert k.seen("ListShards") > 3  # pages


def test_what_is_resharded_while_it_is_read_goes_on_in_its_children(t):
    k = stream(t, shards=1)
    k.put("k", b"before", arrived=time.time() - 3600)
    d = daemon(t, k, options={"start": "latest"}).start()
    wait_until("the shard to be read", lambda: k.seen("GetRecords") > 0, 30 * t.slow)
    sent = put(k, 100, 50)
    a, b = k.split(0)
    sent += put(k, 200, 50)
    k.merge(a, b)
    sent += put(k, 300, 50)
    taken = len(sent)
    wait_until("all to be taken", lambda: d.books("app").incoming >= taken, 60 * t.slow)
    d.kill9()
    sent += put(k, 400, 50)
    d.start()
    wait_until("all to be taken", lambda: d.books("app").incoming >= len(sent), 60 * t.slow)
    d.stop()
    check(t, sent)


def test_children_that_are_listed_late_are_read_soon(t):
    k = stream(t)
    sent = put(k, 0, 20)
    d = daemon(t, k).start()
    wait_until("all to be taken", lambda: d.books("app").incoming == len(sent), 60 * t.slow)
    k.unlisted, listed = {1, 2}, k.seen("ListShards")
    k.split(0)
    sent += put(k, 20, 20)
    wait_until("the listing without them", lambda: k.seen("ListShards") > listed, 60 * t.slow)
    k.unlisted = set()
    wait_until("all to be taken", lambda: d.books("app").incoming == len(sent), 30 * t.slow)
    d.stop()
    check(t, sent)


def test_kills_lose_and_double_nothing(t):
    k = stream(t, shards=3)
    sent, wanted = [], 0
    d = daemon(t, k, options={"limit": 7})
    for i in range(3):
        sent += put(k, i * 200, 200)
        if i < 2:
            k.split(i)
        d.start()
        wanted += 60
        wait_until("some progress", lambda: d.books("app").incoming >= wanted, 60 * t.slow)
        d.kill9()
    read_once(t, k, sent, options={"limit": 500})


def test_aggregates_are_taken_apart_and_begun_ones_go_on(t):
    k, sent = stream(t), []
    for i in range(30):
        pairs = [(f"k{n % 3}", f"k{n % 3} {i:03d}-{n:03d}".encode()) for n in range(200)]
        k.put_many(pairs)
        sent += [data for _, data in pairs]
    bad = bytearray(aggregate([("k", b"x")]))
    bad[-1] ^= 1
    k.put("k", bytes(bad))
    d = daemon(t, k, options={"limit": 1})
    for i in range(2):
        d.start()
        wait_until("some progress", lambda: d.books("app").incoming >= 900 * (i + 1), 60 * t.slow)
        d.kill9()
    d = daemon(t, k)
    d.spawn("--once")
    d.wait_exit(60)
    got = objects.joined(objects.read_dir(t.path("out")))
    assert bytes(bad) + b"\n" in got
    assert sorted(got.replace(bytes(bad) + b"\n", b"").splitlines()) == sorted(sent)


def test_a_call_that_fails_is_tried_again(t):
    no_more = Body(b'{"Records":[],"NextShardIterator":null,"MillisBehindLatest":0}')  # of an open shard
    faults = [Say(400, "ProvisionedThroughputExceededException"), Say(400, "ExpiredIteratorException"), Reset(), None,
              Say(400, "AccessDeniedException"), Body(b'{"Records":[{"Data":"x!","SequenceNumber":"1"}],"MillisBehindLatest":0}'), no_more]
    k = stream(t)
    sent = put(k, 0, 10)
    seen = []  # each fault is forgotten before the next one: else the pauses grow

    def fault(operation, request):
        if operation != "GetRecords" or len(seen) == len(faults):
            return None
        seen.append(operation)
        return faults[len(seen) - 1]

    k.on = fault
    d = daemon(t, k, options={"limit": 5}).start()
    wait_until("all to be taken", lambda: d.books("app").incoming >= len(sent), 120 * t.slow)
    d.stop()
    check(t, sent)
    assert len(seen) == len(faults)
    assert d.wait_logged("a shard was not read this time.*ProvisionedThroughputExceeded")
    assert d.wait_logged("a call to the source failed.*AccessDenied") and d.wait_logged("calls to the source work again")


def test_expired_iterators_are_nobodys_business(t):
    k, sent = stream(t, shards=2), []
    d = daemon(t, k).start()
    for i in range(3):
        sent += put(k, i * 20, 20)
        wait_until("all to be taken", lambda: d.books("app").incoming == len(sent), 60 * t.slow)
        k.expire()
    d.stop()
    check(t, sent)
    assert not d.logged("failed")


def test_a_stream_that_is_made_again_is_read_anew(t):
    k = stream(t, shards=2)
    sent = put(k, 0, 40)
    a, _ = k.split(0)
    sent += put(k, 40, 40)
    d = daemon(t, k).start()
    wait_until("all to be taken", lambda: d.books("app").incoming == len(sent), 60 * t.slow)
    k.exists = False
    d.wait_logged("ResourceNotFoundException.*deleted", 30)
    k.recreate(shards=3)
    more = put(k, 100, 40)
    wait_until("all of the new one", lambda: d.books("app").incoming == len(sent + more), 120 * t.slow)
    d.wait_logged("deleted and made again")
    d.kill9()
    more += put(k, 200, 40)
    read_once(t, k, sent + more)


def test_what_is_known_of_a_record_is_meta(t):
    k = stream(t)
    k.unordered_clock = True
    k.put("blue", b'{"a":1}')
    k.put(None, b'{"a":2}', shard=0)
    k.put_many([("red", b'{"a":3}'), ("green", b'{"a":4}')])
    with open(t.path("show.lua"), "w", encoding="ascii") as f:
        f.write("function transform(r, meta)\n"
                "  r.shard, r.key, r.sub = meta.shard, meta.partition_key, meta.subsequence_number\n"
                "  r.sequence, r.arrived = #meta.sequence_number, #meta.arrived\n"
                "  return r\nend\n")
    d = daemon(t, k, transform={"lua": t.path("show.lua")})
    d.spawn("--once")
    d.wait_exit(60)
    got = [json.loads(line) for line in objects.lines(objects.read_dir(t.path("out")))]
    common = {"shard": "shardId-000000000000", "sequence": 56, "arrived": 13}
    assert got == [{"a": 1, "key": "blue", **common}, {"a": 2, **common},
                   {"a": 3, "key": "red", "sub": "0", **common}, {"a": 4, "key": "green", "sub": "1", **common}], got


def test_any_bytes_pass(t):
    k = stream(t)
    big = bytes(range(256)) * 4096  # 1 MiB
    for data in (b"", b"\0", b"\xff\xfe", big, b"last"):
        k.put("k", data)
    k.put_many([("k", b""), ("k", b"\0\xff")])
    d = daemon(t, k, size="16MiB")
    d.spawn("--once")
    d.wait_exit(60)
    got = objects.joined(objects.read_dir(t.path("out")))
    assert got == b"\n" + b"\0\n" + b"\xff\xfe\n" + big + b"\nlast\n" + b"\n" + b"\0\xff\n"


def test_a_disk_that_refuses_for_a_while_loses_and_doubles_nothing(t):
    k = stream(t, shards=2)
    sent = put(k, 0, 50)
    d = daemon(t, k, options={"limit": 10}).start()
    wait_until("all to be taken", lambda: d.books("app").incoming == len(sent), 60 * t.slow)
    _, hard = resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (1, hard))
    k.split(0)
    sent += put(k, 50, 100)
    wait_until("a disk that refuses", lambda: d.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 60 * t.slow)
    resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    sent += put(k, 150, 50)
    wait_until("all to be taken", lambda: d.books("app").incoming == len(sent), 120 * t.slow)
    d.stop()
    check(t, sent)


def test_a_full_stream_is_read_on_when_there_is_room(t):
    k, store = stream(t, shards=70, page=100), HttpPeer(Refusing)  # more than a frame has places for
    t.on_end(store.stop)
    store.numbers = []
    sent = [b"%06d " % i + b"x" * 20000 for i in range(400)]
    for data in sent:
        k.put(f"k{data[:6]}", data)
    d = daemon(t, k, destination={"http": {"url": store.url() + "/", "format": "lines"}}, interval="1s", spool={"limit": "4MiB"},
               retry={"duration": "24h"}).start()
    wait_until("a full spool", lambda: d.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 60 * t.slow)
    wait_until("the age of what waits", lambda: d.metrics().get("sluice_input_oldest_age_seconds", stream="app", input="kinesis") > 1, 60 * t.slow)
    store.takes = True
    d.wait_delivered("app", len(sent), 120)
    d.stop()
    assert sorted(store.numbers) == list(range(len(sent)))


def test_an_aggregate_that_was_begun_is_taken_apart_to_its_end(t):
    k, store = stream(t), HttpPeer(Refusing)
    t.on_end(store.stop)
    store.numbers = []
    k.put_many([("k", b"%06d " % i + b"x" * 20000) for i in range(400)])
    to = {"destination": {"http": {"url": store.url() + "/", "format": "lines"}}, "interval": "1s", "retry": {"duration": "24h"}}
    d = daemon(t, k, **to, spool={"limit": "4MiB"}).start()
    wait_until("a full spool", lambda: d.metrics().get("sluice_stream_health", stream="app", health="blocked") == 1, 60 * t.slow)
    d.kill9()
    store.takes = True
    k.put("k", b"000400 whole")
    d = daemon(t, k, options={"deaggregate": False}, **to)
    d.spawn("--once")
    d.wait_exit(60)
    assert sorted(store.numbers) == list(range(401)), len(store.numbers)


def test_a_listing_without_an_end_is_given_up_and_reading_goes_on(t):
    k = stream(t)
    sent = put(k, 0, 10)
    d = daemon(t, k).start()
    wait_until("all to be taken", lambda: d.books("app").incoming == len(sent), 60 * t.slow)
    many = Body(json.dumps({"Shards": [{"ShardId": f"s{i}"} for i in range(50001)]}).encode())
    k.on = lambda operation, request: many if operation == "ListShards" else None
    k.split(0)
    d.wait_logged("ListShards.*the list of shards has more than", 30)
    k.on = None
    sent += put(k, 10, 10)
    wait_until("all to be taken", lambda: d.books("app").incoming == len(sent), 60 * t.slow)
    d.stop()
    check(t, sent)


def test_errors_say_what_to_do(t):
    for error, hint in ((Say(400, "ResourceNotFoundException"), "there is no such stream"),
                        (Say(400, "AccessDeniedException"), "kinesis:GetRecords"),
                        (Say(400, "KMSAccessDeniedException"), "kms:Decrypt")):
        k = stream(t)
        k.on = lambda operation, request, error=error: error
        d = daemon(t, k).start()
        d.wait_logged(f"a call to the source failed.*{error.code}.*{hint}")
        d.stop()
