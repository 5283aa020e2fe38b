"""A scripted STS, instance (IMDSv2) and container endpoint in one: gives keys, checks who asks, and misbehaves on request.

    aws = AwsPeer(s3)                        # every key that it gives is known to the S3Peer from then on
    aws.life = 3600                          # seconds until keys expire
    aws.plan(Say(503, b"..."), Hang())       # for the next requests, one each
    aws.sts = lambda action, form: ...       # a Behaviour for this call of STS, or None
    aws.hangs = True                         # every request from now on, until it is False

What it saw: `asked` ("token", "role", "instance", "container", "AssumeRole", ...), `forms` (of STS), `bad` (what AWS would have refused).
"""

import json
import time
import urllib.parse

import sigv4
from http_peer import Handler, HttpPeer

IMDS_TOKEN = "imds-token/+=="
ROLE = "sluice-role"


class Say:
    def __init__(self, status, body=b"", headers=None):
        self.status, self.body, self.headers = status, body, headers or {}

    def act(self, handler):
        handler.say(self.status, self.body, self.headers)


class Hang:
    """Until the peer stops, or its `hangs` is False."""

    def act(self, handler):
        peer = handler.server.peer
        while peer.hangs and not peer.stopping.wait(0.05):
            pass
        handler.reset()


class Reset:
    def act(self, handler):
        handler.reset()


def sts_error(status, code, message="said the script"):
    return Say(status, f"<ErrorResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><Error><Type>Sender</Type>"
                       f"<Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>".encode())


class _Handler(Handler):
    def say(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _begin(self, what):
        """True: the script has answered."""
        peer = self.server.peer
        behaviour = peer.next_behaviour(what)
        if behaviour:
            behaviour.act(self)
        return behaviour is not None

    def do_PUT(self):
        self.read_body()
        if self._begin("token"):
            return
        if self.path != "/latest/api/token" or not self.headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
            self.server.peer.bad.append(f"PUT {self.path}")
            self.say(400)
            return
        self.say(200, IMDS_TOKEN.encode())

    def do_GET(self):
        peer = self.server.peer
        path = "/latest/meta-data/iam/security-credentials/"
        if not self.path.startswith(path):
            if not self._begin("container"):
                self._container()
            return
        if self._begin("role" if self.path == path else "instance"):
            return
        if self.headers.get("X-aws-ec2-metadata-token") != IMDS_TOKEN:
            peer.bad.append("no token")
            self.say(401)
        elif self.path == path:
            self.say(200, ROLE.encode())
        elif self.path == path + ROLE:
            self.say(200, json.dumps({"Code": "Success", "Type": "AWS-HMAC", **peer.keys("IMDS")}).encode())
        else:
            self.say(404)

    def _container(self):
        peer = self.server.peer
        if self.headers.get("Authorization") != peer.authorization:
            peer.bad.append(f"authorization {self.headers.get('Authorization')}")
            self.say(401)
            return
        self.say(200, json.dumps({"RoleArn": "arn:x", **peer.keys("ECS")}).encode())

    def do_POST(self):
        peer, body = self.server.peer, self.read_body()
        form = dict(urllib.parse.parse_qsl(body.decode()))
        with peer._lock:
            peer.forms.append(form)
        action = form.get("Action")
        special = peer.sts(action, form) if peer.sts else None
        if special:
            peer.note(action)
            special.act(self)
            return
        if self._begin(action):
            return
        if action == "AssumeRole":
            headers = {k.lower(): v for k, v in self.headers.items()}
            try:
                sigv4.verify("POST", self.path, "", headers, body, peer.secrets, peer.region, "sts")
            except sigv4.Mismatch as e:
                peer.bad.append(f"{e.code}: {e}")
                sts_error(403, e.code, str(e)).act(self)
                return
        elif "Authorization" in self.headers:
            peer.bad.append("a web identity is not signed")
        keys = peer.keys("STS")
        self.say(200, (
            f"<{action}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><{action}Result>"
            f"<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/x/y</Arn></AssumedRoleUser><Credentials>"
            f"<AccessKeyId>{keys['AccessKeyId']}</AccessKeyId><SecretAccessKey>{keys['SecretAccessKey']}</SecretAccessKey>"
            f"<SessionToken>{keys['Token']}</SessionToken><Expiration>{keys['Expiration']}</Expiration></Credentials>"
            f"</{action}Result></{action}Response>").encode())


class AwsPeer(HttpPeer):
    def __init__(self, s3=None, region="us-east-1"):
        self.s3, self.region = s3, region
        self.secrets = dict(s3.secrets) if s3 else {}
        self.asked, self.forms, self.bad = [], [], []
        self.life, self.authorization, self.sts, self.hangs = 3600, None, None, False
        self._given = 0
        super().__init__(_Handler)

    def next_behaviour(self, what):
        self.note(what)
        with self._lock:
            if self.hangs:
                return Hang()
            return self._plan.pop(0) if self._plan else None

    def note(self, what):
        with self._lock:
            self.asked.append(what)

    def keys(self, kind):
        """New ones, that S3 takes from now on."""
        with self._lock:
            self._given += 1
            name, secret = f"{kind}KEY{self._given:04d}", f"secret-of-{kind}/{self._given}+x"
        self.secrets[name] = secret
        if self.s3:
            self.s3.secrets[name] = secret
        return {"AccessKeyId": name, "SecretAccessKey": secret, "Token": f"token-of-{kind}-{self._given}/+==",
                "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.life))}

    def count(self, what):
        with self._lock:
            return self.asked.count(what)
