"""What all inputs have in common: what is told of each, and that `validate` tries its source."""

import subprocess

from common import one_stream, to_file
from harness import wait_until
from sqs_peer import Say
from test_sqs import queue, sqs


def test_each_input_is_told_of_by_itself(t):
    """Two queues for one stream. One refuses: the daemon stays ready, says so, and the other is read."""
    good, bad = queue(t, "good"), queue(t, "bad")
    bad.on = lambda operation, request: Say(403, "AccessDeniedException", "not authorized")
    d = t.daemon(one_stream("app", to_file(t), inputs=[sqs(good), sqs(bad)], interval="0s"))
    d.env = {"AWS_EC2_METADATA_DISABLED": "true", "no_proxy": "*"}
    d.start()
    for i in range(20):
        good.send(f"m{i}")
    d.wait_delivered("app", 20)
    wait_until("the failure", lambda: d.metrics().get("sluice_input_failed_calls_total", input="sqs-2") > 0, 60 * t.slow)
    m = d.metrics()
    assert m.get("sluice_input_records_total", stream="app", input="sqs") == 20
    assert m.get("sluice_input_bytes_total", stream="app", input="sqs") == m.get("sluice_incoming_bytes_total", stream="app")
    assert m.get("sluice_input_records_total", stream="app", input="sqs-2") == 0
    assert m.get("sluice_input_connected", input="sqs") == 1 and m.get("sluice_input_connected", input="sqs-2") == 0
    status, text = d.http("/readyz")
    assert status == 200 and "input sqs-2 has no connection" in text and "AccessDenied" in text, text
    assert "sqs:ReceiveMessage" in text, text
    status, page = d.http("/")
    assert status == 200 and "<th>sqs-2</th><td>down</td>" in page, page
    bad.on = None
    bad.send("late")
    d.wait_delivered("app", 21)
    m = d.metrics()
    assert m.get("sluice_input_connected", input="sqs-2") == 1
    assert "sqs-2" not in d.http("/readyz")[1]
    d.stop()


def test_validate_tries_the_source(t):
    q = queue(t)
    d = t.daemon(one_stream("app", to_file(t), inputs=[sqs(q)]))

    def validate(*options):
        done = subprocess.run([t.binary, "validate", "-c", d.config_path, *options], capture_output=True, text=True, check=False,
                              env={"PATH": "/usr/bin:/bin", "no_proxy": "*", "AWS_EC2_METADATA_DISABLED": "true"})
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert validate() == "" and q.calls and not q.refused, (q.calls, q.refused)
    q.on = lambda operation, request: Say(400, "QueueDoesNotExist", "The specified queue does not exist.")
    said = validate()
    assert "warning: stream `app`: sqs: QueueDoesNotExist" in said and "look at queue_url and region" in said, said
    calls = len(q.calls)
    assert validate("--offline") == "" and len(q.calls) == calls
    q.stop()
    assert "warning: stream `app`: sqs: " in validate()
