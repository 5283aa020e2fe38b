/* A packet is a byte of kind and flags, its length in one to four bytes, and that many bytes. Behind that it is read through a `struct part`,
 * which gives numbers and texts off its front, and remembers when there were too few bytes: so each reader asks once, at its end.
 *
 *     kind << 4 | flags   length (7 bits a byte, the lowest first)   [id u16]   [MQTT 5: length of properties, properties]   the rest */
#include "pipeline/inputs/mqtt/packet.h"

#include <assert.h>
#include <string.h>

struct part {
    struct slice left;
    bool failed;
};

static uint32_t take_number(struct part *p, size_t bytes)
{
    uint32_t v = 0;

    p->failed |= p->left.n < bytes;
    if (p->failed)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | (uint8_t)p->left.p[i];
    p->left = slice_from(p->left, bytes);
    return v;
}

static struct slice take_bytes(struct part *p, size_t n)
{
    struct slice s = {NULL, 0};

    p->failed |= p->left.n < n;
    if (p->failed)
        return s;
    s = slice_of(p->left.p, n);
    p->left = slice_from(p->left, n);
    return s;
}

static struct slice take_text(struct part *p)
{
    return take_bytes(p, take_number(p, 2));
}

/* 1: *value, in *used bytes. 0: there are more to come. -1: five bytes and more. */
static int read_length(struct slice s, uint32_t *value, size_t *used)
{
    *value = 0;
    for (size_t i = 0; i < 4; i++) {
        if (i == s.n)
            return 0;
        *value |= (uint32_t)((uint8_t)s.p[i] & 0x7f) << (7 * i);
        *used = i + 1;
        if (!((uint8_t)s.p[i] & 0x80))
            return 1;
    }
    return -1;
}

static uint32_t take_length(struct part *p)
{
    uint32_t value = 0;
    size_t used = 0;

    p->failed |= read_length(p->left, &value, &used) != 1;
    if (p->failed)
        return 0;
    p->left = slice_from(p->left, used);
    return value;
}

/* --- properties ---------------------------------------------------------------------------------------------------- */

enum property_type { NO_PROPERTY, U8, U16, U32, LENGTH, TEXT, PAIR };

static enum property_type type_of(uint32_t id)
{
    static const uint8_t TYPES[] = {
        [0x01] = U8,   [0x02] = U32,  [0x03] = TEXT, [0x08] = TEXT, [0x09] = TEXT, [0x0B] = LENGTH, [0x11] = U32,
        [0x12] = TEXT, [0x13] = U16,  [0x15] = TEXT, [0x16] = TEXT, [0x17] = U8,   [0x18] = U32,    [0x19] = U8,
        [0x1A] = TEXT, [0x1C] = TEXT, [0x1F] = TEXT, [0x21] = U16,  [0x22] = U16,  [0x23] = U16,    [0x24] = U8,
        [0x25] = U8,   [0x26] = PAIR, [0x27] = U32,  [0x28] = U8,   [0x29] = U8,   [0x2A] = U8,
    };

    return id < sizeof(TYPES) ? (enum property_type)TYPES[id] : NO_PROPERTY;
}

static void take_property(struct part *p, struct mqtt_property *out)
{
    uint32_t id = take_length(p);

    *out = (struct mqtt_property){.id = (uint8_t)id};
    switch (type_of(id)) {
    case NO_PROPERTY:
        p->failed = true;
        break;
    case U8:
        out->number = take_number(p, 1);
        break;
    case U16:
        out->number = take_number(p, 2);
        break;
    case U32:
        out->number = take_number(p, 4);
        break;
    case LENGTH:
        out->number = take_length(p);
        break;
    case PAIR:
        out->name = take_text(p);
        out->value = take_text(p);
        break;
    case TEXT:
        out->value = take_text(p);
        break;
    }
}

bool mqtt_property_next(struct slice *rest, struct mqtt_property *out)
{
    struct part p = {.left = *rest};

    if (rest->n == 0)
        return false;
    take_property(&p, out);
    *rest = p.failed ? slice_of(NULL, 0) : p.left;
    return !p.failed;
}

