"""The tools of these tests against published values: a wrong verifier would pass anything."""

import crc32c
import harness
import sigv4


def test_sigv4_matches_the_example_of_the_s3_documentation(t):
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": sigv4.sha256_hex(b""),
        "x-amz-date": "20130524T000000Z",
    }
    request = sigv4.canonical_request("GET", "/test.txt", "", headers, sorted(headers), sigv4.sha256_hex(b""))
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    proof = sigv4.signature(secret, headers["x-amz-date"], "us-east-1", "s3", request)
    assert proof == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", proof


def test_crc32c_matches_rfc_3720(t):
    for fn in (crc32c.crc32c, crc32c.crc32c_table):
        assert fn(bytes(32)) == 0x8A9136AA
        assert fn(b"\xff" * 32) == 0x62A8AB43
        assert fn(bytes(range(32))) == 0x46DD794E


def test_logfmt_and_prometheus_text_are_read_right(t):
    line = 'ts=2026-11-22T15:26:01.123Z level=warn msg="a \\"b\\" = c" stream=app n=2 empty='
    got = harness.parse_logfmt(line)
    assert got["msg"] == 'a "b" = c' and got["stream"] == "app" and got["n"] == "2" and got["empty"] == "", got
    m = harness.Metrics('# HELP x y\nx{a="1",b="q"} 2\nx{a="2"} 3.5\ny 1e3\n')
    assert m.get("x") == 5.5 and m.get("x", a="1") == 2 and m.get("y") == 1000
