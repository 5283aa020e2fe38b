/* Records are collected into a block in memory, and a full block is written behind the last one in one go: so what a crash leaves
 * unfinished is always behind the length that the journal knows. Nothing in front of it is ever written again.
 *
 * When a file is opened again, its headers are walked from the beginning: they say how many records there are, and that it ends with a whole
 * block. Contents are checked when they are read. */
#include "pipeline/encode/parcel_file.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/format/wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MAGIC        0x42504c53U /* "SLPB" */
#define HEADER_BYTES ((size_t)40)
#define ORIGIN_BYTES ((size_t)20)
#define IS_OBJECT    0x80000000U
#define IS_COUNTED   0x40000000U
#define VARINT_MAX   ((size_t)5)
#define ALIGNMENT    sizeof(uint64_t)

/* What a block may have; a header that says more is damaged. */
#define PAYLOAD_MAX (PARCEL_BLOCK_BYTES + PARCEL_RECORD_MAX_BYTES + 1)
#define TABLE_MAX   (PARCEL_BLOCK_RECORDS * VARINT_MAX)
#define ORIGINS_MAX (PARCEL_BLOCK_RECORDS * ORIGIN_BYTES)

struct parcel_file {
    const struct io_ops *ops;
    int fd;
    char *path;
    struct parcel_mark mark;            /* of what is flushed */
    struct buf payload, table, origins; /* of the open block */
    uint32_t open;                      /* its records */
    struct buf window;                  /* who reads blocks: bytes of the file from window_at on */
    uint64_t window_at;
    size_t ahead; /* bytes that are read at once; 0: those that are asked for */
};

struct block {
    uint32_t payload, table, count, crc;
    uint64_t first;
};

static size_t block_content(const struct block *b)
{
    return b->payload + b->table + b->count * ORIGIN_BYTES;
}

/* --- bytes of the file ----------------------------------------------------------------------------------------------- */

/* What of it lies at the window's beginning; how many. */
static size_t from_window(const struct parcel_file *f, uint64_t at, char *to, size_t n)
{
    uint64_t skip = at - f->window_at;

    if (at < f->window_at || skip >= f->window.n)
        return 0;
    if (n > f->window.n - skip)
        n = f->window.n - (size_t)skip;
    memcpy(to, f->window.p + skip, n);
    return n;
}

/* As io_read_at(), of what is flushed. Small blocks stand side by side, so many of them are read at once. */
static int read_at(struct parcel_file *f, void *to, size_t n, uint64_t at, size_t *got)
{
    size_t there = from_window(f, at, to, n), most = f->ahead, more;
    char *rest = (char *)to + there;
    int rc;

    *got = there;
    if (there == n || at + there >= f->mark.length)
        return 0;
    at += there;
    if (n - there < most) {
        most = most < f->mark.length - at ? most : (size_t)(f->mark.length - at);
        buf_clear(&f->window);
        if (buf_reserve(&f->window, most) < 0) {
            errno = ENOMEM;
            return -1;
        }
        rc = io_read_at(f->ops, f->fd, f->window.p, most, at, &f->window.n);
        f->window_at = at;
        more = from_window(f, at, rest, n - there);
    } else {
        rc = io_read_at(f->ops, f->fd, rest, n - there, at, &more);
    }
    *got += more;
    return rc;
}

/* --- headers --------------------------------------------------------------------------------------------------------- */

static uint32_t header_crc(const unsigned char header[HEADER_BYTES], uint64_t at)
{
    unsigned char place[8];

    wire_store_u64(place, at);
    return crc32c(crc32c(0, slice_of((char *)place, sizeof(place))), slice_of((const char *)header, HEADER_BYTES - 4));
}

static void encode_header(const struct block *b, uint64_t at, unsigned char out[HEADER_BYTES])
{
    memset(out, 0, HEADER_BYTES);
    wire_store_u32(out, MAGIC);
    wire_store_u32(out + 4, b->payload);
    wire_store_u32(out + 8, b->table);
    wire_store_u32(out + 12, b->count);
    wire_store_u64(out + 16, b->first);
    wire_store_u32(out + 28, b->crc);
    wire_store_u32(out + 36, header_crc(out, at));
}

