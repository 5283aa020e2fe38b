#include "pipeline/inputs/mqtt/session.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define QUOTA_EXCEEDED 0x97 /* what PUBACK and PUBREC can say of a message that is too large */

enum { FORGET_MOST = FRAME_IDS_MAX / 2 }; /* in one write: with their sums */

void mqtt_session_init(struct mqtt_session *s, const struct mqtt_keeper *keeper, void *ctx, size_t most, bool sure)
{
    *s = (struct mqtt_session){.keeper = keeper, .ctx = ctx, .most = most, .sure = sure, .trusted = sure};
    s->acks = mem_array(most, sizeof(*s->acks));
}

void mqtt_session_release(struct mqtt_session *s)
{
    mem_free(s->acks);
    mem_free(s->releases);
    mem_free(s->texts);
    s->acks = NULL;
    s->releases = NULL;
    s->texts = NULL;
    s->text_count = s->text_room = 0;
}

void mqtt_session_lost(struct mqtt_session *s)
{
    s->state = MQTT_NONE;
    s->numbers = s->safe = 0;
    s->first = s->count = 0;
    s->release_count = s->forgetting = s->completed = 0;
    s->probed = s->answered = s->failed = false;
    s->offered.known = false;
}

/* --- whose identifiers are known? ---------------------------------------------------------------------------------- */

static void store(struct mqtt_session *s, enum mqtt_store what, const struct mqtt_text *texts, size_t n)
{
    assert(s->storing == MQTT_STORE_NOTHING);
    s->storing = what;
    s->keeper->store(s->ctx, what, texts, n);
}

/* Behind CONNECT it is not known any more: its answer may get lost. */
static void say_connect(struct mqtt_session *s)
{
    if (s->keeper->send(s->ctx, MQTT_CONNECT, 0, 0) < 0)
        return; /* with the next turn */
    s->state = MQTT_CONNECTING;
    s->trusted_before = s->trusted;
    s->trusted = false;
}

void mqtt_session_open(struct mqtt_session *s)
{
    assert(s->state == MQTT_NONE && s->storing == MQTT_STORE_NOTHING);
    s->state = MQTT_MARKING;
    s->fresh = false;
    if (s->sure)
        store(s, MQTT_STORE_UNSURE, NULL, 0);
}

static void go_on(struct mqtt_session *s)
{
    s->state = MQTT_ON;
    s->trusted = s->sure = true;
    s->keeper->mark_sure(s->ctx);
}

static void clear(struct mqtt_session *s)
{
    s->state = MQTT_CLEARING;
    s->fresh = true;
    store(s, MQTT_STORE_CLEAR, NULL, 0);
}

static enum mqtt_took take_connack(struct mqtt_session *s, const struct mqtt_packet *p)
{
    if (p->reason != 0) {
        s->trusted = s->trusted_before; /* nothing came of it */
        s->state = MQTT_NONE;
        return MQTT_REFUSED;
    }
    if (!p->session_present)
        clear(s);
    else if (s->trusted_before)
        go_on(s);
    else
        s->state = MQTT_PROBING;
    return MQTT_TOOK;
}

/* --- messages ------------------------------------------------------------------------------------------------------ */

static bool in_hand(const struct mqtt_session *s, uint16_t id)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->acks[(s->first + i) % s->most].id == id)
            return true;
    return false;
}

static void owe(struct mqtt_session *s, const struct mqtt_packet *p, uint8_t reason)
{
    if (p->qos == 0)
        return;
    s->acks[(s->first + s->count++) % s->most] = (struct mqtt_ack){
        .number = s->numbers, .kind = p->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, .id = p->id, .reason = reason};
}

static struct mqtt_text *find_text(const struct mqtt_session *s, uint16_t id)
{
    for (size_t i = 0; i < s->text_count; i++)
        if (s->texts[i].id == id)
            return &s->texts[i];
    return NULL;
}

/* What the log has of an identifier: what is to be forgotten with it. */
static struct mqtt_text text_of(const struct mqtt_session *s, uint16_t id)
{
    const struct mqtt_text *t = find_text(s, id);

    return t ? *t : (struct mqtt_text){.id = id};
}

