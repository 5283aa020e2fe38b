/* An archive with one file in it: its head, deflated bytes, a descriptor with checksum and sizes, which nobody knew before, and the directory
 * (PKWARE's APPNOTE.TXT, sections 4.3 and 4.4). All times are 1 January 1980, the earliest there is, so that the same object gives the
 * same bytes.
 *
 * Sizes have 32 bits. Where an object is announced with more, head, descriptor and directory have the zip64 form; one that is not
 * announced and grows beyond that is refused, because its head has said otherwise. Smaller ones never have that form: readers that go through
 * an archive from front to back (Java's ZipInputStream) tell the two descriptors apart by the size. */
#include "transforms/codecs/codec.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/zlib_memory.h"
#include "transforms/codecs/zlib_write.h"

#include <assert.h>
#include <stdio.h>
#include <zlib.h>

#define RAW          (-15) /* deflate without head and trailer */
#define MEMORY_LEVEL 8
#define SMALL_MAX    ((uint64_t)0xfffffffe)
#define DEFAULT_NAME "records"

#define SIGNATURE_LOCAL      0x04034b50U
#define SIGNATURE_DESCRIPTOR 0x08074b50U
#define SIGNATURE_CENTRAL    0x02014b50U
#define SIGNATURE_END64      0x06064b50U
#define SIGNATURE_LOCATOR64  0x07064b50U
#define SIGNATURE_END        0x06054b50U

#define VERSION_DEFLATE 20
#define VERSION_ZIP64   45
#define MADE_BY_UNIX    (3 << 8)
#define FLAG_DESCRIPTOR (1 << 3) /* what is not known yet stands behind the data */
#define FLAG_UTF8       (1 << 11)
#define METHOD_DEFLATE  8
#define DATE_1980       0x21 /* 1 January */
#define MODE_0644       (0100644U << 16)

struct zip {
    z_stream z;
    char name[CODEC_ZIP_NAME_MAX + 1];
    bool zip64, begun;
    uint32_t crc;
    uint64_t in, out; /* of the file in the archive */
    uint64_t head;    /* bytes of the local head */
};

static void *zip_open(int level)
{
    struct zip *z = mem_alloc(sizeof(*z));
    int rc;

    zlib_memory_use(&z->z);
    rc = deflateInit2(&z->z, level, Z_DEFLATED, RAW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    assert(rc == Z_OK); /* memory cannot fail, and levels were checked */
    snprintf(z->name, sizeof(z->name), DEFAULT_NAME);
    return z;
}

static void zip_close(void *ctx)
{
    struct zip *z = ctx;

    if (!z)
        return;
    deflateEnd(&z->z);
    mem_free(z);
}

static void zip_name_content(void *ctx, struct slice name)
{
    struct zip *z = ctx;

    if (name.n == 0 || name.n >= sizeof(z->name))
        name = SLICE(DEFAULT_NAME);
    snprintf(z->name, sizeof(z->name), "%.*s", (int)name.n, name.p);
}

static int zip_begin(void *ctx, uint64_t size, struct err *e)
{
    struct zip *z = ctx;

    (void)e;
    deflateReset(&z->z);
    z->begun = false;
    z->zip64 =
        size != CODEC_SIZE_UNKNOWN && size > SMALL_MAX - SMALL_MAX / 512; /* what cannot be compressed grows a little */
    z->crc = (uint32_t)crc32(0, NULL, 0);
    z->in = z->out = z->head = 0;
    return 0;
}

/* --- little-endian pieces ------------------------------------------------------------------------------------------- */

struct piece {
    char bytes[512];
    size_t n;
};

static void put(struct piece *p, unsigned bytes, uint64_t value)
{
    assert(p->n + bytes <= sizeof(p->bytes));
    for (unsigned i = 0; i < bytes; i++)
        p->bytes[p->n++] = (char)(value >> (8 * i));
}

static void put_text(struct piece *p, const char *text)
{
    size_t n = strlen(text);

    assert(p->n + n <= sizeof(p->bytes));
    memcpy(p->bytes + p->n, text, n);
    p->n += n;
}

static int write_piece(const struct piece *p, struct body *out, struct err *e)
{
    return body_add(out, slice_of(p->bytes, p->n), e);
}

/* What head and directory say alike: versions, flags, method, time. */
static void put_common(struct piece *p, const struct zip *z)
{
    put(p, 2, z->zip64 ? VERSION_ZIP64 : VERSION_DEFLATE);
    put(p, 2, FLAG_DESCRIPTOR | FLAG_UTF8);
    put(p, 2, METHOD_DEFLATE);
    put(p, 2, 0);
    put(p, 2, DATE_1980);
}

static void put_sizes(struct piece *p, const struct zip *z, unsigned bytes)
{
    put(p, bytes, z->out);
    put(p, bytes, z->in);
}

static int ensure_head(struct zip *z, struct body *out, struct err *e)
{
    struct piece p = {.n = 0};

    if (z->begun)
        return 0;
    z->begun = true;
    put(&p, 4, SIGNATURE_LOCAL);
    put_common(&p, z);
    put(&p, 4, 0); /* the checksum is in the descriptor, as are the sizes */
    put(&p, 4, z->zip64 ? UINT32_MAX : 0);
    put(&p, 4, z->zip64 ? UINT32_MAX : 0);
    put(&p, 2, strlen(z->name));
    put(&p, 2, z->zip64 ? 20 : 0);
    put_text(&p, z->name);
    if (z->zip64) {
        put(&p, 2, 1);
        put(&p, 2, 16);
        put(&p, 8, 0);
        put(&p, 8, 0);
    }
    z->head = p.n;
    return write_piece(&p, out, e);
}

/* --- the file in it -------------------------------------------------------------------------------------------------- */

static int zip_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    struct zip *z = ctx;

    if (ensure_head(z, out, e) < 0)
        return -1;
    if (in.n > 0)
        z->crc = (uint32_t)crc32(z->crc, (const Bytef *)in.p, (uInt)in.n);
    z->in += in.n;
    if (!z->zip64 && z->in > SMALL_MAX)
        return err_set(e, ERR_LIMIT, "zip: the object has more than 4 GiB, which was not announced");
    return zlib_write(&z->z, in, false, "zip", out, e);
}

