/* The first bytes say what it is: gzip, zstd, or neither. From then on each step takes some input and fills some
 * room of the output, and remembers only whether it is inside a member or frame: the end of input is an error there
 * and nowhere else. */
#include "transforms/codecs/unpack.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/gunzip.h"
#include "transforms/codecs/unzstd.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define WINDOW_GZIP (15 + 16) /* the largest window, with gzip's header and trailer */

enum packed { PLAIN, GZIP, ZSTD };

struct unpack {
    enum packed kind;
    bool inside; /* of a member or frame */
    z_stream gzip;
    ZSTD_DStream *zstd;
};

static void *zlib_alloc(void *opaque, unsigned items, unsigned size)
{
    (void)opaque;
    return mem_array(items, size);
}

static void zlib_free(void *opaque, void *p)
{
    (void)opaque;
    mem_free(p);
}

static void begin_gzip(struct unpack *u)
{
    int rc;

    u->gzip.zalloc = zlib_alloc;
    u->gzip.zfree = zlib_free;
    rc = inflateInit2(&u->gzip, WINDOW_GZIP);
    assert(rc == Z_OK); /* memory cannot fail */
}

static void begin_zstd(struct unpack *u)
{
    u->zstd = ZSTD_createDStream();
    assert(u->zstd);
    ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, UNZSTD_WINDOW_LOG);
}

struct unpack *unpack_new(struct slice beginning)
{
    struct unpack *u = mem_alloc(sizeof(*u));

    u->kind = gunzip_looks_so(beginning) ? GZIP : unzstd_looks_so(beginning) ? ZSTD : PLAIN;
    if (u->kind == GZIP)
        begin_gzip(u);
    else if (u->kind == ZSTD)
        begin_zstd(u);
    return u;
}

void unpack_free(struct unpack **u)
{
    if (!*u)
        return;
    if ((*u)->kind == GZIP)
        inflateEnd(&(*u)->gzip);
    ZSTD_freeDStream((*u)->zstd);
    MEM_CLEAR(*u);
}

bool unpack_is_packed(const struct unpack *u)
{
    return u->kind != PLAIN;
}

static struct slice without(struct slice in, size_t n)
{
    return slice_of(in.p + n, in.n - n);
}

static int step_gzip(struct unpack *u, struct slice *in, size_t room, struct buf *out, struct err *e)
{
    size_t n = in->n < UNPACK_PIECE ? in->n : UNPACK_PIECE;
    int rc;

    if (n == 0 && !u->inside)
        return 0;
    if (!u->inside)
        inflateReset(&u->gzip);
    u->inside = true;
    u->gzip.next_in = (unsigned char *)(uintptr_t)in->p;
    u->gzip.avail_in = (unsigned)n;
    u->gzip.next_out = (unsigned char *)out->p + out->n;
    u->gzip.avail_out = (unsigned)room;
    rc = inflate(&u->gzip, Z_NO_FLUSH);
    out->n += room - u->gzip.avail_out;
    *in = without(*in, n - u->gzip.avail_in);
    if (rc == Z_STREAM_END)
        u->inside = false;
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
        return err_set(e, ERR_FORMAT, "gzip: %s", u->gzip.msg ? u->gzip.msg : "damaged");
    return 0;
}

static int step_zstd(struct unpack *u, struct slice *in, size_t room, struct buf *out, struct err *e)
{
    ZSTD_inBuffer from = {.src = in->p, .size = in->n};
    ZSTD_outBuffer to = {.dst = out->p + out->n, .size = room};
    size_t left;

    if (in->n == 0 && !u->inside)
        return 0;
    left = ZSTD_decompressStream(u->zstd, &to, &from);
    if (ZSTD_isError(left))
        return err_set(e, ERR_FORMAT, "zstd: %s", ZSTD_getErrorName(left));
    u->inside = left > 0;
    out->n += to.pos;
    *in = without(*in, from.pos);
    return 0;
}

static int step_plain(struct slice *in, size_t room, struct buf *out)
{
    size_t n = in->n < room ? in->n : room;

    memcpy(out->p + out->n, in->p, n);
    out->n += n;
    *in = without(*in, n);
    return 0;
}

int unpack_step(struct unpack *u, struct slice *in, struct buf *out, struct err *e)
{
    size_t room = out->max - out->n < UNPACK_PIECE ? out->max - out->n : UNPACK_PIECE;

    if (room == 0)
        return 0;
    if (buf_reserve(out, room) < 0)
        return err_set(e, ERR_NOMEM, "no memory for a piece of the text");
    switch (u->kind) {
    case GZIP:
        return step_gzip(u, in, room, out, e);
    case ZSTD:
        return step_zstd(u, in, room, out, e);
    default:
        return in->n ? step_plain(in, room, out) : 0;
    }
}

int unpack_end(const struct unpack *u, struct err *e)
{
    return u->inside ? err_set(e, ERR_FORMAT, "%s: cut off before its end", u->kind == GZIP ? "gzip" : "zstd") : 0;
}
