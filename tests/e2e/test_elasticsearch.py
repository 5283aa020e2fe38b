"""Elasticsearch's _bulk: every document exactly once by its id whatever the server does, and what it refuses in the
backup with its reason."""

import re
import time

import backups
import objects
from common import one_stream, stream, tail, write_lines
from es_peer import (BLOCKED, CONFLICT, MAPPING, TOO_MANY, UNAVAILABLE, Closes, ClosesAtOnce, CutJson, CutOff, EsPeer,
                     Behaviour, Item, Says, Silent, Whole, WrongCount)
from firehose import Firehose
from harness import wait_until


def peer(t, **more):
    es = EsPeer(**more)
    t.on_end(es.stop)
    return es


def documents(count, more=b""):
    return [b'{"n":%d,"text":"line %d"%s}' % (i, i, more) for i in range(count)]


def number(document):
    return int(re.match(rb'\{"n":(\d+)', document).group(1))


def with_backup(t, es, destination=None, **more):
    more = {"interval": "0s", "backup": {"mode": "failed", "file": {"path": t.path("backup")}}, **more}
    return t.daemon(one_stream("app", es.destination(**(destination or {})), **more))


def finish(d, es, records):
    d.wait_delivered("app", len(records), timeout=90)
    d.stop()
    es.assert_clean()
    objects.assert_exactly_once(es.stored(), records)


def test_records_become_documents_of_a_daily_index_with_ids_of_their_own(t):
    es = peer(t)
    d = t.daemon(one_stream("app", es.destination(), size="64KiB")).start()
    records = documents(20000)
    Firehose(d.api_port).put_all("app", records)
    finish(d, es, records)
    assert all(re.fullmatch(r"logs-\d{4}-\d\d-\d\d", index) for index, _ in es.documents)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", name) for _, name in es.documents)
    assert len(es.requests) > 5 and max(n for _, n, _ in es.requests) > 100, "in bulk"


def test_who_answers_is_told_in_the_log_and_on_the_console(t):
    servers = {"new": peer(t), "open": peer(t), "old": peer(t), "locked": peer(t), "mute": peer(t)}
    servers["open"].root = 200, {}, {"version": {"distribution": "opensearch", "number": "2.19.5"}}
    servers["old"].root = 200, {}, {"version": {"number": "6.8.23"}}
    servers["locked"].root = 401, {"WWW-Authenticate": 'Basic realm="security" charset="UTF-8"'}, {"error": "x"}
    servers["locked"].plan(Whole(401, "security_exception"))
    servers["mute"].root = 404, {"X-Elastic-Product": ""}, "nothing here"
    d = t.daemon({"streams": {s: {"inputs": ["api"], "buffer": {"size": "1MiB", "interval": "0s"},
                                  "destination": es.destination()} for s, es in servers.items()}}).start()
    client = Firehose(d.api_port)
    for s in servers:
        client.put(s, b'{"n":1}')
    for s, who in (("new", "Elasticsearch 8.19.9"), ("open", "OpenSearch 2.19.5"), ("locked", "Elasticsearch")):
        d.wait_logged(rf'level=info msg="the destination answers" stream={s} .*who="?{who}')
        wait_until(f"{who} on the page", lambda who=who: who in d.http("/")[1], 10 * t.slow)
    d.wait_logged(r'level=warn .*stream=old .*who="Elasticsearch 6.8.23" .*older .*hint=')
    for s in servers:
        d.wait_delivered(s, 1)
    d.stop()
    assert not d.logged("stream=mute .*who=")


def test_gzip_bodies_hold_the_same_documents(t):
    es = peer(t)
    d = t.daemon(one_stream("app", es.destination(), compression="gzip")).start()
    records = documents(5000)
    Firehose(d.api_port).put_all("app", records)
    finish(d, es, records)


