"""A reload: what differs in the file takes effect, and nothing else is touched."""

import http.client
import os
import socket
import subprocess
import threading

from common import Load, append_lines, numbered_lines, one_stream, stream, tail, to_file, write_lines
from firehose import Answer, Firehose
from harness import free_port, wait_until
from test_damage import MIB, fill_up, small_disk
from test_destinations import Lines
from reloading import hang_up, post, reload, rewrite
import objects


def out(t, folder):
    return objects.lines(objects.read_dir(t.path(folder)))


def test_streams_come_change_and_go_under_load(t):
    """A connection to the API lives through all of it, and each record arrives once."""
    write_lines(t.path("in-a"), before := numbered_lines(t.random, 500, b"before"))
    load = {"app": stream(to_file(t, "app-1"), interval="0s", size="16KiB")}
    files = {"files": stream(to_file(t, "files"), [tail(t.path("in-*"))], interval="0s")}
    d = t.daemon({"streams": {**load, **files}}).start()
    puts = Load(d, "app", b"put", batch=20)
    puts.start()
    client = Firehose(d.api_port)
    client.put("app", b"by the connection that lives")
    connection = client._connection
    late = {"late": stream(to_file(t, "late"), interval="0s")}
    said = reload(d, {"streams": {**load, **files, **late}})
    assert "stream late: added" in said and "1 added, 0 removed, 0 changed, 2 as they were" in said, said
    client.put("late", b"the first of late")
    load["app"] = stream(to_file(t, "app-2"), interval="0s", size="16KiB", compression="gzip")
    said = reload(d, {"streams": {**load, **files, **late}})
    assert "stream app: deliveries begin anew (compression, destination)" in said, said
    append_lines(t.path("in-a"), after := numbered_lines(t.random, 500, b"after"))
    files["files"] = stream(to_file(t, "files"), [tail(t.path("in-*"), t.path("more"))], interval="0s")
    write_lines(t.path("more"), more := numbered_lines(t.random, 100, b"more"))
    said = reload(d, {"streams": {**load, **files}})
    assert "stream files: inputs begin anew (inputs)" in said and "stream late: removed" in said, said
    assert out(t, "late") == [b"the first of late"], "what was in it is delivered before it goes"
    try:
        client.put("late", b"one more")
        raise AssertionError("late is gone")
    except Answer as e:
        assert e.code == "ResourceNotFoundException", e
    client.put("app", b"by the same connection")
    assert client._connection is connection and connection.sock, "the connection was cut"
    d.wait_delivered("files", 1100)
    puts.stop()
    assert not puts.unknown, "no connection was cut"
    d.stop()
    objects.assert_exactly_once(out(t, "files"), before + after + more)
    everything = out(t, "app-1") + out(t, "app-2")
    objects.assert_exactly_once(everything, puts.acked + [b"by the connection that lives", b"by the same connection"])
    assert out(t, "app-1") and out(t, "app-2")


def test_a_mistake_changes_nothing_and_is_said_to_who_asked(t):
    good = one_stream("app", to_file(t), interval="0s")
    d = t.daemon(good).start()
    rewrite(d, {**good, "streams": {**good["streams"], "new": {"destination": {"fiel": {"path": "x"}}}}})
    said = reload(d, status=422)
    assert ".yaml:" in said and "did you mean `file`" in said and "nothing has changed" in said, said
    said = reload(d, {**good, "api": {"threads": 3}}, status=422)
    assert "`api.threads`" in said and "restart" in said and ".yaml:" in said, said
    said = reload(d, one_stream("app", to_file(t), interval="0s", durability="memory"), status=422)
    assert "stream `app`: `durability`" in said and "restart" in said, said
    sns = {"sns": {"listen": f"127.0.0.1:{d.admin_port}", "topics": ["arn:aws:sns:us-east-1:123456789012:t"]}}
    both = {"streams": {**good["streams"], "a": stream(to_file(t, "a")), "b": stream(to_file(t, "b"), [sns])}}
    said = reload(d, both, status=500)
    assert "another program" in said and "stream `b`" in said, said
    assert Firehose(d.api_port).call("ListDeliveryStreams", {})["DeliveryStreamNames"] == ["app"]
    m = d.metrics()
    assert m.get("sluice_reloads_total", result="refused") == 3 and m.get("sluice_reloads_total", result="failed") == 1
    assert m.get("sluice_config_last_reload_successful") == 0
    assert d.http("/readyz")[0] == 200
    said = reload(d, good)
    assert "0 added, 0 removed, 0 changed, 1 as they were" in said, said
    m = d.metrics()
    assert m.get("sluice_reloads_total", result="done") == 1 and m.get("sluice_config_last_reload_successful") == 1
    d.stop()


