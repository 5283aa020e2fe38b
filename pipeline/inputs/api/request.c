/* The server calls on_begin() with the headers, and on_more() for each piece of the body, with its end,
 * and once more when a suspended connection was resumed; a request is a small state machine between these calls. The
 * headers are judged at the first; the work is done at the end of the body. A put then suspends its connection: no
 * thread waits for the disk. The committer's answer resumes it, and the answer is made on the connection's own
 * thread. */
#include "pipeline/inputs/api/server.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/api/auth.h"
#include "pipeline/inputs/api/body.h"
#include "pipeline/inputs/api/kinesis.h"
#include "pipeline/inputs/api/operation.h"
#include "pipeline/inputs/api/put.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOG_EVERY (10 * NSEC_PER_SEC)

#define REQUEST_MAGIC 0x72657175u

struct api_request {
    unsigned magic;
    struct api *api;
    struct http_exchange *exchange;
    struct MHD_Connection *connection;
    char id[API_PUT_ID + 1];
    enum api_operation operation;
    bool kinesis;       /* it is one of Kinesis Data Streams */
    bool gzip, signed_; /* Content-Encoding: gzip; it is its signature that lets it in */
    bool committing;    /* the spool has been asked; suspended until it has answered */
    struct api_commit commit;
    bool begun;      /* counted in api->begun */
    bool answering;  /* counted in api->answering */
    bool must_close; /* the rest of the body is not wanted */
    bool in_chunks;  /* what follows its body is not looked at: see docs/listeners.md */
    struct api_keys *keys;
    struct api_auth auth;   /* by them */
    struct api_error error; /* API_OK while all is well */
    struct api_body body;
    uint64_t discarded;
    const struct api_stream *stream; /* of a put, while it uses it */
    struct api_put put;
    struct buf reply;
    size_t reply_held; /* taken from the budget for it */
};

/* --- what it asks for --------------------------------------------------------------------------------------------- */

/* Its next step is the client's: to send the body, to read the answer. */
static void await_client(struct api_request *rq)
{
    http_exchange_await(rq->exchange, rq->api->conf->timeout);
}

static const char *header(const struct api_request *rq, const char *name)
{
    return MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, name);
}

static int check_encoding(struct api_request *rq)
{
    const char *encoding = header(rq, "Content-Encoding"), *type = header(rq, "Content-Type");

    if (rq->kinesis && type && strcasestr(type, "cbor"))
        return api_error_set(
            &rq->error, API_SERIALIZATION,
            "the body has to be JSON; an SDK for Java sends CBOR, unless AWS_CBOR_DISABLE=true is set");

    if (!encoding || strcasecmp(encoding, "identity") == 0)
        return 0;
    rq->gzip = strcasecmp(encoding, "gzip") == 0 || strcasecmp(encoding, "x-gzip") == 0;
    if (!rq->gzip)
        return api_error_set(&rq->error, API_MALFORMED, "the body may be sent as it is or with Content-Encoding: gzip");
    return 0;
}

/* --- who asks ----------------------------------------------------------------------------------------------------- */

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct api_auth_headers *h = cls;

    (void)kind;
    if (h->n == ARRAY_LEN(h->v))
        return MHD_NO;
    h->v[h->n++] = (struct sigv4_header){slice_str(name), slice_str(value)};
    return MHD_YES;
}

static int all_headers(struct api_request *rq, struct api_auth_headers *h)
{
    h->n = 0;
    if (MHD_get_connection_values(rq->connection, MHD_HEADER_KIND, NULL, NULL) > (int)ARRAY_LEN(h->v))
        return api_error_set(&rq->error, API_MALFORMED, "there are more than %zu headers", ARRAY_LEN(h->v));
    MHD_get_connection_values(rq->connection, MHD_HEADER_KIND, add_header, h);
    return 0;
}

/* True when a line is due; *suppressed says how many were left out before it. */
static bool is_log_due(struct api *a, enum api_event event, uint64_t *suppressed)
{
    struct log_limit *l = &a->events[event];
    bool due;

    pthread_mutex_lock(&a->lock);
    due = log_due(l, clock_mono(), LOG_EVERY);
    *suppressed = l->suppressed;
    pthread_mutex_unlock(&a->lock);
    return due;
}

static void log_refused(struct api_request *rq)
{
    uint64_t more;

    if (!is_log_due(rq->api, API_EVENT_AUTH, &more))
        return;
    log_warn("request refused: nothing that it shows lets it in", KS("input", "api"), KS("client", rq->exchange->from),
             KS("code", api_error_name(rq->error.code)), KS("cause", rq->error.message),
             KB("access_key_id", rq->auth.claim.access_key_id), KU("suppressed", more),
             KS("hint", "compare what the client has with `api.credentials`, `api.tokens` and `api.users`, and its "
                        "clock with this machine's"));
}

