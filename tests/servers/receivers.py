"""Receivers that nobody here wrote take what the `http` sink sends: Firehose's requests go into Telegraf, OTLP into the
OpenTelemetry Collector's receiver, Loki's pushes, Splunk's events and lines of JSON into VictoriaLogs.

Telegraf always runs. The others need a minute to build the first time and run when SLUICE_RECEIVERS names them: `all`,
or such as `otel`.
"""

import base64
import collections
import json
import os
import re
import sys
import threading
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import objects  # noqa: E402
from common import KIB, MIB, numbered_lines, stream, tail, write_lines  # noqa: E402
from firehose import Firehose  # noqa: E402
from harness import wait_until  # noqa: E402
from stores import Store  # noqa: E402

ALWAYS = ("telegraf",)


class Receiver(Store):
    """One running receiver, by its script. `records` of a subclass: [(its bytes, {name: value} of what came along)]."""

    def destination(self, **more):
        return {"http": {"url": self.env["RECEIVER_URL"], **({} if "preset" in more else {"format": "firehose"}), **more}}

    def lines(self):
        """JSON documents of the file that it writes. What is no JSON was cut by a kill, so it was not answered for."""
        with open(self.env["RECEIVER_FILE"], "rb") as f:
            for line in f:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def log_text(self):
        with open(os.path.join(self.dir, "server.log"), encoding="utf-8") as f:
            return f.read()

    def by(self, name):
        """{value of what came along under this name: [records]}"""
        found = collections.defaultdict(list)
        for data, attributes in self.records():
            found[attributes.get(name)].append(data)
        return found

    def data(self):
        return [data for data, _ in self.records()]


class Telegraf(Receiver):
    def destination(self, **more):
        return super().destination(**{"access_key": self.env["RECEIVER_KEY"], **more})

    def records(self):
        return [(base64.b64decode(line["data"]), line["tags"]) for line in self.lines()]


class Otel(Receiver):
    def destination(self, **more):
        return super().destination(preset="otlp", **more)

    def records(self):
        return [
            (record["body"]["stringValue"].encode(),
             {a["key"]: a["value"]["stringValue"] for a in resource["resource"]["attributes"]})
            for line in self.lines() for resource in line["resourceLogs"]
            for scope in resource["scopeLogs"] for record in scope["logRecords"]
        ]


class VictoriaLogs(Receiver):
    def ask(self, path, **arguments):
        query = urllib.parse.urlencode(arguments)
        with urllib.request.urlopen(f"{self.env['RECEIVER_URL']}{path}?{query}", timeout=60) as answer:
            return answer.read()

    def documents(self):
        self.ask("/internal/force_flush")
        return [json.loads(line) for line in self.ask("/select/logsql/query", query="*").splitlines()]


# --- any receiver -----------------------------------------------------------------------------------------------------


def once_each_with_their_attributes(t, receiver, name, codecs):
    """The same lines by several streams, each with another codec."""
    lines = numbered_lines(t.random, 20000)
    write_lines(t.path("in.log"), lines)
    d = t.daemon({"streams": {
        codec: stream(receiver.destination(common_attributes={name: codec}), [tail(t.path("in.log"))], size="128KiB",
                      compression=codec) for codec in codecs
    }}).start()
    for codec in codecs:
        d.wait_delivered(codec, len(lines))
    d.stop()
    found = receiver.by(name)
    assert sorted(found) == sorted(codecs), found.keys()
    for codec in codecs:
        objects.assert_exactly_once(found[codec], lines)


def a_receiver_killed_in_mid_flight_lacks_nothing_in_the_end(t, receiver):
    """It is killed twice while records come in, and the daemon once. Neither can be told what was there already,
    so records may be there twice."""
    d = t.daemon({"streams": {"app": stream(receiver.destination(), size="16KiB", interval="0s", compression="gzip")}})
    d.start()
    put, error = [], []

    def load(stop):
        client = Firehose(d.api_port)
        try:
            while not stop.is_set():
                batch = [b"record %07d" % n for n in range(len(put), len(put) + 500)]
                client.put_all("app", batch)
                put.extend(batch)
                time.sleep(0.02)
        except BaseException as e:
            error.append(e)

    for kill_daemon in (False, True):
        stop = threading.Event()
        thread = threading.Thread(target=load, args=(stop,))
        thread.start()
        time.sleep(1)
        receiver.kill()
        time.sleep(0.5)
        stop.set()
        thread.join(30)
        if kill_daemon:
            d.kill9()
            d.start()
        receiver.start()
    assert not error, error[0]
    d.wait_delivered("app", len(put), timeout=120)
    d.wait_logged("delivery failed.*(ConnectionFailed|ConnectionReset)")
    d.stop()
    found = receiver.data()
    assert set(found) == set(put), (len(set(found)), len(put))
    assert len(put) > 5000 and len(found) < 2 * len(put), (len(found), len(put))


