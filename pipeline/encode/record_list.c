/* A chunk is built where it will be read: the payload grows in the body record by record, and table and origins, which are short, are
 * put behind it when it is full. What lies where is kept beside the body. So what fits the memory is copied once, from the transform,
 * and read in place; only what went to the file is read back into a buffer. */
#include "pipeline/encode/record_list.h"

#include "pipeline/base/body.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>

#define VARINT_MAX 5
#define ALIGNMENT  sizeof(uint64_t)

_Static_assert(sizeof(struct record_origin) % ALIGNMENT == 0, "what follows the origins of a chunk is aligned, too");

/* In the body: payload, table, padding, origins. */
struct chunk {
    uint64_t at, first;
    uint32_t count, payload, table; /* records; bytes */
};

struct record_list {
    struct body *body;
    struct chunk *chunks; /* the last is open until record_list_finish() */
    size_t chunk_count, chunk_room;
    struct buf table, origins; /* of the open chunk */
    uint64_t count, bytes, max;
    uint64_t last_seq;
    uint32_t next_part;
};

/* Tables, and lines that grow a little. */
static uint64_t with_slack(uint64_t bytes)
{
    return bytes + bytes / 16 + 4 * KIB;
}

struct record_list *record_list_new(const char *tmp_dir, uint64_t count, uint64_t bytes, uint64_t max, size_t memory)
{
    struct record_list *l = mem_alloc(sizeof(*l));

    l->max = max;
    l->body = body_new(tmp_dir, memory);
    body_expect(l->body, with_slack(bytes + count * (sizeof(struct record_origin) + 2)));
    buf_init(&l->table, RECORD_LIST_CHUNK_RECORDS * VARINT_MAX + ALIGNMENT);
    buf_init(&l->origins, RECORD_LIST_CHUNK_RECORDS * sizeof(struct record_origin));
    return l;
}

void record_list_free(struct record_list **lp)
{
    struct record_list *l = *lp;

    if (!l)
        return;
    body_free(&l->body);
    mem_free(l->chunks);
    buf_release(&l->table);
    buf_release(&l->origins);
    mem_free(l);
    *lp = NULL;
}

/* --- making ------------------------------------------------------------------------------------------------------ */

static struct chunk *open_chunk(struct record_list *l)
{
    struct chunk *last = l->chunk_count > 0 ? &l->chunks[l->chunk_count - 1] : NULL;

    if (last && last->table == 0)
        return last;
    if (l->chunk_count == l->chunk_room) {
        l->chunk_room = l->chunk_room ? 2 * l->chunk_room : 8;
        l->chunks = mem_grow(l->chunks, l->chunk_room, sizeof(*l->chunks));
    }
    last = &l->chunks[l->chunk_count++];
    *last = (struct chunk){.at = body_size(l->body), .first = l->count};
    return last;
}

/* The bytes between the table and the origins, which are aligned as the body is. */
static size_t padding(const struct chunk *c, size_t table)
{
    return (ALIGNMENT - (c->at + c->payload + table) % ALIGNMENT) % ALIGNMENT;
}

