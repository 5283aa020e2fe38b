/* One LZ4 frame with a checksum over all of it, and its size where that is known: what `lz4 -d` reads. Levels 1 and 2 are the fast
 * method, those from 3 on LZ4 HC. */
#include "transforms/codecs/codec.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <lz4frame.h>

#define LZ4_LEVEL_MAX 12

struct lz4 {
    LZ4F_cctx *c;
    LZ4F_preferences_t how;
    bool begun;
};

static void *lz4_open(int level)
{
    struct lz4 *l = mem_alloc(sizeof(*l));

    if (LZ4F_isError(LZ4F_createCompressionContext(&l->c, LZ4F_VERSION)))
        mem_exhausted();
    l->how.compressionLevel = level;
    l->how.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    l->how.frameInfo.blockSizeID = LZ4F_max256KB;
    return l;
}

static void lz4_close(void *ctx)
{
    struct lz4 *l = ctx;

    if (!l)
        return;
    LZ4F_freeCompressionContext(l->c);
    mem_free(l);
}

static int lz4_begin(void *ctx, uint64_t size, struct err *e)
{
    struct lz4 *l = ctx;

    (void)e;
    l->begun = false;
    l->how.frameInfo.contentSize = size == CODEC_SIZE_UNKNOWN ? 0 : size; /* 0: not said */
    return 0;
}

/* The three steps differ in one call: `in` NULL is the end. */
static int write_piece(struct lz4 *l, const struct slice *in, struct body *out, struct err *e)
{
    size_t want = LZ4F_compressBound(in ? in->n : 0, &l->how), room, n;
    char *p = body_space(out, want, &room, e);

    if (!p)
        return -1;
    n = in ? LZ4F_compressUpdate(l->c, p, room, in->p, in->n, NULL) : LZ4F_compressEnd(l->c, p, room, NULL);
    if (LZ4F_isError(n))
        return err_set(e, ERR_FORMAT, "lz4: %s", LZ4F_getErrorName(n));
    return body_wrote(out, n, e);
}

/* With the first bytes: begin() has no body. */
static int ensure_head(struct lz4 *l, struct body *out, struct err *e)
{
    size_t room, n;
    char *p;

    if (l->begun)
        return 0;
    l->begun = true;
    p = body_space(out, LZ4F_HEADER_SIZE_MAX, &room, e);
    if (!p)
        return -1;
    n = LZ4F_compressBegin(l->c, p, room, &l->how);
    if (LZ4F_isError(n))
        return err_set(e, ERR_FORMAT, "lz4: %s", LZ4F_getErrorName(n));
    return body_wrote(out, n, e);
}

static int lz4_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    struct lz4 *l = ctx;

    if (ensure_head(l, out, e) < 0)
        return -1;
    while (in.n > 0) {
        struct slice piece = slice_of(in.p, in.n < CODEC_LZ4_PIECE ? in.n : CODEC_LZ4_PIECE);

        if (write_piece(l, &piece, out, e) < 0)
            return -1;
        in = slice_of(in.p + piece.n, in.n - piece.n);
    }
    return 0;
}

static int lz4_finish(void *ctx, struct body *out, struct err *e)
{
    struct lz4 *l = ctx;

    return ensure_head(l, out, e) < 0 ? -1 : write_piece(l, NULL, out, e);
}

/* --- the way back --------------------------------------------------------------------------------------------------- */

static bool looks_so(struct slice beginning)
{
    return slice_starts(beginning, SLICE("\x04\x22\x4d\x18"));
}

static void *undo_open(void)
{
    LZ4F_dctx *d;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)))
        mem_exhausted();
    return d;
}

static void undo_close(void *ctx)
{
    LZ4F_freeDecompressionContext(ctx);
}

static int undo_step(void *ctx, struct slice *in, size_t room, struct buf *out, bool *inside, struct err *e)
{
    size_t taken = in->n, given = room, left;

    if (in->n == 0 && !*inside)
        return 0;
    left = LZ4F_decompress(ctx, out->p + out->n, &given, in->p ? in->p : "", &taken, NULL);
    if (LZ4F_isError(left))
        return err_set(e, ERR_FORMAT, "lz4: %s", LZ4F_getErrorName(left));
    *inside = left > 0;
    out->n += given;
    *in = slice_of(in->p + taken, in->n - taken);
    return 0;
}

static const struct codec_undo UNDO = {.looks_so = looks_so, .open = undo_open, .step = undo_step, .close = undo_close};

const struct codec_ops codec_lz4 = {
    .name = "lz4",
    .extension = ".lz4",
    .encoding = "lz4",
    .level_min = 1,
    .level_max = LZ4_LEVEL_MAX,
    .level_default = 1,
    .open = lz4_open,
    .begin = lz4_begin,
    .add = lz4_add,
    .finish = lz4_finish,
    .close = lz4_close,
    .undo = &UNDO,
};
