#include "pipeline/aws/s3/request.h"

#include "pipeline/aws/sign.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>

static int sign(struct http_request *rq, const struct s3_ask *a, struct slice path, const struct aws_keys *keys,
                nsec wall_now, struct err *e)
{
    unsigned char sha256[SHA256_BYTES];
    const struct aws_sign sign = {.region = a->region,
                                  .service = "s3",
                                  .host = slice_str(a->at->host),
                                  .path = path,
                                  .sha256 = sha256,
                                  .wall_now = wall_now};

    sha256_of(a->put ? a->text : SLICE(""), sha256);
    return aws_sign(rq, &sign, keys, e);
}

int s3_request(struct http_request *rq, const struct s3_ask *a, const struct aws_keys *keys, nsec wall_now,
               struct err *e)
{
    struct buf path;
    int rc;

    buf_init(&path, S3_TARGET_MAX);
    if (s3_address_path(a->at, a->key, &path) < 0) {
        rc = err_set(e, ERR_LIMIT, "the object's name is too long");
        goto out;
    }
    rq->method = a->put ? "PUT" : "GET";
    rq->url = mem_printf("%s://%s%.*s", a->at->scheme, a->at->host, (int)path.n, path.p);
    if (a->put) {
        rq->text = mem_strndup(a->text.p, a->text.n);
        http_request_header(rq, "Content-Type", SLICE("application/json"));
    }
    if (a->matches)
        http_request_header(rq, "If-Match", slice_str(a->matches));
    if (a->is_new)
        http_request_header(rq, "If-None-Match", SLICE("*"));
    rc = sign(rq, a, buf_slice(&path), keys, wall_now, e);
out:
    buf_release(&path);
    return rc;
}

void s3_element(struct slice body, const char *name, char *out, size_t size)
{
    char begin[32];
    const char *p, *end;
    size_t n;

    out[0] = '\0';
    snprintf(begin, sizeof(begin), "<%s>", name);
    p = body.n > 0 ? memmem(body.p, body.n, begin, strlen(begin)) : NULL;
    if (!p)
        return;
    p += strlen(begin);
    end = memchr(p, '<', (size_t)(body.p + body.n - p));
    n = end ? (size_t)(end - p) : 0;
    snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), p);
}

void s3_judge(const struct http_response *re, struct aws_json_error *out)
{
    *out = (struct aws_json_error){.trouble = AWS_FINE};
    if (re->failure != HTTP_OK) {
        out->trouble = AWS_UNREACHED;
        snprintf(out->said, sizeof(out->said), "%s", re->failure_text);
        return;
    }
    if (re->status >= 200 && re->status < 300)
        return;
    s3_element(re->body, "Code", out->code, sizeof(out->code));
    s3_element(re->body, "Message", out->said, sizeof(out->said));
    if (re->status == 412) /* some stores say it in words of their own, or in none */
        snprintf(out->code, sizeof(out->code), "PreconditionFailed");
    aws_error_settle(out, re->status);
}
