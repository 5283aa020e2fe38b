/* ISA-L writes into the free end of the body, piece by piece, until it has taken all input and leaves room. Its
 * stream object keeps the history itself, so what was added need not stay. */
#include "transforms/codecs/gzip.h"

#ifdef HAVE_LIBISAL

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/simd.h"

#include <assert.h>
#include <isa-l/igzip_lib.h>
#include <stdint.h>

struct gzip_isal {
    struct isal_zstream z; /* holds its own history, so the input is not kept */
    uint8_t *level_buf;
};

static uint32_t level_buf_size(int level)
{
    switch (level) {
    case 1:
        return ISAL_DEF_LVL1_DEFAULT;
    case 2:
        return ISAL_DEF_LVL2_DEFAULT;
    default:
        return ISAL_DEF_LVL3_DEFAULT;
    }
}

static void *isal_open(int level)
{
    struct gzip_isal *g = mem_alloc(sizeof(*g));

    assert(level >= 1 && level <= 3);
    isal_deflate_init(&g->z);
    g->z.level = (uint32_t)level;
    g->z.level_buf_size = level_buf_size(level);
    g->level_buf = mem_alloc(g->z.level_buf_size);
    g->z.level_buf = g->level_buf;
    g->z.gzip_flag = IGZIP_GZIP;
    return g;
}

static void isal_close(void *ctx)
{
    struct gzip_isal *g = ctx;

    if (!g)
        return;
    mem_free(g->level_buf);
    mem_free(g);
}

static void isal_begin(void *ctx)
{
    struct gzip_isal *g = ctx;

    isal_deflate_reset(&g->z);
    g->z.gzip_flag = IGZIP_GZIP; /* the library turns it into NO_HDR once a header is written, and reset leaves it so */
    g->z.flush = NO_FLUSH;
    g->z.end_of_stream = 0;
    g->z.next_in = NULL;
    g->z.avail_in = 0;
}

/* One call of isal_deflate() into the body's own memory. 1: the library has more to write. */
static int step(struct gzip_isal *g, struct body *out, struct err *e)
{
    size_t room;
    char *p = body_space(out, GZIP_ROOM, &room, e);
    int rc;

    if (!p)
        return -1;
    if (room > UINT32_MAX)
        room = UINT32_MAX;
    g->z.next_out = (uint8_t *)p;
    g->z.avail_out = (uint32_t)room;
    rc = isal_deflate(&g->z);
    simd_end_avx();
    if (body_wrote(out, room - g->z.avail_out, e) < 0)
        return -1;
    if (rc != COMP_OK)
        return err_set(e, ERR_FORMAT, "gzip: isal_deflate answers %d", rc);
    return g->z.avail_in > 0 || g->z.avail_out == 0;
}

static int isal_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    struct gzip_isal *g = ctx;
    int more = in.n > 0;

    assert(in.n <= UINT32_MAX);
    g->z.next_in = (uint8_t *)(uintptr_t)in.p; /* the library only reads it, though its type does not say so */
    g->z.avail_in = (uint32_t)in.n;
    while (more > 0)
        more = step(g, out, e);
    return more;
}

static int isal_finish(void *ctx, struct body *out, struct err *e)
{
    struct gzip_isal *g = ctx;

    g->z.end_of_stream = 1;
    while (g->z.internal_state.state != ZSTATE_END)
        if (step(g, out, e) < 0)
            return -1;
    return 0;
}

const struct gzip_stream_ops gzip_isal = {
    .open = isal_open,
    .begin = isal_begin,
    .add = isal_add,
    .finish = isal_finish,
    .close = isal_close,
};

#endif
