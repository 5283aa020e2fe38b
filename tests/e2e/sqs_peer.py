"""A scripted queue of SQS: hands messages out, hides them for their time, keeps the groups of a FIFO queue in order, and misbehaves on request.

    q = SqsPeer(name="orders.fifo")
    q.send(b"body", attributes={"trace": "7"}, group="g")       # body: text
    q.plan(Say(503, "ServiceUnavailable"), Hang(), Reset(), LoseAnswer())   # for the next calls, one each
    q.on = lambda operation, request: Behaviour or None          # for whatever call a case chooses
    q.break_md5 = True

What it saw: `calls` ([operation, request]), `deleted` (bodies, in order), `refused` (what SQS would have refused).
"""

import base64
import hashlib
import json
import struct
import threading
import time
import uuid

from http_peer import Handler, HttpPeer


class Say:
    """An error as SQS says it."""

    def __init__(self, status, code, message="said the script"):
        self.status, self.code, self.message = status, code, message

    def act(self, handler, operation, request):
        handler.say(self.status, json.dumps({"__type": f"com.amazonaws.sqs#{self.code}", "message": self.message}).encode())


class Body:
    """200 with these bytes."""

    def __init__(self, body):
        self.body = body

    def act(self, handler, operation, request):
        handler.say(200, self.body)


class Hang:
    """Until the peer stops."""

    def act(self, handler, operation, request):
        handler.server.peer.stopping.wait(600)
        handler.reset()


class Reset:
    """The connection breaks, and nothing was done."""

    def act(self, handler, operation, request):
        handler.reset()


class LoseAnswer:
    """It is done, and nobody hears of it."""

    def act(self, handler, operation, request):
        handler.server.peer.do(operation, request)
        handler.reset()


class FailFirst:
    """Of a batch the first entry fails, and the others are done."""

    def act(self, handler, operation, request):
        first, *others = request["Entries"]
        answer = handler.server.peer.do(operation, {**request, "Entries": others}) if others else {"Successful": []}
        answer["Failed"] = [{"Id": first["Id"], "SenderFault": False, "Code": "InternalError", "Message": "?"}]
        handler.say(200, json.dumps(answer).encode())


class Message:
    def __init__(self, body, attributes, group):
        self.id, self.body, self.attributes, self.group = str(uuid.uuid4()), body, attributes, group
        self.sent, self.received, self.visible_at, self.handle, self.count = time.time(), 0, 0.0, None, 0
        self.attempt, self.handed = None, 0.0


def md5_of_attributes(attributes):
    out = b""
    for name in sorted(attributes):
        value = attributes[name]
        binary = isinstance(value, bytes)
        data = value if binary else str(value).encode()
        kind = b"Binary" if binary else b"Number" if isinstance(value, int) else b"String"
        for part in (name.encode(), kind):
            out += struct.pack(">I", len(part)) + part
        out += (b"\2" if binary else b"\1") + struct.pack(">I", len(data)) + data
    return hashlib.md5(out).hexdigest()


def wire_attribute(value):
    if isinstance(value, bytes):
        return {"DataType": "Binary", "BinaryValue": base64.b64encode(value).decode()}
    return {"DataType": "Number" if isinstance(value, int) else "String", "StringValue": str(value)}


