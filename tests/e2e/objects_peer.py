"""A scripted store of S3 that is read: objects with ETags and versions, ranges, conditions, and answers that a case chooses.

    s = ObjectsPeer()
    event = s.put("logs", "a b/1.log", b"...")      # the event that S3 would send of it
    s.on = lambda path, query, headers: Behaviour or None

What it saw: `gets` ([path, query, headers as a dict]).
"""

import hashlib
import itertools
import json
import threading
import urllib.parse

from http_peer import Handler, HttpPeer


class Say:
    """An error as S3 says it."""

    def __init__(self, status, code, message="said the script"):
        self.status, self.code, self.message = status, code, message

    def act(self, handler, answer):
        handler.say(self.status, f"<?xml version='1.0'?><Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>".encode())


class Break:
    """Half of the answer, then the connection is reset."""

    def act(self, handler, answer):
        status, body, headers = answer
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        handler.reset()


class Whole:
    """All of it, whatever the range says."""

    def act(self, handler, answer):
        handler.say(200, handler.content, {"ETag": answer[2]["ETag"]})


class Wait:
    """Until the case lets it go on."""

    def __init__(self):
        self.here, self.go = threading.Event(), threading.Event()

    def act(self, handler, answer):
        self.here.set()
        while not self.go.wait(0.1) and not handler.server.peer.stopping.is_set():
            pass
        handler.say(*answer)


class _Handler(Handler):
    def say(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        peer = self.server.peer
        path, _, query = self.path.partition("?")
        peer.gets.append((path, query, {k.lower(): v for k, v in self.headers.items()}))
        if "/s3/aws4_request" not in self.headers.get("Authorization", ""):
            peer.refused.append("signature")
        answer = self.answer(urllib.parse.unquote(path), dict(urllib.parse.parse_qsl(query)))
        behaviour = peer.on(path, query, self.headers) if peer.on else None
        if behaviour:
            behaviour.act(self, answer)
        elif isinstance(answer, Say):
            answer.act(self, None)
        else:
            self.say(*answer)

    def answer(self, path, query):
        versions = self.server.peer.objects.get(path, [])
        if "versionId" in query:
            versions = [v for v in versions if v[0] == query["versionId"]]
        if not versions:
            return Say(404, "NoSuchVersion" if "versionId" in query else "NoSuchKey")
        tag, self.content = versions[-1][1:]
        if self.headers.get("If-Match", tag) != tag:
            return Say(412, "PreconditionFailed")
        begin, _, end = self.headers["Range"].removeprefix("bytes=").partition("-")
        begin, end = int(begin), min(int(end), len(self.content) - 1)
        if begin >= len(self.content):
            return Say(416, "InvalidRange")
        return 206, self.content[begin : end + 1], {"ETag": tag, "Content-Range": f"bytes {begin}-{end}/{len(self.content)}"}


class ObjectsPeer(HttpPeer):
    def __init__(self, **kw):
        self.objects, self.gets, self.refused, self.on = {}, [], [], None
        self._numbers = itertools.count(1)
        super().__init__(_Handler, **kw)

    def put(self, bucket, key, content, versioned=False):
        number = next(self._numbers)
        tag, version = '"' + hashlib.md5(content).hexdigest() + '"', f"v{number}"
        versions = self.objects.setdefault(f"/{bucket}/{key}", [])
        if not versioned:
            versions.clear()
        versions.append((version, tag, content))
        return event(bucket, key, eTag=tag.strip('"'), size=len(content), sequencer=f"{number:016X}",
                     **({"versionId": version} if versioned else {}))

    def remove(self, bucket, key):
        del self.objects[f"/{bucket}/{key}"]


def event(bucket, key, name="ObjectCreated:Put", **known):
    """One record of an event notification."""
    return {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventName": name,
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
               "object": {"key": urllib.parse.quote_plus(key, safe="/"), **known}},
    }


def message(*records):
    return json.dumps({"Records": list(records)})


def in_sns(text):
    return json.dumps({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": text})


def in_eventbridge(record, kind="Object Created"):
    known = {**record["s3"]["object"]}
    known["key"] = urllib.parse.unquote_plus(known["key"])
    if "versionId" in known:
        known["version-id"] = known.pop("versionId")
    known["etag"] = known.pop("eTag", "")
    return json.dumps({"version": "0", "id": "e", "detail-type": kind, "source": "aws.s3", "region": "eu-west-1",
                       "detail": {"version": "0", "bucket": {"name": record["s3"]["bucket"]["name"]}, "object": known}})