bool mqtt_property_find(struct slice properties, enum mqtt_property_id id, struct mqtt_property *out)
{
    while (mqtt_property_next(&properties, out))
        if (out->id == id)
            return true;
    return false;
}

static struct slice take_properties(struct part *p)
{
    struct slice all = take_bytes(p, take_length(p));
    struct part each = {.left = all};
    struct mqtt_property one;

    while (!each.failed && each.left.n > 0)
        take_property(&each, &one);
    p->failed |= each.failed;
    return all;
}

/* --- what a server sends ------------------------------------------------------------------------------------------- */

static const char *name_of(enum mqtt_kind kind)
{
    static const char *const NAMES[16] = {"packet 0", "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
                                          "PUBREL",   "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
                                          "PINGREQ",  "PINGRESP", "DISCONNECT", "AUTH"};

    return NAMES[kind & 15];
}

static enum mqtt_read malformed(struct err *e, enum mqtt_kind kind, const char *what)
{
    (void)err_set(e, ERR_FORMAT, "a packet is malformed: %s %s", name_of(kind), what);
    return MQTT_MALFORMED;
}

/* What stands in front of topic, properties and payload must be there. */
static const char *read_publish_head(struct part *p, unsigned flags, struct mqtt_packet *out)
{
    out->dup = flags & 8;
    out->qos = flags >> 1 & 3;
    out->retain = flags & 1;
    if (out->qos == 3)
        return "has QoS 3";
    out->topic = take_text(p);
    if (out->qos > 0) {
        out->id = (uint16_t)take_number(p, 2);
        if (!p->failed && out->id == 0)
            return "has the packet identifier 0";
    }
    return NULL;
}

static const char *read_publish(struct part *p, unsigned flags, enum mqtt_version v, struct mqtt_packet *out)
{
    const char *wrong = read_publish_head(p, flags, out);
    struct mqtt_property alias;

    if (wrong)
        return wrong;
    if (v == MQTT_5) {
        out->properties = take_properties(p);
        if (mqtt_property_find(out->properties, MQTT_TOPIC_ALIAS, &alias))
            return "has a topic alias, which was not allowed";
    }
    out->payload = p->left;
    return NULL;
}

static const char *read_connack(struct part *p, enum mqtt_version v, struct mqtt_packet *out)
{
    uint32_t flags = take_number(p, 1);

    out->reason = (uint8_t)take_number(p, 1);
    out->session_present = flags & 1;
    if (v == MQTT_5 && p->left.n > 0) /* a server that knows nothing of it refuses in the older form */
        out->properties = take_properties(p);
    return flags > 1 ? "has flags that are not known" : NULL;
}

/* PUBACK and its like: identifier, and in MQTT 5 a reason and properties, either of which may be left out. */
static void read_ack(struct part *p, enum mqtt_version v, struct mqtt_packet *out)
{
    out->id = (uint16_t)take_number(p, 2);
    if (v == MQTT_5 && p->left.n > 0)
        out->reason = (uint8_t)take_number(p, 1);
    if (v == MQTT_5 && p->left.n > 0)
        out->properties = take_properties(p);
}

static void read_suback(struct part *p, enum mqtt_version v, struct mqtt_packet *out)
{
    out->id = (uint16_t)take_number(p, 2);
    if (v == MQTT_5)
        out->properties = take_properties(p);
    out->reasons = p->left;
    p->left.n = 0;
}

static void read_disconnect(struct part *p, struct mqtt_packet *out)
{
    if (p->left.n > 0)
        out->reason = (uint8_t)take_number(p, 1);
    if (p->left.n > 0)
        out->properties = take_properties(p);
}

/* What the first byte says alone: who does not speak MQTT is not waited for. */
static const char *check_first(enum mqtt_kind kind, unsigned flags, enum mqtt_version v)
{
    switch (kind) {
    case MQTT_CONNACK:
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
    case MQTT_PINGRESP:
        return flags == 0 ? NULL : "has flags that are not known";
    case MQTT_PUBREL:
        return flags == 2 ? NULL : "has flags that are not known";
    case MQTT_DISCONNECT:
        return v == MQTT_5 ? NULL : "comes from a server, which MQTT 3.1.1 does not know";
    case MQTT_PUBLISH:
        return NULL;
    default:
        return "is not what a server sends to such a client";
    }
}

