/* Building, and reading back.
 *
 * Frame, payload and table of a frame that is built are one allocation of the size the input asked for, so adding a
 * record is a copy and a varint. The table grows on its own; what it takes beyond the first estimate is forced on the
 * budget, because the bytes are already there.
 *
 * What is read comes from a disk: whatever table and lengths say, nothing here leaves payload and table. */
#include "pipeline/spool/format/frame.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/format/frame_build.h"
#include "pipeline/spool/format/wire.h"

#include <assert.h>
#include <string.h>

enum {
    VARINT_MAX = 5,
    POSITION_BYTES_MAX = 4 + 4 + POSITION_SOURCE_MAX + POSITION_CURSOR_MAX, /* lengths of all and of the source first */
    TAG_BYTES_MAX = 1 + 4,                                                  /* and the length behind it */
    IDS_HEAD_BYTES = 3 * 4,                                                 /* and the source */
};

/* `more` bytes behind it are not zeroed. */
static struct frame *new_frame(size_t more)
{
    struct frame *f = mem_grow(NULL, sizeof(*f) + more, 1);

    memset(f, 0, sizeof(*f));
    buf_init(&f->positions, FRAME_POSITIONS_MAX * POSITION_BYTES_MAX);
    buf_init(&f->origin, FRAME_ORIGIN_MAX);
    buf_init(&f->facts, FRAME_FACTS_MAX);
    buf_init(&f->ids, 0);
    buf_init(&f->extra, FRAME_EXTRA_MAX);
    return f;
}

static struct frame *new_data(size_t room, size_t table_room, nsec arrival, struct budget *budget,
                              bool (*take)(struct budget *b, size_t bytes))
{
    size_t total = sizeof(struct frame) + room + table_room;
    struct frame *f;

    if (budget && !take(budget, total))
        return NULL;
    f = new_frame(room + table_room);
    f->header.type = FRAME_DATA;
    f->header.arrival = arrival;
    f->budget = budget;
    f->budgeted = total;
    f->room = room;
    f->table_room = table_room;
    f->payload = (char *)(f + 1);
    f->table = (unsigned char *)f->payload + room;
    return f;
}

struct frame *frame_new(size_t bytes, nsec arrival, struct budget *budget)
{
    size_t room = bytes < FRAME_MAX_BYTES ? bytes + 1 : FRAME_MAX_BYTES;

    return new_data(room, TABLE_FIRST + room / TABLE_PER_PAYLOAD, arrival, budget, budget_take);
}

struct frame *frame_new_lone(size_t n, nsec arrival, struct budget *budget)
{
    assert(n <= RECORD_MAX_BYTES);
    return new_data(n + 1, TABLE_FIRST, arrival, budget, budget_take_alone);
}

struct frame *frame_new_control(enum frame_type type)
{
    struct frame *f = new_frame(0);

    f->header.type = type;
    return f;
}

static void put_tag(struct wire_out *o, enum frame_tag tag, struct slice content)
{
    if (content.n == 0)
        return;
    wire_put_u8(o, (uint8_t)tag);
    wire_put_bytes(o, content);
}

/* Behind what is in `extra`. What is empty is not there. */
struct tags {
    struct slice positions, origin, facts, ids;
};

static void put_tags(struct frame *f, const struct tags *t)
{
    struct wire_out o = {.b = &f->extra};
    struct wire_in positions = {.rest = t->positions};
    /* Of each position there is a length already. */
    int rc = buf_reserve(&f->extra, FRAME_POSITIONS_MAX + t->positions.n + TAG_BYTES_MAX * 3 + t->origin.n +
                                        t->facts.n + t->ids.n);

    assert(rc == 0);
    while (positions.rest.n > 0)
        put_tag(&o, FRAME_TAG_POSITION, wire_bytes(&positions));
    put_tag(&o, FRAME_TAG_ORIGIN, t->origin);
    put_tag(&o, FRAME_TAG_FACTS, t->facts);
    put_tag(&o, FRAME_TAG_IDS, t->ids);
    assert(!o.failed);
}

