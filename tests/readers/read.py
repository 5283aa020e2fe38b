"""read.py DIR: reads every object with Python's gzip and zipfile, with zstandard, and with python-snappy; one member, frame or file
each, nothing behind it."""

import glob
import io
import struct
import sys
import zipfile
import zlib

from snappy import snappy
import zstandard


def gunzip(packed):
    d = zlib.decompressobj(wbits=31)
    out = d.decompress(packed) + d.flush()
    return out if d.eof and not d.unused_data else None


def unzstd(packed):
    d = zstandard.ZstdDecompressor().decompressobj()
    out = d.decompress(packed)
    return out if d.eof and not d.unused_data else None


def unzip(packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as z:
        return z.read(z.namelist()[0]) if len(z.namelist()) == 1 and z.testzip() is None else None


def unsnap(packed):
    """snappy-java's stream, for which python-snappy has the blocks only."""
    out, at = [], 16
    while at < len(packed):
        size, = struct.unpack_from(">i", packed, at)
        out.append(snappy.uncompress(packed[at + 4:at + 4 + size]))
        at += 4 + size
    return b"".join(out) if packed[:16] == b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1) else None


def unhadoop(packed):
    out = io.BytesIO()
    snappy.hadoop_stream_decompress(io.BytesIO(packed), out)
    return out.getvalue()


def main(folder):
    bad = 0
    for ext, read in ((".gz", gunzip), (".zst", unzstd), (".zip", unzip), (".snappy", unsnap), (".hsnappy", unhadoop)):
        for path in glob.glob(folder + "/*" + ext):
            with open(path, "rb") as f, open(path[: -len(ext)], "rb") as plain:
                if read(f.read()) != plain.read():
                    print("#   ", path)
                    bad += 1
    return bad > 0


sys.exit(main(sys.argv[1]))