static const char *read_body(struct part *p, unsigned flags, enum mqtt_version v, struct mqtt_packet *out)
{
    switch (out->kind) {
    case MQTT_CONNACK:
        return read_connack(p, v, out);
    case MQTT_PUBLISH:
        return read_publish(p, flags, v, out);
    case MQTT_PUBREL:
        read_ack(p, v, out);
        break;
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        read_suback(p, v, out);
        break;
    case MQTT_DISCONNECT:
        read_disconnect(p, out);
        break;
    default:
        break;
    }
    return NULL;
}

static enum mqtt_read read_large(struct slice body, unsigned flags, struct mqtt_packet *out, size_t head, size_t *need,
                                 struct err *e)
{
    struct part p = {.left = body};
    const char *wrong;
    size_t topic;

    if (out->kind != MQTT_PUBLISH)
        return malformed(e, out->kind, "is larger than any");
    topic = body.n >= 2 ? (size_t)(uint8_t)body.p[0] << 8 | (uint8_t)body.p[1] : 0;
    *need = head + 2 + topic + 2;
    if (body.n < 2 + topic + 2)
        return MQTT_PARTIAL;
    wrong = read_publish_head(&p, flags, out);
    return wrong ? malformed(e, out->kind, wrong) : MQTT_LARGE;
}

enum mqtt_read mqtt_packet_read(struct slice in, enum mqtt_version v, size_t max, struct mqtt_packet *out, size_t *need,
                                struct err *e)
{
    uint32_t length = 0;
    size_t used = 0;
    struct part p = {.failed = false};
    const char *wrong;
    unsigned first;
    int rc;

    *out = (struct mqtt_packet){.size = 0};
    *need = in.n + 1;
    if (in.n == 0)
        return MQTT_PARTIAL;
    first = (uint8_t)in.p[0];
    out->kind = first >> 4;
    wrong = check_first(out->kind, first & 15, v);
    if (wrong)
        return malformed(e, out->kind, wrong);
    rc = read_length(slice_from(in, 1), &length, &used);
    if (rc < 0)
        return malformed(e, out->kind, "has a length of more than four bytes");
    if (rc == 0)
        return MQTT_PARTIAL;
    out->size = 1 + used + length;
    in = slice_from(in, 1 + used);
    if (out->size > max)
        return read_large(in, first & 15, out, 1 + used, need, e);
    *need = out->size;
    if (in.n < length)
        return MQTT_PARTIAL;
    p.left = slice_of(in.p, length);
    wrong = read_body(&p, first & 15, v, out);
    if (wrong)
        return malformed(e, out->kind, wrong);
    if (p.failed)
        return malformed(e, out->kind, "is shorter than what is in it, or has a property that is not known");
    if (p.left.n > 0 && out->kind != MQTT_PUBLISH)
        return malformed(e, out->kind, "is longer than what is in it");
    return MQTT_WHOLE;
}

/* --- what a client says -------------------------------------------------------------------------------------------- */

/* Writing fails as a whole: the first failure is kept, and what was written is taken away again. */
struct writer {
    struct buf *b;
    bool failed;
};

static void put(struct writer *w, struct slice s)
{
    w->failed |= w->failed || buf_add_slice(w->b, s) < 0;
}

static void put_number(struct writer *w, uint32_t v, size_t bytes)
{
    char c[4];

    for (size_t i = 0; i < bytes; i++)
        c[i] = (char)(v >> 8 * (bytes - 1 - i));
    put(w, slice_of(c, bytes));
}

static void put_length(struct writer *w, size_t n)
{
    do {
        put_number(w, (uint32_t)((n & 0x7f) | (n > 0x7f ? 0x80 : 0)), 1);
        n >>= 7;
    } while (n > 0);
}

static void put_text(struct writer *w, struct slice s)
{
    assert(s.n <= UINT16_MAX);
    put_number(w, (uint32_t)s.n, 2);
    put(w, s);
}

