/* A chunk is built where it will be read: the payload grows in the body record by record, and table, origins and
 * partition keys, which are short, are put behind it when it is full. What lies where is kept beside the body. So what
 * fits the memory is copied once, from the transform, and read in place; only what went to the file is read back into
 * a buffer.
 *
 * What is said of a record is its partition keys and its facts. Keys are few and repeat, so a chunk holds each set once,
 * and an origin says where; that of the record before is tried first, then the others by a table of their checksums. Facts are of one
 * record as a rule, and those that one record became: with facts only the record before is tried. */
#include "pipeline/encode/record_list.h"

#include "pipeline/base/body.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <string.h>

#define VARINT_MAX 5
#define PART_MAX   0x3fffffffU /* far above TRANSFORM_RECORD_PIECES_MAX */
#define ALIGNMENT  sizeof(uint64_t)
#define SAID_HEAD  (2 * sizeof(uint32_t))

_Static_assert(sizeof(struct record_origin) % ALIGNMENT == 0, "what follows the origins of a chunk is aligned, too");

/* In the body: payload, table, padding, origins, what is said (length of keys, length of facts, keys, facts), padding: so the
 * next one is aligned, too. */
struct chunk {
    uint64_t at, first;
    uint32_t count, payload, table, said; /* records; bytes */
};

/* A set of keys of the open chunk, without facts: a slot of the table. */
struct interned {
    uint32_t crc, at; /* as record_origin.said; 0: the slot is free */
};

