"""AWS Signature Version 4, written from the specification: signs requests of the test clients, verifies those of sluice.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import calendar
import hashlib
import hmac
import re
import time
import urllib.parse

ALGORITHM = "AWS4-HMAC-SHA256"
UNRESERVED = "-_.~"


class Mismatch(Exception):
    """The request is not signed as it should be. `code` is S3's error code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def sha256_hex(data):
    return hashlib.sha256(data).hexdigest()


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(secret, date, region, service):
    key = _hmac(("AWS4" + secret).encode(), date)
    for part in (region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


def canonical_query(query):
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    encoded = [(urllib.parse.quote(k, safe=UNRESERVED), urllib.parse.quote(v, safe=UNRESERVED)) for k, v in pairs]
    return "&".join(f"{k}={v}" for k, v in sorted(encoded))


def canonical_request(method, path, query, headers, signed, payload_hash):
    """`headers`: lower-case names to values; `path`: as on the wire (encoded once, as S3 wants it)."""
    uri = urllib.parse.quote(urllib.parse.unquote(path), safe="/" + UNRESERVED)
    lines = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in signed)
    return "\n".join([method, uri, canonical_query(query), lines, ";".join(signed), payload_hash])


def signature(secret, date_time, region, service, request):
    scope = f"{date_time[:8]}/{region}/{service}/aws4_request"
    text = "\n".join([ALGORITHM, date_time, scope, sha256_hex(request.encode())])
    key = signing_key(secret, date_time[:8], region, service)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def sign(method, url, headers, body, access_key, secret, region, service, now=None):
    """Returns the headers with Host, X-Amz-Date and Authorization added."""
    parts = urllib.parse.urlsplit(url)
    date_time = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now if now is not None else time.time()))
    payload_hash = sha256_hex(body)
    out = dict(headers)
    out["Host"] = parts.netloc
    out["X-Amz-Date"] = date_time
    if service == "s3":
        out["X-Amz-Content-Sha256"] = payload_hash
    lower = {k.lower(): v for k, v in out.items()}
    signed = sorted(lower)
    request = canonical_request(method, parts.path or "/", parts.query, lower, signed, payload_hash)
    proof = signature(secret, date_time, region, service, request)
    scope = f"{date_time[:8]}/{region}/{service}/aws4_request"
    out["Authorization"] = (
        f"{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={';'.join(signed)}, Signature={proof}"
    )
    return out


_AUTHORIZATION = re.compile(
    ALGORITHM + r" *Credential=([^/,]+)/(\d{8})/([^/,]+)/([^/,]+)/aws4_request, *"
    r"SignedHeaders=([a-z0-9;_-]+), *Signature=([0-9a-f]{64})$"
)


def verify(method, path, query, headers, body, secrets, region, service, now=None):
    """Raises Mismatch unless the request is signed with one of `secrets` (access key -> secret)."""
    found = _AUTHORIZATION.match(headers.get("authorization", ""))
    if not found:
        raise Mismatch("AccessDenied", "no AWS4 Authorization header: %r" % headers.get("authorization"))
    access_key, date, scope_region, scope_service, signed, proof = found.groups()
    signed = signed.split(";")
    if access_key not in secrets:
        raise Mismatch("InvalidAccessKeyId", "unknown access key")
    if (scope_region, scope_service) != (region, service):
        raise Mismatch("AuthorizationHeaderMalformed", f"scope {scope_region}/{scope_service}, not {region}/{service}")
    must = {"host"} | {name for name in headers if name.startswith("x-amz-")}
    if signed != sorted(signed) or not must <= set(signed):
        raise Mismatch("AccessDenied", f"headers not signed: {sorted(must - set(signed))} or out of order")
    date_time = headers.get("x-amz-date", "")
    if date_time[:8] != date or not _fresh(date_time, now):
        raise Mismatch("RequestTimeTooSkewed", f"x-amz-date {date_time}")
    payload_hash = headers.get("x-amz-content-sha256", sha256_hex(body))
    if payload_hash != "UNSIGNED-PAYLOAD" and payload_hash != sha256_hex(body):
        raise Mismatch("XAmzContentSHA256Mismatch", "the body is not what x-amz-content-sha256 says")
    request = canonical_request(method, path, query, headers, signed, payload_hash)
    if signature(secrets[access_key], date_time, region, service, request) != proof:
        raise Mismatch("SignatureDoesNotMatch", "the signature does not match")


def _fresh(date_time, now):
    try:
        signed_at = calendar.timegm(time.strptime(date_time, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return False
    return abs((now if now is not None else time.time()) - signed_at) < 900
