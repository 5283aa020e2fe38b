"""Certificates for 127.0.0.1 out of an authority of one's own, made with the openssl tool."""

import os
import shutil
import subprocess


def openssl(*args, stdin=b""):
    done = subprocess.run(["openssl", *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr.decode()[-500:]
    return done.stdout


def make_certificates(t, client="guest"):
    """ca.pem; server.key, server.crt, both in server.pem and server.p12 (`changeit`); client.key and client.crt with the common name `client`."""
    if not shutil.which("openssl"):
        t.skip("the openssl tool is not installed")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", t.path("ca.key"), "-out", t.path("ca.pem"), "-days", "30",
            "-subj", "/CN=test authority")
    with open(t.path("names"), "w", encoding="ascii") as f:
        f.write("subjectAltName=IP:127.0.0.1\n")
    for name, subject in (("server", "server"), ("client", client)):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", t.path(f"{name}.key"), "-out", t.path(f"{name}.csr"), "-subj", f"/CN={subject}")
        openssl("x509", "-req", "-in", t.path(f"{name}.csr"), "-CA", t.path("ca.pem"), "-CAkey", t.path("ca.key"), "-CAcreateserial",
                "-out", t.path(f"{name}.crt"), "-days", "30", "-extfile", t.path("names"))
    with open(t.path("server.pem"), "wb") as out:
        for name in ("server.key", "server.crt"):
            with open(t.path(name), "rb") as f:
                out.write(f.read())
    openssl("pkcs12", "-export", "-inkey", t.path("server.key"), "-in", t.path("server.crt"), "-out", t.path("server.p12"), "-passout",
            "pass:changeit")
    for name in ("server.key", "server.p12"):  # a server may run as another user
        os.chmod(t.path(name), 0o644)
