/* model_store.h -- a store that takes a body in several steps, and the sink for it: an upload begins, its ranges come in any order, it is
 * completed with what was said of each; or it is removed. It does its work when it is asked, and its answer comes whenever that is
 * chosen: so a life may end between the two.
 */
#ifndef TESTS_UNIT_DELIVERY_MODEL_STORE_H
#define TESTS_UNIT_DELIVERY_MODEL_STORE_H

#include "tests/unit/delivery/model_play.h"

#include "pipeline/base/digest.h"

/* Two ranges for a body of all records. */
#define STORE_RANGE_BYTES (2 * W.scene.records)

/* True: now is the time for the scene's failure, which comes once (but for that of removing, which may stay). */
static inline bool store_fails(enum store_failure f)
{
    if (W.scene.store != f || (W.store_failed && f != STORE_NEVER_REMOVES))
        return false;
    W.store_failed = true;
    return true;
}

static inline struct upload *upload_of(unsigned id)
{
    MODEL_CHECK(id > 0 && id <= W.upload_count);
    return &W.uploads[id - 1];
}

/* --- the sink --------------------------------------------------------------------------------------------------------- */

static inline unsigned upload_in(const struct sink_seal *s)
{
    char text[16] = "";

    MODEL_CHECK(s->progress.n > 0 && s->progress.n < sizeof(text));
    memcpy(text, s->progress.p, s->progress.n);
    return (unsigned)atoi(text);
}

static inline int store_request(const void *state, const struct sink_seal *s, struct http_request *rq, struct err *e)
{
    (void)state, (void)e;
    MODEL_CHECK(s->id.first > 0 && s->id.last >= s->id.first);
    rq->method = "PUT";
    if (s->undo) {
        MODEL_CHECK(s->range == 0 && s->progress.n > 0);
        rq->url = mem_printf("undo %u %.*s", upload_in(s), (int)s->name.n, s->name.p);
    } else if (s->range > 0) {
        rq->url = mem_printf("range %u %u %u", upload_in(s), s->range, s->digest.crc32c);
    } else if (s->progress.n > 0) {
        struct buf tags;

        buf_init(&tags, 1024);
        for (uint32_t i = 0; i < s->tag_count; i++)
            (void)!buf_printf(&tags, "%s ", s->tags[i].text);
        rq->url = mem_printf("end %u", upload_in(s));
        rq->text = mem_strdup(buf_cstr(&tags));
        buf_release(&tags);
    } else {
        rq->url = mem_printf("begin %.*s", (int)s->name.n, s->name.p);
        rq->text = mem_strdup("");
    }
    return 0;
}

static inline enum sink_outcome store_judge(const void *state, const struct sink_seal *s,
                                            const struct http_response *re, struct sink_verdict *v)
{
    (void)state;
    snprintf(v->code, sizeof(v->code), "%d", re->status);
    if (re->status == 404) {
        v->begin_anew = !s->undo;
        return s->undo ? SINK_DELIVERED : SINK_RETRY;
    }
    if (re->status == 400)
        return SINK_REJECTED;
    if (re->status == 413)
        return SINK_SPLIT;
    if (re->status != 200) {
        v->misconfigured = re->status == 403;
        return SINK_RETRY;
    }
    MODEL_CHECK((v->progress != NULL) == (s->range == 0));
    if (s->range > 0) {
        snprintf(v->tag.text, sizeof(v->tag.text), "%.*s", (int)re->body.n, re->body.p);
    } else if (s->undo && W.scene.store == STORE_LEAVES && s->progress.p[s->progress.n - 1] != '+') {
        MODEL_CHECK(s->alone && buf_add_slice(v->progress, s->progress) == 0 && buf_add_char(v->progress, '+') == 0);
        v->progressed = true;
        return SINK_FOLLOW_UP;
    } else if (!s->undo && s->progress.n == 0) {
        MODEL_CHECK(buf_add_slice(v->progress, re->body) == 0);
        v->progressed = true;
        v->range_bytes = STORE_RANGE_BYTES;
        return SINK_FOLLOW_UP;
    }
    v->leaves = W.scene.store == STORE_LEAVES && s->range == 0 && !s->undo;
    return SINK_DELIVERED;
}

/* --- the store -------------------------------------------------------------------------------------------------------- */

/* Nobody begins anew what could have been gone on with. */
static inline int begin_upload(const char *name, char *answer, size_t size)
{
    struct upload *u;

    for (unsigned i = 0; i < W.upload_count && W.scene.store != STORE_NEVER_REMOVES; i++)
        MODEL_CHECK(W.uploads[i].state != UPLOAD_OPEN || !W.uploads[i].journaled ||
                    strcmp(W.uploads[i].name, name) != 0);
    if (store_fails(STORE_FAILS_TO_BEGIN))
        return 503;
    MODEL_CHECK(W.upload_count < UPLOADS_MAX);
    u = &W.uploads[W.upload_count++];
    *u = (struct upload){.state = UPLOAD_OPEN};
    snprintf(u->name, sizeof(u->name), "%s", name);
    snprintf(answer, size, "%u", W.upload_count);
    return 200;
}