static bool decode_header(const unsigned char in[HEADER_BYTES], uint64_t at, struct block *b)
{
    *b = (struct block){.payload = wire_load_u32(in + 4),
                        .table = wire_load_u32(in + 8),
                        .count = wire_load_u32(in + 12),
                        .first = wire_load_u64(in + 16),
                        .crc = wire_load_u32(in + 28)};
    return wire_load_u32(in) == MAGIC && wire_load_u32(in + 36) == header_crc(in, at) && b->count > 0 &&
           b->count <= PARCEL_BLOCK_RECORDS && b->payload <= PAYLOAD_MAX && b->table <= TABLE_MAX;
}

/* The header at `at`. -1 with ERR_FORMAT: there is none, or its block ends behind the file. */
static int read_header(struct parcel_file *f, uint64_t at, struct block *b, struct err *e)
{
    unsigned char header[HEADER_BYTES];
    size_t got;

    if (read_at(f, header, sizeof(header), at, &got) < 0)
        return err_errno(e, "read %s", f->path);
    if (got < sizeof(header) || !decode_header(header, at, b) || block_content(b) > f->mark.length - at - HEADER_BYTES)
        return err_set(e, ERR_FORMAT, "%s is damaged at byte %llu", f->path, (unsigned long long)at);
    return 0;
}

/* --- opening --------------------------------------------------------------------------------------------------------- */

struct parcel_file *parcel_file_at(const struct io_ops *ops, const char *path, const struct parcel_mark *mark)
{
    struct parcel_file *f = mem_alloc(sizeof(*f));

    f->ops = ops ? ops : &io_ops_real;
    f->path = mem_strdup(path);
    f->mark = *mark;
    f->fd = -1;
    buf_init(&f->payload, PAYLOAD_MAX);
    buf_init(&f->table, TABLE_MAX);
    buf_init(&f->origins, ORIGINS_MAX);
    buf_init(&f->window, PARCEL_READ_AHEAD);
    return f;
}

static void empty_block(struct parcel_file *f)
{
    buf_release(&f->payload);
    buf_release(&f->table);
    buf_release(&f->origins);
    f->open = 0;
}

void parcel_file_close(struct parcel_file **fp)
{
    struct parcel_file *f = *fp;

    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    empty_block(f);
    buf_release(&f->window);
    mem_free(f->path);
    mem_free(f);
    *fp = NULL;
}

/* As err_errno(). */
static int cannot(const struct parcel_file *f, const char *doing, struct err *e)
{
    bool no_space = errno == ENOSPC || errno == EDQUOT;

    err_errno(e, "%s %s", doing, f->path);
    if (no_space)
        e->code = ERR_NOSPACE;
    return -1;
}

static int open_old(struct parcel_file *f, int flags, struct err *e)
{
    f->fd = io_open(f->ops, f->path, flags | O_CLOEXEC, 0, e);
    if (f->fd < 0)
        return errno == ENOENT ? err_set(e, ERR_FORMAT, "%s is not there", f->path) : -1;
    return 0;
}

/* Behind its length nothing is staged. `size`: of the file, which is no less. */
static int cut(struct parcel_file *f, uint64_t size, struct err *e)
{
    if (size > f->mark.length && f->ops->ftruncate(f->fd, (off_t)f->mark.length) < 0)
        return cannot(f, "cut", e);
    return 0;
}

/* A file that is too short has lost what the journal was told is safe. */
static int is_too_short(const struct parcel_file *f, uint64_t size, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s has %llu bytes where %llu were safe", f->path, (unsigned long long)size,
                   (unsigned long long)f->mark.length);
}

static int size_of(const struct parcel_file *f, uint64_t *size, struct err *e)
{
    off_t end = lseek(f->fd, 0, SEEK_END);

    *size = (uint64_t)end;
    return end < 0 ? err_errno(e, "read %s", f->path) : 0;
}

static int open_to_write(struct parcel_file *f, struct err *e)
{
    uint64_t size;

    if (f->fd >= 0)
        return 0;
    if (f->mark.length == 0) {
        f->fd = io_open_disposable(f->ops, f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600, e);
        if (f->fd < 0)
            return errno == ENOSPC || errno == EDQUOT ? cannot(f, "create", e) : -1;
    } else if (open_old(f, O_RDWR, e) < 0) {
        return -1;
    }
    if (size_of(f, &size, e) < 0)
        return -1;
    return size < f->mark.length ? is_too_short(f, size, e) : cut(f, size, e);
}