static void put_descriptor(struct piece *p, const struct zip *z)
{
    put(p, 4, SIGNATURE_DESCRIPTOR);
    put(p, 4, z->crc);
    put_sizes(p, z, z->zip64 ? 8 : 4);
}

static void put_directory(struct piece *p, const struct zip *z)
{
    put(p, 4, SIGNATURE_CENTRAL);
    put(p, 2, MADE_BY_UNIX | (z->zip64 ? VERSION_ZIP64 : VERSION_DEFLATE));
    put_common(p, z);
    put(p, 4, z->crc);
    if (z->zip64)
        put(p, 8, UINT64_MAX);
    else
        put_sizes(p, z, 4);
    put(p, 2, strlen(z->name));
    put(p, 2, z->zip64 ? 20 : 0);
    put(p, 2, 0); /* comment */
    put(p, 2, 0); /* disk */
    put(p, 2, 0); /* attributes */
    put(p, 4, MODE_0644);
    put(p, 4, 0); /* where the head is */
    put_text(p, z->name);
    if (z->zip64) {
        put(p, 2, 1);
        put(p, 2, 16);
        put(p, 8, z->in); /* in the other order than in the descriptor */
        put(p, 8, z->out);
    }
}

static void put_end64(struct piece *p, uint64_t directory, uint64_t bytes)
{
    put(p, 4, SIGNATURE_END64);
    put(p, 8, 44); /* of it behind this number */
    put(p, 2, MADE_BY_UNIX | VERSION_ZIP64);
    put(p, 2, VERSION_ZIP64);
    put(p, 8, 0); /* disks */
    put(p, 8, 1);
    put(p, 8, 1);
    put(p, 8, bytes);
    put(p, 8, directory);
    put(p, 4, SIGNATURE_LOCATOR64);
    put(p, 4, 0);
    put(p, 8, directory + bytes);
    put(p, 4, 1);
}

static void put_end(struct piece *p, uint64_t directory, uint64_t bytes)
{
    put(p, 4, SIGNATURE_END);
    put(p, 4, 0); /* disks */
    put(p, 2, 1);
    put(p, 2, 1);
    put(p, 4, bytes);
    put(p, 4, directory > SMALL_MAX ? UINT32_MAX : directory);
    put(p, 2, 0); /* comment */
}

static int zip_finish(void *ctx, struct body *out, struct err *e)
{
    struct zip *z = ctx;
    struct piece p = {.n = 0}, directory = {.n = 0}, end = {.n = 0};
    uint64_t at;

    if (ensure_head(z, out, e) < 0 || zlib_write(&z->z, slice_of(NULL, 0), true, "zip", out, e) < 0)
        return -1;
    z->out = z->z.total_out;
    if (!z->zip64 && z->out > SMALL_MAX)
        return err_set(e, ERR_LIMIT, "zip: the object has more than 4 GiB, which was not announced");
    put_descriptor(&p, z);
    put_directory(&directory, z);
    at = z->head + z->out + p.n;
    if (z->zip64 || at > SMALL_MAX)
        put_end64(&end, at, directory.n);
    put_end(&end, at, directory.n);
    return write_piece(&p, out, e) < 0 || write_piece(&directory, out, e) < 0 ? -1 : write_piece(&end, out, e);
}

/* --- the way back: of our own archives ------------------------------------------------------------------------------- */

enum unzip_step { UNZIP_HEAD, UNZIP_DATA, UNZIP_DESCRIPTOR, UNZIP_REST };

