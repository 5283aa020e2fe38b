"""Logging in to a real Kafka over TLS: PLAIN, SCRAM, and tokens of OpenID Connect that Kafka itself verifies, from a token endpoint here."""

import base64
import json
import subprocess
import time
import urllib.parse

from brokers import all_wanted
from certificates import make_certificates, openssl
from common import stream
from harness import wait_until
from http_peer import Handler, HttpPeer
from kafka_cases import Server

SECRET = "client/secret+1"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Tokens(HttpPeer):
    """A token endpoint, https. `life`: of the tokens; `audience`: for whom they are; `asked`: the forms that came."""

    def __init__(self, t):
        self.key, self.life, self.audience, self.asked, self.refuse = t.path("token.key"), 3600, "brokers", [], False
        openssl("genrsa", "-out", self.key, "2048")
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().partition("=")[2]
        with open(t.path("jwks.json"), "w", encoding="ascii") as f:
            json.dump({"keys": [{"kty": "RSA", "kid": "k", "alg": "RS256", "use": "sig", "n": b64(bytes.fromhex(modulus)),
                                 "e": "AQAB"}]}, f)
        super().__init__(TokenHandler, tls=(t.path("server.crt"), t.path("server.key")))
        t.on_end(self.stop)

    def make(self):
        now = int(time.time())
        claims = {"iss": "https://issuer.example", "sub": "lake", "aud": self.audience, "scope": "kafka", "iat": now,
                  "exp": now + self.life}
        text = b64(json.dumps({"alg": "RS256", "kid": "k", "typ": "JWT"}).encode()) + "." + b64(json.dumps(claims).encode())
        return text + "." + b64(openssl("dgst", "-sha256", "-sign", self.key, stdin=text.encode()))


class TokenHandler(Handler):
    def do_POST(self):
        peer = self.server.peer
        form = urllib.parse.parse_qs(self.read_body().decode())
        login = base64.b64decode(self.headers["Authorization"].split()[1]).decode().split(":")
        peer.asked.append((form, [urllib.parse.unquote(x) for x in login]))
        if peer.refuse:
            status, answer = 401, {"error": "invalid_client", "error_description": "no such client"}
        else:
            status, answer = 200, {"access_token": peer.make(), "token_type": "Bearer", "expires_in": peer.life}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class SecureServer(Server):
    settings = {}

    def __init__(self, t):
        make_certificates(t)
        self.tokens = Tokens(t)
        self.settings = {"KAFKA_LOGINS": t.dir}
        super().__init__(t)

    def secure_daemon(self, name, sasl, ca="ca.pem"):
        t = self.t
        source = {"kafka": {"brokers": [self.env["KAFKA_LOGINS"]], "topics": ["s"], "group": name, "session_timeout": "6s",
                            "protocol": "tls", "tls": {"ca_file": t.path(ca)}, "sasl": sasl}}
        config = {"data_dir": t.path(f"data-{name}"), "streams": {
            "app": stream({"file": {"path": t.path(f"out-{name}")}}, [source], interval="0s")}}
        return t.daemon(config, name=name)

    def password(self, mechanism, password=None):
        return {"mechanism": mechanism, "username": "lake", "password": password or self.env["KAFKA_PASSWORD"]}

    def oauth(self):
        return {"mechanism": "oauthbearer", "oauth": {
            "token_url": self.tokens.url() + "/token", "client_id": "lake", "client_secret": SECRET, "scope": "kafka",
            "tls": {"ca_file": self.t.path("ca.pem")}}}


def old_scram(d):
    """Debian 12's librdkafka cannot do it (docs/kafka.md), and says so."""
    done = subprocess.run([d.binary, "validate", "-c", d.config_path], capture_output=True, text=True, timeout=60, check=False)
    return "older than 2.6.1" in done.stdout + done.stderr


def every_way_to_log_in(t):
    s, sent = SecureServer(t), [f"s-{i:06d}" for i in range(200)]
    s.ask("make", "s", 2, {})
    s.ask("put", "s", "s", 0, 200, 2)
    ways = {"plain": s.password("plain"), "scram256": s.password("scram-sha-256"), "scram512": s.password("scram-sha-512"),
            "oauth": s.oauth()}
    for name, sasl in ways.items():
        d = s.secure_daemon(name, sasl)
        if "scram" in name and old_scram(d):
            print(f"# kafka: this librdkafka has no {sasl['mechanism']} for this Kafka")
            continue
        check = subprocess.run([d.binary, "validate", "-c", d.config_path], capture_output=True, text=True, timeout=60, check=False)
        assert check.returncode == 0, check.stdout + check.stderr
        d.spawn("--once")
        d.wait_exit(60)
        assert sorted(s.got(name)) == sent, name
    for name, sasl in (("wrong", s.password("scram-sha-512", "no")), ("wrong-plain", s.password("plain", "no"))):
        d = s.secure_daemon(name, sasl).start()
        d.wait_logged("the connection to the source failed.*look at sasl.username", 60)
        d.stop()
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", t.path("other.key"), "-out", t.path("other.pem"), "-days", "30",
            "-subj", "/CN=another authority")
    d = s.secure_daemon("stranger", s.password("plain"), ca="other.pem").start()
    d.wait_logged("the connection to the source failed.*the authority in ca_file", 60)
    d.stop()


def tokens_that_end(t):
    """They live 10 s: each is renewed ahead, connections go on. One for others, and a server that refuses, are told."""
    s = SecureServer(t)
    s.tokens.life = 10
    s.ask("make", "s", 2, {})
    d = s.secure_daemon("short", s.oauth()).start()
    for i in range(6):
        s.ask("put", "s", "s", 100 * i, 100 * i + 100, 2)
        wait_until("all to be there", lambda i=i: len(s.got("short")) >= 100 * i + 100, 60)
        asked = len(s.tokens.asked)
        if i < 4:
            wait_until("the next token", lambda asked=asked: len(s.tokens.asked) > asked, 60)
    assert not d.logged("failed"), "a connection was lost"
    s.tokens.refuse = True
    d.wait_logged("a token for the brokers could not be had.*invalid_client.*no such client.*look at sasl.oauth.client_id", 60)
    d.wait_logged("the connection to the source failed", 60)
    s.tokens.refuse = False
    d.wait_logged("there is a token for the brokers again", 180)
    d.wait_logged("the connection to the source works again", 180)
    s.ask("put", "s", "s", 600, 700, 2)
    wait_until("all to be there", lambda: len(s.got("short")) >= 700, 60)
    d.stop()
    assert sorted(s.got("short")) == [f"s-{i:06d}" for i in range(700)]
    assert all(login == ["lake", SECRET] and form["scope"] == ["kafka"] for form, login in s.tokens.asked)
    s.tokens.audience = "others"
    d = s.secure_daemon("others", s.oauth()).start()
    d.wait_logged("the connection to the source failed.*the brokers do not take the token", 60)
    d.stop()
    for name in ("short", "others"):
        with open(t.path(f"{name}.log"), encoding="utf-8") as f:
            assert SECRET not in f.read()


def scenarios():
    # Half a minute, most of it a server that starts and tokens that end.
    return [(f"kafka:{f.__name__}", f) for f in (every_way_to_log_in, tokens_that_end)] if all_wanted() else []
