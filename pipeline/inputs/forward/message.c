#include "pipeline/inputs/forward/message.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/msgpack.h"

enum { EXT_EVENT_TIME = 0, EXT_TIMESTAMP = -1 };

/* --- messages --------------------------------------------------------------------------------------------------------- */

static bool is_text(const struct msgpack_value *v)
{
    return v->kind == MSGPACK_STR || v->kind == MSGPACK_BIN;
}

/* Fluentd says "text" for what is not made smaller. */
static bool read_compressed(struct slice how, struct forward_message *m)
{
    m->packed = slice_is(how, "gzip") || slice_is(how, "zstd");
    return m->packed || how.n == 0 || slice_is(how, "text");
}

/* `whole`: v as it came. */
static bool read_option(const struct msgpack_value *name, const struct msgpack_value *v, struct slice whole,
                        struct forward_message *m, const char **why)
{
    if (!is_text(name))
        return true;
    if (slice_is(name->bytes, "chunk") && is_text(v)) {
        m->chunk = v->bytes;
        m->answer = whole;
        if (v->bytes.n > FORWARD_CHUNK_MAX)
            *why = "its chunk has an id that is too long";
    } else if (slice_is(name->bytes, "compressed") && is_text(v)) {
        if (!read_compressed(v->bytes, m))
            *why = "it is compressed in a way that is not known: gzip and zstd are";
    } else if (slice_is(name->bytes, "fluent_signal") && v->kind == MSGPACK_UINT && v->u.number > 0) {
        *why = "it has metrics or traces, and only logs are taken";
    }
    return *why == NULL;
}

static bool read_options(struct slice rest, struct forward_message *m, const char **why)
{
    struct msgpack_value map, name, v;

    if (rest.n == 0)
        return true;
    *why = "its options are no map";
    if (!msgpack_next(&rest, &map) || (map.kind != MSGPACK_NIL && map.kind != MSGPACK_MAP))
        return false;
    *why = NULL;
    for (uint32_t i = 0; i < map.count; i++) {
        struct slice whole, value;

        if (!msgpack_next(&rest, &name) || !msgpack_pass(&rest, &name) || !msgpack_take(&rest, &whole)) {
            *why = "its options are malformed";
            return false;
        }
        value = whole;
        if (msgpack_next(&value, &v) && !read_option(&name, &v, whole, m, why))
            return false;
    }
    return true;
}

/* What stands behind the tag: `rest` begins with it, and ends with the options. */
static bool read_entries(struct slice *rest, struct forward_message *m)
{
    struct slice begin = *rest;
    struct msgpack_value v;

    if (!msgpack_next(rest, &v))
        return false;
    if (is_text(&v)) {
        m->mode = FORWARD_PACKED;
        m->entries = v.bytes;
        return true;
    }
    if (v.kind == MSGPACK_ARRAY) {
        m->mode = FORWARD_ENTRIES;
        m->entries.p = rest->p;
        if (!msgpack_pass(rest, &v))
            return false;
        m->entries.n = (size_t)(rest->p - m->entries.p);
        return true;
    }
    m->mode = FORWARD_MESSAGE;
    if (!msgpack_take(rest, NULL))
        return false;
    m->entries = slice_of(begin.p, (size_t)(rest->p - begin.p));
    return true;
}

bool forward_read(struct slice whole, struct forward_message *m, const char **why)
{
    struct slice rest = whole;
    struct msgpack_value v;

    *m = (struct forward_message){.mode = FORWARD_MESSAGE};
    *why = NULL;
    if (msgpack_next(&rest, &v) && v.kind == MSGPACK_NIL) {
        m->quiet = true;
        return true;
    }
    *why = "it is no message of the forward protocol";
    if (v.kind != MSGPACK_ARRAY || v.count < 2 || !msgpack_next(&rest, &v) || !is_text(&v))
        return false;
    m->tag = v.bytes;
    if (m->tag.n > FORWARD_TAG_MAX) {
        *why = "its tag is too long";
        return false;
    }
    if (!read_entries(&rest, m))
        return false;
    *why = NULL;
    if (!read_options(rest, m, why))
        return false;
    if (m->packed && m->mode != FORWARD_PACKED)
        *why = "it says that it is compressed, and is not";
    return *why == NULL;
}

static void move(struct slice *s, const char *from, const char *to)
{
    if (s->n > 0)
        s->p = to + ((uintptr_t)s->p - (uintptr_t)from); /* what was at `from` may be gone */
}

