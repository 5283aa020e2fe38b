#include "pipeline/inputs/amqp091/message.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/amqp091/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void amqp091_message_init(struct message *m)
{
    *m = (struct message){.state = MESSAGE_NONE};
    buf_init(&m->body, RECORD_MAX_BYTES);
    buf_init(&m->facts, RECORD_FACTS_MAX);
}

void amqp091_message_release(struct message *m)
{
    buf_release(&m->body);
    buf_release(&m->facts);
}

void amqp091_message_clear(struct message *m)
{
    m->state = MESSAGE_NONE;
    buf_clear(&m->body);
    buf_trim(&m->body, AMQP091_BODY_KEEP);
    buf_clear(&m->facts);
}

/* --- facts ---------------------------------------------------------------------------------------------------------- */

static void add_fact(struct message *m, struct slice name, struct slice value)
{
    m->facts_cut |= facts_add(&m->facts, name, value) < 0;
}

static void add_text(struct message *m, const char *name, struct slice value)
{
    if (value.n > 0)
        add_fact(m, slice_str(name), value);
}

static void add_number(struct message *m, const char *name, uint64_t n)
{
    char text[24];

    add_text(m, name, slice_of(text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, n)));
}

void amqp091_message_begin(struct message *m, const amqp_basic_deliver_t *d)
{
    amqp091_message_clear(m);
    m->state = MESSAGE_WANTS_HEADER;
    m->tag = d->delivery_tag;
    m->redelivered = d->redelivered;
    m->has_offset = m->facts_cut = false;
    m->id_bytes = 0;
    add_text(m, "exchange", slice_of(d->exchange.bytes, d->exchange.len));
    add_text(m, "routing_key", slice_of(d->routing_key.bytes, d->routing_key.len));
    if (m->redelivered)
        add_text(m, "redelivered", SLICE("true"));
}

static void take_header(struct message *m, struct slice name, const struct wire_value *v)
{
    char named[8 + 256];

    if (slice_is(name, "x-stream-offset") && v->has_number && v->number >= 0) {
        m->has_offset = true;
        m->offset = (uint64_t)v->number;
        add_text(m, "offset", v->text);
    } else if (slice_is(name, "x-delivery-count") && v->has_number) {
        add_text(m, "delivery_count", v->text);
    } else if (v->has_text) {
        snprintf(named, sizeof(named), "header.%.*s", (int)name.n, name.p);
        add_fact(m, slice_of(named, 7 + name.n), v->text);
    }
}

/* What cannot be read of them is left out: a message that somebody wrote in his own way is a record all the same. */
static void take_headers(struct message *m, struct slice table)
{
    struct wire_reader r = {.rest = table};
    struct wire_value v;
    struct slice name;

    while (amqp091_table_next(&r, &name, &v))
        take_header(m, name, &v);
    m->facts_cut |= r.bad;
}

/* The header's first 13 properties, each there if its bit is set, in this order. */
static void take_properties(struct message *m, struct wire_reader *r, unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *name;
        char kind; /* s: text, t: table, 1: a number of a byte, 8: a time */
    } PROPERTIES[] = {
        {AMQP_BASIC_CONTENT_TYPE_FLAG, "content_type", 's'},
        {AMQP_BASIC_CONTENT_ENCODING_FLAG, "content_encoding", 's'},
        {AMQP_BASIC_HEADERS_FLAG, "headers", 't'},
        {AMQP_BASIC_DELIVERY_MODE_FLAG, "delivery_mode", '1'},
        {AMQP_BASIC_PRIORITY_FLAG, "priority", '1'},
        {AMQP_BASIC_CORRELATION_ID_FLAG, "correlation_id", 's'},
        {AMQP_BASIC_REPLY_TO_FLAG, "reply_to", 's'},
        {AMQP_BASIC_EXPIRATION_FLAG, "expiration", 's'},
        {AMQP_BASIC_MESSAGE_ID_FLAG, "message_id", 's'},
        {AMQP_BASIC_TIMESTAMP_FLAG, "timestamp", '8'},
        {AMQP_BASIC_TYPE_FLAG, "type", 's'},
        {AMQP_BASIC_USER_ID_FLAG, "user_id", 's'},
        {AMQP_BASIC_APP_ID_FLAG, "app_id", 's'},
    };
    struct slice headers = SLICE(""), text;

    for (size_t i = 0; i < ARRAY_LEN(PROPERTIES) && !r->bad; i++) {
        if (!(flags & PROPERTIES[i].flag))
            continue;
        switch (PROPERTIES[i].kind) {
        case 't':
            headers = amqp091_long_text(r);
            break;
        case '1':
            add_number(m, PROPERTIES[i].name, amqp091_number(r, 1));
            break;
        case '8': /* in milliseconds, as the times of other inputs */
            add_number(m, PROPERTIES[i].name, amqp091_number(r, 8) * 1000);
            break;
        default:
            text = amqp091_short_text(r);
            add_text(m, PROPERTIES[i].name, text);
            if (PROPERTIES[i].flag == AMQP_BASIC_MESSAGE_ID_FLAG) {
                memcpy(m->id, text.p, text.n);
                m->id_bytes = text.n;
            }
        }
    }
    take_headers(m, headers); /* last: the server's own facts have room in any case */
}

int amqp091_message_header(struct message *m, struct slice payload, struct err *e)
{
    struct wire_reader r = {.rest = payload};
    uint64_t class = amqp091_number(&r, 2);
    unsigned flags, more;

    (void)amqp091_number(&r, 2); /* weight: not used */
    m->size = m->left = amqp091_number(&r, 8);
    flags = more = (unsigned)amqp091_number(&r, 2);
    while (more & 1)
        more = (unsigned)amqp091_number(&r, 2); /* flags of properties that there are none of */
    if (!r.bad && class == AMQP_BASIC_CLASS)
        take_properties(m, &r, flags);
    if (r.bad || class != AMQP_BASIC_CLASS)
        return err_set(e, ERR_FORMAT, "the header of a message is not what AMQP 0-9-1 says");
    m->too_large = m->size > RECORD_MAX_BYTES;
    m->state = m->size > 0 ? MESSAGE_WANTS_BODY : MESSAGE_WHOLE;
    return 0;
}

int amqp091_message_body(struct message *m, struct slice payload, struct err *e)
{
    if (payload.n > m->left)
        return err_set(e, ERR_FORMAT, "the body of a message is longer than its header says");
    if (!m->too_large && buf_add_slice(&m->body, payload) < 0)
        return err_set(e, ERR_NOMEM, "no memory for a message of %" PRIu64 " bytes", m->size);
    m->left -= payload.n;
    if (m->left == 0)
        m->state = MESSAGE_WHOLE;
    return 0;
}