/* Signed ones have a scheme of their own, so that a token is never taken for a broken signature where both are there. */
static bool is_signed(const struct api_request *rq)
{
    static const char SCHEME[] = "AWS4-";
    const char *authorization = header(rq, "Authorization");

    if (rq->keys->n == 0 || !rq->keys->access)
        return rq->keys->n > 0;
    return authorization && strncmp(authorization, SCHEME, sizeof(SCHEME) - 1) == 0;
}

static int check_access(struct api_request *rq)
{
    enum http_access_answer answer = http_access_ask(rq->keys->access, header(rq, "Authorization"), NULL);

    if (answer == HTTP_ACCESS_YES)
        return 0;
    api_error_set(&rq->error, answer == HTTP_ACCESS_NOTHING ? API_MISSING_TOKEN : API_UNRECOGNIZED_CLIENT, "%s",
                  http_access_why(answer));
    log_refused(rq);
    return -1;
}

static int check_claim(struct api_request *rq)
{
    struct api_auth_keys keys = {.v = rq->keys->v, .n = rq->keys->n, .service = rq->kinesis ? "kinesis" : NULL};
    struct api_auth_headers headers;

    rq->signed_ = is_signed(rq);
    if (!rq->signed_)
        return check_access(rq);
    if (all_headers(rq, &headers) < 0)
        return -1;
    if (api_auth_begin(&rq->auth, keys, &headers, clock_wall(), &rq->error) == 0)
        return 0;
    log_refused(rq);
    return -1;
}

static int check_signature(struct api_request *rq)
{
    struct api_auth_headers headers;

    if (!rq->signed_)
        return 0;
    if (all_headers(rq, &headers) < 0)
        return -1;
    if (api_auth_finish(&rq->auth, &headers, buf_slice(&rq->body.bytes), &rq->error) == 0)
        return 0;
    log_refused(rq);
    return -1;
}

/* --- its beginning ------------------------------------------------------------------------------------------------ */

static int shut(struct api_request *rq, const char *what)
{
    rq->must_close = true;
    return api_error_set(&rq->error, API_UNAVAILABLE, "The server is %s.", what);
}

/* Those that come through are waited for when the server stops. */
static int check_gate(struct api_request *rq)
{
    struct api *a = rq->api;
    enum api_gate gate;

    pthread_mutex_lock(&a->lock);
    gate = a->gate;
    rq->begun = gate == API_RUNNING;
    a->begun += rq->begun;
    pthread_mutex_unlock(&a->lock);
    return gate == API_RUNNING ? 0 : shut(rq, gate == API_STARTING ? "starting" : "stopping");
}

/* The announced length; 0 when there is none (then it is chunked, or there is no body). */
static uint64_t announced(const struct api_request *rq)
{
    const char *text = header(rq, "Content-Length");

    return text ? strtoull(text, NULL, 10) : 0;
}

/* The only reason by then why it would be unavailable. */
static void note_memory(struct api_request *rq)
{
    if (rq->error.code == API_UNAVAILABLE)
        pushback_note(&rq->api->memory, PUSHBACK_MEMORY, clock_mono());
}

static int check_names(struct api_request *rq, const char *method)
{
    const char *why;
    uint64_t more;

    if (api_keys_needed(rq->keys) || http_guard_names(&rq->exchange->guard, method, &rq->api->names, &why))
        return 0;
    api_error_set(&rq->error, API_ACCESS_DENIED, "%s", why);
    if (is_log_due(rq->api, API_EVENT_FOREIGN, &more))
        log_warn("request refused: it is not meant for this server", KS("input", "api"),
                 KS("client", rq->exchange->from), KS("cause", rq->error.message), KU("suppressed", more),
                 KS("hint", "set `api.hosts` to the names that clients use, or let them show something: "
                            "`api.credentials`, `api.tokens`, `api.users`"));
    return -1;
}

