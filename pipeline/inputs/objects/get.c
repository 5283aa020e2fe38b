#include "pipeline/inputs/objects/get.h"

#include "pipeline/aws/s3/address.h"
#include "pipeline/aws/s3/request.h"
#include "pipeline/aws/sign.h"
#include "pipeline/aws/sigv4.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As a destination of S3 finds it. */
static void find_endpoint(struct object_store *s)
{
    s->endpoint = s->conf.endpoint ? s->conf.endpoint : "";
    if (!*s->endpoint && credentials_s3_endpoint(s->credentials, s->found, &s->found_by))
        s->endpoint = s->found;
}

int object_store_open(struct object_store *s, const struct object_store_conf *conf, struct err *e)
{
    *s = (struct object_store){.conf = *conf};
    pthread_mutex_init(&s->lock, NULL);
    s->tls = tls_options_new(conf->tls, conf->base_dir);
    if (credentials_new(&s->credentials, conf->keys, e) < 0 || http_agent_use(conf->agent, e) < 0) {
        object_store_close(s);
        return -1;
    }
    find_endpoint(s);
    return 0;
}

void object_store_close(struct object_store *s)
{
    credentials_free(&s->credentials);
    tls_options_free(&s->tls);
    pthread_mutex_destroy(&s->lock);
}

/* --- the answer ---------------------------------------------------------------------------------------------------- */

/* What is wrong with keys or clock is so for every object: messages that were refused for that would all go to the dead-letter queue. */
static const struct {
    const char *code;
    enum object_answer answer;
    const char *hint;
} CODES[] = {
    {"NoSuchKey", OBJECT_GONE, ""},
    {"NoSuchVersion", OBJECT_GONE, ""},
    {"PreconditionFailed", OBJECT_CHANGED, ""},
    {"NoSuchBucket", OBJECT_REFUSED, "the bucket of the event is not there: look at s3.endpoint and s3.region"},
    {"AccessDenied", OBJECT_REFUSED,
     "allow the keys s3:GetObject (s3:GetObjectVersion for a bucket with versions, kms:Decrypt for encrypted objects) "
     "and "
     "s3:ListBucket, without which S3 says this of objects that are gone, too"},
    {"InvalidObjectState", OBJECT_REFUSED, "the object is archived (Glacier): restore it"},
    {"AuthorizationHeaderMalformed", OBJECT_REFUSED, "set s3.region to the bucket's region"},
    {"PermanentRedirect", OBJECT_REFUSED, "set s3.region to the bucket's region"},
    {"IllegalLocationConstraintException", OBJECT_REFUSED, "set s3.region to the bucket's region"},
    {"InvalidAccessKeyId", OBJECT_AWAY, "the keys are wrong: look where they come from"},
    {"SignatureDoesNotMatch", OBJECT_AWAY, "the keys are wrong: look where they come from"},
    {"InvalidToken", OBJECT_AWAY, "the keys are wrong: look where they come from"},
    {"RequestTimeTooSkewed", OBJECT_AWAY, "the clock of this machine is wrong: set it (chronyd, systemd-timesyncd)"},
    {"ExpiredToken", OBJECT_AWAY, "the keys have expired, and new ones are asked for"},
    {"TokenRefreshRequired", OBJECT_AWAY, "the keys have expired, and new ones are asked for"},
    {"SlowDown", OBJECT_AWAY, "the store is busy; nothing needs to be done unless it lasts"},
};

static void refused(const struct http_response *re, struct object_said *out)
{
    s3_element(re->body, "Code", out->code, sizeof(out->code));
    s3_element(re->body, "Message", out->text, sizeof(out->text));
    /* A message is deleted for an object that is gone, so a store must say that in its own words: whatever else answers at the address says 404 as well. */
    out->answer = re->status >= 500 || re->status == 429 ? OBJECT_AWAY
                  : re->status == 412                    ? OBJECT_CHANGED
                                                         : OBJECT_REFUSED;
    if (re->status == 405 && slice_is(http_response_header(re, "x-amz-delete-marker"), "true"))
        out->answer = OBJECT_GONE;
    out->hint = out->answer == OBJECT_AWAY ? "the store is busy; nothing needs to be done unless it lasts"
                : re->status == 404        ? "is it a store of S3 that answers at s3.endpoint? It would say NoSuchKey"
                                           : "what the store says tells more";
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++)
        if (strcmp(out->code, CODES[i].code) == 0) {
            out->answer = CODES[i].answer;
            out->hint = CODES[i].hint;
        }
    out->keys_expired = strcmp(out->code, "ExpiredToken") == 0 || strcmp(out->code, "TokenRefreshRequired") == 0;
    if (strstr(out->code, "Signature"))
        out->text[0] = '\0'; /* it shows what was signed */
    if (!out->code[0])
        snprintf(out->code, sizeof(out->code), "status %d", re->status);
}

