"""A scripted `_bulk`: keeps documents by index and id, answers as Elasticsearch does, and misbehaves on request.

    es = EsPeer()                                        # listens on 127.0.0.1
    es.plan(Whole(429), CutOff(), WrongCount())          # for the next requests, one each
    es.item = lambda doc, attempt: None                  # or TOO_MANY, or any other Item
    es.stop(); es.start()                                # down; back on the same port with the same documents

What it saw: `documents` {(index, id): bytes}, `requests` (seconds, documents, bytes of each), `bad` (what a real server
would have refused as a whole), `conflicts` (the same id with another document: never allowed).
"""

import gzip
import json
import time

from http_peer import Handler, HttpPeer
from objects import shuffled


class Item:
    """A document's answer that is not success."""

    def __init__(self, status, kind, reason, stores=False):
        self.status, self.kind, self.reason, self.stores = status, kind, reason, stores

    def text(self):
        return {"status": self.status, "error": {"type": self.kind, "reason": self.reason}}


TOO_MANY = Item(429, "es_rejected_execution_exception", "rejected execution: queue capacity 1000 is used up")
UNAVAILABLE = Item(503, "unavailable_shards_exception", "primary shard is not active")
MAPPING = Item(400, "document_parsing_exception", "failed to parse field [n] of type [long]")
BLOCKED = Item(403, "cluster_block_exception", "index [logs] blocked by: [FORBIDDEN/8/index write (api)]")
CONFLICT = Item(409, "version_conflict_engine_exception", "version conflict, required seqNo [1]")


class Behaviour:
    """One answer to a request; the default is a healthy server's."""

    reads, stores = True, True

    def act(self, handler, answer):
        handler.say(200, answer)


class Whole(Behaviour):
    """The whole request is refused; `stores`: and was worked on all the same."""

    def __init__(self, status, kind="exception", retry_after=None, stores=False):
        self.status, self.kind, self.retry_after, self.stores = status, kind, retry_after, stores

    def act(self, handler, answer):
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after is not None else {}
        error = {"type": self.kind, "reason": "said the script"}
        handler.say(self.status, json.dumps({"error": error, "status": self.status}).encode(), headers)


class CutOff(Behaviour):
    """The connection ends in the middle of the answer."""

    def act(self, handler, answer):
        handler.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
                    + answer[:len(answer) // 2])


class CutJson(Behaviour):
    """HTTP is in order, but the JSON breaks off: a proxy that forgot the rest."""

    def act(self, handler, answer):
        handler.say(200, answer[:len(answer) // 2])


class WrongCount(Behaviour):
    """One item fewer than there were documents."""

    def act(self, handler, answer):
        parsed = json.loads(answer)
        parsed["items"] = parsed["items"][:-1]
        handler.say(200, json.dumps(parsed).encode())


class Says(Behaviour):
    """Any other text with 200."""

    def __init__(self, text, stores=True):
        self.text, self.stores = text, stores

    def act(self, handler, answer):
        handler.say(200, self.text)


class Closes(Behaviour):
    """Reads and hangs up; `stores`: only the answer is lost."""

    def __init__(self, stores):
        self.stores = stores

    def act(self, handler, answer):
        handler.reset()


class Silent(Behaviour):
    """Works on it and never answers."""

    def act(self, handler, answer):
        handler.server.peer.stopping.wait(30)
        handler.reset()


class ClosesAtOnce(Behaviour):
    reads = False


class _Handler(Handler):
    def say(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json",
                            "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        """The root page. It is not one of the planned requests."""
        status, headers, body = self.server.peer.root
        self.say(status, json.dumps(body).encode(), headers)

    def do_POST(self):
        peer = self.server.peer
        behaviour = peer.next_behaviour()
        if not behaviour.reads:
            self.reset()
            return
        body = self.read_body()
        if body is None:
            return
        try:
            actions = self._actions(body)
        except ValueError as e:
            peer.bad.append(str(e))
            self.say(400, b'{"error":{"type":"illegal_argument_exception","reason":"see the test"},"status":400}')
            return
        if len(body) > peer.body_limit:
            self.say(413, b"")
            return
        behaviour.act(self, peer.work(actions, len(body), behaviour.stores))

    def _actions(self, body):
        """[(verb, index, id, document)] of a body that is as the API wants it; ValueError."""
        if self.path.partition("?")[0] != "/_bulk":
            raise ValueError(f"not _bulk: {self.path}")
        if self.headers.get("Content-Type", "").partition(";")[0] != "application/x-ndjson":
            raise ValueError(f"Content-Type is {self.headers.get('Content-Type')}")
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if not body.endswith(b"\n"):
            raise ValueError("the body does not end with a newline")
        lines = body[:-1].split(b"\n")
        if len(lines) % 2:
            raise ValueError("an action without a document")
        return [_action(lines[i], lines[i + 1]) for i in range(0, len(lines), 2)]


def _action(line, document):
    (verb, what), = json.loads(line).items()
    if verb not in ("index", "create") or not isinstance(json.loads(document), dict):
        raise ValueError(f"not an action and a document: {line[:100]}")
    return verb, what["_index"], what["_id"], document


class EsPeer(HttpPeer):
    def __init__(self, body_limit=100 << 20, **more):
        self.body_limit = body_limit
        self.documents, self.requests, self.bad, self.conflicts = {}, [], [], []
        self.item = None
        self.root = 200, {}, {"version": {"number": "8.19.9", "build_flavor": "default"}, "tagline": "You Know, for Search"}
        self._attempts = {}
        super().__init__(_Handler, **more)

    def next_behaviour(self):
        with self._lock:
            return self._plan.pop(0) if self._plan else Behaviour()

    def work(self, actions, size, stores):
        """The answer, made of what becomes of each document."""
        with self._lock:
            self.requests.append((time.monotonic(), len(actions), size))
            items = [{verb: self._one(verb, index, name, document, stores)} for verb, index, name, document in actions]
        errors = any("error" in answer for item in items for answer in item.values())
        return json.dumps({"errors": errors, "items": items}, separators=(",", ":")).encode()

    def _one(self, verb, index, name, document, stores):
        key = index, name
        self._attempts[key] = self._attempts.get(key, 0) + 1
        refusal = self.item(document, self._attempts[key]) if self.item else None
        if refusal and not refusal.stores:
            return refusal.text()
        there = key in self.documents
        if there and self.documents[key] != document:
            self.conflicts.append(key)
        if verb == "create" and there:
            return CONFLICT.text()
        if stores:
            self.documents[key] = document
        return refusal.text() if refusal else {"status": 200 if there else 201}

    def stored(self):
        """Every document, whatever its id: a record that got two ids is there twice."""
        with self._lock:
            return list(shuffled(self.documents).values())

    def attempts(self):
        with self._lock:
            return dict(self._attempts)

    def assert_clean(self):
        assert not self.bad, f"a real server would have refused: {self.bad[:3]}"
        assert not self.conflicts, f"the same id with another document: {self.conflicts[:3]}"

    def destination(self, **more):
        return {"elasticsearch": {"url": self.url(), "index": "logs", **more}}
