"""What destinations answer when they refuse: which refusals go to the backup and which wait for somebody, what is told of the
answer, and what is not."""

import base64
import json

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