/* Lengths and checksums. */
static void seal_up(struct frame *f)
{
    struct frame_header *h = &f->header;

    h->extra = (uint32_t)f->extra.n;
    h->table = (uint32_t)f->table_bytes;
    h->payload = (uint32_t)f->bytes;
    h->meta_crc = crc32c(crc32c(0, buf_slice(&f->extra)), slice_of((const char *)f->table, f->table_bytes));
    h->payload_crc = crc32c(0, slice_of(f->payload, f->bytes));
}

struct frame *frame_new_moved(const struct frame_header *h, struct slice content, uint64_t first, uint64_t end)
{
    struct frame_view v = {.first = h->first, .count = h->count, .arrival = h->arrival};
    struct slice extra = slice_of(content.p, h->extra);
    struct frame_iter from, to;
    struct frame *f;

    v.table = slice_of(content.p + h->extra, h->table);
    v.payload = slice_of(content.p + h->extra + h->table, h->payload);
    frame_extra_find(extra, FRAME_TAG_ORIGIN, &v.origin);
    frame_extra_find(extra, FRAME_TAG_FACTS, &v.facts);
    from = frame_records(&v);
    frame_skip_to(&from, first);
    to = from;
    frame_skip_to(&to, end);
    if (from.seq != first || to.seq != end)
        return NULL;
    f = new_frame(to.payload_at - from.payload_at + to.table_at - from.table_at);
    f->header.type = FRAME_MOVED;
    f->header.arrival = h->arrival;
    f->header.first = first;
    f->header.count = (uint32_t)(end - first);
    f->bytes = to.payload_at - from.payload_at;
    f->table_bytes = to.table_at - from.table_at;
    f->payload = (char *)(f + 1);
    f->table = (unsigned char *)f->payload + f->bytes;
    memcpy(f->payload, v.payload.p + from.payload_at, f->bytes);
    memcpy(f->table, v.table.p + from.table_at, f->table_bytes);
    /* Where the source was read to, and its ids, are known: they are in the state. */
    put_tags(f, &(struct tags){.origin = v.origin,
                               .facts = slice_of(v.facts.p + from.facts_at, to.facts_at - from.facts_at)});
    seal_up(f);
    f->finished = true;
    return f;
}

void frame_free(struct frame **f)
{
    if (!*f)
        return;
    frame_leave_budget(*f);
    if ((*f)->table_grown)
        mem_free((*f)->table);
    buf_release(&(*f)->positions);
    buf_release(&(*f)->origin);
    buf_release(&(*f)->facts);
    buf_release(&(*f)->ids);
    buf_release(&(*f)->extra);
    MEM_CLEAR(*f);
}

static void grow_table(struct frame *f)
{
    unsigned char *first = f->table_grown ? NULL : f->table;

    if (f->budget) {
        budget_force(f->budget, f->table_room);
        f->budgeted += f->table_room;
    }
    f->table_room *= 2;
    f->table = mem_grow(first ? NULL : f->table, f->table_room, 1);
    if (first)
        memcpy(f->table, first, f->table_bytes);
    f->table_grown = true;
}

static inline unsigned char *put_varint(unsigned char *p, size_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (unsigned char)(v | 0x80);
    *p++ = (unsigned char)v;
    return p;
}

static inline void note_record(struct frame *f, size_t stored, bool newline_is_ours)
{
    size_t v = stored << 1 | (newline_is_ours ? 1U : 0U);
    unsigned char *p;

    if (f->table_room - f->table_bytes < VARINT_MAX)
        grow_table(f);
    p = put_varint(f->table + f->table_bytes, v);
    f->table_bytes = (size_t)(p - f->table);
    f->header.count++;
    f->header.added += newline_is_ours;
}

char *frame_space(struct frame *f, size_t *room)
{
    *room = f->room - f->bytes;
    return f->payload + f->bytes;
}

bool frame_wrote_record(struct frame *f, size_t n)
{
    char *p = f->payload + f->bytes;
    bool newline_is_ours = n == 0 || p[n - 1] != '\n';

    assert(n <= RECORD_MAX_BYTES && n <= f->room - f->bytes);
    if (newline_is_ours) {
        if (n == f->room - f->bytes)
            return false;
        p[n++] = '\n';
    }
    f->bytes += n;
    note_record(f, n, newline_is_ours);
    if (f->room > FRAME_MAX_BYTES) /* it is alone, also where it left room */
        f->room = f->bytes;
    return true;
}