static int close_chunk(struct record_list *l, struct err *e)
{
    struct chunk *c = l->chunk_count > 0 ? &l->chunks[l->chunk_count - 1] : NULL;
    uint32_t table = (uint32_t)l->table.n;

    if (table == 0)
        return 0;
    if (buf_add(&l->table, (const char[ALIGNMENT]){0}, padding(c, table)) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the records that a transform made");
    if (body_add(l->body, buf_slice(&l->table), e) < 0 || body_add(l->body, buf_slice(&l->origins), e) < 0)
        return -1;
    c->table = table;
    buf_clear(&l->table);
    buf_clear(&l->origins);
    return 0;
}

static int add_varint(struct buf *b, size_t v)
{
    for (; v >= 0x80; v >>= 7) {
        if (buf_add_char(b, (char)(v | 0x80)) < 0)
            return -1;
    }
    return buf_add_char(b, (char)v);
}

/* The record with a newline behind it. */
static int add_payload(struct record_list *l, struct chunk *c, struct slice data, bool newline_is_ours, struct err *e)
{
    size_t stored = data.n + (newline_is_ours ? 1 : 0), room;
    char *p = body_space(l->body, stored, &room, e);

    if (!p)
        return -1;
    if (data.n > 0)
        memcpy(p, data.p, data.n);
    if (newline_is_ours)
        p[data.n] = '\n';
    if (body_wrote(l->body, stored, e) < 0)
        return -1;
    c->payload += (uint32_t)stored;
    l->bytes += stored;
    return 0;
}

static int add_to_chunk(struct record_list *l, struct chunk *c, struct slice data, const struct record_origin *o,
                        struct err *e)
{
    bool newline_is_ours = data.n == 0 || data.p[data.n - 1] != '\n';
    size_t stored = data.n + (newline_is_ours ? 1 : 0);

    if (add_varint(&l->table, stored << 1 | (newline_is_ours ? 1 : 0)) < 0 || buf_add(&l->origins, o, sizeof(*o)) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the records that a transform made");
    if (add_payload(l, c, data, newline_is_ours, e) < 0)
        return -1;
    c->count++;
    l->count++;
    return 0;
}

static uint64_t record_list_size(const struct record_list *l)
{
    return body_size(l->body) + l->table.n + l->origins.n;
}

int record_list_add(struct record_list *l, struct slice data, uint64_t seq, nsec arrival, struct err *e)
{
    struct record_origin o = {.seq = seq, .arrival = arrival};
    struct chunk *c;

    assert(data.n <= RECORD_MAX_BYTES);
    if (record_list_size(l) + data.n + 1 + VARINT_MAX + sizeof(o) > l->max)
        return err_set(e, ERR_LIMIT, "a transform makes more than %llu MiB of a batch",
                       (unsigned long long)(l->max / MIB));
    o.part = l->count && seq == l->last_seq ? l->next_part : 0;
    l->next_part = o.part + 1;
    l->last_seq = seq;
    c = open_chunk(l);
    if (add_to_chunk(l, c, data, &o, e) < 0)
        return -1;
    return c->payload >= RECORD_LIST_CHUNK_BYTES || c->count >= RECORD_LIST_CHUNK_RECORDS ? close_chunk(l, e) : 0;
}

int record_list_finish(struct record_list *l, struct err *e)
{
    int rc = close_chunk(l, e);

    buf_release(&l->table);
    buf_release(&l->origins);
    return rc;
}

uint64_t record_list_count(const struct record_list *l)
{
    return l->count;
}

uint64_t record_list_bytes(const struct record_list *l)
{
    return l->bytes;
}

size_t record_list_memory(const struct record_list *l)
{
    return body_memory(l->body) + l->table.cap + l->origins.cap;
}

int record_list_stash(struct record_list *l, struct err *e)
{
    return body_stash(l->body, e);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static int read_exactly(const struct record_list *l, uint64_t at, char *out, size_t n, struct err *e)
{
    while (n > 0) {
        long got = body_read(l->body, at, out, n, e);

        if (got < 0)
            return -1;
        if (got == 0)
            return err_set(e, ERR_IO, "the records that a transform made end too early");
        out += got;
        n -= (size_t)got;
        at += (uint64_t)got;
    }
    return 0;
}

/* The `n` bytes of the chunk: where they are, or in raw. NULL: an error. */
static const char *chunk_bytes(const struct record_list *l, const struct chunk *c, size_t n, struct buf *raw,
                               struct err *e)
{
    struct slice all = body_memory_slice(l->body);

    if (all.p)
        return all.p + c->at;
    buf_clear(raw);
    if (buf_reserve(raw, n) < 0) {
        err_set(e, ERR_NOMEM, "no memory to read the records that a transform made");
        return NULL;
    }
    return read_exactly(l, c->at, raw->p, n, e) == 0 ? raw->p : NULL;
}

int record_list_read(const struct record_list *l, uint64_t *at, struct buf *raw, struct frame_view *v,
                     const struct record_origin **origins, struct err *e)
{
    const struct chunk *c;
    size_t origins_at;
    const char *p;

    if (*at >= l->chunk_count)
        return 0;
    c = &l->chunks[*at];
    origins_at = (size_t)c->payload + c->table + padding(c, c->table);
    p = chunk_bytes(l, c, origins_at + c->count * sizeof(**origins), raw, e);
    if (!p)
        return -1;
    *origins = (const struct record_origin *)(const void *)(p + origins_at);
    *v = (struct frame_view){.first = c->first,
                             .count = c->count,
                             .arrival = (*origins)[0].arrival,
                             .payload = slice_of(p, c->payload),
                             .table = slice_of(p + c->payload, c->table)};
    ++*at;
    return 1;
}
