"""Mistakes in the configuration: exit code 2, file:line:column, all at once, and what was probably meant."""

import subprocess

from common import one_stream, to_file
from firehose import Answer, Firehose
from harness import free_port

GOOD = """\
data_dir: ./data
streams:
  app:
    destination:
      file: { path: ./out }
"""

# What is wrong -> YAML -> what the message must contain.
MISTAKES = {
    "an unknown key": (GOOD.replace("destination:", "destinatoin:"), [":4:5:", "destinatoin", "destination"]),
    "no destination": ("streams:\n  app:\n    inputs: [api]\n", ["destination"]),
    "two destinations": (
        GOOD + "      s3: { bucket: b, region: us-east-1, access_key_id: a, secret_access_key: b }\n", ["one"]),
    "a bad size": (GOOD + "    buffer: { size: 1Mib, interval: 60s }\n", [":6:", "1Mib"]),
    "a bad duration": (GOOD + "    buffer: { interval: 60 seconds }\n", [":6:", "60 seconds"]),
    "a bad name": (GOOD.replace("  app:", "  my logs:"), [":3:3:", "my logs"]),
    "a missing bucket": (
        "streams:\n  app:\n    destination:\n      s3: { region: us-east-1, access_key_id: a, secret_access_key: b }\n",
        ["bucket"]),
    "an unset variable": (GOOD.replace("./out", '"${env:SLUICE_TEST_NOT_SET}"'), [":5:", "SLUICE_TEST_NOT_SET"]),
    "broken YAML": ("streams: [\n", [":2:"]),
    "a duplicate key": (GOOD + "data_dir: ./other\n", [":6:1:", "data_dir"]),
    "no streams": ("data_dir: ./data\n", ["streams"]),
    "an open API without credentials": ('api: { listen: "0.0.0.0:4573" }\n' + GOOD, ["credentials"]),
    "a wrong compression": (GOOD + "    compression: gzipp\n", [":6:", "gzipp", "gzip"]),
}


def check(t, command, text):
    with open(t.path("sluice.yaml"), "w", encoding="utf-8") as f:
        f.write(text)
    done = subprocess.run([t.binary, command, "-c", "sluice.yaml"], capture_output=True, cwd=t.dir, timeout=30 * t.slow)
    return done.returncode, done.stderr.decode()


def test_mistakes_are_reported_with_their_place_and_exit_code_2(t):
    wrong = []
    for what, (text, words) in MISTAKES.items():
        for command in ("run", "validate"):
            code, said = check(t, command, text)
            if code != 2 or not all(w in said for w in words) or "sluice.yaml" not in said:
                wrong.append(f"{what}, {command}: exit {code}, wanted {words}, said: {said.strip()}")
    assert not wrong, "\n".join(wrong)


def test_all_mistakes_are_reported_at_once(t):
    text = GOOD.replace("data_dir", "data_dri") + "    compression: gzipp\n    buffer: { size: 1Mib }\n"
    code, said = check(t, "run", text)
    assert code == 2
    assert all(w in said for w in ("data_dri", "gzipp", "1Mib")), said


def test_a_missing_file_is_named(t):
    done = subprocess.run([t.binary, "run", "-c", "nowhere.yaml"], capture_output=True, cwd=t.dir, timeout=30)
    assert done.returncode == 2 and b"nowhere.yaml" in done.stderr, done.stderr


def test_a_good_configuration_validates(t):
    ports = f'admin: {{ listen: "127.0.0.1:{free_port()}" }}\napi: {{ listen: "127.0.0.1:{free_port()}" }}\n'
    code, said = check(t, "validate", ports + GOOD)
    assert code == 0, said


def test_wrong_usage_exits_2(t):
    for args in ([], ["rnu"], ["run", "--onec"], ["run", "extra"]):
        done = subprocess.run([t.binary, *args], capture_output=True, cwd=t.dir, timeout=30)
        assert done.returncode == 2 and done.stderr, f"{args}: {done.returncode}"


def test_secrets_come_from_files_and_the_environment_and_never_show(t):
    with open(t.path("secret"), "w", encoding="ascii") as f:
        f.write("hunter2-from-file\n")
    config = one_stream("app", to_file(t))
    config["api"] = {"credentials": [{"access_key_id": "${env:SLUICE_TEST_KEY}",
                                      "secret_access_key": "${file:secret}"}]}
    d = t.daemon(config)
    d.env = {"SLUICE_TEST_KEY": "AKFROMENV"}
    d.start()
    Firehose(d.api_port, ("AKFROMENV", "hunter2-from-file")).put("app", b"signed")
    for credentials in (None, ("AKFROMENV", "wrong"), ("OTHER", "hunter2-from-file")):
        try:
            Firehose(d.api_port, credentials).put("app", b"not signed")
            raise AssertionError(f"{credentials} was let in")
        except Answer as e:
            assert e.status in (400, 403), e
    d.wait_delivered("app", 1)
    d.stop()
    assert "hunter2" not in d.log_text()