class _Handler(Handler):
    def say(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        peer = self.server.peer
        body = self.read_body()
        if body is None:
            return
        prefix, operation = self.headers.get("X-Amz-Target", ".").split(".", 1)
        request = json.loads(body)
        if prefix != "AmazonSQS" or "Credential=" not in self.headers.get("Authorization", "") or self.path != "/":
            peer.refused.append((operation, "request"))
        behaviour = peer.behaviour(operation, request)
        if behaviour:
            behaviour.act(self, operation, request)
            return
        self.say(200, json.dumps(peer.do(operation, request)).encode())


class SqsPeer(HttpPeer):
    def __init__(self, name="orders", **kw):
        self.name, self.fifo = name, name.endswith(".fifo")
        self.queue, self.calls, self.deleted, self.refused = [], [], [], []
        self.on, self.break_md5, self.receiving, self.most_receiving, self.counts = None, False, 0, 0, True
        self.changed, self.longest_wait = threading.Condition(), 1  # second, so that cases are short
        super().__init__(_Handler, **kw)

    def queue_url(self):
        return f"{self.url()}/123456789012/{self.name}"

    def send(self, body, attributes=None, group="g"):
        with self.changed:
            self.queue.append(Message(body, attributes or {}, group))
            self.changed.notify_all()

    def count(self, operation):
        with self.changed:
            return sum(1 for op, _ in self.calls if op == operation)

    def left(self):
        with self.changed:
            return len(self.queue)

    def reveal(self, older=0):
        """What was handed out so many seconds ago may be handed out again. How many messages there are."""
        with self.changed:
            for m in self.queue:
                if m.handed <= time.time() - older:
                    m.visible_at = 0
            self.changed.notify_all()
            return len(self.queue)

    def behaviour(self, operation, request):
        with self.changed:
            self.calls.append((operation, request))
        chosen = self.on(operation, request) if self.on else None
        if chosen:
            return chosen
        if operation == "GetQueueAttributes":
            return None if self.counts else Say(403, "AccessDeniedException")
        with self._lock:
            return self._plan.pop(0) if self._plan else None

    def do(self, operation, request):
        if request.get("QueueUrl") != self.queue_url():
            self.refused.append((operation, request.get("QueueUrl")))
        return getattr(self, "_" + operation)(request)

    # --- calls

    def _ready(self, request):
        """What may be handed out now; of a group only what comes next, and nothing while one of it is out."""
        now, attempt, out, closed = time.time(), request.get("ReceiveRequestAttemptId"), [], set()
        again = [m for m in self.queue if self.fifo and attempt and m.attempt == attempt and m.visible_at > now]
        if again:
            return again[:request["MaxNumberOfMessages"]]
        for m in self.queue:
            if len(out) == request["MaxNumberOfMessages"]:
                break
            if m.visible_at > now:
                closed.add(m.group)
            elif not (self.fifo and m.group in closed):
                out.append(m)
        return out

    def _ReceiveMessage(self, request):
        until = time.time() + min(request["WaitTimeSeconds"], self.longest_wait)
        with self.changed:
            self.receiving += 1
            self.most_receiving = max(self.most_receiving, self.receiving)
            while not (ready := self._ready(request)) and time.time() < until and not self.stopping.is_set():
                self.changed.wait(0.1)
            self.receiving -= 1
            answer = [self._hand_out(m, request) for m in ready]
        return {"Messages": answer} if answer else {}

    def _hand_out(self, m, request):
        m.count, m.handle, m.attempt = m.count + 1, uuid.uuid4().hex * 4, request.get("ReceiveRequestAttemptId")
        m.handed = time.time()
        m.received = m.received or m.handed
        m.visible_at = time.time() + request["VisibilityTimeout"]
        body_md5 = hashlib.md5(m.body.encode()).hexdigest()
        out = {
            "MessageId": m.id,
            "ReceiptHandle": m.handle,
            "Body": m.body,
            "MD5OfBody": body_md5[::-1] if self.break_md5 else body_md5,
            "Attributes": {"SentTimestamp": str(int(m.sent * 1000)), "ApproximateReceiveCount": str(m.count)},
        }
        if self.fifo:
            out["Attributes"].update(MessageGroupId=m.group, SequenceNumber="18849496460467696128")
        if m.attributes:
            out["MessageAttributes"] = {k: wire_attribute(v) for k, v in m.attributes.items()}
            out["MD5OfMessageAttributes"] = md5_of_attributes(m.attributes)
        return out

    def _entries(self, request, change):
        done, failed = [], []
        with self.changed:
            by_handle = {m.handle: m for m in self.queue}
            if not 1 <= len(request["Entries"]) <= 10:
                self.refused.append(("entries", len(request["Entries"])))
            for e in request["Entries"]:
                m = by_handle.get(e["ReceiptHandle"])
                if m is None:
                    failed.append({"Id": e["Id"], "SenderFault": True, "Code": "ReceiptHandleIsInvalid", "Message": "?"})
                    continue
                change(m, e)
                done.append({"Id": e["Id"]})
            self.changed.notify_all()
        return {"Successful": done, "Failed": failed}

    def _GetQueueAttributes(self, request):
        with self.changed:
            now = time.time()
            waiting = str(sum(m.visible_at <= now for m in self.queue))
        return {"Attributes": {name: waiting for name in request["AttributeNames"]}}

    def _DeleteMessageBatch(self, request):
        def delete(m, _):
            self.queue.remove(m)
            self.deleted.append(m.body)

        return self._entries(request, delete)

    def _ChangeMessageVisibilityBatch(self, request):
        def change(m, e):
            m.visible_at = time.time() + e["VisibilityTimeout"]

        return self._entries(request, change)
