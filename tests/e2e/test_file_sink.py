"""From tailed files, the API and stdin to a folder: what comes out is what went in, readable by the usual tools."""

import ctypes
import gzip
import json
import os
import shutil
import struct
import subprocess

import objects
from common import KIB, MIB, numbered_lines, one_stream, stream, tail, to_file, write_lines
from firehose import Firehose

GO_READER = """package main

import (
	"compress/gzip"
	"io"
	"os"
)

func main() {
	r, err := gzip.NewReader(os.Stdin)
	if err != nil {
		panic(err)
	}
	if _, err := io.Copy(os.Stdout, r); err != nil {
		panic(err)
	}
}
"""


def ship_file(t, compression, count=40000):
    """Tails one file into a folder; the delivered objects and the bytes of the file."""
    lines = numbered_lines(t.random, count)
    write_lines(t.path("app.log"), lines)
    d = t.daemon(one_stream("app", to_file(t), [tail(t.path("app.log"))], compression=compression))
    d.start()
    d.wait_delivered("app", count)
    d.stop()
    with open(t.path("app.log"), "rb") as f:
        return objects.read_dir(t.path("out")), f.read()


def assert_whole(t, found, expected, extension):
    assert len(found) >= 2, "more than one batch"
    assert all(key.endswith(extension) for key in found), sorted(found)
    assert objects.other_files(t.path("out")) == [], "nothing but objects is left"
    assert objects.joined(found) == expected, "byte for byte, in order"
    sizes = [len(body) for _, body in objects.in_order(found)]
    assert max(sizes) <= MIB, sizes


def test_a_tailed_file_arrives_byte_for_byte_uncompressed(t):
    found, expected = ship_file(t, "none")
    assert_whole(t, found, expected, "")
    assert not any(k.endswith((".gz", ".zst")) for k in found)


def test_a_tailed_file_arrives_byte_for_byte_as_gzip(t):
    found, expected = ship_file(t, "gzip")
    assert_whole(t, found, expected, ".gz")
    in_order = [key for key, _ in objects.in_order(found)]
    assert objects.zcat(b"".join(found[k] for k in in_order)) == expected, "zcat of all objects, one behind the other"
    assert b"".join(gzip.decompress(found[k]) for k in in_order) == expected, "Python's gzip"


def test_a_tailed_file_arrives_byte_for_byte_as_zstd(t):
    if not shutil.which("zstd"):
        t.skip("the tool zstd is not installed")
    found, expected = ship_file(t, "zstd")
    assert_whole(t, found, expected, ".zst")
    for body in found.values():
        subprocess.run(["zstd", "-t", "-q"], input=body, check=True)


def test_gos_reader_accepts_the_gzip_objects(t):
    if not shutil.which("go"):
        t.skip("Go is not installed")
    with open(t.path("reader.go"), "w", encoding="ascii") as f:
        f.write(GO_READER)
    env = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    subprocess.run(["go", "build", "-o", t.path("reader"), t.path("reader.go")], env=env, check=True)
    found, expected = ship_file(t, "gzip")
    out = [subprocess.run([t.path("reader")], input=found[key], stdout=subprocess.PIPE, check=True).stdout
           for key, _ in objects.in_order(found)]
    assert b"".join(out) == expected


test_gos_reader_accepts_the_gzip_objects.timeout = 240


def test_every_gzip_level_is_readable(t):
    lines = numbered_lines(t.random, 3000)
    write_lines(t.path("app.log"), lines)
    levels = [1, 2, 3, 6, 9]
    config = {"streams": {
        f"level{n}": stream({"file": {"path": t.path(f"out{n}")}}, [tail(t.path("app.log"))],
                            compression={"gzip": {"level": n}})
        for n in levels
    }}
    d = t.daemon(config).start()
    for n in levels:
        d.wait_delivered(f"level{n}", len(lines))
    d.stop()
    for n in levels:
        assert objects.joined(objects.read_dir(t.path(f"out{n}"))).splitlines() == lines, f"level {n}"


def test_lines_end_in_exactly_one_newline(t):
    records = [b"plain", b"with its own\n", b"", b"two\n\n", b"\n", b"\xff\xfe not text \x00"]
    d = t.daemon(one_stream("app", to_file(t), compression="none")).start()
    client = Firehose(d.api_port)
    client.put_all("app", records)
    d.wait_delivered("app", len(records))
    d.stop()
    got = objects.joined(objects.read_dir(t.path("out")))
    assert got == b"plain\nwith its own\n\ntwo\n\n\n\xff\xfe not text \x00\n", got


def test_raw_adds_nothing(t):
    records = [b"a", b"b\n", b"", b"c" * 5000]
    d = t.daemon(one_stream("app", to_file(t), compression="gzip", format="raw")).start()
    Firehose(d.api_port).put_all("app", records)
    d.wait_delivered("app", len(records))
    d.stop()
    assert objects.joined(objects.read_dir(t.path("out"))) == b"".join(records)


def test_json_array_keeps_json_and_quotes_the_rest(t):
    records = [b'{"a": 1}', b"not json", b"[1,2]", b'"s"', b"12", b'{"broken": ', b"tab\there \"quoted\""]
    d = t.daemon(one_stream("app", to_file(t), compression="none", format="json_array")).start()
    Firehose(d.api_port).put_all("app", records)
    d.wait_delivered("app", len(records))
    d.stop()
    got = json.loads(objects.joined(objects.read_dir(t.path("out"))))
    assert got == [{"a": 1}, "not json", [1, 2], "s", 12, '{"broken": ', 'tab\there "quoted"'], got


