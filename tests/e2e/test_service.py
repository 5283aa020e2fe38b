"""What a service manager hears on NOTIFY_SOCKET: ready, alive, how the streams are, the end."""

import os
import socket
import threading

from common import one_stream, to_file
from firehose import Firehose
from harness import wait_until


class Manager:
    """The socket of a service manager. `heard` is all that came, in order, a list of dicts. It is read all the time, as a manager does: a
    queue that is full (of signs of life, while a case does something else) would cost a message that comes once."""

    def __init__(self, t, name):
        self.address = name.replace("@", "\0", 1)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.heard = []
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        with self.socket:
            while True:
                text = self.socket.recv(4096).decode()
                if text == "END":
                    return
                self.heard.append(dict(line.split("=", 1) for line in text.split("\n")))

    def wait(self, t, what, check):
        return wait_until(what, lambda: [m for m in list(self.heard) if check(m)], 30 * t.slow)

    def all(self):
        """What was heard up to now; it hears nothing more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"END", self.address)
        self.thread.join()
        return self.heard


def test_a_service_manager_hears_that_it_is_ready_alive_and_stopping(t):
    manager = Manager(t, f"@sluice-test-{os.getpid()}")
    d = t.daemon(one_stream("app", to_file(t), interval="0s"))
    d.env = {"NOTIFY_SOCKET": f"@sluice-test-{os.getpid()}", "WATCHDOG_USEC": "400000"}
    d.start()
    manager.wait(t, "that it is ready", lambda m: m == {"READY": "1"})
    manager.wait(t, "how it is", lambda m: m.get("STATUS") == "1 stream")
    wait_until("three signs of life", lambda: manager.heard.count({"WATCHDOG": "1"}) >= 3, 30 * t.slow)
    assert manager.heard[0] == {"READY": "1"}, manager.heard
    Firehose(d.api_port).put("app", b"one")
    d.stop()
    heard = manager.all()
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
    assert manager.all() == [], manager.heard


def test_a_manager_that_is_deaf_holds_nothing_up(t):
    d = t.daemon(one_stream("app", to_file(t), interval="0s"))
    d.env = {"NOTIFY_SOCKET": t.path("nobody"), "WATCHDOG_USEC": "400000"}
    d.start()
    d.wait_logged("service manager is not reached.*No such file", level="warn")
    Firehose(d.api_port).put("app", b"one")
    d.wait_delivered("app", 1)
    d.stop()
