"""What older versions left behind. `spool-0.1.0.tar.gz` is the data_dir of version 0.1.0, killed while its store was down: 200 records from the API, and
the three lines of a file that it had read to the end, sealed under a name that it had given them."""

import os
import tarfile

from common import one_stream
import objects
from s3_peer import S3Peer

SEALED = "app/2026/11/27/16/app-1-2026-11-27-16-47-20-ea9c8fc8-1e51-842e-9318-7461ed6cb3d0.gz"
RECORDS = [b"one", b"two", b"three"] + [b"record %d" % i for i in range(1, 201)]


def test_a_spool_of_0_1_0_is_delivered_under_its_old_names(t):
    with tarfile.open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "spool-0.1.0.tar.gz")) as tar:
        tar.extractall(t.dir)
    s3 = S3Peer()
    t.on_end(s3.stop)
    config = one_stream("app", s3.destination(), compression="gzip")
    config["data_dir"] = t.path("data")
    d = t.daemon(config).start()
    d.wait_delivered("app", len(RECORDS))
    d.restart()
    d.stop()
    assert SEALED in s3.snapshot(), sorted(s3.snapshot())
    objects.assert_exactly_once(objects.lines(s3.snapshot()), RECORDS)
    s3.assert_clean()
