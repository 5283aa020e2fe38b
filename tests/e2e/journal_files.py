"""Journal files as journald leaves them, made by systemd's own systemd-journal-remote from its export format."""

import os
import struct
import subprocess

TOOL = "/lib/systemd/systemd-journal-remote"
BOOT, MACHINE = "6c7c6013a26343b29e964691ff25d04c", "0639c7b6d3a24b8cbb0b2a2f0f1c9ab1"
BEGIN = 1_795_810_000_000_000  # microseconds


def is_there():
    return os.access(TOOL, os.X_OK)


def _field(name, value):
    value = value.encode() if isinstance(value, str) else value
    if all(32 <= c < 127 or c == 9 for c in value):
        return name.encode() + b"=" + value + b"\n"
    return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"


def entry(number, fields, begin=BEGIN):
    """One entry, `number` milliseconds behind the others. Values are text, bytes, or lists of these."""
    head = {"__REALTIME_TIMESTAMP": str(begin + number * 1000), "__MONOTONIC_TIMESTAMP": str(number * 1000), "_BOOT_ID": BOOT, "_MACHINE_ID": MACHINE}
    out = b""
    for name, values in {**head, **fields}.items():
        for value in values if isinstance(values, list) else [values]:
            out += _field(name, value)
    return out + b"\n"


def append(path, entries):
    """Creates the file if it is not there."""
    subprocess.run([TOOL, "-o", path, "-"], input=b"".join(entries), check=True, capture_output=True)