def test_limits_change_while_it_runs(t):
    """A full spool has room as soon as its limit is raised, takes nothing more when it is lowered below what it holds, and loses nothing."""
    nowhere = {"http": {"url": f"http://127.0.0.1:{free_port()}/", "format": "lines"}}

    def config(limit, destination, memory):
        return {"streams": {"app": stream(destination, interval="0s", size="64KiB", spool={"limit": limit})}, "limits": {"memory": memory}, "shutdown": {"grace": "0s"}}

    d = t.daemon(config("4MiB", nowhere, "64MiB")).start()
    client = Firehose(d.api_port)
    sent = []

    def put_until_full():
        while len(sent) < 200000:
            batch = numbered_lines(t.random, 500, b"%d" % len(sent), longest=200)
            taken = [line for line, answer in zip(batch, client.put_batch("app", batch)) if "ErrorCode" not in answer]
            sent.extend(taken)
            if len(taken) < len(batch):
                return
        raise AssertionError("it is never full")

    put_until_full()
    first = len(sent)
    said = reload(d, config("8MiB", nowhere, "32MiB"))
    assert "stream app: deliveries begin anew (spool.limit)" in said and "set at once: limits.memory" in said, said
    m = d.metrics()
    assert m.get("sluice_spool_limit_bytes", stream="app") == 8 << 20 and m.get("sluice_memory_budget_limit_bytes") == 32 << 20
    put_until_full()
    assert len(sent) > first, "there was room for more"
    said = reload(d, config("4MiB", nowhere, "64MiB"))
    grown = len(sent)
    put_until_full()
    assert len(sent) == grown, "more is held than the new limit, so nothing is taken"
    assert d.metrics().get("sluice_memory_budget_limit_bytes") == 64 << 20
    reload(d, config("4MiB", to_file(t, "app"), "64MiB"))
    d.kill9()
    d.start()  # what was sealed for nowhere goes where the file says
    d.wait_delivered("app", grown)
    d.stop()
    objects.assert_exactly_once(out(t, "app"), sent)


def test_a_changed_script_counts_though_the_file_is_the_same(t):
    with open(t.path("mark.lua"), "w", encoding="utf-8") as f:
        f.write("function transform(r) return 'one ' .. r.raw end\n")
    d = t.daemon(one_stream("app", to_file(t), interval="0s", transform={"lua": "mark.lua"})).start()
    client = Firehose(d.api_port)
    client.put("app", b"a")
    d.wait_delivered("app", 1)
    assert "0 changed" in reload(d)
    with open(t.path("mark.lua"), "w", encoding="utf-8") as f:
        f.write("function transform(r) return 'two ' .. r.raw end\n")
    client.put("app", b"b")
    d.wait_delivered("app", 2)
    assert "stream app: deliveries begin anew (the script of transform)" in reload(d)
    client.put("app", b"c")
    d.wait_delivered("app", 3)
    with open(t.path("mark.lua"), "w", encoding="utf-8") as f:
        f.write("function transform(r\n")
    assert "mark.lua" in reload(d, status=422)
    with open(t.path("mark.lua"), "w", encoding="utf-8") as f:
        f.write("function transform(r) error('an error that does not go away') end\n")
    reload(d)
    client.put("app", b"d")
    d.wait_logged("a batch cannot be transformed")
    with open(t.path("mark.lua"), "w", encoding="utf-8") as f:
        f.write("function transform(r) return 'three ' .. r.raw end\n")
    reload(d)  # the batch that waits goes on with it
    d.wait_delivered("app", 4)
    d.stop()
    assert sorted(out(t, "out")) == [b"one a", b"one b", b"three d", b"two c"]


def test_a_dead_destination_holds_up_no_reload(t):
    """What it has keeps waiting for it, and is delivered when the stream is there again."""
    dead = {"http": {"url": f"http://127.0.0.1:{free_port()}/", "format": "lines"}}
    app = {"app": stream(to_file(t), interval="0s")}
    grace = {"shutdown": {"grace": "300ms"}}
    d = t.daemon({**grace, "streams": {**app, "gone": stream(dead, interval="0s")}}).start()
    client = Firehose(d.api_port)
    client.put("gone", b"waits")
    wait_until("an attempt has failed", lambda: d.logged("delivery failed"), 20 * d.slow)
    said = reload(d, {**grace, "streams": app})
    assert "stream gone: removed" in said, said
    d.wait_logged("records of it stay in the spool.*stream=gone.*records=1")
    client.put("app", b"goes on")
    d.wait_delivered("app", 1)
    said = reload(d, {**grace, "streams": {**app, "gone": stream(to_file(t, "back"), interval="0s")}})
    assert "stream gone: added" in said, said
    d.wait_delivered("gone", 1)
    d.stop()
    assert out(t, "back") == [b"waits"]


