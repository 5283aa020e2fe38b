#include "pipeline/inputs/amqp10/message.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/amqp10/value.h"

#include <string.h>

enum {
    HEADER = 0x70,
    DELIVERY_ANNOTATIONS,
    MESSAGE_ANNOTATIONS,
    PROPERTIES,
    APPLICATION_PROPERTIES,
    DATA,
    SEQUENCE,
    VALUE,
    FOOTER
};

struct reader {
    struct amqp10_message *m;
    struct amqp10_work *w;
    char *bytes;
    struct amqp10_value id, created;
    bool has_id, has_body;
    unsigned body; /* which section */
    char *joined;  /* where data sections are put together */
    size_t joined_n;
};

void amqp10_work_init(struct amqp10_work *w)
{
    buf_init(&w->text, AMQP10_TEXT_MAX);
    buf_init(&w->facts, RECORD_FACTS_MAX);
    buf_init(&w->id, AMQP10_ID_MAX);
}

void amqp10_work_release(struct amqp10_work *w)
{
    buf_release(&w->text);
    buf_release(&w->facts);
    buf_release(&w->id);
}

static void add_fact(struct reader *r, struct slice name, const struct amqp10_value *v)
{
    struct buf text;

    if (v->kind == AMQP10_NULL)
        return;
    buf_init(&text, RECORD_FACTS_MAX);
    if (amqp10_text(v, &text) < 0 || facts_add(&r->w->facts, name, buf_slice(&text)) < 0)
        r->m->facts_cut = true;
    buf_release(&text);
}

/* durable, priority, ttl, first-acquirer, delivery-count */
static bool read_header(struct reader *r, const struct amqp10_value *list)
{
    struct slice rest = list->bytes;
    struct amqp10_value v;

    for (uint32_t i = 0; i < list->count && i < 5; i++) {
        if (!amqp10_next(&rest, &v))
            return false;
        if (i == 4 && v.kind == AMQP10_UINT)
            r->m->again = v.u.number > 0;
    }
    return true;
}

static bool read_properties(struct reader *r, const struct amqp10_value *list)
{
    static const char *const names[] = {
        "message_id",       "user_id", "to",      "subject", "reply_to",       "correlation_id", "content_type",
        "content_encoding", "expires", "created", "group",   "group_sequence", "reply_to_group"};
    struct slice rest = list->bytes;
    struct amqp10_value v;

    for (uint32_t i = 0; i < list->count && i < ARRAY_LEN(names); i++) {
        if (!amqp10_next(&rest, &v))
            return false;
        add_fact(r, slice_str(names[i]), &v);
        if (i == 0 && v.kind != AMQP10_NULL) {
            r->id = v;
            r->has_id = true;
        } else if (i == 9) {
            r->created = v;
        }
    }
    return true;
}

/* Pairs, each with a name of its own as the sender gave it, behind `prefix`. */
static bool read_map(struct reader *r, const struct amqp10_value *map, const char *prefix)
{
    size_t n = strlen(prefix);
    struct slice rest = map->bytes;
    struct amqp10_value key, v;
    char name[256];

    for (uint32_t i = 0; i + 1 < map->count; i += 2) {
        if (!amqp10_next(&rest, &key) || !amqp10_next(&rest, &v))
            return false;
        if ((key.kind != AMQP10_STRING && key.kind != AMQP10_SYMBOL) || key.bytes.n > 255 - n) {
            r->m->facts_cut = true;
            continue;
        }
        memcpy(name, prefix, n);
        if (key.bytes.n > 0)
            memcpy(name + n, key.bytes.p, key.bytes.n);
        add_fact(r, slice_of(name, n + key.bytes.n), &v);
    }
    return true;
}

static bool read_data(struct reader *r, const struct amqp10_value *v)
{
    char *p = r->bytes + (v->bytes.p - r->bytes);

    if (v->kind != AMQP10_BINARY)
        return false;
    if (!r->joined)
        r->joined = p;
    memmove(r->joined + r->joined_n, p, v->bytes.n);
    r->joined_n += v->bytes.n;
    r->m->data = slice_of(r->joined, r->joined_n);
    return true;
}

/* The JSON of what came so far, without its end. */
static enum amqp10_read read_sequence(struct reader *r, const struct amqp10_value *v)
{
    struct buf *out = &r->w->text;
    struct slice rest = v->bytes;
    struct amqp10_value item;

