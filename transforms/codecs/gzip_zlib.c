/* zlib writes into the free end of the body, piece by piece, until it has taken all input and leaves room. Memory
 * comes from mem.h, so it cannot fail. */
#include "transforms/codecs/gzip.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/zlib_memory.h"

#include <assert.h>
#include <stdint.h>
#include <zlib.h>

#define WINDOW_GZIP  (15 + 16) /* the largest window, with gzip's header and trailer */
#define MEMORY_LEVEL 8         /* zlib's default: 256 KiB */

struct gzip_zlib {
    z_stream z;
};

static void *zlib_open(int level)
{
    struct gzip_zlib *g = mem_alloc(sizeof(*g));
    int rc;

    zlib_memory_use(&g->z);
    rc = deflateInit2(&g->z, level, Z_DEFLATED, WINDOW_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    assert(rc == Z_OK); /* memory cannot fail, and codecs/gzip.c gives valid levels */
    return g;
}

static void zlib_close(void *ctx)
{
    struct gzip_zlib *g = ctx;

    if (!g)
        return;
    deflateEnd(&g->z);
    mem_free(g);
}

static void zlib_begin(void *ctx)
{
    struct gzip_zlib *g = ctx;

    deflateReset(&g->z);
}

/* One call of deflate() into the body's own memory; *rc is its answer. 1: the library has more to write. */
static int step(struct gzip_zlib *g, int flush, int *rc, struct body *out, struct err *e)
{
    size_t room;
    char *p = body_space(out, GZIP_ROOM, &room, e);

    if (!p)
        return -1;
    if (room > UINT32_MAX)
        room = UINT32_MAX;
    g->z.next_out = (Bytef *)p;
    g->z.avail_out = (uInt)room;
    *rc = deflate(&g->z, flush);
    if (body_wrote(out, room - g->z.avail_out, e) < 0)
        return -1;
    if (*rc != Z_OK && *rc != Z_STREAM_END && *rc != Z_BUF_ERROR)
        return err_set(e, ERR_FORMAT, "gzip: deflate answers %d", *rc);
    return g->z.avail_in > 0 || g->z.avail_out == 0;
}

static int zlib_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    struct gzip_zlib *g = ctx;
    int rc, more = in.n > 0;

    assert(in.n <= UINT32_MAX);
    g->z.next_in = (Bytef *)(uintptr_t)in.p; /* only read */
    g->z.avail_in = (uInt)in.n;
    while (more > 0)
        more = step(g, Z_NO_FLUSH, &rc, out, e);
    return more;
}

static int zlib_finish(void *ctx, struct body *out, struct err *e)
{
    struct gzip_zlib *g = ctx;
    int rc = Z_OK;

    while (rc != Z_STREAM_END)
        if (step(g, Z_FINISH, &rc, out, e) < 0)
            return -1;
    return 0;
}

const struct gzip_stream_ops gzip_zlib = {
    .open = zlib_open,
    .begin = zlib_begin,
    .add = zlib_add,
    .finish = zlib_finish,
    .close = zlib_close,
};
