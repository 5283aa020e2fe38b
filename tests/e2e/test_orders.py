"""What an operator asks of a stream that runs: pause, resume, flush, retry; by the console's API, its form, and the commands."""

import json
import os
import subprocess
import urllib.parse

from common import numbered_lines, one_stream, stream, tail, to_file, write_lines
from firehose import Firehose
from harness import wait_until
from reloading import post, reload, token
from test_admin import ask
from test_damage import MIB, small_disk
from test_partitions import folder, partitioned, records
import objects


def order(d, what, stream="app"):
    status, text = post(d, f"/api/streams/{stream}/{what}")
    return status, json.loads(text)["message"] if text.startswith("{") else text


def shown(d, stream="app"):
    return json.loads(ask(d, f"/api/streams/{stream}")[2])


def test_a_paused_stream_holds_what_comes_and_says_so(t):
    config = {"streams": {name: stream(to_file(t, name), interval="0s") for name in ("app", "other")}}
    d = t.daemon(config).start()
    client = Firehose(d.api_port)
    assert order(d, "pause") == (200, "stream app is paused: what is under way ends, then nothing is delivered until it is resumed, "
                                      "or sluice starts again")
    assert order(d, "pause") == (200, "stream app was paused before")
    lines = numbered_lines(t.random, 50)
    client.put_all("app", lines)
    client.put_all("other", lines)
    d.wait_delivered("other", 50)
    assert objects.read_dir(t.path("app")) == {}
    assert order(d, "flush")[1].endswith("when it is resumed") and order(d, "retry")[0] == 200
    status, _, ready = ask(d, "/readyz")
    assert status == 200 and "stream app is paused: somebody has paused its deliveries" in ready, ready
    assert "to do: sluice resume app" in ready, ready
    s = shown(d)
    assert s["health"] == "paused" and s["paused_since"] and s["trouble"][0]["what"] == "paused", s
    assert d.metrics().get("sluice_stream_health", stream="app", health="paused") == 1
    reload(d, {"streams": {**config["streams"], "late": stream(to_file(t, "late"))}})
    assert shown(d)["health"] == "paused", "a reload that does not concern it changes no pause"
    assert order(d, "resume") == (200, "stream app delivers again")
    d.wait_delivered("app", 50)
    assert order(d, "resume") == (200, "stream app was not paused") and shown(d)["health"] == "ok"
    events = [e["text"] for e in shown(d)["events"]][1:4]  # as many as are kept
    assert events == ["a retry was asked for", "a flush was asked for", "paused"][:len(events)] != [], events
    d.assert_books("app", "other")
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("app"))), lines)


def test_who_shows_no_token_or_comes_from_elsewhere_changes_nothing(t):
    d = t.daemon(one_stream("app", to_file(t), interval="60s")).start()
    path = "/api/streams/app/pause"
    good = {"Authorization": "Bearer " + token(d)}
    assert ask(d, path, "POST")[0] == 401
    assert ask(d, path, "POST", Authorization="Bearer wrong")[0] == 401
    assert ask(d, path, "POST", Origin="https://evil.example", **good)[0] == 403
    assert ask(d, path, "POST", Host="evil.example", **good)[0] == 403
    assert ask(d, path)[0] == 405 and ask(d, "/api/streams/app/stop", "POST", **good)[0] == 404
    assert ask(d, "/api/streams/nobody/pause", "POST", **good)[0] == 404
    assert shown(d)["paused_since"] is None
    form = urllib.parse.urlencode({"token": token(d)})
    page = ask(d, "/streams/app")[2]
    assert f'formaction="{path}"' in page, page
    status, headers, _ = ask(d, path, "POST", body=form, **{"Content-Type": "application/x-www-form-urlencoded",
                                                            "Origin": f"http://127.0.0.1:{d.admin_port}"})
    assert status == 303 and headers["Location"] == "/streams/app", headers
    assert shown(d)["paused_since"] and 'formaction="/api/streams/app/resume"' in ask(d, "/streams/app")[2]
    d.stop()


def test_what_is_flushed_is_delivered_and_the_rest_waits_for_its_time(t):
    d = t.daemon(partitioned(t, folder(t))).start()
    client = Firehose(d.api_port)
    assert order(d, "flush") == (200, "nothing waits in stream app")
    put = records(range(40), 4)
    client.put_all("app", put)
    assert order(d, "flush")[0] == 200
    d.wait_delivered("app", 40)
    assert len(objects.read_dir(t.path("out"))) == 4, "an object for each key"
    client.put_all("app", more := records(range(40, 50), 4))
    assert d.books("app").spooled == 10
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), put + more)


def test_the_commands_do_the_same(t):
    d = t.daemon(one_stream("app", to_file(t), interval="60s")).start()

    def run(*args):
        p = subprocess.run([t.binary, *args, "-c", d.config_path], capture_output=True, text=True, timeout=60 * t.slow)
        return p.returncode, p.stdout + p.stderr

    assert run("pause", "app")[0] == 0 and shown(d)["paused_since"]
    assert run("flush", "app")[0] == 0
    assert run("resume", "app") == (0, "stream app delivers again\n")
    assert run("retry", "app") == (0, "nothing waits for a retry in stream app\n")
    assert run("pause", "nobody") == (1, "sluice pause: there is no stream nobody\n")
    for wrong in (), ("a", "b"), ("../x",), ("..",):
        assert run("pause", *wrong)[0] == 2, wrong
    d.stop()
    code, said = run("pause", "app")
    assert code == 1 and "is not reached" in said, said


def test_a_paused_stream_fills_its_disk_and_empties_it_when_it_is_resumed(t):
    disk = small_disk(t, 16 * MIB)
    d = t.daemon({**one_stream("app", to_file(t), interval="0s", spool={"limit": "1GiB"}), "data_dir": os.path.join(disk, "data")}).start()
    client, records = Firehose(d.api_port), []
    assert order(d, "pause")[0] == 200
    for n in range(100):
        batch = [b"%03d %d " % (n, i) + os.urandom(2000).hex().encode() for i in range(100)]
        answers = client.put_batch("app", batch)
        records += [r for r, a in zip(batch, answers) if "RecordId" in a]
        if len(records) < 100 * (n + 1):
            break
    line = d.wait_logged("inputs are pushed back")[0]
    assert "No space left on device" in line and "the stream is paused: sluice resume app, or free space" in line, line
    assert "sluice resume app" in d.http("/readyz")[1]
    assert order(d, "flush")[0] == 200 and order(d, "resume")[0] == 200
    d.wait_delivered("app", len(records))
    wait_until("records are taken again", lambda: "RecordId" in client.put_batch("app", [b"again"])[0], 20 * t.slow)
    d.wait_delivered("app", len(records) + 1)
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), [*records, b"again"])


def test_a_pause_is_gone_with_the_process_and_holds_up_no_end(t):
    write_lines(t.path("in"), lines := numbered_lines(t.random, 100))
    d = t.daemon({**one_stream("app", to_file(t), [tail(t.path("in"))], interval="0s"), "shutdown": {"grace": "600s"}})
    d.start()
    d.wait_delivered("app", 100)
    order(d, "pause")
    with open(t.path("in"), "ab") as f:
        f.write(b"the last\n")
    wait_until("it is read", lambda: d.books("app").spooled == 1, 60 * t.slow)
    d.expect_exit = 1
    d.stop(60)
    d.expect_exit = 0
    line, = d.wait_logged("records are left in the spool")
    assert "the stream was paused" in line, line
    d.start()
    d.wait_delivered("app", 101)
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), lines + [b"the last"])
