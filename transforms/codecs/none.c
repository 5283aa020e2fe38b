#include "transforms/codecs/codec.h"

#include "pipeline/base/mem.h"

/* Nothing to remember between pieces; but a context is never NULL, so there is one of one byte. */
static void *none_open(int level)
{
    (void)level;
    return mem_alloc(1);
}

static void none_close(void *ctx)
{
    mem_free(ctx);
}

static int none_begin(void *ctx, uint64_t size, struct err *e)
{
    (void)ctx, (void)size, (void)e;
    return 0;
}

static int none_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    (void)ctx;
    return body_add(out, in, e);
}

static int none_finish(void *ctx, struct body *out, struct err *e)
{
    (void)ctx, (void)out, (void)e;
    return 0;
}

const struct codec_ops codec_none = {
    .name = "none",
    .extension = "",
    .encoding = NULL,
    .copies = true,
    .open = none_open,
    .begin = none_begin,
    .add = none_add,
    .finish = none_finish,
    .close = none_close,
};