# --- Firehose's requests ----------------------------------------------------------------------------------------------


def firehose_requests_arrive_once_plain_and_gzipped(t, receiver):
    """Telegraf answers with seconds where Firehose's documents say milliseconds; any number will do."""
    once_each_with_their_attributes(t, receiver, "env", ("none", "gzip"))


def whatever_is_in_a_record_arrives_byte_for_byte(t, receiver):
    """Together they are more than the 64 MiB that an endpoint takes in one request. Each has a visible character:
    Telegraf's parser makes nothing of records of white space or NULs."""
    records = [b"#" + bytes([n]) for n in range(256)] + [bytes(range(256)) * n for n in (1, 7, 1000)]
    records += [t.random.randbytes(1000 * KIB - n) for n in range(72)]
    records += ["größer ☃ \U0001f30d".encode(), b'{"json": [1, "\\n"]}', b"\r\n.\r\n", b"." + b"\x00" * 1000]
    d = t.daemon({"limits": {"memory": "256MiB"}, "streams": {
        "app": stream(receiver.destination(), size="128MiB", interval="3s")}}).start()
    Firehose(d.api_port).put_all("app", records)
    d.wait_delivered("app", len(records))
    d.stop()
    assert not d.logged("delivery failed"), "it is cut before it is sent"
    objects.assert_exactly_once(receiver.data(), records)


REFUSED = "unauthorized request"  # as Telegraf puts it


def a_wrong_access_key_is_named_and_put_right_nothing_is_lost(t, receiver):
    """Tries are seldom then, and do not count for `retry.duration`: nor does the first failure of another kind behind
    them send the records to the backup."""
    lines = numbered_lines(t.random, 1000)
    config = {"shutdown": {"grace": "1s"}, "streams": {
        "app": stream(receiver.destination(access_key="a-wrong-key"), interval="0s", retry={"duration": "3s"},
                      backup={"file": {"path": t.path("backup")}})}}
    d = t.daemon(config).start()
    Firehose(d.api_port).put_all("app", lines)
    line = d.wait_logged("delivery failed.*stream=app")[0]
    for words in ("status 401", "Unauthorized", "access_key", f"127.0.0.1:{receiver.port}", "level=error"):
        assert words in line, f"{words}: {line}"
    assert "a-wrong-key" not in d.log_text()
    assert d.http("/readyz")[0] == 503
    wait_until("two deliveries are refused", lambda: receiver.log_text().count(REFUSED) >= 2, 20)
    assert all(wait >= 4 for wait in d.retry_waits("app")), "tries are seldom"
    receiver.kill()
    wait_until("another failure", lambda: re.search("Connection(Failed|Reset)", d.http("/readyz")[1]), 20)
    receiver.start()
    wait_until("both are tried again", lambda: receiver.log_text().count(REFUSED) >= 4, 20)
    books = d.books("app")
    assert (books.delivered, books.backed_up, books.spooled) == (0, 0, len(lines)), books
    d.expect_exit = 1
    d.stop()
    assert receiver.data() == []
    config["streams"]["app"]["destination"] = receiver.destination()
    d.configure({**config, "data_dir": d.data_dir})
    d.expect_exit = 0
    d.start()
    d.wait_delivered("app", len(lines))
    d.stop()
    objects.assert_exactly_once(receiver.data(), lines)


# --- OpenTelemetry ----------------------------------------------------------------------------------------------------


def otlp_logs_arrive_once_in_every_encoding(t, receiver):
    once_each_with_their_attributes(t, receiver, "deployment", ("none", "gzip", "zstd"))


