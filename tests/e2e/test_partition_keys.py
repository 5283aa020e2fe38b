"""Where partition keys come from: queries, scripts, the record's own time; what becomes of records without them."""

import json
import os
import re
import shutil
import subprocess

import backups
import objects
from common import one_stream
from es_peer import EsPeer
from firehose import Firehose
from harness import free_port, wait_until


def folder(t, prefix):
    return {"file": {"path": t.path("out"), "prefix": prefix}}


def backup(t):
    return {"file": {"path": t.path("backup")}}


def line(**fields):
    return json.dumps(fields, separators=(",", ":")).encode()


def needs_libjq(t):
    with open(t.binary, "rb") as f:
        if b"libjq.so" not in f.read():
            t.skip("built without libjq")


def deliver(t, config, records):
    """All of them through a daemon; what is in each prefix then."""
    d = t.daemon(config).start()
    Firehose(d.api_port).put_all("app", records)
    d.stop()
    by_prefix = {}
    for key, data in objects.read_dir(t.path("out")).items():
        by_prefix.setdefault(os.path.dirname(key) + "/", []).extend(data.splitlines())
    return by_prefix


def test_firehoses_documented_example(t):
    needs_libjq(t)
    prefix = "".join(f"{k}=!{{partitionKeyFromQuery:{k}}}/" for k in ("customer_id", "device", "year", "month", "day", "hour"))
    keys = {"customer_id": ".customer_id", "device": ".type.device"}
    keys |= {k: f'.event_timestamp| strftime("{v}")' for k, v in
             {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H"}.items()}
    record = line(type={"device": "mobile", "event": "user_clicked_submit_button"}, customer_id="1234567890",
                  event_timestamp=1565382027, region="sample_region")
    got = deliver(t, one_stream("app", folder(t, prefix), partition_keys=keys), [record])
    assert got == {"customer_id=1234567890/device=mobile/year=2019/month=08/day=09/hour=20/": [record]}, got


def test_no_record_leaves_its_prefix(t):
    values = ["a", "../../etc", "a/b", "%2e%2e", "a%2Fb", "x y=z", "ä", "!{timestamp:yyyy}", 7, 1.0, True]
    bad = ["", ".", "..", "a\nb", "x" * 1025, "y" * 600, None, {}, [1]]
    records = [line(k=v) for v in values]
    failing = [line(k=v) for v in bad] + [b"no JSON", b'{"k":"cut', line(other=1)]
    config = one_stream("app", folder(t, "k=!{partitionKeyFromQuery:k}/"), partition_keys={"k": ".k"}, backup=backup(t))
    got = deliver(t, config, records + failing)
    texts = [f"{v}" for v in values[:-3]] + ["7", "1", "true"]
    assert got == {f"k={k.replace('%', '%25').replace('/', '%2F')}/": [r] for k, r in zip(texts, records)}, got
    lines = backups.read(t.path("backup"), "metadata-extraction-failed")
    objects.assert_exactly_once([e["data"] for e in lines], failing)
    assert {e["errorCode"] for e in lines} == {"DynamicPartitioning.MetadataExtractionFailed"}
    why = {e["data"]: e["errorMessage"] for e in lines}
    assert why[b"no JSON"] == "partition key k: the record is not JSON"
    assert why[line(other=1)] == "partition key k: the record has none"
    assert why[line(k="..")] == "partition key k: a value is not made of dots only"


def test_a_value_that_no_folder_can_have_as_its_name_goes_to_the_backup(t):
    """A file system takes 255 bytes for a name, of one folder or of the file, whose name goes on with stream, time and id."""
    uses = {name: f"!{{partitionKeyFromQuery:{name}}}" for name in ("k", "l")}
    name = len("app-1-2026-07-13-14-05-09-" + 36 * "u" + ".json") + 9  # a version has up to 10 digits
    cases = [  # prefix, l, how long k may be
        (f"k={uses['k']}/x/", None, 253),
        (f"{uses['l']}-{uses['k']}-{uses['l']}/!{{timestamp:yyyy/MM}}-{uses['l']}/", "abc", 247),
        (f"a/{uses['k']}!{{timestamp:yyyy/MM}}/", None, 251),
        (f"a/{uses['k']}-", None, 254 - name),
    ]
    for number, (prefix, other, most) in enumerate(cases):
        out = {"file": {"path": t.path(f"out{number}"), "prefix": prefix, "extension": ".json"}}
        queries = {"k": ".k"} | ({"l": ".l"} if other else {})
        d = t.daemon(one_stream("app", out, partition_keys=queries, backup={"file": {"path": t.path(f"backup{number}")}}),
                     name=f"d{number}").start()
        good = [line(k=k, l=other) for k in ("a" * most, "/" * (most // 3), "\u00e4" * (most // 2))]
        failing = [line(k=k, l=other) for k in ("a" * (most + 1), "/" * (most // 3 + 1), "\u00e4" * (most // 2 + 1))]
        Firehose(d.api_port).put_all("app", good + failing)
        d.stop()
        objects.assert_exactly_once(objects.lines(objects.read_dir(t.path(f"out{number}"))), good)
        lines = backups.read(t.path(f"backup{number}"), "metadata-extraction-failed")
        objects.assert_exactly_once([e["data"] for e in lines], failing)
        assert {e["errorMessage"] for e in lines} == {
            "partition key k: the value is too long: no folder or file can have the name that it would be in"}


def test_a_default_stands_for_what_is_missing(t):
    config = one_stream("app", folder(t, "k=!{partitionKeyFromQuery:k}/"),
                        partition_keys={"k": {"query": ".k", "default": "unknown"}})
    records = [line(k="a"), line(k=None), line(), b"text", line(k=""), line(k={})]
    assert deliver(t, config, records) == {"k=a/": records[:1], "k=unknown/": records[1:]}


def test_queries_see_what_the_transforms_made(t):
    needs_libjq(t)
    with open(t.path("t.lua"), "w", encoding="utf-8") as f:
        f.write("function transform(r, meta)\n  r.kind = r.kind .. '-new'\n  meta.partition_keys.tenant = r.tenant\n"
                "  meta.partition_keys.unused = r.n\n  return r\nend\n")
    config = one_stream("app", folder(t, "!{partitionKeyFromLambda:tenant}/!{partitionKeyFromQuery:kind}/"),
                        transform={"lua": t.path("t.lua")}, partition_keys={"kind": ".kind | ascii_upcase"},
                        backup=backup(t))
    records = [line(n=f"{i}", tenant=f"t{i % 2}", kind="a") for i in range(6)]
    lost = [line(n="9", kind="a")]
    got = deliver(t, config, records + lost)
    assert set(got) == {"t0/A-NEW/", "t1/A-NEW/"} and all(len(v) == 3 for v in got.values()), got
    failed = backups.read(t.path("backup"))
    assert [e["data"] for e in failed] == lost
    assert failed[0]["errorMessage"] == "partition key tenant: no script has set it"


def test_the_shipped_script_works_as_written(t):
    here = os.path.dirname(os.path.abspath(__file__))
    shutil.copy(os.path.join(here, "../../config/examples/scripts/route_tenant.lua"), t.path("route_tenant.lua"))
    config = one_stream("app", folder(t, "tenant=!{partitionKeyFromLua:tenant}/"), transform={"lua": t.path("route_tenant.lua")},
                        backup=backup(t))
    records = [line(tenant="acme", path="/"), line(path="/t/globex/orders"), line(path="/")]
    got = deliver(t, config, records)
    assert got == {f"tenant={k}/": [r] for k, r in zip(("acme", "globex", "unknown"), records)}, got


def test_the_example_of_the_readme_works_as_written(t):
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../README.md"), encoding="utf-8") as f:
        example, = (b for b in re.findall(r"```yaml\n(.*?)```", f.read(), re.S) if "partition_keys" in b)
    assert len(example.splitlines()) <= 9, "it is no longer short"
    d = t.daemon(example)
    d.data_dir, d.api_port, d.admin_port = t.path("data"), free_port(), free_port()
    with open(d.config_path, "a", encoding="utf-8") as f:
        f.write(f"data_dir: {d.data_dir}\nadmin: {{ listen: '127.0.0.1:{d.admin_port}' }}\n"
                f"api: {{ listen: '127.0.0.1:{d.api_port}' }}\n")
    d.start()
    records = [line(customer_id=17, kind="sale", ts="2026-11-27T05:01:02Z"), line(customer_id="x", ts="2025-01-01T00:00:00Z")]
    Firehose(d.api_port).put_all("orders", records)
    d.stop()
    got = {os.path.dirname(k): v for k, v in objects.read_dir(os.path.join(os.path.dirname(d.config_path), "out")).items()}
    assert got == {"c=17/sale/2026/11/27/05": records[0] + b"\n", "c=x/other/2025/01/01/00": records[1] + b"\n"}, got


def test_late_records_go_to_their_own_hour(t):
    destination = folder(t, "!{timestamp:yyyy/MM/dd/HH}/")
    destination["file"]["timezone"] = "Europe/Berlin"
    config = one_stream("app", destination, time={"field": "at.ts"})
    # Before and behind the hour that Berlin's clocks skip; and the one that is there twice.
    hours = {"2026-03-29T00:59:59Z": "2026/03/29/01/", "2026-03-29T01:00:00Z": "2026/03/29/03/",
             "2026-10-25T00:30:00Z": "2026/10/25/02/", "2026-10-25T01:30:00+00:00": "2026/10/25/02/",
             "1969-12-31T22:59:59Z": "1969/12/31/23/"}
    records = [line(at={"ts": ts}, n=n) for n in range(20) for ts in hours]
    got = deliver(t, config, records)
    assert set(got) == set(hours.values()), got
    for ts, hour in hours.items():
        assert [r for r in got[hour] if ts.encode() in r] == [r for r in records if ts.encode() in r]


def test_a_record_without_a_time_counts_as_it_came_or_fails(t):
    with_time = [line(ts=1700000000000)]
    # The last is the year 1, Go's time for none.
    without = [line(), line(ts="soon"), b"text", line(ts=-62135596800000)]
    time = {"field": "ts", "format": "unix_ms"}
    config = one_stream("app", folder(t, "!{timestamp:yyyy}/"), time=time)
    got = deliver(t, config, with_time + without)
    assert got.pop("2023/") == with_time
    assert sorted(sum(got.values(), [])) == sorted(without), got
    shutil.rmtree(t.path("out"))
    config = one_stream("app", folder(t, "!{timestamp:yyyy}/"), time={**time, "missing": "fail"}, backup=backup(t))
    assert deliver(t, config, with_time + without) == {"2023/": with_time}
    objects.assert_exactly_once(backups.data(t.path("backup")), without)


def test_indices_of_each_record(t):
    needs_libjq(t)
    peer = EsPeer()
    t.on_end(peer.stop)
    config = one_stream("app", peer.destination(index="app-!{partitionKeyFromQuery:s}"),
                        partition_keys={"s": ".service | ascii_downcase"}, time={"field": "ts"}, backup=backup(t))
    d = t.daemon(config).start()
    records = [line(service=s, ts=f"{y}-05-06T07:08:09Z") for s in ("Web", "DB") for y in (2023, 2024)]
    Firehose(d.api_port).put_all("app", records)
    d.wait_delivered("app", 4)
    assert sorted(index for index, _ in peer.documents) == [f"app-{s}-{y}-05-06" for s in ("db", "web") for y in (2023, 2024)]
    d.stop()


def test_what_transforms_make_is_shown_with_its_keys(t):
    config = one_stream("app", folder(t, "!{partitionKeyFromQuery:k}/"), partition_keys={"k": ".k"})
    d = t.daemon(config)
    shown = subprocess.run([t.binary, "transform", "-c", d.config_path, "--keys"], input=b'{"k":"a/b"}\n{"k":""}\n',
                           capture_output=True, timeout=60 * t.slow, check=False)
    assert b"line 1: keys: k=a/b" in shown.stderr, shown.stderr
    assert b"line 2: failed: DynamicPartitioning.MetadataExtractionFailed" in shown.stderr, shown.stderr


def test_who_has_no_key_is_told_of_partition_keys(t):
    d = t.daemon(one_stream("app", folder(t, "!{partitionKeyFromQuery:k}/"), interval="0s", partition_keys={"k": ".k"},
                            backup=backup(t))).start()
    Firehose(d.api_port).put_all("app", [line(other=1)] * 3)
    logged = d.wait_logged("records fail in the transform", level="warn")[0]
    assert "partition_keys" in logged and "--stream NAME --keys" in logged and "script" not in logged, logged
    wait_until("failing", lambda: "stream app is failing" in d.http("/readyz")[1], 30 * t.slow)
    for page in (d.http("/readyz")[1], d.http("/")[1]):
        assert "partition_keys" in page and "--keys" in page and "mend the script" not in page, page
    d.stop()
