"""The API and the admin pages over TLS: who is served, who is turned away and hears why, and certificates that change meanwhile."""

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess

import objects
from common import one_stream, to_file
from firehose import Firehose
from harness import free_port, wait_until
from reloading import rewrite
from sns_peer import TOPIC, Sns, post
from test_http_misbehaviour import expired
from test_tls import make_certificates

KEYS = ("AKLISTENERTLS0000001", "tlsSecret/with+signs")


class SecureFirehose(Firehose):
    """Trusts one authority; `versions` of TLS: the least and the highest; `own`: (certificate, key) of the client."""

    def __init__(self, port, ca, own=None, versions=None, **kw):
        super().__init__(port, **kw)
        self.context = ssl.create_default_context(cafile=ca)
        if own:
            self.context.load_cert_chain(*own)
        if versions:
            self.context.minimum_version, self.context.maximum_version = versions

    def _exchange(self, headers, body):
        if self._connection is None:
            self._connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=self.timeout,
                                                           context=self.context)
        return super()._exchange(headers, body)


def secured(t, server, ca=None, **more):
    api = {"tls": {"cert_file": server[0], "key_file": server[1], **({"client_ca_file": ca} if ca else {})}, **more}
    return t.daemon({**one_stream("app", to_file(t), interval="0s"), "api": api})


def put_by_hand(t, d, lines):
    return subprocess.run([t.binary, "put", "-c", d.config_path, "--stream", "app"], input=lines, capture_output=True,
                          timeout=60 * t.slow)


def test_records_come_in_over_tls_and_plain_http_is_answered_with_the_reason(t):
    ca, server = make_certificates(t)
    d = secured(t, server, credentials=[{"access_key_id": KEYS[0], "secret_access_key": KEYS[1]}]).start()
    sent = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = SecureFirehose(d.api_port, ca, versions=(version, version), credentials=KEYS)
        # More than one record of TLS and than the server reads at once, several times on one connection.
        for i in range(3):
            records = [b"%d %d %d " % (version, i, n) + b"x" * 9000 for n in range(100)]
            client.put_all("app", records)
            sent += records
        client.close()
    put = put_by_hand(t, d, b"from the shell\n")
    assert put.returncode == 0, put
    sent.append(b"from the shell")

    with socket.create_connection(("127.0.0.1", d.api_port), 20 * t.slow) as plain:
        plain.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        answer = b""
        while piece := plain.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 ") and b"https://" in answer, answer
    assert "https://" in d.wait_logged("speaks plain HTTP", level="warn")[0]
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    try:
        with old.wrap_socket(socket.create_connection(("127.0.0.1", d.api_port), 20 * t.slow)):
            raise AssertionError("TLS 1.1 must be refused")
    except OSError:
        pass
    d.wait_delivered("app", len(sent))
    d.stop()
    assert sorted(objects.lines(objects.read_dir(t.path("out")))) == sorted(sent)


def test_a_handshake_that_hangs_holds_up_nobody_and_is_cut_off(t):
    ca, server = make_certificates(t)
    d = secured(t, server, timeout=f"{int(t.slow) + 1}s", connections=4).start()
    hanging = [socket.create_connection(("127.0.0.1", d.api_port), 20 * t.slow) for _ in range(3)]
    hanging[0].sendall(b"\x16\x03\x01\x02\x00\x01")  # a handshake begins
    client = SecureFirehose(d.api_port, ca)
    client.put("app", b"beside them")
    for s in hanging:
        s.settimeout(30 * t.slow)
        try:
            while s.recv(100):
                pass
        except ConnectionResetError:
            pass
        s.close()
    more = [socket.create_connection(("127.0.0.1", d.api_port), 20 * t.slow) for _ in range(8)]
    SecureFirehose(d.api_port, ca, timeout=60 * t.slow).put("app", b"behind them")  # once they are cut off
    for s in more:
        s.close()
    d.wait_delivered("app", 2)
    d.stop()


def test_a_new_certificate_is_taken_up_and_a_wrong_one_is_not(t):
    ca, server = make_certificates(t)
    other_ca, other = make_certificates(t, name="other")
    d = secured(t, server).start()
    kept = SecureFirehose(d.api_port, ca)
    kept.put("app", b"1")

    shutil.copy(other[1], server[1] + ".new")
    os.rename(server[1] + ".new", server[1])  # the key alone
    line = d.wait_logged("new certificate cannot be used", level="error")[0]
    assert "api.tls.key_file" in line and "not the key of the certificate" in line, line
    SecureFirehose(d.api_port, ca).put("app", b"2")
    shutil.copy(other[0], server[0] + ".new")
    os.rename(server[0] + ".new", server[0])
    d.wait_logged("certificate was read again")
    SecureFirehose(d.api_port, other_ca).put("app", b"3")
    kept.put("app", b"4")  # a connection goes on as it began
    try:
        SecureFirehose(d.api_port, ca).put("app", b"5")
        raise AssertionError("the new certificate is of another authority")
    except ssl.SSLError:
        pass
    d.wait_logged("did not get through the TLS handshake", level="warn")
    d.wait_delivered("app", 4)
    d.stop()


