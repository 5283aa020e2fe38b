"""SNS as a case needs it: signs messages with a key of its own, posts them to an endpoint, and is asked for its certificate and for
confirmations."""

import base64
import datetime
import http.client
import json
import ssl
import shutil
import subprocess
import urllib.parse
import uuid

from http_peer import Handler, HttpPeer

TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


def timestamp(age=0):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


class _Handler(Handler):
    def do_GET(self):
        peer = self.server.peer
        peer.asked.append(self.path)
        status, body = peer.answer(self.path)
        self.send_response(status)
        if status in (301, 302):
            self.send_header("Location", peer.base + "other.pem")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


HOST = "sns.eu-west-1.amazonaws.com"


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Sns(HttpPeer):
    """`statuses`: path -> status, for what is not to be answered with 200. `tls`: its certificate and key; it goes by SNS's own name then.
    `authority`: certificate and key of who issues what it signs with; none: itself."""

    def __init__(self, t, tls=None, authority=None):
        if not shutil.which("openssl"):
            t.skip("the openssl tool is not installed")
        self.key, cert = t.path("sns.key"), t.path("sns.pem")
        openssl("genrsa", "-out", self.key, "2048")
        openssl("req", "-x509", "-key", self.key, "-out", t.path("self.pem"), "-days", "30", "-subj", "/CN=sns.amazonaws.com")
        if authority:
            openssl("req", "-new", "-key", self.key, "-out", t.path("sns.csr"), "-subj", "/CN=sns.amazonaws.com")
            openssl("x509", "-req", "-in", t.path("sns.csr"), "-CA", authority[0], "-CAkey", authority[1], "-CAcreateserial",
                    "-out", cert, "-days", "30")
        self.certificates = {}  # path -> bytes; any other: the one that it signs with
        with open(t.path("self.pem"), "rb") as f:
            self.self_signed = f.read()
        with open(cert if authority else t.path("self.pem"), "rb") as f:
            self.certificate = f.read()
        self.asked, self.statuses = [], {}
        super().__init__(_Handler, tls=tls)
        self.base = f"https://{HOST}/" if tls else f"http://127.0.0.1:{self.port}/"
        self.cert_url = self.base + "SimpleNotificationService-0001.pem"
        t.on_end(self.stop)

    def answer(self, path):
        status = self.statuses.get(path, 200)
        certificate = self.certificates.get(path, self.certificate)
        return status, certificate if status == 200 and path.endswith(".pem") else b"<ok/>"

    def confirmations(self):
        return [path for path in self.asked if "ConfirmSubscription" in path]

    def message(self, text="hello", kind="Notification", version="2", age=0, sign=True, **more):
        m = {"Type": kind, "MessageId": str(uuid.uuid4()), "TopicArn": TOPIC, "Message": text, "Timestamp": timestamp(age),
             "SignatureVersion": version, "SigningCertURL": self.cert_url}
        if kind != "Notification":
            m["Token"] = "a" * 64
            m["SubscribeURL"] = self.base + "?Action=ConfirmSubscription&TopicArn=" + TOPIC + "&Token=" + m["Token"]
        m.update(more)
        m = {k: v for k, v in m.items() if v is not None}
        return self.sign(m) if sign else m

    def sign(self, m):
        text = "".join(f"{k}\n{m[k]}\n" for k in SIGNED[m["Type"]] if k in m)
        digest = "-sha1" if m["SignatureVersion"] == "1" else "-sha256"
        done = subprocess.run(["openssl", "dgst", digest, "-sign", self.key], input=text.encode(), check=True,
                              stdout=subprocess.PIPE)
        return {**m, "Signature": base64.b64encode(done.stdout).decode()}


def post(url, message, raw=None, headers=None, timeout=60, ca=None):
    """Posts as SNS does; (status, text, headers). `raw`: bytes, with `message` for its headers. `ca`: whom to trust, of https."""
    at = urllib.parse.urlsplit(url)
    if at.scheme == "https":
        c = http.client.HTTPSConnection(at.hostname, at.port, timeout=timeout, context=ssl.create_default_context(cafile=ca))
    else:
        c = http.client.HTTPConnection(at.hostname, at.port, timeout=timeout)
    all_headers = {"Content-Type": "text/plain; charset=UTF-8"}
    if isinstance(message, dict):
        for name, key in (("message-type", "Type"), ("message-id", "MessageId"), ("topic-arn", "TopicArn")):
            if key in message:
                all_headers["x-amz-sns-" + name] = message[key]
        all_headers["x-amz-sns-subscription-arn"] = message.get("TopicArn", "") + ":1"
    if raw is not None:
        all_headers["x-amz-sns-rawdelivery"] = "true"
    if at.username:
        all_headers["Authorization"] = "Basic " + base64.b64encode(f"{at.username}:{at.password}".encode()).decode()
    all_headers.update(headers or {})
    body = raw if raw is not None else message if isinstance(message, bytes) else json.dumps(message).encode()
    try:
        c.request("POST", at.path, body, all_headers)
        answer = c.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        c.close()