# What the server does to the whole request -> what an operator must find in the log line. Each stores what it was given
# or not; the documents are there once in the end.
FAULTS = {
    "429": (Whole(429, "es_rejected_execution_exception"), r"429.*(overload|slow down)"),
    "429, stored": (Whole(429, stores=True), r"429"),
    "503": (Whole(503), r"503.*not available"),
    "500, stored": (Whole(500, stores=True), r"500"),
    "502": (Whole(502), r"502"),
    "504, stored": (Whole(504, stores=True), r"504"),
    "400": (Whole(400, "parse_exception"), r"400.*parse_exception"),
    "401": (Whole(401, "security_exception"), r"401.*auth"),
    "403": (Whole(403, "security_exception"), r"403.*allow"),
    "404": (Whole(404), r"404.*url"),
    "answer cut off": (CutOff(), r"127\.0\.0\.1"),
    "JSON cut off": (CutJson(), r"InvalidAnswer"),
    "an item missing": (WrongCount(), r"InvalidAnswer.*items|InvalidAnswer"),
    "not JSON": (Says(b"<html>welcome</html>"), r"InvalidAnswer"),
    "an empty object": (Says(b"{}", stores=False), r"InvalidAnswer"),
    "nothing": (Says(b"", stores=False), r"InvalidAnswer"),
    "items that are no list": (
        Says(b'{"errors":false,"items":{"index":{"status":201}}}', stores=False), r"InvalidAnswer"),
    "a status as text": (
        Says(b'{"errors":false,"items":[{"index":{"status":"201"}}]}', stores=False), r"InvalidAnswer"),
    "closes, stored": (Closes(stores=True), r"127\.0\.0\.1"),
    "closes": (Closes(stores=False), r"127\.0\.0\.1"),
}


def test_every_fault_of_a_whole_request_is_reported_retried_and_ends_in_one_document(t):
    es = {name: peer(t) for name in FAULTS}
    streams = {f"s{i}": name for i, name in enumerate(FAULTS)}
    d = t.daemon({"streams": {
        s: {"inputs": ["api"], "buffer": {"size": "1MiB", "interval": "0s"}, "destination": es[name].destination()}
        for s, name in streams.items()
    }})
    for name, (behaviour, _) in FAULTS.items():
        es[name].plan(behaviour, behaviour)  # twice: curl repeats by itself what a kept-alive connection lost
    d.start()
    client = Firehose(d.api_port)
    for s in streams:
        client.put(s, b'{"n":1,"from":"%s"}' % s.encode())
    wrong = []
    for s, name in streams.items():
        line = wait_until(f"a line for {name}", lambda s=s: d.logged(rf"delivery failed.*stream={s} "), 30 * t.slow)[0]
        if not re.search(FAULTS[name][1], line):
            wrong.append(f"{name}: {FAULTS[name][1]!r} is not in {line}")
    for s, name in streams.items():
        d.wait_delivered(s, 1, timeout=60)
        if es[name].stored() != [b'{"n":1,"from":"%s"}' % s.encode()]:
            wrong.append(f"{name}: {es[name].stored()}")
        es[name].assert_clean()
    d.stop()
    assert not wrong, "\n".join(wrong)


def test_documents_that_are_put_off_are_sent_again_and_only_those(t):
    es = peer(t)
    put_off = {0: TOO_MANY, 1: UNAVAILABLE, 2: CONFLICT}
    es.item = lambda doc, attempt: put_off.get(number(doc) % 10) if attempt < 3 else None
    d = with_backup(t, es).start()
    records = documents(1000)
    Firehose(d.api_port).put_all("app", records)
    finish(d, es, records)
    sent = sorted(es.attempts().values())
    assert sent == [1] * 700 + [3] * 300, f"{sent[:3]} ... {sent[-3:]}: delivered documents are not sent again"
    assert backups.read(t.path("backup")) == []


def test_an_item_that_was_stored_and_answered_with_503_is_one_document(t):
    es = peer(t)
    timed_out = Item(503, "unavailable_shards_exception", "timed out", stores=True)
    es.item = lambda doc, attempt: timed_out if attempt == 1 else None
    d = with_backup(t, es).start()
    records = documents(500)
    Firehose(d.api_port).put_all("app", records)
    finish(d, es, records)


def test_a_time_out_is_told_as_one_also_on_a_connection_that_was_used_before(t):
    es = peer(t)
    d = with_backup(t, es, {"timeout": "1s"}).start()
    records = documents(2)
    Firehose(d.api_port).put("app", records[0])
    d.wait_delivered("app", 1)
    es.plan(Silent())
    Firehose(d.api_port).put("app", records[1])
    line = d.wait_logged("delivery failed")[0]
    assert "code=Timeout" in line and "did not answer in time" in line, line
    finish(d, es, records)


def test_a_server_that_fails_now_and_then_does_not_fill_the_log(t):
    es = peer(t)
    es.plan(*[Whole(429), Behaviour()] * 30)
    d = with_backup(t, es, deliveries_in_flight={"min": 64, "max": 64}).start()
    records = documents(60)
    for i, record in enumerate(records, 1):
        Firehose(d.api_port).put("app", record)
        wait_until("it is with the server", lambda n=i: len(es.requests) >= n, 10 * t.slow)
    finish(d, es, records)
    assert 1 <= len(d.logged("delivery failed")) <= 5, d.logged("delivery failed")
    assert 1 <= len(d.logged("works again")) <= 5, d.logged("works again")