/* Up to f->mark.length; counts what it comes by. */
static int walk_blocks(struct parcel_file *f, struct parcel_mark *passed, struct err *e)
{
    struct block b;

    while (passed->length < f->mark.length) {
        if (f->mark.length - passed->length < HEADER_BYTES)
            return err_set(e, ERR_FORMAT, "%s does not end with a whole block", f->path);
        if (read_header(f, passed->length, &b, e) < 0)
            return -1;
        if (b.first != passed->count)
            return err_set(e, ERR_FORMAT, "%s lacks records from %llu on", f->path, (unsigned long long)passed->count);
        passed->count += b.count;
        passed->bytes += b.payload;
        passed->length += HEADER_BYTES + block_content(&b);
    }
    return 0;
}

/* With a file that is too short the walk goes as far as its blocks do. */
static int cut_and_walk(struct parcel_file *f, struct parcel_mark *passed, struct err *e)
{
    struct err ignored;
    uint64_t size;

    if (size_of(f, &size, e) < 0)
        return -1;
    if (size >= f->mark.length)
        return cut(f, size, e) < 0 ? -1 : walk_blocks(f, passed, e);
    (void)is_too_short(f, size, e);
    f->mark.length = size;
    return walk_blocks(f, passed, &ignored) < 0 && ignored.code != ERR_FORMAT ? (*e = ignored, -1) : -1;
}

int parcel_file_look(const struct io_ops *ops, const char *path, uint64_t length, struct parcel_mark *mark,
                     struct err *e)
{
    struct parcel_file *f = parcel_file_at(ops, path, &(struct parcel_mark){.length = length});
    int rc;

    *mark = (struct parcel_mark){0};
    rc = open_old(f, O_RDWR, e) < 0 ? -1 : cut_and_walk(f, mark, e);
    parcel_file_close(&f);
    return rc;
}

/* --- appending ------------------------------------------------------------------------------------------------------- */

static void put_payload(struct buf *b, struct slice data, bool newline_is_ours)
{
    if (data.n > 0)
        memcpy(b->p + b->n, data.p, data.n);
    b->n += data.n;
    if (newline_is_ours)
        b->p[b->n++] = '\n';
}

static void put_varint(struct buf *b, size_t v)
{
    for (; v >= 0x80; v >>= 7)
        b->p[b->n++] = (char)(v | 0x80);
    b->p[b->n++] = (char)v;
}

static void put_origin(struct buf *b, const struct record_origin *o)
{
    unsigned char *p = (unsigned char *)b->p + b->n;

    wire_store_u64(p, o->seq);
    wire_store_u64(p + 8, (uint64_t)o->arrival);
    wire_store_u32(p + 16, o->part | (o->is_object ? IS_OBJECT : 0) | (o->is_counted ? IS_COUNTED : 0));
    b->n += ORIGIN_BYTES;
}

size_t parcel_file_expect(struct parcel_file *f, size_t bytes, size_t records)
{
    bytes = bytes < PARCEL_BLOCK_BYTES ? bytes : PARCEL_BLOCK_BYTES;
    buf_expect(&f->payload, bytes);
    records = records < PARCEL_BLOCK_RECORDS ? records : PARCEL_BLOCK_RECORDS;
    buf_expect(&f->table, records * 2);
    buf_expect(&f->origins, records * ORIGIN_BYTES);
    return bytes + records * (2 + ORIGIN_BYTES);
}

