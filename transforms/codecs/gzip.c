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

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/collected.h"
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
    struct collected collected;    /* for `whole` */
    bool streams;                  /* this object does */
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
    collected_init(&g->collected, CODEC_GZIP_WHOLE_MAX);
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
    collected_release(&g->collected);
    mem_free(g);
}

static int gzip_begin(void *ctx, uint64_t size, struct err *e)
{
    struct gzip *g = ctx;

    (void)e;
    collected_begin(&g->collected, size);
    g->streams = false;
    return 0;
}

static void stream_begin(struct gzip *g)
{
    if (!g->stream_ctx)
        g->stream_ctx = g->stream->open(g->level > ZLIB_LEVEL_MAX ? ZLIB_LEVEL_MAX : g->level);
    if (!g->streams)
        g->stream->begin(g->stream_ctx);
    g->streams = true;
}

static int stream(void *ctx, struct slice in, struct body *out, struct err *e)
{
    struct gzip *g = ctx;

    stream_begin(g);
    return g->stream->add(g->stream_ctx, in, out, e);
}

static int gzip_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    struct gzip *g = ctx;

    return g->whole ? collected_add(&g->collected, in, stream, g, out, e) : stream(g, in, out, e);
}

static int gzip_finish(void *ctx, struct body *out, struct err *e)
{
    struct gzip *g = ctx;

    if (g->whole && g->collected.whole)
        return gzip_libdeflate_write(g->whole, buf_slice(&g->collected.bytes), out, e);
    stream_begin(g); /* an object without a byte */
    return g->stream->finish(g->stream_ctx, out, e);
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
