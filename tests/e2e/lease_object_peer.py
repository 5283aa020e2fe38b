"""A scripted store of S3 with one object of leases in it, which keeps to If-Match and If-None-Match of PUT unless a case wants another one.

    s = LeaseObjectPeer(keeps=("If-Match", "If-None-Match"))
    s.items()                             # {shard: item as DynamoDB has it}
    s.seized                              # keys of leases that changed hands without their owner
    s.on = lambda method, name: Behaviour or None      # Say of objects_peer, Lose; for whatever call a case chooses
"""

import hashlib
import json
import threading

from http_peer import Handler, HttpPeer
from objects_peer import Say

NAME = "/lake/leases/orders.json"


class Lose:
    """It is done, and nobody hears of it."""

    def act(self, handler, answer):
        handler.reset()


class _Handler(Handler):
    def say(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _handle(self, method, body):
        peer = self.server.peer
        if "/s3/aws4_request" not in self.headers.get("Authorization", ""):
            peer.refused.append("signature")
        behaviour = peer.on(method, self.path) if peer.on else None
        if isinstance(behaviour, Say):
            behaviour.act(self, None)
            return
        with peer.changed:
            answer = peer.get(self.path) if method == "GET" else peer.put(self.path, body, self.headers)
        if behaviour:
            behaviour.act(self, answer)
        elif isinstance(answer, Say):
            answer.act(self, None)
        else:
            self.say(*answer)

    def do_GET(self):
        self._handle("GET", b"")

    def do_PUT(self):
        body = self.read_body()
        if body is not None:
            self._handle("PUT", body)


class LeaseObjectPeer(HttpPeer):
    def __init__(self, keeps=("If-Match", "If-None-Match"), **kw):
        self.keeps, self.objects, self.refused, self.on = keeps, {}, [], None
        self.seized, self.conflicts, self.changed = [], 0, threading.RLock()
        super().__init__(_Handler, **kw)

    def options(self, **more):
        bucket, _, key = NAME[1:].partition("/")
        return {"s3": {"bucket": bucket, "key": key, "endpoint": self.url(), **more}}

    def items(self, name=NAME):
        with self.changed:
            text = self.objects.get(name)
            return {i["leaseKey"]["S"]: i for i in json.loads(text)["Items"]} if text else {}

    def owners(self):
        """{shard: owner} of what is not read to its end."""
        return {k: i.get("leaseOwner", {}).get("S") for k, i in self.items().items() if i["checkpoint"]["S"] != "SHARD_END"}

    @staticmethod
    def tag(body):
        return '"' + hashlib.md5(body).hexdigest() + '"'

    def get(self, name):
        body = self.objects.get(name)
        return Say(404, "NoSuchKey") if body is None else (200, body, {"ETag": self.tag(body)})

    def put(self, name, body, headers):
        was = self.objects.get(name)
        wanted = headers.get("If-Match") if "If-Match" in self.keeps else None
        if wanted and was is None:
            return Say(404, "NoSuchKey")
        if (wanted and wanted != self.tag(was)) or ("If-None-Match" in self.keeps and headers.get("If-None-Match") and was is not None):
            self.conflicts += name == NAME
            return Say(412, "PreconditionFailed")
        before = self.items() if name == NAME else {}
        self.objects[name] = body
        for key, item in self.items().items() if name == NAME else ():
            old, owner = (x.get("leaseOwner") for x in (before.get(key, {}), item))
            if old and owner and owner != old and item.get("checkpointOwner") != old:
                self.seized.append(key)
        return 200, b"", {"ETag": self.tag(body)}
