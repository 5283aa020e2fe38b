/* zstd_window.h -- a frame of zstd that may refer so far back, though it is short.
 */
#ifndef TESTS_SUPPORT_ZSTD_WINDOW_H
#define TESTS_SUPPORT_ZSTD_WINDOW_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <zstd.h>

/* Appends it; 0, or -1 with no room. */
UNUSED static int zstd_with_window(struct slice text, int log, struct buf *out)
{
    ZSTD_CCtx *z = ZSTD_createCCtx();
    ZSTD_inBuffer from = {.src = text.p, .size = text.n};
    ZSTD_outBuffer to = {0};
    size_t left = 1;

    if (buf_reserve(out, ZSTD_compressBound(text.n) + 64) == 0) {
        to = (ZSTD_outBuffer){.dst = out->p + out->n, .size = out->cap - out->n};
        ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, log);
        ZSTD_compressStream2(z, &to, &from, ZSTD_e_flush); /* its length is not known yet */
        left = ZSTD_compressStream2(z, &to, &from, ZSTD_e_end);
    }
    ZSTD_freeCCtx(z);
    out->n += to.pos;
    return left == 0 ? 0 : -1;
}

#endif
