"""The real daemon under test: start, stop, kill, restart, its metrics, its log lines, its books.

A case is a function `test_<what_holds>(t)`; `t` is a Case: its folder, and factories whose products are taken down when
the case ends. Python's standard library only.

    def test_what_goes_in_comes_out(t):
        d = t.daemon({"streams": {"app": {"inputs": ["api"], "destination": {"file": {"path": "out"}}}}})
        d.start()
        ...
        d.assert_books("app")
"""

import fcntl
import functools
import json
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

SANITIZER_REPORT = re.compile(
    rb"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w+Sanitizer)"
)
SANITIZER_ENV = {
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "TSAN_OPTIONS": "exitcode=66:second_deadlock_stack=1",
}
JITTER = os.path.join("tests", "e2e", "test_jitter.so")  # in the build's folder


class Skip(Exception):
    """The case cannot run here; says why."""


class Ports:
    """Loopback ports below the kernel's ephemeral range, so that no outgoing connection takes one meanwhile. Each process has a
    share of its own, which a locked file marks as taken until the process ends, also beside other runs on the machine: a
    daemon that still tries to reach a peer that is down must not meet the peer of another case there.

    Some servers (SeaweedFS) also use the ports right behind theirs and 10000 above: `family` is how many. Those above are
    below the ephemeral range as well, and nobody else's."""

    FIRST, SHARES, SHARE = 22800, 36, 200
    FAMILIES, FAMILIES_COUNT = 20000, 2700

    def __init__(self):
        self._lock = None
        self._begin = self._next = 0

    def _claim(self):
        first = random.SystemRandom().randrange(self.SHARES)
        folder = os.path.join(tempfile.gettempdir(), f"sluice-test-ports-{os.getuid()}")
        os.makedirs(folder, exist_ok=True)
        for i in range(self.SHARES):
            share = (first + i) % self.SHARES
            lock = open(os.path.join(folder, str(share)), "w", encoding="ascii")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            self._lock, self._begin = lock, self.FIRST + share * self.SHARE
            self._next = random.SystemRandom().randrange(self.FAMILIES_COUNT)
            return
        raise RuntimeError("no free share of ports")

    def take(self, family=1):
        if self._lock is None:
            self._claim()
        first, count = (self.FAMILIES, self.FAMILIES_COUNT) if family > 1 else (self._begin, self.SHARE)
        for _ in range(count):
            port, self._next = first + self._next % count, self._next + family
            if all(self._is_free(port + i) for i in range(family)):
                return port
        raise RuntimeError("no free port")

    @staticmethod
    def _is_free(port):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                return False
            return True


ports = Ports()
free_port = ports.take


class Dawdler:
    """A test on a machine with too much to do: now and then its next step comes up to a second later. There is a most of it in a
    case, since some make thousands of calls. Off, unless run.py is asked for --jitter."""

    LONGEST, IN_ALL, ONE_IN = 1.2, 6.0, 8

    def __init__(self):
        self.random, self.left = random.Random(), 0.0

    def begin(self, seed):
        self.random.seed(seed)
        self.left = self.IN_ALL

    def __call__(self):
        if self.left > 0 and self.random.randrange(self.ONE_IN) == 0:
            seconds = self.random.uniform(0, self.LONGEST)
            self.left -= seconds
            time.sleep(seconds)


dawdle = Dawdler()


def wait_until(what, check, timeout, period=0.05):
    """Returns check()'s first true value; AssertionError that names `what` when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            dawdle()
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what}")
        time.sleep(period)


def to_yaml(value, indent=0):
    """Block YAML of dicts, lists and scalars; strings are quoted where YAML would read something else."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{k}:{_yaml_child(v, indent)}" for k, v in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{pad}-{_yaml_child(v, indent)}" for v in value)
    raise TypeError(f"not a YAML collection: {value!r}")


def _yaml_child(value, indent):
    if isinstance(value, (dict, list)) and value:
        return "\n" + to_yaml(value, indent + 1)
    return f" {_yaml_scalar(value)}\n"


def _yaml_scalar(value):
    if isinstance(value, str):
        return value if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/ -]*", value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


_PAIR = re.compile(r'([A-Za-z0-9_.]+)=("(?:[^"\\]|\\.)*"|[^ ]*)')


def parse_logfmt(line):
    out = {}
    for key, value in _PAIR.findall(line):
        if value.startswith('"'):
            value = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m.group(1), m.group(1)), value[1:-1])
        out[key] = value
    return out