void mqtt_session_knows(struct mqtt_session *s, const struct mqtt_text *text)
{
    struct mqtt_text *t = find_text(s, text->id);

    if (!t && s->text_count == s->text_room) {
        s->text_room = s->text_room ? 2 * s->text_room : 16;
        s->texts = mem_grow(s->texts, s->text_room, sizeof(*s->texts));
    }
    if (!t)
        t = &s->texts[s->text_count++];
    *t = *text;
}

static void forget_text(struct mqtt_session *s, uint16_t id)
{
    struct mqtt_text *t = find_text(s, id);

    if (t)
        *t = s->texts[--s->text_count];
}

/* The identifier is in the sum so that sums of messages that are all the same are spread, too (spool/ids.h). */
static void sum_of(const struct mqtt_packet *p, struct mqtt_text *out)
{
    unsigned char sum[SHA256_BYTES];
    struct sha256 *x = sha256_new();
    char head[48];

    snprintf(head, sizeof(head), "%u %zu ", (unsigned)p->id, p->topic.n);
    sha256_begin(x);
    sha256_add(x, slice_str(head));
    sha256_add(x, p->topic);
    sha256_add(x, p->payload);
    sha256_end(x, sum);
    sha256_free(&x);
    *out = (struct mqtt_text){.id = p->id, .known = true};
    memcpy(out->sum, sum, sizeof(out->sum));
}

/* NULL: it is not of QoS 2, or not all there. */
static const struct mqtt_text *offer_text(struct mqtt_session *s, const struct mqtt_packet *p, bool large)
{
    if (p->qos != 2 || large)
        return NULL;
    if (!s->offered.known || s->offered.id != p->id)
        sum_of(p, &s->offered);
    return &s->offered;
}

/* The server has given up the message that we know by this identifier, or knows it by another one. */
static bool is_used_anew(const struct mqtt_session *s, const struct mqtt_packet *p, const struct mqtt_text *text)
{
    const struct mqtt_text *before = find_text(s, p->id);

    return (s->answered && !p->dup) || (text && before && memcmp(before->sum, text->sum, sizeof(text->sum)) != 0);
}

static enum mqtt_took take_publish(struct mqtt_session *s, const struct mqtt_packet *p, bool large)
{
    const struct mqtt_text *text;
    bool in_hand_already, known;

    if (p->qos > 0 && s->count == s->most)
        return MQTT_LATER;
    text = offer_text(s, p, large);
    in_hand_already = p->qos == 2 && in_hand(s, p->id);
    known = p->qos == 2 && !in_hand_already && s->keeper->knows(s->ctx, p->id);
    if (known && is_used_anew(s, p, text)) {
        const struct mqtt_text before = text_of(s, p->id);

        if (s->storing == MQTT_STORE_NOTHING)
            store(s, MQTT_STORE_FORGET, &before, 1);
        return MQTT_LATER;
    }
    switch (large ? WINDOW_TOO_LARGE : s->keeper->take(s->ctx, p, text, s->numbers + 1)) {
    case WINDOW_TAKEN:
        s->numbers++;
        owe(s, p, 0);
        if (text && ((!in_hand_already && !known) || !find_text(s, p->id)))
            mqtt_session_knows(s, text);
        break;
    case WINDOW_TOO_LARGE: /* it would come again and again, and never fit */
        owe(s, p, QUOTA_EXCEEDED);
        break;
    case WINDOW_FULL:
    case WINDOW_BROKEN:
        return MQTT_LATER;
    }
    s->offered.known = false;
    return MQTT_TOOK;
}

static enum mqtt_took take_release(struct mqtt_session *s, uint16_t id, struct err *e)
{
    if (in_hand(s, id)) {
        (void)err_set(e, ERR_FORMAT, "the protocol is broken: PUBREL before PUBREC");
        return MQTT_BREAKING;
    }
    if (s->release_count == MQTT_RELEASES_MAX)
        return MQTT_LATER;
    if (s->release_count == s->release_room) {
        s->release_room = s->release_room ? 2 * s->release_room : 16;
        s->releases = mem_grow(s->releases, s->release_room, sizeof(*s->releases));
    }
    s->releases[s->release_count++] = id;
    return MQTT_TOOK;
}

