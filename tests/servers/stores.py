"""Real S3 stores: files and records go through sluice into them and are read back by signed GETs made here.

Each tests/servers/s3_*.sh gives one store; every scenario runs against every store.
"""

import base64
import html
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import objects  # noqa: E402
import sigv4  # noqa: E402
from common import append_lines, numbered_lines, stream, tail, write_lines  # noqa: E402
from firehose import Firehose  # noqa: E402
from harness import free_port, wait_until  # noqa: E402

INSTALL_SECONDS = 600
SKIPPED = 77


class Store:
    """One running server, by its script; `settings` are in the script's environment."""

    def __init__(self, t, script, settings=None):
        self.t, self.script, self.settings = t, os.path.join(HERE, script), settings or {}
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

    # --- read back, signed here --------------------------------------------------------------------------------

    def request(self, method, path, query="", body=b"", patience=20):
        """A store that has just been started may answer 5xx for some seconds, as every client of S3 must expect."""
        end = time.monotonic() + patience
        while True:
            try:
                return self._request(method, path, query, body)
            except urllib.error.HTTPError as e:
                if e.code < 500 or time.monotonic() > end:
                    raise
            time.sleep(0.5)

    def _request(self, method, path, query, body):
        url = f"{self.env['S3_ENDPOINT']}/{urllib.parse.quote(path)}" + (f"?{query}" if query else "")
        headers = sigv4.sign(method, url, {}, body, self.env["S3_ACCESS_KEY_ID"], self.env["S3_SECRET_ACCESS_KEY"],
                             self.env["S3_REGION"], "s3")
        # urllib undoes no Content-Encoding, so what is stored is what comes back
        asked = urllib.request.Request(url, method=method, headers=headers, data=body or None)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.read(), dict(answer.headers)

    def keys(self, prefix="", bucket=None):
        found, token = [], None
        while True:
            pairs = {"list-type": "2", "prefix": prefix, **({"continuation-token": token} if token else {})}
            text, _ = self.request("GET", bucket or self.env["S3_BUCKET"], urllib.parse.urlencode(sorted(pairs.items())))
            text = text.decode()
            found += [urllib.parse.unquote(html.unescape(k)) for k in re.findall(r"<Key>([^<]+)</Key>", text)]
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


# Options that every store here takes, and what it then says of the object; None: anything.
OPTIONS = {
    "class": ({"storage_class": "STANDARD_IA"}, {}),
    "encryption": ({"server_side_encryption": "AES256"}, {}),
    "tags": ({"tagging": {"team": "logs & more", "day": "!{timestamp:yyyy}"}}, {}),
    "metadata": ({"metadata": {"who": "me", "year": "!{timestamp:yyyy}"}}, {"x-amz-meta-who": "me"}),
    "type": ({"content_type": "text/x-logs"}, {"Content-Type": "text/x-logs"}),
    "payer": ({"requester_pays": True}, {}),
    "new": ({"overwrite": False}, {"x-amz-meta-sluice-crc32c": None}),
    "acl": ({"acl": "private"}, {}),
    "crc64nvme": ({"checksum": "crc64nvme"}, {}),
    "sha256": ({"checksum": "sha256"}, {}),
    "md5": ({"checksum": "md5"}, {}),
    "none": ({"checksum": "none"}, {}),
    "bytes": ({"prefix": "bytes/ a+b=c:d!e'(f)*/Zo\u00eb \u65e5/~$&@,;/"}, {}),
}


def what_the_options_say_is_stored(t, store):
    d = t.daemon({"streams": {name: stream(store.destination(**{"prefix": name + "/", **options}), interval="0s")
                              for name, (options, _) in OPTIONS.items()}}).start()
    for name in OPTIONS:
        Firehose(d.api_port).put(name, name.encode())
    for name in OPTIONS:
        d.wait_delivered(name, 1)
    assert not d.logged("delivery failed"), d.logged("delivery failed")
    d.stop()
    bucket = store.env["S3_BUCKET"]
    for name, (_, wanted) in OPTIONS.items():
        key, = store.keys(name + "/")
        body, headers = store.request("GET", f"{bucket}/{key}")
        assert body == name.encode() + b"\n", (name, body)
        got = {k.lower(): v for k, v in headers.items()}
        for header, value in wanted.items():
            assert header.lower() in got and value in (None, got[header.lower()]), (name, header, headers)
        if name == "tags":
            tags = store.request("GET", f"{bucket}/{key}", "tagging=")[0].decode()
            assert "<Key>team</Key><Value>logs _ more</Value>" in re.sub(r"\s+<", "<", tags), tags


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


SCENARIOS = (
    files_of_every_codec_arrive,
    a_wrong_secret_is_named_and_put_right_nothing_is_lost,
    a_missing_bucket_is_named_and_used_once_it_is_there,
    a_store_killed_in_mid_flight_has_everything_once_in_the_end,
    objects_of_several_mebibytes_arrive,
    redrive_puts_back_what_a_backup_in_the_store_holds,
    what_the_options_say_is_stored,
    large_objects_go_in_parts_and_kills_leave_no_second_one,
)


def scenarios():
    scripts = sorted(n for n in os.listdir(HERE) if re.fullmatch(r"s3_\w+\.sh", n) and n != "s3_put.sh")
    return [
        (f"{script[3:-3]}:{fn.__name__}", lambda t, s=script, f=fn: f(t, Store(t, s)))
        for script in scripts for fn in SCENARIOS
    ]
