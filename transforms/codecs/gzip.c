/* One codec, three libraries, each where it is best (1 MiB of real logs, one core):
 *
 *   level 1..3   ISA-L       several times zlib's speed at about zlib's ratio for level 1
 *   level 4..12  libdeflate  twice zlib's speed at a better ratio, but only for bytes that lie in memory as one piece
 *   otherwise    zlib        objects above CODEC_GZIP_WHOLE_MAX at level 4..12 (then at level 9 at most), and where the program
 *                            was built without the other two
 *
 * Pieces for libdeflate are collected first. When they outgrow CODEC_GZIP_WHOLE_MAX, zlib takes over what was collected and all
 * that follows: the choice depends on the object alone, so a redelivered object is byte-identical. */
#include "transforms/codecs/codec.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/gzip.h"
#include "transforms/codecs/gunzip.h"

#define STREAM_FAST_MAX 3 /* levels that stream in any case */
#define ZLIB_LEVEL_MAX  9
#define GZIP_LEVEL_MAX  12

struct gzip {
    int level;
    const struct gzip_stream_ops *stream;
    void *stream_ctx;              /* NULL until the first object that streams */
    struct gzip_libdeflate *whole; /* NULL: every object streams */
    struct buf collected;          /* of an object for `whole` */
    bool collecting;
};

static const struct gzip_stream_ops *stream_for(int level)
{
#ifdef HAVE_LIBISAL
    if (level <= STREAM_FAST_MAX)
        return &gzip_isal;
#endif
    (void)level;
    return &gzip_zlib;
}

static void *gzip_open(int level)
{
    struct gzip *g = mem_alloc(sizeof(*g));

    g->level = level;
    g->stream = stream_for(level);
    if (level > STREAM_FAST_MAX)
        g->whole = gzip_libdeflate_open(level);
    buf_init(&g->collected, CODEC_GZIP_WHOLE_MAX);
    return g;
}

static void gzip_close(void *ctx)
{
    struct gzip *g = ctx;

    if (!g)
        return;
    if (g->stream_ctx)
        g->stream->close(g->stream_ctx);
    gzip_libdeflate_close(&g->whole);
    buf_release(&g->collected);
    mem_free(g);
}

static void stream_begin(struct gzip *g)
{
    if (!g->stream_ctx)
        g->stream_ctx = g->stream->open(g->level > ZLIB_LEVEL_MAX ? ZLIB_LEVEL_MAX : g->level);
    g->stream->begin(g->stream_ctx);
}

static int gzip_begin(void *ctx, uint64_t size, struct err *e)
{
    struct gzip *g = ctx;

    (void)e;
    buf_clear(&g->collected);
    g->collecting = g->whole && (size <= CODEC_GZIP_WHOLE_MAX || size == CODEC_SIZE_UNKNOWN);
    if (!g->collecting)
        stream_begin(g);
    return 0;
}

static int gzip_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    struct gzip *g = ctx;

    if (g->collecting && buf_add_slice(&g->collected, in) == 0)
        return 0;
    if (g->collecting) {
        g->collecting = false;
        stream_begin(g);
        if (g->stream->add(g->stream_ctx, buf_slice(&g->collected), out, e) < 0)
            return -1;
        buf_release(&g->collected);
    }
    return g->stream->add(g->stream_ctx, in, out, e);
}

static int gzip_finish(void *ctx, struct body *out, struct err *e)
{
    struct gzip *g = ctx;

    if (!g->collecting)
        return g->stream->finish(g->stream_ctx, out, e);
    return gzip_libdeflate_write(g->whole, buf_slice(&g->collected), out, e);
}

const struct codec_ops codec_gzip = {
    .name = "gzip",
    .extension = ".gz",
    .encoding = "gzip",
    .level_min = 1,
    .level_max = GZIP_LEVEL_MAX,
    .level_default = 1,
    .open = gzip_open,
    .begin = gzip_begin,
    .add = gzip_add,
    .finish = gzip_finish,
    .close = gzip_close,
    .undo = &gunzip_undo,
};