int parcel_file_add(struct parcel_file *f, struct slice data, const struct record_origin *from, struct err *e)
{
    bool newline_is_ours = data.n == 0 || data.p[data.n - 1] != '\n';
    size_t stored = data.n + (newline_is_ours ? 1 : 0);

    assert(data.n <= PARCEL_RECORD_MAX_BYTES);
    if (buf_reserve(&f->payload, stored) < 0 || buf_reserve(&f->table, VARINT_MAX) < 0 ||
        buf_reserve(&f->origins, ORIGIN_BYTES) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the records of a parcel");
    put_payload(&f->payload, data, newline_is_ours);
    put_varint(&f->table, stored << 1 | (newline_is_ours ? 1 : 0));
    put_origin(&f->origins, from);
    f->open++;
    return f->payload.n >= PARCEL_BLOCK_BYTES || f->open >= PARCEL_BLOCK_RECORDS ? parcel_file_flush(f, e) : 0;
}

/* For a file of this length; the marks are those of a file that grows. */
static uint64_t space_for(uint64_t length)
{
    uint64_t space = PARCEL_AHEAD_FIRST;

    if (length > PARCEL_AHEAD_MAX)
        return (length + PARCEL_AHEAD_MAX - 1) / PARCEL_AHEAD_MAX * PARCEL_AHEAD_MAX;
    while (space < length)
        space *= space < PARCEL_AHEAD_DOUBLE ? 4 : 2;
    return space;
}

/* Files that grow by turns would lie scattered on the disk, and each scattered part costs when it is written, and once more when the file is
 * removed. So each has space ahead. Without it, because the disk is nearly full or cannot do it, a file is the same. */
static void take_space(const struct parcel_file *f, uint64_t more)
{
    uint64_t length = f->mark.length, space = space_for(length + more);
    bool grows = length > 0 || more < PARCEL_BLOCK_BYTES / 4; /* not what is written at once */

    if (f->ops->reserve && grows && space > PARCEL_AHEAD_FIRST && (length == 0 || space > space_for(length)))
        (void)f->ops->reserve(f->fd, (off_t)space);
}

int parcel_file_flush(struct parcel_file *f, struct err *e)
{
    struct block b = {
        .payload = (uint32_t)f->payload.n, .table = (uint32_t)f->table.n, .count = f->open, .first = f->mark.count};
    unsigned char header[HEADER_BYTES];
    struct iovec v[] = {
        {header, sizeof(header)}, {f->payload.p, f->payload.n}, {f->table.p, f->table.n}, {f->origins.p, f->origins.n}};

    if (f->open == 0)
        return 0;
    if (open_to_write(f, e) < 0)
        return -1;
    b.crc = crc32c(crc32c(crc32c(0, buf_slice(&f->payload)), buf_slice(&f->table)), buf_slice(&f->origins));
    encode_header(&b, f->mark.length, header);
    take_space(f, HEADER_BYTES + block_content(&b));
    if (io_write_at(f->ops, f->fd, v, 4, f->mark.length) < 0)
        return cannot(f, "write", e);
    f->mark.length += HEADER_BYTES + block_content(&b);
    f->mark.count += b.count;
    f->mark.bytes += b.payload;
    empty_block(f);
    return 0;
}

int parcel_file_sync(struct parcel_file *f, struct err *e)
{
    if (open_to_write(f, e) < 0)
        return -1;
    return f->ops->fdatasync(f->fd) < 0 ? cannot(f, "sync", e) : 0;
}

struct parcel_mark parcel_file_mark(const struct parcel_file *f)
{
    return f->mark;
}

bool parcel_file_has_more(const struct parcel_file *f)
{
    return f->open > 0;
}

bool parcel_file_is_open(const struct parcel_file *f)
{
    return f->fd >= 0;
}

/* --- reading --------------------------------------------------------------------------------------------------------- */

/* As they stand in the file, into an array. */
static void get_origins(const unsigned char *p, uint32_t count, struct record_origin *out)
{
    for (uint32_t i = 0; i < count; i++, p += ORIGIN_BYTES) {
        uint32_t part = wire_load_u32(p + 16);

        out[i] = (struct record_origin){.seq = wire_load_u64(p),
                                        .arrival = (nsec)wire_load_u64(p + 8),
                                        .part = part & ~(IS_OBJECT | IS_COUNTED),
                                        .is_counted = (part & IS_COUNTED) != 0,
                                        .is_object = (part & IS_OBJECT) != 0};
    }
}

/* From the place to the end: with a damaged header nobody knows where the next block is. */
static int lose_the_rest(const struct parcel_file *f, struct parcel_place *p, struct record_chunk *c)
{
    c->v = (struct frame_view){.first = p->next, .count = (uint32_t)(f->mark.count - p->next)};
    *p = (struct parcel_place){.at = f->mark.length, .next = f->mark.count};
    return -1;
}

int parcel_file_read(struct parcel_file *f, struct parcel_place *p, struct buf *raw, struct record_chunk *c,
                     struct err *e)
{
    size_t content, origins, got;
    struct block b;

    if (p->at >= f->mark.length)
        return 0;
    if (f->fd < 0 && open_old(f, O_RDONLY, e) < 0)
        return e->code == ERR_FORMAT ? lose_the_rest(f, p, c) : -1;
    f->ahead = PARCEL_READ_AHEAD;
    if (read_header(f, p->at, &b, e) < 0)
        return e->code == ERR_FORMAT ? lose_the_rest(f, p, c) : -1;
    if (b.first != p->next) {
        err_set(e, ERR_FORMAT, "%s lacks records from %llu on", f->path, (unsigned long long)p->next);
        return lose_the_rest(f, p, c);
    }
    content = block_content(&b);
    origins = (content + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    buf_clear(raw);
    if (buf_reserve(raw, origins + b.count * sizeof(struct record_origin)) < 0)
        return err_set(e, ERR_NOMEM, "no memory to read %s", f->path);
    if (read_at(f, raw->p, content, p->at + HEADER_BYTES, &got) < 0)
        return err_errno(e, "read %s", f->path);
    p->at += HEADER_BYTES + content;
    p->next += b.count;
    c->v = (struct frame_view){.first = b.first, .count = b.count};
    if (got < content || crc32c(0, slice_of(raw->p, content)) != b.crc)
        return err_set(e, ERR_FORMAT, "%s is damaged: %u records are lost", f->path, b.count);
    c->origins = (const struct record_origin *)(const void *)(raw->p + origins);
    c->said = slice_of(NULL, 0);
    get_origins((const unsigned char *)raw->p + b.payload + b.table, b.count, (void *)(raw->p + origins));
    c->v.arrival = c->origins[0].arrival;
    c->v.payload = slice_of(raw->p, b.payload);
    c->v.table = slice_of(raw->p + b.payload, b.table);
    return 1;
}

/* --- checking -------------------------------------------------------------------------------------------------------- */

static uint64_t count_counted(const struct record_chunk *c)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < c->v.count; i++)
        n += c->origins[i].is_counted;
    return n;
}

