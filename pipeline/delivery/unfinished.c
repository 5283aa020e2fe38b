/* A short list, looked through. An entry is what one body has got so far; who comes with a body gets the entry of just this body, and
 * whatever else was begun of the same records is out of date from then on. In the journal stands the whole list, written anew
 * with each step: it is small, and so nothing has to be put together after a crash.
 */
#include "pipeline/delivery/unfinished.h"

#include "pipeline/base/mem.h"
#include "pipeline/spool/format/wire.h"

#include <assert.h>
#include <string.h>

#define VERSION       1
#define SINK_NAME_MAX 32
#define RANGE_BIT(n)  ((uint64_t)1 << ((n)-1))
#define GIVEN_UP      0x80U /* beside the kind */

static struct unfinished_body *new_body(void)
{
    struct unfinished_body *b = mem_alloc(sizeof(*b));

    buf_init(&b->name, OBJECT_NAME_MAX);
    buf_init(&b->sink, SINK_NAME_MAX);
    buf_init(&b->progress, SINK_PROGRESS_MAX);
    return b;
}

static void free_body(struct unfinished_body **b)
{
    buf_release(&(*b)->name);
    buf_release(&(*b)->sink);
    buf_release(&(*b)->progress);
    MEM_CLEAR(*b);
}

void unfinished_release(struct unfinished *u)
{
    while (u->count > 0)
        free_body(&u->bodies[--u->count]);
}

static bool has_begun(const struct unfinished_body *b)
{
    return b->progress.n > 0;
}

void unfinished_forget(struct unfinished *u, struct unfinished_body *b)
{
    size_t i = 0;

    while (u->bodies[i] != b)
        i++;
    u->bodies[i] = u->bodies[--u->count];
    free_body(&b);
}

void unfinished_abandon(struct unfinished *u, struct unfinished_body *b)
{
    if (has_begun(b))
        b->state = UNFINISHED_STALE;
    else
        unfinished_forget(u, b);
}

static bool has_name(const struct unfinished_body *b, struct slice name, struct slice sink)
{
    return slice_eq(buf_slice(&b->name), name) && slice_eq(buf_slice(&b->sink), sink);
}

static bool is_same(const struct unfinished_body *b, const struct unfinished_key *key, struct slice name,
                    const char *sink)
{
    bool has_bytes = b->range_count > 0;

    return !b->given_up && (!has_bytes || (b->key.bytes == key->bytes && b->key.crc32c == key->crc32c)) &&
           has_name(b, name, slice_str(sink));
}

static bool holds_the_same_records(const struct unfinished_body *b, const struct unfinished_key *key)
{
    return b->key.first == key->first && b->key.last == key->last && b->key.window == key->window;
}

struct unfinished_body *unfinished_meet(struct unfinished *u, const struct unfinished_key *key, struct slice name,
                                        const char *sink)
{
    struct unfinished_body *found = NULL;

    for (size_t i = u->count; i-- > 0;) { /* from the end: one that is forgotten leaves its place to the last */
        struct unfinished_body *b = u->bodies[i];
        bool records = holds_the_same_records(b, key);

        if (b->key.kind != key->kind || b->state == UNFINISHED_STALE)
            continue;
        if (records && !found && is_same(b, key, name, sink)) /* of two, one was given up before a restart */
            found = b;
        else if (records || b->state == UNFINISHED_LIVE)
            unfinished_abandon(u, b);
    }
    if (!found && u->count < SEAL_BODIES_MAX) {
        found = u->bodies[u->count++] = new_body();
        if (buf_add_slice(&found->name, name) < 0 || buf_add_str(&found->sink, sink) < 0)
            assert(!"names are bounded");
    }
    if (found) {
        found->key = *key;
        found->state = UNFINISHED_LIVE;
    }
    return found;
}

void unfinished_begin_anew(struct unfinished *u, struct unfinished_body *b, bool leaves)
{
    if (leaves && has_begun(b) && u->count < SEAL_BODIES_MAX) {
        struct unfinished_body *stale = u->bodies[u->count++] = new_body();

        stale->state = UNFINISHED_STALE;
        stale->key = b->key;
        if (buf_add_slice(&stale->name, buf_slice(&b->name)) < 0 ||
            buf_add_slice(&stale->sink, buf_slice(&b->sink)) < 0 ||
            buf_add_slice(&stale->progress, buf_slice(&b->progress)) < 0)
            assert(!"they have the same bounds");
    }
    buf_clear(&b->progress);
    b->range_bytes = b->there = 0;
    b->range_count = 0;
}

void unfinished_abandon_all(struct unfinished *u)
{
    for (size_t i = u->count; i-- > 0;)
        unfinished_abandon(u, u->bodies[i]);
}

struct unfinished_body *unfinished_stale(const struct unfinished *u)
{
    for (size_t i = 0; i < u->count; i++)
        if (u->bodies[i]->state == UNFINISHED_STALE)
            return u->bodies[i];
    return NULL;
}

static size_t count_begun(const struct unfinished *u)
{
    size_t n = 0;

    for (size_t i = 0; i < u->count; i++)
        n += has_begun(u->bodies[i]);
    return n;
}

bool unfinished_is_any(const struct unfinished *u)
{
    return count_begun(u) > 0;
}

bool unfinished_is_alone(const struct unfinished *u, const struct unfinished_body *b)
{
    for (size_t i = 0; i < u->count; i++) {
        const struct unfinished_body *other = u->bodies[i];

        if (other != b && other->state != UNFINISHED_STALE && has_name(other, buf_slice(&b->name), buf_slice(&b->sink)))
            return false;
    }
    return true;
}

