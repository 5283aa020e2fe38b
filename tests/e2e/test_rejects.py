"""Records that fail in a script or are refused by the destination: safe in the backup, and nobody may take that for health.
The share, the most frequent reason and where they went, in metrics, log, console and /readyz."""

from common import one_stream, stream, to_file
from es_peer import MAPPING, EsPeer, Whole
from firehose import Firehose
from harness import wait_until

SECRET = "4111-hunter2"


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def started(t, destination, **more):
    backup = {"mode": "failed", "file": {"path": t.path("backup")}}
    return t.daemon(one_stream("app", destination, interval="0s", backup=backup, **more)).start()


def search(t, item=None):
    """A search cluster; item: what becomes of a document."""
    es = EsPeer()
    t.on_end(es.stop)
    es.item = item
    return es


def wait_backed_up(t, d, count):
    wait_until(f"{count} in the backup", lambda: d.books("app").backed_up == count, 30 * t.slow)


def health(d):
    m = d.metrics()
    return [h for h in ("ok", "failing", "retrying", "blocked") if m.get("sluice_stream_health", stream="app", health=h)]


def assert_nothing_is_quoted(d):
    for text in (d.log_text(), d.http("/readyz")[1], d.http("/")[1], d.metrics().text):
        assert SECRET not in text and "hunter2" not in text, text


def test_a_script_that_fails_on_every_record_is_no_health(t):
    mask = write(t.path("mask.lua"), "function transform(r)\n  local x = r.a\n  error(r.secret)\nend\n")
    d = started(t, to_file(t), transform={"lua": mask})
    Firehose(d.api_port).put_batch("app", [b'{"a":1,"secret":"%s"}' % SECRET.encode()] * 20)
    wait_backed_up(t, d, 20)
    wait_until("failing", lambda: health(d) == ["failing"], 10 * t.slow)
    assert d.metrics().get("sluice_rejected_records_ratio", stream="app") == 1
    status, text = d.http("/readyz")
    assert status == 503, "nothing gets through"
    assert "stream app is failing: 20 of the last five minutes' 20 records (100 %) failed in the transform" in text, text
    assert "mask.lua:3" in text and t.path("backup") in text, text
    assert "to do: mend the script" in text and "sluice redrive --stream app" in text, text
    page = d.http("/")[1]
    assert "records do not get through" in page and "mask.lua:3" in page and "mend the script" in page, page
    assert "1 of 1 stream needs attention: 1 failing" in page, page
    lines = d.wait_logged("records fail in the transform", level="warn")
    assert len(lines) == 1 and "mask.lua:3" in lines[0] and "hint=" in lines[0], lines
    assert_nothing_is_quoted(d)
    d.stop()


def test_a_script_whose_error_has_no_place_is_told_without_it(t):
    mask = write(t.path("mask.lua"), "function transform(r)\n  error(r.secret .. ':3: x', 0)\nend\n")
    d = started(t, to_file(t), transform={"lua": mask})
    Firehose(d.api_port).put("app", b'{"secret":"%s"}' % SECRET.encode())
    wait_backed_up(t, d, 1)
    d.wait_logged("records fail in the transform", level="warn")
    assert "stream app is failing" in d.http("/readyz")[1]
    assert_nothing_is_quoted(d)
    d.stop()


def test_a_destination_that_refuses_six_of_seven_is_no_health(t):
    es = search(t, lambda doc, attempt: None if b'"n":0' in doc else MAPPING)
    d = started(t, es.destination())
    Firehose(d.api_port).put_batch("app", [b'{"n":%d,"secret":"%s"}' % (i, SECRET.encode()) for i in range(7)])
    wait_backed_up(t, d, 6)
    wait_until("failing", lambda: health(d) == ["failing"], 10 * t.slow)
    assert 0.85 < d.metrics().get("sluice_rejected_records_ratio", stream="app") < 0.86
    status, text = d.http("/readyz")
    assert status == 200 and text.startswith("ready\n"), "it delivers what can be delivered"
    assert "6 of the last five minutes' 7 records (86 %) were not taken by the destination" in text, text
    assert "document_parsing_exception" in text and t.path("backup") in text and "sluice redrive" in text, text
    page = d.http("/")[1]
    assert "document_parsing_exception" in page and "86 %" in page and "<b>To do:</b>" in page, page
    assert_nothing_is_quoted(d)
    d.stop()


