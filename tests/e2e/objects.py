"""What was delivered: reads objects back with other people's tools and puts them into the order of their records."""

import io
import os
import random
import re
import struct
import subprocess
import zipfile
import zlib

KEY = re.compile(
    r"(?P<prefix>.*?)(?P<stream>[a-zA-Z0-9_.-]+)-(?P<version>\d+)-"
    r"(?P<time>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)-"
    r"(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?P<extension>(\.[a-z0-9]+)*)$"
)

no_order = random.Random()  # what hands out objects uses it, so that no case takes for granted an order that is not promised


def unpack(data):
    """Bytes of an object, decompressed by what its first bytes say; several gzip members are one."""
    if data[:2] == b"\x1f\x8b":
        return _gunzip(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return _tool(["zstd", "-d", "-c", "-q"], data)
    if data[:4] == b"\x04\x22\x4d\x18":
        return _tool(["lz4", "-d", "-c", "-q"], data)
    if data[:4] == b"PK\x03\x04":
        return unzip(data)[1]
    if data[:8] == b"\x82SNAPPY\0":
        return _xerial(data)
    return data


def unzip(data):
    """(name, bytes) of the one file in the archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        assert z.testzip() is None and len(z.namelist()) == 1, z.namelist()
        return z.namelist()[0], z.read(z.namelist()[0])


def _xerial(data):
    """snappy-java's stream: raw blocks of at most 32 KiB, each behind its length."""
    assert data[8:16] == struct.pack(">II", 1, 1), data[:16]
    out, at = [], 16
    while at < len(data):
        size, = struct.unpack_from(">I", data, at)
        out.append(snappy_block(data[at + 4:at + 4 + size]))
        assert len(out[-1]) <= 32 << 10
        at += 4 + size
    return b"".join(out)


def hadoop_snappy(data):
    """Hadoop's blocks: the length of the text, then chunks with their lengths until all of it is there."""
    out, at = [], 0
    while at < len(data):
        left, = struct.unpack_from(">I", data, at)
        at += 4
        while left:
            size, = struct.unpack_from(">I", data, at)
            out.append(snappy_block(data[at + 4:at + 4 + size]))
            at, left = at + 4 + size, left - len(out[-1])
        assert left == 0
    return b"".join(out)


def snappy_block(data):
    """A raw block, by snappy's format_description.txt."""
    want = at = shift = 0
    while True:
        byte = data[at]
        want, at, shift = want | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            break
    out = bytearray()
    while at < len(data):
        tag, at = data[at], at + 1
        if tag & 3 == 0:
            more = max(0, (tag >> 2) - 59)
            size = (int.from_bytes(data[at:at + more], "little") if more else tag >> 2) + 1
            out += data[at + more:at + more + size]
            at += more + size
            continue
        wide = (0, 1, 2, 4)[tag & 3]
        offset = int.from_bytes(data[at:at + wide], "little") + ((tag >> 5 << 8) if wide == 1 else 0)
        size, at = (4 + (tag >> 2 & 7)) if wide == 1 else 1 + (tag >> 2), at + wide
        assert 0 < offset <= len(out), "a copy from before the beginning"
        for _ in range(size):
            out.append(out[-offset])
    assert len(out) == want, (len(out), want)
    return bytes(out)


def _gunzip(data):
    out = []
    while data:
        d = zlib.decompressobj(wbits=31)
        out.append(d.decompress(data) + d.flush())
        assert d.eof, "the gzip object breaks off"
        data = d.unused_data
    return b"".join(out)


def _tool(command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def zcat(data):
    return _tool(["zcat"], data)


def read_dir(folder):
    """{key: stored bytes} of everything under a file sink's folder that has an object's name."""
    out = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") or not KEY.match(name):
                continue
            path = os.path.join(parent, name)
            with open(path, "rb") as f:
                out[os.path.relpath(path, folder)] = f.read()
    return shuffled(out)


def shuffled(objects):
    """The same, in another order each time."""
    items = list(objects.items())
    no_order.shuffle(items)
    return dict(items)


def other_files(folder):
    """Files in a sink's folder that are not objects (temporary ones, left behind)."""
    return [
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, names in os.walk(folder) for name in names
        if name.startswith(".") or not KEY.match(name)
    ]


def in_order(objects):
    """[(key, unpacked bytes)] in the order of their records: by the time in the key, and within one second, which the
    key does not order, by content. So the records of a case that cares must sort as they were sent."""
    def place(item):
        key, body = item
        found = KEY.match(os.path.basename(key))
        assert found, f"not an object key: {key}"
        return found["time"], body
    return sorted(((key, unpack(data)) for key, data in objects.items()), key=place)


def joined(objects):
    return b"".join(body for _, body in in_order(objects))


def lines(objects):
    """All lines of all objects, in no promised order. Every object must end with a newline."""
    out = []
    for key in objects:
        body = unpack(objects[key])
        assert body.endswith(b"\n"), f"{key} does not end with a newline"
        out.extend(body[:-1].split(b"\n"))
    return out


def assert_exactly_once(got, expected):
    """Both lists of distinct byte strings; says which are lost, doubled or foreign."""
    seen = {}
    for item in got:
        seen[item] = seen.get(item, 0) + 1
    want = set(expected)
    assert len(want) == len(expected), "the test's own records must be distinct"
    lost = [x for x in expected if x not in seen]
    doubled = [x for x, n in seen.items() if n > 1]
    foreign = [x for x in seen if x not in want]
    assert not lost and not doubled and not foreign, (
        f"{len(lost)} lost {lost[:2]}, {len(doubled)} doubled {doubled[:2]}, {len(foreign)} foreign {foreign[:2]}"
    )
