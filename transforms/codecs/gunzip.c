/* A gzip stream is one member or several behind one another; each is inflated until zlib says that it ends. Output
 * grows by half of what is there, so a large record costs few steps. The limit is kept exactly: when `out` is full,
 * one more byte is inflated into nowhere, and only if it exists the record is too large. */
#include "transforms/codecs/gunzip.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/zlib_memory.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <zlib.h>

#define WINDOW_GZIP (15 + 16)         /* the largest window, with gzip's header and trailer */
#define PIECE_MAX   ((size_t)1 << 30) /* zlib counts in unsigned int */

struct gunzip {
    z_stream z;
};

struct gunzip *gunzip_new(void)
{
    struct gunzip *g = mem_alloc(sizeof(*g));
    int rc;

    zlib_memory_use(&g->z);
    rc = inflateInit2(&g->z, WINDOW_GZIP);
    assert(rc == Z_OK); /* memory cannot fail */
    return g;
}

void gunzip_free(struct gunzip **g)
{
    if (!*g)
        return;
    inflateEnd(&(*g)->z);
    MEM_CLEAR(*g);
}

bool gunzip_looks_so(struct slice in)
{
    return slice_starts(in, SLICE("\x1f\x8b\x08"));
}

/* Room to write into: half of what is there already, so that large outputs are not grown in small steps. */
static int make_room(struct buf *out)
{
    size_t want = out->n / 2 > GUNZIP_ROOM_MIN ? out->n / 2 : GUNZIP_ROOM_MIN, left = out->max - out->n;

    if (left == 0)
        return -1;
    return buf_reserve(out, want < left ? want : left);
}

/* Inflates into the room that `out` has. Returns zlib's answer. */
static int step(struct gunzip *g, struct buf *out)
{
    size_t room = out->cap - out->n;
    int rc;

    if (room > out->max - out->n)
        room = out->max - out->n;
    if (room > PIECE_MAX)
        room = PIECE_MAX;
    g->z.next_out = (unsigned char *)out->p + out->n;
    g->z.avail_out = (unsigned)room;
    rc = inflate(&g->z, Z_NO_FLUSH);
    out->n += room - g->z.avail_out;
    return rc;
}

static int too_large(const struct buf *out, struct err *e)
{
    return err_set(e, ERR_LIMIT, "gzip: holds more than the limit of %zu bytes", out->max);
}

/* A full buffer and more to come is found with one byte of our own: the end of a stream needs no room. */
static int probe_end(struct gunzip *g, const struct buf *out, int *rc, struct err *e)
{
    unsigned char byte;

    g->z.next_out = &byte;
    g->z.avail_out = 1;
    *rc = inflate(&g->z, Z_NO_FLUSH);
    return g->z.avail_out == 0 ? too_large(out, e) : 0;
}

/* One member. Returns 0 at its end. */
static int member(struct gunzip *g, struct buf *out, struct err *e)
{
    int rc = Z_OK;

    while (rc == Z_OK) {
        if (make_room(out) == 0)
            rc = step(g, out);
        else if (out->n < out->max)
            return err_set(e, ERR_NOMEM, "gzip: no memory for more than %zu bytes", out->n);
        else if (probe_end(g, out, &rc, e) < 0)
            return -1;
    }
    if (rc == Z_STREAM_END)
        return 0;
    if (rc == Z_BUF_ERROR)
        return err_set(e, ERR_FORMAT, "gzip: cut off before its end");
    return err_set(e, ERR_FORMAT, "gzip: %s", g->z.msg ? g->z.msg : "damaged");
}

int gunzip_all(struct gunzip *g, struct slice in, struct buf *out, struct err *e)
{
    if (in.n > UINT_MAX)
        return err_set(e, ERR_LIMIT, "gzip: more than 4 GiB in one piece");
    if (!gunzip_looks_so(in))
        return err_set(e, ERR_FORMAT, "gzip: does not begin with 1f 8b 08");
    g->z.next_in = (unsigned char *)(uintptr_t)in.p;
    g->z.avail_in = (unsigned)in.n;
    do {
        inflateReset(&g->z);
        if (member(g, out, e) < 0)
            return -1;
    } while (g->z.avail_in > 0 && gunzip_looks_so(slice_of((const char *)g->z.next_in, g->z.avail_in)));
    if (g->z.avail_in > 0)
        return err_set(e, ERR_FORMAT, "gzip: %u bytes behind its end", g->z.avail_in);
    return 0;
}

/* --- piece by piece --- */

static void *undo_open(void)
{
    return gunzip_new();
}

static void undo_close(void *ctx)
{
    struct gunzip *g = ctx;

    gunzip_free(&g);
}

static int undo_step(void *ctx, struct slice *in, size_t room, struct buf *out, bool *inside, struct err *e)
{
    struct gunzip *g = ctx;
    size_t n = in->n < PIECE_MAX ? in->n : PIECE_MAX;
    int rc;

    if (n == 0 && !*inside)
        return 0;
    if (!*inside)
        inflateReset(&g->z);
    *inside = true;
    g->z.next_in = (unsigned char *)(uintptr_t)in->p;
    g->z.avail_in = (unsigned)n;
    g->z.next_out = (unsigned char *)out->p + out->n;
    g->z.avail_out = (unsigned)room;
    rc = inflate(&g->z, Z_NO_FLUSH);
    out->n += room - g->z.avail_out;
    n -= g->z.avail_in;
    *in = slice_of(in->p + n, in->n - n);
    if (rc == Z_STREAM_END)
        *inside = false;
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
        return err_set(e, ERR_FORMAT, "gzip: %s", g->z.msg ? g->z.msg : "damaged");
    return 0;
}

const struct codec_undo gunzip_undo = {
    .looks_so = gunzip_looks_so, .open = undo_open, .step = undo_step, .close = undo_close};
