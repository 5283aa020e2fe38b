"""The files of `tls`: read again when they change, away from the thread that moves all streams, and mistakes name option and file."""

import os
import re
import shutil

from common import one_stream, stream, to_file
from es_peer import EsPeer
from firehose import Firehose
from harness import wait_until
from raw_peer import RawPeer, answer
from s3_peer import S3Peer
from test_http_misbehaviour import firehose_reply
from test_leaving import with_a_disk_that_hangs
from test_tls import make_certificates, run, tls_store


def put_other_authority(t, name):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", t.path("other.key"),
        "-out", t.path(name), "-days", "30", "-subj", "/CN=other authority")
    return t.path(name)


def threads(d):
    """Their names."""
    names = []
    for task in os.listdir(f"/proc/{d.process.pid}/task"):
        try:
            with open(f"/proc/{d.process.pid}/task/{task}/comm", encoding="ascii") as f:
                names.append(f.read().strip())
        except OSError:
            pass  # it has ended
    return names


def app_to(t, s3, **tls):
    """A daemon whose stream `app` goes there, and its client."""
    d = t.daemon(one_stream("app", s3.destination(tls=tls), interval="0s")).start()
    return d, Firehose(d.api_port)


def put_until_said(t, d, client, what, pattern, *streams, **kw):
    """Puts records into each of the streams until the log says so. Returns how many."""
    sent = 0

    def is_said():
        nonlocal sent
        for name in streams:
            client.put(name, b'{"n":%d}' % sent)
        sent += 1
        return d.logged(pattern, **kw)

    wait_until(what, is_said, 20 * t.slow)
    return sent


def answers_once(connection):
    """As an endpoint of Firehose that wants another connection each time."""
    return answer(b"200 OK", firehose_reply(connection), b"Content-Type: application/json", b"Connection: close")


def check_files_that_hang(t, server, reader, says, env=None, **tls):
    """Files for TLS below the folder `dead-tls` hang before they were read, and after: then what is known serves on. `reader`: the
    thread that reads them, and how many there are; `says`: what the log says."""
    s3, es, http = S3Peer(tls=server), EsPeer(tls=server), RawPeer([], answers_once, tls=server)
    for peer in (s3, es, http):
        t.on_end(peer.stop)
    there = {"s3": s3.destination(tls=tls), "es": es.destination(tls=tls),
             "http": {"http": {"url": http.url(), "format": "firehose", "tls": tls}}}
    streams = {name: stream(destination, interval="0s") for name, destination in there.items()}
    d, hang = with_a_disk_that_hangs(t, {"streams": {**streams, "other": stream(to_file(t), interval="0s")}}, "/dead-tls")
    d.env.update(env or {})
    client = Firehose(d.start().api_port)
    hang()
    for name in there:
        client.put(name, b'{"one":1}')
    for n in range(20):
        client.put("other", b"%d" % n)
    d.wait_delivered("other", 20)
    for name in there:
        line = d.wait_logged(rf"delivery failed.*stream={name} ")[0]
        assert says in line and "/dead-tls/ca.pem`: its disk does not answer" in line, line
        assert re.search(r'hint="look at that disk, or name another file in `tls[.]ca_file`"', line), line
        wait_until(f"/readyz names {name}", lambda n=name: re.search(rf"stream {n} .*{re.escape(says)}", d.http("/readyz")[1]),
                   20 * t.slow)
    hang(False)
    for name in there:
        d.wait_delivered(name, 1)
    d.wait_logged("the destination answers.*stream=es .*who=.*8.19.9")  # asked beside the attempt, with the same files
    hang()
    sent = dict.fromkeys(there, 1)

    def reads_hang():
        for name in there:
            client.put(name, b'{"two":2}')
            sent[name] += 1
        return threads(d).count(reader[0]) == reader[1]

    wait_until("a thread that reads for each", reads_hang, 20 * t.slow)
    for name in there:
        d.wait_delivered(name, sent[name])
    connections = len(http.accepted)
    client.put("http", b"one more")
    d.wait_delivered("http", sent["http"] + 1)
    assert len(http.accepted) > connections, "no new connection was made while the files hang"
    d.stop()
    s3.assert_clean()


def test_a_file_of_tls_whose_disk_hangs_holds_up_nothing(t):
    ca, server = make_certificates(t)
    os.mkdir(t.path("dead-tls"))
    shutil.copy(ca, t.path("dead-tls", "ca.pem"))
    check_files_that_hang(t, server, ("tls files", 3), "tls.ca_file: cannot read `", ca_file=t.path("dead-tls", "ca.pem"))