/* What is missing behind a file's end was said already. */
static int check_blocks(struct parcel_file *f, bool is_short,
                        void (*damage)(void *ctx, uint64_t offset, const char *what), void *ctx, uint64_t *counted,
                        struct err *e)
{
    struct parcel_place p = {0};
    struct record_chunk c;
    struct buf raw;
    uint64_t at = 0;
    int got;

    buf_init(&raw, HEADER_BYTES + PAYLOAD_MAX + TABLE_MAX + PARCEL_BLOCK_RECORDS * sizeof(struct record_origin));
    while ((got = parcel_file_read(f, &p, &raw, &c, e)) != 0) {
        bool all_behind = p.next == f->mark.count; /* which no file has */

        if (got < 0 && e->code != ERR_FORMAT)
            break;
        if (got > 0)
            *counted += count_counted(&c);
        else if (!all_behind)
            damage(ctx, at, "records are not as they were written");
        else if (!is_short)
            damage(ctx, at, "all behind it is not as it was written");
        at = p.at;
    }
    buf_release(&raw);
    return got;
}

int parcel_file_check(const char *path, uint64_t length, void (*damage)(void *ctx, uint64_t offset, const char *what),
                      void *ctx, uint64_t *counted, struct err *e)
{
    struct parcel_file *f = parcel_file_at(NULL, path, &(struct parcel_mark){.length = length, .count = UINT32_MAX});
    uint64_t size = 0;
    int rc;

    *counted = 0;
    rc = open_old(f, O_RDONLY, e) < 0 || size_of(f, &size, e) < 0 ? -1 : 0;
    if (rc < 0 && e->code == ERR_FORMAT) {
        damage(ctx, 0, "the file is missing");
        rc = 0;
    } else if (rc == 0) {
        if (size < length)
            damage(ctx, size, "its end is missing");
        f->mark.length = size < length ? size : length;
        rc = check_blocks(f, size < length, damage, ctx, counted, e);
    }
    parcel_file_close(&f);
    return rc;
}
