"""rsyslog, syslog-ng and logger send the lines of a file to the input syslog, by each way that it has: each line is there, once; by RELP also through
kill -9 of sluice."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import objects  # noqa: E402
from certificates import make_certificates  # noqa: E402
from common import stream  # noqa: E402
from harness import free_port, wait_until  # noqa: E402

COUNT, INSTALL_SECONDS, SKIPPED = 1500, 300, 77


def installed(t):
    """The folder that has both of them."""
    done = subprocess.run(["sh", os.path.join(HERE, "syslog_senders.sh")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=INSTALL_SECONDS,
                          text=True, check=False)
    if done.returncode == SKIPPED:
        t.skip((done.stdout.strip().splitlines() or ["cannot be installed"])[-1])
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout.strip().splitlines()[-1]


class Sender:
    """It reads the file `lines` of the case, as that grows, and sends each line to every one of `ports`: {way: port}."""

    def __init__(self, t, ports):
        self.t, self.root, self.ports, self.process = t, installed(t), ports, None
        self.lines = t.path("lines")
        open(self.lines, "ab").close()
        with open(t.path(self.name + ".conf"), "w", encoding="utf-8") as f:
            f.write(self.config())
        t.on_end(self.end)

    def start(self):
        with open(self.t.path(self.name + ".log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.t.dir,
                                            env={**os.environ, "LD_LIBRARY_PATH": os.path.join(self.root, "lib-all")})
        return self

    def feed(self, lines):
        with open(self.lines, "ab") as f:
            f.write(lines)

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self):
        with open(self.t.path(self.name + ".log"), encoding="utf-8", errors="replace") as f:
            return f.read()


class Rsyslog(Sender):
    name = "rsyslog"
    ways = ("udp", "tcp", "tls", "relp", "relps")
    # Of each action: what it is like, as rsyslog sends by default and as RFC 5424 has it.
    ACTIONS = {
        "udp": 'type="omfwd" protocol="udp"',
        "tcp": 'type="omfwd" protocol="tcp" template="RSYSLOG_SyslogProtocol23Format" TCP_Framing="octet-counted"',
        "tls": 'type="omfwd" protocol="tcp" StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/certvalid"',
        "relp": 'type="omrelp" template="RSYSLOG_SyslogProtocol23Format"',
        "relps": 'type="omrelp" tls="on" tls.caCert="%(ca)s" tls.myCert="%(cert)s" tls.myPrivKey="%(key)s" tls.authMode="certvalid"',
    }

    def config(self):
        files = {"ca": self.t.path("ca.pem"), "cert": self.t.path("client.crt"), "key": self.t.path("client.key")}
        text = f'global(workDirectory="{self.t.dir}" maxMessageSize="64k" defaultNetstreamDriverCAFile="{files["ca"]}")\n' \
            'module(load="imfile")\nmain_queue(queue.type="FixedArray" queue.size="5000")\n'
        if any(way.startswith("relp") for way in self.ports):
            text += 'module(load="omrelp" tls.tlslib="openssl")\n'
        text += f'input(type="imfile" File="{self.lines}" Tag="app:" persistStateInterval="100")\n'
        for way, port in self.ports.items():
            text += f'action({self.ACTIONS[way] % files} target="127.0.0.1" port="{port}" action.resumeRetryCount="-1" action.resumeInterval="1"' \
                ' action.resumeIntervalMax="1" queue.type="LinkedList" queue.size="5000" queue.timeoutEnqueue="100000000")\n'
        return text

    def command(self):
        modules = next(os.path.join(self.root, "usr/lib", d, "rsyslog") for d in os.listdir(os.path.join(self.root, "usr/lib")) if d.endswith("-gnu"))
        return [os.path.join(self.root, "usr/sbin/rsyslogd"), "-n", "-f", self.t.path(self.name + ".conf"), "-i", self.t.path(self.name + ".pid"),
                "-M", modules]


class SyslogNg(Sender):
    name = "syslog-ng"
    ways = ("udp", "tcp", "tls")
    DESTINATIONS = {
        "udp": 'network("127.0.0.1" port(%d) transport("udp"))',
        "tcp": 'network("127.0.0.1" port(%d) transport("tcp"))',
        "tls": 'syslog("127.0.0.1" port(%d) transport("tls") tls(ca-file("{ca}") peer-verify(required-trusted)))',
    }

    def config(self):
        text = '@version: 3.38\noptions { time-reopen(1); keep-hostname(yes); log-fifo-size(20000); stats-freq(0); };\n' \
            f'source lines {{ file("{self.lines}" flags(no-parse) program-override("app") follow-freq(0.1)); }};\n'
        for way, port in self.ports.items():
            text += f"destination {way} {{ {self.DESTINATIONS[way] % port}; }};\n".replace("{ca}", self.t.path("ca.pem"))
            text += f"log {{ source(lines); destination({way}); flags(flow-control); }};\n"
        return text

    def command(self):
        at = self.t.path(self.name)
        return [os.path.join(self.root, "usr/sbin/syslog-ng"), "-F", "--no-caps", "-f", at + ".conf", "-R", at + ".persist", "-p", at + ".pid",
                "-c", at + ".control", "--module-path", os.path.join(self.root, "usr/lib/syslog-ng/3.38")]


def listener(t, way, port, **more):
    tls = {"tls": {"cert_file": t.path("server.crt"), "key_file": t.path("server.key")}} if way.endswith("s") else {}
    return {"syslog": {"listen": f"{way}://127.0.0.1:{port}", **tls, **more}}


def numbered(first, count):
    return b"".join(b"number %d \xc3\xbc\n" % n for n in range(first, first + count))


def numbers(t, way):
    """What arrived by this way, as it was sent."""
    records = [json.loads(line) for line in objects.lines(objects.read_dir(t.path(way)))]
    assert all(r["app"] == "app" for r in records), records[0]
    found = [int(r["message"].split()[1]) for r in records]
    assert all(r["message"] == f"number {n} ü" for r, n in zip(records, found)), records[0]
    return sorted(found)


def lost(d, way):
    """Datagrams for which the kernel had no room, as the daemon counts them."""
    return int(d.metrics().get("sluice_input_lost_total", stream=way)) if way == "udp" else 0


def sends(t, kind):
    make_certificates(t)
    ports = {way: free_port() for way in kind.ways}
    d = t.daemon({"streams": {way: stream({"file": {"path": t.path(way)}}, inputs=[listener(t, way, port)], interval="0s")
                              for way, port in ports.items()}}).start()
    sender = kind(t, ports).start()
    sender.feed(numbered(0, COUNT))
    for way in ports:
        wait_until(f"all is there by {way}", lambda way=way: len(numbers(t, way)) + lost(d, way) == COUNT, 60, period=0.2)
        assert len(set(numbers(t, way))) == COUNT or way == "udp", way
    # It dies while it is sent to, and is back at once.
    sender.feed(numbered(COUNT, COUNT))
    d.kill9()
    d.start()
    sender.feed(numbered(2 * COUNT, COUNT))
    for way in ports:
        wait_until(f"it goes on by {way}", lambda way=way: numbers(t, way)[-1] >= 2 * COUNT, 60, period=0.2)
        if way.startswith("relp"):
            wait_until(f"all is there by {way}", lambda way=way: set(numbers(t, way)) == set(range(3 * COUNT)), 60, period=0.2)
    sender.end()
    d.stop()


def logger_sends(t):
    udp, tcp, local = free_port(), free_port(), t.path("log")
    d = t.daemon({"streams": {"app": stream({"file": {"path": t.path("app")}}, interval="0s", inputs=[
        {"syslog": {"listen": [f"udp://127.0.0.1:{udp}", f"tcp://127.0.0.1:{tcp}", f"unixgram://{local}"]}}])}}).start()
    at = ["--server", "127.0.0.1", "--port"]
    for k, way in enumerate((["--udp", *at, str(udp)], ["--tcp", *at, str(tcp)], ["--tcp", "--octet-count", *at, str(tcp)], ["--rfc3164", "--udp", *at, str(udp)],
                             ["--socket", local])):
        said = subprocess.run(["logger", "--tag", "app", "--priority", "auth.warning", *way], check=False, capture_output=True, text=True, timeout=60,
                              input="".join(f"number {n} ü\n" for n in range(100 * k, 100 * k + 100)))
        assert said.returncode == 0, said.stderr
    d.wait_delivered("app", 500)
    assert numbers(t, "app") == list(range(500))
    records = [json.loads(line) for line in objects.lines(objects.read_dir(t.path("app")))]
    assert {(r["facility"], r["severity"]) for r in records} == {("auth", "warning")}
    d.stop()


def scenarios():
    return [("rsyslog:sends_by_each_way", lambda t: sends(t, Rsyslog)), ("syslog_ng:sends_by_each_way", lambda t: sends(t, SyslogNg)),
            ("logger:sends_by_each_way", logger_sends)]