def test_keys_and_the_log_level_change_at_once(t):
    old, new = ("AKIDOLD", "secret-of-old"), ("AKIDNEW", "secret-of-new")

    def config(key, level):
        c = {"access_key_id": key[0], "secret_access_key": key[1]}
        return {"api": {"credentials": [c]}, "log": {"level": level},
                **one_stream("app", to_file(t), interval="0s")}

    d = t.daemon(config(old, "info")).start()
    before = Firehose(d.api_port, old)
    before.put("app", b"with the old key")
    connection = before._connection
    said = reload(d, config(new, "debug"))
    assert "set at once: api.credentials, log.level" in said and "secret-of" not in said, said
    try:
        before.put("app", b"with the old key again")
        raise AssertionError("the old key is good for nothing")
    except Answer as e:
        assert e.status in (400, 403), e
    assert before._connection is connection
    Firehose(d.api_port, new).put("app", b"with the new key")
    shown = {**config(new, "debug"), "api": {"users": ["ann:secret-of-ann"]}}
    assert "set at once: api.credentials, api.users" in reload(d, shown)
    try:
        Firehose(d.api_port, new).put("app", b"signed, and that is not asked for")
        raise AssertionError("a signature is no password")
    except Answer as e:
        assert e.status == 403, e
    put = subprocess.run([t.binary, "put", "-c", d.config_path, "-s", "app"], input=b"by name and password\n",
                         capture_output=True, timeout=60 * t.slow)
    assert put.returncode == 0, put
    d.wait_delivered("app", 3)
    d.stop()
    assert "secret-of" not in d.log_text()


def test_an_address_goes_from_one_stream_to_another(t):
    """The new one can only begin when the old one has let go; and where that fails, the old one is there again."""
    def sns(port, path):
        return {"sns": {"listen": f"127.0.0.1:{port}", "path": path, "topics": ["arn:aws:sns:us-east-1:123456789012:t"]}}

    port = free_port()
    app = {"app": stream(to_file(t))}
    d = t.daemon({"streams": {**app, "one": stream(to_file(t, "1"), [sns(port, "/x")])}}).start()
    said = reload(d, {"streams": {**app, "two": stream(to_file(t, "2"), [sns(port, "/x")])}})
    assert "stream two: added" in said and "stream one: removed" in said, said
    said = reload(d, {"streams": {**app, "two": stream(to_file(t, "2"), [sns(port, "/y")])}})
    assert "stream two: inputs begin anew" in said, said
    bad = {"streams": {"three": stream(to_file(t, "3"), [sns(d.admin_port, "/z")])}}
    reload(d, bad, status=500)
    assert sorted(s for s in ("app", "two", "three") if f'stream="{s}"' in d.metrics().text) == ["app", "two"]
    Firehose(d.api_port).put("app", b"as before")
    alone = {"two": stream(to_file(t, "2"), [sns(port, "/y")])}
    assert "stream app: removed" in reload(d, {"streams": alone})
    assert "stream app: added" in reload(d, {"streams": {**app, **alone}}), "the API has gone on listening"
    Firehose(d.api_port).put("app", b"again")
    d.stop()


def test_inputs_of_several_kinds_exchange_their_addresses(t):
    """What waits for its input to come back, connections and all, gives way to another kind of input."""
    def forward(port):
        return {"forward": {"listen": f"127.0.0.1:{port}"}}

    def sns(port):
        return {"sns": {"listen": f"127.0.0.1:{port}", "path": "/x", "topics": ["arn:aws:sns:us-east-1:123456789012:t"]}}

    def config(**inputs):
        return {"streams": {name: stream(to_file(t, name), [i]) for name, i in inputs.items()}}

    p, q = free_port(), free_port()
    d = t.daemon(config(a=forward(p), b=forward(q))).start()
    for now in config(a=forward(q), b=forward(p)), config(a=sns(q), b=forward(p)), config(a=forward(p), b=sns(q)), config(a=sns(p), b=forward(q)):
        assert "inputs begin anew" in reload(d, now)
    nobody = {"sns": {**sns(1)["sns"], "listen": "192.0.2.1:1"}}
    said = reload(d, {"streams": {**config(a=forward(p), b=sns(q))["streams"], "c": stream(to_file(t, "c"), [nobody])}}, status=500)
    assert "192.0.2.1" in said and "is not what it was before" not in said, said
    assert "2 as they were" in reload(d, now)
    assert "1 added, 1 removed" in reload(d, config(a=sns(p), c=sns(q)))
    d.stop()