void forward_moved(struct forward_message *m, const char *from, const char *to)
{
    move(&m->tag, from, to);
    move(&m->entries, from, to);
    move(&m->chunk, from, to);
    move(&m->answer, from, to);
}

/* --- events ----------------------------------------------------------------------------------------------------------- */

static uint64_t big_endian(struct slice s)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n = n << 8 | (unsigned char)s.p[i];
    return n;
}

/* Fluentd's has seconds and nanoseconds; MessagePack's own has them in 4, 8 or 12 bytes. */
bool forward_time(int8_t type, struct slice b, int64_t *seconds, uint32_t *nanoseconds)
{
    uint64_t both;

    *nanoseconds = 0;
    if (type == EXT_EVENT_TIME && b.n == 8) {
        *seconds = (int64_t)big_endian(slice_of(b.p, 4));
        *nanoseconds = (uint32_t)big_endian(slice_of(b.p + 4, 4));
    } else if (type == EXT_TIMESTAMP && b.n == 4) {
        *seconds = (int64_t)big_endian(b);
    } else if (type == EXT_TIMESTAMP && b.n == 8) {
        both = big_endian(b);
        *seconds = (int64_t)(both & 0x3ffffffff);
        *nanoseconds = (uint32_t)(both >> 34);
    } else if (type == EXT_TIMESTAMP && b.n == 12) {
        *nanoseconds = (uint32_t)big_endian(slice_of(b.p, 4));
        *seconds = (int64_t)big_endian(slice_of(b.p + 4, 8));
    } else {
        return false;
    }
    return *nanoseconds < NSEC_PER_SEC;
}

/* Fluent Bit marks where a group of events begins and ends by times before 1970, which are none. */
enum { GROUP_BEGINS = -1, GROUP_ENDS = -2 };

static bool is_group_mark(const struct forward_event *ev)
{
    int32_t seconds = (int32_t)(uint32_t)ev->seconds;

    return ev->has_time && ev->seconds <= UINT32_MAX && (seconds == GROUP_BEGINS || seconds == GROUP_ENDS);
}

static bool set_time(const struct msgpack_value *v, struct forward_event *ev)
{
    double whole;

    switch (v->kind) {
    case MSGPACK_NIL:
        return true;
    case MSGPACK_UINT: /* 0: "now" */
        ev->has_time = v->u.number > 0 && v->u.number <= INT64_MAX;
        ev->seconds = (int64_t)v->u.number;
        return true;
    case MSGPACK_INT:
        ev->has_time = v->u.integer != 0;
        ev->seconds = v->u.integer;
        return true;
    case MSGPACK_FLOAT:
    case MSGPACK_DOUBLE:
        ev->has_time = v->u.real > 0 && v->u.real < 1e12;
        if (ev->has_time) {
            ev->seconds = (int64_t)v->u.real;
            whole = (double)ev->seconds;
            ev->nanoseconds = (uint32_t)((v->u.real - whole) * (double)NSEC_PER_SEC);
        }
        return true;
    case MSGPACK_EXT:
        ev->has_time = forward_time(v->ext, v->bytes, &ev->seconds, &ev->nanoseconds);
        return ev->has_time;
    default:
        return false;
    }
}

/* time, or [time, metadata] */
static bool take_time(struct slice *rest, struct forward_event *ev)
{
    struct msgpack_value v;
    struct slice more;

    if (!msgpack_next(rest, &v))
        return false;
    if (v.kind != MSGPACK_ARRAY)
        return set_time(&v, ev);
    if (v.count != 2 || !msgpack_next(rest, &v) || !set_time(&v, ev) || !msgpack_take(rest, &more))
        return false;
    ev->metadata = more;
    if (!msgpack_next(&more, &v) || v.kind != MSGPACK_MAP || v.count == 0)
        ev->metadata = SLICE("");
    return true;
}

enum forward_entry forward_next(struct slice *rest, enum forward_mode mode, struct forward_event *ev)
{
    struct msgpack_value v;
    struct slice record;

    *ev = (struct forward_event){.has_time = false};
    if (mode != FORWARD_MESSAGE && (!msgpack_next(rest, &v) || v.kind != MSGPACK_ARRAY || v.count != 2))
        return FORWARD_MALFORMED;
    if (!take_time(rest, ev) || !msgpack_take(rest, &ev->record))
        return FORWARD_MALFORMED;
    record = ev->record;
    if (!msgpack_next(&record, &v))
        return FORWARD_MALFORMED;
    return v.kind == MSGPACK_NIL || is_group_mark(ev) ? FORWARD_NOTHING : FORWARD_EVENT;
}