def what_is_no_text_is_shown_as_text_and_times_are_those_of_arrival(t, receiver):
    odd = [b"\xff\xfe broken", b"\x00\x01\x1b[0m", "größer ☃ \U0001f30d".encode(), b'"quoted\\"', b"line\nbreak\n",
           b" "]
    d = t.daemon({"streams": {
        "app": stream(receiver.destination(common_attributes={"team": "süd", "empty": ""}), interval="0s")}}).start()
    began = time.time_ns()
    Firehose(d.api_port).put_all("app", odd)
    d.wait_delivered("app", len(odd))
    d.stop()
    found = receiver.records()
    texts = sorted(data.decode() for data, _ in found)
    assert texts == sorted(o.decode("utf-8", "replace").rstrip("\n") for o in odd), texts
    for _, attributes in found:
        assert attributes == {"service.name": "app", "team": "süd", "empty": ""}, attributes
    times = [int(record["observedTimeUnixNano"]) for line in receiver.lines() for resource in line["resourceLogs"]
             for scope in resource["scopeLogs"] for record in scope["logRecords"]]
    assert all(began - 10**9 < at < time.time_ns() for at in times), (began, times)


def a_wrong_path_is_named(t, receiver):
    d = t.daemon({"shutdown": {"grace": "1s"}, "streams": {
        "app": stream({"http": {"preset": "otlp", "url": receiver.env["RECEIVER_URL"] + "/none"}}, interval="0s")}})
    d.start()
    Firehose(d.api_port).put("app", b"for nobody")
    line = d.wait_logged("delivery failed.*stream=app")[0]
    assert "status 404" in line and "correct destination.http.url" in line, line
    d.expect_exit = 1
    d.stop()


# --- Loki, Splunk, lines ----------------------------------------------------------------------------------------------


def pushes_events_and_lines_are_found_by_a_search(t, receiver):
    """VictoriaLogs looks at no token."""
    url, lines = receiver.env["RECEIVER_URL"], [b"number %d" % n for n in range(5000)]
    documents = [b'{"text":"number %d"}' % n for n in range(5000)]
    rows = {
        "loki": ({"preset": "loki", "url": url + "/insert/loki/api/v1/push",
                  "common_attributes": {"by": "loki"}}, lines),
        "splunk": ({"preset": "splunk_event", "url": url, "access_key": "any-token",
                    "common_attributes": {"host": "here", "by": "splunk"}}, lines),
        "lines": ({"format": "lines", "url": url + "/insert/jsonline?_msg_field=text&extra_fields=by=lines"},
                  documents),
    }
    streams = {}
    for name, (options, records) in rows.items():
        write_lines(t.path(name + ".log"), records)
        for codec in ("none", "gzip"):
            streams[f"{name}-{codec}"] = stream({"http": options}, [tail(t.path(name + ".log"))], size="32KiB",
                                                compression=codec)
    d = t.daemon({"streams": streams}).start()
    for name in streams:
        d.wait_delivered(name, len(lines))
    d.stop()
    found = collections.defaultdict(collections.Counter)
    for document in receiver.documents():
        found[document.get("by") or document.get("fields.by")][document["_msg"].encode()] += 1
    assert sorted(found) == sorted(rows), list(found)
    for name, counts in found.items():
        assert counts == {line: 2 for line in lines}, f"{name}: {len(counts)} lines, {counts.most_common(2)}"


SCENARIOS = {
    "telegraf": (Telegraf, (
        firehose_requests_arrive_once_plain_and_gzipped,
        whatever_is_in_a_record_arrives_byte_for_byte,
        a_wrong_access_key_is_named_and_put_right_nothing_is_lost,
        a_receiver_killed_in_mid_flight_lacks_nothing_in_the_end,
    )),
    "otel": (Otel, (
        otlp_logs_arrive_once_in_every_encoding,
        what_is_no_text_is_shown_as_text_and_times_are_those_of_arrival,
        a_wrong_path_is_named,
        a_receiver_killed_in_mid_flight_lacks_nothing_in_the_end,
    )),
    "victorialogs": (VictoriaLogs, (pushes_events_and_lines_are_found_by_a_search,)),
}


def chosen(wanted):
    """Those that always run, and those that `wanted` names."""
    unknown = [w for w in wanted if w not in SCENARIOS and w != "all"]
    if unknown:
        sys.exit(f"SLUICE_RECEIVERS: no receiver {unknown[0]!r}; there are: all {' '.join(SCENARIOS)}")
    return [n for n in SCENARIOS if n in ALWAYS or n in wanted or "all" in wanted]


def scenarios():
    names = chosen(os.environ.get("SLUICE_RECEIVERS", "").replace(",", " ").split())
    return [
        (f"{name}:{fn.__name__}", lambda t, n=name, f=fn: f(t, SCENARIOS[n][0](t, n + ".sh")))
        for name in names for fn in SCENARIOS[name][1]
    ]
