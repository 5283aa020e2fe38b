"""Real clients of the Firehose API: each sdk/*.sh puts records in with somebody else's code and checks the answers (see
sdk/lib.sh). What it was told is safe must arrive.

boto3 and the AWS CLI always run. The others need a toolchain each and minutes to install the first time (the Rust SDK
alone takes three on two cores), so they run when SLUICE_SDKS names them: `all`, or such as `go java`.
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import objects  # noqa: E402
from common import stream, to_file  # noqa: E402
from test_tls import make_certificates  # noqa: E402

KEY, SECRET = "AKCLIENTTEST00000001", "clientSecret/with+signs/0123456789abcdefghi"
INSTALL_SECONDS = 600
SKIPPED = 77
ALWAYS = ("awscli", "boto3")


def run_client(t, script, d, credentials, ca=None):
    command = ["sh", os.path.join(HERE, "sdk", script), f"http{'s' if ca else ''}://127.0.0.1:{d.api_port}", "app", *credentials]
    env = {**os.environ, "AWS_CA_BUNDLE": ca} if ca else None
    done = subprocess.run(command, cwd=t.dir, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=INSTALL_SECONDS, text=True, check=False)
    if done.returncode == SKIPPED:
        t.skip((done.stdout.strip().splitlines() or ["cannot be installed"])[-1])
    assert done.returncode == 0, f"{script}: exit {done.returncode}\n{done.stdout[-3000:]}"


def a_client_is_served(t, script, credentials, tls=False):
    """`tls`: by a server with a certificate of an authority of its own, which the client verifies."""
    api = {"credentials": [{"access_key_id": KEY, "secret_access_key": SECRET}]} if credentials else {}
    ca = None
    if tls:
        ca, (cert, key) = make_certificates(t)
        api["tls"] = {"cert_file": cert, "key_file": key}
    d = t.daemon({"api": api, "streams": {"app": stream(to_file(t), compression="gzip")}}).start()
    run_client(t, script, d, credentials, ca)
    count = d.books("app").incoming
    assert count > 0, "the client put nothing"
    d.wait_delivered("app", count)
    d.stop()
    assert len(objects.lines(objects.read_dir(t.path("out")))) >= count
    assert SECRET not in d.log_text()


def chosen(names, wanted):
    """Those of `names` that always run, and those that `wanted` names."""
    unknown = [w for w in wanted if w not in names and w != "all"]
    if unknown:
        sys.exit(f"SLUICE_SDKS: no client {unknown[0]!r}; there are: all {' '.join(names)}")
    return [n for n in names if n in ALWAYS or n in wanted or "all" in wanted]


def scenarios():
    folder = os.path.join(HERE, "sdk")
    names = sorted(n[:-3] for n in os.listdir(folder) if n.endswith(".sh") and n != "lib.sh")
    scripts = [n + ".sh" for n in chosen(names, os.environ.get("SLUICE_SDKS", "").replace(",", " ").split())]
    return [
        (f"{script[:-3]}:{how}", lambda t, s=script, c=credentials: a_client_is_served(t, s, c))
        for script in scripts for how, credentials in (("signed", (KEY, SECRET)), ("without_credentials", ()))
    ] + [("boto3:over_tls", lambda t: a_client_is_served(t, "boto3.sh", (KEY, SECRET), tls=True))]
