#include "transforms/codecs.h"

#include "pipeline/base/mem.h"

#include <assert.h>
#include <zstd.h>

/* Of a whole block: with less, zstd compresses into memory of its own and copies. */
#define ZSTD_ROOM ZSTD_COMPRESSBOUND(ZSTD_BLOCKSIZE_MAX)

/* Levels above need a window per context that no longer fits what a worker may hold. */
#define ZSTD_LEVEL_MAX 19

struct zstd {
    ZSTD_CCtx *c;
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
    assert(z->c);
    zstd_set(z, ZSTD_c_compressionLevel, level);
    zstd_set(z, ZSTD_c_checksumFlag, 1);
    return z;
}

static void zstd_close(void *ctx)
{
    struct zstd *z = ctx;

    if (!z)
        return;
    ZSTD_freeCCtx(z->c);
    mem_free(z);
}

static int failed(size_t rc, struct err *e)
{
    return err_set(e, ERR_FORMAT, "zstd: %s", ZSTD_getErrorName(rc));
}

/* The size goes into the frame's header, so a reader can allocate once; and zstd picks its tables by it. */
static int zstd_begin(void *ctx, uint64_t size, struct err *e)
{
    struct zstd *z = ctx;
    size_t rc = ZSTD_CCtx_reset(z->c, ZSTD_reset_session_only);

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

static int zstd_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    return run(ctx, in, ZSTD_e_continue, out, e);
}

static int zstd_finish(void *ctx, struct body *out, struct err *e)
{
    return run(ctx, (struct slice){NULL, 0}, ZSTD_e_end, out, e);
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
};