_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)(?: [0-9]+)?$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """One scrape of /metrics. get() adds up the samples that carry the given labels."""

    def __init__(self, text):
        self.text = text
        self.samples = []
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            found = _SAMPLE.match(line)
            assert found, f"not a Prometheus sample: {line!r}"
            self.samples.append((found.group(1), dict(_LABEL.findall(found.group(2) or "")), float(found.group(3))))

    def get(self, name, **labels):
        values = [v for n, have, v in self.samples if n == name and labels.items() <= have.items()]
        assert values, f"no metric {name} {labels}"
        return sum(values)

    def has(self, name):
        return any(n == name for n, _, _ in self.samples)


class Books:
    """One stream's books, from one scrape."""

    def __init__(self, metrics, stream):
        def read(name):
            return int(metrics.get("sluice_" + name, stream=stream))

        self.incoming = read("incoming_records_total")
        self.delivered = read("delivered_records_total")
        self.dropped = read("dropped_records_total")
        self.unwanted = read("unwanted_records_total")
        self.backed_up = read("backed_up_records_total")
        self.corrupt = read("corrupt_records_total")
        self.returned = read("returned_records_total")
        self.spooled = read("spooled_records")

    def __repr__(self):
        return " ".join(f"{k}={v}" for k, v in vars(self).items())

    def assert_balanced(self):
        out = self.delivered + self.dropped + self.unwanted + self.backed_up + self.corrupt + self.returned + self.spooled
        assert self.incoming == out, f"the books do not balance: {self}"


