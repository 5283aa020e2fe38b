"""What destinations answer when they refuse: which refusals go to the backup and which wait for somebody, what is told of the
answer, and what is not."""

import base64
import gzip
import json
import re

import backups
from common import numbered_lines, stream
from es_peer import EsPeer, Whole
from firehose import Firehose
from harness import wait_until
from http_peer import Handler, HttpPeer
from s3_peer import Fail, S3Peer


class _Handler(Handler):
    def do_POST(self):
        body = self.read_body()
        if body is None:
            return
        peer = self.server.peer
        status, answer, headers = peer.answer(self, body)
        if 200 <= status < 300:
            peer.taken.append(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Endpoint(HttpPeer):
    """`answer`: function of (handler, body), (status, bytes, headers)."""

    def __init__(self, t, answer):
        self.answer, self.taken = answer, []
        super().__init__(_Handler)
        t.on_end(self.stop)


def lines_at(peer, **more):
    return {"http": {"url": peer.url() + "/put", "format": "lines", **more}}


def backup_of(t, name):
    return {"mode": "failed", "file": {"path": t.path("backup-" + name)}}


def firehose_reply(handler):
    return json.dumps({"requestId": handler.headers["X-Amz-Firehose-Request-Id"], "timestamp": 1}).encode()


def test_one_batch_that_is_refused_with_400_or_422_ends_in_the_backup_and_the_others_arrive(t):
    """Nobody can mend such a batch: its place is given back after retry.duration."""
    def picky(status):
        def answer(_handler, body):
            return (status, b"no", {}) if b"poison" in body else (200, b"", {})
        return answer

    def picky_firehose(handler, body):
        data = b"".join(base64.b64decode(r["data"]) for r in json.loads(body)["records"])
        return (400, b"no", {}) if b"poison" in data else (200, firehose_reply(handler), {})

    statuses = (400, 406, 409, 411, 422)
    peers = {f"lines-{status}": Endpoint(t, picky(status)) for status in statuses}
    destinations = {name: lines_at(peer) for name, peer in peers.items()}
    destinations["firehose"] = {"http": {"url": Endpoint(t, picky_firehose).url(), "format": "firehose"}}
    d = t.daemon({"streams": {
        name: stream(to, interval="0s", size="1KiB", retry={"duration": "1s"}, backup=backup_of(t, name))
        for name, to in destinations.items()}}).start()
    client = Firehose(d.api_port)
    good = numbered_lines(t.random, 12, b"good")
    for name in destinations:
        for i, record in enumerate(good):
            client.put(name, record)
            if i % 2 == 0:
                client.put(name, b"poison %d %s" % (i, b"x" * 1000))  # a batch of its own
    for name in destinations:
        def settled(name=name):
            books = d.books(name)
            books.assert_balanced()
            return books.spooled == 0 and books
        books = wait_until(f"all of {name} is settled", settled, 60 * t.slow)
        assert books.backed_up >= 6, books
        found = backups.read(t.path("backup-" + name), "http-endpoint-failed")
        assert sum(line["data"].startswith(b"poison") for line in found) == 6, (name, found)
    d.stop()


def test_what_somebody_must_mend_stays_in_the_spool(t):
    s3, es = S3Peer(), EsPeer()
    for peer in (s3, es):
        t.on_end(peer.stop)
    s3.always = Fail(403, "InvalidAccessKeyId")
    es.plan(*[Whole(401, "security_exception")] * 1000)
    statuses = (401, 403, 404, 405, 407, 410, 415)
    destinations = {f"lines-{status}": lines_at(Endpoint(t, lambda _h, _b, status=status: (status, b"no", {})))
                    for status in statuses}
    destinations |= {"s3": s3.destination(), "es": es.destination()}
    streams = {name: stream(to, interval="0s", retry={"duration": "0s"}, backup=backup_of(t, name))
               for name, to in destinations.items()}
    d = t.daemon({"streams": streams, "shutdown": {"grace": "1s"}}).start()
    client = Firehose(d.api_port)
    for name in streams:
        client.put(name, b'{"n":1}')
    for name in streams:
        d.wait_logged(rf"level=error .*delivery failed.*stream={name} .*hint=")
        books = d.books(name)
        books.assert_balanced()
        assert (books.backed_up, books.spooled) == (0, 1), f"{name}: {books}"
    d.expect_exit = 1
    d.stop()


# --- what is told of an answer ---------------------------------------------------------------------------------------

# What an endpoint answers -> what an operator must find in the log line.
ANSWERS = {
    "json-error": (400, b'{"error":"unknown tenant"}', r"status 400\): unknown tenant"),
    "json-es": (400, b'{"error":{"type":"parse_exception","reason":"no line feed"}}', r": parse_exception: no line feed"),
    "json-errors": (403, b'{"errors":["no such key"]}', r"status 403\): no such key"),
    "problem": (422, b'{"title":"Unfit","detail":"no field ts"}', r": Unfit: no field ts"),
    "spring": (500, b'{"status":500,"error":"Internal","message":"pool is empty"}', r": Internal: pool is empty"),
    "xml": (503, b"<Error><Code>SlowDown</Code><Message>less, please</Message></Error>", r": SlowDown: less, please"),
    "html": (502, b"<html><head><title>502 Bad Gateway</title></head>", r": 502 Bad Gateway"),
    "text": (400, b"\r\nline 1: no tab\nline 2\n", r": line 1: no tab\""),
    "nothing": (503, b"", r": Service Unavailable\""),
    "controls": (400, b"red\x1b\x07 \xff text", "red \ufffd text"),
    "tls": (400, b"Client sent an HTTP request to an HTTPS server.\n", r"wants https://.*hint=.*url"),
    "long": (400, b"x" * 100_000, r"x{200}"),
}


def test_the_words_of_an_answer_are_in_log_page_and_backup(t):
    peers = {name: Endpoint(t, lambda _h, _b, a=a: (a[0], a[1], {})) for name, a in ANSWERS.items()}
    d = t.daemon({"streams": {name: stream(lines_at(peer), interval="0s", retry={"duration": "0s"},
                                           backup=backup_of(t, name)) for name, peer in peers.items()},
                  "shutdown": {"grace": "1s"}}).start()
    client = Firehose(d.api_port)
    for name in peers:
        client.put(name, b"a record")
    wrong = []
    for name, (status, _, pattern) in ANSWERS.items():
        line = d.wait_logged(rf"(go to the backup|delivery failed).*stream={name} .*{pattern}"[:4000])[0]
        if len(line) > 1200:
            wrong.append(f"{name}: a line of {len(line)} characters")
    for name in ("json-error", "problem", "text", "nothing"):
        wait_until(f"{name} is in the backup", lambda name=name: d.books(name).backed_up == 1, 20 * t.slow)
        found = backups.read(t.path("backup-" + name))[0]["errorMessage"]
        if ANSWERS[name][2].strip('\\"').removeprefix(r"status 400\)") not in found:
            wrong.append(f"{name}: the backup says {found}")
    assert "no such key" in d.http("/readyz")[1] and "no such key" in d.http("/")[1]
    assert not wrong, wrong
    d.expect_exit = 1
    d.stop()


# --- what is not told ------------------------------------------------------------------------------------------------

RECORD = b'{"card":"4111-1111-1111-1111","n":"not a number","who":"Eva \\"Bob\\"","pin":80317}'
PIECES = (b"4111-1111", b"not a number", base64.b64encode(b"4111-1111-1111")[:12], b"80317")
NAMES = ("eva", "bob")  # in any letter case


def echo_words(_handler, _body):
    return 503, b"cannot take EVA or bob with 80317", {}


def echo_plain(_handler, body):
    return 503, b"I cannot read " + body[:300], {}


def echo_quoted(_handler, body):
    return 503, json.dumps({"error": f"value '{RECORD.decode()}' of a record"}).encode(), {}


def echo_decoded(_handler, body):
    return 503, b"cannot parse record: " + base64.b64decode(json.loads(body)["records"][0]["data"]), {}


def echo_gzip(_handler, body):
    return 503, b"no JSON in it: " + gzip.decompress(body)[:300], {}


def echo_headers(handler, _body):
    return 401, f"you sent {handler.headers['Authorization']} to {handler.path}".encode(), {}


def refuse_for_good(_handler, body):
    return 400, b"entry has " + RECORD, {}


def mapping_error(_handler, _body):
    reason = f"failed to parse field [n] of type [long] in document with id 'x'. Preview of field's value: '{RECORD.decode()}'"
    item = {"index": {"status": 400, "error": {"type": "document_parsing_exception", "reason": reason,
                                               "caused_by": {"reason": f'For input string: "{RECORD.decode()}"'}}}}
    return 200, json.dumps({"errors": True, "items": [item]}).encode(), {"Content-Type": "application/json"}


def whole_request(_handler, _body):
    return 400, json.dumps({"error": {"type": "x_content_parse_exception", "reason": f"[{RECORD.decode()}]"}}).encode(), {}


def test_records_and_credentials_that_an_answer_repeats_stay_out_of_log_page_and_readyz(t):
    def http(behaviour, path="/put", **more):
        return {"http": {"url": Endpoint(t, behaviour).url() + path, **more}}

    def elastic(behaviour):
        return {"elasticsearch": {"url": Endpoint(t, behaviour).url(), "index": "logs"}}

    destinations = {
        "plain": http(echo_plain, format="lines"),
        "quoted": http(echo_quoted, format="lines"),
        "array": http(echo_plain, format="json_array"),
        "decoded": http(echo_decoded, format="firehose"),
        "gzipped": http(echo_gzip, format="lines"),
        "words": http(echo_words, format="lines"),
        "words-base64": http(echo_words, format="firehose"),
        "words-gzip": http(echo_words, format="firehose"),
        "headers": http(echo_headers, "/put?api=a-key-in-the-address", format="lines", auth={"bearer": "t0ken-of-ours"}),
        "basic": http(echo_headers, format="lines", auth={"basic": {"username": "u", "password": "pass-of-ours"}}),
        "loki": http(refuse_for_good, preset="loki"),
        "mapping": elastic(mapping_error),
        "whole": elastic(whole_request),
    }
    streams = {name: stream(to, interval="0s") for name, to in destinations.items()}
    streams["gzipped"]["compression"] = streams["words-gzip"]["compression"] = "gzip"
    for name in ("plain", "mapping", "loki"):
        streams[name + "-kept"] = stream(destinations[name], interval="0s", retry={"duration": "0s"},
                                         backup=backup_of(t, name))
    d = t.daemon({"streams": streams, "shutdown": {"grace": "1s"}}).start()
    client = Firehose(d.api_port)
    for name in streams:
        client.put(name, RECORD)
    for name in streams:
        d.wait_logged(rf"(level=warn|level=error) .*stream={name} ")
    for name in ("plain", "mapping", "loki"):
        wait_until(f"{name} is in the backup", lambda name=name: d.books(name + "-kept").backed_up == 1, 20 * t.slow)
        line = backups.read(t.path("backup-" + name))[0]
        assert line["data"] == RECORD and "4111-1111" in line["errorMessage"], line
    wait_until("the refusals are on the page", lambda: "has no backup" in d.http("/readyz")[1], 20 * t.slow)
    secrets = [p.decode() for p in PIECES] + ["t0ken-of-ours", "pass-of-ours", "a-key-in-the-address",
                                              base64.b64encode(b"u:pass-of-ours").decode()]
    for place, text in (("log", d.log_text()), ("readyz", d.http("/readyz")[1]), ("page", d.http("/")[1]),
                        ("metrics", d.http("/metrics")[1])):
        for secret in secrets:
            lines = [line for line in text.splitlines() if secret in line]
            assert not lines, f"{secret} is in {place}: {lines[0]}"
        for name in NAMES:
            found = re.search(rf"(?i)\b{name}\b", text)
            assert not found, f"{name} is in {place}: {text[max(0, found.start() - 100):][:200]}"
    assert "failed to parse field [n] of type [long]" in d.log_text(), "what is left still helps"
    d.expect_exit = 1
    d.stop()