bool frame_add(struct frame *f, struct slice rec)
{
    assert(rec.n <= RECORD_MAX_BYTES);
    if (rec.n + 1 > f->room - f->bytes)
        return false;
    if (rec.n)
        memcpy(f->payload + f->bytes, rec.p, rec.n);
    return frame_wrote_record(f, rec.n);
}

/* Room for n bytes more beside the record that is added next. */
static bool reserve(struct frame *f, struct buf *b, size_t n)
{
    size_t was = b->cap;

    if (buf_reserve(b, n) < 0)
        return false;
    if (f->budget && b->cap > was) {
        budget_force(f->budget, b->cap - was);
        f->budgeted += b->cap - was;
    }
    return true;
}

static void add_facts(struct frame *f, struct slice facts, size_t without)
{
    unsigned char *p = (unsigned char *)f->facts.p + f->facts.n;

    memset(p, 0, without);
    p = put_varint(p + without, facts.n);
    memcpy(p, facts.p, facts.n);
    f->facts.n = (size_t)((char *)p - f->facts.p) + facts.n;
    f->facts_count = f->header.count;
}

bool frame_wrote_message(struct frame *f, size_t n, struct slice facts)
{
    size_t without = f->header.count - f->facts_count;

    assert(facts.n <= RECORD_FACTS_MAX);
    if ((facts.n && !reserve(f, &f->facts, without + VARINT_MAX + facts.n)) || !frame_wrote_record(f, n))
        return false;
    if (facts.n)
        add_facts(f, facts, without);
    return true;
}

static void put_ids_head(struct wire_out *o, struct slice source, struct id_bounds bounds)
{
    wire_put_bytes(o, source);
    wire_put_u32(o, bounds.count);
    wire_put_u32(o, bounds.seconds);
}

/* The ids begin with their source. */
static struct id_key key_of(const struct frame *f, struct slice id)
{
    struct wire_in in = {.rest = buf_slice(&f->ids)};

    return frame_id_key(wire_bytes(&in), id);
}

static void add_key(struct frame *f, struct id_key key)
{
    struct wire_out o = {.b = &f->ids};

    wire_put_raw(&o, key.bytes, sizeof(key.bytes));
}

bool frame_has_room(const struct frame *f, uint32_t records, size_t data, size_t facts)
{
    size_t lengths = (size_t)VARINT_MAX * (f->header.count - f->facts_count + records);

    return f->room - f->bytes >= data + records && f->facts.max - f->facts.n >= lengths + facts &&
           (f->ids.n == 0 || f->ids.max - f->ids.n >= sizeof(struct id_key));
}

bool frame_add_message(struct frame *f, const struct frame_message *m)
{
    size_t without = f->header.count - f->facts_count, keys = m->beside ? 2 : 1;

    assert(m->facts.n <= RECORD_FACTS_MAX && (m->id.n == 0 || f->ids.n > 0) && (m->id.n > 0 || !m->beside));
    if ((m->facts.n && !reserve(f, &f->facts, without + VARINT_MAX + m->facts.n)) ||
        (m->id.n && !reserve(f, &f->ids, keys * sizeof(struct id_key))) || !frame_add(f, m->data))
        return false;
    if (m->facts.n)
        add_facts(f, m->facts, without);
    if (m->id.n)
        add_key(f, m->key ? *m->key : key_of(f, m->id));
    if (m->beside)
        add_key(f, *m->beside);
    return true;
}

bool frame_add_id(struct frame *f, struct slice id)
{
    assert(f->ids.n > 0);
    if (!reserve(f, &f->ids, sizeof(struct id_key)))
        return false;
    add_key(f, key_of(f, id));
    return true;
}

void frame_wrote_lines(struct frame *f, size_t n)
{
    const char *p = f->payload + f->bytes, *end = p + n;

    assert(f->room <= FRAME_MAX_BYTES && n <= f->room - f->bytes && (n == 0 || end[-1] == '\n'));
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));

        note_record(f, (size_t)(newline + 1 - p), true);
        p = newline + 1;
    }
    f->bytes += n;
}

