"""Several daemons read one stream of Kinesis: each shard has one reader at a time, and another one when that is gone."""

import os

import objects
from common import one_stream, to_file
from dynamodb_peer import DynamodbPeer
from harness import wait_until
from kinesis_peer import Say
from lease_object_peer import NAME, LeaseObjectPeer, Lose
from objects_peer import Say as SayS3
from test_kinesis import KEYS, put, stream


def table(t, **kw):
    d = DynamodbPeer(**kw)
    t.on_end(d.stop)
    return d


def one_object(t, **kw):
    s = LeaseObjectPeer(**kw)
    t.on_end(s.stop)
    return s


def daemon(t, k, leases, name, failover="2s", interval="900s", **more):
    """`leases`: a scripted store, or what stands in the option."""
    options = leases if isinstance(leases, dict) else leases.options(**more)
    kinesis = {"stream": k.name, "endpoint": k.url(), "poll": "200ms", "limit": 20, **KEYS,
               "leases": {**options, "failover": failover, "worker": name}}
    config = one_stream("app", to_file(t, os.path.join("out", name)), inputs=[{"kinesis": kinesis}], interval=interval)
    d = t.daemon({**config, "shutdown": {"grace": f"{round(8 * t.slow)}s"}}, name)
    d.env = {"AWS_EC2_METADATA_DISABLED": "true", "no_proxy": "*"}
    return d


def metric(d, what):
    return d.metrics().get(f"sluice_input_{what}", stream="app", input="kinesis")


def lines(t, *names):
    return [line for name in names for line in objects.lines(objects.read_dir(t.path("out", name)))]


def test_two_share_a_stream_and_hand_over_without_a_record_twice(t):
    k, leases = stream(t, shards=3), table(t)
    a, b = (daemon(t, k, leases, name, failover=f"{round(1.5 * t.slow)}s", interval="1s") for name in ("a", "b"))
    sent = put(k, 0, 200)
    a.start()
    wait_until("all to be a's", lambda: set(leases.owners().values()) == {"a"}, 60 * t.slow)
    b.start()
    sent += put(k, 200, 200)
    wait_until("some to be b's", lambda: set(leases.owners().values()) == {"a", "b"}, 60 * t.slow)
    k.split(0)
    sent += put(k, 400, 200)
    wait_until("the children to be read", lambda: len(leases.owners()) == 4, 60 * t.slow)
    wait_until("all to be taken", lambda: a.books("app").incoming + b.books("app").incoming >= len(sent), 60 * t.slow)
    lost = metric(a, "leases_lost_total")
    a.stop()
    sent += put(k, 600, 200)
    wait_until("all to be b's", lambda: set(leases.owners().values()) == {"b"}, 60 * t.slow)
    wait_until("all to be delivered", lambda: set(lines(t, "a", "b")) == set(sent), 60 * t.slow)
    lost += metric(b, "leases_lost_total")
    b.stop()
    got = lines(t, "a", "b")
    assert set(got) == set(sent)
    # On a machine that stands still for longer than the fail-over time they may come twice.
    assert len(got) == len(sent) or lost > 0 or leases.seized, (len(got), len(sent))
    assert not leases.refused and not k.refused, (leases.refused, k.refused)
    assert leases.owners() and not any(leases.owners().values())


def test_the_shards_of_one_that_died_are_read_by_another(t):
    k, leases = stream(t, shards=2), table(t)
    a, b = (daemon(t, k, leases, name, failover=f"{round(t.slow)}s", interval="1s") for name in ("a", "b"))
    sent = put(k, 0, 100)
    a.start()
    wait_until("all to be taken", lambda: a.books("app").incoming == len(sent), 60 * t.slow)
    a.kill9()
    b.start()
    sent += put(k, 100, 100)
    wait_until("both to be b's", lambda: set(leases.owners().values()) == {"b"}, 60 * t.slow)
    a.start()  # what it has is delivered
    wait_until("all to be delivered", lambda: set(lines(t, "a", "b")) == set(sent), 60 * t.slow)
    a.stop()
    b.stop()


