"""Mistakes in the configuration: exit code 2, file:line:column, all at once, and what was probably meant."""

import os
import re
import subprocess

from common import one_stream, tail, to_file, write_lines
from firehose import Answer, Firehose
import objects
from harness import free_port, wait_until

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


# What only sinks, inputs and scripts can see in their options. Each is a mistake like any other.
LATE = """\
data_dir: ./data
streams:
  app:
    inputs:
      - tail: { paths: ["./in/*.log", "/var/../x.log"] }
    transform: { lua: nowhere.lua }
    destination:
      s3:
        bucket: logs/app
        prefix: "app/!{time:yyyy}/"
        endpoint: http://127.0.0.1:99999
        access_key_id: a
        secret_access_key: b
        tls: { ca_file: nowhere.pem }
"""


def test_mistakes_that_sinks_inputs_and_scripts_find_are_reported_alike(t):
    for command in ("run", "validate"):
        code, said = check(t, command, LATE)
        places = [line.split(": ")[0] for line in said.splitlines()]
        assert code == 2, f"{command}: exit {code}: {said}"
        assert places == [f"sluice.yaml:{at}" for at in ("5:39", "6:23", "9:17", "10:17", "11:19", "14:25")] + [
            "sluice.yaml"], said
        assert "6 mistakes" in said, said


def test_what_run_only_warns_of_is_a_warning_of_validate(t):
    os.makedirs(t.path("in"))
    os.symlink("loop", t.path("in/loop"))  # a folder that cannot be read, also by root
    ports = "admin: { listen: none }\n"
    text = ports + GOOD.replace("    destination:", '    inputs: [{ tail: { paths: ["in/loop/*.log"] } }]\n    destination:')
    code, said = check(t, "validate", text)
    assert code == 0, said
    assert re.search(r"^sluice.yaml:5:32: warning: folder .*in/loop cannot be read: ", said, re.M), said


def test_once_fails_when_something_could_not_be_read(t):
    os.makedirs(t.path("in"))
    for n in range(2):
        os.symlink(f"loop{n}", t.path(f"in/loop{n}"))
    write_lines(t.path("in/a.log"), [b"one", b"two"])
    paths = [t.path(f"in/{name}") for name in ("loop0/*.log", "loop1/*.log", "*.log")]
    d = t.daemon(one_stream("app", to_file(t), inputs=[tail(*paths)]))
    d.expect_exit = 1
    d.spawn("--once")
    d.wait_exit()
    assert len(d.wait_logged("folder cannot be read.*loop", level="warn")) == 2, d.log_text()
    assert d.wait_logged("not everything could be read.*files_or_folders=2", level="error"), d.log_text()
    assert not d.logged("everything is delivered"), d.log_text()


NEEDS_SECRETS = """\
data_dir: ./data
admin: {{ listen: "127.0.0.1:{admin}" }}
api:
  listen: "127.0.0.1:{api}"
  credentials: [ {{ access_key_id: AKOFTHEFILE, secret_access_key: of-the-file }} ]
streams:
  app:
    transform: {{ lua: app.lua }}
    buffer: {{ interval: 1s }}
    destination:
      file: {{ path: ./out, prefix: "${{env:SLUICE_TEST_SECRET}}/" }}
    backup:
      s3:
        bucket: spare
        access_key_id: a
        secret_access_key: "${{file:secret}}"
  other:
    transform: {{ lua: nowhere.lua }}
    destination:
      http: {{ url: "http://127.0.0.1:9/${{env:SLUICE_TEST_SECRET}}", format: lines }}
"""


