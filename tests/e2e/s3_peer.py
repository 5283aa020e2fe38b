"""A scripted S3: keeps objects in memory, checks every signature and checksum itself, and misbehaves on request.

    s3 = S3Peer()                                  # listens on 127.0.0.1, bucket "logs"
    s3.plan(Fail(503, "SlowDown", retry_after=2), ResetAfterReading())   # for the next PUTs, one each
    s3.always = Fail(403, "AccessDenied")          # for every PUT while it is set (after the plan)
    s3.by_key = lambda key, attempt: ...           # a Behaviour for this attempt at this key, or None
    s3.reads = lambda key, query, attempt: ...     # the same for reading: key None is a listing with this query
    s3.page_size = 2                               # keys in a page of a listing
    s3.clock = 3600                                # seconds that its clock is ahead
    s3.old = True                                  # it knows no x-amz-checksum
    s3.teaches = True                              # being told the region, or the time, is no fault of the client
    s3.steps = lambda step, key, attempt: ...      # the same for a step of a multipart upload: "create", "complete", "list", "abort",
                                                   # or ("part", number); "look" is a HEAD
    s3.stop(); s3.start()                          # down; back on the same port with the same objects

A multipart upload: `uploads` {id: Upload} are those that nobody has ended; `done` [(step, key)] are all steps that were answered.

What it saw: `requests` (every PUT, in order), `read` (the key of every GET, None for a listing), `objects` {key: bytes}, `bad` (what a real store would have refused),
`conflicts` (the same key with other bytes: never allowed). assert_clean() checks the last two.
"""

import base64
import hashlib
import html
import struct
import re
import time
import urllib.parse
import zlib

import sigv4
from crc32c import crc32c, crc64nvme
from http_peer import Handler, HttpPeer
from objects import shuffled

ACCESS_KEY = "TESTACCESSKEY0000001"
SECRET = "testSecretKey/abcdefghijklmnopqrstuvwxyz+1"


class Behaviour:
    """One answer to a PUT. Subclasses override act(); the default is what a healthy store does."""

    reads = True  # the body is read first

    def act(self, exchange):
        if exchange.handler.headers.get("If-None-Match") == "*" and exchange.key in exchange.peer.snapshot():
            exchange.answer(412, error_xml("PreconditionFailed", "it is there", exchange.path))
            return
        exchange.store()
        exchange.answer(200, headers={"ETag": exchange.etag()})


class Ok(Behaviour):
    pass


class Fail(Behaviour):
    """An S3 error answer; `stores`: the object was written all the same."""

    def __init__(self, status, code="", message="said the script", retry_after=None, stores=False, body=None):
        self.status, self.code, self.message = status, code, message
        self.retry_after, self.stores, self.body = retry_after, stores, body

    def act(self, exchange):
        if self.stores:
            exchange.store()
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after is not None else {}
        body = self.body if self.body is not None else error_xml(self.code, self.message, exchange.path)
        exchange.answer(self.status, body, headers)


class ResetBeforeReading(Behaviour):
    reads = False

    def act(self, exchange):
        exchange.reset()


class ResetAfterReading(Behaviour):
    """`stores`: the object was written and only the answer is lost."""

    def __init__(self, stores=False):
        self.stores = stores

    def act(self, exchange):
        if self.stores:
            exchange.store()
        exchange.reset()


class Hang(Behaviour):
    """Reads the request, stores it if asked to, and says nothing until the peer stops."""

    def __init__(self, stores=False):
        self.stores = stores

    def act(self, exchange):
        if self.stores:
            exchange.store()
        exchange.peer.stopping.wait(600)
        exchange.reset()


class Slow(Behaviour):
    def __init__(self, seconds):
        self.seconds = seconds

    def act(self, exchange):
        time.sleep(self.seconds)
        super().act(exchange)


class Truncated(Behaviour):
    """The object is written, and the answer breaks off in the middle of its head."""

    def act(self, exchange):
        exchange.store()
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Le")


class Garbage(Behaviour):
    def act(self, exchange):
        exchange.raw(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")


def error_xml(code, message, resource, more=""):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>{more}<Resource>{resource}</Resource>"
        "<RequestId>4442587FB7D0A2F9</RequestId></Error>"
    ).encode()


class Breaks(Behaviour):
    """A GET is answered with the head of a healthy answer and half of its body."""

    def act(self, exchange):
        body = exchange.body[:len(exchange.body) // 2]
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(exchange.body) + body)


