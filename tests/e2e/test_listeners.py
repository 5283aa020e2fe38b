"""Both HTTP servers when clients or descriptors are short: whoever is slow does not keep others out, whoever comes while there
is no descriptor waits, and nothing spins."""

import os
import resource
import signal
import socket
import time

import objects
from api_wire import GOOD, Closed, Wire, head
from common import one_stream, stream, to_file
from firehose import Firehose
from harness import wait_until

HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def started(t, **more):
    return t.daemon(one_stream("app", to_file(t), **more)).start()


def connections(t, port, count):
    all_of_them = []
    t.on_end(lambda: [s.close() for s in all_of_them])
    for _ in range(count):
        all_of_them.append(socket.create_connection(("127.0.0.1", port), 20))
    return all_of_them


def test_connections_that_only_drip_do_not_keep_the_admin_server_from_others(t):
    d = started(t)
    drips = connections(t, d.admin_port, 80)  # more than it takes at once
    for s in drips:
        s.sendall(b"G")
    assert d.http("/healthz", timeout=20 * t.slow) == (200, "ok\n")
    for s in drips:
        try:
            s.sendall(b"E")
        except OSError:
            pass  # made room
    assert d.http("/healthz", timeout=20 * t.slow) == (200, "ok\n")
    d.stop()


def test_idle_connections_do_not_keep_the_admin_server_from_others(t):
    d = started(t)
    idle = connections(t, d.admin_port, 64)
    for s in idle:  # each has been served once
        s.sendall(HEALTHZ)
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
    assert d.http("/healthz", timeout=20 * t.slow) == (200, "ok\n")
    d.stop()


def test_answers_that_nobody_reads_do_not_keep_the_admin_server_from_others(t):
    d = started(t)
    for s in connections(t, d.admin_port, 64):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40)
    assert d.http("/healthz", timeout=20 * t.slow) == (200, "ok\n")
    d.stop()


def test_a_request_that_drips_is_cut_off_by_the_admin_server(t):
    """Each byte comes long before the server would call the client silent."""
    d = started(t)
    s, = connections(t, d.admin_port, 1)
    began = time.monotonic()

    def cut_off():
        try:
            s.sendall(b"x")
            s.setblocking(False)
            return s.recv(100) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            s.setblocking(True)
    s.sendall(b"GET / HTTP/1.1\r\nX: ")
    wait_until("cut off", cut_off, 40 * t.slow, period=0.5)
    assert time.monotonic() - began > 5, "too early"
    assert d.http("/healthz") == (200, "ok\n")
    d.stop()


def open_fds(d):
    return len(os.listdir(f"/proc/{d.process.pid}/fd"))


def without_descriptors(t, port_of, ask):
    """Nothing spins while connections wait for a descriptor, and they are served when there are some again."""
    d = started(t)
    assert ask(d)
    few, many = open_fds(d) + 2, resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (few, many[1]))
    waiting = connections(t, port_of(d), 20)
    d.wait_logged("connections wait: they cannot be accepted now", level="warn")
    used = d.cpu_seconds()
    time.sleep(1)  # what is measured
    assert d.cpu_seconds() - used < 0.5, "it spins"
    assert len(d.wait_logged("connections wait")) == 1, "said once"
    resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, many)
    assert ask(d)
    for s in waiting:
        s.close()
    d.stop()


def test_the_api_waits_for_descriptors(t):
    without_descriptors(t, lambda d: d.api_port, lambda d: Firehose(d.api_port).put("app", b"one"))


def test_the_admin_server_waits_for_descriptors(t):
    without_descriptors(t, lambda d: d.admin_port, lambda d: d.http("/healthz", timeout=20 * t.slow) == (200, "ok\n"))


def test_connections_over_the_limit_of_one_address_do_not_fill_the_house(t):
    d = t.daemon({"api": {"connections": 8, "connections_per_ip": 4}, "streams": {"app": stream(to_file(t))}}).start()
    held = connections(t, d.api_port, 4)
    wait_until("they are open", lambda: open_fds(d) >= 4, 10)
    for s in connections(t, d.api_port, 40):
        s.settimeout(20)
        try:
            assert s.recv(1) == b"", "closed"
        except ConnectionError:
            pass
    for s in held:
        s.close()
    wait_until("others get in", lambda: get_in(d), 10 * t.slow)
    d.stop()


def get_in(d):
    try:
        return Firehose(d.api_port).put("app", b"one")
    except (OSError, ValueError):
        return False


def test_a_put_that_uploads_while_it_stops_is_answered_and_never_half_taken(t):
    """The end of the body comes at every moment of the way out: taken and delivered, or refused; nothing in between."""
    for moment in range(6):
        d = t.daemon(one_stream("app", to_file(t, f"out{moment}")), name=f"sluice{moment}").start()
        answers = []
        with Wire(("127.0.0.1", d.api_port)) as slow, Wire(("127.0.0.1", d.api_port)) as never:
            for w in (slow, never):
                w.send(head(length=len(GOOD)) + GOOD[:20])
            time.sleep(0.05)  # the headers are there
            d.process.send_signal(signal.SIGTERM)
            d.wait_logged("stopping|draining|signal")
            time.sleep(0.6 * moment)  # 0 ... 3 s: before, while and after it waits for requests under way
            try:
                slow.send(GOOD[20:])
                answers.append(slow.answer()[0])
            except (Closed, OSError):
                answers.append(0)
            d.wait_exit()
        got = objects.lines(objects.read_dir(t.path(f"out{moment}"))) if os.path.isdir(t.path(f"out{moment}")) else []
        assert answers[0] in (200, 500, 0), answers
        assert (answers[0] == 200) == (got == [b"x"]), (moment, answers, got)


test_a_put_that_uploads_while_it_stops_is_answered_and_never_half_taken.timeout = 180