def test_the_api_and_a_topic_at_one_address_get_a_new_certificate_together(t):
    ca, server = make_certificates(t)
    other_ca, other = make_certificates(t, name="other")
    peer, port = Sns(t), free_port()
    tls = {"cert_file": server[0], "key_file": server[1]}
    sns = {"listen": f"127.0.0.1:{port}", "tls": tls, "topics": [TOPIC], "certificate_url_prefix": peer.base}
    d = t.daemon({**one_stream("app", to_file(t), interval="0s", inputs=["api", {"sns": sns}]),
                  "api": {"listen": f"127.0.0.1:{port}", "tls": tls}})
    d.env = {"no_proxy": "*"}
    d.start()

    def both(trusted, tag):
        assert post(f"https://127.0.0.1:{port}/sns/app", peer.message("topic " + tag), ca=trusted)[0] == 200
        SecureFirehose(port, trusted).put("app", b"api " + tag.encode())

    both(ca, "1")
    for n in (1, 0):
        shutil.copy(other[n], server[n] + ".new")
        os.rename(server[n] + ".new", server[n])
    d.wait_logged("certificate was read again")
    both(other_ca, "2")
    d.wait_delivered("app", 4)
    d.stop()
    assert sorted(objects.lines(objects.read_dir(t.path("out")))) == [b"api 1", b"api 2", b"topic 1", b"topic 2"]


def test_clients_must_have_a_certificate_where_that_is_asked(t):
    ca, server = make_certificates(t)
    clients, known = make_certificates(t, name="clients")
    _, stranger = make_certificates(t, name="other")
    d = secured(t, server, clients).start()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        SecureFirehose(d.api_port, ca, own=known, versions=(version, version)).put("app", b"known")
        for own in (None, stranger):
            try:
                SecureFirehose(d.api_port, ca, own=own, versions=(version, version)).put("app", b"unknown")
                raise AssertionError(f"{own} was let in")
            except (OSError, http.client.HTTPException):
                pass
    assert "client_ca_file" in d.wait_logged("did not get through the TLS handshake", level="warn")[0]
    put = put_by_hand(t, d, b"x\n")  # it shows the server's own
    assert put.returncode == 0, put
    d.wait_delivered("app", 3)
    os.rename(server[1], server[1] + ".away")
    put = put_by_hand(t, d, b"x\n")
    assert put.returncode == 2 and b"api.tls.key_file: cannot read" in put.stderr, put
    d.stop()


def test_the_admin_pages_over_tls(t):
    ca, server = make_certificates(t)
    port = free_port()
    tls = {"cert_file": os.path.basename(server[0]), "key_file": server[1]}
    config = {**one_stream("app", to_file(t)), "admin": {"listen": f"127.0.0.1:{port}", "tls": tls}}
    d = t.daemon(config).start()
    for path in ("/healthz", "/readyz", "/metrics", "/"):
        c = http.client.HTTPSConnection("127.0.0.1", port, timeout=20 * t.slow,
                                        context=ssl.create_default_context(cafile=ca))
        c.request("GET", path)
        assert c.getresponse().status == 200
        c.close()

    # What would be said of a certificate is in the answer to who asks; the log has it when it is taken.
    old = expired(t)
    d.admin_port = port
    rewrite(d, {**config, "admin": {"listen": f"127.0.0.1:{port}", "tls": {"cert_file": old[0], "key_file": old[1]}}})
    for args, logged in (("validate", "--diff"), False), (("reload",), True):
        done = subprocess.run([t.binary, *args, "-c", d.config_path], capture_output=True, text=True, timeout=60 * t.slow)
        assert done.returncode == 0 and "set at once: admin.tls" in done.stdout and "has expired" in done.stdout, done
        assert d.wait_logged("has expired") if logged else not d.logged("has expired"), d.log_text()
    os.rename(old[0], old[0] + ".away")
    done = subprocess.run([t.binary, "status", "-c", d.config_path], capture_output=True, text=True, timeout=60 * t.slow)
    assert done.returncode == 1 and "admin.tls.cert_file: cannot read" in done.stderr, done
    d.stop()


def test_what_is_wrong_with_a_certificate_is_said_by_validate_and_at_the_start(t):
    _, server = make_certificates(t)
    _, other = make_certificates(t, name="other")
    old = expired(t)
    open_key = t.path("open.key")
    shutil.copy(server[1], open_key)
    os.chmod(open_key, 0o644)
    for cert, key, code, said in (
            (server[0], other[1], 1, "api.tls.key_file: .*not the key of the certificate"),
            (t.path("none.pem"), server[1], 1, "tls.cert_file: cannot read .*No such file"),
            (server[1], server[1], 1, "tls.cert_file: .*there is no certificate in it"),
            (server[0], server[0], 1, "tls.key_file: .*there is no key in it"),
            (old[0], old[1], 0, "tls.cert_file: .*has expired"),
            (server[0], open_key, 0, "tls.key_file: .*everybody on this machine may read it")):
        d = secured(t, (cert, key))
        checked = subprocess.run([t.binary, "validate", "-c", d.config_path], capture_output=True, text=True,
                                 timeout=60 * t.slow)
        text = " ".join(checked.stderr.split())
        assert re.search(said, text), (said, text)
        assert checked.returncode == code, (code, checked)
        if code == 0:
            d.start()
            d.wait_logged(said, level="warn")
            d.stop()
        else:
            d.expect_exit = 1
            d.spawn().wait_exit()
            assert d.logged(said, level="error"), d.log_text()