static inline int put_range(struct upload *u, unsigned range, unsigned crc, const struct exchange *x, char *answer,
                            size_t size)
{
    char text[64];
    struct err e;
    long n = body_read(x->body, x->from, text, (size_t)x->bytes, &e);

    MODEL_CHECK(n > 0 && n < (long)sizeof(text) && (uint64_t)n == x->bytes);
    MODEL_CHECK(x->from == (range - 1) * STORE_RANGE_BYTES && range <= RANGES_MAX);
    MODEL_CHECK(crc == (W.scene.late ? crc32c(0, slice_of(text, (size_t)n)) : 0));
    if (u->state != UPLOAD_OPEN)
        return 404;
    if (store_fails(range == 1 ? STORE_FAILS_AT_RANGE_1 : STORE_FAILS_AT_RANGE_2))
        return 503;
    if (range == 2 && store_fails(STORE_FORGETS)) {
        u->state = UPLOAD_REMOVED;
        return 404;
    }
    if (range == 2 && store_fails(STORE_REFUSES_RANGE_2))
        return 400;
    memcpy(u->text[range - 1], text, (size_t)n);
    u->text[range - 1][n] = '\0';
    u->version[range - 1]++;
    if (u->ranges < range)
        u->ranges = range;
    snprintf(answer, size, "%u.%u", range, u->version[range - 1]);
    return 200;
}

static inline int end_upload(struct upload *u, const char *tags, char *answer, size_t size)
{
    char expected[256] = "", text[64] = "", tag[16];
    enum sink_outcome outcome;

    (void)answer, (void)size;
    if (u->state != UPLOAD_OPEN)
        return 404;
    for (unsigned i = 0; i < u->ranges; i++) {
        snprintf(tag, sizeof(tag), "%u.%u ", i + 1, u->version[i]);
        strncat(expected, tag, sizeof(expected) - strlen(expected) - 1);
        strncat(text, u->text[i], sizeof(text) - strlen(text) - 1);
    }
    MODEL_CHECK(strcmp(expected, tags) == 0);
    if (store_fails(STORE_FAILS_TO_END))
        return 503;
    outcome = take_body(text, u->name);
    if (outcome == SINK_DELIVERED)
        u->state = UPLOAD_COMPLETED;
    return outcome == SINK_DELIVERED ? 200 : outcome == SINK_SPLIT ? 413 : 400;
}

static inline int undo_upload(struct upload *u, const char *name)
{
    MODEL_CHECK(strcmp(u->name, name) == 0);
    if (store_fails(STORE_NEVER_REMOVES) || store_fails(STORE_FAILS_TO_REMOVE))
        return 403;
    if (u->state == UPLOAD_OPEN)
        u->state = UPLOAD_REMOVED;
    return 200;
}

static inline void store_take(struct answer_to *a, const struct exchange *x)
{
    const char *url = x->request->url;
    unsigned id, range, crc;
    char name[128];

    if (sscanf(url, "begin %127s", name) == 1)
        a->status = begin_upload(name, a->body, sizeof(a->body));
    else if (sscanf(url, "range %u %u %u", &id, &range, &crc) == 3)
        a->status = put_range(upload_of(id), range, crc, x, a->body, sizeof(a->body));
    else if (sscanf(url, "end %u", &id) == 1)
        a->status = end_upload(upload_of(id), x->request->text, a->body, sizeof(a->body));
    else if (sscanf(url, "undo %u %127s", &id, name) == 2)
        a->status = undo_upload(upload_of(id), name);
    else
        MODEL_CHECK(!"a request that the store knows");
}

static inline void loop_exchange(struct delivery_loop *l, struct exchange *x)
{
    struct answer_to *a = &W.answers[W.answer_count++];

    (void)l;
    MODEL_CHECK(W.answer_count < WAITING_MAX);
    *a = (struct answer_to){.x = x};
    store_take(a, x);
}

static inline void store_answers(unsigned at)
{
    struct answer_to a = W.answers[at];
    struct http_response re = {.failure = HTTP_OK, .status = a.status, .body = slice_str(a.body)};

    TAKE_AT(W.answers, W.answer_count, at);
    a.x->done(a.x, &re);
}

/* Nothing stays at the store but what nobody could know of. */
static inline void check_uploads(bool a_life_ended)
{
    for (unsigned i = 0; i < W.upload_count; i++) {
        const struct upload *u = &W.uploads[i];

        if (u->state == UPLOAD_OPEN && W.scene.store != STORE_NEVER_REMOVES)
            MODEL_CHECK(!u->journaled && a_life_ended);
    }
}

#endif
