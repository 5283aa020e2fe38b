/* sigv4.h -- AWS Signature Version 4, header form: the shared half of signing (sinks) and verifying (the API input).
 *
 * Source: AWS General Reference, "Signature Version 4 signing process". Pure functions; no clock, no I/O.
 * Secrets are only read; derived keys live on the caller's stack.
 */
#ifndef PIPELINE_AWS_SIGV4_H
#define PIPELINE_AWS_SIGV4_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct sigv4_header {
    struct slice name, value; /* name in any case; value is trimmed, runs of white space fold to one space */
};

struct sigv4_request {
    struct slice method;
    struct slice path;                  /* as it goes over the wire (already encoded); "/" when empty */
    struct slice query;                 /* raw, without '?' */
    const struct sigv4_header *headers; /* those that are signed, any order */
    size_t header_count;
    struct slice payload_hash; /* hex, or UNSIGNED-PAYLOAD */
};

struct sigv4_scope {
    char date[9]; /* yyyymmdd */
    struct slice region, service;
};

/* "20261122T152601Z"; out has 17 bytes. */
void sigv4_timestamp(nsec wall, char out[17]);
/* The inverse; -1 when it is not such a time. */
MUST_CHECK int sigv4_parse_timestamp(struct slice text, nsec *wall);

/* The hex signature of the request at `timestamp` (17 bytes with NUL). Headers of one name are joined by commas in the
 * order given; the query is decoded, encoded the canonical way and sorted. -1: more than SIGV4_HEADERS_MAX headers, 256
 * query parameters, or 256 KiB of canonical request. */
MUST_CHECK int sigv4_sign(const struct sigv4_request *rq, const char *timestamp, const struct sigv4_scope *scope,
                          struct slice secret, char signature[SHA256_HEX]);

/* The value of the Authorization header for the same request. */
MUST_CHECK int sigv4_authorization(const struct sigv4_request *rq, const char *timestamp,
                                   const struct sigv4_scope *scope, struct slice access_key_id, struct slice secret,
                                   struct buf *out);

/* An Authorization header taken apart (borrowed from it). */
struct sigv4_auth {
    struct slice access_key_id;
    struct sigv4_scope scope;
    struct slice signed_headers; /* "host;x-amz-date" */
    struct slice signature;      /* 64 hexadecimal digits */
};
/* -1 with AWS's IncompleteSignature wording when parts are missing or malformed. */
MUST_CHECK int sigv4_parse_authorization(struct slice value, struct sigv4_auth *out, struct err *e);

/* RFC 3986 encoding as SigV4 wants it: unreserved characters stay, '/' stays when keep_slash. */
MUST_CHECK int sigv4_uri_encode(struct slice text, bool keep_slash, struct buf *out);

#endif