struct unzip {
    z_stream z;
    enum unzip_step step;
    struct buf head; /* what has come of the head, or the descriptor */
    uint32_t crc;
};

static bool looks_so(struct slice beginning)
{
    return slice_starts(beginning, SLICE("PK\x03\x04"));
}

static void *undo_open(void)
{
    struct unzip *u = mem_alloc(sizeof(*u));
    int rc;

    zlib_memory_use(&u->z);
    rc = inflateInit2(&u->z, RAW);
    assert(rc == Z_OK);
    u->crc = (uint32_t)crc32(0, NULL, 0);
    buf_init(&u->head, UNZIP_HEAD_MAX + 64);
    return u;
}

static void undo_close(void *ctx)
{
    struct unzip *u = ctx;

    inflateEnd(&u->z);
    buf_release(&u->head);
    mem_free(u);
}

static size_t number(const struct buf *b, size_t at, size_t bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < bytes; i++)
        n |= (size_t)(unsigned char)b->p[at + i] << (8 * i);
    return n;
}

/* Takes what is missing of `want` bytes. True: they are there. */
static bool collect(struct unzip *u, struct slice *in, size_t want)
{
    size_t n = want > u->head.n ? want - u->head.n : 0;

    if (n > in->n)
        n = in->n;
    (void)!buf_add(&u->head, in->p, n); /* want is bounded by what two numbers of two bytes can say */
    *in = slice_of(in->p + n, in->n - n);
    return u->head.n >= want;
}

static int take_head(struct unzip *u, struct slice *in, struct err *e)
{
    if (!collect(u, in, 30) || !collect(u, in, 30 + number(&u->head, 26, 2) + number(&u->head, 28, 2)))
        return 0;
    if (!looks_so(buf_slice(&u->head)) || number(&u->head, 8, 2) != METHOD_DEFLATE ||
        !(number(&u->head, 6, 2) & FLAG_DESCRIPTOR) || (number(&u->head, 6, 2) & 1))
        return err_set(e, ERR_FORMAT, "zip: an archive of another program");
    u->step = UNZIP_DATA;
    buf_clear(&u->head);
    return 0;
}

static int take_data(struct unzip *u, struct slice *in, size_t room, struct buf *out, struct err *e)
{
    size_t n = in->n < UINT32_MAX / 2 ? in->n : UINT32_MAX / 2;
    int rc;

    u->z.next_in = (Bytef *)(uintptr_t)in->p;
    u->z.avail_in = (uInt)n;
    u->z.next_out = (Bytef *)out->p + out->n;
    u->z.avail_out = (uInt)room;
    rc = inflate(&u->z, Z_NO_FLUSH);
    room -= u->z.avail_out;
    if (room > 0)
        u->crc = (uint32_t)crc32(u->crc, (const Bytef *)out->p + out->n, (uInt)room);
    out->n += room;
    n -= u->z.avail_in;
    *in = slice_of(in->p + n, in->n - n);
    if (rc == Z_STREAM_END)
        u->step = UNZIP_DESCRIPTOR;
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
        return err_set(e, ERR_FORMAT, "zip: %s", u->z.msg ? u->z.msg : "damaged");
    return 0;
}

static int take_descriptor(struct unzip *u, struct slice *in, struct err *e)
{
    if (!collect(u, in, 8))
        return 0;
    if (number(&u->head, 0, 4) != SIGNATURE_DESCRIPTOR || number(&u->head, 4, 4) != u->crc)
        return err_set(e, ERR_FORMAT, "zip: damaged: the checksum is another");
    u->step = UNZIP_REST;
    return 0;
}

static int undo_step(void *ctx, struct slice *in, size_t room, struct buf *out, bool *inside, struct err *e)
{
    struct unzip *u = ctx;
    int rc = 0;

    if (u->step == UNZIP_HEAD)
        rc = take_head(u, in, e);
    if (rc == 0 && u->step == UNZIP_DATA)
        rc = take_data(u, in, room, out, e);
    if (rc == 0 && u->step == UNZIP_DESCRIPTOR)
        rc = take_descriptor(u, in, e);
    if (u->step == UNZIP_REST)
        *in = slice_of(in->p + in->n, 0); /* the directory says the same again */
    *inside = u->step != UNZIP_REST && (u->step != UNZIP_HEAD || u->head.n > 0);
    return rc;
}

static const struct codec_undo UNDO = {.looks_so = looks_so, .open = undo_open, .step = undo_step, .close = undo_close};

const struct codec_ops codec_zip = {
    .name = "zip",
    .extension = ".zip",
    .encoding = "zip",
    .level_min = 1,
    .level_max = 9,
    .level_default = 6,
    .open = zip_open,
    .name_content = zip_name_content,
    .begin = zip_begin,
    .add = zip_add,
    .finish = zip_finish,
    .close = zip_close,
    .undo = &UNDO,
};