/* That of this source, if there is one. */
static void drop_position(struct frame *f, struct slice source)
{
    struct wire_in in = {.rest = buf_slice(&f->positions)};

    while (in.rest.n > 0) {
        char *at = (char *)in.rest.p;
        struct wire_in position = {.rest = wire_bytes(&in)};

        if (!slice_eq(wire_bytes(&position), source))
            continue;
        memmove(at, in.rest.p, in.rest.n);
        f->positions.n -= (size_t)(in.rest.p - at);
        return;
    }
}

void frame_set_position(struct frame *f, struct slice source, struct slice cursor)
{
    struct wire_out o = {.b = &f->positions};

    assert(source.n > 0 && source.n <= POSITION_SOURCE_MAX && cursor.n <= POSITION_CURSOR_MAX);
    drop_position(f, source);
    wire_put_u32(&o, (uint32_t)(4 + source.n + cursor.n));
    wire_put_bytes(&o, source);
    wire_put_raw(&o, cursor.p, cursor.n);
    assert(!o.failed);
}

void frame_set_id_source(struct frame *f, struct slice source, struct id_bounds bounds)
{
    struct wire_out o = {.b = &f->ids};

    assert(f->header.count == 0 && source.n > 0 && source.n <= POSITION_SOURCE_MAX);
    buf_release(&f->ids);
    buf_init(&f->ids, IDS_HEAD_BYTES + source.n + FRAME_IDS_MAX * sizeof(struct id_key));
    put_ids_head(&o, source, bounds);
    assert(!o.failed);
}

void frame_set_origin(struct frame *f, struct slice origin)
{
    int rc;

    buf_clear(&f->origin);
    rc = buf_add(&f->origin, origin.p, origin.n < FRAME_ORIGIN_MAX ? origin.n : FRAME_ORIGIN_MAX);
    assert(rc == 0);
}

uint32_t frame_count(const struct frame *f)
{
    return f->header.count;
}

size_t frame_bytes(const struct frame *f)
{
    return f->bytes;
}