def test_no_batch_is_larger_than_its_size_unless_one_record_is(t):
    lines = numbered_lines(t.random, 6000, longest=200)
    big = [b"big-%d-" % i + b"x" * 300000 for i in range(3)]
    d = t.daemon(one_stream("app", to_file(t), size="128KiB", compression="none")).start()
    client = Firehose(d.api_port)
    at = 0
    for one in big:
        client.put_all("app", lines[at:at + 2000])
        client.put_all("app", [one])
        at += 2000
    d.wait_delivered("app", len(lines) + len(big))
    d.stop()
    bodies = objects.in_order(objects.read_dir(t.path("out")))
    objects.assert_exactly_once(objects.lines(dict(objects.read_dir(t.path("out")))), lines + big)
    for key, body in bodies:
        assert len(body) <= 128 * KIB or body.count(b"\n") == 1, f"{key}: {len(body)} bytes"


def test_once_reads_stdin_to_its_end_delivers_and_exits(t):
    lines = numbered_lines(t.random, 20000)
    data = b"\n".join(lines)  # the last line has no newline of its own
    d = t.daemon(one_stream("app", to_file(t), ["stdin"], interval="900s", compression="gzip"))
    with open(t.path("input"), "wb") as f:
        f.write(data)
    with open(t.path("input"), "rb") as f:
        d.spawn("--once", stdin=f)
        d.wait_exit(60)
    assert objects.joined(objects.read_dir(t.path("out"))) == data + b"\n"


def test_once_reads_files_to_their_end_and_a_second_run_finds_nothing_new(t):
    lines = numbered_lines(t.random, 5000)
    os.mkdir(t.path("logs"))
    write_lines(t.path("logs", "a.log"), lines[:2000])
    write_lines(t.path("logs", "b.log"), lines[2000:])
    d = t.daemon(one_stream("app", to_file(t), [tail(t.path("logs", "*.log"))], interval="900s"))
    for _ in range(2):
        d.spawn("--once")
        d.wait_exit(60)
        objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), lines)


def test_durability_memory_delivers_and_keeps_nothing_on_disk(t):
    records = numbered_lines(t.random, 5000)
    d = t.daemon(one_stream("app", to_file(t), durability="memory")).start()
    Firehose(d.api_port).put_all("app", records)
    assert d.disk_bytes() < 64 * KIB, f"{d.disk_bytes()} bytes under data_dir"
    d.wait_delivered("app", len(records))
    d.kill9()
    d.start()
    d.assert_books("app")
    assert d.books("app").spooled == 0
    d.stop()
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), records)


class Created:
    """The names of files that are made in a folder, also of those that are gone again."""

    def __init__(self, t, folder):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_CLOEXEC)
        t.on_end(lambda: os.close(self.fd))
        if self.fd < 0 or self.libc.inotify_add_watch(self.fd, folder.encode(), 0x100) < 0:  # IN_CREATE
            t.skip("no inotify here")

    def names(self):
        data, names = os.read(self.fd, 65536), []
        while data:
            size = struct.unpack("=iIII", data[:16])[3]
            names.append(data[16:16 + size].rstrip(b"\0").decode())
            data = data[16 + size:]
        return names


def test_what_somebody_puts_in_the_way_is_neither_opened_nor_followed(t):
    """Who can write into the folder sees one temporary name, and knows those to come."""
    def pipe(path):
        os.mkfifo(path)

    def link(path):
        os.link(victim, path)

    def symlink(path):
        os.symlink(victim, path)

    victim, folder = t.path("victim"), t.path("out", "x")
    os.makedirs(folder)
    with open(victim, "w", encoding="ascii") as f:
        f.write("precious")
    created = Created(t, folder)
    prefix = "!{timestamp:'x'}/"
    d = t.daemon(one_stream("app", {"file": {"path": t.path("out"), "prefix": prefix}}, interval="0s")).start()
    client = Firehose(d.api_port)
    client.put("app", b"first")
    d.wait_delivered("app", 1)
    first, = [name for name in created.names() if name.endswith(".tmp")]
    assert first.endswith("-1-1.tmp"), first
    for number, plant in enumerate((pipe, link, symlink), 2):
        planted = first.replace("-1-1.tmp", f"-{number}-{number}.tmp")
        plant(os.path.join(folder, planted))
        assert created.names() == [planted]
        client.put("app", b"record %d" % number)
        d.wait_delivered("app", number)
        assert planted in created.names(), "it is the name that sluice uses, too"
    d.stop()
    with open(victim, encoding="ascii") as f:
        assert f.read() == "precious"
    found = [os.path.join(folder, name) for name in os.listdir(folder)]
    assert len(found) == 4 and not [path for path in found if "/.sluice" in path], found
    assert all(os.path.isfile(path) and not os.path.islink(path) for path in found)


def test_a_folder_that_is_a_link_is_told_and_waited_for(t):
    os.makedirs(t.path("out"))
    os.makedirs(t.path("elsewhere"))
    os.symlink(t.path("elsewhere"), t.path("out", "x"))
    d = t.daemon(one_stream("app", {"file": {"path": t.path("out"), "prefix": "x/"}}, interval="0s")).start()
    Firehose(d.api_port).put("app", b"record")
    d.wait_logged("ELOOP.*no link is followed", level="error")
    assert os.listdir(t.path("elsewhere")) == []
    os.unlink(t.path("out", "x"))
    d.wait_delivered("app", 1)
    d.stop()
    assert objects.lines(objects.read_dir(t.path("out"))) == [b"record"]
