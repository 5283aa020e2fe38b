"""Real Elasticsearch and OpenSearch: records go through sluice into them and are read back by searches made here. Every
outcome that a document can have is provoked for real; in the end each acceptable record is one document, each refused
one is in the backup once, with its reason, and the books balance (wait_delivered() checks them each time it looks).

The versions of ALWAYS run by themselves. The others run when SLUICE_SEARCH names them: `all`, or such as
`elasticsearch-9.0.0 opensearch-1.3.20`.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import backups  # noqa: E402
from common import stream, tail, write_lines  # noqa: E402
from firehose import Firehose  # noqa: E402
from harness import wait_until  # noqa: E402
from search_server import Group  # noqa: E402

ALWAYS = (("opensearch", "2.19.5"), ("elasticsearch", "8.19.9"))
OTHERS = (("opensearch", "1.3.20"), ("opensearch", "3.0.0"), ("elasticsearch", "7.17.29"), ("elasticsearch", "9.0.0"))

# Little of everything, so that it runs out.
SMALL = ("http.max_content_length: 100kb", "thread_pool.write.size: 1", "thread_pool.write.queue_size: 4",
         "indexing_pressure.memory.limit: 200kb")
USUAL = ('action.auto_create_index: "-made-by-hand*,+*"',)


def with_backup(t, name="backup", **more):
    return {"backup": {"file": {"path": t.path(name)}}, **more}


def documents(numbers, more=b""):
    return [b'{"n":%d,"text":"record %d"%s}' % (n, n, more) for n in numbers]


def assert_refused(folder, refused, code, message):
    """The backup in `folder` has exactly these records, each with where it was to go and why it could not."""
    failed = backups.read(folder, "AmazonOpenSearchService-failed")
    assert sorted(line["data"] for line in failed) == sorted(refused), f"{len(failed)} of {len(refused)}"
    for line in failed:
        assert line["errorCode"] == code and re.search(message, line["errorMessage"]), line
        assert line["esIndexName"] and re.fullmatch(r"[A-Za-z0-9_-]{22}", line["esDocumentId"]), line
    assert len({line["esDocumentId"] for line in failed}) == len(failed)


def assert_told(d, name, code, cause, hint=""):
    """A log line of the stream tells what failed, why, and what to do about it."""
    line = d.wait_logged(rf"delivery failed.*stream={name} .*code={code} ")[0]
    assert re.search(rf'cause=".*{cause}', line) and re.search(rf'hint="?.*{hint}', line), line


def assert_named(d, name, server):
    """The log tells who answers the stream, with the version where the server tells it: some of these have no root page."""
    product, version = server.product
    who = {"opensearch": "OpenSearch", "elasticsearch": "Elasticsearch"}[product]
    line = d.wait_logged(rf"the destination answers.*stream={name} ")[0]
    assert re.search(rf'who="?{who}( {re.escape(version)})?"?$', line), line
    assert product == "elasticsearch" or version in line, line


# --- with what a server has by itself --------------------------------------------------------------------------------


def single_answers_are_what_the_sink_takes_them_for(t, server):
    done = subprocess.run([os.path.join(t.build, "tests", "servers", "search_bulk"), server.env["SEARCH_URL"]],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, text=True, check=False)
    assert done.returncode == 0, done.stdout


def lines_become_documents_and_what_the_mapping_refuses_goes_to_the_backup(t, server):
    lines = [b'{"n":%d,"level":"INFO","text":"line number %d"}' % (n, n) for n in range(20000)]
    wrong = (b'{"n":{"not":"a number"},"at":%d}', b'{"n":"neither","at":%d}')
    refused = [text % n for text in wrong for n in range(30)]
    path = t.path("in.log")
    write_lines(path, lines[:100])
    d = t.daemon({"streams": {"app": stream(server.destination(), [tail(path)], **with_backup(t))}}).start()
    d.wait_delivered("app", 100)  # the first documents decide what n is
    with open(path, "ab") as f:
        for i, line in enumerate(lines[100:]):
            f.write(line + b"\n" + (refused[i] + b"\n" if i < len(refused) else b""))
    books = d.wait_delivered("app", len(lines), timeout=120)
    assert books.backed_up == len(refused), books
    d.stop()
    assert_named(d, "app", server)
    assert d.wait_logged(r"records are refused.*stream=app .*code=400 .*refused \(400 (mapper|document)_parsing_exception\)")
    assert server.numbers(len(lines), "app-*") == list(range(len(lines)))
    assert_refused(t.path("backup"), refused, "400", r"mapper|document|field")


class Putting(threading.Thread):
    """Puts numbered records until stop(), and now and then one that the mapping of `n` refuses."""

    def __init__(self, daemon, name, first):
        super().__init__(daemon=True)
        self._daemon, self._stream, self.count = daemon, name, first
        self.refused, self._halt, self._error = [], threading.Event(), None

    def run(self):
        client = Firehose(self._daemon.api_port)
        try:
            while not self._halt.is_set():
                wrong = b'{"n":"no number","at":%d,"@timestamp":"2026-11-25T00:00:00Z"}' % self.count
                client.put_all(self._stream, [
                    *documents(range(self.count, self.count + 200), b',"@timestamp":"2026-11-25T00:00:00Z"'), wrong])
                self.count += 200
                self.refused.append(wrong)
                time.sleep(0.05)
        except BaseException as e:
            self._error = e

    def stop(self):
        self._halt.set()
        self.join(30)
        if self._error:
            raise self._error


def a_server_killed_in_mid_flight_has_each_document_once_in_the_end(t, server):
    """It is killed twice while records come in, and the daemon once. A stream of `index` and one of `create`."""
    streams = {"killed-index": {}, "killed-create": {"op": "create"}}
    d = t.daemon({"streams": {
        name: stream(server.destination(index=name, rotation="none", **how), size="64KiB", compression="gzip",
                     **with_backup(t, "backup-" + name)) for name, how in streams.items()}})
    counts, refused = dict.fromkeys(streams, 0), {name: [] for name in streams}
    for name in streams:
        server.put(f"/{name}", {"mappings": {"properties": {"n": {"type": "long"}}}})
    d.start()
    for kill_daemon in (False, True):
        puts = [Putting(d, name, counts[name]) for name in streams]
        for put in puts:
            put.start()
        time.sleep(2)
        server.kill()
        time.sleep(1)
        for name, put in zip(streams, puts):
            put.stop()
            counts[name] = put.count
            refused[name] += put.refused
        if kill_daemon:
            d.kill9()
            d.start()
        server.start()
    for name in streams:
        books = d.wait_delivered(name, counts[name], timeout=180)
        assert books.backed_up == len(refused[name]) and counts[name] > 2000, (books, counts)
        assert_told(d, name, "(Connect|ConnectionLost)", "127.0.0.1")
    d.stop()
    for name in streams:
        assert server.numbers(counts[name], name) == list(range(counts[name]))
        assert_refused(t.path("backup-" + name), refused[name], "400", "mapper|document|field")


UNWRITABLE = {
    # stream and index: (settings, code, cause and hint of the log line)
    "no-writes": ({"index.blocks.write": True}, 403, "cluster_block_exception.*no-writes", "lift"),
    "full-disk": ({"index.blocks.read_only_allow_delete": True}, 429, "cluster_block_exception.*full-disk", "disk"),
    "made-by-hand": (None, 404, "index_not_found_exception.*made-by-hand", "auto_create_index"),
}


def indices_that_take_no_writes_are_told_and_hold_up_only_their_own_records(t, server):
    """One stream for each, and one that writes to all of them and to two that can be written to."""
    numbers = range(300)
    server.put("/fixed", {"mappings": {"dynamic": "strict", "properties": {"n": {"type": "long"},
                                                                            "i": {"type": "keyword"}}}})
    for name, (settings, *_) in UNWRITABLE.items():
        if settings:
            server.put(f"/{name}", {"settings": settings})
    patient = {"retry": {"duration": "0s"}, **with_backup(t)}  # an operator has to mend these: it does not apply
    d = t.daemon({"streams": {
        "mixed": stream(server.destination(index="!{record:i}", rotation="none"), **patient),
        **{name: stream(server.destination(index=name, rotation="none"), **patient) for name in UNWRITABLE}}}).start()
    client, places = Firehose(d.api_port), (*UNWRITABLE, "open", "fixed")
    mixed = [b'{"n":%d,"i":"%s"}' % (n, places[n % len(places)].encode()) for n in numbers]
    refused = [b'{"n":%d,"i":"fixed","unknown":1}' % n for n in range(20)]
    client.put_all("mixed", [r for pair in zip(mixed, refused) for r in pair] + mixed[len(refused):])
    for name in UNWRITABLE:
        client.put_all(name, documents(range(1000, 1050)))
    for name, (_, *told) in UNWRITABLE.items():
        assert_told(d, name, *told)
    wait_until("the others go on", lambda: server.count("open,fixed") == 120, 20)
    assert d.http("/readyz")[0] == 503
    assert all(d.books(s).backed_up == 0 for s in ("mixed", *UNWRITABLE))
    server.put("/no-writes/_settings", {"index.blocks.write": None})
    server.put("/full-disk/_settings", {"index.blocks.read_only_allow_delete": None})
    server.put("/made-by-hand", {})
    books = d.wait_delivered("mixed", len(mixed))
    assert books.backed_up == len(refused), books
    for name in UNWRITABLE:
        assert d.wait_delivered(name, 50).backed_up == 0
        of_mixed = [n for n in numbers if places[n % len(places)] == name]
        assert server.numbers(2000, name) == of_mixed + list(range(1000, 1050))
    d.stop()
    assert server.numbers(2000, "open,fixed") == [n for n in numbers if places[n % 5] in ("open", "fixed")]
    assert_refused(t.path("backup"), refused, "400", "strict_dynamic_mapping_exception.*unknown")


# --- with little of everything ---------------------------------------------------------------------------------------

def rejections(server):
    return (server.sum_of("thread_pool", "thread_pool", "write", "rejected"),
            server.sum_of("indexing_pressure", "indexing_pressure", "memory", "total", "coordinating_rejections"))


def a_tiny_write_queue_and_little_memory_put_documents_off_and_lose_none(t, server):
    """Documents are rejected one by one (the queue), and requests as a whole (the memory)."""
    names = [f"busy-{i}" for i in range(3)]
    for name in names:
        server.put(f"/{name}", {"settings": {"number_of_shards": 4}})  # a task for each, and five have a place
    d = t.daemon({"streams": {
        name: stream(server.destination(index=name, rotation="none"), size="32KiB",
                     deliveries_in_flight={"min": 64, "max": 64},
                     **with_backup(t)) for name in names}}).start()
    client, count, before = Firehose(d.api_port), 0, rejections(server)
    more = b',"more":"%s"' % (b"and more " * 10)
    while count < 40000:
        for name in names:
            client.put_all(name, documents(range(count, count + 1000), more))
        count += 1000
        if all(now > then for now, then in zip(rejections(server), before)):
            break
    for name in names:
        assert d.wait_delivered(name, count, timeout=120).backed_up == 0
    then, now = before, rejections(server)
    assert now[0] > then[0] and now[1] > then[1], f"nothing was rejected: {then}, {now}"
    d.stop()
    assert d.wait_logged("delivery failed.*code=429 .*rejected_execution_exception")
    assert len(d.logged("delivery failed")) < 100, "once in ten seconds for each stream"
    for name in names:
        assert server.numbers(count, name) == list(range(count))


def bodies_beyond_the_limit_are_split_and_a_document_beyond_it_goes_to_the_backup(t, server):
    """The server counts after it has unpacked."""
    codecs = ("none", "gzip")
    d = t.daemon({"streams": {
        f"large-{c}": stream(server.destination(index=f"large-{c}", rotation="none"), compression=c,
                             **with_backup(t, "backup-" + c)) for c in codecs}}).start()
    records = documents(range(2000), b',"more":"%s"' % (b"x" * 100))
    giant = b'{"n":9999,"text":"%s"}' % (b"y" * 150_000)
    for c in codecs:
        Firehose(d.api_port).put_all(f"large-{c}", [*records[:1000], giant, *records[1000:]])
    for c in codecs:
        assert d.wait_delivered(f"large-{c}", len(records)).backed_up == 1
    d.stop()
    for c in codecs:
        assert d.wait_logged(rf"records are refused.*stream=large-{c} .*code=413 .*hint=.*body_limit")
        assert server.numbers(2000, f"large-{c}") == list(range(2000))
        assert_refused(t.path("backup-" + c), [giant], "413", "larger than http://127.0.0.1")


def a_server_that_answers_too_late_has_each_document_once(t, server):
    """What sluice gave up waiting for is written all the same, once the server goes on: then by a repetition that finds
    it there, also when the daemon was killed between. A stream of `index`, and a data stream, where a repetition is a
    conflict."""
    kinds = {"late-index": {"rotation": "none"}, "late-stream": {"data_stream": True}}
    if server.product == ("elasticsearch", "7.17.29"):  # of which Maven Central has none with data streams
        kinds["late-stream"] = {"op": "create", "rotation": "none"}
    else:
        server.put("/_index_template/late", {"index_patterns": ["late-stream*"], "data_stream": {}})
    d = t.daemon({"streams": {
        name: stream(server.destination(index=name, timeout="1s", **kind), interval="0s",
                     **with_backup(t)) for name, kind in kinds.items()}}).start()
    client, count = Firehose(d.api_port), 0

    def put():
        nonlocal count
        for name in kinds:
            client.put_all(name, documents(range(count, count + 100), b',"@timestamp":"2026-11-25T00:00:00Z"'))
        count += 100

    def failures():
        return [d.metrics().get("sluice_delivery_failures_total", stream=s) for s in kinds]

    def conflicts():
        return server.ask("/late-stream/_stats/indexing")["_all"]["primaries"]["indexing"]["index_failed"]

    put()
    for name in kinds:
        d.wait_delivered(name, count)
    for attempt in range(8):  # a server may also throw away what nobody waits for any more
        if attempt >= 2 and conflicts() > 0:
            break
        server.pause()
        before = failures()
        put()
        wait_until("sluice gives up waiting", lambda: all(n > b for n, b in zip(failures(), before)), 20)
        if attempt % 2:
            d.kill9()
        server.resume()
        if attempt % 2:
            d.start()
            client = Firehose(d.api_port)
        for name in kinds:
            assert d.wait_delivered(name, count).backed_up == 0
            assert_told(d, name, "Timeout", "did not answer in time", "timeout")
    assert conflicts() > 0, "no document was there already"
    d.stop()
    for name in kinds:
        assert server.numbers(count, name) == list(range(count))


def what_fails_for_the_retry_duration_goes_to_the_backup_and_the_rest_arrives(t, server):
    d = t.daemon({"streams": {"given-up": stream(server.destination(index="given-up", rotation="none"), interval="0s",
                                                 retry={"duration": "2s"}, **with_backup(t))}}).start()
    client, records = Firehose(d.api_port), documents(range(150))
    client.put_all("given-up", records[:50])
    d.wait_delivered("given-up", 50)
    overload = {"network.breaker.inflight_requests.limit": "1b"}
    if server.product[0] == "elasticsearch" and int(server.product[1].split(".")[0]) >= 9:
        overload["rest.incremental_bulk"] = False  # the breaker does not count what is read bit by bit
    server.put("/_cluster/settings", {"transient": overload})
    client.put_all("given-up", records[50:100])
    assert_told(d, "given-up", "429", "asks to slow down.*circuit_breaking_exception")
    wait_until("they are in the backup", lambda: d.books("given-up").backed_up == 50, 30)
    server.put("/_cluster/settings", {"transient": dict.fromkeys(overload)})
    client.put_all("given-up", records[100:])
    d.wait_delivered("given-up", 100)
    d.wait_logged("records cannot be delivered, they go to the backup.*code=429")
    d.stop()
    assert server.numbers(150, "given-up") == [*range(50), *range(100, 150)]
    assert_refused(t.path("backup"), records[50:100], "429", "circuit_breaking_exception")
    assert all(line["attemptsMade"] >= 2 for line in backups.read(t.path("backup")))


# --- with users, which OpenSearch has in a plugin only ---------------------------------------------------------------


def who_may_not_write_is_told_so_and_once_allowed_everything_arrives(t, server):
    """A wrong password, and a user who may write to some indices only: never a reason to give records up."""
    def configuration(password, user, duration):
        def login(name, word):
            return {"auth": {"basic": {"username": name, "password": word}}}
        patient = {"retry": {"duration": duration}, "interval": "0s", **with_backup(t)}
        return {"shutdown": {"grace": "1s"}, "streams": {
            "password": stream(server.destination(index="app-password", rotation="none", **login("writer", password)),
                               **patient),
            "role": stream(server.destination(index="!{record:i}", rotation="none",
                                              **login(user, server.env["SEARCH_PASSWORD"])), **patient)}}

    d = t.daemon(configuration("wrong/Password+1", "writer", "0s")).start()
    client = Firehose(d.api_port)
    client.put_all("password", documents(range(100)))
    mixed = [b'{"n":%d,"i":"%s"}' % (n, (b"app-role", b"private")[n % 2]) for n in range(100)]
    client.put_all("role", mixed)
    assert_told(d, "password", 401, "Elasticsearch at http://127.0.0.1.*credentials", "elasticsearch.auth")
    assert_told(d, "role", 403, "security_exception.*private", "allow the user")
    assert d.http("/readyz")[0] == 503
    assert_named(d, "password", server)  # who is locked out learns it too
    assert server.count("app-role") == 50
    d.expect_exit = 1
    d.stop()
    d.configure({**configuration(server.env["SEARCH_PASSWORD"], "admin", "60s"), "data_dir": d.data_dir})
    d.expect_exit = 0
    d.start()
    for name in ("password", "role"):
        assert d.wait_delivered(name, 100).backed_up == 0
    d.stop()
    assert server.numbers(100, "app-password") == list(range(100))
    assert server.numbers(100, "app-role,private") == list(range(100))
    assert "wrong/Password+1" not in d.log_text() and server.env["SEARCH_PASSWORD"] not in d.log_text()


# --- which of them ---------------------------------------------------------------------------------------------------

AS_IT_COMES = (
    single_answers_are_what_the_sink_takes_them_for,
    lines_become_documents_and_what_the_mapping_refuses_goes_to_the_backup,
    indices_that_take_no_writes_are_told_and_hold_up_only_their_own_records,
    a_server_killed_in_mid_flight_has_each_document_once_in_the_end,
)
WITH_LITTLE = (
    a_tiny_write_queue_and_little_memory_put_documents_off_and_lose_none,
    bodies_beyond_the_limit_are_split_and_a_document_beyond_it_goes_to_the_backup,
    a_server_that_answers_too_late_has_each_document_once,
    what_fails_for_the_retry_duration_goes_to_the_backup_and_the_rest_arrives,
)
SECURED = (who_may_not_write_is_told_so_and_once_allowed_everything_arrives,)


def of(product, version, name):
    """The scenarios of one version, as [(name, function of a Case)]."""
    secured = product == "elasticsearch"
    groups = [(Group(product, version, USUAL), AS_IT_COMES),
              (Group(product, version, SMALL, secured), WITH_LITTLE + (SECURED if secured else ()))]
    return [(f"{name}:{fn.__name__}", lambda t, g=group, f=fn: g.run(t, f)) for group, fns in groups for fn in fns]


def chosen(wanted):
    """Those of OTHERS that `wanted` names."""
    names = ["-".join(server) for server in OTHERS]
    unknown = [w for w in wanted if w not in names and w != "all"]
    if unknown:
        sys.exit(f"SLUICE_SEARCH: no server {unknown[0]!r}; there are: all {' '.join(names)}")
    return [server for server, name in zip(OTHERS, names) if name in wanted or "all" in wanted]


def scenarios():
    more = chosen(os.environ.get("SLUICE_SEARCH", "").replace(",", " ").split())
    return [scenario for product, version in ALWAYS for scenario in of(product, version, product)] + [
        scenario for product, version in more for scenario in of(product, version, f"{product}-{version}")]
