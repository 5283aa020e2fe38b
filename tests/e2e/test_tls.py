"""S3 over TLS: an own certificate authority is trusted when it is named, and an untrusted one is reported in words."""

import re
import shutil
import subprocess

import objects
from common import one_stream
from firehose import Firehose
from s3_peer import S3Peer


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificates(t, address="127.0.0.1", name=""):
    """An authority, and a server's certificate from it: (authority, (certificate, key)). `name`: to have several."""
    if not shutil.which("openssl"):
        t.skip("the openssl tool is not installed")
    ca, ca_key = t.path(name + "ca.pem"), t.path(name + "ca.key")
    cert, key, request, extensions = (t.path(name + n) for n in ("server.pem", "server.key", "server.csr", "server.ext"))
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run("openssl", "req", "-x509", *ec, "-keyout", ca_key, "-out", ca, "-days", "30", "-subj", f"/CN={name}test authority")
    run("openssl", "req", *ec, "-keyout", key, "-out", request, "-subj", "/CN=store")
    with open(extensions, "w", encoding="ascii") as f:
        f.write(f"subjectAltName=IP:{address}\n")
    run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", cert,
        "-days", "30", "-extfile", extensions)
    return ca, (cert, key)


def tls_store(t):
    """A store, and the authority that its certificate is from."""
    ca, server = make_certificates(t)
    s3 = S3Peer(tls=server)
    t.on_end(s3.stop)
    return ca, s3


def test_an_own_authority_is_trusted_when_it_is_named(t):
    ca, s3 = tls_store(t)
    d = t.daemon(one_stream("app", s3.destination(tls={"ca_file": ca}))).start()
    Firehose(d.api_port).put_all("app", [b"over", b"TLS"])
    d.wait_delivered("app", 2)
    d.stop()
    s3.assert_clean()
    assert objects.lines(s3.snapshot()) == [b"over", b"TLS"]
    assert s3.without_checksum == 0
    assert {r.headers["x-amz-content-sha256"] for r in s3.requests} == {"UNSIGNED-PAYLOAD"}


def refused(t, server, **tls):
    """Puts a record towards a store that must not be trusted; the log line."""
    s3 = S3Peer(tls=server)
    t.on_end(s3.stop)
    config = one_stream("app", s3.destination(**tls), interval="0s")
    config["shutdown"] = {"grace": "1s"}
    d = t.daemon(config).start()
    Firehose(d.api_port).put("app", b"secret")
    line = d.wait_logged("delivery failed")[0]
    assert s3.requests == [], "nothing may be sent before the certificate is trusted"
    d.expect_exit = 1
    d.stop()
    return line


def test_an_unknown_authority_is_reported_in_words(t):
    _, server = make_certificates(t)
    line = refused(t, server)
    assert "certificate" in line and "127.0.0.1" in line and "ca_file" in line, line


def test_a_certificate_for_another_name_is_reported_in_words(t):
    ca, server = make_certificates(t, address="127.0.0.99")
    line = refused(t, server, tls={"ca_file": ca})
    assert "certificate" in line or "subject" in line, line
    assert "127.0.0.1" in line, line


def test_verification_can_be_switched_off_and_that_is_said_at_start(t):
    _, s3 = tls_store(t)
    d = t.daemon(one_stream("app", s3.destination(tls={"verify": False}))).start()
    Firehose(d.api_port).put("app", b"trusting")
    d.wait_delivered("app", 1)
    assert d.wait_logged("msg=stream .*certificate not verified"), d.log_text()
    d.stop()


def test_a_server_that_wants_a_certificate_of_ours_is_told_apart_and_served(t):
    """With TLS 1.3 it refuses in place of its answer: that is for somebody to mend, and no lost connection."""
    ca, server = make_certificates(t)
    s3 = S3Peer(tls=(*server, ca))
    t.on_end(s3.stop)
    d = t.daemon(one_stream("app", s3.destination(tls={"ca_file": ca}), interval="0s")).start()
    Firehose(d.api_port).put("app", b"record")
    line = d.wait_logged("set destination.s3.tls.cert_file and key_file", timeout=40, level="error")[0]
    assert "code=TLS" in line, line
    assert d.books("app").spooled == 1
    d.kill9()
    with open(d.config_path, encoding="utf-8") as f:
        text = f.read()
    with open(d.config_path, "w", encoding="utf-8") as f:
        f.write(re.sub("( *)ca_file:", rf"\1cert_file: {server[0]}\n\1key_file: {server[1]}\n\g<0>", text))
    d.start()
    d.wait_delivered("app", 1)
    d.stop()
    s3.assert_clean()
