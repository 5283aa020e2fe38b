"""What HTTP servers, proxies and their networks do wrong, one row each: reported in words, retried as often as it
takes, delivered in the end, and the books in order all the time.

Each row has a stream and a server of its own; the server misbehaves towards the first connection and is well
afterwards. `attempts` is what the delivery takes: 1 for what is odd but right, 2 for what is wrong.
"""

import base64
import datetime
import email.utils
import gzip
import json
import os
import re
import time

from common import one_stream, stream
from firehose import Firehose
from harness import wait_until
from raw_peer import RawPeer, answer
from test_tls import make_certificates, run

# Large enough for a request to be in the middle of something; a line break at its end would get no second one.
# At its end, plain and as base64 has it (at a place that three divides), what our own messages say too: they must not lose it.
RECORD = os.urandom(148_998) + base64.b64decode("413413127403") + b" refused: larger than http://127.0.0.1 takes (status 413)."


class Row:
    def __init__(self, behaviour, pattern=None, gap=None, everywhere=False, **options):
        """`pattern`: what the log line must have, None where the first attempt succeeds. `gap`: least seconds between
        the attempts. `everywhere`: about HTTP itself, so it holds for every sink."""
        self.behaviour, self.pattern, self.gap, self.everywhere = behaviour, pattern, gap, everywhere
        self.options = options
        self.attempts = 2 if pattern else 1


def firehose_reply(connection, **more):
    """The answer of an endpoint of Firehose, with members replaced; None leaves one out."""
    reply = {"requestId": connection.header(b"X-Amz-Firehose-Request-Id").decode(), "timestamp": 1700000000000, **more}
    return json.dumps({k: v for k, v in reply.items() if v is not None}).encode()


def healthy_firehose(connection):
    return answer(b"200 OK", firehose_reply(connection), b"Content-Type: application/json")


def healthy_s3(_connection):
    return answer(b"200 OK", b"", b'ETag: "0"')


def says(*data):
    """Reads the request and answers these bytes; then the end of the connection."""
    def behave(c):
        c.read()
        for piece in data:
            c.send(piece(c) if callable(piece) else piece)
    return behave


def replies(**members):
    return says(lambda c: answer(b"200 OK", firehose_reply(c, **members)))


def healthy(c):
    return c.peer.healthy(c)


def half(data):
    return data[:len(data) // 2]


def read_nothing(_c):
    pass


def then_reset(behave):
    def both(c):
        behave(c)
        time.sleep(0.1)  # what was said is to arrive first
        c.reset()
    return both


def reads_head(c):
    c.read_head()


def reads_half(c):
    c.read_head()
    c.read_body(0.3)


def reads_all(c):
    c.read()


def then_stalls(*data):
    def behave(c):
        says(*data)(c)
        c.stall()
    return behave


def stalls_while_sending(c):
    c.read_head()
    time.sleep(20)


def drips(c):
    c.read()
    c.drip(healthy(c), 0.005)


def drips_for_ever(c):
    c.read()
    c.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        c.drip(b"X-Padding: 1\r\n", 0.05)


def many_1xx(c):
    c.read()
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    c.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 300 + hints * 300 + healthy(c))


def endless_1xx(c):
    c.read()
    while True:
        c.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        time.sleep(0.02)


def endless_body(c):
    c.read()
    c.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        c.send(b" " * 65536)


def early(status):
    """The answer comes before the request was read, and the connection ends: proxies with a limit."""
    def behave(c):
        c.read_head()
        c.send(answer(status, b"go away", b"Connection: close"))
        time.sleep(0.3)
        c.reset()
    return behave


def chunked(*chunks):
    return b"HTTP/1.1 200 OK\r\nETag: \"0\"\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(chunks)


def in_chunks(c):
    body = healthy(c).partition(b"\r\n\r\n")[2]
    return chunked(*[b"%x;ext=1\r\n%s\r\n" % (1, body[i:i + 1]) for i in range(len(body))], b"0\r\nTrailer: 1\r\n\r\n")


def closes_http_1_0(c):
    head, _, body = healthy(c).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n")[1:] if not line.startswith(b"Content-Length")]
    return b"\r\n".join([b"HTTP/1.0 200 OK", *lines, b"", body])


def gzipped(cut):
    def make(c):
        data = gzip.compress(firehose_reply(c))
        return answer(b"200 OK", data[:len(data) - cut], b"Content-Encoding: gzip")
    return make


def retry_at(seconds):
    """Retry-After as a date: whole seconds, so up to one less."""
    def make(_c):
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        return answer(b"429 Slow Down", b"", b"Retry-After: " + email.utils.format_datetime(when, True).encode())
    return make


