"""The certificate authorities that the system trusts: where they are looked for, and that no thread which moves streams reads them."""

import json
import os
import shutil
import subprocess

from common import one_stream, stream, to_file
from es_peer import EsPeer
from firehose import Firehose
from raw_peer import RawPeer, answer
from s3_peer import S3Peer
from test_backup import redrive_telling
from test_http_misbehaviour import healthy_firehose
from test_proxy import Proxy
from test_tls import make_certificates, run, tls_store
from test_tls_files import check_files_that_hang, put_other_authority, put_until_said


def trusting(t, config, file, folder=None):
    """A daemon whose environment names these places."""
    os.makedirs(t.path("empty"), exist_ok=True)
    d = t.daemon(config)
    d.env = {"SSL_CERT_FILE": file, "SSL_CERT_DIR": folder or t.path("empty")}
    return d


def test_a_bundle_whose_disk_hangs_holds_up_nothing(t):
    """Where libcurl would look by itself hangs as well."""
    ca, server = make_certificates(t)
    os.mkdir(t.path("dead-tls"))
    shutil.copy(ca, t.path("dead-tls", "ca.pem"))
    os.mkdir(t.path("dead-tls", "folder"))
    check_files_that_hang(t, server, ("authorities", 1), "SSL_CERT_FILE: cannot read `", env={
        "SSL_CERT_FILE": t.path("dead-tls", "ca.pem"), "SSL_CERT_DIR": t.path("dead-tls", "folder"),
        "TEST_HANG_FOLDER": "/dead-tls:/etc/ssl/:/usr/lib/ssl/:/etc/pki/"})


def test_a_bundle_that_is_replaced_is_taken(t):
    """By every sink that speaks https."""
    ca, server = make_certificates(t)
    used = put_other_authority(t, "used.pem")
    s3, es, http = S3Peer(tls=server), EsPeer(tls=server), RawPeer([], healthy_firehose, tls=server)
    for peer in (s3, es, http):
        t.on_end(peer.stop)
    there = {"s3": s3.destination(), "es": es.destination(), "http": {"http": {"url": http.url(), "format": "firehose"}}}
    d = trusting(t, {"streams": {name: stream(to, interval="0s") for name, to in there.items()}}, used).start()
    client = Firehose(d.api_port)
    for name in there:
        client.put(name, b'{"one":1}')
    for name in there:
        d.wait_logged(rf"delivery failed.*stream={name} .*code=[^ ]*(TLS|SSL).*certificate")
    assert s3.requests == http.requests == []
    os.rename(ca, used)
    for name in there:
        d.wait_delivered(name, 1)
    os.unlink(used)
    sent = put_until_said(t, d, client, "that they cannot be read again",
                          "system's certificate authorities cannot be read again.*SSL_CERT_FILE: cannot read .*No such file",
                          *there, level="warn")
    for name in there:
        d.wait_delivered(name, 1 + sent)
    d.stop()
    s3.assert_clean()


def test_authorities_in_a_folder_are_trusted(t):
    ca, s3 = tls_store(t)
    os.mkdir(t.path("folder"))
    shutil.copy(ca, t.path("folder", "ours.pem"))
    run("openssl", "rehash", t.path("folder"))
    d = trusting(t, one_stream("app", s3.destination(), interval="0s"), "", t.path("folder")).start()
    Firehose(d.api_port).put("app", b"record")
    d.wait_delivered("app", 1)
    d.stop()
    s3.assert_clean()