static void put_head(struct writer *w, enum mqtt_kind kind, unsigned flags, size_t length)
{
    put_number(w, (uint32_t)kind << 4 | flags, 1);
    put_length(w, length);
}

static int written(const struct writer *w, size_t before)
{
    if (!w->failed)
        return 0;
    w->b->n = before;
    return -1;
}

int mqtt_write_connect(struct buf *out, const struct mqtt_connect *c)
{
    enum { PROPERTIES = 5 + 3 + 5 };
    struct slice user = slice_str(c->username), password = slice_str(c->password);
    struct writer w = {.b = out};
    size_t before = out->n, length = 10 + 2 + c->client_id.n;
    unsigned flags = c->clean ? 0x02 : 0;

    if (c->version == MQTT_5)
        length += 1 + PROPERTIES;
    if (c->username) {
        length += 2 + user.n;
        flags |= 0x80;
    }
    if (c->password) {
        length += 2 + password.n;
        flags |= 0x40;
    }
    put_head(&w, MQTT_CONNECT, 0, length);
    put_text(&w, SLICE("MQTT"));
    put_number(&w, c->version, 1);
    put_number(&w, flags, 1);
    put_number(&w, c->keep_alive, 2);
    if (c->version == MQTT_5) {
        put_length(&w, PROPERTIES);
        put_number(&w, MQTT_SESSION_EXPIRY, 1);
        put_number(&w, c->session_expiry, 4);
        put_number(&w, MQTT_RECEIVE_MAXIMUM, 1);
        put_number(&w, c->receive_maximum, 2);
        put_number(&w, MQTT_MAXIMUM_PACKET, 1);
        put_number(&w, c->packet_maximum, 4);
    }
    put_text(&w, c->client_id);
    if (c->username)
        put_text(&w, user);
    if (c->password)
        put_text(&w, password);
    return written(&w, before);
}

int mqtt_write_subscribe(struct buf *out, enum mqtt_version v, uint16_t id, const char *filter, unsigned qos,
                         bool new_only)
{
    enum { NEW_ONLY = 0x10 };
    struct slice text = slice_str(filter);
    struct writer w = {.b = out};
    size_t before = out->n;

    put_head(&w, MQTT_SUBSCRIBE, 2, text.n + (v == MQTT_5 ? 6 : 5));
    put_number(&w, id, 2);
    if (v == MQTT_5)
        put_length(&w, 0);
    put_text(&w, text);
    put_number(&w, qos | (v == MQTT_5 && new_only ? NEW_ONLY : 0U), 1);
    return written(&w, before);
}

int mqtt_write_unsubscribe(struct buf *out, enum mqtt_version v, uint16_t id, struct slice filter)
{
    struct writer w = {.b = out};
    size_t before = out->n;

    put_head(&w, MQTT_UNSUBSCRIBE, 2, filter.n + (v == MQTT_5 ? 5 : 4));
    put_number(&w, id, 2);
    if (v == MQTT_5)
        put_length(&w, 0);
    put_text(&w, filter);
    return written(&w, before);
}

int mqtt_write_ack(struct buf *out, enum mqtt_version v, enum mqtt_kind kind, uint16_t id, uint8_t reason)
{
    bool with = v == MQTT_5 && reason != 0;
    struct writer w = {.b = out};
    size_t before = out->n;

    put_head(&w, kind, 0, with ? 3 : 2);
    put_number(&w, id, 2);
    if (with)
        put_number(&w, reason, 1);
    return written(&w, before);
}

int mqtt_write_ping(struct buf *out)
{
    struct writer w = {.b = out};
    size_t before = out->n;

    put_head(&w, MQTT_PINGREQ, 0, 0);
    return written(&w, before);
}

int mqtt_write_disconnect(struct buf *out, enum mqtt_version v, uint8_t reason)
{
    bool with = v == MQTT_5 && reason != 0;
    struct writer w = {.b = out};
    size_t before = out->n;

    put_head(&w, MQTT_DISCONNECT, 0, with);
    if (with)
        put_number(&w, reason, 1);
    return written(&w, before);
}
