"""What was delivered: reads objects back with other people's tools and puts them into the order of their records."""

import os
import re
import subprocess
import zlib

KEY = re.compile(
    r"(?P<prefix>.*?)(?P<stream>[a-zA-Z0-9_.-]+)-(?P<version>\d+)-"
    r"(?P<time>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)-"
    r"(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?P<extension>(\.[a-z0-9]+)*)$"
)


def unpack(data):
    """Bytes of an object, decompressed by what its first bytes say; several gzip members are one."""
    if data[:2] == b"\x1f\x8b":
        return _gunzip(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return _tool(["zstd", "-d", "-c", "-q"], data)
    return data


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
    return out


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