def with_length(value):
    return lambda c: answer(b"200 OK", b'{"requestId":"x"}', b"Content-Length: " + value, length=False)


LOST = r"127\.0\.0\.1.*(closed|reset|connection|transfer|HTTP)"
NOT_HTTP = r"127\.0\.0\.1.*HTTP"
TIMEOUT = r"did not answer in time|timed out"
NOT_AS_FIREHOSE = r"InvalidResponseFromDestination.*200, but not as"
SHORT = {"timeout": "2s"}
LONGEST_WAIT = 5750  # ms before a second attempt: what an operator has to mend waits 5 s, give or take 15 %

ROWS = {
    # the connection
    "refused": Row(None, r"cannot connect to http://127\.0\.0\.1.*running", everywhere=True),
    "reset when accepted": Row(then_reset(read_nothing), LOST, everywhere=True),
    "reset in the head of the request": Row(then_reset(lambda c: c.sock.recv(1)), LOST, everywhere=True),
    "reset before the body of the request": Row(then_reset(reads_head), LOST, everywhere=True),
    "reset in the body of the request": Row(then_reset(reads_half), LOST, everywhere=True),
    "reset after the request": Row(then_reset(reads_all), LOST, everywhere=True),
    "reset in the status line": Row(then_reset(says(b"HTTP/1.1 2")), LOST, everywhere=True),
    "reset in the headers": Row(then_reset(says(b"HTTP/1.1 200 OK\r\nContent-Le")), LOST, everywhere=True),
    "reset in the answer": Row(then_reset(says(lambda c: half(answer(b"200 OK", b"x" * 999)))), LOST, everywhere=True),
    "closed when accepted": Row(read_nothing, LOST, everywhere=True),
    "closed after the head": Row(reads_head, LOST, everywhere=True),
    "closed without an answer": Row(reads_all, LOST, everywhere=True),
    "closed in the headers": Row(says(b"HTTP/1.1 200 OK\r\nContent-Type: app"), LOST, everywhere=True),
    "closed in the answer": Row(says(lambda c: half(answer(b"200 OK", b"x" * 999))), LOST, everywhere=True),
    # time
    "stalls while the request is sent": Row(stalls_while_sending, TIMEOUT, **SHORT),
    "stalls before the answer": Row(then_stalls(), TIMEOUT, **SHORT),
    "stalls in the headers": Row(then_stalls(b"HTTP/1.1 200 OK\r\nContent-"), TIMEOUT, **SHORT),
    "stalls in the answer": Row(then_stalls(lambda c: half(answer(b"200 OK", b"x" * 999))), TIMEOUT, **SHORT),
    "drips slowly": Row(drips, everywhere=True),
    "drips for ever": Row(drips_for_ever, TIMEOUT, **SHORT),
    # what is odd, but HTTP
    "a storm of 1xx": Row(many_1xx, everywhere=True),
    "HTTP/1.0 that ends with the connection": Row(says(closes_http_1_0), everywhere=True),
    "in chunks of one byte": Row(says(in_chunks), everywhere=True),
    "1xx for ever": Row(endless_1xx, r"127\.0\.0\.1", **SHORT),
    # what is not HTTP
    "SSH": Row(says(b"SSH-2.0-OpenSSH_9.2p1\r\n"), NOT_HTTP, everywhere=True),
    "random bytes": Row(says(bytes(range(256)) * 8), NOT_HTTP, everywhere=True),
    "a TLS alert": Row(says(b"\x15\x03\x01\x00\x02\x02\x46"), NOT_HTTP, everywhere=True),
    "no status": Row(says(b"HTTP/1.1 OK\r\n\r\n"), r"127\.0\.0\.1", everywhere=True),
    "a chunk size that is none": Row(says(chunked(b"zz\r\nx\r\n0\r\n\r\n")), LOST, everywhere=True),
    "chunks cut off": Row(says(chunked(b"ff\r\nabc")), LOST, everywhere=True),
    "too long a Content-Length": Row(says(with_length(b"9999")), LOST, everywhere=True),
    "a Content-Length that is none": Row(says(with_length(b"many")), r"127\.0\.0\.1"),
    "a Content-Length below zero": Row(says(with_length(b"-5")), r"127\.0\.0\.1"),
    "a megabyte of headers": Row(says(b"HTTP/1.1 200 OK\r\n", b"X-Padding: 0123456789\r\n" * 50000), r"127\.0\.0\.1",
                                 everywhere=True),
    # what servers and proxies say
    "201": Row(says(answer(b"201 Created")), r"201"),
    "204": Row(says(b"HTTP/1.1 204 No Content\r\n\r\n"), r"204"),
    "301": Row(says(answer(b"301 Moved", b"", b"Location: http://127.0.0.1:1/trap")), r"redirects to.*not followed"),
    "307 to itself": Row(says(answer(b"307 Temporary Redirect", b"", b"Location: /")), r"redirects to.*not followed"),
    "401": Row(says(answer(b"401 Unauthorized")), r"credentials.*401.*hint=.*access_key"),
    "403 in HTML": Row(says(answer(b"403 Forbidden", b"<html>no</html>")), r"403.*hint="),
    "404": Row(says(answer(b"404 Not Found")), r"404.*url"),
    "408": Row(says(answer(b"408 Request Timeout")), r"408"),
    "413 to one record": Row(says(answer(b"413 Too Large")), r"413.*(body_limit|backup)"),
    "413 before the body": Row(early(b"413 Too Large"), r"(413.*(body_limit|backup)|127\.0\.0\.1.*(closed|reset))"),
    "418": Row(says(answer(b"418 I'm a teapot")), r"418"),
    "429": Row(says(answer(b"429 Too Many Requests")), r"slow down.*429"),
    "429, Retry-After in seconds": Row(says(answer(b"429 x", b"", b"Retry-After: 4")), r"429", gap=3.9),
    "429, Retry-After as a date": Row(says(retry_at(6)), r"429", gap=4.5),
    "429, Retry-After as nonsense": Row(says(answer(b"429 x", b"", b"Retry-After: soon")), r"429"),
    "429, Retry-After in the past": Row(says(answer(b"429 x", b"", b"Retry-After: Thu, 01 Jan 1970 00:00:00 GMT")),
                                        r"429"),
    "500": Row(says(answer(b"500 Internal Server Error")), r"500"),
    "502 in HTML": Row(says(answer(b"502 Bad Gateway", b"<html>Bad Gateway</html>" * 100)), r"502"),
    "503, Retry-After": Row(says(answer(b"503 x", b"", b"Retry-After: 3")), r"503", gap=2.9),
    "504 before the body": Row(early(b"504 Gateway Timeout"), r"(504|127\.0\.0\.1.*(closed|reset))"),
    "599": Row(says(answer(b"599 Network")), r"599"),
    "999": Row(says(answer(b"999 Request denied")), r"999|HTTP"),
    # 200, but not as it should be
    "another requestId": Row(replies(requestId="11111111-2222-4333-8444-55555555"), NOT_AS_FIREHOSE + ".*requestId"),
    "no requestId": Row(replies(requestId=None), NOT_AS_FIREHOSE + ".*requestId"),
    "requestId as a number": Row(replies(requestId=7), NOT_AS_FIREHOSE + ".*requestId"),
    "timestamp as text": Row(replies(timestamp="1700000000000"), NOT_AS_FIREHOSE + ".*timestamp"),
    "no timestamp": Row(replies(timestamp=None), NOT_AS_FIREHOSE + ".*timestamp"),
    "timestamp as a float": Row(replies(timestamp=1700000000.5)),
    "a member too many": Row(replies(extra="ok"), NOT_AS_FIREHOSE),
    "an empty answer": Row(says(answer(b"200 OK")), NOT_AS_FIREHOSE),
    "an array": Row(says(answer(b"200 OK", b"[]")), NOT_AS_FIREHOSE),
    "HTML": Row(says(answer(b"200 OK", b"<html>Welcome to nginx!</html>")), NOT_AS_FIREHOSE),
    "JSON cut off": Row(says(lambda c: answer(b"200 OK", half(firehose_reply(c)))), NOT_AS_FIREHOSE),
    "JSON and more": Row(says(lambda c: answer(b"200 OK", firehose_reply(c) + b"{}")), NOT_AS_FIREHOSE),
    "10,000 brackets": Row(says(answer(b"200 OK", b'{"requestId":' + b"[" * 10000)), NOT_AS_FIREHOSE),
    "gzip cut off": Row(says(gzipped(5)), NOT_AS_FIREHOSE),
    "a megabyte and a half": Row(says(lambda c: answer(b"200 OK", firehose_reply(c) + b" " * 1_500_000)),
                                 r"ResponseTooLarge"),
    "an answer without end": Row(endless_body, r"ResponseTooLarge"),
    "500 without end": Row(says(answer(b"500 x", b"x" * 3_000_000)), r"500|ResponseTooLarge"),
}


