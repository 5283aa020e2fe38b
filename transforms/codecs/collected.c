#include "transforms/codecs/collected.h"

#include "transforms/codecs/codec.h"

void collected_init(struct collected *c, size_t max)
{
    *c = (struct collected){.whole = false};
    buf_init(&c->bytes, max);
}

void collected_release(struct collected *c)
{
    buf_release(&c->bytes);
}

void collected_begin(struct collected *c, uint64_t size)
{
    buf_clear(&c->bytes);
    c->whole = size <= c->bytes.max || size == CODEC_SIZE_UNKNOWN;
}

int collected_add(struct collected *c, struct slice in,
                  int (*stream)(void *ctx, struct slice in, struct body *out, struct err *e), void *ctx,
                  struct body *out, struct err *e)
{
    if (c->whole && buf_add_slice(&c->bytes, in) == 0)
        return 0;
    if (c->whole) {
        c->whole = false;
        if (stream(ctx, buf_slice(&c->bytes), out, e) < 0)
            return -1;
        buf_release(&c->bytes);
    }
    return stream(ctx, in, out, e);
}
