/* A chunk is built where it will be read: the payload grows in the body record by record, and table, origins and
 * partition keys, which are short, are put behind it when it is full. What lies where is kept beside the body. So what
 * fits the memory is copied once, from the transform, and read in place; only what went to the file is read back into
 * a buffer.
 *
 * Partition keys are few and repeat, so a chunk holds each set once, and an origin says where; that of the record
 * before is tried first, then all by their checksums. */
#include "pipeline/encode/record_list.h"

#include "pipeline/base/body.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>

#define VARINT_MAX 5
#define PART_MAX   0x7fffffffU /* far above TRANSFORM_RECORD_PIECES_MAX */
#define ALIGNMENT  sizeof(uint64_t)

_Static_assert(sizeof(struct record_origin) % ALIGNMENT == 0, "what follows the origins of a chunk is aligned, too");

/* In the body: payload, table, padding, origins, sets of keys (each behind its length), padding: so the next one is
 * aligned, too. */
struct chunk {
    uint64_t at, first;
    uint32_t count, payload, table, keys; /* records; bytes */
};

/* A set of keys of the open chunk. */
struct interned {
    uint32_t crc, at;
};

struct record_list {
    struct body *body;
    struct chunk *chunks; /* the last is open until record_list_finish() */
    size_t chunk_count, chunk_room;
    struct buf table, origins, keys; /* of the open chunk */
    struct interned *sets;
    size_t set_count, set_room;
    struct buf shared; /* the keys of all records so far, while they are the same */
    bool keys_differ;
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
    buf_init(&l->keys, RECORD_LIST_CHUNK_BYTES + KEY_SET_MAX + sizeof(uint32_t) + ALIGNMENT);
    buf_init(&l->shared, KEY_SET_MAX);
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
    buf_release(&l->keys);
    buf_release(&l->shared);
    mem_free(l->sets);
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

static const char PADDING[ALIGNMENT];

static size_t to_alignment(uint64_t at)
{
    return (ALIGNMENT - at % ALIGNMENT) % ALIGNMENT;
}

/* The bytes between the table and the origins. */
static size_t padding(const struct chunk *c, size_t table)
{
    return to_alignment(c->payload + table);
}

static int close_chunk(struct record_list *l, struct err *e)
{
    struct chunk *c = l->chunk_count > 0 ? &l->chunks[l->chunk_count - 1] : NULL;
    uint32_t table = (uint32_t)l->table.n;

    if (table == 0)
        return 0;
    if (buf_add(&l->table, PADDING, padding(c, table)) < 0 || buf_add(&l->keys, PADDING, to_alignment(l->keys.n)) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the records that a transform made");
    if (body_add(l->body, buf_slice(&l->table), e) < 0 || body_add(l->body, buf_slice(&l->origins), e) < 0 ||
        body_add(l->body, buf_slice(&l->keys), e) < 0)
        return -1;
    c->table = table;
    c->keys = (uint32_t)l->keys.n;
    buf_clear(&l->table);
    buf_clear(&l->origins);
    buf_clear(&l->keys);
    l->set_count = 0;
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

static struct slice set_at(struct slice sets, uint32_t at)
{
    uint32_t n;

    memcpy(&n, sets.p + at, sizeof(n));
    return slice_of(sets.p + at + sizeof(n), n);
}

static int add_set(struct record_list *l, struct slice keys, uint32_t crc, struct err *e)
{
    uint32_t n = (uint32_t)keys.n;

    if (l->set_count == l->set_room) {
        l->set_room = l->set_room ? 2 * l->set_room : 8;
        l->sets = mem_grow(l->sets, l->set_room, sizeof(*l->sets));
    }
    l->sets[l->set_count] = (struct interned){.crc = crc, .at = (uint32_t)l->keys.n};
    if (buf_add(&l->keys, &n, sizeof(n)) < 0 || buf_add_slice(&l->keys, keys) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the partition keys that a transform made");
    l->set_count++;
    return 0;
}

/* *at: where the open chunk has this set, for record_origin.keys. */
static int intern(struct record_list *l, struct slice keys, uint32_t *at, struct err *e)
{
    const struct record_origin *last = (const void *)(l->origins.p + l->origins.n);
    uint32_t crc;
    size_t i = 0;

    *at = 0;
    if (keys.n == 0)
        return 0;
    if (l->origins.n > 0 && last[-1].keys && slice_eq(set_at(buf_slice(&l->keys), last[-1].keys - 1), keys)) {
        *at = last[-1].keys;
        return 0;
    }
    crc = crc32c(0, keys);
    while (i < l->set_count && (l->sets[i].crc != crc || !slice_eq(set_at(buf_slice(&l->keys), l->sets[i].at), keys)))
        i++;
    if (i == l->set_count && add_set(l, keys, crc, e) < 0)
        return -1;
    *at = l->sets[i].at + 1;
    return 0;
}

static int note_shared(struct record_list *l, struct slice keys, struct err *e)
{
    if (l->count == 0 && buf_add_slice(&l->shared, keys) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the partition keys that a transform made");
    l->keys_differ = l->keys_differ || !slice_eq(buf_slice(&l->shared), keys);
    return 0;
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

static int add_to_chunk(struct record_list *l, struct chunk *c, struct slice data, const struct record_from *from,
                        struct err *e)
{
    bool newline_is_ours = data.n == 0 || data.p[data.n - 1] != '\n';
    size_t stored = data.n + (newline_is_ours ? 1 : 0);
    struct record_origin o = {.seq = from->seq, .arrival = from->arrival, .is_object = from->is_object};

    o.part = l->count && from->seq == l->last_seq ? l->next_part & PART_MAX : 0;
    if (intern(l, from->keys, &o.keys, e) < 0 || note_shared(l, from->keys, e) < 0)
        return -1;
    l->next_part = o.part + 1;
    l->last_seq = from->seq;
    if (add_varint(&l->table, stored << 1 | (newline_is_ours ? 1 : 0)) < 0 || buf_add(&l->origins, &o, sizeof(o)) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the records that a transform made");
    if (add_payload(l, c, data, newline_is_ours, e) < 0)
        return -1;
    c->count++;
    l->count++;
    return 0;
}

static uint64_t record_list_size(const struct record_list *l)
{
    return body_size(l->body) + l->table.n + l->origins.n + l->keys.n;
}

int record_list_add(struct record_list *l, struct slice data, const struct record_from *from, struct err *e)
{
    size_t beside = VARINT_MAX + sizeof(struct record_origin) + from->keys.n + sizeof(uint32_t);
    struct chunk *c;

    assert(data.n <= RECORD_MAX_BYTES && from->keys.n <= KEY_SET_MAX);
    if (record_list_size(l) + data.n + 1 + beside > l->max)
        return err_set(e, ERR_LIMIT, "a transform makes more than %llu MiB of a batch",
                       (unsigned long long)(l->max / MIB));
    c = open_chunk(l);
    if (add_to_chunk(l, c, data, from, e) < 0)
        return -1;
    return c->payload >= RECORD_LIST_CHUNK_BYTES || l->keys.n >= RECORD_LIST_CHUNK_BYTES ||
                   c->count >= RECORD_LIST_CHUNK_RECORDS
               ? close_chunk(l, e)
               : 0;
}

int record_list_finish(struct record_list *l, struct err *e)
{
    int rc = close_chunk(l, e);

    buf_release(&l->table);
    buf_release(&l->origins);
    buf_release(&l->keys);
    MEM_CLEAR(l->sets);
    l->set_count = l->set_room = 0;
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
    return body_memory(l->body) + l->table.cap + l->origins.cap + l->keys.cap + l->shared.cap;
}

struct slice record_list_keys(const struct record_list *l)
{
    return l->keys_differ ? slice_of(NULL, 0) : buf_slice(&l->shared);
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

int record_list_read(const struct record_list *l, uint64_t *at, struct buf *raw, struct record_chunk *out,
                     struct err *e)
{
    const struct chunk *c;
    size_t origins, keys;
    const char *p;

    if (*at >= l->chunk_count)
        return 0;
    c = &l->chunks[*at];
    origins = (size_t)c->payload + c->table + padding(c, c->table);
    keys = origins + c->count * sizeof(struct record_origin);
    p = chunk_bytes(l, c, keys + c->keys, raw, e);
    if (!p)
        return -1;
    out->origins = (const struct record_origin *)(const void *)(p + origins);
    out->keys = slice_of(p + keys, c->keys);
    out->v = (struct frame_view){.first = c->first,
                                 .count = c->count,
                                 .arrival = out->origins[0].arrival,
                                 .payload = slice_of(p, c->payload),
                                 .table = slice_of(p + c->payload, c->table)};
    ++*at;
    return 1;
}

struct slice record_chunk_keys(const struct record_chunk *c, uint32_t i)
{
    return c->origins[i].keys ? set_at(c->keys, c->origins[i].keys - 1) : slice_of(NULL, 0);
}