def start_peers(t, rows, healthy_answer):
    peers = {}
    for name, row in rows.items():
        down = row.behaviour is None
        peers[name] = RawPeer([] if down else [row.behaviour], healthy_answer, down=down)
        t.on_end(peers[name].stop)
    return peers


def check_rows(t, rows, peers, destination):
    """Every row at once: each has a stream. Then what each was to do."""
    names = {f"s{i:02}": name for i, name in enumerate(rows)}
    d = t.daemon({"streams": {
        s: stream(destination(peers[name], rows[name]), interval="0s") for s, name in names.items()
    }}).start()
    client = Firehose(d.api_port)
    for s in names:
        client.put(s, RECORD)
    wrong = []
    for s, name in names.items():
        wrong += check_line(d, s, name, rows[name], t.slow)
        if rows[name].behaviour is None:
            peers[name].cure()
    for s in names:
        d.wait_delivered(s, 1, timeout=60)
    scrape = d.metrics()
    for s, name in names.items():
        wrong += check_attempts(scrape, s, name, rows[name], peers[name])
    assert not d.logged(re.escape(base64.b64encode(RECORD)[:40].decode())), "record content in the log"
    d.stop()
    assert not wrong, "\n".join(wrong)
    return peers


def check_line(d, s, name, row, slow):
    if not row.pattern:
        return []
    line = wait_until(f"a line for {name!r}", lambda: d.logged(rf"delivery failed.*stream={s} "), 60 * slow)[0]
    out = [] if re.search(row.pattern, line) else [f"{name}: {row.pattern!r} is not in {line}"]
    wait = int(re.search(r" retry_ms=(\d+)", line).group(1))
    if not row.gap and wait > LONGEST_WAIT:
        out.append(f"{name}: tried again only after {wait} ms")
    return out