def test_a_bundle_that_is_a_pipe_stops_only_those_who_need_it(t):
    """It is named, and taken once it is a file."""
    ca, s3 = tls_store(t)
    os.mkfifo(t.path("pipe"))
    d = trusting(t, {"streams": {
        "app": stream(s3.destination(), interval="0s"),
        "own": stream(s3.destination(tls={"ca_file": ca}), interval="0s"),
        "other": stream(to_file(t), interval="0s")}}, t.path("pipe")).start()
    client = Firehose(d.api_port)
    sent = put_until_said(t, d, client, "why nothing is sent", "delivery failed.*stream=app .*SSL_CERT_FILE: `[^`]*/pipe` is not a file",
                          "app", "own", "other", level="error")
    d.wait_delivered("own", sent)
    d.wait_delivered("other", sent)
    status, text = d.http("/readyz")
    assert status == 503 and "stream app " in text and "SSL_CERT_FILE" in text and "stream own" not in text, text
    shutil.copy(ca, t.path("next"))
    os.rename(t.path("next"), t.path("pipe"))
    d.wait_delivered("app", sent)
    d.stop()
    s3.assert_clean()


def test_an_https_proxy_and_what_is_behind_it_are_verified_by_their_own(t):
    """The proxy by the system's authorities, the destination by its `tls.ca_file`; neither by the other's."""
    system_ca, proxy_server = make_certificates(t, name="system-")
    own_ca, own_server = make_certificates(t, name="own-")
    own, foreign = S3Peer(tls=own_server), S3Peer(tls=proxy_server)
    for peer in (own, foreign):
        t.on_end(peer.stop)
    to_own, to_foreign, untrusted = Proxy(t, own.port, tls=proxy_server), Proxy(t, foreign.port, tls=proxy_server), Proxy(
        t, own.port, tls=own_server)
    tls = {"ca_file": own_ca}
    d = trusting(t, {"shutdown": {"grace": "1s"}, "streams": {
        "good": stream(own.destination(tls=tls, proxy=to_own.url()), interval="0s"),
        "bad": stream(foreign.destination(tls=tls, proxy=to_foreign.url()), interval="0s"),
        "system": stream(foreign.destination(proxy=to_foreign.url()), interval="0s"),
        "untrusted": stream(own.destination(tls=tls, proxy=untrusted.url()), interval="0s")}}, system_ca).start()
    client = Firehose(d.api_port)
    for _ in range(2):
        for name in ("good", "bad", "system", "untrusted"):
            client.put(name, b"record")
    for name in ("good", "system"):
        d.wait_delivered(name, 2)
    for name in ("bad", "untrusted"):
        d.wait_logged(f"delivery failed.*stream={name} .*certificate")
    assert untrusted.heads == [], untrusted.heads
    d.expect_exit = 1
    d.stop()
    own.assert_clean()


def test_put_and_redrive_trust_whom_the_daemon_trusts(t):
    ca, server = make_certificates(t)
    peer = RawPeer([], lambda _: answer(b"200 OK", json.dumps(
        {"FailedPutCount": 0, "RequestResponses": [{"RecordId": "1"}]}).encode()), tls=server)
    s3 = S3Peer(tls=server, bucket="errors")
    for p in (peer, s3):
        t.on_end(p.stop)
    trusted = {"SSL_CERT_FILE": ca, "SSL_CERT_DIR": t.path("none")}
    missing = {**trusted, "SSL_CERT_FILE": t.path("no-such.pem")}

    def put(env):
        done = subprocess.run([t.binary, "put", "-s", "app", "--endpoint", peer.url(), "--give-up", "1s"], input=b"a line\n",
                              capture_output=True, cwd=t.dir, env={**os.environ, **env}, check=False)
        return done.returncode, (done.stdout + done.stderr).decode()

    assert put(trusted)[0] == 0 and len(peer.requests) == 1
    code, said = put(missing)
    assert code != 0 and "SSL_CERT_FILE: cannot read `" in said and "/no-such.pem`: No such file" in said, said

    d = t.daemon(one_stream("app", to_file(t), backup=s3.destination(error_prefix="e/")))
    _, said = redrive_telling(t, d, "--dry-run", "s3://errors/", code=1, env=missing)
    assert "SSL_CERT_FILE: cannot read `" in said, said
    _, said = redrive_telling(t, d, "--dry-run", "s3://errors/", code=1, env=trusted)
    assert "there is no object in bucket `errors`" in said and s3.assert_clean() is None, said
