"""The S3 destination against a store that checks every request, and one that fails in every way a store can."""

import os
import re
import subprocess
import time

import objects
from common import numbered_lines, one_stream, stream
from firehose import Firehose
from harness import wait_until
from s3_peer import (SECRET, Fail, Garbage, Hang, ResetAfterReading, ResetBeforeReading, S3Peer, Slow, Truncated)


def test_records_put_through_the_api_arrive_in_s3_exactly_once(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    records = numbered_lines(t.random, 20000)
    d = t.daemon(one_stream("app", s3.destination(), compression="gzip")).start()
    Firehose(d.api_port).put_all("app", records)
    d.wait_delivered("app", len(records))
    d.stop()
    s3.assert_clean()
    found = s3.snapshot()
    assert objects.lines(found) and objects.joined(found) == b"".join(r + b"\n" for r in records)
    for key in found:
        assert re.match(r"app/\d{4}/\d\d/\d\d/\d\d/app-1-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9a-f-]{36}\.gz$", key), key
    assert s3.without_checksum == 0, "every object carries x-amz-checksum-crc32c"
    request = s3.requests[0].headers
    assert request.get("Content-Encoding") == "gzip" or request.get("content-encoding") == "gzip", request


def test_the_api_tells_where_a_stream_delivers_to(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    d = t.daemon({"streams": {
        "app": stream(s3.destination(), size="5MiB", interval="90s", compression="gzip"),
        "folder": stream({"file": {"path": t.path("out"), "prefix": "kept/"}}),
    }}).start()
    client = Firehose(d.api_port)

    def description_of(name):
        answer = client.call("DescribeDeliveryStream", {"DeliveryStreamName": name})
        assert SECRET not in str(answer)
        return answer["DeliveryStreamDescription"]["Destinations"][0]
    told = description_of("app")
    for kind in ("S3DestinationDescription", "ExtendedS3DestinationDescription"):
        assert told[kind]["BucketARN"] == f"arn:aws:s3:::{s3.bucket}", told
        assert told[kind]["Prefix"] == "app/!{timestamp:yyyy/MM/dd/HH}/", told
        assert told[kind]["BufferingHints"] == {"SizeInMBs": 5, "IntervalInSeconds": 90}, told
        assert told[kind]["CompressionFormat"] == "GZIP", told
    kept = description_of("folder")["ExtendedS3DestinationDescription"]
    assert (kept["BucketARN"], kept["Prefix"]) == ("arn:aws:s3:::out", "kept/"), kept
    assert client.call("ListTagsForDeliveryStream", {"DeliveryStreamName": "folder"}) == {"Tags": [], "HasMoreTags": False}
    d.stop()


# What a store answers -> what an operator must find in the log line: a regular expression each for the whole line.
FAULTS = {
    "access-denied": (Fail(403, "AccessDenied"), r"AccessDenied.*hint="),
    "bad-secret": (Fail(403, "SignatureDoesNotMatch"), r"SignatureDoesNotMatch.*secret_access_key"),
    "bad-key-id": (Fail(403, "InvalidAccessKeyId"), r"InvalidAccessKeyId.*access_key_id"),
    "skewed": (Fail(403, "RequestTimeTooSkewed"), r"RequestTimeTooSkewed.*clock"),
    "no-bucket": (Fail(404, "NoSuchBucket"), r"NoSuchBucket.*bucket.*logs"),
    "redirect": (
        Fail(301, "PermanentRedirect", body=(
            b"<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message>"
            b"<Endpoint>logs.s3.eu-west-1.amazonaws.com</Endpoint></Error>")),
        r"PermanentRedirect.*(region|endpoint)"),
    "slow-down": (Fail(503, "SlowDown"), r"SlowDown"),
    "internal": (Fail(500, "InternalError"), r"InternalError"),
    "bad-digest": (Fail(400, "BadDigest"), r"BadDigest"),
    "quota": (Fail(403, "QuotaExceeded"), r"QuotaExceeded"),
    "full": (Fail(507, "XMinioStorageFull"), r"XMinioStorageFull"),
    "not-xml": (Fail(502, body=b"<html><body>Bad Gateway</body></html>"), r"502"),
    "empty-500": (Fail(500, body=b""), r"500"),
    "reset-early": (ResetBeforeReading(), r"(reset|connection|closed|send)"),
    "reset-late": (ResetAfterReading(), r"(reset|connection|closed|recv|empty)"),
    "garbage": (Garbage(), r"(HTTP|answer|response|reply)"),
    "stored-but-500": (Fail(500, "InternalError", stores=True), r"InternalError"),
    "stored-but-reset": (ResetAfterReading(stores=True), r"(reset|connection|closed|recv|empty)"),
    "stored-but-cut-off": (Truncated(), r"(answer|response|reply|connection|closed|transfer|header)"),
}


def fault_config(s3):
    return {"streams": {name: stream(s3.destination(prefix=f"{name}/"), interval="0s") for name in FAULTS}}


def failed_line(d, name):
    lines = d.wait_logged(rf"stream={name} ")
    return next((line for line in lines if "failed" in line), None)


def test_every_fault_is_reported_in_words_retried_and_ends_in_one_object(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    cured = set()  # once it was reported; curl itself repeats a request whose kept-alive connection was closed

    def by_key(key, _attempt):
        name = key.partition("/")[0]
        return None if name in cured else FAULTS[name][0]

    s3.by_key = by_key
    d = t.daemon(fault_config(s3)).start()
    client = Firehose(d.api_port)
    for name in FAULTS:
        client.put(name, f"record of {name}".encode())
    wrong = []
    for name, (_, pattern) in FAULTS.items():
        line = wait_until(f"a log line for {name}", lambda n=name: failed_line(d, n), 30 * t.slow)
        cured.add(name)
        if not re.search(pattern, line):
            wrong.append(f"{name}: {pattern!r} is not in {line}")
        assert SECRET not in line
    for name in FAULTS:
        d.wait_delivered(name, 1, timeout=90)
    d.stop()
    s3.assert_clean()
    found = s3.snapshot()
    for name in FAULTS:
        mine = {k: v for k, v in found.items() if k.startswith(name + "/")}
        assert len(mine) == 1, f"{name}: {sorted(mine)}"
        assert objects.lines(mine) == [f"record of {name}".encode()]
        assert len(s3.requests_of(next(iter(mine)))) >= 2, f"{name}: the same key on every attempt"
    assert not wrong, "\n".join(wrong)


test_every_fault_is_reported_in_words_retried_and_ends_in_one_object.timeout = 180


def test_retry_after_is_honoured(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.plan(Fail(503, "SlowDown", retry_after=4))
    d = t.daemon(one_stream("app", s3.destination(), interval="0s")).start()
    Firehose(d.api_port).put("app", b"patience")
    d.wait_delivered("app", 1)
    d.stop()
    gap = s3.requests[1].at - s3.requests[0].at
    assert gap >= 3.9, f"4 s were asked for, {gap:.2f} s it was"
    wait, = d.retry_waits("app")
    assert 4 <= wait <= 4.65, f"4 s were asked for, it meant to wait {wait} s"


def test_attempts_back_off(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.plan(*[Fail(500, "InternalError")] * 3)
    d = t.daemon(one_stream("app", s3.destination(), interval="0s")).start()
    Firehose(d.api_port).put("app", b"again and again")
    d.wait_delivered("app", 1)
    m = d.metrics()
    assert m.get("sluice_delivery_attempts_total", stream="app") == 4
    assert m.get("sluice_delivery_failures_total", stream="app") == 3
    assert m.get("sluice_delivery_objects_total", stream="app") == 1
    d.stop()
    gaps = [b.at - a.at for a, b in zip(s3.requests, s3.requests[1:])]
    for gap, expected in zip(gaps, (1, 2, 4)):
        assert gap >= expected * 0.84, f"{expected} s +-15 %: {gaps}"
    for wait, expected in zip(d.retry_waits("app"), (1, 2, 4)):
        assert expected * 0.84 <= wait <= expected * 1.16, f"{expected} s +-15 %: {d.retry_waits('app')}"


def test_a_slow_store_does_not_hold_up_the_others(t):
    slow, fast = S3Peer(), S3Peer()
    t.on_end(slow.stop)
    t.on_end(fast.stop)
    slow.always = Hang()
    d = t.daemon({"streams": {
        "slow": stream(slow.destination(), interval="0s"),
        "fast": stream(fast.destination(), interval="0s"),
    }}).start()
    client = Firehose(d.api_port)
    for i in range(20):
        client.put("slow", b"slow %d" % i)
    wait_until("requests to the slow store", lambda: slow.requests, 20 * t.slow)
    client.put("fast", b"fast")
    d.wait_delivered("fast", 1, timeout=20)  # the slow one's attempts time out after 60 s
    slow.always = None
    slow.stop()  # lets go of those that hang
    slow.start()
    d.wait_delivered("slow", 20)
    d.stop()
    for peer in (slow, fast):
        peer.assert_clean()


def test_a_store_that_goes_away_in_mid_flight_gets_everything_once_it_is_back(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    records = numbered_lines(t.random, 30000)
    d = t.daemon(one_stream("app", s3.destination(), size="64KiB", interval="1s", compression="zstd")).start()
    client = Firehose(d.api_port)
    s3.always = Slow(0.05)
    for round_number in range(3):
        client.put_all("app", records[round_number * 10000:(round_number + 1) * 10000])
        s3.stop()
        time.sleep(0.7)
        s3.start()
    d.wait_logged(r"delivery failed.*stream=app.*127\.0\.0\.1")
    d.wait_delivered("app", len(records), timeout=90)
    d.wait_logged("delivery works again")
    d.stop()
    s3.assert_clean()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), records)


def test_an_endpoint_with_a_path_works_in_both_styles_and_for_redrive(t):
    for name, more in (("path", {}), ("slash", {"slash": "/"}), ("virtual", {"addressing": "virtual"})):
        s3 = S3Peer(folder="/storage/v1/s3")
        t.on_end(s3.stop)
        destination = s3.destination(addressing=more.get("addressing"))
        destination["s3"]["endpoint"] = f"http://s3.localhost:{s3.port}/storage/v1/s3{more.get('slash', '')}"
        d = t.daemon(one_stream("app", destination, interval="0s"), name=name).start()
        Firehose(d.api_port).put("app", b"one")
        d.wait_delivered("app", 1)
        s3.store("app/s3-failed/x", b'{"rawData":"dHdv","errorCode":"e","errorMessage":"m","attemptsMade":1,'
                                    b'"arrivalTimestamp":1,"attemptEndingTimestamp":1}\n')
        done = subprocess.run([t.binary, "redrive", "-c", d.config_path, "--stream", "app", "s3://logs/app/s3-failed/"],
                              capture_output=True, text=True, timeout=60 * t.slow, check=False)
        assert done.returncode == 0, (name, done.stdout, done.stderr)
        d.wait_delivered("app", 2)
        d.stop()
        s3.assert_clean()
        found = s3.snapshot()
        found.pop("app/s3-failed/x")
        assert sorted(objects.lines(found)) == [b"one", b"two"], name


def test_the_checksum_can_be_chosen_and_the_hint_says_so(t):
    """A store that does not know the header says NotImplemented: the hint names the option, which then helps."""
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.plan(Fail(501, "NotImplemented", "A header you provided implies functionality that is not implemented"))
    d = t.daemon(one_stream("app", s3.destination(storage_class="COLD"), interval="0s")).start()
    Firehose(d.api_port).put("app", b"one")
    line, = d.wait_logged("NotImplemented", level="error")
    assert 'hint="set destination.s3.checksum: none, or leave out storage_class"' in line, line
    d.wait_delivered("app", 1)
    d.stop()
    for kind, header in (("none", None), ("sha256", "x-amz-checksum-sha256"), ("crc32c", "x-amz-checksum-crc32c"),
                         ("crc64nvme", "x-amz-checksum-crc64nvme"), ("md5", "content-md5")):
        s3 = S3Peer()
        t.on_end(s3.stop)
        d = t.daemon(one_stream("app", s3.destination(checksum=kind), interval="0s"), name=kind).start()
        Firehose(d.api_port).put("app", b"one")
        d.wait_delivered("app", 1)
        d.stop()
        s3.assert_clean()
        sent = [h.lower() for h in s3.requests[0].headers if "checksum" in h.lower() or "md5" in h.lower()]
        assert sent == ([header] if header else []), (kind, sent)


def test_the_payload_hash_can_be_left_out_and_the_hint_says_so(t):
    """A store that wants the body signed says it in several ways; each names the option, which then helps."""
    s3 = S3Peer()
    t.on_end(s3.stop)
    refusals = ((400, "XAmzContentSHA256Mismatch", "The provided header does not match what was computed"),
                (400, "InvalidRequest", "UNSIGNED-PAYLOAD is not supported"),
                (403, "AccessDenied", "Access Denied"),
                (403, "SignatureDoesNotMatch", "The request signature we calculated does not match"))
    first = {code: Fail(status, code, message) for status, code, message in refusals}
    s3.by_key = lambda key, attempt: first[key.partition("/")[0]] if attempt == 1 else None
    d = t.daemon({"streams": {code: stream(s3.destination(payload_hash="unsigned", prefix=code + "/"), interval="0s")
                              for code in first}}).start()
    for code in first:
        Firehose(d.api_port).put(code, b"one")
    for code in first:
        line, = d.wait_logged(f"stream={code} ", level="error")
        assert "destination.s3.payload_hash: signed" in line.partition(" hint=")[2], line
        d.wait_delivered(code, 1)
    d.stop()
    s3.assert_clean()
    assert s3.without_checksum == 0
    assert {r.headers["x-amz-content-sha256"] for r in s3.requests} == {"UNSIGNED-PAYLOAD"}


def test_the_endpoint_of_awss_tools_is_followed_and_told(t):
    """With LocalStack's variables set, records must not go to AWS."""
    s3 = S3Peer()
    t.on_end(s3.stop)
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        d = t.daemon(one_stream("app", s3.destination(endpoint=None), interval="0s"), name=variable)
        d.env = {variable: s3.url()}
        validated = subprocess.run([t.binary, "validate", "-c", d.config_path], capture_output=True, text=True,
                                   env={**os.environ, **d.env}, timeout=60 * t.slow, check=True)
        assert f"{s3.url()} (from {variable})" in validated.stdout + validated.stderr, validated
        d.start()
        assert d.wait_logged(rf"{s3.url()} \(from {variable}\)"), d.log_text()
        Firehose(d.api_port).put("app", variable.encode())
        d.wait_delivered("app", 1)
        d.stop()
    s3.assert_clean()
    assert sorted(objects.lines(s3.snapshot())) == [b"AWS_ENDPOINT_URL", b"AWS_ENDPOINT_URL_S3"]


def test_without_keys_it_is_said_where_they_were_looked_for_and_where_not(t):
    d = t.daemon(one_stream("app", {"s3": {"bucket": "logs", "endpoint": "http://127.0.0.1:1"}}))
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    env |= {"HOME": t.path("home"), "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run([t.binary, "validate", "-c", d.config_path], capture_output=True, text=True, env=env,
                          timeout=60 * t.slow, check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    for words in ("AWS_ACCESS_KEY_ID and AWS_WEB_IDENTITY_TOKEN_FILE in the environment", t.path("home"),
                  "AWS_CONTAINER_CREDENTIALS_*", "the instance's metadata is not asked: AWS_EC2_METADATA_DISABLED is set"):
        assert words in said, said
