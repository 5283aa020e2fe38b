/* A chunk is built where it will be read: the payload grows in the body record by record, and table, origins and
 * partition keys, which are short, are put behind it when it is full. What lies where is kept beside the body. So what
 * fits the memory is copied once, from the transform, and read in place; only what went to the file is read back into
 * a buffer.
 *
 * A list with lanes keeps records of the same keys together: each lane builds a chunk of its own, apart, which is written to the file as one
 * when it is full; and who reads gets the chunks lane by lane.
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
/* What a lane has memory for at once: a usual chunk with all that is in it; and what it keeps from one to the next. */
#define LANE_EXPECTS (RECORD_LIST_LANE_BYTES + RECORD_LIST_LANE_BYTES / 4)
#define LANE_KEEPS   (2 * RECORD_LIST_LANE_BYTES)

_Static_assert(sizeof(struct record_origin) % ALIGNMENT == 0, "what follows the origins of a chunk is aligned, too");

/* In the body: payload, table, padding, origins, what is said (length of keys, length of facts, keys, facts), padding: so the
 * next one is aligned, too. */
struct chunk {
    uint64_t at, first;
    uint32_t count, payload, table, said; /* records; bytes */
    uint32_t lane;
};

/* A set of keys of the open chunk, without facts: a slot of the table. */
struct interned {
    uint32_t crc, at; /* as record_origin.said; 0: the slot is free */
};

/* A chunk that is being made. */
struct lane {
    struct chunk open;               /* without records: there is none */
    struct buf payload;              /* where there are several lanes; else it is in the body by now */
    struct buf table, origins, said; /* of the open chunk */
    struct interned *sets;           /* open addressing; at most half of the slots are taken */
    size_t set_count, set_room;
};

struct record_list {
    struct body *body;
    char *
        at; /* behind the records in the body: so many bytes were written since body_space(), so many are left of what it gave */
    size_t wrote, room;
    struct chunk *chunks; /* that are whole */
    size_t chunk_count, chunk_room;
    struct lane *lanes;
    uint32_t lane_count;
    uint64_t open_bytes; /* of the lanes */
    struct buf shared;   /* the keys of all records so far, while they are the same */
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

static void lane_init(struct lane *k)
{
    *k = (struct lane){.open = {.count = 0}};
    buf_init(&k->table, RECORD_LIST_CHUNK_RECORDS * VARINT_MAX + ALIGNMENT);
    buf_init(&k->origins, RECORD_LIST_CHUNK_RECORDS * sizeof(struct record_origin));
    buf_init(&k->said, RECORD_LIST_CHUNK_BYTES + KEY_SET_MAX + RECORD_FACTS_MAX + SAID_HEAD + ALIGNMENT);
    buf_init(&k->payload, RECORD_LIST_CHUNK_BYTES + RECORD_MAX_BYTES + 1 + k->table.max + k->origins.max + k->said.max);
}

static void lane_release(struct lane *k)
{
    buf_release(&k->payload);
    buf_release(&k->table);
    buf_release(&k->origins);
    buf_release(&k->said);
    MEM_CLEAR(k->sets);
    k->set_count = k->set_room = 0;
}

static void free_lanes(struct record_list *l)
{
    for (uint32_t i = 0; i < l->lane_count; i++)
        lane_release(&l->lanes[i]);
    MEM_CLEAR(l->lanes);
    l->lane_count = 0;
}

struct record_list *record_list_new(const char *tmp_dir, uint32_t lanes, uint64_t count, uint64_t bytes, uint64_t max,
                                    size_t memory)
{
    struct record_list *l = mem_alloc(sizeof(*l));

    l->max = max;
    l->lane_count = lanes > 1 ? lanes : 1;
    l->lanes = mem_array(l->lane_count, sizeof(*l->lanes));
    for (uint32_t i = 0; i < l->lane_count; i++)
        lane_init(&l->lanes[i]);
    l->body = body_new(tmp_dir, l->lane_count > 1 ? 0 : memory);
    if (l->lane_count == 1)
        body_expect(l->body, with_slack(bytes + count * (sizeof(struct record_origin) + 2)));
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
    free_lanes(l);
    buf_release(&l->shared);
    mem_free(l);
    *lp = NULL;
}

/* --- making ------------------------------------------------------------------------------------------------------ */

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

static int no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the records that a transform made");
}

/* The payload is in the body by now. */
static int put_beside(struct record_list *l, const struct lane *k, struct err *e)
{
    return body_add(l->body, buf_slice(&k->table), e) < 0 || body_add(l->body, buf_slice(&k->origins), e) < 0 ||
                   body_add(l->body, buf_slice(&k->said), e) < 0
               ? -1
               : 0;
}