def check_attempts(scrape, s, name, row, peer):
    out = []
    attempts = int(scrape.get("sluice_delivery_attempts_total", stream=s))
    failures = int(scrape.get("sluice_delivery_failures_total", stream=s))
    # What was refused as a connection may have been refused more than once before the cure; with a short timeout a slow machine
    # may be late more than once.
    more = row.behaviour is None or "timeout" in row.options
    if attempts != row.attempts and not (more and attempts > row.attempts):
        out.append(f"{name}: {attempts} attempts, {row.attempts} expected")
    if failures != attempts - 1:
        out.append(f"{name}: {failures} failures of {attempts} attempts")
    if peer.errors:
        out.append(f"{name}: the test's own server fails: {peer.errors[0]!r}")
    gap = peer.accepted[-1] - peer.accepted[0]
    if row.gap and gap < row.gap:
        out.append(f"{name}: tried again after {gap:.1f} s, {row.gap} s at least were asked for")
    return out


def same_request_every_time(peers):
    """Every attempt carries the same request id and the same body."""
    for name, peer in peers.items():
        ids = {re.search(rb"X-Amz-Firehose-Request-Id: *([^\r]*)", head, re.I).group(1) for _, head, _ in peer.requests}
        bodies = {body for _, _, body in peer.requests}
        assert len(ids) == 1, f"{name}: request ids {ids}"
        records = {r["data"] for body in bodies for r in json.loads(body)["records"]}
        assert records == {base64.b64encode(RECORD).decode()}, name


def test_http_endpoints_that_misbehave(t):
    def destination(peer, row):
        return {"http": {"url": peer.url() + "/put", "access_key": "key", "format": "firehose", **row.options}}

    assert len(ROWS) >= 30
    peers = start_peers(t, ROWS, healthy_firehose)
    same_request_every_time(check_rows(t, ROWS, peers, destination))


def test_stores_that_misbehave(t):
    def destination(peer, _row):
        return {"s3": {"bucket": "logs", "region": "us-east-1", "endpoint": peer.url(), "access_key_id": "AK",
                       "secret_access_key": "secret"}}

    rows = {name: row for name, row in ROWS.items() if row.everywhere}
    peers = check_rows(t, rows, start_peers(t, rows, healthy_s3), destination)
    for name, peer in peers.items():
        assert {body for _, _, body in peer.requests} == {RECORD + b"\n"}, name
        assert len({head.split(b" ")[1] for _, head, _ in peer.requests}) == 1, f"{name}: more than one key"


for case in (test_http_endpoints_that_misbehave, test_stores_that_misbehave):
    case.timeout = 240


# --- TLS ---------------------------------------------------------------------------------------------------------


