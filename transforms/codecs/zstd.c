/* An object that is not large is collected and compressed in one piece: zstd copies what it is fed into a window of its
 * own, and takes a twelfth longer from there. Larger ones are fed piece by piece. The choice depends on the object
 * alone, so a redelivered object is byte-identical. */
#include "transforms/codecs/codec.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/collected.h"
#include "transforms/codecs/unzstd.h"

#include <assert.h>
#include <zstd.h>

/* Of a whole block: with less, zstd compresses into memory of its own and copies. */
#define ZSTD_ROOM ZSTD_COMPRESSBOUND(ZSTD_BLOCKSIZE_MAX)

/* Levels above need a window per context that no longer fits what a worker may hold. */
#define ZSTD_LEVEL_MAX 19

struct zstd {
    ZSTD_CCtx *c;
    uint64_t size; /* as announced */
    struct collected collected;
    struct buf compressed; /* what became of an object in one piece */
};

static void zstd_set(struct zstd *z, ZSTD_cParameter parameter, int value)
{
    size_t rc = ZSTD_CCtx_setParameter(z->c, parameter, value);

    assert(!ZSTD_isError(rc)); /* the level was checked against level_min and level_max */
}

static void *zstd_open(int level)
{
    struct zstd *z = mem_alloc(sizeof(*z));

    z->c = ZSTD_createCCtx();
    if (!z->c)
        mem_exhausted();
    zstd_set(z, ZSTD_c_compressionLevel, level);
    zstd_set(z, ZSTD_c_checksumFlag, 1);
    collected_init(&z->collected, CODEC_ZSTD_WHOLE_MAX);
    buf_init(&z->compressed, ZSTD_COMPRESSBOUND(CODEC_ZSTD_WHOLE_MAX));
    return z;
}

static void zstd_close(void *ctx)
{
    struct zstd *z = ctx;

    if (!z)
        return;
    ZSTD_freeCCtx(z->c);
    collected_release(&z->collected);
    buf_release(&z->compressed);
    mem_free(z);
}

static int failed(size_t rc, struct err *e)
{
    return err_set(e, ERR_FORMAT, "zstd: %s", ZSTD_getErrorName(rc));
}

static int zstd_begin(void *ctx, uint64_t size, struct err *e)
{
    struct zstd *z = ctx;
    size_t rc = ZSTD_CCtx_reset(z->c, ZSTD_reset_session_only);

    z->size = size;
    collected_begin(&z->collected, size);
    /* The size goes into the frame's header, so a reader can allocate once; and zstd picks its tables by it. */
    if (!ZSTD_isError(rc))
        rc = ZSTD_CCtx_setPledgedSrcSize(z->c, size == CODEC_SIZE_UNKNOWN ? ZSTD_CONTENTSIZE_UNKNOWN : size);
    return ZSTD_isError(rc) ? failed(rc, e) : 0;
}

/* Feeds `in` and writes what comes out into the body's own memory until the directive is done. */
static int run(struct zstd *z, struct slice in, ZSTD_EndDirective directive, struct body *out, struct err *e)
{
    ZSTD_inBuffer src = {in.p, in.n, 0};
    bool done = false;

    while (!done) {
        size_t room, rc;
        char *p = body_space(out, ZSTD_ROOM, &room, e);
        ZSTD_outBuffer dst = {p, room, 0};

        if (!p)
            return -1;
        rc = ZSTD_compressStream2(z->c, &dst, &src, directive);
        if (body_wrote(out, dst.pos, e) < 0)
            return -1;
        if (ZSTD_isError(rc))
            return failed(rc, e);
        done = directive == ZSTD_e_end ? rc == 0 : src.pos == src.size;
    }
    return 0;
}

static int stream(void *ctx, struct slice in, struct body *out, struct err *e)
{
    return run(ctx, in, ZSTD_e_continue, out, e);
}

static int zstd_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    struct zstd *z = ctx;

    return collected_add(&z->collected, in, stream, z, out, e);
}

static int compress_whole(struct zstd *z, struct body *out, struct err *e)
{
    const struct buf *in = &z->collected.bytes;
    size_t n;

    if (z->size != CODEC_SIZE_UNKNOWN && z->size != in->n)
        return err_set(e, ERR_FORMAT, "zstd: an object of %llu bytes was announced, and %zu came",
                       (unsigned long long)z->size, in->n);
    buf_clear(&z->compressed);
    if (buf_reserve(&z->compressed, ZSTD_compressBound(in->n)) < 0)
        return err_set(e, ERR_NOMEM, "zstd: no memory for an object of %zu bytes", in->n);
    n = ZSTD_compress2(z->c, z->compressed.p, z->compressed.cap, in->p, in->n);
    return ZSTD_isError(n) ? failed(n, e) : body_add(out, slice_of(z->compressed.p, n), e);
}

static int zstd_finish(void *ctx, struct body *out, struct err *e)
{
    struct zstd *z = ctx;

    return z->collected.whole ? compress_whole(z, out, e) : run(z, (struct slice){NULL, 0}, ZSTD_e_end, out, e);
}

const struct codec_ops codec_zstd = {
    .name = "zstd",
    .extension = ".zst",
    .encoding = "zstd",
    .level_min = 1,
    .level_max = ZSTD_LEVEL_MAX,
    .level_default = 1,
    .open = zstd_open,
    .begin = zstd_begin,
    .add = zstd_add,
    .finish = zstd_finish,
    .close = zstd_close,
    .undo = &unzstd_undo,
};