/* All of the chunk in one piece. */
static int put_whole(struct record_list *l, struct lane *k, struct err *e)
{
    if (buf_add_slice(&k->payload, buf_slice(&k->table)) < 0 ||
        buf_add_slice(&k->payload, buf_slice(&k->origins)) < 0 || buf_add_slice(&k->payload, buf_slice(&k->said)) < 0)
        return no_memory(e);
    k->open.at = body_size(l->body);
    return body_add(l->body, buf_slice(&k->payload), e);
}

static size_t lane_bytes(const struct lane *k)
{
    return k->payload.n + k->table.n + k->origins.n + k->said.n;
}

static void empty_lane(struct lane *k)
{
    k->open = (struct chunk){.count = 0};
    buf_clear(&k->payload);
    buf_trim(&k->payload, LANE_KEEPS); /* a long record; else each lane would come to have had one */
    buf_clear(&k->table);
    buf_clear(&k->origins);
    buf_clear(&k->said);
    if (k->set_count > 0)
        memset(k->sets, 0, k->set_room * sizeof(*k->sets));
    k->set_count = 0;
}

static int close_chunk(struct record_list *l, struct lane *k, struct err *e)
{
    struct chunk *c = &k->open;

    if (c->count == 0)
        return 0;
    l->open_bytes -= lane_bytes(k);
    c->table = (uint32_t)k->table.n;
    if (say_wrote(l, e) < 0)
        return -1;
    if (buf_add(&k->table, PADDING, padding(c, c->table)) < 0 ||
        buf_add(&k->said, PADDING, to_alignment(k->said.n)) < 0)
        return no_memory(e);
    c->said = (uint32_t)k->said.n;
    if ((l->lane_count > 1 ? put_whole(l, k, e) : put_beside(l, k, e)) < 0)
        return -1;
    if (l->chunk_count == l->chunk_room) {
        l->chunk_room = l->chunk_room ? 2 * l->chunk_room : 8;
        l->chunks = mem_grow(l->chunks, l->chunk_room, sizeof(*l->chunks));
    }
    l->chunks[l->chunk_count++] = *c;
    empty_lane(k);
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

static bool is_said_at(const struct lane *k, size_t at, const struct record_from *from)
{
    struct slice keys, facts;

    said_at(buf_slice(&k->said), at, &keys, &facts);
    return slice_eq(keys, from->keys) && slice_eq(facts, from->facts);
}

static int say(struct lane *k, const struct record_from *from, struct err *e)
{
    uint32_t n[2] = {(uint32_t)from->keys.n, (uint32_t)from->facts.n};

    if (buf_add(&k->said, n, sizeof(n)) < 0 || buf_add_slice(&k->said, from->keys) < 0 ||
        buf_add_slice(&k->said, from->facts) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the partition keys and facts of a record");
    return 0;
}

static void grow_sets(struct lane *k)
{
    struct interned *old = k->sets;
    size_t room = k->set_room;

    k->set_room = room ? 2 * room : 16;
    k->sets = mem_array(k->set_room, sizeof(*k->sets));
    for (size_t i = 0; i < room; i++) {
        size_t to = old[i].crc;

        if (!old[i].at)
            continue;
        while (k->sets[to & (k->set_room - 1)].at)
            to++;
        k->sets[to & (k->set_room - 1)] = old[i];
    }
    mem_free(old);
}

/* Keys without facts: once for all records that have them. */
static int intern(struct lane *k, const struct record_from *from, uint32_t *at, struct err *e)
{
    uint32_t crc = crc32c(0, from->keys);
    struct interned *set;
    size_t i = crc;

    if (2 * (k->set_count + 1) > k->set_room)
        grow_sets(k);
    for (; (set = &k->sets[i & (k->set_room - 1)])->at; i++)
        if (set->crc == crc && is_said_at(k, set->at - 1, from)) {
            *at = set->at;
            return 0;
        }
    *set = (struct interned){.crc = crc, .at = (uint32_t)k->said.n + 1};
    k->set_count++;
    *at = set->at;
    return say(k, from, e);
}

/* *at: where the open chunk has the record's keys and facts, for record_origin.said. */
static int add_said(struct lane *k, const struct record_from *from, uint32_t *at, struct err *e)
{
    const struct record_origin *end = (const void *)(k->origins.p + k->origins.n);
    uint32_t last = k->origins.n > 0 ? end[-1].said : 0;

    *at = 0;
    if (from->keys.n == 0 && from->facts.n == 0)
        return 0;
    if (last && is_said_at(k, last - 1, from)) {
        *at = last;
        return 0;
    }
    if (from->facts.n == 0)
        return intern(k, from, at, e);
    *at = (uint32_t)k->said.n + 1;
    return say(k, from, e);
}

static int note_shared(struct record_list *l, struct slice keys, struct err *e)
{
    if (l->count == 0 && buf_add_slice(&l->shared, keys) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the partition keys that a transform made");
    l->keys_differ = l->keys_differ || !slice_eq(buf_slice(&l->shared), keys);
    return 0;
}

/* The record with a newline behind it. */
static int put_in_body(struct record_list *l, struct slice data, bool newline_is_ours, struct err *e)
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
    return 0;
}

static int put_in_lane(struct lane *k, struct slice data, bool newline_is_ours, struct err *e)
{
    buf_expect(&k->payload, LANE_EXPECTS);
    if (buf_add_slice(&k->payload, data) < 0 || (newline_is_ours && buf_add_char(&k->payload, '\n') < 0))
        return no_memory(e);
    return 0;
}

static int add_to_chunk(struct record_list *l, struct lane *k, struct slice data, const struct record_from *from,
                        struct err *e)
{
    bool newline_is_ours = data.n == 0 || data.p[data.n - 1] != '\n';
    size_t stored = data.n + (newline_is_ours ? 1 : 0);
    struct record_origin o = {.seq = from->seq, .arrival = from->arrival, .is_object = from->is_object};

    if (k->open.count == 0)
        k->open = (struct chunk){.at = body_size(l->body), .first = l->count, .lane = (uint32_t)(k - l->lanes)};
    o.part = l->count && from->seq == l->last_seq ? l->next_part & PART_MAX : 0;
    if (add_said(k, from, &o.said, e) < 0 || note_shared(l, from->keys, e) < 0)
        return -1;
    l->next_part = o.part + 1;
    l->last_seq = from->seq;
    if (add_varint(&k->table, stored << 1 | (newline_is_ours ? 1 : 0)) < 0 || buf_add(&k->origins, &o, sizeof(o)) < 0)
        return no_memory(e);
    if ((l->lane_count > 1 ? put_in_lane(k, data, newline_is_ours, e) : put_in_body(l, data, newline_is_ours, e)) < 0)
        return -1;
    k->open.payload += (uint32_t)stored;
    k->open.count++;
    l->bytes += stored;
    l->count++;
    return 0;
}

/* Of the keys' checksum a table of a lane uses the lower bits. */
static struct lane *lane_of(struct record_list *l, struct slice keys)
{
    return l->lane_count > 1 ? &l->lanes[(crc32c(0, keys) >> 16) % l->lane_count] : l->lanes;
}

static bool is_full(const struct record_list *l, const struct lane *k)
{
    size_t most = l->lane_count > 1 ? RECORD_LIST_LANE_BYTES : RECORD_LIST_CHUNK_BYTES;

    return k->open.payload >= most || k->said.n >= most || k->open.count >= RECORD_LIST_CHUNK_RECORDS;
}

int record_list_add(struct record_list *l, struct slice data, const struct record_from *from, struct err *e)
{
    size_t beside = VARINT_MAX + sizeof(struct record_origin) + from->keys.n + from->facts.n + SAID_HEAD, before;
    struct lane *k = lane_of(l, from->keys);

    assert(data.n <= RECORD_MAX_BYTES && from->keys.n <= KEY_SET_MAX && from->facts.n <= RECORD_FACTS_MAX);
    if (body_size(l->body) + l->wrote + l->open_bytes + data.n + 1 + beside > l->max)
        return err_set(e, ERR_LIMIT, "a transform makes more than %llu MiB of a batch",
                       (unsigned long long)(l->max / MIB));
    before = lane_bytes(k);
    if (add_to_chunk(l, k, data, from, e) < 0)
        return -1;
    l->open_bytes += lane_bytes(k) - before;
    return is_full(l, k) ? close_chunk(l, k, e) : 0;
}

/* Lane by lane, and within one as they came. */
static void put_in_order(struct record_list *l)
{
    struct chunk *sorted = mem_array(l->chunk_count ? l->chunk_count : 1, sizeof(*sorted));
    uint64_t first = 0;
    size_t n = 0;

    for (uint32_t lane = 0; lane < l->lane_count; lane++)
        for (size_t i = 0; i < l->chunk_count; i++)
            if (l->chunks[i].lane == lane) {
                sorted[n] = l->chunks[i];
                sorted[n].first = first;
                first += sorted[n++].count;
            }
    mem_free(l->chunks);
    l->chunks = sorted;
}

int record_list_finish(struct record_list *l, struct err *e)
{
    int rc = 0;

    for (uint32_t i = 0; i < l->lane_count && rc == 0; i++)
        rc = close_chunk(l, &l->lanes[i], e);
    if (l->lane_count > 1)
        put_in_order(l);
    for (uint32_t i = 0; i < l->lane_count; i++)
        lane_release(&l->lanes[i]);
    return rc;
}

void record_list_forget(struct record_list *l)
{
    body_free(&l->body);
    MEM_CLEAR(l->chunks);
    l->chunk_count = l->chunk_room = 0;
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
    size_t n = (l->body ? body_memory(l->body) : 0) + l->shared.cap;

    for (uint32_t i = 0; i < l->lane_count; i++)
        n += l->lanes[i].payload.cap + l->lanes[i].table.cap + l->lanes[i].origins.cap + l->lanes[i].said.cap;
    return n;
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
    out->lane = c->lane;
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
