"""What a service manager hears on NOTIFY_SOCKET: ready, alive, how the streams are, the end."""

import os
import socket

from common import one_stream, to_file
from firehose import Firehose
from harness import wait_until


class Manager:
    """The socket of a service manager. `heard` is all that came, in order, a list of dicts."""

    def __init__(self, t, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0", 1))
        self.socket.setblocking(False)
        t.on_end(self.socket.close)
        self.heard = []

    def listen(self):
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except BlockingIOError:
                return self.heard
            self.heard.append(dict(line.split("=", 1) for line in text.split("\n")))

    def wait(self, t, what, check):
        return wait_until(what, lambda: [m for m in self.listen() if check(m)], 30 * t.slow)


def test_a_service_manager_hears_that_it_is_ready_alive_and_stopping(t):
    manager = Manager(t, f"@sluice-test-{os.getpid()}")
    d = t.daemon(one_stream("app", to_file(t), interval="0s"))
    d.env = {"NOTIFY_SOCKET": f"@sluice-test-{os.getpid()}", "WATCHDOG_USEC": "400000"}
    d.start()
    manager.wait(t, "that it is ready", lambda m: m == {"READY": "1"})
    manager.wait(t, "how it is", lambda m: m.get("STATUS") == "1 stream")
    wait_until("three signs of life", lambda: manager.listen().count({"WATCHDOG": "1"}) >= 3, 30 * t.slow)
    assert manager.heard[0] == {"READY": "1"}, manager.heard
    Firehose(d.api_port).put("app", b"one")
    d.stop()
    heard = manager.listen()
    assert heard[-1]["STOPPING"] == "1" and int(heard[-1]["EXTEND_TIMEOUT_USEC"]) > 0, heard[-1]


def test_nobody_is_told_that_a_service_is_ready_that_cannot_start(t):
    path = t.path("notify")
    manager = Manager(t, path)
    d = t.daemon(one_stream("app", to_file(t)))
    with open(t.path("in-the-way"), "w", encoding="ascii"):
        pass
    with open(d.config_path, encoding="utf-8") as f:
        text = f.read().replace(d.data_dir, t.path("in-the-way"))
    d.configure(text)
    d.env = {"NOTIFY_SOCKET": path}
    d.expect_exit = 1
    d.spawn().wait_exit()
    assert manager.listen() == [], manager.heard


def test_a_manager_that_is_deaf_holds_nothing_up(t):
    d = t.daemon(one_stream("app", to_file(t), interval="0s"))
    d.env = {"NOTIFY_SOCKET": t.path("nobody"), "WATCHDOG_USEC": "400000"}
    d.start()
    d.wait_logged("service manager is not reached.*No such file", level="warn")
    Firehose(d.api_port).put("app", b"one")
    d.wait_delivered("app", 1)
    d.stop()