def test_a_full_disk_changes_nothing_and_is_said(t):
    disk = small_disk(t, 16 * MIB)
    streams = one_stream("app", to_file(t), interval="0s")
    d = t.daemon({**streams, "data_dir": os.path.join(disk, "data")}).start()
    Firehose(d.api_port).put("app", b"before")
    d.wait_delivered("app", 1)
    fill_up(disk)
    said = reload(d, {"streams": {**streams["streams"], "b": stream(to_file(t, "b"))}}, status=500)
    assert "stream b: write " in said and "No space left on device; what had changed is as it was again" in said, said
    port = free_port()
    rewrite(d, {**streams, "admin": {"listen": f"127.0.0.1:{port}"}})
    for path in "/reload/diff", "/reload":
        status, said = post(d, path)
        assert status == 422 and "yaml:3:11: " in said and "admin.address.new cannot be written: No space left on device" in said, said
    assert "1 as they were" in reload(d, streams)
    os.remove(os.path.join(disk, "ballast"))
    reload(d, {"streams": {**streams["streams"], "b": stream(to_file(t, "b"), interval="0s")}})
    Firehose(d.api_port).put("b", b"and then there is room")
    d.wait_delivered("b", 1)
    d.stop()


def test_many_reloads_at_once_are_one_after_the_other(t):
    good = one_stream("app", to_file(t), interval="0s")
    d = t.daemon(good).start()
    answers = []
    askers = [threading.Thread(target=lambda: answers.append(post(d))) for _ in range(4)]
    for a in askers:
        a.start()
    hang_up(d, "reload: done", "info")
    for a in askers:
        a.join()
    assert len(answers) == 4, answers
    words = {200: "1 as they were", 409: "under way", 503: "too much was asked for"}  # 409: for a signal; 503: with small limits
    for status, said in answers:
        assert words[status] in said, (status, said)
    d.stop()


def test_the_command_reloads_and_says_what_came_of_it(t):
    good = one_stream("app", to_file(t), interval="0s")
    d = t.daemon(good).start()

    def run(*args):
        p = subprocess.run([t.binary, *args, "-c", d.config_path], capture_output=True, text=True, timeout=60 * d.slow)
        return p.returncode, p.stdout + p.stderr

    rewrite(d, {"streams": {**good["streams"], "b": stream(to_file(t, "b"))}})
    code, said = run("validate", "--diff")
    assert code == 0 and "stream b: added" in said and "a reload would leave: 1 added" in said, (code, said)
    assert 'stream="b"' not in d.metrics().text
    code, said = run("reload")
    assert code == 0 and "stream b: added" in said and 'stream="b"' in d.metrics().text, (code, said)
    rewrite(d, {**good, "api": {"threads": 3}})
    for args in ("reload",), ("validate", "--diff"):
        code, said = run(*args)
        assert code == 2 and "`api.threads`" in said, (code, said)
    rewrite(d, good)
    code, said = run("reload", "--url", Lines(t).url())  # it says 200 to whatever comes
    assert code == 1 and "is no admin server of sluice" in said, (code, said)
    d.stop()
    code, said = run("reload")
    assert code == 1 and "is not reached" in said, (code, said)


def test_the_command_sends_a_signal_where_nobody_answers(t):
    d = t.daemon({**one_stream("app", to_file(t), interval="0s"), "admin": {"listen": "none"}}).start()

    def run(*args):
        p = subprocess.run([t.binary, "reload", "-c", d.config_path, *args], capture_output=True, text=True, timeout=60 * d.slow)
        return p.returncode, p.stdout + p.stderr

    code, said = run()
    assert code == 1 and "send SIGHUP" in said, (code, said)
    code, said = run("--signal", "one")
    assert code == 2 and "is no process" in said, (code, said)
    code, said = run("--signal", str(d.process.pid))
    assert code == 0 and f"sent to process {d.process.pid}" in said, (code, said)
    d.wait_logged("msg=\"reload: done\"")
    with open(d.config_path, "a", encoding="utf-8") as f:
        f.write("nonsense: 1\n")
    code, said = run("--signal", str(d.process.pid))
    assert code == 2 and "nonsense" in said, (code, said)
    d.stop()


