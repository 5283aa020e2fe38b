/* zlib writes into the free end of the body, piece by piece, until it has taken all input and leaves room. Memory
 * comes from mem.h, so it cannot fail. */
#include "transforms/codecs/gzip.h"

#include "pipeline/base/mem.h"
#include "transforms/codecs/zlib_memory.h"
#include "transforms/codecs/zlib_write.h"

#include <assert.h>
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

static int zlib_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    struct gzip_zlib *g = ctx;

    return zlib_write(&g->z, in, false, "gzip", out, e);
}

static int zlib_finish(void *ctx, struct body *out, struct err *e)
{
    struct gzip_zlib *g = ctx;

    return zlib_write(&g->z, slice_of(NULL, 0), true, "gzip", out, e);
}

const struct gzip_stream_ops gzip_zlib = {
    .open = zlib_open,
    .begin = zlib_begin,
    .add = zlib_add,
    .finish = zlib_finish,
    .close = zlib_close,
};
