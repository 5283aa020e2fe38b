/* The budget is asked before the memory, so what is held never exceeds what was taken. A body whose length is known takes all at once;
 * one of unknown length, and one that is unpacked, doubles. While a body is unpacked both forms are held, each within the
 * limit, and the packed one is given back at the end. */
#include "pipeline/inputs/api/body.h"

#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <zlib.h>

#define GUNZIP_WINDOW (16 + MAX_WBITS) /* gzip framing only */

void api_body_init(struct api_body *b, struct budget *budget)
{
    *b = (struct api_body){.budget = budget, .max = API_BODY_MAX_BYTES};
}

void api_body_release(struct api_body *b)
{
    buf_release(&b->bytes);
    if (b->held)
        budget_give(b->budget, b->held);
    b->held = 0;
    b->bytes.max = 0;
}

/* Raises the capacity to `want` bytes: first the budget, then the memory. */
static int hold(struct api_body *b, size_t want, struct api_error *e)
{
    size_t more = want - b->held;

    if (!budget_take(b->budget, more))
        return api_error_set(e, API_UNAVAILABLE, API_SLOW_DOWN);
    b->held += more;
    b->bytes.max = b->held;
    if (buf_reserve(&b->bytes, b->held - b->bytes.n) < 0)
        return api_error_set(e, API_UNAVAILABLE, API_SLOW_DOWN);
    return 0;
}

static int too_large(const struct api_body *b, struct api_error *e)
{
    return api_error_set(e, API_TOO_LARGE, "a request's body may have %llu bytes at most", (unsigned long long)b->max);
}

/* A large one is never refused for now when it would be refused for ever: what is made of it takes three quarters as much again. */
static int check_size(const struct api_body *b, uint64_t length, struct api_error *e)
{
    if (length > b->max)
        return too_large(b, e);
    if (b->max > API_BODY_MAX_BYTES && length / 4 * 7 > b->budget->limit)
        return api_error_set(e, API_TOO_LARGE,
                             "a body of %" PRIu64 " bytes needs more memory: set limits.memory to %llu MiB or more",
                             length, length * 7 / MIB + 1);
    return 0;
}

int api_body_expect(struct api_body *b, uint64_t length, struct api_error *e)
{
    if (check_size(b, length, e) < 0)
        return -1;
    return length > b->held ? hold(b, (size_t)length, e) : 0;
}

/* Room for `more` bytes; doubles, so that a body of unknown length is copied a few times only. */
static int make_room(struct api_body *b, size_t more, struct api_error *e)
{
    size_t want = b->bytes.n + more, twice = b->held ? b->held * 2 : API_BODY_FIRST;

    if (want <= b->held)
        return 0;
    if (check_size(b, want, e) < 0)
        return -1;
    if (twice > b->max)
        twice = b->max;
    return hold(b, twice > want ? twice : want, e);
}

int api_body_add(struct api_body *b, struct slice piece, struct api_error *e)
{
    if (make_room(b, piece.n, e) < 0)
        return -1;
    if (buf_add_slice(&b->bytes, piece) < 0)
        return api_error_set(e, API_INTERNAL, "no memory for the body");
    return 0;
}

/* One step of the inflater into the free end of `out`. */
static int inflate_some(z_stream *z, struct api_body *out, struct api_error *e)
{
    int rc;

    if (out->bytes.n == out->held && make_room(out, 1, e) < 0)
        return -1;
    z->next_out = (Bytef *)out->bytes.p + out->bytes.n;
    z->avail_out = (uInt)(out->held - out->bytes.n);
    rc = inflate(z, Z_NO_FLUSH);
    out->bytes.n = out->held - z->avail_out;
    if (rc == Z_STREAM_END && z->avail_in > 0 && inflateReset(z) == Z_OK)
        return 1; /* another gzip member follows, as RFC 1952 allows */
    if (rc == Z_STREAM_END)
        return 0;
    if (rc == Z_OK && (z->avail_in > 0 || z->avail_out == 0))
        return 1;
    return api_error_set(e, API_SERIALIZATION, "the body is not valid gzip%s",
                         rc == Z_OK || rc == Z_BUF_ERROR ? ": it ends too early" : "");
}

int api_body_gunzip(struct api_body *b, struct api_error *e)
{
    struct api_body plain;
    z_stream z = {.next_in = (Bytef *)b->bytes.p, .avail_in = (uInt)b->bytes.n};
    int rc;

    if (inflateInit2(&z, GUNZIP_WINDOW) != Z_OK)
        return api_error_set(e, API_UNAVAILABLE, API_SLOW_DOWN);
    api_body_init(&plain, b->budget);
    plain.max = b->max;
    do {
        rc = inflate_some(&z, &plain, e);
    } while (rc > 0);
    inflateEnd(&z);
    if (rc < 0) {
        api_body_release(&plain);
        return -1;
    }
    api_body_release(b);
    *b = plain;
    return 0;
}