def self_signed(t, name, *more):
    cert, key = t.path(name + ".pem"), t.path(name + ".key")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
        "-out", cert, "-subj", "/CN=endpoint", *more)
    return cert, key


def expired(t):
    """A certificate whose last day was in 2020."""
    cert, key = t.path("old.pem"), t.path("old.key")
    request, extensions = t.path("old.csr"), t.path("old.ext")
    os.makedirs(t.path("db"), exist_ok=True)
    for name, text in (("db/index", ""), ("db/serial", "01\n")):
        with open(t.path(name), "w", encoding="ascii") as f:
            f.write(text)
    with open(extensions, "w", encoding="ascii") as f:
        f.write(f"[ca]\ndefault_ca=a\n[a]\ndatabase={t.path('db/index')}\nserial={t.path('db/serial')}\n"
                f"new_certs_dir={t.path('db')}\ndefault_md=sha256\npolicy=p\nx509_extensions=v\n"
                "[p]\ncommonName=supplied\n[v]\nsubjectAltName=IP:127.0.0.1\n")
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
        request, "-subj", "/CN=endpoint")
    run("openssl", "ca", "-batch", "-config", extensions, "-in", request, "-cert", t.path("ca.pem"), "-keyfile",
        t.path("ca.key"), "-out", cert, "-startdate", "20190101000000Z", "-enddate", "20200101000000Z", "-notext")
    return cert, key


def takes_no_tls(c):
    c.sock.recv(4096)
    c.send(answer(b"400 Bad Request", b"", b"Connection: close"))


def test_endpoints_that_cannot_be_trusted_get_nothing(t):
    ca, for_another = make_certificates(t, address="127.0.0.99")
    own = self_signed(t, "self", "-addext", "subjectAltName=IP:127.0.0.1")
    peers = {
        "another name": RawPeer([], healthy_firehose, tls=for_another),
        "expired": RawPeer([], healthy_firehose, tls=expired(t)),
        "self-signed": RawPeer([], healthy_firehose, tls=own),
    }
    plain = RawPeer([takes_no_tls] * 20, healthy_firehose)
    streams = {f"s{i}": name for i, name in enumerate(peers)}
    config = {"streams": {s: stream({"http": {"url": peers[name].url(), "format": "firehose", "tls": {"ca_file": ca}}}, interval="0s")
                          for s, name in streams.items()}}
    config["streams"]["plain"] = stream({"http": {"url": plain.url().replace("http:", "https:"), "format": "firehose"}}, interval="0s")
    config["shutdown"] = {"grace": "1s"}
    for peer in [*peers.values(), plain]:
        t.on_end(peer.stop)
    d = t.daemon(config).start()
    client = Firehose(d.api_port)
    for s in config["streams"]:
        client.put(s, b"not for everybody")
    words = {"another name": r"no alternative certificate|subject|does not match", "expired": r"expired",
             "self-signed": r"self.signed|verify"}
    wrong = []
    for s, name in streams.items():
        line = wait_until(f"a line for {name}", lambda s=s: d.logged(rf"delivery failed.*stream={s} "), 15 * t.slow)[0]
        if not re.search(words[name], line) or "SSLHandshakeFailure" not in line or "ca_file" not in line:
            wrong.append(f"{name}: {line}")
    line = wait_until("a line for plain", lambda: d.logged(r"delivery failed.*stream=plain "), 15 * t.slow)[0]
    if "127.0.0.1" not in line or "TLS" not in line:
        wrong.append(f"plain: {line}")
    for s in config["streams"]:
        books = d.books(s)
        books.assert_balanced()
        assert (books.delivered, books.spooled) == (0, 1), books
    assert all(peer.requests == [] for peer in [*peers.values(), plain]), "nothing is sent before it is trusted"
    d.expect_exit = 1
    d.stop()
    assert not wrong, "\n".join(wrong)


def test_splitting_a_413_ends_where_single_records_fit(t):
    """The server takes no more than 10,000 bytes."""
    taken = []

    def limited(c):
        if len(c.body) > 10_000:
            return answer(b"413 Payload Too Large")
        taken.extend(base64.b64decode(r["data"]) for r in json.loads(c.body)["records"])
        return healthy_firehose(c)

    peer = RawPeer([], limited)
    t.on_end(peer.stop)
    d = t.daemon(one_stream("app", {"http": {"url": peer.url(), "format": "firehose"}}, interval="1s")).start()
    records = [b"%06d %s" % (i, b"x" * 200) for i in range(1000)]
    Firehose(d.api_port).put_all("app", records)
    d.wait_delivered("app", len(records))
    d.stop()
    assert sorted(taken) == records
