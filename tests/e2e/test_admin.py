"""The admin server of the real daemon: what is answered, to whom, and what a browser may do with it."""

import http.client
import json
import re

from common import one_stream, to_file
from firehose import Firehose


def ask(d, path, method="GET", body=None, **headers):
    c = http.client.HTTPConnection("127.0.0.1", d.admin_port, timeout=10)
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
