"""The admin server of the real daemon: what is answered, to whom, and what a browser may do with it."""

import base64
import http.client
import json
import re
import subprocess

from common import one_stream, to_file
from firehose import Firehose
from harness import free_port, to_yaml
from reloading import rewrite
from test_tls import make_certificates


def ask(d, path, method="GET", body=None, **headers):
    c = http.client.HTTPConnection("127.0.0.1", d.admin_port, timeout=60)
    try:
        c.request(method, path, body=body, headers=headers)
        answer = c.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        c.close()


def started(t):
    return t.daemon(one_stream("app", to_file(t), interval="60s")).start()


def test_each_page_has_its_type_and_the_security_headers(t):
    d = started(t)
    types = {"/": "text/html", "/metrics": "text/plain; version=0.0.4", "/healthz": "text/plain", "/readyz": "text/plain"}
    for path, kind in types.items():
        status, headers, text = ask(d, path)
        assert status == 200 and text, (path, status)
        assert headers["Content-Type"].startswith(kind), (path, headers)
        assert "default-src 'none'" in headers["Content-Security-Policy"], headers
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY", headers
    d.stop()


def test_head_answers_as_get_without_a_body(t):
    d = started(t)
    status, headers, text = ask(d, "/healthz", "HEAD")
    assert status == 200 and text == "" and headers["Content-Length"] == "3", headers
    d.stop()


def test_nothing_but_reading_is_allowed(t):
    d = started(t)
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, _ = ask(d, "/metrics", method, body=b"x" * 100000)
        assert status == 405 and headers["Allow"] == "GET, HEAD", (method, status)
    assert ask(d, "/nothing")[0] == 404
    assert ask(d, "/../../etc/passwd")[0] == 404
    d.stop()


def test_the_api_tells_what_the_pages_show(t):
    d = started(t)
    Firehose(d.api_port).put_batch("app", [b"one", b"two", b"three"])
    status = json.loads(ask(d, "/api/status")[2])
    assert status["streams"] == 1 and status["health"]["ok"] == 1 and not status["stopping"], status
    listed = json.loads(ask(d, "/api/streams?search=AP&limit=1")[2])
    assert [s["name"] for s in listed["streams"]] == ["app"], listed
    code, headers, text = ask(d, "/api/streams/app")
    assert code == 200 and headers["Content-Type"] == "application/json", headers
    stream = json.loads(text)
    assert stream["records"]["in"] == 3 and stream["events"][0]["text"] == "started", stream
    assert json.loads(ask(d, "/api/streams/app/history")[2])["name"] == "app"
    assert ask(d, "/api/streams/nobody")[0] == 404 and ask(d, "/api/streams/nobody/history")[0] == 404
    d.stop()


def test_a_foreign_host_name_is_refused_on_loopback(t):
    """DNS rebinding: a page from elsewhere makes the browser ask us, under its own name."""
    d = started(t)
    assert ask(d, "/metrics", Host="evil.example")[0] == 403
    assert ask(d, "/metrics", Host=f"localhost:{d.admin_port}")[0] == 200
    d.stop()


def test_one_connection_serves_many_scrapes(t):
    d = started(t)
    c = http.client.HTTPConnection("127.0.0.1", d.admin_port, timeout=10)
    c.connect()
    first = c.sock.getsockname()
    for _ in range(3):
        c.request("GET", "/metrics")
        answer = c.getresponse()
        assert answer.status == 200
        answer.read()
        assert c.sock is not None and c.sock.getsockname() == first, "the connection was not kept"
    c.close()
    d.stop()


def test_the_console_shows_what_came_in(t):
    d = started(t)
    Firehose(d.api_port).put_batch("app", [b"one", b"two", b"three"])
    _, headers, page = ask(d, "/")
    assert re.search(r"Records in</dt><dd>3\b", page), page
    assert ">app</a></h2>" in page and t.path("out") in page, page
    assert "{{" not in page
    assert "unsafe" not in headers["Content-Security-Policy"]
    d.stop()


def test_every_metric_is_declared_once_and_belongs_to_its_family(t):
    d = started(t)
    declared, family = set(), None
    for line in ask(d, "/metrics")[2].splitlines():
        if line.startswith("# TYPE "):
            family = line.split()[2]
            assert family not in declared, family
            declared.add(family)
        elif not line.startswith("#"):
            name = re.split(r"[{ ]", line)[0]
            assert name == family or re.sub(r"_(bucket|sum|count)$", "", name) == family, line
    assert {"sluice_incoming_records_total", "sluice_delivery_data_freshness_seconds", "process_open_fds"} <= declared
    d.stop()


def test_who_may_read_changes_by_a_reload_and_the_commands_follow(t):
    d = started(t)
    streams = one_stream("app", to_file(t), interval="60s")

    def run(*args, code=0, config=d.config_path):
        done = subprocess.run([t.binary, *args, "-c", config], capture_output=True, text=True, timeout=60 * t.slow)
        assert done.returncode == code, (args, done)
        return done.stdout + done.stderr

    def reload_with(**admin):
        rewrite(d, {**streams, "admin": {"listen": f"127.0.0.1:{d.admin_port}", **admin}})
        assert "set at once: admin." in run("reload")

    assert ask(d, "/metrics")[0] == 200 and "app" in run("status")
    reload_with(tokens=["one-of-sixteen-bytes"], users=["ann:opensesame"])
    status, headers, text = ask(d, "/metrics")
    assert status == 401 and headers["WWW-Authenticate"].startswith("Basic ") and "sluice_" not in text, headers
    assert ask(d, "/readyz")[0::2] == (200, "ready\n")
    assert ask(d, "/metrics", Authorization="Bearer one-of-sixteen-bytes")[0] == 200
    assert ask(d, "/", Authorization="Basic " + base64.b64encode(b"ann:opensesame").decode())[0] == 200
    assert ask(d, "/", Authorization="Basic " + base64.b64encode(b"ann:opensesamf").decode())[0] == 401
    d.wait_logged("admin pages were not shown", level="warn")
    assert "opensesam" not in d.log_text() and "sixteen" not in d.log_text()
    assert ask(d, "/api/streams/app/pause", "POST", Authorization="Bearer one-of-sixteen-bytes")[0] == 401
    assert "app" in run("status") and "paused" in run("pause", "app") and "paused" in run("status")

    # By the file alone, as another machine has it.
    elsewhere, url = t.path("elsewhere.yaml"), f"http://127.0.0.1:{d.admin_port}"
    for admin, code in (({"users": ["ann:opensesame"]}, 0), ({"tokens": ["another-of-sixteen"]}, 1), ({}, 1)):
        with open(elsewhere, "w", encoding="utf-8") as f:
            f.write(to_yaml({**streams, "data_dir": t.path("nothing"), "admin": {"listen": "127.0.0.1:1", **admin}}))
        assert ("app" if code == 0 else "the answer is 401") in run("status", "--url", url, code=code, config=elsewhere)

    ca, server = make_certificates(t)
    clients, _ = make_certificates(t, name="clients")
    d.admin_port = free_port()  # what is asked at the old one speaks no TLS
    reload_with(tls={"cert_file": server[0], "key_file": server[1], "client_ca_file": clients})
    assert "paused" in run("status") and run("resume", "app") and "paused" not in run("status")
    reload_with()
    assert ask(d, "/metrics")[0] == 200
    d.stop()
