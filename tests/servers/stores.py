"""Real S3 stores: files and records go through sluice into them and are read back by signed GETs made here.

Each tests/servers/s3_*.sh gives one store; every scenario runs against every store.
"""

import base64
import hashlib
import html
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import backups  # noqa: E402
import objects  # noqa: E402
import sigv4  # noqa: E402
import test_kinesis  # noqa: E402
import test_kinesis_leases  # noqa: E402
from common import append_lines, numbered_lines, stream, tail, write_lines  # noqa: E402
from firehose import Firehose  # noqa: E402
from harness import free_port, wait_until  # noqa: E402

INSTALL_SECONDS = 600
SKIPPED = 77


class Store:
    """One running server, by its script; `settings` are in the script's environment."""

    def __init__(self, t, script, settings=None):
        self.t, self.script, self.settings = t, os.path.join(HERE, script), settings or {}
        self.name = script[len("s3_"):-len(".sh")]
        self.dir, self.port = t.path("store"), free_port(family=5)
        os.mkdir(self.dir)
        t.on_end(lambda: self._run("stop", self.dir, seconds=30))
        self.start()
        self.env = self._read_env()

    def _run(self, *args, seconds=120):
        done = subprocess.run(["sh", self.script, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, **self.settings}, timeout=seconds, text=True, check=False)
        if done.returncode == SKIPPED:
            self.t.skip((done.stdout.strip().splitlines() or ["cannot be installed"])[-1])
        assert done.returncode == 0, f"{self.script} {args}: exit {done.returncode}\n{done.stdout[-2000:]}"

    def start(self):
        self._run("install", seconds=INSTALL_SECONDS)
        self._run("start", self.dir, str(self.port))

    def kill(self):
        self._run("stop", self.dir)

    def _read_env(self):
        with open(os.path.join(self.dir, "env"), encoding="utf-8") as f:
            return dict(line.rstrip("\n").split("=", 1) for line in f)

    def destination(self, **more):
        e = self.env
        return {"s3": {"bucket": e["S3_BUCKET"], "region": e["S3_REGION"], "endpoint": e["S3_ENDPOINT"],
                       "access_key_id": e["S3_ACCESS_KEY_ID"], "secret_access_key": e["S3_SECRET_ACCESS_KEY"], **more}}

    def admin(self, *args):
        """VersityGW has users that can be made and deleted while it runs."""
        command = [self.env["S3_ADMIN"], "admin", "--access", self.env["S3_ACCESS_KEY_ID"], "--secret",
                   self.env["S3_SECRET_ACCESS_KEY"], "--endpoint-url", self.env["S3_ENDPOINT"], *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    # --- read back, signed here --------------------------------------------------------------------------------

    def request(self, method, path, query="", body=b"", patience=20, headers=None):
        """A store that has just been started may answer 5xx for some seconds, as every client of S3 must expect."""
        end = time.monotonic() + patience
        while True:
            try:
                return self._request(method, path, query, body, headers or {})
            except urllib.error.HTTPError as e:
                if e.code < 500 or time.monotonic() > end:
                    raise
            time.sleep(0.5)

    def _request(self, method, path, query, body, more):
        url = f"{self.env['S3_ENDPOINT']}/{urllib.parse.quote(path)}" + (f"?{query}" if query else "")
        headers = sigv4.sign(method, url, more, body, self.env["S3_ACCESS_KEY_ID"], self.env["S3_SECRET_ACCESS_KEY"],
                             self.env["S3_REGION"], "s3")
        # urllib undoes no Content-Encoding, so what is stored is what comes back
        asked = urllib.request.Request(url, method=method, headers=headers, data=body or None)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.read(), dict(answer.headers)

    def keys(self, prefix="", bucket=None):
        found, token = [], None
        while True:
            pairs = {"list-type": "2", "encoding-type": "url", "prefix": prefix, **({"continuation-token": token} if token else {})}
            text, _ = self.request("GET", bucket or self.env["S3_BUCKET"], urllib.parse.urlencode(sorted(pairs.items())))
            text = text.decode()
            decode = urllib.parse.unquote_plus if "<EncodingType>url<" in text else str
            found += [decode(html.unescape(k)) for k in re.findall(r"<Key>([^<]+)</Key>", text)]
            token = re.search(r"<NextContinuationToken>([^<]+)<", text)
            if not token:
                return found
            token = token.group(1)

    def objects(self, prefix="", bucket=None):
        where = bucket or self.env["S3_BUCKET"]
        return {k: self.request("GET", f"{where}/{k}")[0] for k in self.keys(prefix, bucket)}


def files_of_every_codec_arrive(t, store):
    lines = numbered_lines(t.random, 60000)
    os.mkdir(t.path("logs"))
    write_lines(t.path("logs", "a.log"), lines[:30000])
    write_lines(t.path("logs", "b.log"), lines[30000:])
    codecs = {"none": None, "gzip": "gzip", "zstd": "zstd"}
    d = t.daemon({"streams": {
        c: stream(store.destination(prefix=f"{c}/!{{timestamp:yyyy/MM/dd}}/"), [tail(t.path("logs", "*.log"))],
                  compression=c) for c in codecs
    }}).start()
    for c in codecs:
        d.wait_delivered(c, len(lines), timeout=90)
    d.stop()
    for c, encoding in codecs.items():
        found = store.objects(c + "/")
        objects.assert_exactly_once(objects.lines(found), lines)
        _, headers = store.request("GET", f"{store.env['S3_BUCKET']}/{sorted(found)[0]}")
        assert headers.get("Content-Encoding") == encoding, headers


def a_wrong_secret_is_named_and_put_right_nothing_is_lost(t, store):
    config = {"shutdown": {"grace": "1s"}, "streams": {
        "app": stream(store.destination(prefix="secret/", secret_access_key="wrong"), interval="0s")}}
    d = t.daemon(config).start()
    Firehose(d.api_port).put_all("app", [b"one", b"two"])
    line = d.wait_logged("delivery failed.*SignatureDoesNotMatch")[0]
    assert "secret_access_key" in line and store.env["S3_ENDPOINT"] in line, line
    assert d.http("/readyz")[0] == 503
    d.expect_exit = 1
    d.stop()
    config["streams"]["app"] = stream(store.destination(prefix="secret/"), interval="0s")
    d.configure({**config, "data_dir": d.data_dir})
    d.expect_exit = 0
    d.start()
    d.wait_delivered("app", 2)
    d.stop()
    objects.assert_exactly_once(objects.lines(store.objects("secret/")), [b"one", b"two"])


def a_missing_bucket_is_named_and_used_once_it_is_there(t, store):
    d = t.daemon({"streams": {"app": stream(store.destination(bucket="late-bucket"), interval="0s")}}).start()
    Firehose(d.api_port).put("app", b"waiting for its bucket")
    line = d.wait_logged("delivery failed.*NoSuchBucket")[0]
    assert "late-bucket" in line and "create it" in line, line
    store.request("PUT", "late-bucket")
    d.wait_delivered("app", 1, timeout=60)
    d.stop()
    assert objects.lines(store.objects(bucket="late-bucket")) == [b"waiting for its bucket"]


def a_store_killed_in_mid_flight_has_everything_once_in_the_end(t, store):
    os.mkdir(t.path("logs"))
    lines = numbered_lines(t.random, 90000)
    d = t.daemon({"streams": {
        "app": stream(store.destination(prefix="kill/"), [tail(t.path("logs", "*.log"))], size="64KiB",
                      compression="gzip")}}).start()
    for round_number in range(3):
        append_lines(t.path("logs", "app.log"), lines[round_number * 30000:(round_number + 1) * 30000])
        time.sleep(0.4 + 0.3 * round_number)
        store.kill()
        time.sleep(1)
        store.start()
    d.wait_delivered("app", len(lines), timeout=120)
    d.stop()
    objects.assert_exactly_once(objects.lines(store.objects("kill/")), lines)


def objects_of_several_mebibytes_arrive(t, store):
    lines = numbered_lines(t.random, 400000)
    write_lines(t.path("big.log"), lines)
    d = t.daemon({"streams": {
        "app": stream(store.destination(prefix="big/"), [tail(t.path("big.log"))], size="12MiB", interval="5s",
                      compression="none")}}).start()
    d.wait_delivered("app", len(lines), timeout=90)
    d.stop()
    found = store.objects("big/")
    assert max(len(body) for body in found.values()) > 8 << 20, "bodies beyond what is kept in memory"
    objects.assert_exactly_once(objects.lines(found), lines)


def redrive_puts_back_what_a_backup_in_the_store_holds(t, store):
    """More objects than one page of a listing has, keys that must be escaped, and a wrong secret first."""
    backup = {"mode": "failed", **store.destination(prefix="redrive/a+b c/")}
    nowhere = {"s3": {**store.destination()["s3"], "endpoint": "http://127.0.0.1:1"}}
    config = {"streams": {
        "lost": stream(nowhere, interval="1s", retry={"duration": "1s"}, backup=backup),
        "app": stream({"file": {"path": t.path("out")}}, interval="1s", backup=backup)}}
    d = t.daemon(config).start()
    records = numbered_lines(t.random, 500)
    Firehose(d.api_port).put_all("lost", records)
    wait_until("they are in the backup", lambda: d.books("lost").backed_up == len(records), 90)
    bucket = store.env["S3_BUCKET"]
    found = store.keys("redrive/a+b c/")
    assert found and all("s3-failed" in k for k in found), found
    for i in range(1005):
        store.request("PUT", f"{bucket}/redrive/a+b c/{i:04}", body=b"not an error object")
    line = b'{"attemptsMade":1,"errorCode":"x","rawData":"%s"}\n'
    strange = ["redrive/z & <q>'%41/\u00e9\u65e5", "redrive/z+ +", "redrive/z=?#"]
    for key in strange:
        store.request("PUT", f"{bucket}/{key}", body=line % base64.b64encode(key.encode()))
    wrong = subprocess.run([t.binary, "redrive", "-c", d.config_path, "--stream", "app", "--s3-endpoint",
                            store.env["S3_ENDPOINT"], "s3://no-such-bucket-here/x"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
                           env={**os.environ, "AWS_ACCESS_KEY_ID": store.env["S3_ACCESS_KEY_ID"],
                                "AWS_SECRET_ACCESS_KEY": "wrong", "AWS_REGION": store.env["S3_REGION"]})
    assert wrong.returncode == 1 and "keys come from the environment" in wrong.stderr, wrong.stderr
    for told in (f"put back {len(records) + len(strange)} records", "put back 0 records"):
        done = subprocess.run([t.binary, "redrive", "-c", d.config_path, "--stream", "app", f"s3://{bucket}/redrive/"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        assert done.returncode == 0 and told in done.stdout, (done.stdout, done.stderr)
        assert "1,005 other files left alone" in done.stdout, done.stdout
    d.wait_delivered("app", len(records) + len(strange))
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), records + [k.encode() for k in strange])


KMS = {"server_side_encryption": "aws:kms", "kms_key_id": "test-key-1"}
LOCKED = {"bucket": "locked", "object_lock": {"mode": "governance", "retain": "1d"}}
CUSTOMER_KEY = bytes(range(32))
SSE = "x-amz-server-side-encryption"
LARGE = 6 << 20

# Options, and what each store then says of the object: {header: value; None: anything}, or the code that it refuses with. "": every store that
# is not named. Most know some of them and pass over the rest in silence; docs/s3.md has the table.
OPTIONS = {
    "class": ({"storage_class": "STANDARD_IA"}, {"": {}, "seaweedfs": {"x-amz-storage-class": "STANDARD_IA"},
                                                 "minio": "InvalidStorageClass"}),
    "aes": ({"server_side_encryption": "AES256"}, {"": {SSE: "AES256"}, "versitygw": {}}),
    "kms": ({**KMS, "kms_context": {"team": "logs"}, "bucket_key": True},
            {"minio": {SSE: "aws:kms", SSE + "-context": None}, "versitygw": {}, "seaweedfs": "InternalError"}),
    "dsse": ({**KMS, "server_side_encryption": "aws:kms:dsse"}, {"": {}, "minio": "InvalidArgument"}),
    "customer": ({"customer_key": base64.b64encode(CUSTOMER_KEY).decode(), "customer_key_over_http": True},
                 {"seaweedfs": {SSE + "-customer-algorithm": "AES256"}, "versitygw": {}, "minio": "InvalidRequest"}),
    "tags": ({"tagging": {"team": "logs & more", "day": "!{timestamp:yyyy}"}}, {"": {}}),
    "metadata": ({"metadata": {"who": "me", "year": "!{timestamp:yyyy}"}}, {"": {"x-amz-meta-who": "me"}}),
    "type": ({"content_type": "text/x-logs"}, {"": {"Content-Type": "text/x-logs"}}),
    "payer": ({"requester_pays": True}, {"": {}}),
    "owner": ({"expected_bucket_owner": "123456789012"}, {"": {}, "versitygw": "AccessDenied"}),
    "new": ({"overwrite": False}, {"": {"x-amz-meta-sluice-crc32c": None}}),
    "lock": ({**LOCKED, "bucket": "testbucket"}, {"": "InvalidRequest"}),
    "locked": ({**LOCKED, "overwrite": False}, {"": {"x-amz-object-lock-mode": "GOVERNANCE"}, "versitygw": {}}),
    "held": ({"bucket": "locked", "object_lock": {"legal_hold": True}},
             {"": {"x-amz-object-lock-legal-hold": "ON"}, "versitygw": {}}),
    "acl": ({"acl": "private"}, {"": {}}),
    "crc64nvme": ({"checksum": "crc64nvme"}, {"": {}}),
    "sha256": ({"checksum": "sha256"}, {"": {}}),
    "md5": ({"checksum": "md5"}, {"": {}}),
    "none": ({"checksum": "none"}, {"": {}}),
    "bytes": ({"prefix": "bytes/ a+b=c:d!e'(f)*/100\\%\\%41/Zo\u00eb \u65e5/~$&@,;/"}, {"": {}}),
    "slashes": ({"prefix": "/slashes//two/"}, {"": {}}),
}

# The same in parts.
LARGE_OPTIONS = {
    "large-all": ({"storage_class": "REDUCED_REDUNDANCY", "tagging": {"team": "logs"}, "metadata": {"who": "Zo\u00eb"},
                   "content_type": "text/x-logs", "acl": "private", "requester_pays": True},
                  {"": {"x-amz-meta-who": "=?UTF-8?B?Wm/Dqw==?=", "Content-Type": "text/x-logs"}}),
    "large-kms-signed": ({**KMS, "payload_hash": "signed"},
                         {"minio": {SSE: "aws:kms"}, "versitygw": {}, "seaweedfs": "InternalError"}),
    "large-kms-unsigned": ({**KMS, "payload_hash": "unsigned"},
                           {"minio": {SSE: "aws:kms"}, "versitygw": {}, "seaweedfs": "InternalError"}),
    "large-customer": OPTIONS["customer"],
    "large-locked": OPTIONS["locked"],
    "large-bytes": ({"prefix": "large-" + OPTIONS["bytes"][0]["prefix"]}, {"": {}}),
    "large-slashes": ({"prefix": "/large-slashes//two/"}, {"": {}}),
}


def prefix_of(name, options):
    """All stores here lie over file systems: of slashes at the beginning nothing is left, and of two in a row one."""
    return re.sub("/+", "/", options.get("prefix", name + "/")).lstrip("/").replace("\\%", "%")


def make_locked_bucket(store):
    store.request("PUT", "locked", headers={"x-amz-bucket-object-lock-enabled": "true"})


def what_the_options_say_is_stored(t, store):
    """Or refused, with the code that is known of this store. In one piece and in parts."""
    make_locked_bucket(store)
    options = {**OPTIONS, **LARGE_OPTIONS}
    wanted = {name: says.get(store.name, says.get("")) for name, (_, says) in options.items()}
    sent = {name: [os.urandom(LARGE // 16).hex().encode() for _ in range(8)] if name in LARGE_OPTIONS else [name.encode()]
            for name in options}
    parts = {"threshold": "5MiB", "part_size": "5MiB"}
    d = t.daemon({"shutdown": {"grace": "1s"}, "streams": {
        name: stream(store.destination(**{"prefix": name + "/", "multipart": parts, **more}), interval="1s" if name in
                     LARGE_OPTIONS else "0s", size="64MiB", compression="none") for name, (more, _) in options.items()}}).start()
    for name in options:
        Firehose(d.api_port).put_all(name, sent[name])
    for name, says in wanted.items():
        if isinstance(says, str):
            d.wait_logged(f"delivery failed.*stream={name} .*code={says} ", timeout=60)
        else:
            d.wait_delivered(name, len(sent[name]), timeout=60)
    failed = [line for line in d.logged("delivery failed")
              if not isinstance(wanted[re.search(r" stream=(\S+)", line)[1]], str)]
    assert not failed, failed
    d.kill9()
    for name, says in wanted.items():
        if not isinstance(says, str):
            key, headers = read_one(store, name, options[name][0], sent[name])
            for header, value in says.items():
                got = {k.lower(): v for k, v in headers.items()}.get(header.lower())
                assert got is not None and value in (None, got), (name, header, headers)
            if name == "tags":
                tags = store.request("GET", f"{store.env['S3_BUCKET']}/{key}", "tagging=")[0].decode()
                assert "<Key>team</Key><Value>logs _ more</Value>" in re.sub(r"\s+<", "<", tags), tags
            if name == "large-locked":
                kept = store.request("GET", f"locked/{key}", "retention=")[0].decode()
                assert "GOVERNANCE" in kept, kept


def read_one(store, name, options, lines):
    """The one object that there is; (key, headers)"""
    bucket, more = options.get("bucket", store.env["S3_BUCKET"]), {}
    if "customer_key" in options:
        more = {SSE + "-customer-algorithm": "AES256", SSE + "-customer-key": options["customer_key"],
                SSE + "-customer-key-md5": base64.b64encode(hashlib.md5(CUSTOMER_KEY).digest()).decode()}
    found = [k for k in store.keys(prefix_of(name, options), bucket) if not k.endswith("/")]
    assert len(found) == 1, (name, found)
    body, headers = store.request("GET", f"{bucket}/{found[0]}", headers=more)
    assert body == b"".join(line + b"\n" for line in lines), (name, len(body))
    return found[0], headers


def large_objects_go_in_parts_and_kills_leave_no_second_one(t, store):
    records = [b"%06d " % i + os.urandom(16).hex().encode() * 4000 for i in range(300)]
    parts = {"threshold": "5MiB", "part_size": "5MiB"}
    for checksum in ("auto", "sha256"):
        config = {"streams": {"app": stream(store.destination(prefix=f"parts-{checksum}/", multipart=parts, checksum=checksum),
                                            size="36MiB", interval="2s")}}
        d = t.daemon(config, name=checksum).start()
        Firehose(d.api_port).put_all("app", records)
        for round_number in range(2):
            time.sleep(2.05 + 0.3 * round_number)
            d.kill9()
            d.start()
        time.sleep(0.2)
        store.kill()
        store.start()
        d.wait_delivered("app", len(records), timeout=120)
        d.stop()
        found = store.objects(f"parts-{checksum}/")
        objects.assert_exactly_once(objects.lines(found), records)
        assert max(len(body) for body in found.values()) > 10 << 20, "parts, several of them"
        left, _ = store.request("GET", store.env["S3_BUCKET"], f"prefix=parts-{checksum}%2F&uploads=")
        assert b"<UploadId>" not in left, left


def keys_that_expire_in_the_middle_of_an_upload_are_replaced_and_it_goes_on(t, store):
    """The user whose keys it began with is deleted meanwhile, as temporary ones would be. We stand still while that is so."""
    first, second, life = ("FIRSTUSER0000000001", "first/secret+1"), ("SECONDUSER000000001", "second/secret+1"), 4
    program, keys = t.path("keys.sh"), t.path("keys.json")
    with open(program, "w", encoding="ascii") as f:
        f.write(f"#!/bin/sh\nexec sed \"s/WHEN/$(date -u -d '+{life} seconds' +%FT%TZ)/\" {keys}\n")
    os.chmod(program, 0o755)

    def hand_out(user):
        with open(keys + ".new", "w", encoding="ascii") as f:
            json.dump({"Version": 1, "AccessKeyId": user[0], "SecretAccessKey": user[1], "Expiration": "WHEN"}, f)
        os.rename(keys + ".new", keys)

    for user in (first, second):
        store.admin("create-user", "-a", user[0], "-s", user[1], "-r", "admin")
    hand_out(first)
    destination = store.destination(prefix="expire/", multipart={"threshold": "5MiB", "part_size": "5MiB"})
    for option in ("access_key_id", "secret_access_key"):
        del destination["s3"][option]
    destination["s3"]["credentials"] = {"process": program}
    records = [(b"%06d " % i + os.urandom(16).hex().encode()).ljust((512 << 10) - 1, b"x") for i in range(128)]
    d = t.daemon({"streams": {"app": stream(destination, size="64MiB", interval="900s", compression="none")}}).start()
    Firehose(d.api_port).put_all("app", records)

    def uploads():
        text, _ = store.request("GET", store.env["S3_BUCKET"], "prefix=expire%2F&uploads=")
        return re.findall(rb"<UploadId>([^<]+)<", text)

    wait_until("an upload", uploads, 60 * t.slow)
    d.process.send_signal(signal.SIGSTOP)
    stopped, begun = time.monotonic(), uploads()
    hand_out(second)
    store.admin("delete-user", "-a", first[0])
    wait_until("the end of the first keys", lambda: time.monotonic() > stopped + life + 1, 60)
    d.process.send_signal(signal.SIGCONT)
    d.wait_delivered("app", len(records), timeout=60)
    d.stop()
    assert len(begun) == 1 and not uploads(), (begun, uploads())
    assert not re.search("begins anew", d.log_text()), d.log_text()[-2000:]
    found = store.objects("expire/")
    objects.assert_exactly_once(objects.lines(found), records)
    assert len(found) == 1, sorted(found)


def a_partition_key_that_is_no_name_there_holds_up_no_other(t, store):
    """S3 takes it; a store that keeps objects as files does not, and then it goes to the backup."""
    d = t.daemon({"streams": {"app": stream(
        store.destination(prefix="k=!{partitionKeyFromQuery:k}/"), partition_keys={"k": ".k"}, retry={"duration": "2s"},
        backup={"file": {"path": t.path("backup")}}, interval="0s")}}).start()
    records = [json.dumps({"k": key, "n": n}).encode() for n in range(10) for key in ("a" * 200, "b" * 300, "c")]
    Firehose(d.api_port).put_all("app", records)
    wait_until("each is somewhere", lambda: d.books("app").spooled == 0, 60 * t.slow)
    d.stop()
    refused = backups.data(t.path("backup"), "s3-failed")
    assert all(b'"bbb' in r for r in refused), refused
    objects.assert_exactly_once(objects.lines(store.objects("k=")) + refused, records)
    if refused:
        assert "KeyTooLongError" in d.wait_logged("delivery failed")[0]


def two_share_a_stream_of_kinesis_by_an_object(t, store):
    """The stream is scripted; the store has to keep to conditions, and refuses all but one of those who write at the same time."""
    k, e = test_kinesis.stream(t, shards=3), store.env
    leases = {"s3": {"bucket": e["S3_BUCKET"], "key": "leases/orders.json", "endpoint": e["S3_ENDPOINT"], "region": e["S3_REGION"],
                     "access_key_id": e["S3_ACCESS_KEY_ID"], "secret_access_key": e["S3_SECRET_ACCESS_KEY"]}}
    a, b = (test_kinesis_leases.daemon(t, k, leases, name, failover="2s", interval="0s") for name in ("a", "b"))

    def owners():
        found = json.loads(store.request("GET", f"{e['S3_BUCKET']}/leases/orders.json")[0])["Items"]
        return [i.get("leaseOwner", {}).get("S") for i in found]

    sent = test_kinesis.put(k, 0, 60)
    a.start()
    wait_until("all to be taken", lambda: a.books("app").incoming == len(sent), 60 * t.slow)
    assert owners() == ["a"] * 3
    b.start()
    wait_until("some to be b's", lambda: set(owners()) == {"a", "b"}, 60 * t.slow)
    lost = test_kinesis_leases.metric(a, "leases_lost_total")
    a.stop()
    sent += test_kinesis.put(k, 60, 60)
    wait_until("all to be delivered", lambda: set(test_kinesis_leases.lines(t, "a", "b")) == set(sent), 60 * t.slow)
    lost += test_kinesis_leases.metric(b, "leases_lost_total")
    b.stop()
    got = test_kinesis_leases.lines(t, "a", "b")
    assert len(got) == len(sent) or lost, (len(got), len(sent))


SCENARIOS = (
    files_of_every_codec_arrive,
    a_wrong_secret_is_named_and_put_right_nothing_is_lost,
    a_missing_bucket_is_named_and_used_once_it_is_there,
    a_store_killed_in_mid_flight_has_everything_once_in_the_end,
    objects_of_several_mebibytes_arrive,
    redrive_puts_back_what_a_backup_in_the_store_holds,
    what_the_options_say_is_stored,
    large_objects_go_in_parts_and_kills_leave_no_second_one,
    a_partition_key_that_is_no_name_there_holds_up_no_other,
)


def scenarios():
    scripts = sorted(n for n in os.listdir(HERE) if re.fullmatch(r"s3_\w+\.sh", n) and n != "s3_put.sh")
    return [
        (f"{script[3:-3]}:{fn.__name__}", lambda t, s=script, f=fn: f(t, Store(t, s)))
        for script in scripts for fn in scenarios_of(script[3:-3])
    ]


def scenarios_of(name):
    """MinIO takes minutes to build, so it is asked only what the others cannot show, and only who wants it builds it."""
    if name == "minio" and os.environ.get("SLUICE_STORES") != "all" and not is_installed("minio-"):
        return ()
    return {"minio": (what_the_options_say_is_stored, large_objects_go_in_parts_and_kills_leave_no_second_one),
            "versitygw": (*SCENARIOS, keys_that_expire_in_the_middle_of_an_upload_are_replaced_and_it_goes_on,
                          two_share_a_stream_of_kinesis_by_an_object),
            }.get(name, SCENARIOS)


def is_installed(prefix):
    cache = os.environ.get("SLUICE_TEST_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sluice-tests")
    return any(n.startswith(prefix) and os.path.exists(os.path.join(cache, n, ".complete"))
               for n in (os.listdir(cache) if os.path.isdir(cache) else ()))