static int judge(struct api_request *rq, const struct http_asked *asked)
{
    const struct api_asked what = {
        .method = asked->method,
        .url = asked->url,
        .has_parameters = MHD_get_connection_values(rq->connection, MHD_GET_ARGUMENT_KIND, NULL, NULL) > 0,
        .target = header(rq, "X-Amz-Target"),
    };

    rq->kinesis = api_operation_is_kinesis(what.target);
    if (check_names(rq, asked->method) < 0 || check_gate(rq) < 0 ||
        api_operation_find(&what, &rq->operation, &rq->error) < 0 || check_claim(rq) < 0 || check_encoding(rq) < 0)
        return -1;
    if (rq->operation == API_OP_CONFIGURED)
        return api_operation_refuse(what.target, &rq->error);
    if (rq->kinesis)
        rq->body.max = KINESIS_BODY_MAX_BYTES;
    if (api_body_expect(&rq->body, announced(rq), &rq->error) == 0)
        return 0;
    note_memory(rq);
    return -1;
}

static struct api_request *new_request(struct http_exchange *x)
{
    struct api_request *rq = mem_alloc(sizeof(*rq));

    rq->magic = REQUEST_MAGIC;
    rq->api = x->ctx;
    rq->exchange = x;
    rq->connection = x->connection;
    rq->in_chunks = x->guard.codings > 0;
    pthread_mutex_lock(&rq->api->lock);
    rq->keys = api_keys_take(rq->api->keys);
    pthread_mutex_unlock(&rq->api->lock);
    /* Unique over processes by the random seed, within this one by the counter. */
    snprintf(rq->id, sizeof(rq->id), "%016" PRIx64 "%016" PRIx64, rq->api->seed,
             atomic_fetch_add_explicit(&rq->api->next_id, 1, memory_order_relaxed));

    api_body_init(&rq->body, rq->api->budget);
    buf_init(&rq->reply, API_REPLY_MAX);
    x->own = rq;
    return rq;
}

static enum MHD_Result take(struct api_request *rq, struct slice piece)
{
    if (rq->error.code == API_OK) {
        if (api_body_add(&rq->body, piece, &rq->error) == 0)
            return MHD_YES;
        note_memory(rq);
        api_body_release(&rq->body);
    }
    rq->discarded += piece.n;
    return rq->discarded <= API_DISCARD_MAX ? MHD_YES : MHD_NO;
}

/* --- its answer --------------------------------------------------------------------------------------------------- */

static void give_back_stream(struct api_request *rq)
{
    if (rq->stream)
        api_table_give_back(&rq->api->streams, rq->stream);
    rq->stream = NULL;
}

/* A client may take its time to read it: nobody waits for that. */
static enum MHD_Result answer(struct api_request *rq)
{
    unsigned status = api_error_status(rq->error.code);
    struct MHD_Response *re;
    enum MHD_Result rc = MHD_NO;

    give_back_stream(rq);
    if (rq->kinesis)
        api_kinesis_error(&rq->error);
    if (rq->error.code != API_OK) {
        buf_clear(&rq->reply);
        if (api_error_body(&rq->error, &rq->reply) < 0)
            return MHD_NO;
    }
    api_body_release(&rq->body);
    re = MHD_create_response_from_buffer(rq->reply.n, rq->reply.p, MHD_RESPMEM_PERSISTENT);
    if (!re)
        return MHD_NO;
    if (MHD_add_response_header(re, "Content-Type", "application/x-amz-json-1.1") == MHD_YES &&
        MHD_add_response_header(re, "x-amzn-RequestId", rq->id) == MHD_YES &&
        (!(rq->must_close || rq->in_chunks) || MHD_add_response_header(re, "Connection", "close") == MHD_YES))
        rc = MHD_queue_response(rq->connection, status, re);
    MHD_destroy_response(re);
    await_client(rq);
    return rc;
}

/* --- put ---------------------------------------------------------------------------------------------------------- */

static void count_put(const struct api_request *rq)
{
    struct metrics *m = rq->stream->metrics;

    metrics_add(m, METRIC_INCOMING_PUT_REQUESTS, 1);
    if (rq->put.batch) {
        metrics_add(m, METRIC_PUT_RECORD_BATCH_REQUESTS, 1);
        metrics_add(m, METRIC_PUT_RECORD_BATCH_RECORDS, rq->put.count);
        metrics_add(m, METRIC_PUT_RECORD_BATCH_BYTES, rq->put.bytes);
    } else {
        metrics_add(m, METRIC_PUT_RECORD_REQUESTS, 1);
        metrics_add(m, METRIC_PUT_RECORD_BYTES, rq->put.bytes);
    }
}

/* The spool has answered for all frames. Also runs on the committer thread: the answer is made on the connection's. */
static void resume(void *ctx)
{
    struct api_request *rq = ctx;
    struct api *a = rq->api;

    assert(rq->magic == REQUEST_MAGIC);
    pthread_mutex_lock(&a->lock);
    TAILQ_REMOVE(&a->commits, &rq->commit, link);
    pthread_mutex_unlock(&a->lock);
    MHD_resume_connection(rq->connection); /* rq may be gone behind this */
    pthread_mutex_lock(&a->lock);
    a->committing--;
    pthread_cond_broadcast(&a->quiet);
    pthread_mutex_unlock(&a->lock);
}

