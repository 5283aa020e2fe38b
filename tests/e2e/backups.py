"""What a stream's file backup holds: error objects as dicts, with `rawData` decoded into `data`."""

import base64
import json

import objects

MEMBERS = {"attemptsMade", "arrivalTimestamp", "errorCode", "errorMessage", "attemptEndingTimestamp", "rawData"}


def read(folder, kind=""):
    """The error lines of all objects under `folder` whose key begins with `kind` (processing-failed,
    http-endpoint-failed, ...), in no promised order."""
    found = {k: v for k, v in objects.read_dir(folder).items() if k.startswith(kind)}
    return [_checked(json.loads(line)) for line in objects.lines(found)]


def _checked(line):
    assert MEMBERS <= line.keys(), f"an error line lacks {sorted(MEMBERS - line.keys())}"
    line["data"] = base64.b64decode(line["rawData"], validate=True)
    return line


def data(folder, kind=""):
    return [line["data"] for line in read(folder, kind)]