/* bytes 0-1048575/5242880 */
static bool read_range(struct slice text, uint64_t from, uint64_t bytes, uint64_t *total)
{
    char copy[96];
    uint64_t begin, end;
    int read = 0;

    if (text.n == 0 || text.n >= sizeof(copy))
        return false;
    snprintf(copy, sizeof(copy), "%.*s", (int)text.n, text.p);
    if (sscanf(copy, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64 "%n", &begin, &end, total, &read) != 3 || copy[read])
        return false;
    return begin == from && end >= begin && end - begin < UINT64_MAX && end - begin + 1 == bytes && end < *total;
}

static void odd(struct object_said *out, enum object_answer answer, const char *what, const char *hint)
{
    out->answer = answer;
    snprintf(out->code, sizeof(out->code), "%s", what);
    out->hint = hint;
}

void object_answer_read(const struct http_response *re, uint64_t from, struct object_said *out)
{
    struct slice tag;

    *out = (struct object_said){.answer = OBJECT_PIECE, .hint = ""};
    if (re->failure != HTTP_OK) {
        out->answer = OBJECT_AWAY;
        snprintf(out->text, sizeof(out->text), "%s", re->failure_text);
        out->hint = re->no_room ? "there is no memory for a piece of an object; if this goes on, raise limits.memory"
                                : "is the address right (s3.endpoint, s3.region), and can this machine reach it?";
        return;
    }
    if (re->status == 416) {
        out->answer = OBJECT_END;
        return;
    }
    if (re->status != 200 && re->status != 206) {
        refused(re, out);
        return;
    }
    tag = http_response_header(re, "ETag");
    if (tag.n > 0 && tag.n < sizeof(out->tag))
        snprintf(out->tag, sizeof(out->tag), "%.*s", (int)tag.n, tag.p);
    out->total = re->body.n;
    if (re->status == 200 && (from > 0 || re->body_truncated))
        odd(out, OBJECT_REFUSED, "the store reads no pieces of objects (it ignores Range), and this one is large",
            "read from a store that knows Range");
    else if (re->status == 206 && !read_range(http_response_header(re, "Content-Range"), from, re->body.n, &out->total))
        odd(out, OBJECT_AWAY, "the answer is not the piece of the object that was asked for",
            "look for a proxy that changes answers");
}

/* On the agent's thread. */
static void get_done(struct http_ask *ask, const struct http_response *re)
{
    struct object_get *g = CONTAINER_OF(ask, struct object_get, ask);
    struct object_store *s = g->store;

    g->answered = re != NULL;
    if (re) {
        object_answer_read(re, g->from, &g->said);
        if (g->said.answer == OBJECT_PIECE && buf_add_slice(&g->piece, re->body) < 0)
            odd(&g->said, OBJECT_AWAY, "there is no memory for a piece of an object", "raise limits.memory");
    }
    pthread_mutex_lock(&s->lock); /* behind it get, thread and store may be gone */
    g->over = true;
    input_thread_wake(s->thread);
    pthread_mutex_unlock(&s->lock);
}

/* --- the request --------------------------------------------------------------------------------------------------- */

void object_get_init(struct object_get *g, struct object_store *s)
{
    *g = (struct object_get){.store = s};
    buf_init(&g->piece, OBJECTS_PIECE);
}

void object_get_release(struct object_get *g)
{
    buf_release(&g->piece);
}

static int find_address(const struct object_store *s, const struct object *o, struct s3_address *a,
                        char region[OBJECT_REGION_MAX], struct err *e)
{
    const struct object_store_conf *c = &s->conf;
    char *bucket = mem_strndup(o->bucket.p, o->bucket.n);
    struct s3_where where = {.bucket = bucket, .endpoint = s->endpoint, .region = region};
    int rc;

    if (c->region && *c->region)
        snprintf(region, OBJECT_REGION_MAX, "%s", c->region);
    else if (o->region.n > 0 && o->region.n < OBJECT_REGION_MAX)
        snprintf(region, OBJECT_REGION_MAX, "%.*s", (int)o->region.n, o->region.p);
    else
        snprintf(region, OBJECT_REGION_MAX, "%s", c->region_otherwise);
    if (strlen(bucket) != o->bucket.n)
        rc = err_set(e, ERR_FORMAT, "bucket: a zero byte is in its name");
    else
        rc = s3_address_init(a, &where, e);
    mem_free(bucket);
    return rc;
}