enum mqtt_took mqtt_session_take(struct mqtt_session *s, const struct mqtt_packet *p, bool large, struct err *e)
{
    if (s->failed || s->state == MQTT_CLEARING)
        return MQTT_LATER;
    if (s->state == MQTT_CONNECTING) {
        if (p->kind == MQTT_CONNACK)
            return take_connack(s, p);
        (void)err_set(e, ERR_FORMAT, "the protocol is broken: something comes before CONNACK");
        return MQTT_BREAKING;
    }
    if (s->state == MQTT_NONE || s->state == MQTT_MARKING || p->kind == MQTT_CONNACK) {
        (void)err_set(e, ERR_FORMAT, "the protocol is broken: %s",
                      p->kind == MQTT_CONNACK ? "CONNACK comes a second time" : "the server speaks first");
        return MQTT_BREAKING;
    }
    if (s->state == MQTT_PROBING && (p->kind == MQTT_PUBLISH || p->kind == MQTT_PUBREL))
        go_on(s); /* it has a subscription */
    s->answered |= p->kind == MQTT_PINGRESP;
    if (s->state == MQTT_PROBING && p->kind == MQTT_PINGRESP && s->probed)
        clear(s);
    if (p->kind == MQTT_PUBLISH)
        return take_publish(s, p, large);
    return p->kind == MQTT_PUBREL ? take_release(s, p->id, e) : MQTT_TOOK;
}

void mqtt_session_safe(struct mqtt_session *s, uint64_t upto)
{
    s->safe = upto;
}

/* Those of PUBREL. One that is in hand has been given to another message since. */
static void have_forgotten(struct mqtt_session *s)
{
    for (; s->completed < s->forgetting; s->completed++)
        if (!in_hand(s, s->releases[s->completed]))
            forget_text(s, s->releases[s->completed]);
}

void mqtt_session_stored(struct mqtt_session *s, bool safe)
{
    enum mqtt_store what = s->storing;

    s->storing = MQTT_STORE_NOTHING;
    if (what == MQTT_STORE_UNSURE && safe)
        s->sure = false;
    if (what == MQTT_STORE_CLEAR && safe)
        s->text_count = 0;
    if (s->state == MQTT_NONE)
        return; /* of a connection that is gone: its successor hears what the server says then */
    s->failed |= !safe;
    if (!safe)
        return;
    if (what == MQTT_STORE_CLEAR)
        go_on(s);
    else if (what == MQTT_STORE_FORGET)
        have_forgotten(s);
}

/* --- turns --------------------------------------------------------------------------------------------------------- */

static void acknowledge(struct mqtt_session *s)
{
    for (; s->count > 0; s->first = (s->first + 1) % s->most, s->count--) {
        const struct mqtt_ack *a = &s->acks[s->first];

        if (a->number > s->safe || s->keeper->send(s->ctx, a->kind, a->id, a->reason) < 0)
            return;
    }
}

/* PUBCOMP of those that are forgotten. False: there are some left. */
static bool complete(struct mqtt_session *s)
{
    size_t n = 0;

    while (n < s->completed && s->keeper->send(s->ctx, MQTT_PUBCOMP, s->releases[n], 0) == 0)
        n++;
    if (n > 0)
        memmove(s->releases, s->releases + n, (s->release_count - n) * sizeof(*s->releases));
    s->release_count -= n;
    s->completed -= n;
    s->forgetting -= n;
    return s->completed == 0;
}

static void forget(struct mqtt_session *s)
{
    struct mqtt_text known[FORGET_MOST];
    size_t n = 0;

    s->forgetting = s->release_count < FORGET_MOST ? s->release_count : FORGET_MOST;
    for (size_t i = 0; i < s->forgetting; i++)
        if (s->keeper->knows(s->ctx, s->releases[i]))
            known[n++] = text_of(s, s->releases[i]);
    if (n > 0)
        store(s, MQTT_STORE_FORGET, known, n);
    else
        have_forgotten(s);
}

void mqtt_session_turn(struct mqtt_session *s)
{
    if (s->failed)
        return;
    if (s->state == MQTT_MARKING && s->storing == MQTT_STORE_NOTHING)
        say_connect(s);
    if (s->state == MQTT_PROBING && !s->probed)
        s->probed = s->keeper->send(s->ctx, MQTT_PINGREQ, 0, 0) == 0;
    if (s->state != MQTT_ON)
        return;
    acknowledge(s);
    while (complete(s) && s->storing == MQTT_STORE_NOTHING && s->release_count > 0)
        forget(s);
}

bool mqtt_session_is_idle(const struct mqtt_session *s)
{
    return s->count == 0 && s->release_count == 0;
}
