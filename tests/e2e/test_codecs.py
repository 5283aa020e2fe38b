"""Objects of every codec, end to end: their names, their headers, and what other people's tools read in them."""

import os
import subprocess

import objects
from common import numbered_lines, one_stream, stream, to_file
from firehose import Firehose
from s3_peer import S3Peer

# codec: its extension, and what S3 is told as Content-Encoding.
CODECS = {
    "gzip": (".gz", "gzip"), "zstd": (".zst", "zstd"), "snappy": (".snappy", "snappy-java"),
    "hadoop_snappy": (".hsnappy", "hadoop-snappy"), "zip": (".zip", "zip"), "lz4": (".lz4", "lz4"),
}


def test_every_codec_makes_objects_that_its_own_readers_read(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    streams = {}
    for codec in CODECS:
        streams[codec] = stream(s3.destination(prefix=codec + "/"), interval="0s", compression=codec)
        streams[codec + "-file"] = stream(to_file(t, codec), size="64KiB", compression=codec)
    d = t.daemon({"streams": streams}).start()
    records = numbered_lines(t.random, 3000)
    client = Firehose(d.api_port)
    for name in streams:
        client.put_all(name, records)
    for name in streams:
        d.wait_delivered(name, len(records))
    d.stop()
    s3.assert_clean()
    want = b"".join(r + b"\n" for r in records)
    for codec, (extension, encoding) in CODECS.items():
        stored = {k: v for k, v in s3.snapshot().items() if k.startswith(codec + "/")}
        assert stored and all(k.endswith(extension) for k in stored), list(stored)
        assert all(r.headers["Content-Encoding"] == encoding for r in s3.requests if r.key.startswith(codec + "/"))
        for found in (stored, objects.read_dir(t.path(codec))):
            if codec == "hadoop_snappy":
                found = {k: objects.hadoop_snappy(v) for k, v in found.items()}
            assert objects.joined(found) == want, codec
        if codec == "zip":
            for key, data in stored.items():
                assert objects.unzip(data)[0] == os.path.basename(key)[:-len(".zip")], key


def test_destinations_that_say_content_encoding_take_what_their_peers_know(t):
    for destination, taken in (({"http": {"url": "http://127.0.0.1:1/", "format": "lines"}}, {"gzip", "zstd"}),
                               ({"http": {"url": "http://127.0.0.1:1/", "format": "firehose"}}, {"gzip"}),
                               ({"elasticsearch": {"url": "http://127.0.0.1:1", "index": "i"}}, {"gzip"}),
                               (to_file(t), set(CODECS))):
        for codec in CODECS:
            d = t.daemon(one_stream("app", destination, compression=codec), name="checked")
            done = subprocess.run([t.binary, "validate", "-c", d.config_path], capture_output=True, text=True,
                                  timeout=60 * t.slow, check=False)
            said = done.stdout + done.stderr
            assert (done.returncode == 0) == (codec in taken), (destination, codec, said)
            assert codec in taken or f"compression: {codec}" in said or f"`{codec}`" in said, said