void frame_finish(struct frame *f)
{
    struct frame_header *h = &f->header;

    assert(h->type != FRAME_DATA || h->count > 0);
    if (f->finished)
        return;
    if (h->type == FRAME_DATA)
        h->added++;
    if (h->type == FRAME_DATA || h->type == FRAME_POSITION)
        put_tags(f, &(struct tags){.positions = buf_slice(&f->positions),
                                   .origin = buf_slice(&f->origin),
                                   .facts = buf_slice(&f->facts),
                                   .ids = buf_slice(&f->ids)});
    buf_release(&f->facts); /* they may be long, and stand in `extra` now */
    buf_release(&f->ids);
    seal_up(f);
    f->finished = true;
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

static inline bool get_varint(struct slice from, size_t *at, size_t *v)
{
    unsigned shift = 0;
    unsigned char c;

    *v = 0;
    do {
        if (*at >= from.n || shift > 28)
            return false;
        c = (unsigned char)from.p[(*at)++];
        *v |= (size_t)(c & 0x7f) << shift;
        shift += 7;
    } while (c & 0x80);
    return true;
}

bool frame_table_next(struct slice table, size_t *at, size_t *stored, bool *newline_is_ours)
{
    size_t v;

    if (!get_varint(table, at, &v))
        return false;
    *stored = v >> 1;
    *newline_is_ours = v & 1;
    return *stored > 0 && *stored <= STORED_MAX_BYTES;
}

struct frame_iter frame_records(const struct frame_view *v)
{
    return (struct frame_iter){.v = v, .seq = v->first};
}

/* What is no facts counts as none, as does all behind it. */
static void next_facts(struct frame_iter *it)
{
    struct slice all = it->v->facts;
    size_t n = 0;

    it->facts = slice_of(NULL, 0);
    if (!get_varint(all, &it->facts_at, &n) || n > all.n - it->facts_at) {
        it->facts_at = all.n;
    } else {
        it->facts = slice_of(all.p + it->facts_at, n);
        it->facts_at += n;
    }
}

/* The next record in its lines form. */
static bool next_stored(struct frame_iter *it, struct slice *stored, bool *newline_is_ours)
{
    const struct frame_view *v = it->v;
    size_t n;

    if (it->seq - v->first >= v->count || !frame_table_next(v->table, &it->table_at, &n, newline_is_ours) ||
        n > v->payload.n - it->payload_at)
        return false;
    *stored = slice_of(v->payload.p + it->payload_at, n);
    it->payload_at += n;
    it->seq++;
    if (v->facts.n)
        next_facts(it);
    return true;
}

bool frame_next(struct frame_iter *it, struct slice *rec)
{
    bool newline_is_ours;

    if (!next_stored(it, rec, &newline_is_ours))
        return false;
    rec->n -= newline_is_ours ? 1 : 0;
    return true;
}

void frame_skip_to(struct frame_iter *it, uint64_t seq)
{
    struct slice stored;
    bool newline_is_ours;

    while (it->seq < seq && next_stored(it, &stored, &newline_is_ours))
        ;
}

uint64_t frame_record_bytes(const struct frame_view *v, uint64_t first, uint64_t last)
{
    uint64_t sum = 0;
    size_t at = 0, stored;
    bool newline_is_ours;

    for (uint64_t seq = v->first; seq <= last && frame_table_next(v->table, &at, &stored, &newline_is_ours); seq++)
        if (seq >= first)
            sum += stored - (newline_is_ours ? 1 : 0);
    return sum;
}

struct slice frame_lines(const struct frame_view *v, uint64_t first, uint64_t last)
{
    struct frame_iter it = frame_records(v);
    size_t begin;

    if (first == v->first && last - first + 1 == v->count)
        return v->payload;
    frame_skip_to(&it, first);
    begin = it.payload_at;
    frame_skip_to(&it, last + 1);
    return slice_of(v->payload.p + begin, it.payload_at - begin);
}

/* --- ids ------------------------------------------------------------------------------------------------------------ */

/* An id may be long, and source and id must not run into each other: so it is the hash of a name and of a hash. */
struct id_key frame_id_key(struct slice source, struct slice id)
{
    unsigned char bytes[SHA256_BYTES + POSITION_SOURCE_MAX], hash[SHA256_BYTES];
    struct id_key key;

    assert(source.n <= POSITION_SOURCE_MAX);
    sha256_of(id, bytes);
    memcpy(bytes + SHA256_BYTES, source.p, source.n);
    sha256_of(slice_of((const char *)bytes, SHA256_BYTES + source.n), hash);
    memcpy(key.bytes, hash, sizeof(key.bytes));
    return key;
}

void frame_ids_put_forget(struct wire_out *o, struct slice source, const struct id_key *keys, size_t count)
{
    wire_put_u8(o, FRAME_TAG_FORGET_IDS);
    wire_put_u32(o, (uint32_t)(IDS_HEAD_BYTES + source.n + count * sizeof(struct id_key)));
    put_ids_head(o, source, (struct id_bounds){0, 0});
    for (size_t i = 0; i < count; i++)
        wire_put_raw(o, keys[i].bytes, sizeof(keys[i].bytes));
}

/* What is remembered of them stands in `extra` when the frame is finished: one that was offered and not taken is, too. */
static bool find_ids(const struct frame *f, struct slice *keys)
{
    struct wire_in in = {.rest = buf_slice(&f->ids)};
    struct frame_ids ids;

    if (f->finished) {
        if (!frame_ids_find(buf_slice(&f->extra), FRAME_TAG_IDS, &ids))
            return false;
        *keys = ids.keys;
        return true;
    }
    if (f->ids.n == 0)
        return false;
    wire_bytes(&in); /* source */
    wire_u32(&in);   /* bounds */
    wire_u32(&in);
    *keys = in.rest;
    return true;
}

bool frame_has_key(const struct frame *f, const struct id_key *key)
{
    struct slice keys;
    bool found = false;

    if (!find_ids(f, &keys))
        return false;
    for (size_t at = 0; at < keys.n && !found; at += sizeof(*key))
        found = memcmp(keys.p + at, key, sizeof(*key)) == 0;
    return found;
}