def test_the_admin_server_moves_and_the_commands_find_it(t):
    """Whatever the file says by now: the running one is asked, and what cannot be had changes nothing."""
    streams = one_stream("app", to_file(t), interval="0s")
    d = t.daemon(streams).start()

    def run(*args, code=0):
        p = subprocess.run([t.binary, *args, "-c", d.config_path], capture_output=True, text=True, timeout=60 * d.slow)
        assert p.returncode == code, (args, p.returncode, p.stdout + p.stderr)
        return p.stdout + p.stderr

    def is_shut(port):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) != 0

    def admin(port, **more):
        return {**streams, "admin": {"listen": f"127.0.0.1:{port}", **more}}

    first, second = d.admin_port, free_port()
    held = http.client.HTTPConnection("127.0.0.1", first, timeout=20)
    held.request("GET", "/healthz")
    held.getresponse().read()
    rewrite(d, admin(second, token="a token of sixteen or more"))
    assert "set at once: admin.listen, admin.token" in run("validate", "--diff")
    assert is_shut(second) and not is_shut(first)
    assert "set at once: admin.listen, admin.token" in run("reload")
    d.admin_port = second
    assert is_shut(first) and d.http("/healthz")[0] == 200
    wait_until("the old connection ends", lambda: held.sock is None or held.sock.recv(1) == b"", 20 * d.slow)
    assert "is paused" in run("pause", "app") and "delivers again" in run("resume", "app")
    run("status")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        rewrite(d, admin(taken.getsockname()[1], token="yet another of such tokens"))
        for args in ("validate", "--diff"), ("reload",):
            said = run(*args, code=2)
            assert "another program" in said and ": admin: " in said, said
        assert "nothing has changed" in said, said
        assert d.http("/healthz")[0] == 200

    rewrite(d, admin(second, token="yet another of such tokens"))
    assert "set at once: admin.token" in run("reload")
    everywhere = {**streams, "admin": {"listen": f"0.0.0.0:{second}", "auth": "none"}}
    rewrite(d, everywhere)
    run("reload")
    assert d.http("/healthz")[0] == 200

    rewrite(d, {**streams, "admin": {"listen": "none"}})
    run("reload")
    assert is_shut(second) and "nobody to ask" in run("reload", code=1)
    rewrite(d, admin(first))
    assert "SIGHUP was sent" in run("reload", "--signal", str(d.process.pid))
    wait_until("it listens again", lambda: not is_shut(first), 20 * d.slow)
    rewrite(d, {**admin(first), "data_dir": t.path("elsewhere")})
    assert "another data_dir takes a restart" in run("reload", "--signal", str(d.process.pid), code=1)
    rewrite(d, admin(first))
    d.kill9()
    rewrite(d, admin(second))
    assert "is not reached" in run("reload", code=1)
    d.admin_port = second
    d.start()
    rewrite(d, admin(first))
    run("status", "--url", f"http://127.0.0.1:{second}")
    run("reload", "--url", f"127.0.0.1:{second}")
    d.admin_port = first
    d.stop()
    assert not os.path.exists(os.path.join(d.data_dir, "admin.address"))


def test_streams_may_stand_in_files_of_their_own(t):
    os.mkdir(t.path("config.d"))

    def part(name, text):
        with open(t.path("config.d", name), "w", encoding="utf-8") as f:
            f.write(text)

    part("b.yaml", f"streams:\n  b:\n    buffer: {{ interval: 0s }}\n    destination: {{ file: {{ path: {t.path('b')} }} }}\n")
    d = t.daemon(one_stream("app", to_file(t), interval="0s")).start()
    Firehose(d.api_port).put("b", b"from a file of its own")
    d.wait_delivered("b", 1)
    part("c.yaml", "streams:\n  c: { destination: { file: { path: ./c } } }\n  app: { destination: { file: { path: ./c } } }\n")
    said = reload(d, status=422)
    assert "config.d/c.yaml:3:3: `app` stands in" in said and "sluice.yaml:" in said and "2 mistakes" in said, said
    checked = subprocess.run([t.binary, "fsck", "-c", d.config_path], capture_output=True, text=True, timeout=60 * d.slow)
    assert checked.returncode == 2 and "config.d/c.yaml:3:3" in checked.stderr, checked
    part("c.yaml", "streams:\n  c: { destination: { file: { path: ./c } } }\n")
    assert "stream c: added" in reload(d)
    part("d.yaml", "streams:\n  C: { destination: { file: { path: ./d } } }\n")
    said = reload(d, status=422)
    assert "`C` differs from `c` in line 2 of c.yaml in" in said, said
    os.unlink(t.path("config.d", "d.yaml"))
    os.unlink(t.path("config.d", "b.yaml"))
    assert "stream b: removed" in reload(d)
    d.stop()
    assert out(t, "b") == [b"from a file of its own"]