    if (v->kind != AMQP10_LIST)
        return AMQP10_MALFORMED;
    if (out->n == 0 && buf_add_char(out, '[') < 0)
        return AMQP10_TOO_LARGE;
    for (uint32_t i = 0; i < v->count; i++) {
        if (!amqp10_next(&rest, &item))
            return AMQP10_MALFORMED;
        if ((out->n > 1 && buf_add_char(out, ',') < 0) || amqp10_json(&item, out) < 0)
            return out->n + AMQP10_SCALAR_MAX > out->max ? AMQP10_TOO_LARGE : AMQP10_MALFORMED;
    }
    return AMQP10_FINE;
}

static enum amqp10_read read_value(struct reader *r, const struct amqp10_value *v)
{
    if (v->kind == AMQP10_NULL)
        return AMQP10_FINE;
    if (v->kind == AMQP10_BINARY || v->kind == AMQP10_STRING || v->kind == AMQP10_SYMBOL) {
        r->m->data = v->bytes;
        return AMQP10_FINE;
    }
    if (amqp10_text(v, &r->w->text) < 0)
        return AMQP10_MALFORMED;
    r->m->data = buf_slice(&r->w->text);
    return AMQP10_FINE;
}

static enum amqp10_read read_body(struct reader *r, const struct amqp10_value *v)
{
    unsigned section = (unsigned)v->descriptor;

    if (r->has_body && (section != r->body || section == VALUE))
        return AMQP10_MALFORMED;
    r->has_body = true;
    r->body = section;
    if (section == DATA)
        return read_data(r, v) ? AMQP10_FINE : AMQP10_MALFORMED;
    return section == SEQUENCE ? read_sequence(r, v) : read_value(r, v);
}

static enum amqp10_read read_section(struct reader *r, const struct amqp10_value *v)
{
    bool fine = true;

    switch (v->descriptor) {
    case HEADER:
        fine = v->kind == AMQP10_LIST && read_header(r, v);
        break;
    case MESSAGE_ANNOTATIONS:
        fine = v->kind == AMQP10_MAP && read_map(r, v, "annotation.");
        break;
    case PROPERTIES:
        fine = v->kind == AMQP10_LIST && read_properties(r, v);
        break;
    case APPLICATION_PROPERTIES:
        fine = v->kind == AMQP10_MAP && read_map(r, v, "property.");
        break;
    case DATA:
    case SEQUENCE:
    case VALUE:
        return read_body(r, v);
    case DELIVERY_ANNOTATIONS:
    case FOOTER:
        break;
    default:
        fine = false;
    }
    return fine ? AMQP10_FINE : AMQP10_MALFORMED;
}

/* A sender may count its ids from 1 again, so what it has made of the message goes in as well: by value, since a server may write the same
 * message otherwise the next time (ActiveMQ Classic does). */
static void identify(struct reader *r)
{
    struct buf *out = &r->w->id;

    if (!r->has_id || amqp10_text(&r->id, out) < 0 || buf_printf(out, " %d ", (int)r->id.kind) < 0 ||
        amqp10_text(&r->created, out) < 0 || buf_printf(out, " %08x", (unsigned)crc32c(0, r->m->data)) < 0)
        return;
    r->m->id = buf_slice(out);
}

enum amqp10_read amqp10_message_read(struct amqp10_message *m, char *bytes, size_t n, struct amqp10_work *w)
{
    struct reader r = {.m = m, .w = w, .bytes = bytes};
    struct slice rest = slice_of(bytes, n);
    enum amqp10_read got = AMQP10_FINE;

    *m = (struct amqp10_message){.data = SLICE("")};
    buf_clear(&w->text);
    buf_trim(&w->text, AMQP10_TEXT_KEEP);
    buf_clear(&w->facts);
    buf_clear(&w->id);
    while (rest.n > 0 && got == AMQP10_FINE) {
        struct amqp10_value v;

        if (!amqp10_next(&rest, &v) || !v.described)
            return AMQP10_MALFORMED;
        got = read_section(&r, &v);
    }
    if (got == AMQP10_FINE && r.body == SEQUENCE) {
        if (buf_add_char(&w->text, ']') < 0)
            return AMQP10_TOO_LARGE;
        m->data = buf_slice(&w->text);
    }
    m->facts = buf_slice(&w->facts);
    identify(&r);
    return m->data.n > RECORD_MAX_BYTES ? AMQP10_TOO_LARGE : got;
}