def test_commands_need_only_what_they_use(t):
    config = NEEDS_SECRETS.format(admin=free_port(), api=free_port())
    whole = config.replace("${file:secret}", "b").replace("nowhere.lua", "app.lua")
    with open(t.path("app.lua"), "w", encoding="utf-8") as f:
        f.write("function transform(r)\n  return r .. '!'\nend\n")
    d = t.daemon(whole)
    d.env = {"SLUICE_TEST_SECRET": "secret"}
    d.start()
    with open(t.path("sluice.yaml"), "w", encoding="utf-8") as f:
        f.write(config)  # of which little can be resolved here
    env = {k: v for k, v in os.environ.items() if k != "SLUICE_TEST_SECRET"}
    env.update(AWS_ACCESS_KEY_ID="AKOFTHESHELL", AWS_SECRET_ACCESS_KEY="of-the-shell", AWS_REGION="eu-west-1")

    def sluice(*args, stdin=b""):
        return subprocess.run([t.binary, *args], cwd=t.dir, env=env, input=stdin, capture_output=True,
                              timeout=60 * t.slow)

    done = sluice("put", "-s", "app", stdin=b"one\ntwo\n")
    assert done.returncode == 0, done.stderr
    wait_until("both are delivered", lambda: objects.lines(objects.read_dir(t.path("out"))) == [b"one!", b"two!"],
               30 * t.slow)
    d.stop()
    done = sluice("transform", "-s", "app", stdin=b"x\n")
    assert (done.returncode, done.stdout) == (0, b"x!\n"), done.stderr
    done = sluice("transform", "-s", "other", stdin=b"x\n")
    assert done.returncode == 2 and b"sluice.yaml:18:23: cannot open the script nowhere.lua" in done.stderr, done.stderr
    done = sluice("fsck")
    assert done.returncode == 0, done.stderr
    done = sluice("redrive", "-s", "app", "--state", t.path("state"), "s3://spare/")
    assert done.returncode == 2 and b"2 mistakes" in done.stderr and b"secret" in done.stderr, done.stderr
    for command in ("validate", "run"):
        done = sluice(command)
        assert done.returncode == 2 and done.stderr.count(b"SLUICE_TEST_SECRET is not set") == 2, done.stderr


def test_a_stream_that_would_read_what_it_writes_is_refused_at_both_places(t):
    for folder in ("real/logs", "elsewhere"):
        os.makedirs(t.path(folder))
    os.symlink("real/logs", t.path("logs"))
    os.symlink("../elsewhere", t.path("real/linked"))
    os.symlink("real/later", t.path("later"))
    rows = [  # what is read, where it is written: the destination is not there yet in any of them
        ("logs/**", "real/logs/out"), ("real/logs/**", "logs/out"), ("./real/*/*/*/*/*/*/*", "elsewhere/x"),
        ("later/**", "real/later/x"), ("real/**", "./real/../real/deep/x"), ("**", "out"),
    ]
    wrong = []
    for read, written in rows:
        for place in ("destination", "backup"):
            other = "destination: { file: { path: /no/such/place } }\n    " if place == "backup" else ""
            text = (f"data_dir: /var/lib/sluice-nowhere\nstreams:\n  app:\n    inputs: [ {{ tail: {{ paths: [ \"{read}\" ] }} }} ]\n"
                    f"    {other}{place}: {{ file: {{ path: {written} }} }}\n")
            line = 6 if other else 5
            for command in ("run", "validate"):
                code, said = check(t, command, text)
                places = [m[1] for m in re.finditer(r"^sluice.yaml:(\d+):\d+: ", said, re.M)]
                if code != 2 or places != ["4", str(line)] or "line 4" not in said or f"line {line}" not in said:
                    wrong.append(f"{command}: {read} reads the {place} {written}: exit {code}, said: {said}")
    assert not wrong, "\n".join(wrong)


def test_what_is_no_loop_is_taken(t):
    ports = "admin: { listen: none }\n"
    rows = [  # by their names these are not read
        ('"logs/*.log"', "", "logs/out", "none"), ('"logs/**"', "", "logs/out", "gzip"),
        ('"logs/**"', ', exclude: [ "logs/out/**" ]', "logs/out", "none"), ('"logs/**"', "", "logs-of-sluice", "none"),
    ]
    for read, exclude, written, compression in rows:
        text = ports + (f"data_dir: data\nstreams:\n  app:\n    inputs: [ {{ tail: {{ paths: [ {read} ]{exclude} }} }} ]\n"
                        f"    compression: {compression}\n    destination: {{ file: {{ path: {written} }} }}\n"
                        "  next:\n    inputs: [ { tail: { paths: [ \"logs-of-sluice/**\" ] } } ]\n"
                        "    destination: { file: { path: next } }\n")
        code, said = check(t, "validate", text)
        assert code == 0, f"{read} and {written}: {said}"


def test_a_log_that_a_stream_reads_is_warned_of(t):
    d = t.daemon(one_stream("app", to_file(t), inputs=[tail(t.path("*.log"))]))
    d.start()  # its standard error is sluice.log there
    d.wait_logged("standard error goes into a file that a stream reads.*stream=app.*sluice.log", level="warn")
    d.stop()
