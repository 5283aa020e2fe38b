"""The package, installed, upgraded, removed and purged in a fresh Debian 12; and the steps of the image, without a container engine.

    python3 tests/packaging/run.py [--keep]

Wants root, debootstrap, and a Debian mirror that can be reached; skips otherwise. Where the kernel lets it, systemd runs as process 1 of a root
of its own, and starts the service from its unit. The package before is this tree under a lower version. All of it lies in build/packaging.
"""

import argparse
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORK = os.path.join(SOURCE, "build", "packaging")
ENTER = os.path.join(SOURCE, "tests", "packaging", "enter.sh")
OLD = "0.1.9"
PURGED = "etc/sluice", "var/lib/sluice", "usr/bin/sluice", "lib/systemd/system/sluice.service"


class Skip(Exception):
    """It cannot be tried here; says why."""


def run(*command, check=True, **kw):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    assert not check or done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}"
    return done.stdout


def wait_until(what, check, timeout=60):
    deadline = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.2)


def rmdir(folder):
    try:
        os.rmdir(folder)
        return True
    except OSError:
        return False


# --- packages ---------------------------------------------------------------------------------------------------------


def version():
    with open(os.path.join(SOURCE, "pipeline/base/version.h"), encoding="utf-8") as f:
        return re.search(r'SLUICE_VERSION "(.*)"', f.read()).group(1)


def copy_source(tree):
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(SOURCE, tree, ignore=lambda at, names: {"build", ".git"} & set(names) if at == SOURCE else ())


def build(folder, as_version=None):
    """The package of the copy of the source tree that main() has made, in a folder of its own."""
    tree = os.path.join(WORK, folder)
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(os.path.join(WORK, "source"), tree)
    if as_version:
        for name, pattern in (("pipeline/base/version.h", r'(?<=SLUICE_VERSION ")[^"]*'),
                              ("config/packaging/debian/changelog", r"(?<=^sluice \()[^)]*")):
            path = os.path.join(tree, name)
            with open(path, encoding="utf-8") as f:
                text = re.sub(pattern, as_version, f.read(), count=1)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
    run(os.path.join(tree, "config/packaging/package.sh"))
    return glob.glob(os.path.join(tree, "build", "sluice_*.deb"))[0]


# --- roots ------------------------------------------------------------------------------------------------------------