def test_a_table_that_is_away_ends_reading_and_its_errors_say_what_to_do(t):
    k, leases = stream(t), table(t, made=False)
    a = daemon(t, k, leases, "a", failover=f"{round(t.slow)}s", create=True)
    sent = put(k, 0, 20)
    a.start()
    a.wait_logged("table of leases failed.*ResourceNotFoundException.*create: true")
    wait_until("all to be taken", lambda: a.books("app").incoming == len(sent), 60 * t.slow)
    leases.on = lambda operation, request: operation == "UpdateItem" and Say(400, "AccessDeniedException")
    a.wait_logged("table of leases failed.*AccessDenied.*dynamodb:UpdateItem")
    wait_until("the lease to end", lambda: metric(a, "leases_lost_total") > 0 and metric(a, "leases") == 0, 60 * t.slow)
    sent += put(k, 20, 20)
    leases.on = None
    wait_until("all to be taken", lambda: a.books("app").incoming == len(sent), 60 * t.slow)
    a.stop()
    assert sorted(lines(t, "a")) == sorted(sent)


def test_two_share_a_stream_by_one_object_whatever_becomes_of_their_writes(t):
    k, leases, puts = stream(t, shards=3), one_object(t), []
    a, b = (daemon(t, k, leases, name, failover=f"{round(t.slow)}s", interval="1s") for name in ("a", "b"))

    def on(method, name):
        if method == "PUT" and name == NAME:
            puts.append(name)
            return {3: Lose(), 5: SayS3(409, "ConditionalRequestConflict"), 7: SayS3(503, "SlowDown"), 9: Lose()}.get(len(puts))
        return None

    leases.on = on
    sent = put(k, 0, 100)
    a.start()
    wait_until("all to be a's", lambda: set(leases.owners().values()) == {"a"}, 60 * t.slow)
    b.start()
    wait_until("some to be b's", lambda: set(leases.owners().values()) == {"a", "b"}, 60 * t.slow)
    k.split(0)
    sent += put(k, 100, 100)
    wait_until("the children to be read", lambda: len(leases.owners()) == 4 and all(leases.owners().values()), 60 * t.slow)
    wait_until("many writes", lambda: len(puts) > 9, 60 * t.slow)
    a.kill9()
    sent += put(k, 200, 100)
    wait_until("all to be b's", lambda: set(leases.owners().values()) == {"b"}, 60 * t.slow)
    a.start()
    wait_until("all to be delivered", lambda: set(lines(t, "a", "b")) == set(sent), 60 * t.slow)
    a.stop()
    b.stop()
    assert set(lines(t, "a", "b")) == set(sent)
    assert not leases.refused and not k.refused, (leases.refused, k.refused)
    assert leases.owners() and "b" not in leases.owners().values()  # a may have been about to get one
    assert leases.items()["shardId-000000000003"]["parentShardId"] == {"SS": ["shardId-000000000000"]}


def test_a_store_that_does_not_keep_to_conditions_is_refused_in_words(t):
    k, leases = stream(t), one_object(t, keeps=("If-None-Match",))
    sent = put(k, 0, 20)
    a = daemon(t, k, leases, "a", failover=f"{round(t.slow)}s", interval="1s")
    a.start()
    a.wait_logged("object of leases failed.*does not know If-Match.*leases.dynamodb")
    assert NAME not in leases.objects and a.books("app").incoming == 0
    leases.keeps = ("If-Match", "If-None-Match")
    wait_until("all to be taken", lambda: a.books("app").incoming == len(sent), 60 * t.slow)
    a.stop()
    assert sorted(lines(t, "a")) == sorted(sent)


def test_writes_that_are_refused_without_end_are_said(t):
    k, leases = stream(t), one_object(t)
    sent = put(k, 0, 20)
    leases.on = lambda method, name: SayS3(412, "PreconditionFailed") if (method, name) == ("PUT", NAME) else None
    a = daemon(t, k, leases, "a", failover=f"{round(t.slow)}s", interval="1s")
    a.start()
    a.wait_logged("object of leases failed.*each write is refused.*leases.failover")
    assert a.books("app").incoming == 0
    leases.on = None
    wait_until("all to be taken", lambda: a.books("app").incoming == len(sent), 60 * t.slow)
    a.stop()
    assert sorted(lines(t, "a")) == sorted(sent)


test_writes_that_are_refused_without_end_are_said.one_thread = True


def test_a_stop_gives_back_the_leases_however_long_the_failover_is(t):
    k, leases = stream(t), one_object(t)
    sent = put(k, 0, 20)
    a = daemon(t, k, leases, "a", failover="300s", interval="1s")
    a.start()
    wait_until("all to be taken", lambda: a.books("app").incoming == len(sent), 60 * t.slow)
    assert set(leases.owners().values()) == {"a"}
    a.stop()
    assert leases.owners() and not any(leases.owners().values())
    assert sorted(lines(t, "a")) == sorted(sent)