bool object_address_is_fine(const struct object_store *s, const struct object *o, struct err *e)
{
    char region[OBJECT_REGION_MAX];
    struct s3_address a;

    if (o->key.n > OBJECTS_KEY_MAX) {
        err_set(e, ERR_LIMIT, "the object's name is too long");
        return false;
    }
    if (find_address(s, o, &a, region, e) < 0)
        return false;
    s3_address_release(&a);
    return true;
}

static int fill(struct object_get *g, const struct object *o, const char *tag, const struct aws_keys *keys,
                struct err *e)
{
    char region[OBJECT_REGION_MAX], range[64];
    unsigned char nothing[SHA256_BYTES];
    struct s3_address a;
    struct buf path, query;
    int rc;

    if (find_address(g->store, o, &a, region, e) < 0)
        return -1;
    buf_init(&path, S3_TARGET_MAX);
    buf_init(&query, S3_TARGET_MAX);
    rc = s3_address_path(&a, o->key, &path);
    if (rc == 0 && o->version.n > 0)
        rc = buf_add_str(&query, "versionId=") < 0 ? -1 : sigv4_uri_encode(o->version, false, &query);
    if (rc < 0) {
        err_set(e, ERR_LIMIT, "the object's name is too long");
    } else {
        struct http_request *rq = &g->request;
        const char *path_text = buf_cstr(&path), *query_text = buf_cstr(&query); /* may move what they hold */
        const struct aws_sign sign = {.region = region,
                                      .service = "s3",
                                      .host = slice_str(a.host),
                                      .path = buf_slice(&path),
                                      .query = buf_slice(&query),
                                      .sha256 = nothing,
                                      .wall_now = g->began};

        sha256_of(SLICE(""), nothing);
        rq->url = mem_printf("%s://%s%s%s%s", a.scheme, a.host, path_text, query.n > 0 ? "?" : "", query_text);
        snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, g->from, (uint64_t)(g->from + OBJECTS_PIECE - 1));
        http_request_header(rq, "Range", slice_str(range));
        if (*tag)
            http_request_header(rq, "If-Match", slice_str(tag));
        rc = aws_sign(rq, &sign, keys, e);
    }
    buf_release(&path);
    buf_release(&query);
    s3_address_release(&a);
    return rc;
}

/* 0, -1, or > 0: soon again. */
static int make_request(struct object_get *g, const struct object *o, const char *tag, struct err *e)
{
    struct object_store *s = g->store;
    nsec now = clock_wall();
    struct aws_keys keys;
    int rc = credentials_poll(s->credentials, now, &keys, e);

    if (rc != 0)
        return rc;
    g->began = now;
    g->request = (struct http_request){
        .method = "GET", .proxy = s->conf.proxy, .timeout = OBJECTS_TIMEOUT, .response_max = OBJECTS_PIECE};
    rc = fill(g, o, tag, &keys, e);
    if (rc == 0)
        rc = tls_options_poll(s->tls, now, &g->request, e);
    if (rc != 0)
        http_request_release(&g->request);
    aws_keys_wipe(&keys);
    return rc;
}

bool object_get_begin(struct object_get *g, const struct object *o, uint64_t from, const char *tag, struct err *e)
{
    e->msg[0] = '\0';
    g->from = from;
    buf_clear(&g->piece);
    if (make_request(g, o, tag, e) != 0)
        return false;
    g->under_way = true;
    g->answered = g->over = false; /* nobody else knows of it yet */
    g->ask.request = &g->request;
    g->ask.body = NULL;
    g->ask.done = get_done;
    http_agent_send(g->store->conf.agent, &g->ask);
    return true;
}

bool object_get_ended(struct object_get *g)
{
    bool over;

    if (!g->under_way)
        return false;
    pthread_mutex_lock(&g->store->lock);
    over = g->over;
    pthread_mutex_unlock(&g->store->lock);
    if (!over)
        return false;
    g->under_way = false;
    http_request_release(&g->request);
    return true;
}

void object_get_cancel(struct object_get *g)
{
    if (g->under_way)
        http_agent_cancel(g->store->conf.agent, &g->ask);
}
