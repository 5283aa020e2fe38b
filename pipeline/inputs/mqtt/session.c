#include "pipeline/inputs/mqtt/session.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define QUOTA_EXCEEDED 0x97 /* what PUBACK and PUBREC can say of a message that is too large */

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
}

/* --- whose identifiers are known? ---------------------------------------------------------------------------------- */

static void store(struct mqtt_session *s, enum mqtt_store what, const uint16_t *ids, size_t n)
{
    assert(s->storing == MQTT_STORE_NOTHING);
    s->storing = what;
    s->keeper->store(s->ctx, what, ids, n);
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
    s->text_count = 0;
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

static void sum_of(const struct mqtt_packet *p, unsigned char sum[SHA256_BYTES])
{
    struct sha256 *x = sha256_new();
    char length[32];

    snprintf(length, sizeof(length), "%zu ", p->topic.n);
    sha256_begin(x);
    sha256_add(x, slice_str(length));
    sha256_add(x, p->topic);
    sha256_add(x, p->payload);
    sha256_end(x, sum);
    sha256_free(&x);
}

static struct mqtt_text *text_of(const struct mqtt_session *s, uint16_t id)
{
    for (size_t i = 0; i < s->text_count; i++)
        if (s->texts[i].id == id)
            return &s->texts[i];
    return NULL;
}

static void note_text(struct mqtt_session *s, const struct mqtt_packet *p)
{
    struct mqtt_text *t = text_of(s, p->id);

    if (!t && s->text_count == s->text_room) {
        s->text_room = s->text_room ? 2 * s->text_room : 16;
        s->texts = mem_grow(s->texts, s->text_room, sizeof(*s->texts));
    }
    if (!t)
        t = &s->texts[s->text_count++];
    t->id = p->id;
    sum_of(p, t->sum);
}

static void forget_text(struct mqtt_session *s, uint16_t id)
{
    struct mqtt_text *t = text_of(s, id);

    if (t)
        *t = s->texts[--s->text_count];
}

/* False also when it is not known. */
static bool is_another_text(const struct mqtt_session *s, const struct mqtt_packet *p)
{
    const struct mqtt_text *t = text_of(s, p->id);
    unsigned char sum[SHA256_BYTES];

    if (!t)
        return false;
    sum_of(p, sum);
    return memcmp(t->sum, sum, sizeof(sum)) != 0;
}

/* The server has given up the message that we know by this identifier, or knows it by another one. */
static bool is_used_anew(const struct mqtt_session *s, const struct mqtt_packet *p, bool large)
{
    if (p->qos != 2 || in_hand(s, p->id) || !s->keeper->knows(s->ctx, p->id))
        return false;
    return (s->answered && !p->dup) || (!large && is_another_text(s, p));
}

static enum mqtt_took take_publish(struct mqtt_session *s, const struct mqtt_packet *p, bool large)
{
    if (p->qos > 0 && s->count == s->most)
        return MQTT_LATER;
    if (is_used_anew(s, p, large)) {
        if (s->storing == MQTT_STORE_NOTHING)
            store(s, MQTT_STORE_FORGET, &p->id, 1);
        return MQTT_LATER;
    }
    switch (large ? WINDOW_TOO_LARGE : s->keeper->take(s->ctx, p, s->numbers + 1)) {
    case WINDOW_TAKEN:
        s->numbers++;
        owe(s, p, 0);
        if (p->qos == 2)
            note_text(s, p);
        break;
    case WINDOW_TOO_LARGE: /* it would come again and again, and never fit */
        owe(s, p, QUOTA_EXCEEDED);
        break;
    case WINDOW_FULL:
    case WINDOW_BROKEN:
        return MQTT_LATER;
    }
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

void mqtt_session_stored(struct mqtt_session *s, bool safe)
{
    enum mqtt_store what = s->storing;

    s->storing = MQTT_STORE_NOTHING;
    if (what == MQTT_STORE_UNSURE && safe)
        s->sure = false;
    if (s->state == MQTT_NONE)
        return; /* of a connection that is gone: its successor hears what the server says then */
    s->failed |= !safe;
    if (!safe)
        return;
    if (what == MQTT_STORE_CLEAR)
        go_on(s);
    else if (what == MQTT_STORE_FORGET)
        s->completed = s->forgetting;
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
    for (size_t i = 0; i < n; i++)
        forget_text(s, s->releases[i]);
    if (n > 0)
        memmove(s->releases, s->releases + n, (s->release_count - n) * sizeof(*s->releases));
    s->release_count -= n;
    s->completed -= n;
    s->forgetting -= n;
    return s->completed == 0;
}

static void forget(struct mqtt_session *s)
{
    uint16_t known[FRAME_IDS_MAX];
    size_t n = 0;

    s->forgetting = s->release_count < FRAME_IDS_MAX ? s->release_count : FRAME_IDS_MAX;
    for (size_t i = 0; i < s->forgetting; i++)
        if (s->keeper->knows(s->ctx, s->releases[i]))
            known[n++] = s->releases[i];
    if (n > 0)
        store(s, MQTT_STORE_FORGET, known, n);
    else
        s->completed = s->forgetting;
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