def test_a_certificate_file_that_becomes_a_pipe_stops_its_stream_alone(t):
    """It says why, and goes on when the file is there again."""
    ca, s3 = tls_store(t)
    d = t.daemon({"streams": {"app": stream(s3.destination(tls={"ca_file": ca}), interval="0s"),
                              "other": stream(to_file(t), interval="0s")}}).start()
    client = Firehose(d.api_port)
    client.put("app", b"first")
    d.wait_delivered("app", 1)
    os.rename(ca, t.path("kept.pem"))
    os.mkfifo(ca)
    sent = put_until_said(t, d, client, "why nothing is sent", r"delivery failed.*stream=app .*tls.ca_file: `[^`]*/ca.pem` is not a file",
                          "app", "other", level="error")
    d.wait_delivered("other", sent)
    os.rename(t.path("kept.pem"), ca)
    d.wait_delivered("app", sent + 1)
    d.stop()
    s3.assert_clean()


def test_authorities_are_read_again_when_they_change(t):
    ca, s3 = tls_store(t)
    used = put_other_authority(t, "used.pem")
    d, client = app_to(t, s3, ca_file=used)
    client.put("app", b"record")
    d.wait_logged("delivery failed.*code=TLS.*certificate")
    assert s3.requests == []
    os.rename(ca, used)
    d.wait_delivered("app", 1)
    d.stop()
    s3.assert_clean()


def test_a_file_without_certificates_is_named(t):
    ca, s3 = tls_store(t)
    with open(t.path("used.pem"), "w", encoding="ascii") as f:
        f.write("-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n")
    d, client = app_to(t, s3, ca_file=t.path("used.pem"))
    client.put("app", b"record")
    d.wait_logged("delivery failed.*tls.ca_file: `[^`]*/used.pem`: a certificate in it cannot be read", level="error")
    os.rename(ca, t.path("used.pem"))
    d.wait_delivered("app", 1)
    d.stop()
    s3.assert_clean()


def test_a_connection_is_not_shared_with_a_stream_that_trusts_others(t):
    ca, s3 = tls_store(t)
    others = put_other_authority(t, "others.pem")
    d = t.daemon({"streams": {"trusts": stream(s3.destination(tls={"ca_file": ca}), interval="0s"),
                              "doubts": stream(s3.destination(tls={"ca_file": others}), interval="0s")}}).start()
    client = Firehose(d.api_port)
    client.put("trusts", b"one")
    d.wait_delivered("trusts", 1)
    client.put("doubts", b"secret")
    d.wait_logged("delivery failed.*stream=doubts .*code=TLS.*certificate")
    client.put("trusts", b"two")
    d.wait_delivered("trusts", 2)
    os.rename(others, t.path("kept.pem"))
    shutil.copy(ca, others)
    d.wait_delivered("doubts", 1)
    d.stop()
    s3.assert_clean()


def new_pair(t, ca, cert, key, password):
    """A certificate of ours and its key, which the password opens, in these places at once."""
    plain, request = t.path("our.plain"), t.path("our.csr")
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", plain, "-out", request,
        "-subj", "/CN=sluice")
    run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", t.path("ca.key"), "-CAcreateserial", "-out", cert + ".next",
        "-days", "30")
    run("openssl", "pkey", "-in", plain, "-aes256", "-passout", f"pass:{password}", "-out", key + ".next")
    os.rename(key + ".next", key)
    os.rename(cert + ".next", cert)


def test_a_certificate_of_ours_whose_key_has_a_password_is_renewed_without_a_restart(t):
    ca, server = make_certificates(t)
    s3 = S3Peer(tls=(*server, ca))
    t.on_end(s3.stop)
    cert, key = t.path("our.pem"), t.path("our.key")
    new_pair(t, ca, cert, key, "secret-word")
    d, client = app_to(t, s3, ca_file=ca, cert_file=cert, key_file=key, key_password="secret-word")
    client.put("app", b"first")
    d.wait_delivered("app", 1)
    new_pair(t, ca, cert, key, "another-word")
    sent = put_until_said(t, d, client, "that the password is wrong",
                          r"delivery failed.*tls.key_file: `[^`]*/our.key`: there is no key in it that key_password opens", "app")
    new_pair(t, ca, cert, key, "secret-word")
    d.wait_delivered("app", sent + 1)
    assert "-word" not in d.log_text()
    d.stop()
    s3.assert_clean()


def test_an_https_proxy_is_not_trusted_for_the_destination_s_authority(t):
    ca, server = make_certificates(t)
    s3, proxy = S3Peer(tls=server), S3Peer(tls=server)
    for peer in (s3, proxy):
        t.on_end(peer.stop)
    config = one_stream("app", s3.destination(tls={"ca_file": ca}, proxy=proxy.url()), interval="0s")
    d = t.daemon({"shutdown": {"grace": "1s"}, **config}).start()
    Firehose(d.api_port).put("app", b"record")
    line = d.wait_logged("delivery failed.*stream=app ")[0]
    assert "certificate" in line and proxy.url() in line, line
    assert s3.requests == proxy.requests == []
    d.expect_exit = 1
    d.stop()
