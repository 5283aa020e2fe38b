#include "pipeline/aws/sign.h"

#include "pipeline/aws/sigv4.h"
#include "pipeline/base/limits.h"

#include <string.h>

static size_t list_headers(const struct http_request *rq, struct slice host, struct sigv4_header *out)
{
    for (size_t i = 0; i < rq->header_count; i++) {
        const char *h = rq->headers[i], *colon = strchr(h, ':');

        out[i] = (struct sigv4_header){slice_of(h, (size_t)(colon - h)), slice_str(colon + 2)};
    }
    out[rq->header_count] = (struct sigv4_header){SLICE("host"), host};
    return rq->header_count + 1;
}

int aws_sign(struct http_request *rq, const struct aws_sign *s, const struct aws_keys *keys, struct err *e)
{
    struct sigv4_header headers[HTTP_HEADERS_MAX + 1];
    struct sigv4_scope scope = {.region = slice_str(s->region), .service = slice_str(s->service)};
    struct sigv4_request sr = {.method = slice_str(rq->method), .path = s->path, .query = s->query, .headers = headers};
    char timestamp[17], payload[SHA256_HEX] = "UNSIGNED-PAYLOAD";
    struct buf value;
    int rc;

    sigv4_timestamp(s->wall_now, timestamp);
    memcpy(scope.date, timestamp, 8);
    if (s->sha256)
        hex_encode(s->sha256, SHA256_BYTES, payload);
    sr.payload_hash = slice_str(payload);
    http_request_header(rq, "x-amz-date", slice_str(timestamp));
    http_request_header(rq, "x-amz-content-sha256", sr.payload_hash);
    if (keys->session_token[0])
        http_request_header(rq, "x-amz-security-token", slice_str(keys->session_token));
    sr.header_count = list_headers(rq, s->host, headers);
    buf_init(&value, HTTP_AUTHORIZATION_MAX);
    rc = sigv4_authorization(&sr, timestamp, &scope, slice_str(keys->access_key_id), slice_str(keys->secret_access_key),
                             &value);
    if (rc == 0)
        http_request_header(rq, "Authorization", buf_slice(&value));
    else
        err_set(e, ERR_LIMIT, "the request is too large to sign");
    buf_release(&value);
    return rc;
}
