#include "pipeline/bucket.h"

#include "pipeline/backoff.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/transport.h"
#include "pipeline/verdict.h"

#include <poll.h>

#define ATTEMPTS_MAX    5
#define RETRY_AFTER_MAX (30 * NSEC_PER_SEC) /* somebody sits and waits */

struct bucket {
    const struct s3_reader *reader;
    struct transport *transport;
};

/* A request under way, and what came of it. */
struct ask {
    struct exchange x;
    const struct s3_reader *reader;
    struct slice key; /* of the object; of a listing the prefix */
    struct buf *out;
    bool ended, too_large, no_memory;
    enum sink_outcome outcome;
    struct sink_verdict verdict;
};

int bucket_open(struct bucket **out, const struct s3_reader *reader, struct err *e)
{
    struct bucket *b = mem_alloc(sizeof(*b));

    b->reader = reader;
    if (transport_new(&b->transport, e) < 0) {
        bucket_close(&b);
        return -1;
    }
    *out = b;
    return 0;
}

void bucket_close(struct bucket **bp)
{
    struct bucket *b = *bp;

    if (!b)
        return;
    transport_free(&b->transport);
    MEM_CLEAR(*bp);
}

static void on_done(struct exchange *x, const struct http_response *re)
{
    struct ask *a = CONTAINER_OF(x, struct ask, x);

    a->ended = true;
    a->outcome = s3_reader_judge(a->reader, a->key, re, &a->verdict);
    verdict_finish(&a->verdict, &(struct verdict_sent){.request = x->request});
    if (a->outcome != SINK_DELIVERED)
        return;
    a->too_large = re->body_truncated;
    buf_expect(a->out, re->body.n);
    a->no_memory = !a->too_large && buf_add_slice(a->out, re->body) < 0;
}

static void send_once(struct bucket *b, struct ask *a, const struct http_request *rq)
{
    a->ended = a->too_large = a->no_memory = false;
    a->x.request = rq;
    buf_clear(a->out);
    transport_start(b->transport, &a->x);
    while (!a->ended)
        transport_run(b->transport, NSEC_NEVER);
}

static enum bucket_outcome say(const struct ask *a, struct err *e)
{
    const struct sink_verdict *v = &a->verdict;

    if (a->outcome != SINK_DELIVERED)
        err_set(e, ERR_REMOTE, "%s%s%s", v->message, v->hint[0] ? "; " : "", v->hint);
    else if (a->too_large)
        err_set(e, ERR_LIMIT, "it has more than %zu bytes", a->out->max);
    else if (a->no_memory)
        err_set(e, ERR_NOMEM, "there is no memory for its bytes");
    else
        return BUCKET_DONE;
    return a->outcome != SINK_DELIVERED && !v->misconfigured ? BUCKET_AWAY : BUCKET_REFUSED;
}

static void pause_after(unsigned failures, nsec asked_for)
{
    nsec wait = backoff_wait(failures, random_bits());

    if (asked_for > RETRY_AFTER_MAX)
        asked_for = RETRY_AFTER_MAX;
    poll(NULL, 0, (int)((wait > asked_for ? wait : asked_for) / NSEC_PER_MSEC));
}

/* What is asked for is made anew for each attempt: a signature does not last. */
static enum bucket_outcome ask_for(struct bucket *b, bool listing, struct slice key, struct slice token,
                                   struct buf *out, struct err *e)
{
    struct ask a = {.x = {.done = on_done}, .reader = b->reader, .key = key, .out = out};
    enum bucket_outcome outcome = BUCKET_AWAY;

    for (unsigned attempt = 1; outcome == BUCKET_AWAY && attempt <= ATTEMPTS_MAX; attempt++) {
        struct http_request rq;
        int rc;

        if (attempt > 1)
            pause_after(attempt - 1, a.verdict.retry_after);
        rc = listing ? s3_reader_list(b->reader, key, token, clock_wall(), &rq, e)
                     : s3_reader_get(b->reader, key, out->max, clock_wall(), &rq, e);
        if (rc < 0)
            return BUCKET_REFUSED;
        send_once(b, &a, &rq);
        http_request_release(&rq);
        outcome = say(&a, e);
    }
    if (outcome == BUCKET_AWAY)
        err_wrap(e, "given up after %d attempts", ATTEMPTS_MAX);
    return outcome;
}

enum bucket_outcome bucket_list(struct bucket *b, struct slice prefix, struct slice token, struct s3_list_page *page,
                                struct err *e)
{
    enum bucket_outcome outcome;
    struct buf answer;

    buf_init(&answer, S3_LIST_ANSWER_MAX);
    outcome = ask_for(b, true, prefix, token, &answer, e);
    if (outcome == BUCKET_DONE && s3_list_read(buf_slice(&answer), prefix, page, e) < 0)
        outcome = BUCKET_REFUSED;
    buf_release(&answer);
    return outcome;
}

enum bucket_outcome bucket_get(struct bucket *b, struct slice key, struct buf *out, struct err *e)
{
    return ask_for(b, false, key, SLICE(""), out, e);
}