class Root:
    """A fresh Debian 12, in which commands run; booted, they run beside its systemd."""

    def __init__(self, name):
        if os.getuid() != 0 or not shutil.which("debootstrap"):
            raise Skip("it wants root and debootstrap")
        base = os.path.join(WORK, "debian-12")
        if not os.path.exists(base + ".done"):
            shutil.rmtree(base, ignore_errors=True)
            try:
                run("debootstrap", "--variant=minbase", "bookworm", base, "http://deb.debian.org/debian")
            except AssertionError as e:
                raise Skip(f"Debian 12 cannot be had: {str(e)[-300:]}") from None
            with open(os.path.join(base, "etc/hosts"), "w", encoding="ascii") as f:
                f.write("127.0.0.1 localhost\n")
            open(base + ".done", "w", encoding="ascii").close()
        self.path = os.path.join(WORK, name)
        shutil.rmtree(self.path, ignore_errors=True)
        run("cp", "-aT", base, self.path)
        self.booted = self.pid = None

    def __call__(self, command, check=True, **kw):
        if self.pid:
            return run("nsenter", "-t", str(self.pid), "-a", "sh", "-c", command, check=check, **kw)
        return run(ENTER, self.path, "sh", "-c", command, check=check, **kw)

    def spawn(self, command, **kw):
        return subprocess.Popen([ENTER, self.path, "sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)

    def boot(self):
        """systemd as process 1. Skip: the kernel does not let it."""
        self.booted = subprocess.Popen([ENTER, "--boot", self.path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        try:
            wait_until("systemd runs", self._is_up, 60)
        except AssertionError as e:
            self.shut_down()
            raise Skip(f"systemd does not run here: {e}") from None

    def _is_up(self):
        assert self.booted.poll() is None, "it ends at once"
        child = run("pgrep", "-P", str(self.booted.pid), check=False).split()
        self.pid = int(child[0]) if child else None
        return self.pid and self("systemctl is-system-running", check=False).strip() in ("running", "degraded")

    def shut_down(self):
        if self.booted:
            self.booted.kill()
            self.booted.wait()
            for group in glob.glob(f"/sys/fs/cgroup/**/sluice-packaging-{self.booted.pid}", recursive=True):
                for folder, _, _ in os.walk(group, topdown=False):
                    wait_until(f"{folder} is empty", lambda at=folder: not os.path.exists(at) or rmdir(at))
        self.booted = self.pid = None

    def has(self, path):
        return os.path.lexists(os.path.join(self.path, path))

    def write(self, path, text):
        with open(os.path.join(self.path, path), "w", encoding="utf-8") as f:
            f.write(text)

    def copy(self, deb):
        shutil.copy(deb, os.path.join(self.path, "root"))
        return "./root/" + os.path.basename(deb)


def put(root, text):
    return root(f"echo {text} | sluice put --stream example -c /etc/sluice/sluice.yaml --give-up 20s")


def delivered(root):
    """All that lies in the folder of the installed configuration's stream."""
    return root("find /var/lib/sluice/out -type f -exec zcat {} + 2>/dev/null", check=False).split()


def metrics(family):
    """Its lines. The root shares the network with this machine."""
    with urllib.request.urlopen("http://127.0.0.1:9273/metrics", timeout=30) as answer:
        return "".join(line for line in answer.read().decode().splitlines(True) if line.startswith(family + "{"))


def delivered_of(stream):
    found = re.search(rf'stream="{stream}"}} (\d+)', metrics("sluice_delivered_records_total"))
    return found and int(found[1])


def set_up(root, deb):
    root("apt-get update")
    root(f"cd / && apt-get install -y --no-install-recommends {root.copy(deb)}")


def purge(root):
    return root("apt-get purge -y sluice")


CONFIG = "/etc/sluice/sluice.yaml"


def reloads(root, pid):
    """One that is refused says so to whoever asked for it, and nothing else comes of it."""
    root("systemctl reload sluice")
    root(f"cp {CONFIG} /root/good.yaml && echo 'nonsense: 1' >> {CONFIG}")
    assert root("systemctl reload sluice || echo refused", check=False).endswith("refused\n")
    assert "unknown key `nonsense`" in root("systemctl status sluice; journalctl -u sluice -o cat", check=False)
    assert root("systemctl is-active sluice").strip() == "active"
    root(f"sed -i '/^nonsense/d; s|^data_dir:.*|data_dir: /var/lib/sluice/other|' {CONFIG}")
    assert root("systemctl reload sluice || echo refused", check=False).endswith("refused\n"), "it takes a restart"
    root(f"cp /root/good.yaml {CONFIG} && systemctl reload sluice")
    assert root("systemctl show -p MainPID --value sluice").strip() == pid, "a reload restarts nothing"


# Something of all that a sluice can do. What is asked for at 127.0.0.1:9 is not there; the ways to it are gone all the same.
BIG = """
data_dir: /var/lib/sluice/data
api:
  listen: "127.0.0.1:4573"
  tls: { cert_file: /var/lib/sluice/tls/server.pem, key_file: /var/lib/sluice/tls/server.key }
admin: { listen: "127.0.0.1:9273" }
streams:
  example:
    inputs: [api, { tail: { paths: ["/var/log/sluice-test/*.log"], start: beginning } }]
    buffer: { size: 64KiB, interval: 1s }
    transform: { lua: /var/lib/sluice/t.lua }
    compression: zstd
    destination: { file: { path: /var/lib/sluice/out } }
    backup: { file: { path: /var/lib/sluice/failed } }
  parts:
    inputs: [{ tail: { paths: ["/var/log/sluice-test/*.log"], start: beginning } }]
    buffer: { size: 64KiB, interval: 1s }
    partition_keys: { n: '.n | tostring | .[0:1]' }
    compression: gzip
    destination: { file: { path: /var/lib/sluice/parts, prefix: "n=!{partitionKeyFromQuery:n}/" } }
    backup: { file: { path: /var/lib/sluice/failed } }
  queues:
    inputs:
      - mqtt: { url: "mqtt://127.0.0.1:1883", client_id: sluice, topics: ["t/#"], qos: 2 }
      - kafka: { brokers: ["127.0.0.1:9"], topics: [t], group: g }
      - sqs: { queue_url: "http://127.0.0.1:9/1/q", region: us-east-1, access_key_id: AK, secret_access_key: x }
      - kinesis: { stream: s, region: us-east-1, endpoint: "http://127.0.0.1:9", access_key_id: AK, secret_access_key: x }
      - sns: { listen: "127.0.0.1:4575", topics: ["arn:aws:sns:eu-west-1:123456789012:t"] }
      - stomp: { url: "stomp://127.0.0.1:9", destination: /queue/q }
      - amqp10: { url: "amqp://127.0.0.1:9", address: q }
      - amqp091: { url: "amqp://127.0.0.1:9", username: u, password: p, queue: q }
    buffer: { interval: 1s }
    durability: memory
    compression: snappy
    destination: { file: { path: /var/lib/sluice/queues } }
  away:
    inputs: [{ tail: { paths: ["/var/log/sluice-test/*.log"] } }]
    destination: { s3: { bucket: b, region: us-east-1, endpoint: "https://localhost:4573", credentials: { process: [/bin/sh, /var/lib/sluice/keys] }, tls: { ca_file: /var/lib/sluice/tls/server.pem } } }
"""
BIG_KEYS = """echo '{"Version": 1, "AccessKeyId": "AK", "SecretAccessKey": "x"}'"""
BIG_SCRIPT = """
function transform(r)
  local n = sluice.re.match(r.raw or tostring(r.n), "([0-9]+)")
  r.hash = sluice.hash.sha256(tostring(r.n))
  return r
end
"""


# --- cases ------------------------------------------------------------------------------------------------------------


def test_two_builds_in_different_folders_are_the_same(t):
    with open(t.new, "rb") as a, open(build("elsewhere/deeper"), "rb") as b:
        assert a.read() == b.read(), "the packages differ"


def test_its_whole_life_under_systemd(t):
    root = t.root("life")
    set_up(root, t.old)
    root.boot()
    wait_until("the service runs", lambda: root("systemctl is-active sluice", check=False).strip() == "active")
    assert OLD in root("sluice --version")
    put(root, "before")
    root("echo '# edited' >> /etc/sluice/sluice.yaml")

    root(f"cd / && apt-get install -y {root.copy(t.new)}")
    assert root("systemctl is-active sluice").strip() == "active"
    assert "version=" + version() in root("journalctl -u sluice -o cat")
    assert "# edited" in root("cat /etc/sluice/sluice.yaml")
    put(root, "after")

    pid = root("systemctl show -p MainPID --value sluice").strip()
    status = root(f"cat /proc/{pid}/status")
    assert re.search(r"Seccomp:\s+2", status) and re.search(r"NoNewPrivs:\s+1", status), status
    assert re.search(r"CapEff:\s+0+$", status, re.M), status
    assert root(f"stat -c %U /proc/{pid}").strip() == "sluice"
    exposure = re.search(r"exposure level for sluice.service: ([0-9.]+)", root("systemd-analyze security sluice --no-pager"))
    assert float(exposure.group(1)) < 2, exposure.group(0)
    reloads(root, pid)

    root("mkdir -p /etc/systemd/system/sluice.service.d && "
         "printf '[Service]\\nWatchdogSec=2\\n' > /etc/systemd/system/sluice.service.d/watchdog.conf && systemctl daemon-reload && "
         "systemctl restart sluice")
    pid = root("systemctl show -p MainPID --value sluice").strip()
    root(f"kill -STOP {pid}")
    wait_until("one that stands is started anew",
               lambda: root("systemctl show -p MainPID --value sluice").strip() not in (pid, "0"))
    wait_until("and runs", lambda: root("systemctl is-active sluice", check=False).strip() == "active")
    put(root, "again")
    root("systemctl stop sluice")
    assert sorted(delivered(root)) == ["after", "again", "before"], delivered(root)
    root("systemctl start sluice && rm -r /etc/systemd/system/sluice.service.d")

    root("apt-get remove -y sluice")
    assert root("systemctl is-active sluice", check=False).strip() != "active"
    assert root.has("var/lib/sluice/data") and root.has("etc/sluice/sluice.yaml")
    root("rm -r /var/lib/sluice/out")
    assert "stays" not in purge(root)
    assert not [path for path in PURGED if root.has(path)]


def test_no_system_call_that_it_needs_is_refused(t):
    """In the unit such a call fails. Here it ends the service, so that none passes unseen."""
    root = t.root("calls")
    set_up(root, t.new)
    root("apt-get install -y --no-install-recommends mosquitto-clients mosquitto openssl zstd")
    root.boot()
    wait_until("the service runs", lambda: root("systemctl is-active sluice", check=False).strip() == "active")
    root("systemctl start mosquitto; mkdir -p /var/log/sluice-test /etc/systemd/system/sluice.service.d /var/lib/sluice/tls && "
         "printf '[Service]\\nSystemCallErrorNumber=kill\\n' > /etc/systemd/system/sluice.service.d/kill.conf && "
         "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 "
         "-keyout /var/lib/sluice/tls/server.key -out /var/lib/sluice/tls/server.pem && chown -R sluice /var/lib/sluice/tls && "
         "for f in 1 2 3; do seq 1 30000 | sed 's/.*/{\"n\":&}/' > /var/log/sluice-test/$f.log; done && systemctl daemon-reload")
    root.write("etc/sluice/sluice.yaml", BIG)
    root.write("var/lib/sluice/t.lua", BIG_SCRIPT)
    root.write("var/lib/sluice/keys", BIG_KEYS)
    root("systemctl restart sluice")
    pid = root("systemctl show -p MainPID --value sluice").strip()
    wait_until("mqtt is read", lambda: 'input="mqtt"} 1' in metrics("sluice_input_connected"))
    root("mosquitto_pub -t t/a -q 2 -m hello; echo '{\"n\":1}' | sluice put --stream example -c /etc/sluice/sluice.yaml --give-up 20s")
    root("sed -i 's/interval: 1s }/interval: 2s }/' /etc/sluice/sluice.yaml && systemctl reload sluice")
    root("echo '{\"n\":2}' >> /var/log/sluice-test/1.log")
    for stream, records in (("example", 90002), ("parts", 90001), ("queues", 1)):
        wait_until(f"{stream} is delivered", lambda s=stream, n=records: delivered_of(s) == n, 120)
    assert root("systemctl show -p MainPID --value sluice").strip() == pid, root("journalctl -u sluice -o cat | tail -20")
    root("systemctl stop sluice")
    # It says what waits for `away`, and exits (1: CLD_EXITED); who is killed by the filter does not.
    assert "ExecMainCode=1\n" in root("systemctl show -p ExecMainCode sluice"), root("journalctl -u sluice -o cat | tail -20")


def test_its_exec_start_by_hand_as_its_user(t):
    root = t.root("by-hand")
    set_up(root, t.new)
    unit = root("cat /lib/systemd/system/sluice.service")
    line = re.search(r"(?m)^ExecStart=(.*)$", unit).group(1)
    d = root.spawn(f"install -d -o sluice -g sluice -m 0750 /var/lib/sluice && setpriv --reuid sluice --regid sluice --groups adm "
                   f"--no-new-privs --bounding-set=-all -- {line} & pid=$!; echo by-hand | sluice put --stream example "
                   f"-c /etc/sluice/sluice.yaml --give-up 20s; kill -TERM $pid; wait $pid")
    out, _ = d.communicate(timeout=120)
    assert d.returncode == 0, out.decode()
    assert delivered(root) == ["by-hand"], out.decode()
    assert root("dpkg --verify sluice", check=False) == ""


def test_records_that_wait_survive_a_purge_and_are_named(t):
    root = t.root("waits")
    set_up(root, t.new)
    root("sed -i 's|file: { path: /var/lib/sluice/out }|http: { url: \"http://127.0.0.1:9/\", format: lines }|' /etc/sluice/sluice.yaml")
    out = root("sluice validate --offline -c /etc/sluice/sluice.yaml; setpriv --reuid sluice --regid sluice --clear-groups -- sluice run -c /etc/sluice/sluice.yaml "
               "& pid=$!; echo waits | sluice put --stream example -c /etc/sluice/sluice.yaml --give-up 20s; kill -TERM $pid; kill -TERM $pid; wait $pid",
               check=False)
    assert "records are left" in out, out
    assert "records may wait" in root("apt-get remove -y sluice")
    said = purge(root)
    assert "/var/lib/sluice/data stays" in said, said
    assert root.has("var/lib/sluice/data/streams/example/spool") and not root.has("etc/sluice")


def docker_lines():
    """The instructions of the Dockerfile, per stage."""
    with open(os.path.join(SOURCE, "config/docker/Dockerfile"), encoding="utf-8") as f:
        lines = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    stages = []
    for line in lines:
        if line.startswith("FROM "):
            stages.append([])
        else:
            stages[-1].append(line.split(" ", 1))
    return stages


def test_the_steps_of_the_image_as_pid_1_as_any_user_with_a_read_only_root(t):
    building, final = docker_lines()
    root = t.root("image-build")
    copy_source(os.path.join(root.path, "src"))
    for word, rest in building:
        if word == "RUN":
            root("cd /src && " + rest)
    image = t.root("image")
    for word, rest in final:
        if word == "RUN":
            image(rest)
        elif word == "COPY":
            origin, target = [w for w in rest.split() if not w.startswith("--")]
            at = os.path.join(image.path, target.lstrip("/"))
            os.makedirs(os.path.dirname(at), exist_ok=True)
            shutil.copy(os.path.join(root.path if "--from" in rest else SOURCE, origin.lstrip("/")), at)
    assert "not found" not in image("ldd /usr/bin/sluice")
    for user in ("10001", "12345"):
        d = subprocess.Popen([ENTER, image.path, "setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs",
                              "--bounding-set=-all", "/usr/bin/sluice", "run", "-c", "/etc/sluice/sluice.yaml"],
                             env={**os.environ, "READ_ONLY": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        child = []
        try:
            for line in d.stdout:
                if "msg=running" in line:
                    break
                assert d.poll() is None, line
            child = run("pgrep", "-P", str(d.pid)).split()
            with open(f"/proc/{child[0]}/status", encoding="ascii") as f:
                status = f.read()
            assert re.search(rf"Uid:\s+{user}\s", status) and re.search(r"NSpid:\s+\d+\s+1$", status, re.M), status
            said = run("nsenter", "-t", child[0], "-m", "-p", "-r", "-w", "sh", "-c",
                       "touch /usr/x 2>&1; echo image | sluice put --stream example -c /etc/sluice/sluice.yaml --give-up 20s 2>&1")
            assert "Read-only file system" in said and "put 1 record" in said, said
            os.kill(int(child[0]), signal.SIGTERM)
            rest = d.stdout.read()
            assert d.wait(60) == 0 and "everything is delivered" in rest, rest
        finally:
            d.kill()
            d.wait()


# --- the run ----------------------------------------------------------------------------------------------------------


class Case:
    def __init__(self, old, new):
        self.old, self.new, self.roots = old, new, []

    def root(self, name):
        self.roots.append(Root(name))
        return self.roots[-1]

    def end(self, keep):
        for root in self.roots:
            root.shut_down()
            if not keep:
                shutil.rmtree(root.path, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", action="store_true", help="leave the roots where they are")
    parser.add_argument("--built", action="store_true", help="with the packages that the last run has built")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    args = parser.parse_args()
    os.makedirs(WORK, exist_ok=True)
    if args.built:
        new, old = (glob.glob(os.path.join(WORK, folder, "build", "sluice_*.deb"))[0] for folder in ("new", "old"))
    else:
        copy_source(os.path.join(WORK, "source"))
        new, old = build("new"), build("old", OLD)
    passed = failed = skipped = 0
    for name, case in list(globals().items()):
        if not name.startswith("test_") or args.only not in name:
            continue
        t, began = Case(old, new), time.monotonic()
        try:
            case(t)
            passed += 1
            print(f"ok - {name} ({time.monotonic() - began:.0f} s)", flush=True)
        except Skip as e:
            skipped += 1
            print(f"skip - {name}: {e}", flush=True)
        except Exception as e:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok - {name}\n#   {type(e).__name__}: " + str(e).replace("\n", "\n#   "), flush=True)
        finally:
            t.end(args.keep)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