class Serve(Behaviour):
    """What a healthy store answers to a GET; or 200 with another body."""

    def __init__(self, body=None, ranges=True):
        self.body, self.ranges = body, ranges

    def act(self, exchange):
        whole, headers = exchange.body if self.body is None else self.body, {"ETag": exchange.etag()}
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", exchange.handler.headers.get("Range", ""))
        if asked and self.ranges:
            first, last = int(asked[1]), min(int(asked[2]), len(whole) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(whole)}"
            tag = exchange.handler.headers.get("If-Match")
            if tag and tag != exchange.etag():
                exchange.answer(412, error_xml("PreconditionFailed", "another version", exchange.path))
            else:
                exchange.answer(206, whole[first:last + 1], headers)
        else:
            exchange.answer(200, whole, headers)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


class Exchange:
    """One request on its way: what a Behaviour works with."""

    def __init__(self, peer, handler, key, body):
        self.peer, self.handler, self.key, self.body = peer, handler, key, body
        self.step = None
        self.path = handler.path

    def etag(self):
        return f'"{zlib.crc32(self.body):08x}"'

    def store(self):
        self.peer.store(self.key, self.body)

    def answer(self, status, body=b"", headers=None):
        h = self.handler
        h.send_response(status)
        for name, value in (headers or {}).items():
            h.send_header(name, value)
        h.send_header("x-amz-request-id", "4442587FB7D0A2F9")
        if body:
            h.send_header("Content-Type", "application/xml")
        h.send_header("Content-Length", str(len(body)))
        h.end_headers()
        h.wfile.write(body)

    def raw(self, data):
        self.handler.raw(data)

    def reset(self):
        self.handler.reset()


class Request:
    """What is remembered of a PUT."""

    def __init__(self, key, at, size, headers):
        self.key, self.at, self.size, self.headers = key, at, size, headers


class Upload:
    """One that was begun: its key, its headers, its parts {number: bytes}."""

    def __init__(self, key, headers):
        self.key, self.headers, self.parts = key, headers, {}


class Step(Behaviour):
    """What a healthy store does at a step of a multipart upload."""

    def act(self, exchange):
        status, body, headers = exchange.peer.take_step(exchange)
        exchange.answer(status, body, headers)


class Lost(Step):
    """The step is done, and its answer is lost."""

    def act(self, exchange):
        exchange.peer.take_step(exchange)
        exchange.reset()


class Stuck(Step):
    """Nothing is heard of the step until the peer stops. `done`: it did what was asked; `told(exchange)` is called then."""

    def __init__(self, done, told):
        self.done, self.told = done, told

    def act(self, exchange):
        if self.done and exchange.step:
            exchange.peer.take_step(exchange)
        self.told()
        exchange.peer.stopping.wait(600)
        exchange.reset()


class LateError(Step):
    """200 and white space, and then an error: how S3 says that a CompleteMultipartUpload failed."""

    def __init__(self, code):
        self.code = code

    def act(self, exchange):
        exchange.answer(200, b"   \n  " + error_xml(self.code, "late", exchange.path))


class WhiteSpace(Step):
    """200 at once, white space, and then how it went."""

    def act(self, exchange):
        status, body, headers = exchange.peer.take_step(exchange)
        exchange.answer(status, b" " * 3000 + body, headers)


