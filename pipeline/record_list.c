#include "pipeline/record_list.h"

#include "pipeline/base/body.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>

#define VARINT_MAX 5

struct chunk_header {
    uint64_t first;
    uint32_t count, payload, table, pad; /* bytes; pad keeps the origins aligned */
};

struct record_list {
    struct body *body;
    struct buf payload, table, origins; /* of the open chunk */
    uint64_t count, bytes, chunk_first, max;
    uint64_t last_seq;
    uint32_t next_part;
};

/* Chunk headers, and lines that grow a little. */
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
    buf_init(&l->payload, RECORD_LIST_CHUNK_BYTES + RECORD_MAX_BYTES + 1);
    buf_init(&l->table, RECORD_LIST_CHUNK_RECORDS * VARINT_MAX);
    buf_init(&l->origins, RECORD_LIST_CHUNK_RECORDS * sizeof(struct record_origin));
    return l;
}

void record_list_free(struct record_list **lp)
{
    struct record_list *l = *lp;

    if (!l)
        return;
    body_free(&l->body);
    buf_release(&l->payload);
    buf_release(&l->table);
    buf_release(&l->origins);
    mem_free(l);
    *lp = NULL;
}

static struct slice bytes_of(const void *p, size_t n)
{
    return slice_of(p, n);
}

static int close_chunk(struct record_list *l, struct err *e)
{
    struct chunk_header h = {.first = l->chunk_first,
                             .count = (uint32_t)(l->count - l->chunk_first),
                             .payload = (uint32_t)l->payload.n,
                             .table = (uint32_t)l->table.n};

    if (h.count == 0)
        return 0;
    /* Origins stand first, behind the header, so that they are aligned where the reader finds them. */
    if (body_add(l->body, bytes_of(&h, sizeof(h)), e) < 0 || body_add(l->body, buf_slice(&l->origins), e) < 0 ||
        body_add(l->body, buf_slice(&l->payload), e) < 0 || body_add(l->body, buf_slice(&l->table), e) < 0)
        return -1;
    buf_clear(&l->payload);
    buf_clear(&l->table);
    buf_clear(&l->origins);
    l->chunk_first = l->count;
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

static int add_to_chunk(struct record_list *l, struct slice data, const struct record_origin *o)
{
    bool newline_is_ours = data.n == 0 || data.p[data.n - 1] != '\n';
    size_t stored = data.n + (newline_is_ours ? 1 : 0);

    if (buf_add_slice(&l->payload, data) < 0 || (newline_is_ours && buf_add_char(&l->payload, '\n') < 0))
        return -1;
    return add_varint(&l->table, stored << 1 | (newline_is_ours ? 1 : 0)) < 0 || buf_add(&l->origins, o, sizeof(*o)) < 0
               ? -1
               : 0;
}

static uint64_t record_list_size(const struct record_list *l)
{
    return body_size(l->body) + l->payload.n + l->table.n + l->origins.n;
}

int record_list_add(struct record_list *l, struct slice data, uint64_t seq, nsec arrival, struct err *e)
{
    struct record_origin o = {.seq = seq, .arrival = arrival};
    size_t before = l->payload.n;

    assert(data.n <= RECORD_MAX_BYTES);
    if (record_list_size(l) + data.n + 1 + VARINT_MAX + sizeof(o) > l->max)
        return err_set(e, ERR_LIMIT, "a transform makes more than %llu MiB of a batch",
                       (unsigned long long)(l->max / MIB));
    o.part = l->count && seq == l->last_seq ? l->next_part : 0;
    l->next_part = o.part + 1;
    l->last_seq = seq;
    if (add_to_chunk(l, data, &o) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the records that a transform made");
    l->bytes += l->payload.n - before;
    l->count++;
    return l->payload.n >= RECORD_LIST_CHUNK_BYTES || l->count - l->chunk_first >= RECORD_LIST_CHUNK_RECORDS
               ? close_chunk(l, e)
               : 0;
}

int record_list_finish(struct record_list *l, struct err *e)
{
    int rc = close_chunk(l, e);

    buf_release(&l->payload);
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
    return body_memory(l->body) + l->payload.cap + l->table.cap + l->origins.cap;
}

int record_list_stash(struct record_list *l, struct err *e)
{
    return body_stash(l->body, e);
}

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

int record_list_read(const struct record_list *l, uint64_t *at, struct buf *raw, struct frame_view *v,
                     const struct record_origin **origins, struct err *e)
{
    struct chunk_header h;
    size_t origin_bytes, total;

    if (*at >= body_size(l->body))
        return 0;
    if (read_exactly(l, *at, (char *)&h, sizeof(h), e) < 0)
        return -1;
    origin_bytes = h.count * sizeof(struct record_origin);
    total = origin_bytes + h.payload + h.table;
    buf_clear(raw);
    if (buf_reserve(raw, total) < 0)
        return err_set(e, ERR_NOMEM, "no memory to read the records that a transform made");
    if (read_exactly(l, *at + sizeof(h), raw->p, total, e) < 0)
        return -1;
    *origins = (const struct record_origin *)(const void *)raw->p;
    *v = (struct frame_view){.first = h.first,
                             .count = h.count,
                             .arrival = (*origins)[0].arrival,
                             .payload = slice_of(raw->p + origin_bytes, h.payload),
                             .table = slice_of(raw->p + origin_bytes + h.payload, h.table)};
    *at += sizeof(h) + total;
    return 1;
}
