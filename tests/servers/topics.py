"""Messages that somebody else signs: moto's SNS publishes to the input sns. It signs with version 2, each message with a certificate of its
own at an address of SNS's, and it sends no confirmation. What has a subject it signs without it, as AWS does not: that is refused."""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import http.client  # noqa: E402

import objects  # noqa: E402
from common import one_stream, to_file  # noqa: E402
from harness import free_port, wait_until  # noqa: E402
from http_peer import Handler, HttpPeer  # noqa: E402
from sns_peer import openssl  # noqa: E402
from test_proxy import Proxy  # noqa: E402

MOTO = "moto[server]==5.2.1"
INSTALL_SECONDS, SKIPPED = 600, 77
HOST, TOPIC = "sns.us-east-1.amazonaws.com", "arn:aws:sns:us-east-1:123456789012:orders"
COUNT = 60

PUBLISH = """
import boto3, sys
sns = boto3.client("sns", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
topic = sns.create_topic(Name="orders")["TopicArn"]
sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=sys.argv[2])
for i in range(int(sys.argv[3])):
    more = {"Subject": "a subject"} if i % 10 == 9 else {}
    sns.publish(TopicArn=topic, Message="message %d: \\u00fc \\"quoted\\"" % i, **more)
"""


def python_with(t, package):
    done = subprocess.run(["sh", os.path.join(HERE, "client_venv.sh"), package], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=INSTALL_SECONDS, text=True, check=False)
    if done.returncode == SKIPPED:
        t.skip((done.stdout.strip().splitlines() or ["cannot be installed"])[-1])
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout.strip().splitlines()[-1]


class Front(Handler):
    """SNS's own name in front of moto: for its certificates."""

    def do_GET(self):
        c = http.client.HTTPConnection("127.0.0.1", self.server.peer.behind, timeout=60)
        # By the scope of a signature, which it does not check, moto knows the service.
        c.request("GET", self.path, headers={"Host": HOST, "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sns/"
                                             "aws4_request, SignedHeaders=host, Signature=0"})
        answer = c.getresponse()
        body = answer.read()
        c.close()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def start_moto(t, python):
    port = free_port()
    log = open(t.path("moto.log"), "wb")
    server = subprocess.Popen([python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    log.close()
    t.on_end(lambda: (server.kill(), server.wait()))

    def answers():
        assert server.poll() is None, open(t.path("moto.log"), encoding="utf-8").read()[-2000:]
        try:
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            c.request("GET", "/moto-api/")
            return c.getresponse().status
        except OSError:
            return False

    wait_until("moto to answer", answers, 60 * t.slow)
    return port


def front(t, moto):
    """(authority, Front)"""
    if not shutil.which("openssl"):
        t.skip("the openssl tool is not installed")
    ca, cert, key = t.path("ca.pem"), t.path("host.pem"), t.path("host.key")
    with open(t.path("host.ext"), "w", encoding="ascii") as f:
        f.write(f"subjectAltName=DNS:{HOST}\n")
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *ec, "-keyout", t.path("ca.key"), "-out", ca, "-days", "30", "-subj", "/CN=test authority")
    openssl("req", *ec, "-keyout", key, "-out", t.path("host.csr"), "-subj", "/CN=host")
    openssl("x509", "-req", "-in", t.path("host.csr"), "-CA", ca, "-CAkey", t.path("ca.key"), "-CAcreateserial", "-out", cert,
            "-days", "30", "-extfile", t.path("host.ext"))
    peer = HttpPeer(Front, tls=(cert, key))
    peer.behind = moto
    t.on_end(peer.stop)
    return ca, peer


def signed_by_moto(t):
    python = python_with(t, MOTO)
    moto, port = start_moto(t, python), free_port()
    ca, peer = front(t, moto)
    d = t.daemon(one_stream("app", to_file(t), interval="0s", inputs=[{"sns": {
        "listen": f"127.0.0.1:{port}", "topics": [TOPIC], "proxy": Proxy(t, peer.port).url()}}]))
    d.env = {"SSL_CERT_FILE": ca, "SSL_CERT_DIR": t.path("nothing")}
    d.start()
    subprocess.run([python, "-c", PUBLISH, f"http://127.0.0.1:{moto}", f"http://127.0.0.1:{port}/sns/app", str(COUNT)], check=True,
                   timeout=120 * t.slow)
    wrong = len(range(9, COUNT, 10))
    d.wait_delivered("app", COUNT - wrong)
    assert d.metrics().get("sluice_input_errors_total", stream="app", input="sns") == wrong
    assert d.wait_logged("the signature is wrong")
    d.stop()
    assert sorted(objects.lines(objects.read_dir(t.path("out")))) == sorted(
        f'message {i}: \u00fc "quoted"'.encode() for i in range(COUNT) if i % 10 != 9)


def scenarios():
    return [("sns:signed_by_moto", signed_by_moto)]
