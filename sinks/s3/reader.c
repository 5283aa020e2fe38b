#include "sinks/s3/reader.h"

#include "pipeline/aws/sign.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/aws/s3/address.h"
#include "sinks/s3/answer.h"
#include "sinks/s3/headers.h"
#include "sinks/s3/list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct s3_reader {
    struct s3_conf conf;
    const char *place;
    struct s3_address address;
    char region[S3_REGION_MAX];
    struct credentials *credentials;
    struct s3_customer_key customer_key;
    struct tls_options *tls;
};

int s3_reader_open(struct s3_reader **out, const struct s3_conf *c, const char *place, const char *base_dir,
                   struct err *e)
{
    struct s3_reader *r = mem_alloc(sizeof(*r));
    char endpoint[S3_ENDPOINT_MAX];
    struct s3_where where;
    const char *source;

    r->conf = *c;
    r->place = place;
    r->tls = tls_options_new(&c->tls, base_dir);
    if (s3_conf_check(c, e) < 0 || s3_customer_key_read(&r->customer_key, c, e) < 0 ||
        tls_options_check(r->tls, e) < 0 || credentials_new(&r->credentials, &c->keys, e) < 0)
        goto fail;
    s3_conf_region(c, r->credentials, r->region);
    s3_conf_endpoint(c, r->credentials, endpoint, &source);
    where = s3_conf_where(c, endpoint, r->region);
    if (s3_address_init(&r->address, &where, e) < 0) {
        s3_conf_blame(source, e);
        goto fail;
    }
    if (s3_conf_check_way(c, r->address.endpoint, e) < 0 || proxy_check_found(c->proxy, r->address.endpoint, e) < 0)
        goto fail;
    *out = r;
    return 0;
fail:
    s3_reader_free(&r);
    return -1;
}

void s3_reader_free(struct s3_reader **rp)
{
    struct s3_reader *r = *rp;

    if (!r)
        return;
    s3_address_release(&r->address);
    credentials_free(&r->credentials);
    s3_customer_key_wipe(&r->customer_key);
    tls_options_free(&r->tls);
    MEM_CLEAR(*rp);
}

const char *s3_reader_endpoint(const struct s3_reader *r)
{
    return r->address.endpoint;
}

const char *s3_reader_region(const struct s3_reader *r)
{
    return r->region;
}

static int fill(const struct s3_reader *r, struct slice path, struct slice query, nsec wall_now,
                const struct aws_keys *keys, struct http_request *rq, struct err *e)
{
    unsigned char nothing[SHA256_BYTES];
    struct aws_sign sign = {.region = r->region,
                            .service = "s3",
                            .host = slice_str(r->address.host),
                            .path = path,
                            .query = query,
                            .sha256 = nothing,
                            .wall_now = wall_now};

    sha256_of(SLICE(""), nothing);
    rq->url = mem_printf("%s://%s%.*s%s%.*s", r->address.scheme, r->address.host, (int)path.n, path.p,
                         query.n > 0 ? "?" : "", (int)query.n, query.p);
    s3_headers_access(&r->conf, query.n == 0 ? &r->customer_key : NULL, rq); /* a listing has no bytes */
    return aws_sign(rq, &sign, keys, e) < 0 ? -1 : tls_options_get(r->tls, rq, e);
}

bool s3_piece_is_all(const struct s3_piece *p)
{
    return p->from == 0 && p->n >= p->size;
}

static void add_range(const struct s3_piece *p, struct http_request *rq)
{
    char range[64];

    snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, p->from, p->from + p->n - 1);
    http_request_header(rq, "Range", slice_str(range));
    if (p->tag && *p->tag)
        http_request_header(rq, "If-Match", slice_str(p->tag));
}

/* `piece`: NULL for what has no pieces. */
static int ask(const struct s3_reader *r, struct slice path, struct slice query, const struct s3_piece *piece,
               size_t max, nsec wall_now, struct http_request *rq, struct err *e)
{
    struct aws_keys keys;
    int rc;

    *rq =
        (struct http_request){.method = "GET", .proxy = r->conf.proxy, .timeout = r->conf.timeout, .response_max = max};
    if (piece && !s3_piece_is_all(piece))
        add_range(piece, rq);
    if (credentials_get(r->credentials, &keys, e) < 0) {
        http_request_release(rq);
        return -1;
    }
    rc = fill(r, path, query, wall_now, &keys, rq, e);
    if (rc < 0)
        http_request_release(rq);
    aws_keys_wipe(&keys);
    return rc;
}

int s3_reader_list(const struct s3_reader *r, struct slice prefix, struct slice token, nsec wall_now,
                   struct http_request *rq, struct err *e)
{
    struct buf path, query;
    int rc;

    buf_init(&path, S3_TARGET_MAX);
    buf_init(&query, S3_TARGET_MAX);
    if (s3_address_path(&r->address, SLICE(""), &path) < 0 || s3_list_query(prefix, token, &query) < 0)
        rc = err_set(e, ERR_LIMIT, "the prefix or the continuation token is too long");
    else
        rc = ask(r, buf_slice(&path), buf_slice(&query), NULL, S3_LIST_ANSWER_MAX, wall_now, rq, e);
    buf_release(&path);
    buf_release(&query);
    return rc;
}

int s3_reader_get(const struct s3_reader *r, struct slice key, const struct s3_piece *piece, nsec wall_now,
                  struct http_request *rq, struct err *e)
{
    struct buf path;
    int rc;

    buf_init(&path, S3_TARGET_MAX);
    if (s3_address_path(&r->address, key, &path) < 0)
        rc = err_set(e, ERR_LIMIT, "the object's name is too long");
    else
        rc = ask(r, buf_slice(&path), SLICE(""), piece, (size_t)piece->n, wall_now, rq, e);
    buf_release(&path);
    return rc;
}

enum sink_outcome s3_reader_judge(const struct s3_reader *r, struct slice key, const struct http_response *re,
                                  struct sink_verdict *v)
{
    struct aws_keys keys = {0};
    struct s3_context c = {.place = r->place,
                           .bucket = r->conf.bucket,
                           .endpoint = r->address.endpoint,
                           .region = r->region,
                           .access_key_id = keys.access_key_id,
                           .key_source = keys.source,
                           .key = key};
    enum sink_outcome outcome;

    /* Only for messages; that there are none is said by the next request. */
    if (re->failure != HTTP_OK || re->status != 200)
        credentials_peek(r->credentials, &keys);
    outcome = s3_answer_judge_read(&c, re, v);
    aws_keys_wipe(&keys);
    return outcome;
}
