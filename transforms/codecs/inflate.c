/* Some senders leave zlib's head and trailer out, against what HTTP says; they cannot be told from damage, and are refused. */
#include "transforms/codecs/inflate.h"

#include "pipeline/base/mem.h"
#include "transforms/codecs/zlib_memory.h"

#include <assert.h>
#include <stdint.h>
#include <zlib.h>

#define PIECE_MAX ((size_t)1 << 30) /* zlib counts in unsigned int */

struct inflating {
    z_stream z;
    bool begun; /* a stream */
};

/* Deflate is method 8, and the two bytes of the head are a multiple of 31. */
static bool looks_so(struct slice beginning)
{
    const unsigned char *p = (const unsigned char *)beginning.p;

    return beginning.n >= 2 && (p[0] & 0x0f) == 8 && (p[0] << 8 | p[1]) % 31 == 0;
}

static void *undo_open(void)
{
    struct inflating *s = mem_alloc(sizeof(*s));
    int rc;

    zlib_memory_use(&s->z);
    rc = inflateInit(&s->z);
    assert(rc == Z_OK); /* memory cannot fail */
    return s;
}

static void undo_close(void *ctx)
{
    struct inflating *s = ctx;

    inflateEnd(&s->z);
    mem_free(s);
}

static int undo_step(void *ctx, struct slice *in, size_t room, struct buf *out, bool *inside, struct err *e)
{
    struct inflating *s = ctx;
    size_t n = in->n < PIECE_MAX ? in->n : PIECE_MAX;
    int rc;

    if (n == 0 && !*inside)
        return 0;
    if (!*inside && s->begun)
        return err_set(e, ERR_FORMAT, "deflate: %zu bytes behind its end", n);
    *inside = s->begun = true;
    s->z.next_in = (unsigned char *)(uintptr_t)in->p;
    s->z.avail_in = (unsigned)n;
    s->z.next_out = (unsigned char *)out->p + out->n;
    s->z.avail_out = (unsigned)room;
    rc = inflate(&s->z, Z_NO_FLUSH);
    out->n += room - s->z.avail_out;
    *in = slice_from(*in, n - s->z.avail_in);
    if (rc == Z_STREAM_END)
        *inside = false;
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
        return err_set(e, ERR_FORMAT, "deflate: %s", s->z.msg ? s->z.msg : "damaged");
    return 0;
}

const struct codec_undo inflate_undo = {
    .looks_so = looks_so, .open = undo_open, .step = undo_step, .close = undo_close};