struct record_list {
    struct body *body;
    char *
        at; /* behind the records in the body: so many bytes were written since body_space(), so many are left of what it gave */
    size_t wrote, room;
    struct chunk *chunks; /* the last is open until record_list_finish() */
    size_t chunk_count, chunk_room;
    struct buf table, origins, said; /* of the open chunk */
    struct interned *sets;           /* open addressing; at most half of the slots are taken */
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
    buf_init(&l->said, RECORD_LIST_CHUNK_BYTES + KEY_SET_MAX + RECORD_FACTS_MAX + SAID_HEAD + ALIGNMENT);
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
    buf_release(&l->said);
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

static int say_wrote(struct record_list *l, struct err *e)
{
    size_t n = l->wrote;

    l->wrote = l->room = 0;
    return n > 0 ? body_wrote(l->body, n, e) : 0;
}

static int close_chunk(struct record_list *l, struct err *e)
{
    struct chunk *c = l->chunk_count > 0 ? &l->chunks[l->chunk_count - 1] : NULL;
    uint32_t table = (uint32_t)l->table.n;

    if (table == 0)
        return 0;
    if (say_wrote(l, e) < 0)
        return -1;
    if (buf_add(&l->table, PADDING, padding(c, table)) < 0 || buf_add(&l->said, PADDING, to_alignment(l->said.n)) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the records that a transform made");
    if (body_add(l->body, buf_slice(&l->table), e) < 0 || body_add(l->body, buf_slice(&l->origins), e) < 0 ||
        body_add(l->body, buf_slice(&l->said), e) < 0)
        return -1;
    c->table = table;
    c->said = (uint32_t)l->said.n;
    buf_clear(&l->table);
    buf_clear(&l->origins);
    buf_clear(&l->said);
    if (l->set_count > 0)
        memset(l->sets, 0, l->set_room * sizeof(*l->sets));
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

/* What stands at `at` (SIZE_MAX: nothing). */
static void said_at(struct slice said, size_t at, struct slice *keys, struct slice *facts)
{
    uint32_t n[2] = {0, 0};
    const char *p = NULL;

    if (at != SIZE_MAX) {
        memcpy(n, said.p + at, sizeof(n));
        p = said.p + at + sizeof(n);
    }
    *keys = slice_of(p, n[0]);
    *facts = slice_of(n[1] ? p + n[0] : NULL, n[1]);
}

static bool is_said_at(const struct record_list *l, size_t at, const struct record_from *from)
{
    struct slice keys, facts;

    said_at(buf_slice(&l->said), at, &keys, &facts);
    return slice_eq(keys, from->keys) && slice_eq(facts, from->facts);
}

static int say(struct record_list *l, const struct record_from *from, struct err *e)
{
    uint32_t n[2] = {(uint32_t)from->keys.n, (uint32_t)from->facts.n};

    if (buf_add(&l->said, n, sizeof(n)) < 0 || buf_add_slice(&l->said, from->keys) < 0 ||
        buf_add_slice(&l->said, from->facts) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the partition keys and facts of a record");
    return 0;
}

static void grow_sets(struct record_list *l)
{
    struct interned *old = l->sets;
    size_t room = l->set_room;

    l->set_room = room ? 2 * room : 16;
    l->sets = mem_array(l->set_room, sizeof(*l->sets));
    for (size_t i = 0; i < room; i++) {
        size_t to = old[i].crc;

        if (!old[i].at)
            continue;
        while (l->sets[to & (l->set_room - 1)].at)
            to++;
        l->sets[to & (l->set_room - 1)] = old[i];
    }
    mem_free(old);
}

/* Keys without facts: once for all records that have them. */
static int intern(struct record_list *l, const struct record_from *from, uint32_t *at, struct err *e)
{
    uint32_t crc = crc32c(0, from->keys);
    struct interned *set;
    size_t i = crc;

    if (2 * (l->set_count + 1) > l->set_room)
        grow_sets(l);
    for (; (set = &l->sets[i & (l->set_room - 1)])->at; i++)
        if (set->crc == crc && is_said_at(l, set->at - 1, from)) {
            *at = set->at;
            return 0;
        }
    *set = (struct interned){.crc = crc, .at = (uint32_t)l->said.n + 1};
    l->set_count++;
    *at = set->at;
    return say(l, from, e);
}

/* *at: where the open chunk has the record's keys and facts, for record_origin.said. */
static int add_said(struct record_list *l, const struct record_from *from, uint32_t *at, struct err *e)
{
    const struct record_origin *end = (const void *)(l->origins.p + l->origins.n);
    uint32_t last = l->origins.n > 0 ? end[-1].said : 0;

    *at = 0;
    if (from->keys.n == 0 && from->facts.n == 0)
        return 0;
    if (last && is_said_at(l, last - 1, from)) {
        *at = last;
        return 0;
    }
    if (from->facts.n == 0)
        return intern(l, from, at, e);
    *at = (uint32_t)l->said.n + 1;
    return say(l, from, e);
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
    size_t stored = data.n + (newline_is_ours ? 1 : 0);

    if (stored > l->room) {
        if (say_wrote(l, e) < 0)
            return -1;
        l->at = body_space(l->body, stored, &l->room, e);
        if (!l->at)
            return -1;
    }
    if (data.n > 0)
        memcpy(l->at, data.p, data.n);
    if (newline_is_ours)
        l->at[data.n] = '\n';
    l->at += stored;
    l->room -= stored;
    l->wrote += stored;
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
    if (add_said(l, from, &o.said, e) < 0 || note_shared(l, from->keys, e) < 0)
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
    return body_size(l->body) + l->wrote + l->table.n + l->origins.n + l->said.n;
}

int record_list_add(struct record_list *l, struct slice data, const struct record_from *from, struct err *e)
{
    size_t beside = VARINT_MAX + sizeof(struct record_origin) + from->keys.n + from->facts.n + SAID_HEAD;
    struct chunk *c;

    assert(data.n <= RECORD_MAX_BYTES && from->keys.n <= KEY_SET_MAX && from->facts.n <= RECORD_FACTS_MAX);
    if (record_list_size(l) + data.n + 1 + beside > l->max)
        return err_set(e, ERR_LIMIT, "a transform makes more than %llu MiB of a batch",
                       (unsigned long long)(l->max / MIB));
    c = open_chunk(l);
    if (add_to_chunk(l, c, data, from, e) < 0)
        return -1;
    return c->payload >= RECORD_LIST_CHUNK_BYTES || l->said.n >= RECORD_LIST_CHUNK_BYTES ||
                   c->count >= RECORD_LIST_CHUNK_RECORDS
               ? close_chunk(l, e)
               : 0;
}

int record_list_finish(struct record_list *l, struct err *e)
{
    int rc = close_chunk(l, e);

    buf_release(&l->table);
    buf_release(&l->origins);
    buf_release(&l->said);
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
    return body_memory(l->body) + l->table.cap + l->origins.cap + l->said.cap + l->shared.cap;
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
    size_t origins, said;
    const char *p;

    if (*at >= l->chunk_count)
        return 0;
    c = &l->chunks[*at];
    origins = (size_t)c->payload + c->table + padding(c, c->table);
    said = origins + c->count * sizeof(struct record_origin);
    p = chunk_bytes(l, c, said + c->said, raw, e);
    if (!p)
        return -1;
    out->origins = (const struct record_origin *)(const void *)(p + origins);
    out->said = slice_of(p + said, c->said);
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
    struct slice keys, facts;

    said_at(c->said, (size_t)c->origins[i].said - 1, &keys, &facts);
    return keys;
}

struct slice record_chunk_facts(const struct record_chunk *c, uint32_t i)
{
    struct slice keys, facts;

    said_at(c->said, (size_t)c->origins[i].said - 1, &keys, &facts);
    return facts;
}
