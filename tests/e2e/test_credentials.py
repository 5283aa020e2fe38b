"""Where AWS keys come from: every provider against a scripted one, its faults in words, and keys that expire while deliveries go on."""

import json
import os
import re
import subprocess
import sys

import es_peer
import objects
from aws_peer import AwsPeer, Reset, Say, sts_error
from common import one_stream, stream
from firehose import Firehose
from harness import wait_until
from s3_peer import ACCESS_KEY, SECRET, Behaviour, Fail, S3Peer

ARN = "arn:aws:iam::123456789012:role/sluice"
ANY_KEY = re.compile(r"secret-of-|token-of-|imds-token|web-token|task-token")


def peers(t):
    s3 = S3Peer()
    aws = AwsPeer(s3)
    t.on_end(s3.stop)
    t.on_end(aws.stop)
    return s3, aws


def base_env(t, **more):
    """Nothing of AWS but what a case says."""
    clean = {k: "" for k in os.environ if k.startswith("AWS_")}
    return {**clean, "HOME": t.path("home"), "AWS_EC2_METADATA_DISABLED": "true", "no_proxy": "*", **more}


def without_keys(s3, **more):
    return s3.destination(access_key_id=None, secret_access_key=None, **more)


def env_of(kind, t, aws):
    """What the environment says, and the option `credentials`."""
    token = t.path("token")
    with open(token, "w", encoding="ascii") as f:
        f.write("web-token\n" if kind == "web identity" else "task-token")
    return {
        "instance": ({"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url()}, None),
        "container": ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.url() + "/role?x=1",
                       "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token}, None),
        "web identity": ({"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": ARN, "AWS_ENDPOINT_URL_STS": aws.url()},
                         None),
        "role": ({"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET},
                 {"role_arn": ARN, "external_id": "ex:1", "session_name": "logs@x", "duration": "15m",
                  "sts_endpoint": aws.url()}),
    }[kind]


def started(t, s3, aws, kind, name=None, **more):
    env, option = env_of(kind, t, aws)
    destination = without_keys(s3, **({"credentials": option} if option else {}))
    d = t.daemon(one_stream("app", destination, interval="0s", **more), name=name or kind.replace(" ", "-"))
    d.env = base_env(t, **env)
    return d.start()


def no_secrets(d):
    text = d.log_text() + d.http("/readyz")[1] + d.http("/")[1]
    assert not ANY_KEY.search(text), ANY_KEY.search(text)


def test_keys_of_an_instance_a_container_a_web_identity_and_a_role_sign_what_is_delivered(t):
    for kind, prefix in (("instance", "IMDS"), ("container", "ECS"), ("web identity", "STS"), ("role", "STS")):
        s3, aws = peers(t)
        aws.authorization = "task-token"
        d = started(t, s3, aws, kind)
        for i in range(3):
            Firehose(d.api_port).put("app", b"%d" % i)
            d.wait_delivered("app", i + 1)
        assert not aws.bad, aws.bad
        assert len([a for a in aws.asked if a not in ("token", "role")]) == 1, aws.asked
        s3.assert_clean()
        for r in s3.requests:
            assert f"Credential={prefix}KEY0001/" in r.headers["Authorization"], r.headers
            assert r.headers["x-amz-security-token"].startswith("token-of-" + prefix), r.headers
        if kind == "web identity":
            assert aws.forms[0]["WebIdentityToken"] == "web-token" and aws.forms[0]["RoleArn"] == ARN, aws.forms
        if kind == "role":
            want = {"RoleArn": ARN, "ExternalId": "ex:1", "RoleSessionName": "logs@x", "DurationSeconds": "900"}
            assert want.items() <= aws.forms[0].items(), aws.forms
        no_secrets(d)
        d.stop()


def test_a_profile_leads_through_two_roles_and_a_program(t):
    s3, aws = peers(t)
    program, config = t.path("keys of mine.py"), t.path("config")
    with open(program, "w", encoding="ascii") as f:
        f.write(f"#!{sys.executable}\nimport json, sys\nassert sys.argv[1:] == ['a b', '$HOME;x'], sys.argv\n"
                "print('not shown: secret-of-stderr', file=sys.stderr)\n"
                f"print(json.dumps({json.dumps({'Version': 1, 'AccessKeyId': ACCESS_KEY, 'SecretAccessKey': SECRET})}))\n")
    os.chmod(program, 0o755)
    with open(config, "w", encoding="ascii") as f:
        f.write(f"[profile logs]\nrole_arn = {ARN}-2\nsource_profile = first\nduration_seconds = 1800\nregion = us-east-1\n"
                f"[profile first]\nrole_arn = {ARN}-1\nsource_profile = base\nexternal_id = one\nrole_session_name = s1\n"
                f"[profile base]\ncredential_process = \"{program}\" 'a b' $HOME;x\n")
    d = t.daemon(one_stream("app", without_keys(s3, region=None, credentials={"profile": "logs"}), interval="0s"))
    d.env = base_env(t, AWS_CONFIG_FILE=config, AWS_ENDPOINT_URL_STS=aws.url())
    validated = subprocess.run([t.binary, "validate", "-c", d.config_path], capture_output=True, text=True,
                               env={**os.environ, **d.env}, timeout=60 * t.slow, check=True)
    assert f"keys of role {ARN}-2 by credential_process of profile `base`" in validated.stdout + validated.stderr
    assert not aws.asked, "validate asks nobody"
    d.start()
    Firehose(d.api_port).put("app", b"x")
    d.wait_delivered("app", 1)
    assert [f["RoleArn"] for f in aws.forms] == [ARN + "-1", ARN + "-2"], aws.forms
    assert aws.forms[0]["ExternalId"] == "one" and "ExternalId" not in aws.forms[1]
    assert aws.forms[0]["RoleSessionName"] == "s1" and aws.forms[1]["DurationSeconds"] == "1800"
    assert not aws.bad and s3.requests[0].headers["x-amz-security-token"] == "token-of-STS-2/+=="
    no_secrets(d)
    d.stop()


# What goes wrong -> what an operator must find in the log line.
FAULTS = {
    "instance": [
        (Say(403), r"/latest/api/token: status 403"),
        (Say(200, b"two words"), r"its token is none"),
        (Reset(), r"hop limit.*connection|hop limit.*empty|hop limit.*recv"),
    ],
    "container": [
        (Say(500, b"secret-of-a-page"), r"container's endpoint: status 500"),
        (Say(200, b'{"AccessKeyId": "A"'), r"not the JSON of keys"),
        (Say(200, b'{"AccessKeyId": "A", "SecretAccessKey": "secret-of-x", "Token": "t"}'), r"`Expiration` is missing"),
        (Say(200, b'{"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t", "Expiration": "2020-01-01T00:00:00Z"}'),
         r"expired already"),
        (Say(200, b"[" * 70000), r"more than \d+ bytes"),
    ],
    "web identity": [
        (sts_error(400, "IDPCommunicationError"), r"IDPCommunicationError"),
        (sts_error(403, "AccessDenied", "not for web-token"), r"AccessDenied \(status 403\)"),
        (sts_error(400, "Throttling", "Rate exceeded"), r"Throttling \(status 400\): Rate exceeded"),
        (Say(200, b"<html>"), r"not the XML of STS"),
        (Say(200, b"<a><Credentials><AccessKeyId>A</AccessKeyId></Credentials></a>"), r"`SecretAccessKey` is missing"),
    ],
}


def test_what_goes_wrong_is_said_without_secrets_and_tried_again_until_it_works(t):
    for kind, faults in FAULTS.items():
        for number, (fault, words) in enumerate(faults):
            s3, aws = peers(t)
            aws.authorization = "task-token"
            aws.plan(fault)
            d = started(t, s3, aws, kind, name=f"{kind[:3]}-{number}")
            Firehose(d.api_port).put("app", b"x")
            d.wait_logged(words, level="error")
            no_secrets(d)
            d.take_down()
            s3.stop()
            aws.stop()


def test_who_is_throttled_asks_again_and_delivers_then(t):
    s3, aws = peers(t)
    aws.plan(sts_error(400, "Throttling"))
    d = started(t, s3, aws, "web identity")
    Firehose(d.api_port).put("app", b"x")
    d.wait_logged("no AWS credentials.*Throttling", level="error")
    d.wait_delivered("app", 1)
    s3.assert_clean()
    d.stop()


def test_streams_that_want_the_same_keys_ask_once(t):
    s3, aws = peers(t)
    env, _ = env_of("instance", t, aws)
    d = t.daemon({"streams": {name: stream(without_keys(s3, prefix=f"{name}/"), interval="0s") for name in "abcd"}})
    d.env = base_env(t, **env)
    d.start()
    client = Firehose(d.api_port)
    for n in (1, 2):
        for name in "abcd":
            client.put(name, b"%d" % n)
        for name in "abcd":
            d.wait_delivered(name, n)
    assert aws.count("instance") == 1, aws.asked
    d.stop()
    s3.assert_clean()


def test_keys_that_are_about_to_expire_are_renewed_beside_deliveries_that_go_on(t):
    """The first renewal hangs: keys that are valid serve meanwhile, and it is tried again once it has failed."""
    s3, aws = peers(t)
    aws.life = 9 * min(t.slow, 2)  # renewed when about a third of it is left
    env, _ = env_of("instance", t, aws)
    d = t.daemon(one_stream("app", without_keys(s3), interval="0s"))
    d.env = base_env(t, AWS_METADATA_SERVICE_TIMEOUT="60", **env)
    d.start()
    client = Firehose(d.api_port)
    sent = 0

    def deliver_until(what, done):
        def step():
            nonlocal sent
            client.put("app", b"%d" % sent)
            sent += 1
            d.wait_delivered("app", sent)
            return done()
        wait_until(what, step, 60 * t.slow, period=0.1)

    deliver_until("the first keys", lambda: aws.count("instance") == 1)
    aws.hangs = True
    deliver_until("a renewal", lambda: aws.count("token") == 2)
    before = sent
    deliver_until("deliveries while it hangs", lambda: sent > before + 2)
    assert aws.count("token") == 2 and "IMDSKEY0001" in s3.requests[-1].headers["Authorization"]
    aws.hangs = False
    deliver_until("the next keys", lambda: "IMDSKEY0002" in s3.requests[-1].headers["Authorization"])
    assert d.wait_logged("AWS keys cannot be renewed; those that are there serve on|delivery failed"), d.log_text()
    s3.assert_clean()
    no_secrets(d)
    d.stop()


class ExpiredFor(Behaviour):
    """403 for who signs with these keys."""

    def __init__(self, key):
        self.key = key

    def act(self, exchange):
        if self.key in exchange.handler.headers["Authorization"]:
            Fail(400, "ExpiredToken").act(exchange)
        else:
            super().act(exchange)


def test_keys_that_are_refused_as_expired_are_replaced_and_the_same_object_goes_again(t):
    s3, aws = peers(t)
    d = started(t, s3, aws, "instance", retry={"duration": "1s"})
    client = Firehose(d.api_port)
    client.put("app", b"first")
    d.wait_delivered("app", 1)
    s3.always = ExpiredFor("IMDSKEY0001")
    client.put("app", b"second")
    d.wait_delivered("app", 2)
    assert aws.count("instance") == 2, aws.asked
    lines = d.wait_logged("delivery failed")
    assert len(lines) == 1 and "level=warn" in lines[0] and "others are asked for now" in lines[0], lines
    s3.assert_clean()
    assert sorted(objects.lines(s3.snapshot())) == [b"first", b"second"]
    d.stop()


class ExpiredAtAws(es_peer.Behaviour):
    """As Amazon OpenSearch Service says it."""

    stores = False

    def act(self, handler, answer):
        handler.say(403, b'{"message":"The security token included in the request is expired"}')


def test_keys_that_are_refused_as_expired_by_a_cluster_are_replaced_and_the_documents_go_again(t):
    s3, aws = peers(t)
    es = es_peer.EsPeer()
    t.on_end(es.stop)
    env, _ = env_of("instance", t, aws)
    signed = {"sigv4": {"service": "es", "region": "us-east-1"}}
    d = t.daemon(one_stream("app", es.destination(auth=signed), interval="0s", retry={"duration": "1s"}))
    d.env = base_env(t, **env)
    d.start()
    Firehose(d.api_port).put("app", b'{"n":1}')
    d.wait_delivered("app", 1)
    es.plan(ExpiredAtAws())
    Firehose(d.api_port).put("app", b'{"n":2}')
    d.wait_delivered("app", 2)
    assert aws.count("instance") == 2, aws.asked
    line, = d.wait_logged("delivery failed")
    assert "code=ExpiredToken" in line and "level=warn" in line and "others are asked for now" in line, line
    no_secrets(d)
    d.stop()


def test_a_provider_that_hangs_is_named_and_the_daemon_ends_all_the_same(t):
    s3, aws = peers(t)
    aws.hangs = True
    env, _ = env_of("instance", t, aws)
    d = t.daemon({**one_stream("app", without_keys(s3), interval="0s"), "shutdown": {"grace": "1s"}})
    d.env, d.expect_exit = base_env(t, **env), 1  # the record stays in the spool
    d.start()
    Firehose(d.api_port).put("app", b"x")
    d.wait_logged(r"no AWS credentials.*instance's metadata.*(no answer within 2 s|has not answered)", level="error", timeout=40)
    d.stop()


def has_ended(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_a_program_for_keys_that_hangs_ends_with_the_daemon(t):
    s3, _ = peers(t)
    pid, config = t.path("pid"), t.path("aws-config")
    with open(config, "w", encoding="utf-8") as f:
        f.write(f"[default]\ncredential_process = /bin/sh -c 'echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 1000'\n")
    d = t.daemon({**one_stream("app", without_keys(s3), interval="0s"), "shutdown": {"grace": "0s"}})
    d.env, d.expect_exit = base_env(t, AWS_CONFIG_FILE=config), 1  # the record stays in the spool
    d.start()
    Firehose(d.api_port).put("app", b"x")
    wait_until("the program runs", lambda: os.path.exists(pid), 40 * t.slow)
    with open(pid, encoding="ascii") as f:
        child = int(f.read())
    t.on_end(lambda: has_ended(child) or os.kill(child, 9))
    assert not has_ended(child)
    d.stop()
    wait_until("the program has ended", lambda: has_ended(child), 40 * t.slow)


def test_validate_says_where_keys_would_come_from_and_what_does_not_go_together(t):
    s3, aws = peers(t)

    def validate(env, **destination):
        d = t.daemon(one_stream("app", without_keys(s3, **destination)), name="checked")
        done = subprocess.run([t.binary, "validate", "-c", d.config_path], capture_output=True, text=True,
                              env={**os.environ, **base_env(t, **env)}, timeout=60 * t.slow, check=False)
        return done.returncode, done.stdout + done.stderr

    for kind, words in (("instance", "keys of the instance's metadata (IMDS)"), ("container", "keys of the container's endpoint"),
                        ("web identity", f"keys of role {ARN} by the web identity in"), ("role", f"keys of role {ARN} by the environment")):
        env, option = env_of(kind, t, aws)
        code, said = validate(env, **({"credentials": option} if option else {}))
        assert code == 0 and words in said, (kind, said)
    assert not aws.asked
    for option, words in (
        ("nowhere", "auto, environment"),
        ("container", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI is not in the environment"),
        ("imds", "AWS_EC2_METADATA_DISABLED"),
        ({"external_id": "x"}, "credentials.external_id: needs role_arn"),
        ({"role_arn": "sluice"}, "credentials.role_arn: is no ARN"),
        ({"source": "imds", "profile": "x"}, "credentials.profile: given beside credentials.source"),
        ({"process": "'x"}, "a quote in the command line is not closed"),
        ({"rolearn": "x"}, "role_arn"),
    ):
        code, said = validate({}, credentials=option)
        assert code and words in said, (option, code, said)
    code, said = validate({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/x"})
    assert code and "only loopback, 169.254.170.2 and 169.254.170.23" in said, said
    code, said = validate({"AWS_WEB_IDENTITY_TOKEN_FILE": "/x"})
    assert code and "without AWS_ROLE_ARN" in said, said
