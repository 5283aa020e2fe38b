#include "transforms/codecs/snappy_blocks.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <snappy-c.h>

struct snappy_blocks {
    size_t block;
    struct slice head;
    bool both, begun;
    struct buf pending; /* less than a block */
};

struct snappy_blocks *snappy_blocks_open(size_t block, struct slice head, bool both)
{
    struct snappy_blocks *b = mem_alloc(sizeof(*b));

    b->block = block;
    b->head = head;
    b->both = both;
    buf_init(&b->pending, block);
    return b;
}

void snappy_blocks_close(struct snappy_blocks **b)
{
    if (*b)
        buf_release(&(*b)->pending);
    MEM_CLEAR(*b);
}

void snappy_blocks_begin(struct snappy_blocks *b)
{
    b->begun = false;
    buf_clear(&b->pending);
}

/* With the first bytes: begin() has no body. */
static int ensure_head(struct snappy_blocks *b, struct body *out, struct err *e)
{
    if (b->begun || b->head.n == 0)
        return 0;
    b->begun = true;
    return body_add(out, b->head, e);
}

static void put_length(char *p, size_t n)
{
    p[0] = (char)(n >> 24);
    p[1] = (char)(n >> 16);
    p[2] = (char)(n >> 8);
    p[3] = (char)n;
}

static int write_block(struct snappy_blocks *b, struct slice text, struct body *out, struct err *e)
{
    size_t head = b->both ? 8 : 4, n = snappy_max_compressed_length(text.n), room;
    char *p = body_space(out, head + n, &room, e);
    snappy_status rc;

    if (!p)
        return -1;
    rc = snappy_compress(text.p, text.n, p + head, &n);
    assert(rc == SNAPPY_OK); /* there is room */
    if (b->both)
        put_length(p, text.n);
    put_length(p + head - 4, n);
    return body_wrote(out, head + n, e);
}

/* Blocks end where they would if all came in one piece. */
int snappy_blocks_add(struct snappy_blocks *b, struct slice in, struct body *out, struct err *e)
{
    if (ensure_head(b, out, e) < 0)
        return -1;
    while (in.n > 0) {
        size_t n = b->block - b->pending.n < in.n ? b->block - b->pending.n : in.n;
        bool whole = n == b->block; /* nothing is pending: straight from where it is */

        if (!whole && buf_add(&b->pending, in.p, n) < 0)
            return err_set(e, ERR_NOMEM, "snappy: no memory for a block of %zu bytes", b->block);
        if (whole && write_block(b, slice_of(in.p, n), out, e) < 0)
            return -1;
        in = slice_of(in.p + n, in.n - n);
        if (b->pending.n < b->block)
            continue;
        if (write_block(b, buf_slice(&b->pending), out, e) < 0)
            return -1;
        buf_clear(&b->pending);
    }
    return 0;
}

int snappy_blocks_finish(struct snappy_blocks *b, struct body *out, struct err *e)
{
    if (ensure_head(b, out, e) < 0)
        return -1;
    return b->pending.n > 0 ? write_block(b, buf_slice(&b->pending), out, e) : 0;
}