/* The gate again: a body may take its time, and behind a closed gate there may be no spool any more. */
static int enter_commit(struct api_request *rq)
{
    struct api *a = rq->api;

    pthread_mutex_lock(&a->lock);
    rq->committing = rq->answering = a->gate != API_STOPPED;
    a->committing += rq->committing;
    a->answering += rq->answering;
    if (rq->committing) {
        rq->commit = (struct api_commit){.since = clock_mono(), .pushback = rq->stream->pushback};
        TAILQ_INSERT_TAIL(&a->commits, &rq->commit, link);
    }
    pthread_mutex_unlock(&a->lock);
    return rq->committing ? 0 : shut(rq, "stopping");
}

static void commit(struct api_request *rq)
{
    http_exchange_await(rq->exchange, NSEC_NEVER);
    MHD_suspend_connection(rq->connection); /* first: resume() may be called before api_put_append() returns */
    api_put_append(&rq->put, rq->stream->spool, resume, rq);
}

static int prepare_put(struct api_request *rq)
{
    const char *key = rq->signed_ ? rq->auth.key->access_key_id : "";
    size_t reply = 256; /* its memory is asked for while there is still time to say no */
    char text[256];
    struct api_put_origin origin = {.arrival = clock_wall(), .budget = rq->api->budget};
    struct buf *body = &rq->body.bytes;
    struct api_error missing;
    int rc;

    snprintf(text, sizeof(text), "input=api client=%s%s%s", rq->exchange->from, *key ? " access_key_id=" : "", key);

    origin.text = slice_str(text);
    rc = rq->kinesis
             ? api_kinesis_parse(&rq->put, rq->operation == API_OP_KINESIS_PUT_BATCH, body->p, body->n, &origin,
                                 &rq->error)
             : api_put_parse(&rq->put, rq->operation == API_OP_PUT_BATCH, body->p, body->n, &origin, &rq->error);
    if (rq->put.stream.present)
        rq->stream = api_table_use(&rq->api->streams, rq->put.stream.s, &missing);
    api_body_release(&rq->body);
    if (rc == 0 && !rq->stream) {
        rq->error = missing;
        return -1;
    }
    if (rc == 0 && !spool_holds(rq->stream->spool, rq->put.largest))
        rc = api_error_set(&rq->error, API_VALIDATION,
                           "a record of %" PRIu64 " bytes is larger than the stream can hold: raise its spool.limit",
                           rq->put.largest);
    reply += (size_t)rq->put.count * API_PUT_ENTRY_MAX;
    if (rc == 0 && budget_take(rq->api->budget, reply))
        rq->reply_held = rq->reply.max = reply;
    else if (rc == 0)
        rc = api_error_set(&rq->error, API_UNAVAILABLE, API_SLOW_DOWN);

    if (rc < 0 && rq->stream && rq->error.code != API_UNAVAILABLE) /* else it may come again as it is */
        input_health_error(rq->stream->health, "a request was refused: its body is not what it should be",
                           "see the answer that its client has", clock_mono());
    if (rc < 0)
        note_memory(rq);
    return rc;
}

static enum MHD_Result answer_put(struct api_request *rq)
{
    struct api_put_sum sum = api_put_sum(&rq->put);

    input_health_add(rq->stream->health, INPUT_RECORDS, sum.safe);
    input_health_add(rq->stream->health, INPUT_BYTES, sum.bytes);
    if (sum.refused) {
        metrics_add(rq->stream->metrics, METRIC_THROTTLED_RECORDS, sum.refused);
        pushback_note(rq->stream->pushback, sum.why == API_OUTCOME_FULL ? PUSHBACK_LIMIT : PUSHBACK_DISK, clock_mono());
    }
    if ((rq->kinesis ? api_kinesis_reply(&rq->put, api_kinesis_sequence(&rq->api->sequence, clock_wall()), &rq->reply,
                                         &rq->error)
                     : api_put_reply(&rq->put, rq->id, &rq->reply, &rq->error)) == 0)
        assert(rq->reply.n <= rq->reply_held);
    return answer(rq);
}

/* --- its body is complete ----------------------------------------------------------------------------------------- */