def test_one_bad_record_among_many_is_told_and_no_trouble(t):
    es = search(t, lambda doc, attempt: MAPPING if b'"n":7}' in doc else None)
    d = started(t, es.destination())
    Firehose(d.api_port).put_batch("app", [b'{"n":%d}' % i for i in range(400)])
    wait_backed_up(t, d, 1)
    assert health(d) == ["ok"] and d.http("/readyz") == (200, "ready\n")
    page = d.http("/")[1]
    assert "The stream takes records and delivers." in page and "document_parsing_exception" in page, page
    d.stop()


def test_what_is_dropped_or_copied_to_the_backup_is_not_rejected(t):
    pick = write(t.path("pick.lua"), "function transform(r)\n  if r.n > 0 then return nil end\n  return r\nend\n")
    d = t.daemon(one_stream("app", to_file(t), interval="0s", transform={"lua": pick},
                            backup={"mode": "all", "file": {"path": t.path("backup")}})).start()
    Firehose(d.api_port).put_batch("app", [b'{"n":%d}' % (i % 7) for i in range(70)])
    wait_until("settled", lambda: d.books("app").dropped == 60 and d.books("app").delivered == 10, 30 * t.slow)
    assert health(d) == ["ok"] and d.metrics().get("sluice_rejected_records_ratio", stream="app") == 0
    assert d.http("/readyz") == (200, "ready\n")
    d.stop()


def test_what_could_not_be_delivered_in_time_is_rejected_with_the_last_code(t):
    es = search(t)
    es.plan(*[Whole(503)] * 20)
    d = started(t, es.destination(), retry={"duration": "1s"})
    Firehose(d.api_port).put_batch("app", [b'{"n":%d}' % i for i in range(5)])
    wait_backed_up(t, d, 5)
    wait_until("failing", lambda: "stream app is failing" in d.http("/readyz")[1] or "retrying" in health(d), 10 * t.slow)
    text = d.http("/readyz")[1]
    assert "5 of the last five minutes' 5 records (100 %) were not taken by the destination, most of them for 503" in text, text
    d.stop()


def test_records_that_fail_and_have_no_backup_wait_and_it_is_said(t):
    mask = write(t.path("mask.lua"), "function transform(r)\n  error('no')\nend\n")
    d = t.daemon(one_stream("app", to_file(t), interval="0s", transform={"lua": mask})).start()
    Firehose(d.api_port).put("app", b'{"a":1}')
    wait_until("retrying", lambda: health(d) == ["retrying"], 10 * t.slow)
    status, text = d.http("/readyz")
    assert status == 503 and "no backup" in text and "mask.lua:2" in text and "1 record waits" in text, text
    assert "1 record fails in the transform (number " in text and "the whole batch waits" in text, text
    d.expect_exit = 1
    d.process.terminate()
    d.wait_logged("stopping|draining|shutting", timeout=10)
    d.process.kill()
    d.process.wait()
    d.check_log()


def test_a_batch_that_waits_is_not_hidden_by_others_that_get_through(t):
    """Refused, or failing in the script, and no backup: it stays on the page while every other attempt works."""
    es = search(t, lambda doc, attempt: MAPPING if b'"bad"' in doc else None)
    mask = write(t.path("mask.lua"), "function transform(r)\n  if r.worse then error('no') end\n  return r\nend\n")
    d = t.daemon({"streams": {
        "refused": stream(es.destination(), interval="0s"),
        "failing": stream(es.destination(), interval="0s", transform={"lua": mask}),
    }}).start()
    client = Firehose(d.api_port)
    client.put_batch("refused", [b'{"bad":1}', b'{"n":0}'])
    client.put_batch("failing", [b'{"worse":1}', b'{"n":0}'])

    def line(name):
        return next((x for x in d.http("/readyz")[1].splitlines() if x.startswith(f"stream {name} is retrying")), "")
    wait_until("both are told", lambda: line("refused") and line("failing"), 20 * t.slow)
    for n in range(1, 4):
        for name in ("refused", "failing"):
            delivered = d.books(name).delivered
            client.put(name, b'{"n":%d}' % n)
            wait_until("another one gets through", lambda: d.books(name).delivered > delivered, 20 * t.slow)
        assert "document_parsing_exception" in line("refused") and "no backup" in line("refused"), d.http("/readyz")[1]
        assert "mask.lua:2" in line("failing") and "no backup" in line("failing"), d.http("/readyz")[1]
    es.item = None
    wait_until("the one is mended", lambda: not line("refused"), 60 * t.slow)
    assert line("failing"), d.http("/readyz")[1]
    d.assert_books("refused", "failing")
    d.kill9()
