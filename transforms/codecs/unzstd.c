/* Frames behind one another are one text: the decoder goes on while there is input, or while it still gives output.
 * The limit is kept exactly: with no room left the decoder is called once more, which finds an end that needs none. */
#include "transforms/codecs/unzstd.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <zstd.h>

/* A frame, or one that has nothing of the text: pzstd's files begin with such. */
bool unzstd_looks_so(struct slice in)
{
    bool skippable =
        in.n >= 4 && (unsigned char)in.p[0] >> 4 == 5 && slice_starts(slice_from(in, 1), SLICE("\x2a\x4d\x18"));

    return skippable || slice_starts(in, SLICE("\x28\xb5\x2f\xfd"));
}

/* One step into the room that `out` has. *left: 0 at the end of a frame. */
static int step(ZSTD_DStream *z, ZSTD_inBuffer *in, struct buf *out, size_t *left, struct err *e)
{
    size_t room = out->max - out->n < UNZSTD_ROOM ? out->max - out->n : UNZSTD_ROOM;
    ZSTD_outBuffer to;

    if (buf_reserve(out, room) < 0)
        return err_set(e, ERR_NOMEM, "zstd: no memory for more than %zu bytes", out->n);
    to = (ZSTD_outBuffer){.dst = out->p + out->n, .size = room};
    *left = ZSTD_decompressStream(z, &to, in);
    if (ZSTD_isError(*left))
        return err_set(e, ERR_FORMAT, "zstd: %s", ZSTD_getErrorName(*left));
    out->n += to.pos;
    /* With no room an end that needs none is still found; anything else does not move. */
    if (room == 0 && *left > 0)
        return err_set(e, ERR_LIMIT, "zstd: holds more than the limit of %zu bytes", out->max);
    return 0;
}

static void *stream_open(void)
{
    ZSTD_DStream *z = ZSTD_createDStream();

    if (!z)
        mem_exhausted();
    ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, UNZSTD_WINDOW_LOG);
    return z;
}

static void stream_close(void *ctx)
{
    ZSTD_freeDStream(ctx);
}

int unzstd_all(struct slice in, struct buf *out, struct err *e)
{
    ZSTD_inBuffer from = {.src = in.p, .size = in.n};
    ZSTD_DStream *z;
    size_t left = 1, before;
    int rc = 0;

    if (!unzstd_looks_so(in))
        return err_set(e, ERR_FORMAT, "zstd: does not begin with 28 b5 2f fd");
    z = stream_open();
    do {
        before = out->n;
        rc = step(z, &from, out, &left, e);
    } while (rc == 0 && (from.pos < from.size || (left > 0 && out->n > before)));
    stream_close(z);
    if (rc == 0 && left > 0)
        rc = err_set(e, ERR_FORMAT, "zstd: cut off before its end");
    return rc;
}

/* --- piece by piece --- */

static int undo_step(void *ctx, struct slice *in, size_t room, struct buf *out, bool *inside, struct err *e)
{
    ZSTD_inBuffer from = {.src = in->p, .size = in->n};
    ZSTD_outBuffer to = {.dst = out->p + out->n, .size = room};
    size_t left;

    if (in->n == 0 && !*inside)
        return 0;
    left = ZSTD_decompressStream(ctx, &to, &from);
    if (ZSTD_isError(left))
        return err_set(e, ERR_FORMAT, "zstd: %s", ZSTD_getErrorName(left));
    *inside = left > 0;
    out->n += to.pos;
    *in = slice_of(in->p + from.pos, in->n - from.pos);
    return 0;
}

static void undo_bound(void *ctx, size_t bytes)
{
    int log = UNZSTD_WINDOW_LOG;

    while (log > UNZSTD_WINDOW_LOG_LEAST && (size_t)1 << log > bytes)
        log--;
    ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, log);
}

static size_t undo_holds(void *ctx)
{
    return ZSTD_sizeof_DStream(ctx);
}

const struct codec_undo unzstd_undo = {.looks_so = unzstd_looks_so,
                                       .open = stream_open,
                                       .step = undo_step,
                                       .close = stream_close,
                                       .bound = undo_bound,
                                       .holds = undo_holds};
