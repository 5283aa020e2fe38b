"""What the options of the S3 destination put on the wire, and what is learnt from a store's answers."""

import re

import objects
from common import one_stream, stream
from firehose import Firehose
from harness import wait_until
from s3_peer import Fail, ResetAfterReading, S3Peer

CUSTOMER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

# An option -> the headers that it is.
HEADERS = {
    "class": ({"storage_class": "STANDARD_IA"}, {"x-amz-storage-class": "STANDARD_IA"}),
    "acl": ({"acl": "bucket-owner-full-control"}, {"x-amz-acl": "bucket-owner-full-control"}),
    "s3-key": ({"server_side_encryption": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
    "kms": ({"server_side_encryption": "aws:kms", "kms_key_id": "alias/logs", "bucket_key": True,
             "kms_context": {"team": "logs"}},
            {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "alias/logs",
             "x-amz-server-side-encryption-context": "eyJ0ZWFtIjoibG9ncyJ9",
             "x-amz-server-side-encryption-bucket-key-enabled": "true"}),
    "own-key": ({"customer_key": CUSTOMER_KEY, "customer_key_over_http": True},
                {"x-amz-server-side-encryption-customer-algorithm": "AES256",
                 "x-amz-server-side-encryption-customer-key": CUSTOMER_KEY}),
    "tags": ({"tagging": {"team": "logs & more", "day": "!{timestamp:yyyy}"}},
             {"x-amz-tagging": r"team=logs%20_%20more&day=\d{4}"}),
    "metadata": ({"metadata": {"who": "Zoë", "month": "!{timestamp:MM}"}},
                 {"x-amz-meta-who": r"=\?UTF-8\?B\?Wm/Dqw==\?=", "x-amz-meta-month": r"\d\d"}),
    "type": ({"content_type": "text/plain; charset=utf-8"}, {"Content-Type": "text/plain; charset=utf-8"}),
    "lock": ({"object_lock": {"mode": "governance", "retain": "30d", "legal_hold": True}},
             {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-legal-hold": "ON",
              "x-amz-object-lock-retain-until-date": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"}),
    "payer": ({"requester_pays": True}, {"x-amz-request-payer": "requester"}),
    "owner": ({"expected_bucket_owner": "123456789012"}, {"x-amz-expected-bucket-owner": "123456789012"}),
    "new": ({"overwrite": False}, {"If-None-Match": r"\*", "x-amz-meta-sluice-crc32c": "[0-9a-f]{8}"}),
}


def test_each_option_is_sent_as_its_header_and_signed(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    d = t.daemon({"streams": {name: stream(s3.destination(prefix=name + "/", **options), interval="0s")
                              for name, (options, _) in HEADERS.items()}}).start()
    for name in HEADERS:
        Firehose(d.api_port).put(name, name.encode())
    for name in HEADERS:
        d.wait_delivered(name, 1)
    d.stop()
    s3.assert_clean()
    assert CUSTOMER_KEY not in d.log_text()
    for name, (_, wanted) in HEADERS.items():
        request, = [r for r in s3.requests if r.key.startswith(name + "/")]
        for header, value in wanted.items():
            plain = not re.search(r"[\\\[]", value)
            got = request.headers.get(header, "")
            assert (got == value) if plain else re.fullmatch(value, got), (name, header, got)


def test_keys_with_every_awkward_byte_are_signed_as_they_are_sent(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    prefix = "/ a+b=c\\%d:e!f'(g)*//Zoë/日本/?#&;@,$~[]^`|<>\\{/"
    d = t.daemon(one_stream("app", s3.destination(prefix=prefix), interval="0s")).start()
    Firehose(d.api_port).put("app", b"one")
    d.wait_delivered("app", 1)
    d.stop()
    s3.assert_clean()
    key, = s3.snapshot()
    assert key.startswith(prefix.replace("\\", "")), key


def test_an_object_whose_answer_was_lost_is_recognised_and_a_foreign_one_is_left_alone(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    lost = {}

    def by_key(key, attempt):
        return ResetAfterReading(stores=True) if attempt == 1 and lost.setdefault("key", key) == key else None

    s3.by_key = by_key
    d = t.daemon(one_stream("app", s3.destination(overwrite=False), interval="0s",
                            backup={"mode": "failed", "file": {"path": t.path("backup")}},
                            retry={"duration": "1s"})).start()
    Firehose(d.api_port).put("app", b"ours")
    d.wait_delivered("app", 1)
    assert s3.looked == [lost["key"]], "a HEAD said that it is ours"

    def foreign(key, attempt):
        if attempt == 1:
            s3.objects[key] = b"somebody else's"  # as if it had been there
        return None

    s3.by_key = foreign
    Firehose(d.api_port).put("app", b"not there")
    line, = d.wait_logged("delivery failed.*code=PreconditionFailed")
    assert "that is not this one" in line and "destination.s3.overwrite: true" in line, line
    wait_until("the record in the backup", lambda: d.metrics().get("sluice_backed_up_records_total", stream="app") == 1,
               60 * t.slow)
    d.stop()
    assert not s3.conflicts and not s3.bad
    assert sorted(objects.joined(s3.snapshot()).splitlines()) == [b"ours", b"somebody else's"]


def test_the_region_is_learnt_from_the_refusal_and_said(t):
    s3 = S3Peer(region="eu-central-1")
    t.on_end(s3.stop)
    s3.teaches = True
    d = t.daemon(one_stream("app", s3.destination(region="us-east-1"), interval="0s")).start()
    Firehose(d.api_port).put("app", b"one")
    d.wait_delivered("app", 1)
    Firehose(d.api_port).put("app", b"two")
    d.wait_delivered("app", 2)
    d.stop()
    line, = d.wait_logged("delivery failed")
    assert "is in region `eu-central-1`, not in `us-east-1`" in line, line
    assert 'hint="set destination.s3.region: eu-central-1"' in line, line
    s3.assert_clean()
    assert len(s3.requests) == 3


def test_a_clock_that_differs_is_corrected_and_said(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.teaches, s3.clock = True, -7200
    d = t.daemon(one_stream("app", s3.destination(), interval="0s")).start()
    Firehose(d.api_port).put("app", b"one")
    d.wait_delivered("app", 1)
    line, = d.wait_logged("delivery failed")
    assert re.search(r"code=RequestTimeTooSkewed.*differ by (7199|7200) s \(ours is ahead\)", line), line
    s3.clock = 0  # somebody has set it right
    Firehose(d.api_port).put("app", b"two")
    d.wait_delivered("app", 2)
    d.stop()
    s3.assert_clean()
    assert sorted(objects.lines(s3.snapshot())) == [b"one", b"two"]


def test_a_region_that_is_wrong_as_well_is_said_once_more_and_left(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    lie = b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>no</Message><Region>eu-west-9</Region></Error>"
    s3.teaches = True
    s3.plan(Fail(400, body=lie))
    d = t.daemon(one_stream("app", s3.destination(), interval="0s")).start()
    Firehose(d.api_port).put("app", b"one")
    d.wait_delivered("app", 1, timeout=60)
    d.stop()
    s3.assert_clean()
    scopes = [r.headers["Authorization"].split("/")[2] for r in s3.requests]
    assert scopes == ["us-east-1", "eu-west-9", "us-east-1"], scopes


def test_an_old_store_gets_content_md5_from_then_on_and_the_log_says_it_once(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.old = True
    d = t.daemon(one_stream("app", s3.destination(), interval="0s")).start()
    for n in range(3):
        Firehose(d.api_port).put("app", b"%d" % n)
        d.wait_delivered("app", n + 1)
    d.stop()
    line, = d.wait_logged("delivery failed")
    assert "from now on objects go with Content-MD5" in line and "set destination.s3.checksum: md5" in line, line
    s3.assert_clean()
    sent = ["Content-MD5" in r.headers for r in s3.requests]
    assert sent == [False, True, True, True], sent
