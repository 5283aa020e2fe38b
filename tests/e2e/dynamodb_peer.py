"""A scripted table of DynamoDB, as far as leases need one.

    d = DynamodbPeer()                    # with a table "leases", unless made=False
    d.items["shardId-0"]["leaseOwner"]    # {"S": "..."}
    d.seized                              # keys of leases that changed hands without their owner
    d.on = lambda operation, request: Behaviour or None          # for whatever call a case chooses
"""

import json
import threading

from http_peer import HttpPeer
from kinesis_peer import Handler, Refused, Say


class _Handler(Handler):
    def say(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        peer, body = self.server.peer, self.read_body()
        if body is None:
            return
        prefix, operation = self.headers.get("X-Amz-Target", ".").split(".", 1)
        request = json.loads(body)
        if prefix != "DynamoDB_20120810" or "/dynamodb/aws4_request" not in self.headers.get("Authorization", ""):
            peer.refused.append((operation, "request"))
        behaviour = peer.on(operation, request) if peer.on else None
        if behaviour:
            behaviour.act(self, operation, request)
            return
        try:
            with peer.changed:
                answer = peer.do(operation, request)
        except Refused as e:
            Say(400, "com.amazonaws.dynamodb.v20120810#" + e.code, e.message).act(self, operation, request)
            return
        self.say(200, json.dumps(answer).encode())


class DynamodbPeer(HttpPeer):
    def __init__(self, table="leases", made=True, page=2, **kw):
        self.table, self.made, self.page = table, made, page
        self.items, self.refused, self.on, self.changed = {}, [], None, threading.RLock()
        self.seized = []  # leases whose owner changed, and the one before was not asked
        super().__init__(_Handler, **kw)

    def options(self, **more):
        return {"dynamodb": {"table": self.table, "endpoint": self.url(), **more}}

    def owners(self):
        """{shard: owner} of what is not read to its end."""
        with self.changed:
            return {k: i.get("leaseOwner", {}).get("S") for k, i in self.items.items() if i["checkpoint"]["S"] != "SHARD_END"}

    def do(self, operation, request):
        if request["TableName"] != self.table:
            self.refused.append((operation, "table"))
        if operation == "CreateTable":
            self.made = True
            return {"TableDescription": {"TableStatus": "CREATING"}}
        if not self.made:
            raise Refused("ResourceNotFoundException", "Requested resource not found")
        return getattr(self, "_" + operation)(request)

    def _Scan(self, request):
        keys = sorted(k for k in self.items if k > request.get("ExclusiveStartKey", {}).get("leaseKey", {}).get("S", ""))
        out = {"Items": [self.items[k] for k in keys[:self.page]]}
        if len(keys) > self.page:
            out["LastEvaluatedKey"] = {"leaseKey": {"S": keys[self.page - 1]}}
        return out

    def _GetItem(self, request):
        item = self.items.get(request["Key"]["leaseKey"]["S"])
        return {"Item": item} if item else {}

    def _check(self, request):
        item = self.items.get(request["Key"]["leaseKey"]["S"], {})
        names, values = request["ExpressionAttributeNames"], request.get("ExpressionAttributeValues", {})
        for term in request["ConditionExpression"].split(" AND "):
            if term.startswith("attribute_not_exists("):
                holds = names[term[len("attribute_not_exists("):-1]] not in item
            else:
                name, value = term.split("=")
                holds = item.get(names[name]) == values[value]
            if not holds:
                raise Refused("ConditionalCheckFailedException", "The conditional request failed")

    def _UpdateItem(self, request):
        self._check(request)
        key, names = request["Key"]["leaseKey"]["S"], request["ExpressionAttributeNames"]
        item = dict(self.items.get(key, {"leaseKey": {"S": key}}))
        sets, _, removes = request["UpdateExpression"][len("SET "):].partition(" REMOVE ")
        for term in sets.split(","):
            name, value = term.split("=")
            item[names[name]] = request["ExpressionAttributeValues"][value]
        for name in removes.split(",") if removes else []:
            item.pop(names[name], None)
        was, owner = (x.get("leaseOwner") for x in (self.items.get(key, {}), item))
        if was and owner and owner != was and item.get("checkpointOwner") != was:
            self.seized.append(key)
        self.items[key] = item
        return {}

    def _DeleteItem(self, request):
        self._check(request)
        self.items.pop(request["Key"]["leaseKey"]["S"], None)
        return {}
