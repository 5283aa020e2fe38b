"""Few file descriptors: tailed files leave delivery, the spool, the API and the admin pages what they need. And what is too few,
of descriptors or of address space, is refused in words before anything is opened."""

import os
import re
import socket
import stat
import subprocess

from common import one_stream, to_file
from firehose import Firehose
from harness import free_port
from test_names import Peer
from test_proxy import lines_to
from test_transform import script
from tail_cases import Followed


def with_limit(t, limit, option="-n"):
    """The binary, run with a hard limit: of open files, or what else `ulimit` has an option for."""
    script = t.path("limited")
    with open(script, "w", encoding="ascii") as f:
        f.write(f'#!/bin/sh\nulimit {option} {limit} || exit 126\nexec "{t.binary}" "$@"\n')
    os.chmod(script, stat.S_IRWXU)
    return script


def limited(t, d, limit):
    d.binary = with_limit(t, limit)


def everything_is_delivered(t, limit, files, tails=1):
    w = Followed(t, paths=["*.log"])
    options = {"paths": [w.path("*.log")], "start": "beginning", "rescan": "1s"}
    streams = {
        f"tail{i}": one_stream("x", to_file(t, f"out{i}"), inputs=[{"tail": options}])["streams"]["x"] for i in range(tails)
    }
    streams["app"] = one_stream("x", to_file(t, "out"))["streams"]["x"]
    d = w.d = t.daemon({"api": {"threads": 2}, "streams": streams}, name="limited")
    limited(t, d, limit)
    for i in range(files):
        w.write(f"{i}.log", b"first line of %d\n" % i)
    d.start()
    client = Firehose(d.api_port)
    client.put("app", b"the first")
    idle = [socket.create_connection(("127.0.0.1", d.api_port)) for _ in range(limit)]
    for c in idle:
        t.on_end(c.close)
    for i in range(3):
        client.put("app", b"a record %d" % i)
        assert d.http("/readyz")[0] == 200
        for k in range(files):
            w.write(f"{k}.log", b"line %d of %d\n" % (i, k))
    for i in range(tails):
        d.wait_delivered(f"tail{i}", len(w.expected))
    d.wait_delivered("app", 4)
    assert d.http("/readyz")[0] == 200
    held = len(os.listdir(f"/proc/{d.process.pid}/fd"))
    assert held < limit - 4, f"{held} of {limit} descriptors are in use"
    d.stop()
    assert not d.logged("check the disk")


def test_64_descriptors(t):
    everything_is_delivered(t, 64, 300)


def test_128_descriptors_for_two_tails(t):
    everything_is_delivered(t, 128, 300, tails=2)


def test_256_descriptors_for_three_tails(t):
    everything_is_delivered(t, 256, 300, tails=3)


def small(t):
    """A stream that is fed by the API and by a file, with a transform, to where names are to be looked up."""
    peer = Peer(t, free_port())
    with open(t.path("app.log"), "wb") as f:
        f.write(b'{"a": 1}\n')
    tail = {"tail": {"paths": [t.path("app.log")], "start": "beginning"}}
    config = one_stream("app", lines_to(f"http://localhost:{peer.port}"), inputs=["api", tail],
                        transform=[{"lua": script(t, "function transform(r) return r end")}])
    config["api"] = {"threads": 2}  # not as many as there are cores
    return t.daemon(config, name="small")


def refused(t, d, words, limit, option="-n"):
    """Both say so; the number that would do, as they say it."""
    binary = with_limit(t, limit, option)
    for command, code in (("validate", 1), ("run", 1)):
        done = subprocess.run([binary, command, "-c", d.config_path], capture_output=True, cwd=t.dir, timeout=30 * t.slow)
        said = done.stderr.decode()
        assert done.returncode == code, f"{command}: {done.returncode}: {said}"
        for word in words:
            assert word in said, f"{command}: no {word!r} in {said}"
    return int(re.search(r"needs? (\d+)", said).group(1))


def delivers(t, d, limit, option="-n"):
    d.binary = with_limit(t, limit, option)
    done = subprocess.run([d.binary, "validate", "-c", d.config_path], capture_output=True, cwd=t.dir, timeout=30 * t.slow)
    assert done.returncode == 0, done.stderr.decode()
    d.start()
    Firehose(d.api_port).put("app", b'{"a": 2}')
    d.wait_delivered("app", 2)
    d.stop()


def test_too_few_descriptors_are_refused_and_enough_deliver(t):
    d = small(t)
    words = ["limit of open files", "LimitNOFILE=", "ulimit -n"]
    least = refused(t, d, words, 16)
    assert refused(t, d, words, least - 1) == least
    delivers(t, d, least)


def test_a_limit_on_the_size_of_files_below_that_of_a_frame_is_refused(t):
    d = small(t)
    words = ["size of files", "LimitFSIZE=", "ulimit -f"]
    unit = 512  # of /bin/sh, if it is dash; that of bash is 1024
    if subprocess.run(["/bin/sh", "-c", "ulimit -f 2; head -c 1500 /dev/zero > %s" % t.path("f")], check=False,
                      stderr=subprocess.DEVNULL).returncode == 0:
        unit = 1024
    least = refused(t, d, words, 64, "-f") * 1024 // unit
    refused(t, d, words, least - 1, "-f")
    delivers(t, d, least, "-f")


def test_too_little_address_space_is_refused_and_enough_delivers(t):
    if t.sanitized:
        t.skip("a sanitizer takes terabytes of address space")
    d = small(t)
    words = ["address space", "LimitAS=", "ulimit -v", "limits.memory"]
    least = refused(t, d, words, 128 * 1024, "-v")
    assert refused(t, d, words, least * 1024 - 1024, "-v") == least
    delivers(t, d, least * 1024, "-v")


def test_too_small_a_stack_is_refused_and_enough_delivers(t):
    if t.sanitized:
        t.skip("a sanitizer needs larger stacks")
    d = small(t)
    words = ["limit of the stack", "LimitSTACK=", "ulimit -s"]
    least = refused(t, d, words, 128, "-s")
    assert refused(t, d, words, least - 1, "-s") == least
    delivers(t, d, least, "-s")
