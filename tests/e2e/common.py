"""Configurations and data that several cases use."""

import os
import threading
import time

from firehose import Answer, Firehose
from harness import wait_until

KIB, MIB = 1 << 10, 1 << 20
WORDS = b"gate water level open shut flow basin weir lock canal river tide storm quiet north south".split()


def numbered_lines(random, count, tag=b"line", longest=12):
    """`count` distinct lines without their newline, compressible like text."""
    return [
        b"%s-%08d %s" % (tag, i, b" ".join(random.choices(WORDS, k=random.randrange(1, longest))))
        for i in range(count)
    ]


def write_lines(path, lines):
    with open(path, "wb") as f:
        f.write(b"".join(line + b"\n" for line in lines))


def append_lines(path, lines):
    with open(path, "ab") as f:
        f.write(b"".join(line + b"\n" for line in lines))


def tail(*paths, start="beginning"):
    return {"tail": {"paths": list(paths), "start": start}}


def stream(destination, inputs=("api",), size="1MiB", interval="1s", **more):
    return {
        "inputs": list(inputs),
        "buffer": {"size": size, "interval": interval},
        "destination": destination,
        **more,
    }


def to_file(t, folder="out"):
    return {"file": {"path": t.path(folder)}}


def one_stream(name, *args, **kw):
    return {"streams": {name: stream(*args, **kw)}}


def put_until_refused(client, name, make_batch, at_most=2000):
    """Puts batches until records of one are refused. Returns the records that were taken, and the refusals. A call that
    is refused as a whole (memory is short for a moment) is made again, as every AWS client does."""
    taken = []
    for _ in range(at_most):
        batch = make_batch()
        answers = put_with_patience(client, name, batch)
        taken += [r for r, a in zip(batch, answers) if "RecordId" in a]
        refused = [a for a in answers if "ErrorCode" in a]
        if refused:
            return taken, refused
    raise AssertionError(f"{at_most} batches were taken and none refused")


def put_with_patience(client, name, batch, tries=200):
    for _ in range(tries):
        try:
            return client.put_batch(name, batch)
        except Answer as e:
            if (e.status, e.code) != (500, "ServiceUnavailableException"):
                raise
        time.sleep(0.05)
    raise AssertionError(f"the call was refused as a whole {tries} times")


class Load(threading.Thread):
    """Puts distinct records as fast as they are taken until stop(); remembers which were acknowledged (`acked`) and of
    which the fate is unknown because the connection broke (`unknown`). Waits while the daemon is away."""

    def __init__(self, daemon, name, tag, batch=50, pause=0.0):
        super().__init__(daemon=True)
        self.target_daemon, self.stream, self.tag, self.batch, self.pause = daemon, name, tag, batch, pause
        self.acked, self.unknown = [], []
        self.error = None
        self._halt, self._n = threading.Event(), 0

    def _records(self):
        self._n += 1
        return [b"%s-%06d-%03d %s" % (self.tag, self._n, i, WORDS[i % len(WORDS)] * (i % 7)) for i in range(self.batch)]

    def run(self):
        client = Firehose(self.target_daemon.api_port, timeout=30)
        try:
            while not self._halt.is_set():
                self._put(client, self._records())
                time.sleep(self.pause)
        except BaseException as e:
            self.error = e

    def _put(self, client, records):
        try:
            answers = client.put_batch(self.stream, records)
        except Answer as e:
            if e.status < 500:
                raise
            time.sleep(0.02)  # it is starting or stopping: refused as a whole
            return
        except Exception as e:
            if isinstance(e, AssertionError):
                raise
            if not isinstance(e, ConnectionRefusedError):
                self.unknown += records
            time.sleep(0.02)
            return
        for record, answer in zip(records, answers):
            if "RecordId" in answer:
                self.acked.append(record)

    def stop(self):
        self._halt.set()
        self.join(60)
        assert not self.is_alive(), "the load does not end"
        if self.error:
            raise self.error


def wait_object(folder, timeout):
    """The wall time at which the first finished object is seen in a file sink's folder."""
    def seen():
        for _, _, names in os.walk(folder):
            if any(not n.startswith(".") and not n.endswith(".tmp") for n in names):
                return time.time()
        return None
    return wait_until(f"an object in {folder}", seen, timeout, period=0.01)