static int finish(struct api_request *rq)
{
    struct buf *body = &rq->body.bytes;

    if (check_signature(rq) < 0 || (rq->gzip && api_body_gunzip(&rq->body, &rq->error) < 0))
        return -1;
    if (rq->operation == API_OP_DESCRIBE)
        return api_table_ask(&rq->api->streams, api_describe, buf_slice(body), &rq->reply, &rq->error);
    if (rq->operation == API_OP_LIST)
        return api_table_ask(&rq->api->streams, api_list, buf_slice(body), &rq->reply, &rq->error);
    if (rq->operation == API_OP_TAGS)
        return api_table_ask(&rq->api->streams, api_tags, buf_slice(body), &rq->reply, &rq->error);
    if (rq->operation == API_OP_KINESIS_SHARDS)
        return api_table_ask(&rq->api->streams, api_kinesis_shards, buf_slice(body), &rq->reply, &rq->error);
    if (rq->operation == API_OP_KINESIS_SUMMARY)
        return api_table_ask(&rq->api->streams, api_kinesis_summary, buf_slice(body), &rq->reply, &rq->error);
    if (rq->operation == API_OP_KINESIS_DESCRIBE)
        return api_table_ask(&rq->api->streams, api_kinesis_describe, buf_slice(body), &rq->reply, &rq->error);
    if (prepare_put(rq) < 0 || enter_commit(rq) < 0)
        return -1;
    count_put(rq);
    commit(rq);
    return 0;
}

static enum MHD_Result on_begin(struct http_exchange *x, const struct http_asked *asked)
{
    struct api_request *rq = new_request(x);

    assert(rq->api->magic == API_MAGIC);
    if (judge(rq, asked) < 0)
        api_body_release(&rq->body);
    /* Refused: is there any point in reading what follows? */
    if (rq->error.code == API_OK ||
        (!rq->must_close && !header(rq, "Expect") && announced(rq) <= API_BODY_MAX_BYTES + API_DISCARD_MAX))
        return MHD_YES;
    rq->must_close = true;
    return answer(rq);
}

/* What follows a request whose end is in doubt is not looked at. */
static enum MHD_Result on_refuse(struct http_exchange *x, unsigned status, const char *why)
{
    struct api_request *rq = new_request(x);

    rq->must_close = true;
    api_error_set(&rq->error, status == MHD_HTTP_BAD_REQUEST ? API_MALFORMED : API_UNAVAILABLE, "%s", why);
    return answer(rq);
}

static enum MHD_Result on_more(struct http_exchange *x, const struct http_asked *asked, struct slice piece)
{
    struct api_request *rq = x->own;

    (void)asked;
    assert(rq->magic == REQUEST_MAGIC);
    if (piece.n)
        return take(rq, piece);
    if (rq->committing)
        return answer_put(rq);
    if (rq->error.code == API_OK && finish(rq) == 0 && rq->committing)
        return MHD_YES;
    return answer(rq);
}

static void on_over(struct http_exchange *x)
{
    struct api_request *rq = x->own;
    struct api *a = rq->api;

    give_back_stream(rq);
    api_put_release(&rq->put);
    api_body_release(&rq->body);
    buf_release(&rq->reply);
    if (rq->reply_held)
        budget_give(a->budget, rq->reply_held);
    pthread_mutex_lock(&a->lock);
    a->begun -= rq->begun;
    a->answering -= rq->answering;
    pthread_cond_broadcast(&a->quiet);
    pthread_mutex_unlock(&a->lock);
    api_keys_drop(&rq->keys);
    mem_free(rq);
}

/* Once a second, what nobody tells while it lasts: that requests are pushed back no longer, and that puts wait for a disk which does not
 * answer. Their clients are held back, though nobody has told them so. Under the lock, because a stream stays for as long as its puts are
 * listed, and no longer. */
static void on_tick(void *ctx, nsec mono_now)
{
    struct api *a = ctx;
    struct pushback_view v;
    const struct api_commit *c;
    size_t n = 0;

    if (pushback_look(&a->memory, mono_now, false, &v))
        log_info("requests are no longer pushed back for memory", KS("input", "api"),
                 KI("blocked_for_s", v.lasted / NSEC_PER_SEC), KU("pushed_back", v.count));
    pthread_mutex_lock(&a->lock);
    c = TAILQ_FIRST(&a->commits);
    for (; c && n < API_LATE_MAX && mono_now - c->since >= PUSHBACK_TIMEOUT; c = TAILQ_NEXT(c, link), n++)
        pushback_note(c->pushback, PUSHBACK_DISK, mono_now);
    pthread_mutex_unlock(&a->lock);
}

const struct http_route_ops api_request_ops = {
    .begin = on_begin, .more = on_more, .refuse = on_refuse, .over = on_over, .tick = on_tick};
