/* The budget is asked before the memory, so what is held never exceeds what was taken. A body whose length is known takes all at once; one of
 * unknown length, and one that is unpacked, doubles. What would not fit if nobody else held anything is refused for good, and everything
 * else for now: so no sender repeats in circles. */
#include "pipeline/inputs/push/impl.h"

#include "pipeline/base/limits.h"
#include "transforms/codecs/coding.h"
#include "transforms/codecs/unpack.h"
#include "transforms/codecs/unsnappy.h"

#include <assert.h>
#include <strings.h>

/* `b` may grow to n bytes. */
static int hold(struct push_request *rq, struct buf *b, size_t n)
{
    struct budget *budget = rq->in->env.budget;
    size_t more;

    if (n <= b->max)
        return 0;
    more = n - b->max;
    if (rq->held + rq->frame_bytes + more > budget->limit)
        return push_refuse(rq, rq->too_large, "the body needs more memory than limits.memory leaves for what comes in");
    if (!budget_take(budget, more))
        return push_no_memory(rq);
    rq->held += more;
    b->max = n;
    return buf_reserve(b, n - b->n) < 0 ? push_no_memory(rq) : 0;
}

int push_body_hold(struct push_request *rq, size_t n)
{
    return hold(rq, &rq->body, n);
}

/* Room for `more` bytes. */
static int make_room(struct push_request *rq, struct buf *b, size_t more)
{
    size_t want = b->n + more, most = (size_t)rq->in->push->max_body, twice = b->max ? 2 * b->max : PUSH_BODY_FIRST;

    if (want > most)
        return push_too_large(rq);
    if (want <= b->max)
        return 0;
    if (twice > most)
        twice = most;
    return hold(rq, b, want > twice ? want : twice);
}

int push_body_add(struct push_request *rq, struct slice piece)
{
    if (make_room(rq, &rq->body, piece.n) < 0)
        return -1;
    return buf_add_slice(&rq->body, piece) < 0 ? push_no_memory(rq) : 0;
}

static void give_back(struct push_request *rq, struct buf *b)
{
    size_t counted = b->max < rq->held ? b->max : rq->held;

    budget_give(rq->in->env.budget, counted);
    rq->held -= counted;
    buf_release(b);
    b->max = 0;
}

void push_body_drop(struct push_request *rq)
{
    if (rq->body.max)
        give_back(rq, &rq->body);
    if (rq->scratch.max)
        give_back(rq, &rq->scratch);
}

void push_body_hand_over(struct push_request *rq)
{
    budget_give(rq->in->env.budget, rq->held);
    rq->held = 0;
}

void push_body_drop_note(struct push_request *rq)
{
    if (rq->note.max)
        give_back(rq, &rq->note);
}

struct buf *push_scratch(struct push_request *rq)
{
    buf_clear(&rq->scratch);
    return hold(rq, &rq->scratch, rq->body.n + PUSH_BODY_FIRST) < 0 ? NULL : &rq->scratch;
}

int push_scratch_more(struct push_request *rq, size_t most)
{
    struct buf *b = &rq->scratch;

    if (b->max >= most)
        return 1;
    return hold(rq, b, b->max < most / 2 ? 2 * b->max : most);
}

struct slice push_take_scratch(struct push_request *rq)
{
    struct buf scratch = rq->scratch;

    rq->scratch = (struct buf){0};
    give_back(rq, &rq->body);
    rq->body = scratch;
    return buf_slice(&rq->body);
}

int push_note(struct push_request *rq, struct slice text)
{
    if (rq->note.n + text.n > PUSH_REPLY_MAX || rq->note.n + text.n > rq->in->push->max_body)
        return push_refuse(rq, rq->too_large, "its answer would be too long: ask for less at a time");
    if (make_room(rq, &rq->note, text.n) < 0)
        return -1;
    return buf_add_slice(&rq->note, text) < 0 ? push_no_memory(rq) : 0;
}

/* It counts in the budget until the request is over, as its memory is there until then. */
void push_take_note(struct push_request *rq, struct buf *out)
{
    *out = rq->note;
    out->max += PUSH_SHORT_MAX;
    rq->note = (struct buf){.max = rq->note.max};
}

/* --- packed ones --------------------------------------------------------------------------------------------------- */

static bool is_plain(const char *encoding)
{
    return !encoding || !*encoding || strcasecmp(encoding, "identity") == 0;
}

/* As one raw block. */
static bool is_snappy(const char *encoding)
{
    return strcasecmp(encoding, "snappy") == 0;
}

bool push_body_is_known(const char *encoding)
{
    struct coding c;

    return is_plain(encoding) || is_snappy(encoding) || coding_find(encoding, &c);
}

static int unpack_all(struct push_request *rq, struct unpack *u, struct buf *plain)
{
    struct slice rest = buf_slice(&rq->body);
    struct err e = {.msg = ""};

    for (;;) {
        size_t left = rest.n, had = plain->n;

        if (unpack_step(u, &rest, plain, &e) < 0)
            break;
        if (rest.n == 0 && unpack_end(u, &e) == 0)
            return 0;
        if (rest.n < left || plain->n > had)
            continue;
        if (plain->n < plain->max) /* it wants more, and there is no more */
            break;
        if (make_room(rq, plain, 1) < 0)
            return -1;
    }
    return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "the body is not what Content-Encoding says: %s", e.msg);
}

/* Piece by piece: how long it gets is not known. */
static int unpack_stream(struct push_request *rq, struct buf *plain)
{
    struct coding c;
    bool known = coding_find(rq->encoding, &c);
    struct unpack *u;
    int rc;

    assert(known); /* it was asked for */
    if (!c.undo->looks_so(buf_slice(&rq->body)))
        return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "the body does not begin as Content-Encoding: %s does", c.name);
    u = unpack_new_as(c);
    unpack_bound(u, UNZSTD_WINDOW_SENT);
    rc = make_room(rq, plain, 1);
    if (rc == 0)
        rc = unpack_all(rq, u, plain);
    unpack_free(&u);
    return rc;
}

static int unpack_snappy(struct push_request *rq, struct buf *plain)
{
    struct slice all = buf_slice(&rq->body);
    struct err e;
    size_t n;

    if (unsnappy_size(all, &n, &e) < 0)
        return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "the body is no raw block of Snappy");
    if (n > rq->in->push->max_body)
        return push_too_large(rq);
    if (hold(rq, plain, n) < 0)
        return -1;
    return unsnappy_all(all, plain, &e) == 0
               ? 0
               : push_refuse(rq, MHD_HTTP_BAD_REQUEST, "the body is a damaged block of Snappy");
}

int push_body_unpack(struct push_request *rq)
{
    struct buf plain = {0};
    int rc;

    if (is_plain(rq->encoding))
        return 0;
    rc = is_snappy(rq->encoding) ? unpack_snappy(rq, &plain) : unpack_stream(rq, &plain);
    give_back(rq, rc == 0 ? &rq->body : &plain);
    if (rc == 0)
        rq->body = plain;
    return rc;
}
