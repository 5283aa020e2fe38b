"""Files that are not plain lines of UTF-8: holes that programs leave when their file is truncated, byte order marks, UTF-16."""

import os
import shutil

from tail_cases import Followed


def lines(tag, count):
    return b"".join(b"%s line %05d\n" % (tag, i) for i in range(count))


class Program:
    """Writes on at its own offset, as one does whose output was redirected with >."""

    def __init__(self, w, name):
        self.w, self.f = w, open(w.path(name), "wb", buffering=0)

    def write(self, data):
        self.f.write(data)
        self.w.expect(data.split(b"\n")[:-1])


def holes(t, count, copies):
    w = Followed(t, paths=["a.log*"] if copies else ["a.log"])
    p = Program(w, "a.log")
    p.write(lines(b"first", count))
    w.d.start()
    w.wait()
    for i in range(3):
        if copies:
            shutil.copyfile(w.path("a.log"), w.path(f"a.log.{i}"))
        os.truncate(w.path("a.log"), 0)
        if i == 1:
            w.d.wait_logged("reading it from its start")
        p.write(lines(b"life %d" % i, 100))
        w.wait()
        if i == 2:
            w.d.kill9()
            w.d.start()
        p.write(lines(b"more of life %d" % i, 3))
        w.wait()
    assert w.d.wait_logged("zeros at the beginning")
    w.check()


def test_holes_of_small_files(t):
    holes(t, 20, False)


def test_holes_of_large_files(t):
    holes(t, 300_000, False)


def test_holes_and_copies(t):
    holes(t, 2000, True)


def test_zeros_that_are_no_hole(t):
    w = Followed(t)
    w.write("filled.log", b"\0" * 100_000, records=[])  # written from its beginning later
    w.write("padded.log", b"\0" * 70_000 + b"a line\n", records=[b"a line"])
    w.write("few.log", b"\0\0a line that begins with zeros\n\0\0\n")
    w.write("only.log", b"\0\0\0", records=[b"\0\0\0"])
    w.write("inside.log", b"a\n" + b"\0" * 10_000 + b"b\n")
    w.d.start()
    w.wait()
    with open(w.path("filled.log"), "r+b", buffering=0) as f:
        f.write(b"now\n")
        f.truncate(4)
    w.expect([b"now"])
    w.write("filled.log", b"and then\n")
    w.wait()
    assert w.d.metrics().get("sluice_input_skipped_bytes_total", stream="app") == 70_000
    w.check()


def test_the_mark_of_utf_8(t):
    w = Followed(t, paths=["*.log*"])
    mark = b"\xef\xbb\xbf"
    w.write("a.log", mark + b'{"a":1}\n' + mark + b"not at the beginning\n", records=[b'{"a":1}', mark + b"not at the beginning"])
    w.write("b.log", mark, records=[])
    w.write("c.log", mark + b"rest", records=[b"rest"])
    w.write("d.log", mark[:2], records=[mark[:2]])
    w.d.start()
    w.wait()
    w.write("b.log", b"later\n")
    w.wait()
    shutil.copyfile(w.path("a.log"), w.path("a.log.1"))
    w.write("a.log", mark + b"second life\n", mode="wb", records=[b"second life"])
    w.wait()
    w.d.restart()
    w.write("a.log", b"third\n")
    w.check()


def utf16(t, codec, mark, **options):
    w = Followed(t, paths=["*.log*"], last_line="2s", **options)
    text = ["plain", "gr\u00fc\u00dfe", "\u010a\u0a0a\u0d0a", "\U0001f600 pair", "", "crlf\r", "\u4e2d" * 1000]
    more = [f"number {i} \u20ac" for i in range(20_000)]

    def write(name, strings, mode="ab", prefix=b""):
        data = prefix + b"".join((s + "\n").encode(codec) for s in strings)
        w.write(name, data, mode=mode, records=[s.encode() for s in strings])

    write("a.log", text, prefix=mark)
    w.d.start()
    w.wait()
    with open(w.path("a.log"), "ab", buffering=0) as f:  # a line in odd pieces
        data = "in pieces \u20ac\n".encode(codec)
        for i in range(0, len(data), 3):
            f.write(data[i:i + 3])
    w.expect(["in pieces \u20ac".encode()])
    write("a.log", more)
    w.wait()
    w.d.kill9()
    write("a.log", ["after a kill"])
    w.d.start()
    w.wait()
    w.write("a.log", "half a line".encode(codec), records=[b"half a line"])
    w.wait()
    w.write("a.log", "\nnext\n".encode(codec), records=[b"next"])
    w.wait()
    shutil.copyfile(w.path("a.log"), w.path("a.log.1"))
    os.truncate(w.path("a.log"), 0)
    write("a.log", ["no mark after the truncation", "second"])
    w.wait()
    long_ascii, long_cjk = "x" * 900_000, "\u4e2d" * 400_000
    pieces = [("\u4e2d" * n).encode() for n in (341_333, 400_000 - 341_333)]
    w.write("long.log", mark + (long_ascii + "\n" + long_cjk + "\nend\n").encode(codec),
            records=[long_ascii.encode(), *pieces, b"end"])
    w.check()


def test_utf_16_little_endian(t):
    utf16(t, "utf-16-le", b"\xff\xfe")


def test_utf_16_big_endian(t):
    utf16(t, "utf-16-be", b"\xfe\xff")


def test_utf_16_without_a_mark(t):
    utf16(t, "utf-16-le", b"", encoding="utf-16le")


def test_utf_32_is_told(t):
    w = Followed(t)
    data = b"\xff\xfe\0\0" + "a\n".encode("utf-32-le")
    w.write("a.log", data, records=[data[:8], b"\0\0\0"])
    w.d.start()
    w.check()
    assert w.d.wait_logged("UTF-32", level="warn")


def test_utf_16_from_the_end(t):
    w = Followed(t, start="end", last_line="60s")  # else half a line is a record when we are slow
    w.write("a.log", b"\xff\xfe" + "old\n\u010ahalf ".encode("utf-16-le"), records=[])
    w.d.start()
    w.write("a.log", "a line\nnew\n".encode("utf-16-le"), records=["\u010ahalf a line".encode(), b"new"])
    w.check()
