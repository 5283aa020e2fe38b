/* Each request is one exchange of the transport, run until it has ended: nothing else is under way. What the store
 * is to blame for is tried again after a pause that grows; what a person has to change (a key, a region) is not. */
#include "pipeline/redrive/s3_fetch.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/backoff.h"
#include "pipeline/http/transport/transport.h"
#include "sinks/answer/clean.h"

#include <poll.h>
#include <stdio.h>

struct s3_fetch {
    const struct s3_reader *reader;
    struct transport *transport;
};

/* A request under way, and what came of it. */
struct ask {
    struct exchange x;
    const struct s3_reader *reader;
    struct slice key;             /* of the object; of a listing the prefix */
    const struct s3_piece *piece; /* of an object; NULL: a listing */
    struct bucket_tag *tag;
    struct buf *out;
    bool ended, too_large, no_memory, whole, changed;
    enum sink_outcome outcome;
    struct sink_verdict verdict;
};

int s3_fetch_open(struct s3_fetch **out, const struct s3_reader *reader, struct err *e)
{
    struct s3_fetch *b = mem_alloc(sizeof(*b));

    b->reader = reader;
    if (transport_new(&b->transport, e) < 0) {
        s3_fetch_close(&b);
        return -1;
    }
    *out = b;
    return 0;
}

void s3_fetch_close(struct s3_fetch **bp)
{
    struct s3_fetch *b = *bp;

    if (!b)
        return;
    transport_free(&b->transport);
    MEM_CLEAR(*bp);
}

static void on_done(struct exchange *x, const struct http_response *re)
{
    struct ask *a = CONTAINER_OF(x, struct ask, x);
    struct slice tag = http_response_header(re, "ETag");

    a->ended = true;
    a->outcome = s3_reader_judge(a->reader, a->key, re, &a->verdict);
    verdict_finish(&a->verdict, &(struct verdict_sent){.request = x->request});
    if (a->outcome != SINK_DELIVERED)
        return;
    a->whole = a->piece && !s3_piece_is_all(a->piece) && re->status == 200;
    a->too_large = re->body_truncated;
    a->changed = a->piece && a->piece->size > 0 && !a->too_large && re->body.n != a->piece->n;
    if (a->tag && !a->tag->text[0] && tag.n < sizeof(a->tag->text))
        snprintf(a->tag->text, sizeof(a->tag->text), "%.*s", (int)tag.n, tag.p ? tag.p : "");

    buf_expect(a->out, re->body.n);
    a->no_memory = !a->too_large && buf_add_slice(a->out, re->body) < 0;
}

static enum s3_fetch_outcome say(const struct ask *a, struct err *e)
{
    const struct sink_verdict *v = &a->verdict;

    if (a->outcome != SINK_DELIVERED)
        err_set(e, ERR_REMOTE, "%s%s%s", v->message, v->hint[0] ? "; " : "", v->hint);
    else if (a->whole)
        err_set(e, ERR_REMOTE, "the store reads no pieces of objects (it ignores Range), and this one is large");
    else if (a->too_large && a->piece)
        err_set(e, ERR_LIMIT, "it has more bytes than the listing says");
    else if (a->too_large)
        err_set(e, ERR_LIMIT, "it has more than %zu bytes", a->out->max);
    else if (a->changed)
        err_set(e, ERR_FORMAT, "it has fewer bytes than the listing says");
    else if (a->no_memory)
        err_set(e, ERR_NOMEM, "there is no memory for its bytes");
    else
        return S3_FETCH_DONE;
    return a->outcome != SINK_DELIVERED && !v->misconfigured ? S3_FETCH_AWAY : S3_FETCH_REFUSED;
}

/* What is asked for is made anew for each attempt: a signature does not last. */
static enum s3_fetch_outcome ask_for(struct s3_fetch *b, struct ask *a, struct slice token, struct err *e)
{
    enum s3_fetch_outcome outcome = S3_FETCH_AWAY;

    for (unsigned attempt = 1; outcome == S3_FETCH_AWAY && attempt <= BUCKET_ATTEMPTS_MAX; attempt++) {
        struct http_request rq;
        int rc;

        if (attempt > 1) {
            nsec wait = backoff_wait(attempt - 1, random_bits()), asked_for = a->verdict.retry_after;

            if (asked_for > BUCKET_RETRY_AFTER_MAX)
                asked_for = BUCKET_RETRY_AFTER_MAX;
            poll(NULL, 0, (int)((wait > asked_for ? wait : asked_for) / NSEC_PER_MSEC));
        }

        rc = a->piece ? s3_reader_get(b->reader, a->key, a->piece, clock_wall(), &rq, e)
                      : s3_reader_list(b->reader, a->key, token, clock_wall(), &rq, e);
        if (rc < 0)
            return S3_FETCH_REFUSED;
        a->ended = a->too_large = a->no_memory = a->whole = a->changed = false;
        a->x.request = &rq;
        buf_clear(a->out);
        transport_start(b->transport, &a->x);
        while (!a->ended)
            transport_run(b->transport, NSEC_NEVER);

        http_request_release(&rq);
        outcome = say(a, e);
    }
    if (outcome == S3_FETCH_AWAY)
        err_wrap(e, "given up after %d attempts", BUCKET_ATTEMPTS_MAX);
    return outcome;
}

enum s3_fetch_outcome s3_fetch_list(struct s3_fetch *b, struct slice prefix, struct slice token,
                                    struct s3_list_page *page, struct err *e)
{
    struct ask a = {.x = {.done = on_done}, .reader = b->reader, .key = prefix};
    enum s3_fetch_outcome outcome;
    struct buf answer;

    buf_init(&answer, S3_LIST_ANSWER_MAX);
    a.out = &answer;
    outcome = ask_for(b, &a, token, e);
    if (outcome == S3_FETCH_DONE && s3_list_read(buf_slice(&answer), prefix, page, e) < 0)
        outcome = S3_FETCH_REFUSED;
    buf_release(&answer);
    return outcome;
}

enum s3_fetch_outcome s3_fetch_get(struct s3_fetch *b, struct slice key, const struct s3_piece *piece,
                                   struct bucket_tag *tag, struct buf *out, struct err *e)
{
    const struct s3_piece tagged = {piece->from, piece->n, piece->size, tag->text};
    struct ask a = {.x = {.done = on_done}, .reader = b->reader, .key = key, .piece = &tagged, .tag = tag, .out = out};

    return ask_for(b, &a, SLICE(""), e);
}