def test_create_takes_a_conflict_with_its_own_earlier_attempt_for_success(t):
    es = peer(t)
    es.plan(Closes(stores=True), Whole(503, stores=True))
    d = with_backup(t, es, {"op": "create"}).start()
    records = documents(500)
    Firehose(d.api_port).put_all("app", records)
    finish(d, es, records)
    assert backups.read(t.path("backup")) == []


def test_refused_documents_go_to_the_backup_with_the_reason_and_the_others_arrive(t):
    es = peer(t)
    es.item = lambda doc, _attempt: MAPPING if number(doc) % 7 == 0 else None
    d = with_backup(t, es).start()
    records = documents(2000)
    Firehose(d.api_port).put_all("app", records)
    refused = [r for r in records if number(r) % 7 == 0]
    books = d.wait_delivered("app", len(records) - len(refused))
    assert books.backed_up == len(refused), books
    d.stop()
    es.assert_clean()
    objects.assert_exactly_once(es.stored(), [r for r in records if number(r) % 7])
    told, = d.wait_logged("records are refused.*code=400", level="warn")
    assert re.search(r"\d+ refused \(400 document_parsing_exception\): failed to parse field \[n\] of type \[long\]\"", told), told
    lines = backups.read(t.path("backup"), "AmazonOpenSearchService-failed")
    objects.assert_exactly_once([line["data"] for line in lines], refused)
    known = es.attempts()
    for line in lines:
        assert line["errorCode"] == "400" and "document_parsing_exception" in line["errorMessage"], line
        assert (line["esIndexName"], line["esDocumentId"]) in known, line


def test_large_answers_count_in_the_memory_and_little_of_it_is_enough(t):
    """Thousands of refusals with long reasons, several requests at once: some answers have to wait for others."""
    es = peer(t)
    verbose = Item(400, "document_parsing_exception", "failed to parse field [n]: " + "why " * 150)
    es.item = lambda doc, _attempt: verbose if number(doc) % 5 else None
    records = documents(30000)
    write_lines(t.path("in.log"), records)
    config = one_stream("app", es.destination(), inputs=[tail(t.path("in.log"))], size="1MiB",
                        deliveries_in_flight={"min": 4, "max": 8},
                        backup={"mode": "failed", "file": {"path": t.path("backup")}})
    d = t.daemon({"limits": {"memory": "16MiB"}, **config}).start()
    arrive = sum(number(r) % 5 == 0 for r in records)
    books = d.wait_delivered("app", arrive, timeout=120)
    assert books.backed_up == len(records) - arrive, books
    assert d.metrics().get("sluice_memory_budget_peak_bytes") > 8 << 20, "an answer has some 15 MiB"
    wait_until("it is given back", lambda: d.metrics().get("sluice_memory_budget_used_bytes") == 0, 20 * t.slow)
    d.stop()
    es.assert_clean()


def test_records_that_are_no_objects_go_to_the_backup_and_are_never_sent(t):
    es = peer(t)
    d = with_backup(t, es).start()
    odd = [b"plain text", b"[1,2]", b'"text"', b'{"cut":', b"\xff\xfe", b'{"a":1}{"b":2}', b""]
    good = documents(100) + [b'{\n "n": 1000,\n "pretty": true\n}']
    Firehose(d.api_port).put_all("app", [r for r in odd if r] + good)
    books = d.wait_delivered("app", len(good))
    assert books.backed_up == len(odd) - 1, books
    d.stop()
    es.assert_clean()
    objects.assert_exactly_once(es.stored(), [r.replace(b"\n", b" ") for r in good])
    objects.assert_exactly_once(backups.data(t.path("backup")), [r for r in odd if r])
    assert d.wait_logged("records are refused.*code=NotJsonObject") and not d.logged("plain text")


def test_413_makes_smaller_requests_until_they_fit(t):
    es = peer(t, body_limit=20_000)
    d = with_backup(t, es, interval="1s").start()
    records = documents(3000)
    Firehose(d.api_port).put_all("app", records)
    finish(d, es, records)
    assert max(size for _, _, size in es.requests) <= 20_000
    assert backups.read(t.path("backup")) == []


