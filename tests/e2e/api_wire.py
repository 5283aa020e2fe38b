"""The Firehose API under clients that break the rules: raw sockets, byte by byte.

Runs under run.py, or alone against a server that checks no signatures and has the stream `app`:

    tests/e2e/api_wire.py http://127.0.0.1:4573 [SECONDS]

SECONDS is the server's `api.timeout` (60 unless told); the cases about slow clients take a little more than twice that.
"""

import base64
import gzip
import json
import socket
import sys
import time
from urllib.parse import urlsplit

MIB = 1 << 20
STREAM = "app"
TIMEOUT = 2  # of the server under run.py


class Closed(Exception):
    """The server ended the connection instead of answering."""


class Wire:
    """One connection; what is sent is exactly what is given."""

    def __init__(self, address, patience=30):
        self.socket = socket.create_connection(address, patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def _more(self):
        try:
            piece = self.socket.recv(1 << 16)
        except ConnectionError:
            piece = b""
        if not piece:
            raise Closed(self.rest[:200])
        self.rest += piece

    def answer(self):
        """(status, headers, body) of the next answer."""
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        status = int(first.split()[1])
        if status == 100:
            return status, headers, b""
        length = int(headers["content-length"])
        while len(self.rest) < length:
            self._more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return status, headers, body

    def is_closed(self, seconds):
        """True when the server closes within so many seconds."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(1 << 16):
                pass
        except socket.timeout:
            return False
        except ConnectionError:
            pass
        return True


def record(data=b"x"):
    return {"DeliveryStreamName": STREAM, "Record": {"Data": base64.b64encode(data).decode()}}


def batch(datas):
    return {"DeliveryStreamName": STREAM, "Records": [{"Data": base64.b64encode(d).decode()} for d in datas]}


def head(operation="PutRecord", length=None, method="POST", path="/", **more):
    headers = {"Host": "127.0.0.1", "Content-Type": "application/x-amz-json-1.1"}
    if operation is not None:
        headers["X-Amz-Target"] = "Firehose_20150804." + operation
    if length is not None:
        headers["Content-Length"] = str(length)
    headers.update({k.replace("_", "-"): v for k, v in more.items()})
    lines = "".join(f"{k}: {v}\r\n" for k, v in headers.items() if v is not None)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


def request(body=None, **how):
    if body is None:
        body = record()
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return head(length=len(body), **how) + body


def chunked(body, sizes):
    """The body in chunks of these sizes, the last one over and over."""
    out, at, i = [], 0, 0
    while at < len(body):
        n = min(sizes[min(i, len(sizes) - 1)], len(body) - at)
        out.append(b"%x\r\n" % n + body[at:at + n] + b"\r\n")
        at, i = at + n, i + 1
    return b"".join(out) + b"0\r\n\r\n"


GOOD = json.dumps(record()).encode()
GZIPPED = gzip.compress(GOOD)
TRUNCATED = [GOOD[:n] for n in range(0, len(GOOD))]
CHUNKED = {"Transfer_Encoding": "chunked"}


def table():
    """(what, bytes to send, status, code or None); the connection need not survive. Made when it is wanted: to pack a
    bomb takes a second."""
    return [
        ("a good request", request(), 200, None),
        ("escapes in base64", request(b'{"DeliveryStreamName":"app","Record":{"Data":"\\/\\/\\u0059="}}'), 200, None),
        ("members in any order, and unknown ones",
         request(b'{"X":[{"Data":1}],"Record":{"Y":null,"Data":"eA=="},"DeliveryStreamName":"app"}'), 200, None),
        ("white space everywhere", request(b'\r\n\t { "DeliveryStreamName" : "app" , "Record" : { "Data" : "" } } \n'), 200, None),
        ("another content type", request(Content_Type="application/json"), 200, None),
        ("header names in another case",
         b"POST / HTTP/1.1\r\nHOST: LocalHost\r\nx-amz-target: Firehose_20150804.PutRecord\r\ncontent-length: %d\r\n\r\n%s"
         % (len(GOOD), GOOD), 200, None),
        ("HTTP/1.0", b"POST / HTTP/1.0\r\nX-Amz-Target: Firehose_20150804.PutRecord\r\nContent-Length: %d\r\n\r\n%s"
         % (len(GOOD), GOOD), 200, None),
        ("one chunk", head(**CHUNKED) + chunked(GOOD, [MIB]), 200, None),
        ("chunks of one byte", head(**CHUNKED) + chunked(GOOD, [1]), 200, None),
        ("a chunk with an extension", head(**CHUNKED) + b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD), 200, None),
        ("a trailer behind the chunks", head(**CHUNKED) + b"%x\r\n%s\r\n0\r\nX-T: 1\r\n\r\n" % (len(GOOD), GOOD), 200, None),
        ("a gzip body", request(GZIPPED, Content_Encoding="gzip"), 200, None),
        ("a gzip body in chunks", head(Content_Encoding="gzip", **CHUNKED) + chunked(GZIPPED, [7]), 200, None),
        ("the largest batch", request(batch([b"x" * 1024000] * 4), operation="PutRecordBatch"), 200, None),
        ("500 records", request(batch([b"x" * 200] * 500), operation="PutRecordBatch"), 200, None),
        ("ListDeliveryStreams without a body", request(b"", operation="ListDeliveryStreams"), 200, None),
        ("DescribeDeliveryStream", request({"DeliveryStreamName": STREAM}, operation="DescribeDeliveryStream"), 200, None),

        ("another method", head(length=0, method="PUT"), 404, "UnknownOperationException"),
        ("GET", head(method="GET"), 404, "UnknownOperationException"),
        ("another path", request(path="/x"), 404, "UnknownOperationException"),
        ("a parameter in the URL", request(path="/?Action=PutRecord"), 400, "MalformedHttpRequest"),
        ("no target", request(operation=None), 404, "UnknownOperationException"),
        ("a target of another service", request(X_Amz_Target="DynamoDB_20120810.PutItem"), 404, "UnknownOperationException"),
        ("no such operation", request(operation="PutRecords"), 404, "UnknownOperationException"),
        ("an operation that YAML replaces", request(operation="CreateDeliveryStream"), 400, "InvalidArgumentException"),
        ("no such stream", request({"DeliveryStreamName": "nosuch", "Record": {"Data": ""}}), 400, "ResourceNotFoundException"),
        ("no stream", request({"Record": {"Data": ""}}), 400, "ValidationException"),
        ("no body", request(b""), 400, "ValidationException"),
        ("no length and no chunks", head(), 400, "ValidationException"),
        ("an empty batch", request(batch([]), operation="PutRecordBatch"), 400, "ValidationException"),
        ("501 records", request(batch([b""] * 501), operation="PutRecordBatch"), 400, "ValidationException"),
        ("over 4 MiB", request(batch([b"x" * 1024000] * 5), operation="PutRecordBatch"), 400, "InvalidArgumentException"),
        ("a record too large", request(record(b"x" * 1024001)), 400, "ValidationException"),
        ("not JSON", request(b"hello"), 400, "SerializationException"),
        ("a list", request(b"[]"), 400, "SerializationException"),
        ("two documents", request(GOOD + GOOD), 400, "SerializationException"),
        ("a byte order mark", request(b"\xef\xbb\xbf" + GOOD), 400, "SerializationException"),
        ("UTF-16", request(GOOD.decode().encode("utf-16")), 400, "SerializationException"),
        ("zero bytes", request(b"\0" * 1000), 400, "SerializationException"),
        ("invalid UTF-8", request(b'{"DeliveryStreamName":"\xff","Record":{"Data":""}}'), 400, "SerializationException"),
        ("deep nesting", request(b"[" * 100000), 400, "SerializationException"),
        ("deep nesting in an unknown member", request(b'{"X":' + b"[" * 100000), 400, "SerializationException"),
        ("base64 with a space", request(b'{"DeliveryStreamName":"app","Record":{"Data":"eA== "}}'), 400, "SerializationException"),
        ("base64 without padding", request(b'{"DeliveryStreamName":"app","Record":{"Data":"eA"}}'), 400, "SerializationException"),
        ("base64 of the URL alphabet", request(b'{"DeliveryStreamName":"app","Record":{"Data":"-_-_"}}'), 400, "SerializationException"),
        ("data that is a number", request(b'{"DeliveryStreamName":"app","Record":{"Data":5}}'), 400, "SerializationException"),
        ("a member twice", request(b'{"DeliveryStreamName":"app","Record":{"Data":"","Data":""}}'), 400, "SerializationException"),
        ("a gzip header on a plain body", request(GOOD, Content_Encoding="gzip"), 400, "SerializationException"),
        ("a gzip body cut off", request(GZIPPED[:-3], Content_Encoding="gzip"), 400, "SerializationException"),
        ("an unknown encoding", request(GOOD, Content_Encoding="br"), 400, "MalformedHttpRequest"),
        ("a gzip bomb", request(gzip.compress(b" " * (200 * MIB), 9), Content_Encoding="gzip"), 413,
         "RequestEntityTooLargeException"),
        ("9 MiB", request(b" " * (9 * MIB)), 413, "RequestEntityTooLargeException"),
        ("9 MiB in chunks", head(**CHUNKED) + chunked(b" " * (9 * MIB), [64 << 10]), 413, "RequestEntityTooLargeException"),
        ("9 MiB announced, none sent, but asked for", head(length=9 * MIB, Expect="100-continue"), 413,
         "RequestEntityTooLargeException"),
        ("a terabyte announced", head(length=1 << 40), 413, "RequestEntityTooLargeException"),
        ("a negative length", head(length=-1) + GOOD, 400, None),
        ("a length that is no number", head(length="ten") + GOOD, 400, None),
        ("a bad chunk size", head(**CHUNKED) + b"xyz\r\nabc\r\n0\r\n\r\n", 400, None),
        ("a chunk that is longer than it says", head(**CHUNKED) + b"3\r\nabcdef\r\n0\r\n\r\n", 400, None),
        ("a huge chunk size", head(**CHUNKED) + b"fffffffffffffffff\r\n", 413, None),
    ]


def describe(what, got):
    status, _, body = got
    return f"{what}: {status} {body[:300]!r}"


def check(what, got, status, code):
    assert got[0] == status, describe(what, got)
    if code is not None or status == 200:
        assert got[1]["content-type"] == "application/x-amz-json-1.1", describe(what, got)
        answer = json.loads(got[2])
        assert answer.get("__type") == code, describe(what, got)
        assert code is None or answer["message"], describe(what, got)
        assert got[1]["x-amzn-requestid"], describe(what, got)


def each_row_of_the_table(address):
    for what, sent, status, code in table():
        with Wire(address) as w:
            try:
                w.send(sent)
            except ConnectionError:
                pass  # refused while sending; the answer is there all the same
            check(what, w.answer(), status, code)


def every_beginning_of_a_request(address):
    with Wire(address) as w:
        for body in TRUNCATED:
            got = w.send(request(body)).answer()
            assert got[0] == 400, describe(body, got)
        check("the connection is still good", w.send(request()).answer(), 200, None)


def one_connection_many_requests(address):
    with Wire(address) as w:
        for i in range(50):
            check(f"request {i}", w.send(request(record(b"%d" % i))).answer(), 200, None)
            check("a refusal between", w.send(request(b"nonsense")).answer(), 400, "SerializationException")
            got = w.send(request(b"", path="/health")).answer()
            check("another path between", got, 404, "UnknownOperationException")


def pipelined_requests_are_answered_in_order(address):
    with Wire(address) as w:
        w.send(b"".join(request(record(b"%d" % i)) + request(b"", operation="ListDeliveryStreams") for i in range(20)))
        for _ in range(20):
            assert "RecordId" in json.loads(w.answer()[2])
            assert "DeliveryStreamNames" in json.loads(w.answer()[2])


def requests_in_small_pieces(address):
    whole = request(batch([b"a" * 300] * 3), operation="PutRecordBatch")
    with Wire(address) as w:
        for at in range(0, len(whole), 11):
            w.send(whole[at:at + 11])
        check("in pieces of 11 bytes", w.answer(), 200, None)


def a_client_that_asks_first_is_told_to_go_on(address):
    with Wire(address) as w:
        w.send(head(length=len(GOOD), Expect="100-continue"))
        assert w.answer()[0] == 100
        check("after 100 Continue", w.send(GOOD).answer(), 200, None)


def a_client_that_asks_first_is_refused_before_it_sends(address):
    with Wire(address) as w:
        got = w.send(head(operation="Nonsense", length=len(GOOD), Expect="100-continue")).answer()
        check("refused at once", got, 404, "UnknownOperationException")


def replies_are_as_fluent_bit_reads_them(address):
    with Wire(address) as w:
        body = w.send(request(batch([b"a", b"b"]), operation="PutRecordBatch")).answer()[2]
        assert body.startswith(b'{"FailedPutCount":0,'), body
        ids = [r["RecordId"] for r in json.loads(body)["RequestResponses"]]
        assert len(set(ids)) == 2 and all(len(i) > 1 for i in ids), ids


def clients_that_go_away(address):
    """At every stage of a request; the server has to be as good as before."""
    whole = request(batch([b"x" * 1000] * 100), operation="PutRecordBatch")
    for at in (1, 20, len(whole) // 2, len(whole) - 1, len(whole)):
        for _ in range(5):
            with Wire(address) as w:
                w.send(whole[:at])
    for _ in range(5):
        with Wire(address) as w:
            w.send(whole[:-1])
            w.socket.shutdown(socket.SHUT_WR)
            assert w.is_closed(20)
    with Wire(address) as w:
        check("after all that", w.send(whole).answer(), 200, None)


def a_client_that_reads_no_answers(address):
    """Its answers pile up in the sockets and then in nothing: it may not stop the others."""
    whole = request(batch([b""] * 500), operation="PutRecordBatch")
    with Wire(address) as w:
        w.socket.setblocking(False)
        for _ in range(300):
            try:
                w.socket.send(whole)
            except BlockingIOError:
                break
        with Wire(address) as other:
            check("the next client", other.send(request()).answer(), 200, None)


def bodies_announced_but_not_sent(address):
    """More of them than memory could hold: some may be pushed back, none may stop the server."""
    held = [Wire(address).send(head(length=8 * MIB)) for _ in range(20)]
    with Wire(address) as w:
        got = w.send(request()).answer()
        assert got[0] in (200, 500), describe("while others hold memory", got)
        if got[0] == 500:
            check("pushed back", got, 500, "ServiceUnavailableException")
    for w in held:
        w.socket.close()
    end = time.monotonic() + 10
    while True:
        with Wire(address) as w:
            got = w.send(request()).answer()
        if got[0] == 200 or time.monotonic() > end:
            break
        time.sleep(0.05)
    check("when they are gone", got, 200, None)


QUICK = [
    each_row_of_the_table, every_beginning_of_a_request, one_connection_many_requests,
    pipelined_requests_are_answered_in_order, requests_in_small_pieces, a_client_that_asks_first_is_told_to_go_on,
    a_client_that_asks_first_is_refused_before_it_sends, replies_are_as_fluent_bit_reads_them, clients_that_go_away,
    a_client_that_reads_no_answers, bodies_announced_but_not_sent,
]


# --- slow clients: all at the same time, since each takes as long as the server is patient ---------------------------

SLOW = [
    ("says nothing", b"", b""),
    ("sends headers byte by byte", b"POST / HTTP/1.1\r\n", b"X: y\r\n"),
    ("sends half a body", head(length=1000) + b"{", b""),
    ("sends a body byte by byte", head(length=1000) + b"{", b" "),
    ("sends chunks of one byte", head(**CHUNKED), b"1\r\n \r\n"),
    ("sends a refused body byte by byte", head(operation="Nonsense", length=1000), b" "),
    ("waits after its request", request(), b""),
    ("trickles a second request", request(), b"P"),
]


def slow_clients_are_cut_off(address, seconds):
    clients = [(what, Wire(address).send(first), drip) for what, first, drip in SLOW]
    cut = set()
    end = time.monotonic() + 2 * seconds + 5
    while len(cut) < len(clients) and time.monotonic() < end:
        for what, w, drip in clients:
            if what in cut:
                continue
            try:
                if drip:
                    w.send(drip)
                w.socket.settimeout(0.01)
                while True:
                    if not w.socket.recv(1 << 16):
                        cut.add(what)
                        break
            except socket.timeout:
                pass
            except ConnectionError:
                cut.add(what)
        time.sleep(0.1)
        with Wire(address) as other:
            check("others meanwhile", other.send(request()).answer(), 200, None)
    for _, w, _ in clients:
        w.socket.close()
    assert len(cut) == len(clients), f"not cut off: {[what for what, _, _ in clients if what not in cut]}"


def a_full_house_serves_again_when_somebody_leaves(address, connections):
    idle = [Wire(address) for _ in range(connections)]
    with Wire(address) as late:  # waits in the kernel's queue until the idle ones are cut off
        check("a late client", late.send(request()).answer(), 200, None)
    for w in idle:
        w.socket.close()


# --- under run.py ----------------------------------------------------------------------------------------------------


def start(t, **api):
    from common import stream, to_file
    d = t.daemon({"api": {"timeout": f"{TIMEOUT}s", **api}, "limits": {"memory": "64MiB"},
                  "streams": {STREAM: stream(to_file(t))}})
    d.start()
    return d, ("127.0.0.1", d.api_port)


def test_requests_of_every_kind(t):
    d, address = start(t, timeout="30s")
    for case in QUICK:
        print(case.__name__)
        case(address)
    d.stop()
    d.check_log()


def test_slow_clients_are_cut_off(t):
    d, address = start(t)
    slow_clients_are_cut_off(address, TIMEOUT * d.slow)
    d.stop()


def test_a_full_house_serves_again(t):
    d, address = start(t, connections=8)
    a_full_house_serves_again_when_somebody_leaves(address, 8)
    d.stop()


def test_what_is_refused_is_not_kept(t):
    """A request that fails at its last record has appended none of the others."""
    d, address = start(t)
    records = [{"Data": "eA=="}] * 400 + [{"Data": "?"}]
    with Wire(address) as w:
        got = w.send(request({"DeliveryStreamName": STREAM, "Records": records}, operation="PutRecordBatch")).answer()
        check("the last record is no base64", got, 400, "SerializationException")
        check("a good one", w.send(request()).answer(), 200, None)
    assert d.books(STREAM).incoming == 1, d.books(STREAM)
    d.stop()


def main(endpoint, seconds="60"):
    url = urlsplit(endpoint)
    address = (url.hostname, url.port)
    cases = [(c.__name__, c, (address,)) for c in QUICK]
    cases.append(("slow_clients_are_cut_off", slow_clients_are_cut_off, (address, float(seconds))))
    failed = 0
    print(f"1..{len(cases)}")
    for number, (name, fn, arguments) in enumerate(cases, 1):
        try:
            fn(*arguments)
            print(f"ok {number} - {name}", flush=True)
        except (AssertionError, OSError, Closed, KeyError, ValueError) as e:
            failed += 1
            print(f"not ok {number} - {name}\n#   {type(e).__name__}: {e}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