class _Handler(Handler):
    def _step(self, method):
        """The step that a request is of a multipart upload; None: of none."""
        query = dict(urllib.parse.parse_qsl(self.path.partition("?")[2], keep_blank_values=True))
        if method == "PUT" and "partNumber" in query:
            return ("part", int(query["partNumber"])), query
        if "uploads" in query:
            return ("create" if method == "POST" else "list"), query
        if "uploadId" in query:
            return ("complete" if method == "POST" else "abort"), query
        return None, query

    def _multipart(self, method):
        peer, key = self.server.peer, self._key()
        step, query = self._step(method)
        body = self.read_body() if method in ("PUT", "POST") else b""
        if body is None:
            return
        behaviour = peer.next_step(step, query.get("prefix", "") if step == "list" else key)
        exchange = Exchange(peer, self, key, body)
        exchange.step, exchange.query = step, query
        try:
            self._check(method, body)
        except sigv4.Mismatch as e:
            self._refuse(exchange, e)
            return
        behaviour.act(exchange)

    def do_POST(self):
        self._multipart("POST")

    def do_DELETE(self):
        self._multipart("DELETE")

    def do_PUT(self):
        peer = self.server.peer
        key = self._key()
        if self._step("PUT")[0]:
            self._multipart("PUT")
            return
        behaviour = peer.next_behaviour(key)
        peer.note(Request(key, time.monotonic(), int(self.headers.get("Content-Length", 0)), dict(self.headers)))
        if not behaviour.reads:
            Exchange(peer, self, key, b"").reset()
            return
        body = self.read_body()
        if body is None:
            return
        exchange = Exchange(peer, self, key, body)
        try:
            self._check("PUT", body)
        except sigv4.Mismatch as e:
            self._refuse(exchange, e)
            return
        if peer.bucket != self._bucket():
            exchange.answer(404, error_xml("NoSuchBucket", "The specified bucket does not exist", self.path))
            return
        behaviour.act(exchange)

    def date_time_string(self, timestamp=None):
        return super().date_time_string((timestamp or time.time()) + self.server.peer.clock)

    def _refuse(self, exchange, e):
        """What a store says to a request that is not as it should be."""
        peer = self.server.peer
        if not (peer.teaches and e.code in ("AuthorizationHeaderMalformed", "RequestTimeTooSkewed")):
            peer.bad.append(f"{e.code}: {e} ({self.path})")
        if peer.old and e.code == "InvalidArgument":
            peer.bad.pop()
        bad_request = "Argument" in e.code or "Digest" in e.code or "Mismatch" in e.code or e.code == "AuthorizationHeaderMalformed"
        exchange.answer(400 if bad_request else 403,
                        error_xml(e.code, e, self.path, f"<Region>{peer.region}</Region>"))

    def do_HEAD(self):
        peer, key = self.server.peer, self._key()
        if self._bucket() != peer.bucket or (key and key not in peer.snapshot()):
            self._head(404)
        elif not key:
            self._head(200)
        else:
            peer.looked.append(key)
            behaviour = peer.next_step("look", key)
            if isinstance(behaviour, Stuck):
                behaviour.act(Exchange(peer, self, key, b""))
                return
            try:
                self._check("HEAD", b"")
            except sigv4.Mismatch as e:
                peer.bad.append(f"{e.code}: {e} ({self.path})")
                self._head(403)
                return
            sent = peer.headers_of.get(key) or (peer.requests_of(key)[0].headers if peer.requests_of(key) else {})
            self._head(200, len(peer.snapshot()[key]),
                       {k: v for k, v in sent.items() if k.lower().startswith("x-amz-meta-")})

    def _head(self, status, size=0, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def do_GET(self):
        if self._step("GET")[0]:
            self._multipart("GET")
            return
        peer, key = self.server.peer, self._key() or None
        query = dict(urllib.parse.parse_qsl(self.path.partition("?")[2], keep_blank_values=True))
        behaviour = peer.next_read(key, query)
        exchange = Exchange(peer, self, key, b"")
        try:
            self._check("GET", b"")
            exchange.body = self._found(key, query)
        except sigv4.Mismatch as e:
            peer.refused_reads.append(e.code)
            missing = e.code in ("NoSuchKey", "NoSuchBucket")
            exchange.answer(404 if missing else 403, error_xml(e.code, e, self.path))
            return
        behaviour.act(exchange)

    def _found(self, key, query):
        peer = self.server.peer
        if peer.bucket != self._bucket():
            raise sigv4.Mismatch("NoSuchBucket", "The specified bucket does not exist")
        if key is None:
            return peer.listing(query)
        if key not in peer.snapshot():
            raise sigv4.Mismatch("NoSuchKey", "The specified key does not exist.")
        return peer.snapshot()[key]

    def _check(self, method, body):
        headers = {k.lower(): v for k, v in self.headers.items()}
        path, _, query = self.path.partition("?")
        peer = self.server.peer
        sigv4.verify(method, path, query, headers, body, peer.secrets, peer.region, "s3", time.time() + peer.clock)
        if "x-amz-content-sha256" not in headers:
            raise sigv4.Mismatch("MissingSecurityHeader", "no x-amz-content-sha256")
        if method in ("GET", "HEAD", "DELETE") or (method == "POST" and "uploads" in query):
            return
        checksums = {k: base64.b64decode(v) for k, v in headers.items()
                     if k.startswith("x-amz-checksum-") and k not in ("x-amz-checksum-algorithm", "x-amz-checksum-type")}
        if method == "POST":  # those of the object that is completed
            return
        ours = {"x-amz-checksum-crc32c": struct.pack(">I", crc32c(body)),
                "x-amz-checksum-sha256": hashlib.sha256(body).digest()}
        if "content-md5" in headers:
            checksums["content-md5"] = base64.b64decode(headers["content-md5"])
            ours["content-md5"] = hashlib.md5(body).digest()
        if "x-amz-checksum-crc64nvme" in checksums:
            ours["x-amz-checksum-crc64nvme"] = struct.pack(">Q", crc64nvme(body))
        if not checksums:
            peer.without_checksum += 1
        elif not checksums.items() <= ours.items():
            raise sigv4.Mismatch("BadDigest", f"{list(checksums)} is not that of the body")
        if peer.old and any(name.startswith("x-amz-checksum-") for name in checksums):
            raise sigv4.Mismatch("InvalidArgument", f"Unsupported header '{next(iter(checksums))}'")

    def _split(self):
        path = urllib.parse.unquote(self.path.partition("?")[0])
        folder = self.server.peer.folder
        if not path.startswith(folder + "/"):
            return "", path
        path = path[len(folder):].lstrip("/")
        host = self.headers.get("Host", "").partition(":")[0]
        if host.endswith(".s3.localhost"):
            return host.partition(".")[0], path
        bucket, _, key = path.partition("/")
        return bucket, key

    def _bucket(self):
        return self._split()[0]

    def _key(self):
        return self._split()[1]


class S3Peer(HttpPeer):
    def __init__(self, bucket="logs", region="us-east-1", tls=None, folder=""):
        """`tls`: (certificate file, key file). `folder`: what paths begin with, as /storage/v1/s3."""
        self.bucket, self.region, self.folder = bucket, region, folder
        self.secrets = {ACCESS_KEY: SECRET}
        self.objects, self.requests = {}, []
        self.bad, self.conflicts = [], []
        self.without_checksum = 0
        self.clock, self.teaches, self.old, self.looked = 0, False, False, []
        self.composite = False  # it knows only checksums of the parts' checksums
        self.always = self.by_key = self.reads = None
        self.read, self.refused_reads, self.page_size = [], [], 1000
        self.modified = {}
        self.uploads, self.done, self.headers_of, self.steps = {}, [], {}, None
        self._attempts = {}
        super().__init__(_Handler, tls)

    # --- script -------------------------------------------------------------------------------------------------

    def next_behaviour(self, key):
        with self._lock:
            self._attempts[key] = self._attempts.get(key, 0) + 1
            special = self.by_key(key, self._attempts[key]) if self.by_key else None
            if special:
                return special
            if self._plan:
                return self._plan.pop(0)
            return self.always or Ok()

    def next_step(self, step, key):
        with self._lock:
            self._attempts[step, key] = self._attempts.get((step, key), 0) + 1
            special = self.steps(step, key, self._attempts[step, key]) if self.steps else None
            return special or Step()

    def take_step(self, exchange):
        """(status, body, headers)"""
        step, key, query = exchange.step, exchange.key, exchange.query
        with self._lock:
            self.done.append((step if isinstance(step, str) else "%s-%d" % step, query.get("prefix", key)))
            upload = self.uploads.get(query.get("uploadId"))
            if step == "list":
                url = query.get("encoding-type") == "url"
                show = urllib.parse.quote_plus if url else html.escape
                found = "".join(f"<Upload><Key>{show(u.key)}</Key><UploadId>{html.escape(i)}</UploadId></Upload>"
                                for i, u in self.uploads.items() if u.key.startswith(query["prefix"]))
                found += "<EncodingType>url</EncodingType>" if url else ""
                return 200, f"<ListMultipartUploadsResult>{found}</ListMultipartUploadsResult>".encode(), {}
            if step == "create":
                name = "up+load/%d==" % len(self.done)
                kind = exchange.handler.headers.get("x-amz-checksum-type")
                whole = {"x-amz-checksum-type": kind} if kind and not self.composite else {}
                self.uploads[name] = Upload(key, dict(exchange.handler.headers))
                return 200, f"<R><Bucket>b</Bucket><UploadId>{name}</UploadId></R>".encode(), whole
            if upload is None or upload.key != key:
                return 404, error_xml("NoSuchUpload", "it is not there", exchange.path), {}
            if step == "abort":
                del self.uploads[query["uploadId"]]
                return 204, b"", {}
            if step != "complete":
                upload.parts[step[1]] = exchange.body
                return 200, b"", {"ETag": exchange.etag()}
            return self._complete(exchange, upload)

    def _complete(self, exchange, upload):
        named = re.findall(r"<PartNumber>(\d+)</PartNumber><ETag>&quot;(\w+)&quot;</ETag>", exchange.body.decode())
        there = [(str(n), f"{zlib.crc32(p):08x}") for n, p in sorted(upload.parts.items())]
        if named != there or any(len(p) < 5 << 20 for n, p in upload.parts.items() if n < len(there)):
            self.bad.append(f"the parts are not those that are there: {named}, {there}")
            return 400, error_xml("InvalidPart", "not the parts", exchange.path), {}
        body = b"".join(p for _, p in sorted(upload.parts.items()))
        said = exchange.handler.headers.get("x-amz-checksum-crc32c")
        if said and self.composite:
            self.bad.append("a checksum of the whole, where it is one of the parts'")
            return 400, error_xml("XAmzContentChecksumMismatch", "not the checksum", exchange.path), {}
        if said and base64.b64decode(said) != struct.pack(">I", crc32c(body)):
            self.bad.append("the checksum of the whole is another")
            return 400, error_xml("BadDigest", "not the checksum", exchange.path), {}
        if exchange.handler.headers.get("If-None-Match") == "*" and upload.key in self.objects:
            return 412, error_xml("PreconditionFailed", "it is there", exchange.path), {}
        if self.objects.setdefault(upload.key, body) != body:
            self.conflicts.append(upload.key)
        self.headers_of[upload.key] = upload.headers
        del self.uploads[exchange.query["uploadId"]]
        return 200, b"<CompleteMultipartUploadResult><ETag>&quot;x-2&quot;</ETag></CompleteMultipartUploadResult>", {}

    def next_read(self, key, query):
        with self._lock:
            self.read.append(key)
            special = self.reads(key, query, self.read.count(key)) if self.reads else None
            return special or Serve()

    def listing(self, query):
        """ListObjectsV2. A token is the last key of the page before."""
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        keys = sorted(k for k in self.snapshot() if k.startswith(prefix) and k > after)
        page, more = keys[:self.page_size], len(keys) > self.page_size
        url = query.get("encoding-type") == "url"
        show = urllib.parse.quote_plus if url else html.escape
        found = "".join(
            f"<Contents><Key>{show(k)}</Key><LastModified>{self.modified.get(k, now())}</LastModified>"
            f"<ETag>&quot;x&quot;</ETag><Size>{len(self.objects[k])}</Size></Contents>" for k in page)
        token = f"<NextContinuationToken>{html.escape(page[-1])}</NextContinuationToken>" if more else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{self.bucket}</Name><Prefix>{show(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
            f"{'<EncodingType>url</EncodingType>' if url else ''}"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}{found}</ListBucketResult>"
        ).encode()

    # --- what it saw --------------------------------------------------------------------------------------------

    def note(self, request):
        with self._lock:
            self.requests.append(request)

    def store(self, key, body):
        with self._lock:
            if self.objects.setdefault(key, body) != body:
                self.conflicts.append(key)

    def snapshot(self):
        with self._lock:
            return shuffled(self.objects)

    def requests_of(self, key):
        with self._lock:
            return [r for r in self.requests if r.key == key]

    def assert_clean(self):
        assert not self.bad, f"a real store would have refused: {self.bad[:3]}"
        assert not self.conflicts, f"the same key with other bytes: {self.conflicts[:3]}"

    # --- for configurations -------------------------------------------------------------------------------------

    def destination(self, **more):
        """The stream's `destination:`."""
        s3 = {
            "bucket": self.bucket,
            "prefix": "app/!{timestamp:yyyy/MM/dd/HH}/",
            "region": self.region,
            "endpoint": self.url() + self.folder,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET,
        }
        s3.update(more)
        return {"s3": {k: v for k, v in s3.items() if v is not None}}


def s3_down(t):
    """A store that does not answer before it is started."""
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.stop()
    return s3