def test_a_document_that_is_too_large_alone_goes_to_the_backup(t):
    es = peer(t, body_limit=20_000)
    d = with_backup(t, es, interval="1s").start()
    records, giant = documents(200), b'{"n":9999,"text":"%s"}' % (b"x" * 30_000)
    Firehose(d.api_port).put_all("app", [*records[:100], giant, *records[100:]])
    books = d.wait_delivered("app", 200)
    assert books.backed_up == 1, books
    d.stop()
    es.assert_clean()
    objects.assert_exactly_once(es.stored(), records)
    assert d.wait_logged("records are refused.*refused=1 .*code=413 .*larger than")
    assert len(es.requests) <= 20, f"{len(es.requests)} requests: those behind it do not go one by one"
    line, = backups.read(t.path("backup"))
    assert line["data"] == giant and "413" in line["errorCode"] + line["errorMessage"], line["errorMessage"]


def test_retry_after_of_a_429_is_honoured(t):
    es = peer(t)
    es.plan(Whole(429, retry_after=3, stores=True))
    d = with_backup(t, es).start()
    records = documents(1)
    Firehose(d.api_port).put_all("app", records)
    finish(d, es, records)
    gap = es.requests[1][0] - es.requests[0][0]
    assert gap >= 2.9, f"3 s were asked for, {gap:.2f} s it was"
    wait, = d.retry_waits("app")
    assert 3 <= wait <= 3.5, f"3 s were asked for, it meant to wait {wait} s"


def test_a_server_that_stays_overloaded_ends_in_the_backup_after_the_retry_duration(t):
    es = peer(t)
    es.item = lambda doc, _attempt: TOO_MANY if number(doc) % 2 else None
    d = with_backup(t, es, retry={"duration": "3s"}).start()
    records = documents(200)
    began = time.monotonic()
    Firehose(d.api_port).put_all("app", records)
    books = d.wait_delivered("app", 100)
    assert books.backed_up == 100, books
    assert time.monotonic() - began >= 2.5
    d.wait_logged("go to the backup")
    d.stop()
    lines = backups.read(t.path("backup"), "AmazonOpenSearchService-failed")
    objects.assert_exactly_once([line["data"] for line in lines], records[1::2])
    assert all(line["attemptsMade"] >= 2 and line["errorCode"] == "429" for line in lines), lines[0]


def test_wrong_credentials_never_end_in_the_backup(t):
    """They are the operator's to mend: the retry duration does not apply."""
    es = peer(t)
    es.plan(*[Whole(401, "security_exception")] * 3)
    d = with_backup(t, es, retry={"duration": "1s"}).start()
    records = documents(50)
    Firehose(d.api_port).put_all("app", records)
    finish(d, es, records)
    assert backups.read(t.path("backup")) == []


def test_the_time_somebody_took_to_mend_it_is_not_part_of_the_retry_duration(t):
    """What was blocked for hours meets an overloaded server when the block is gone: no reason to give records up."""
    whole, items = peer(t), peer(t)
    whole.plan(Whole(401, "security_exception"), Whole(429))
    put_off = {1: BLOCKED, 2: TOO_MANY}
    items.item = lambda doc, attempt: put_off.get(attempt) if number(doc) % 2 else None
    d = t.daemon({"streams": {
        name: stream(es.destination(), interval="0s", retry={"duration": "2s"},
                     backup={"file": {"path": t.path("backup")}})
        for name, es in (("whole", whole), ("items", items))}}).start()
    records = documents(100)
    for name in ("whole", "items"):
        Firehose(d.api_port).put_all(name, records)
    for name in ("whole", "items"):
        assert d.wait_delivered(name, 100, timeout=30).backed_up == 0
    d.stop()
    for es in (whole, items):
        objects.assert_exactly_once(es.stored(), records)
        es.assert_clean()


def test_kills_in_mid_flight_make_no_second_documents(t):
    es = peer(t)
    d = with_backup(t, es, size="32KiB", interval="1s").start()
    records = documents(6000)
    for i in range(6):
        Firehose(d.api_port).put_all("app", records[i * 1000:(i + 1) * 1000])
        faults = [Closes(stores=True), CutOff(), Whole(503, stores=True), ClosesAtOnce(), WrongCount()]
        es.plan(*t.random.sample(faults, 2))
        time.sleep(t.random.uniform(0.05, 0.8))
        d.kill9()
        d.start()
    finish(d, es, records)


def test_a_dead_node_of_two_is_left_out(t):
    dead, es = peer(t), peer(t)
    url = dead.url()
    dead.stop()
    d = with_backup(t, es, {"url": [url, es.url()]}).start()
    records = documents(300)
    for i in range(0, 300, 10):
        Firehose(d.api_port).put_all("app", records[i:i + 10])
    finish(d, es, records)