/* --- ranges ----------------------------------------------------------------------------------------------------------- */

static void divide(struct unfinished_body *b, uint64_t range_bytes)
{
    uint64_t least = (b->key.bytes + SINK_RANGES_MAX - 1) / SINK_RANGES_MAX;

    b->there = 0;
    b->range_bytes = range_bytes > least ? range_bytes : least;
    b->range_count = b->range_bytes ? (uint32_t)((b->key.bytes + b->range_bytes - 1) / b->range_bytes) : 0;
}

void unfinished_progress(struct unfinished_body *b, struct slice progress, uint64_t range_bytes)
{
    buf_clear(&b->progress);
    if (buf_add_slice(&b->progress, progress) < 0)
        assert(!"the sink's buffer has the same maximum");
    if (range_bytes)
        divide(b, range_bytes);
}

void unfinished_range_is_there(struct unfinished_body *b, uint32_t range, const struct sink_tag *tag)
{
    assert(range > 0 && range <= b->range_count);
    b->there |= RANGE_BIT(range);
    b->tags[range - 1] = *tag;
}

uint32_t unfinished_missing(const struct unfinished_body *b, uint32_t after)
{
    for (uint32_t n = after + 1; n <= b->range_count; n++)
        if (!(b->there & RANGE_BIT(n)))
            return n;
    return 0;
}

void unfinished_locate(const struct unfinished_body *b, struct sink_seal *seal)
{
    uint64_t left;

    assert(seal->range > 0 && seal->range <= b->range_count);
    seal->range_from = (seal->range - 1) * b->range_bytes;
    left = b->key.bytes - seal->range_from;
    seal->range_bytes = left < b->range_bytes ? left : b->range_bytes;
}

/* --- in the journal --------------------------------------------------------------------------------------------------- */

static void write_body(const struct unfinished_body *b, struct wire_out *o)
{
    wire_put_u8(o, b->key.kind | (b->given_up || b->state == UNFINISHED_STALE ? GIVEN_UP : 0));
    wire_put_u64(o, b->key.first);
    wire_put_u64(o, b->key.last);
    wire_put_u64(o, b->key.window);
    wire_put_u64(o, b->key.bytes);
    wire_put_u32(o, b->key.crc32c);
    wire_put_bytes(o, buf_slice(&b->name));
    wire_put_bytes(o, buf_slice(&b->sink));
    wire_put_bytes(o, buf_slice(&b->progress));
    wire_put_u64(o, b->range_bytes);
    wire_put_u64(o, b->there);
    for (uint32_t n = 1; n <= b->range_count; n++)
        if (b->there & RANGE_BIT(n))
            wire_put_bytes(o, slice_str(b->tags[n - 1].text));
}

void unfinished_write(const struct unfinished *u, struct buf *out)
{
    struct wire_out o = {.b = out};
    size_t count = count_begun(u);

    _Static_assert(SINK_RANGES_MAX <= 64, "a bit for each");
    buf_clear(out);
    if (count == 0)
        return;
    wire_put_u8(&o, VERSION);
    wire_put_u8(&o, (uint8_t)count);
    for (size_t i = 0; i < u->count; i++)
        if (has_begun(u->bodies[i]))
            write_body(u->bodies[i], &o);
    assert(!o.failed);
}

/* False: it is longer than what we write. */
static bool read_into(struct buf *b, struct slice s)
{
    return s.n <= b->max && buf_add_slice(b, s) == 0;
}

static bool read_ranges(struct unfinished_body *b, struct wire_in *in)
{
    uint64_t range_bytes = wire_u64(in), there = wire_u64(in);

    if (range_bytes)
        divide(b, range_bytes);
    if (b->range_bytes != range_bytes || (b->range_count < 64 && there >> b->range_count))
        return false;
    for (uint32_t n = 1; n <= b->range_count && !in->failed; n++) {
        struct sink_tag tag = {""};
        struct slice text;

        if (!(there & RANGE_BIT(n)))
            continue;
        text = wire_bytes(in);
        if (text.n >= sizeof(tag.text))
            return false;
        if (text.n > 0)
            memcpy(tag.text, text.p, text.n);
        unfinished_range_is_there(b, n, &tag);
    }
    return !in->failed;
}

static bool read_body(struct unfinished_body *b, struct wire_in *in)
{
    uint8_t kind = wire_u8(in);

    b->given_up = kind & GIVEN_UP;
    b->key.kind = (uint8_t)(kind & ~GIVEN_UP);
    b->key.first = wire_u64(in);
    b->key.last = wire_u64(in);
    b->key.window = wire_u64(in);
    b->key.bytes = wire_u64(in);
    b->key.crc32c = wire_u32(in);
    if (b->key.bytes > BODY_BYTES_MAX)
        return false;
    return read_into(&b->name, wire_bytes(in)) && read_into(&b->sink, wire_bytes(in)) &&
           read_into(&b->progress, wire_bytes(in)) && has_begun(b) && read_ranges(b, in);
}

bool unfinished_read(struct unfinished *u, struct slice bytes)
{
    struct wire_in in = {.rest = bytes};
    uint8_t version, count;
    bool good;

    unfinished_release(u);
    if (bytes.n == 0)
        return true;
    version = wire_u8(&in);
    count = wire_u8(&in);
    good = version == VERSION && count <= SEAL_BODIES_MAX;
    for (uint8_t i = 0; good && i < count; i++) {
        u->bodies[u->count++] = new_body();
        good = read_body(u->bodies[i], &in);
    }
    if (good && !in.failed && in.rest.n == 0)
        return true;
    unfinished_release(u);
    return false;
}
