/* A chunk is its kind, three bytes of length (little-endian), and so many bytes. Of one with text the first four are a checksum of the
 * text. A stream begins with a chunk that says so, which may stand between others as well: streams behind one another. */
#include "transforms/codecs/snappy_frames.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <snappy-c.h>
#include <stdint.h>
#include <string.h>

#define BEGINNING "\xff\x06\0\0sNaPpY"

enum { HEAD_BYTES = 4, CHECK_BYTES = 4, TEXT_MAX = 65536 };
enum { CHUNK_PACKED = 0, CHUNK_PLAIN = 1, CHUNK_SKIPPED = 0x80, CHUNK_BEGINNING = 0xff };

struct frames {
    struct buf chunk; /* with its head */
    size_t skip;      /* bytes of a chunk that says nothing to us */
    struct buf text;  /* of a chunk */
    size_t given;     /* of the text */
};

static bool looks_so(struct slice beginning)
{
    size_t n = sizeof(BEGINNING) - 1;

    return beginning.n >= HEAD_BYTES &&
           slice_starts(slice_of(BEGINNING, n), slice_of(beginning.p, beginning.n < n ? beginning.n : n));
}

static void *undo_open(void)
{
    struct frames *f = mem_alloc(sizeof(*f));

    buf_init(&f->chunk, HEAD_BYTES + CHECK_BYTES + snappy_max_compressed_length(TEXT_MAX));
    buf_init(&f->text, TEXT_MAX);
    return f;
}

static void undo_close(void *ctx)
{
    struct frames *f = ctx;

    buf_release(&f->chunk);
    buf_release(&f->text);
    mem_free(f);
}

static int damaged(struct err *e)
{
    return err_set(e, ERR_FORMAT, "snappy: damaged");
}

static uint32_t little_endian(const char *at, size_t n)
{
    const unsigned char *p = (const unsigned char *)at;
    uint32_t v = 0;

    for (size_t i = n; i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

/* As the format masks it: a checksum of what has checksums in it is a weak one. */
static uint32_t checksum(struct slice text)
{
    uint32_t crc = crc32c(0, text);

    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static int unpack_block(struct frames *f, struct slice block, struct err *e)
{
    size_t n;

    if (snappy_uncompressed_length(block.p, block.n, &n) != SNAPPY_OK || n > TEXT_MAX)
        return damaged(e);
    if (buf_reserve(&f->text, n) < 0)
        return err_set(e, ERR_NOMEM, "snappy: no memory for a block");
    if (snappy_uncompress(block.p, block.n, f->text.p, &n) != SNAPPY_OK)
        return damaged(e);
    f->text.n = n;
    return 0;
}

/* A whole chunk. */
static int take_chunk(struct frames *f, struct err *e)
{
    unsigned char kind = (unsigned char)f->chunk.p[0];
    struct slice body = slice_from(buf_slice(&f->chunk), HEAD_BYTES), block;

    if (kind == CHUNK_BEGINNING)
        return memcmp(f->chunk.p, BEGINNING, f->chunk.n) == 0 ? 0 : damaged(e);
    if (body.n < CHECK_BYTES)
        return damaged(e);
    block = slice_from(body, CHECK_BYTES);
    if (kind == CHUNK_PLAIN ? block.n > TEXT_MAX || buf_add_slice(&f->text, block) < 0 : unpack_block(f, block, e) < 0)
        return damaged(e);
    return checksum(buf_slice(&f->text)) == little_endian(body.p, CHECK_BYTES) ? 0 : damaged(e);
}

/* Its head is there: may it be, and has it room? */
static int look_at_head(struct frames *f, struct err *e)
{
    unsigned char kind = (unsigned char)f->chunk.p[0];
    size_t n = little_endian(f->chunk.p + 1, 3);

    if (kind >= CHUNK_SKIPPED && kind != CHUNK_BEGINNING) {
        f->skip = n;
        buf_clear(&f->chunk);
        return 0;
    }
    if ((kind != CHUNK_PACKED && kind != CHUNK_PLAIN && kind != CHUNK_BEGINNING) ||
        (kind == CHUNK_BEGINNING && n != sizeof(BEGINNING) - 1 - HEAD_BYTES) || n > f->chunk.max - HEAD_BYTES)
        return damaged(e);
    return 0;
}

/* As far as is known: its head, and then all of it. */
static size_t chunk_bytes(const struct frames *f)
{
    return HEAD_BYTES + (f->chunk.n < HEAD_BYTES ? 0 : little_endian(f->chunk.p + 1, 3));
}

/* Up to the end of what is there. 1: a chunk is whole. */
static int gather(struct frames *f, struct slice *in, struct err *e)
{
    while (in->n > 0) {
        size_t want = f->skip ? f->skip : chunk_bytes(f) - f->chunk.n, n = want < in->n ? want : in->n;

        if (f->skip)
            f->skip -= n;
        else if (buf_add(&f->chunk, in->p, n) < 0)
            return err_set(e, ERR_NOMEM, "snappy: no memory for a chunk");
        *in = slice_from(*in, n);
        if (f->chunk.n == HEAD_BYTES && look_at_head(f, e) < 0)
            return -1;
        if (f->chunk.n >= HEAD_BYTES && f->chunk.n == chunk_bytes(f))
            return 1;
    }
    return 0;
}

/* What there is of the text. */
static void give(struct frames *f, size_t room, struct buf *out)
{
    size_t n = f->text.n - f->given < room ? f->text.n - f->given : room;

    if (n > 0)
        memcpy(out->p + out->n, f->text.p + f->given, n);
    out->n += n;
    f->given += n;
    if (f->given == f->text.n) {
        buf_clear(&f->text);
        f->given = 0;
    }
}

static int undo_step(void *ctx, struct slice *in, size_t room, struct buf *out, bool *inside, struct err *e)
{
    struct frames *f = ctx;
    size_t end = out->n + room;
    int rc = 1;

    give(f, room, out);
    while (rc > 0 && f->text.n == 0 && out->n < end) {
        rc = gather(f, in, e);
        if (rc > 0 && take_chunk(f, e) < 0)
            return -1;
        if (rc > 0)
            buf_clear(&f->chunk);
        give(f, end - out->n, out);
    }
    *inside = f->chunk.n > 0 || f->skip > 0 || f->text.n > 0;
    return rc < 0 ? -1 : 0;
}

const struct codec_undo snappy_frames_undo = {
    .looks_so = looks_so, .open = undo_open, .step = undo_step, .close = undo_close};