class Daemon:
    """One `sluice run`. Start it any number of times; config, data and log stay."""

    def __init__(self, binary, config, workdir, name="sluice", slow=1.0):
        self.binary, self.workdir, self.name, self.slow = binary, workdir, name, slow
        self.config_path = os.path.join(workdir, name + ".yaml")
        self.log_path = os.path.join(workdir, name + ".log")
        self.process = None
        self.env = {}
        self.expect_exit = 0
        self.configure(config)

    def configure(self, config):
        """`config`: a dict (ports and data_dir are filled in), or YAML text taken as it is."""
        self.api_port = self.admin_port = None
        if isinstance(config, dict):
            config = self._complete(config)
        # It may leave when that is over; a thread that has just ended is then joined by nobody.
        self.may_leave = "grace:" in config
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(config)

    def _complete(self, config):
        config = dict(config)
        config.setdefault("data_dir", os.path.join(self.workdir, self.name + "-data"))
        self.data_dir = config["data_dir"]
        self.admin_port = free_port()
        config["admin"] = {"listen": f"127.0.0.1:{self.admin_port}", **config.get("admin", {})}
        if any("api" in s.get("inputs", ["api"]) for s in config["streams"].values()):
            self.api_port = free_port()
            config["api"] = {"listen": f"127.0.0.1:{self.api_port}", **config.get("api", {})}
        return to_yaml(config)

    # --- life ---------------------------------------------------------------------------------------------------

    def spawn(self, *args, stdin=subprocess.DEVNULL, stdout=None):
        """Starts the process and does not wait for anything."""
        env = {**os.environ, **SANITIZER_ENV, **self.env}
        if "TEST_JITTER" in env and env["LD_PRELOAD"] != os.environ["LD_PRELOAD"]:
            env["LD_PRELOAD"] += " " + os.environ["LD_PRELOAD"]
        if self.may_leave:
            env["TSAN_OPTIONS"] += ":report_thread_leaks=0"
        with open(self.log_path, "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                [self.binary, "run", "-c", self.config_path, *args],
                cwd=self.workdir, env=env, stdin=stdin, stdout=stdout or log, stderr=log,
            )
        return self

    def start(self, *args, **kw):
        """Starts it and waits for the line that says it is running: all servers listen then."""
        self.spawn(*args, **kw)
        wait_until(f"{self.name} is up, see {self.log_path}", self._is_up, 20 * self.slow)
        return self

    def _is_up(self):
        code = self.process.poll()
        assert code is None, f"{self.name} ended with {code} while starting:\n{self.log_text()[-3000:]}"
        return any(line.get("msg") == "running" for line in self.log(this_run=True))

    def running(self):
        return self.process is not None and self.process.poll() is None

    def wait_exit(self, timeout=30):
        """Waits for the end and checks it: exit code as expected, no sanitizer report."""
        try:
            code = self.process.wait(timeout * self.slow)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout * self.slow:.0f} s") from None
        self.check_log()
        assert code == self.expect_exit, (
            f"{self.name} ended with {code}, not {self.expect_exit}:\n{self.log_text()[-3000:]}"
        )
        return code

    def stop(self, timeout=30):
        self.process.send_signal(signal.SIGTERM)
        return self.wait_exit(timeout)

    def kill9(self):
        self.process.kill()
        self.process.wait()
        self.check_log()

    def restart(self):
        self.stop()
        self.start()

    def take_down(self):
        """The end of a case, whatever happened: nothing is left running."""
        if self.running():
            self.process.kill()
            self.process.wait()

    # --- what it says -------------------------------------------------------------------------------------------

    def log_text(self, this_run=False):
        with open(self.log_path, "rb") as f:
            f.seek(self.log_start if this_run else 0)
            return f.read().decode("utf-8", "replace")

    def log(self, this_run=False):
        return [parse_logfmt(line) for line in self.log_text(this_run).splitlines() if "level=" in line]

    def logged(self, pattern, level=None):
        """Lines that match the regular expression, as text."""
        return [
            line for line in self.log_text().splitlines()
            if re.search(pattern, line, re.I) and (level is None or f"level={level}" in line)
        ]

    def wait_logged(self, pattern, timeout=20, level=None):
        """A thread of its own writes the log, so a line may come later than what it tells of."""
        def lines():
            over = not self.running()
            found = self.logged(pattern, level)
            assert found or not over, f"{self.name} has ended and not said anything like {pattern!r}:\n{self.log_text()[-3000:]}"
            return found
        return wait_until(f"a log line like {pattern!r}", lines, timeout * self.slow)

    def check_log(self):
        with open(self.log_path, "rb") as f:
            text = f.read()
        found = SANITIZER_REPORT.search(text)
        assert not found, f"a sanitizer reports:\n{text[found.start():found.start() + 4000].decode('utf-8', 'replace')}"

    def http(self, path, timeout=10):
        """(status, text) of the admin server; (0, "") when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=timeout * self.slow) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except OSError:
            return 0, ""

    def metrics(self):
        status, text = self.http("/metrics")
        assert status == 200, f"/metrics answers {status}"
        return Metrics(text)

    # --- books --------------------------------------------------------------------------------------------------

    def retry_waits(self, stream):
        """Seconds that the daemon means to wait after each failed attempt it has logged of this stream, in order."""
        lines = self.logged(rf"delivery failed.*stream={re.escape(stream)} ")
        return [int(re.search(r" retry_ms=(\d+)", line).group(1)) / 1000 for line in lines]

    def books(self, stream):
        return Books(self.metrics(), stream)

    def assert_books(self, *streams):
        scrape = self.metrics()
        for stream in streams:
            Books(scrape, stream).assert_balanced()

    def wait_delivered(self, stream, count, timeout=60):
        """Until `count` records are delivered and none is left in the spool."""
        def done():
            assert self.running(), f"{self.name} has ended:\n{self.log_text()[-3000:]}"
            b = self.books(stream)
            b.assert_balanced()
            self.last_books = b
            return b.delivered >= count and b.spooled == 0
        try:
            wait_until(f"{count} records delivered", done, timeout * self.slow)
        except AssertionError as e:
            raise AssertionError(f"{e}; {self.last_books}\n{self.log_text()[-2000:]}") from None
        assert self.last_books.delivered == count, f"{count} records were expected: {self.last_books}"
        return self.last_books

    # --- what it uses -------------------------------------------------------------------------------------------

    def _proc_status(self, key):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) * 1024
        raise KeyError(key)

    def rss(self):
        return self._proc_status("VmRSS")

    def peak_rss(self):
        return self._proc_status("VmHWM")

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def disk_bytes(self):
        total = 0
        for folder, _, names in os.walk(self.data_dir):
            for name in names:
                try:
                    total += os.stat(os.path.join(folder, name)).st_blocks * 512
                except FileNotFoundError:
                    pass
        return total


class Case:
    """What a test function gets: a folder of its own and things that are taken down behind it."""

    def __init__(self, build, folder, seed=1, jitter=False):
        self.build, self.dir = os.path.abspath(build), folder
        self.binary = os.path.join(self.build, "sluice")
        self.seed, self.random = seed, random.Random(seed)
        self.sanitized = _has_sanitizer(self.binary)
        self.slow = 4.0 if self.sanitized else 1.0
        self.threads_checked = _has_sanitizer(self.binary, (b"__tsan_init",))
        self.tight = f"{os.sep}tight{os.sep}" in self.binary  # the build with small limits
        if jitter:  # the process is this case's own
            self.slow = 4.0
            os.environ.update({"LD_PRELOAD": os.path.join(self.build, JITTER), "TEST_JITTER": str(seed)})
        self._down = []

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def on_end(self, fn):
        self._down.append(fn)

    def daemon(self, config, name="sluice"):
        d = Daemon(self.binary, config, self.dir, name, self.slow)
        self.on_end(d.take_down)
        return d

    def skip(self, why):
        raise Skip(why)

    def take_down(self):
        for fn in reversed(self._down):
            fn()
        self._down.clear()


@functools.cache
def _has_sanitizer(binary, marks=(b"__asan_init", b"__tsan_init")):
    try:
        with open(binary, "rb") as f:
            data = f.read()
    except FileNotFoundError:
        return False
    return any(mark in data for mark in marks)