test_a_stop_gives_back_the_leases_however_long_the_failover_is.one_thread = True


def kcl_item(shard, sequence, sub=0, owner="kcl-worker-1", **more):
    """A lease as the Kinesis Client Library writes it, versions 2 and 3."""
    return {"leaseKey": {"S": shard}, "leaseCounter": {"N": "71"}, "ownerSwitchesSinceCheckpoint": {"N": "1"},
            "checkpoint": {"S": str(sequence)}, "checkpointSubSequenceNumber": {"N": str(sub)},
            **({"leaseOwner": {"S": owner}} if owner else {}), **more}


def kcl_reads(item):
    """(checkpoint, number within it, parents, children, hash keys) as that library takes them from an item."""
    assert int(item["leaseCounter"]["N"]) >= 0 and int(item["ownerSwitchesSinceCheckpoint"]["N"]) >= 0
    checkpoint, sub = item["checkpoint"]["S"], int(item["checkpointSubSequenceNumber"]["N"])
    assert checkpoint in ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP", "SHARD_END") or int(checkpoint) > 0
    assert 0 <= sub < 1 << 63 and (checkpoint.isdigit() or sub == 0)
    low, high = (int(item[name]["S"]) for name in ("startingHashKey", "endingHashKey"))
    assert 0 <= low <= high < 1 << 128
    return checkpoint, sub, *(set(item.get(name, {}).get("SS", [])) for name in ("parentShardId", "childShardIds")), (low, high)


def test_a_table_of_the_kinesis_client_library_is_read_on_and_stays_one(t):
    k, leases = stream(t, shards=2), table(t)
    k.put("k", b"0 old", shard=0)
    k.split(0)
    for i in range(6):
        k.put("k", b"1 %d" % i, shard=1)
    k.put_many([("k", b"2 %d" % i) for i in range(4)], shard=2)
    for i in range(3):
        k.put("k", b"3 %d" % i, shard=3)
    plain, many = k.shards[1].records[2][0], k.shards[2].records[0][0]
    ids = [s.id for s in k.shards]
    counters = {"entityType": {"S": "WORKER_METRICS"}, "leaseKey": {"S": "worker-metrics"}, "wmt": {"N": "1764220000"}}
    leases.items = {
        ids[0]: kcl_item(ids[0], "SHARD_END", owner=None, childShardIds={"SS": ids[2:]}),
        ids[1]: kcl_item(ids[1], plain, throughputKBps={"N": "1.5"}, pendingCheckpoint={"NULL": True}),
        ids[2]: kcl_item(ids[2], many, 1, parentShardId={"SS": [ids[0]]}, entityType={"S": "LEASE"}),
        ids[3]: kcl_item(ids[3], "TRIM_HORIZON", parentShardId={"SS": [ids[0]]}, startingHashKey={"S": "1"}, endingHashKey={"S": "2"}),
        "worker-metrics": counters,
    }
    a = daemon(t, k, leases, "a", failover=f"{round(t.slow)}s", interval="1s")
    a.start()
    sent = [b"1 3", b"1 4", b"1 5", b"2 2", b"2 3", b"3 0", b"3 1", b"3 2"]
    wait_until("all to be taken", lambda: a.books("app").incoming == len(sent), 60 * t.slow)
    children = k.split(3)
    wait_until("the split to be followed", lambda: any("childShardIds" in i and i["leaseKey"]["S"] == ids[3]
                                                       for i in list(leases.items.values())), 60 * t.slow)
    wait_until("the children to be read", lambda: all(k.shards[i].id in leases.items for i in children), 60 * t.slow)
    a.stop()
    assert sorted(lines(t, "a")) == sent
    assert leases.items.pop("worker-metrics") == counters
    found = {key: kcl_reads(item) for key, item in leases.items.items()}
    assert found[ids[1]][:2] == (str(k.shards[1].records[-1][0]), (1 << 63) - 1), found
    assert found[ids[3]][0] == "SHARD_END" and found[ids[3]][2:4] == ({ids[0]}, {k.shards[i].id for i in children}), found
    assert all(found[s.id][4] == (s.low, s.high) for s in k.shards if s.id in found), found
    assert leases.items[ids[1]]["throughputKBps"] == {"N": "1.5"} and leases.items[ids[2]]["entityType"] == {"S": "LEASE"}
    assert not k.refused and not leases.refused, (k.refused, leases.refused)
