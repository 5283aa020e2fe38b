"""The dashboard and the alerts that come with sluice: a real Prometheus reads a running sluice, takes the rules, and answers every query of both.
When each alert fires is in alerts_test.yaml, which promtool plays."""

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "e2e"), os.path.join(HERE, "..", "style")]

import queries  # noqa: E402
from common import stream, tail, to_file, write_lines  # noqa: E402
from firehose import Firehose  # noqa: E402
from harness import free_port, wait_until  # noqa: E402
from stores import Store  # noqa: E402

# What a sluice without Kafka, queues and Kinesis has no series of: asked for all the same.
ABSENT = {"sluice_input_lag", "sluice_input_oldest_age_seconds", "sluice_input_leases", "sluice_input_leases_lost_total"}
VARIABLES = {"__rate_interval": "5s", "job": ".*", "instance": ".*", "stream": ".*"}
SCRAPE = """
global: {{ scrape_interval: 250ms, evaluation_interval: 250ms }}
scrape_configs: [ {{ job_name: sluice, scrape_timeout: 250ms, static_configs: [ {{ targets: ["127.0.0.1:{port}"] }} ] }} ]
rule_files: ["{rules}"]
"""
SCRIPT = """
function transform(r, meta)
  sluice.counter("seen")
  if r.text == "noise" then return meta.drop("noise") end
  if r.text == "broken" then error("broken") end
  return r
end
"""


class Prometheus(Store):
    def __init__(self, t, port):
        path = t.path("prometheus.yml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(SCRAPE.format(port=port, rules=os.path.join(queries.TOP, queries.ALERTS)))
        super().__init__(t, "prometheus.sh", {"PROMETHEUS_CONFIG": path})

    def get(self, path, **arguments):
        url = f"{self.env['PROMETHEUS']}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{arguments}: {e.read().decode()}") from None

    def result(self, query):
        return self.get("query", query=query.with_variables(**VARIABLES))["result"]

    def has_read(self, port):
        """Samples of two scrapes at least, of the sluice that listens there."""
        found = self.get("query", query=f'count_over_time(sluice_build_info{{instance="127.0.0.1:{port}"}}[5s])')["result"]
        return found and int(found[0]["value"][1]) > 1


def everything(t):
    """A sluice with something of each: records that pass, that are dropped, that fail, that no destination wants; partitions; a destination
    and a broker that are away; records of a stream that is not there any more."""
    nowhere = f"127.0.0.1:{free_port()}"
    away = stream({"http": {"url": f"http://{nowhere}/", "format": "lines"}}, interval="0s")
    write_lines(t.path("in.log"), [b'{"k":"%d","text":"%s"}' % (i % 3, w) for i, w in enumerate([b"good", b"noise", b"broken"] * 20)])
    with open(t.path("t.lua"), "w", encoding="utf-8") as f:
        f.write(SCRIPT)
    config = {
        "data_dir": t.path("data"),
        "streams": {
            "app": stream(to_file(t), ["api", tail(t.path("in.log"))], interval="0s", transform={"lua": t.path("t.lua")},
                          backup={"file": {"path": t.path("kept")}}),
            "parts": stream({"file": {"path": t.path("parts"), "prefix": "k=!{partitionKeyFromQuery:k}/"}}, [tail(t.path("in.log"))],
                            partition_keys={"k": ".k"}, backup={"file": {"path": t.path("kept")}}),
            "away": away,
            "some": {"inputs": ["api"], "destinations": [{**to_file(t), "when": {"field": "k", "equals": "1"}, "buffer": {"interval": "0s"}}]},
            "queue": stream(to_file(t), [{"mqtt": {"url": f"mqtt://{nowhere}", "client_id": "c", "topics": ["t"]}}]),
        },
    }
    first = t.daemon({**config, "streams": {"old": away}}, name="first").start()
    Firehose(first.api_port).put_all("old", [b"left"])
    first.kill9()
    d = t.daemon(config).start()
    client = Firehose(d.api_port)
    client.put_all("away", [b"waits"])
    d.wait_logged("delivery failed.*stream=away")
    return d, client


def alerts_fire_when_they_should(promtool):
    done = subprocess.run([promtool, "test", "rules", os.path.join(HERE, "alerts_test.yaml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with open(os.path.join(HERE, "alerts_test.yaml"), encoding="utf-8") as f:
        text = f.read()
    untried = [name for name, _, _ in queries.alerts() if f'alertname="{name}"' not in text]
    assert not untried, f"alerts_test.yaml does not try {untried}"


def the_dashboard_and_the_alerts_work(t):
    d, client = everything(t)
    prometheus = Prometheus(t, d.admin_port)
    alerts_fire_when_they_should(prometheus.env["PROMTOOL"])
    wait_until("a scrape", lambda: prometheus.has_read(d.admin_port), 20 * t.slow)
    client.put_all("app", [b'{"text":"good"}'])  # rates and changes want a difference
    client.put_all("some", [b'{"k":"2"}'])
    rows = [*queries.dashboard(), *(q for _, q, _ in queries.alerts())]
    waiting = {q.place + q.expr: q for q in queries.dashboard() if not q.metrics <= ABSENT and "changes(" not in q.expr}

    def answered():
        for key in [k for k, q in waiting.items() if prometheus.result(q)]:
            del waiting[key]
        return not waiting

    try:
        wait_until("every query of the dashboard has series", answered, 20 * t.slow, period=0.25)
    except AssertionError as e:
        raise AssertionError(f"{e}: nothing for\n" + "\n".join(waiting)) from None
    for q in rows:
        for series in prometheus.result(q):
            assert q.shown <= set(series["metric"]) or not series["metric"], f"{q.place} shows {q.shown} of {series}"
    rules = [r for g in prometheus.get("rules")["groups"] for r in g["rules"]]
    assert sorted(r["name"] for r in rules) == sorted(name for name, _, _ in queries.alerts())
    assert all(r["health"] == "ok" for r in rules), rules
    pending = {r["name"] for r in rules if r["state"] != "inactive"}
    assert {"SluiceInputNotConnected", "SluiceRecordsRejected", "SluiceRecordsOrphaned"} <= pending, pending
    labels = queries.documented()
    for series in prometheus.get("series", **{"match[]": '{job="sluice",__name__=~"(sluice|process)_.*"}'}):
        name, own = series["__name__"], set(series) - {"__name__"} - queries.OF_TARGETS
        of_one = {"destination"} if series.get("stream") == "some" else set()  # where they stand in a list, each has its own series
        assert name in labels and own in (labels[name], labels[name] | of_one), f"docs/metrics.md does not have {series}"


def scenarios():
    return [("prometheus:the_dashboard_and_the_alerts_work", the_dashboard_and_the_alerts_work)]
