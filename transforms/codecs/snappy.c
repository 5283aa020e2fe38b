/* What Firehose calls Snappy is not snappy's own framing_format.txt, but the stream of snappy-java (xerial): a head of 16 bytes, then raw
 * blocks of at most 32 KiB of text, each behind its length. Readers that are made for Firehose's objects expect that.
 *
 * The way back also takes blocks of other sizes, and a head between two blocks: streams behind one another. */
#include "transforms/codecs/codec.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/snappy_blocks.h"

#include <snappy-c.h>

#define MAGIC      "\x82SNAPPY"               /* with its NUL: eight bytes */
#define HEAD       MAGIC "\0\0\0\0\1\0\0\0\1" /* version 1; readers of version 1 will do */
#define HEAD_BYTES (sizeof(HEAD) - 1)

static void *snappy_open(int level)
{
    (void)level;
    return snappy_blocks_open(CODEC_SNAPPY_BLOCK, SLICE(HEAD), false);
}

static void snappy_close(void *ctx)
{
    struct snappy_blocks *b = ctx;

    snappy_blocks_close(&b);
}

static int snappy_begin(void *ctx, uint64_t size, struct err *e)
{
    (void)size, (void)e;
    snappy_blocks_begin(ctx);
    return 0;
}

static int snappy_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    return snappy_blocks_add(ctx, in, out, e);
}

static int snappy_finish(void *ctx, struct body *out, struct err *e)
{
    return snappy_blocks_finish(ctx, out, e);
}

/* --- the way back --------------------------------------------------------------------------------------------------- */

struct unsnappy {
    struct buf packed; /* of the length, the head or the block that comes next */
    size_t needed;     /* so many bytes of it; 0: a length is next */
    struct buf text;   /* of a block */
    size_t given;      /* of the text */
};

static bool looks_so(struct slice beginning)
{
    return beginning.n >= 4 && slice_starts(SLICE(HEAD), slice_of(beginning.p, beginning.n < 8 ? beginning.n : 8));
}

static void *undo_open(void)
{
    struct unsnappy *u = mem_alloc(sizeof(*u));

    buf_init(&u->packed, UNSNAPPY_BLOCK_MAX * 2);
    buf_init(&u->text, UNSNAPPY_BLOCK_MAX);
    return u;
}

static void undo_close(void *ctx)
{
    struct unsnappy *u = ctx;

    buf_release(&u->packed);
    buf_release(&u->text);
    mem_free(u);
}

static int damaged(struct err *e)
{
    return err_set(e, ERR_FORMAT, "snappy: damaged");
}

/* Four bytes are there: the length of a block, or the beginning of a head. */
static int take_length(struct unsnappy *u, struct err *e)
{
    const unsigned char *p = (const unsigned char *)u->packed.p;
    size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];

    if (memcmp(p, MAGIC, 4) == 0) {
        u->needed = HEAD_BYTES; /* with the four */
        return 0;
    }
    if (n == 0 || n > snappy_max_compressed_length(UNSNAPPY_BLOCK_MAX))
        return damaged(e);
    u->needed = n;
    buf_clear(&u->packed);
    return 0;
}

static int take_block(struct unsnappy *u, struct err *e)
{
    size_t n;

    if (u->packed.n == HEAD_BYTES && memcmp(u->packed.p, MAGIC, sizeof(MAGIC)) == 0)
        return 0;
    if (snappy_uncompressed_length(u->packed.p, u->packed.n, &n) != SNAPPY_OK || n > UNSNAPPY_BLOCK_MAX)
        return damaged(e);
    if (buf_reserve(&u->text, n) < 0)
        return err_set(e, ERR_NOMEM, "snappy: no memory for a block of %zu bytes", n);
    if (snappy_uncompress(u->packed.p, u->packed.n, u->text.p, &n) != SNAPPY_OK)
        return damaged(e);
    u->text.n = n;
    u->given = 0;
    return 0;
}

/* What is there of the text. */
static void give(struct unsnappy *u, size_t room, struct buf *out)
{
    size_t n = u->text.n - u->given < room ? u->text.n - u->given : room;

    if (n > 0)
        memcpy(out->p + out->n, u->text.p + u->given, n);
    out->n += n;
    u->given += n;
    if (u->given == u->text.n)
        buf_clear(&u->text), u->given = 0;
}

static int undo_step(void *ctx, struct slice *in, size_t room, struct buf *out, bool *inside, struct err *e)
{
    struct unsnappy *u = ctx;
    size_t end = out->n + room, want, n;

    give(u, room, out);
    while (in->n > 0 && u->text.n == 0 && out->n < end) {
        want = (u->needed ? u->needed : 4) - u->packed.n;
        n = want < in->n ? want : in->n;
        if (buf_add(&u->packed, in->p, n) < 0)
            return err_set(e, ERR_NOMEM, "snappy: no memory for a block");
        *in = slice_of(in->p + n, in->n - n);
        if (n < want)
            break;
        if (u->needed == 0) {
            if (take_length(u, e) < 0)
                return -1;
            continue;
        }
        if (take_block(u, e) < 0)
            return -1;
        buf_clear(&u->packed);
        u->needed = 0;
        give(u, end - out->n, out);
    }
    *inside = u->packed.n > 0 || u->needed > 0 || u->text.n > 0;
    return 0;
}

static const struct codec_undo UNDO = {.looks_so = looks_so, .open = undo_open, .step = undo_step, .close = undo_close};

const struct codec_ops codec_snappy = {
    .name = "snappy",
    .extension = ".snappy",
    .encoding = "snappy-java",
    .open = snappy_open,
    .begin = snappy_begin,
    .add = snappy_add,
    .finish = snappy_finish,
    .close = snappy_close,
    .undo = &UNDO,
};
