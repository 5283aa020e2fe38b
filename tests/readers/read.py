"""read.py DIR: reads every object with Python's gzip and with zstandard; one member or frame each, nothing behind it."""

import glob
import sys
import zlib

import zstandard


def gunzip(packed):
    d = zlib.decompressobj(wbits=31)
    out = d.decompress(packed) + d.flush()
    return out if d.eof and not d.unused_data else None


def unzstd(packed):
    d = zstandard.ZstdDecompressor().decompressobj()
    out = d.decompress(packed)
    return out if d.eof and not d.unused_data else None


def main(folder):
    bad = 0
    for ext, read in ((".gz", gunzip), (".zst", unzstd)):
        for path in glob.glob(folder + "/*" + ext):
            with open(path, "rb") as f, open(path[: -len(ext)], "rb") as plain:
                if read(f.read()) != plain.read():
                    print("#   ", path)
                    bad += 1
    return bad > 0


sys.exit(main(sys.argv[1]))
