/* QoS 2 over all orders of what may happen: messages, syncs, crashes, connections that break with whatever was on its way, a server that
 * loses the session. The server is one that keeps to the protocol; the log is a list of what is to be safe, in order. A run is a list of
 * choices; all lists up to a length are run, and many long ones. Behind each, everything works again, and then each message is there once.
 * With one that is restarted and numbers its messages anew, as Artemis does, each is there. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/mqtt/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 4, IDS = 2, QUEUE = 64, MOST = 2 };

/* --- what is to be safe -------------------------------------------------------------------------------------------- */

enum item_kind { RECORD, UNSURE, CLEAR, FORGET, SURE };

struct item {
    enum item_kind kind;
    int message;
    struct mqtt_text texts[IDS + 2];
    size_t n;
    uint64_t number; /* 0: of a session that is over */
};

struct log {
    struct item items[QUEUE];
    size_t count;
    /* Safe: */
    bool known[IDS + 1], sure, subscribed;
    struct mqtt_text texts[IDS + 1]; /* beside those that are known */
    int stored[MESSAGES];
};

/* --- the server ---------------------------------------------------------------------------------------------------- */

struct flight {
    int message; /* -1: the identifier is free */
    bool released;
};

struct packet {
    enum mqtt_kind kind;
    uint16_t id;
    int message;
    bool flag; /* dup, session present */
};

struct pipe {
    struct packet p[QUEUE];
    size_t count;
};

struct server {
    bool session, subscribed, online;
    struct flight flight[IDS + 1];
    int waiting[MESSAGES];
    size_t waiting_count;
    bool again[MESSAGES]; /* it was on its way before the server was restarted */
};

struct world {
    struct server server;
    struct pipe down, up;
    struct log log;
    struct mqtt_session session; /* the client's memory */
    bool connected, asked_to_subscribe;
    int published;
    bool excused[MESSAGES]; /* it was nowhere but in a session that the server lost */
    bool lost_once, numbered_anew;
    uint64_t safe;
    char trace[400];
};

static void push(struct pipe *q, struct packet p)
{
    if (q->count == QUEUE)
        fail_msg("a queue is full");
    q->p[q->count++] = p;
}

static struct packet pop(struct pipe *q)
{
    struct packet p = q->p[0];

    memmove(q->p, q->p + 1, --q->count * sizeof(p));
    return p;
}

static void server_sends(struct world *w)
{
    struct server *s = &w->server;

    for (uint16_t id = 1; id <= IDS && s->waiting_count > 0; id++) {
        if (s->flight[id].message >= 0)
            continue;
        s->flight[id] = (struct flight){.message = s->waiting[0]};
        memmove(s->waiting, s->waiting + 1, --s->waiting_count * sizeof(int));
        push(&w->down, (struct packet){.kind = MQTT_PUBLISH,
                                       .id = id,
                                       .message = s->flight[id].message,
                                       .flag = s->again[s->flight[id].message]});
    }
}

static void server_forgets(struct server *s)
{
    memset(s, 0, sizeof(*s));
    for (int id = 0; id <= IDS; id++)
        s->flight[id].message = -1;
}

static void server_takes(struct world *w, struct packet p)
{
    struct server *s = &w->server;

    switch (p.kind) {
    case MQTT_CONNECT:
        push(&w->down, (struct packet){.kind = MQTT_CONNACK, .flag = s->session});
        s->session = s->online = true;
        for (uint16_t id = 1; id <= IDS; id++)
            if (s->flight[id].message >= 0)
                push(&w->down, (struct packet){.kind = s->flight[id].released ? MQTT_PUBREL : MQTT_PUBLISH,
                                               .id = id,
                                               .message = s->flight[id].message,
                                               .flag = true});
        server_sends(w);
        break;
    case MQTT_SUBSCRIBE:
        s->subscribed = true;
        push(&w->down, (struct packet){.kind = MQTT_SUBACK});
        break;
    case MQTT_PUBREC:
        assert_true(s->flight[p.id].message >= 0);
        s->flight[p.id].released = true;
        push(&w->down, (struct packet){.kind = MQTT_PUBREL, .id = p.id});
        break;
    case MQTT_PUBCOMP:
        assert_true(s->flight[p.id].released);
        s->flight[p.id] = (struct flight){.message = -1};
        server_sends(w);
        break;
    case MQTT_PINGREQ:
        push(&w->down, (struct packet){.kind = MQTT_PINGRESP});
        break;
    default:
        fail_msg("the client sent %d", (int)p.kind);
    }
}

/* --- the client's keeper ------------------------------------------------------------------------------------------- */

static void append(struct world *w, struct item it)
{
    if (w->log.count == QUEUE)
        fail_msg("the log is full");
    w->log.items[w->log.count++] = it;
}

/* As the spool says it: remembered; on its way counts for records that come, but not for what is forgotten. */
static bool id_pending(const struct world *w, uint16_t id, size_t *at)
{
    for (size_t i = w->log.count; i-- > 0;)
        if (w->log.items[i].kind == RECORD && w->log.items[i].texts[0].id == id) {
            *at = i;
            return true;
        }
    return false;
}

static enum window_answer keeper_take(void *ctx, const struct mqtt_packet *p, const struct mqtt_text *text,
                                      uint64_t number)
{
    struct world *w = ctx;
    struct item it = {.kind = RECORD, .message = p->payload.p[0] - '0', .n = 1, .number = number};
    size_t at;

    if (text)
        it.texts[0] = *text;
    assert_true(p->qos < 2 || (text && text->known && text->id == p->id));
    if (w->log.known[p->id]) { /* joins what is on its way, or is safe at once */
        for (at = w->log.count; at-- > 0;)
            if (w->log.items[at].kind == RECORD && w->log.items[at].number > 0) {
                w->log.items[at].number = number;
                return WINDOW_TAKEN;
            }
        w->safe = number;
        return WINDOW_TAKEN;
    }
    if (id_pending(w, p->id, &at)) {
        w->log.items[at].number = number;
        return WINDOW_TAKEN;
    }
    append(w, it);
    return WINDOW_TAKEN;
}

static bool keeper_knows(void *ctx, uint16_t id)
{
    struct world *w = ctx;
    size_t at;

    return w->log.known[id] || id_pending(w, id, &at);
}

static void keeper_store(void *ctx, enum mqtt_store what, const struct mqtt_text *texts, size_t n)
{
    struct item it = {.kind = what == MQTT_STORE_UNSURE ? UNSURE : what == MQTT_STORE_CLEAR ? CLEAR : FORGET, .n = n};

    if (n > 0)
        memcpy(it.texts, texts, n * sizeof(*texts));
    append(ctx, it);
}

static void keeper_mark_sure(void *ctx)
{
    struct world *w = ctx;

    append(w, (struct item){.kind = SURE, .n = w->asked_to_subscribe});
}

static int keeper_send(void *ctx, enum mqtt_kind kind, uint16_t id, uint8_t reason)
{
    struct world *w = ctx;

    assert_int_equal(reason, 0);
    push(&w->up, (struct packet){.kind = kind, .id = id});
    return 0;
}

static const struct mqtt_keeper KEEPER = {keeper_take, keeper_knows, keeper_store, keeper_mark_sure, keeper_send};

static void turn(struct world *w)
{
    mqtt_session_safe(&w->session, w->safe);
    mqtt_session_turn(&w->session);
    if (w->session.state == MQTT_ON && (w->session.fresh || !w->log.subscribed) && !w->asked_to_subscribe) {
        push(&w->up, (struct packet){.kind = MQTT_SUBSCRIBE});
        w->asked_to_subscribe = true;
    }
}

/* --- what may happen ----------------------------------------------------------------------------------------------- */

static void cut_off(struct world *w)
{
    w->connected = w->asked_to_subscribe = w->server.online = false;
    w->down.count = w->up.count = 0;
    mqtt_session_lost(&w->session);
    w->safe = 0;
    for (size_t i = 0; i < w->log.count; i++)
        w->log.items[i].number = 0;
}

static void crash(struct world *w)
{
    cut_off(w);
    w->log.count = 0;
    mqtt_session_release(&w->session);
    mqtt_session_init(&w->session, &KEEPER, w, MOST, w->log.sure);
    for (int id = 1; id <= IDS; id++)
        if (w->log.known[id] && w->log.texts[id].known)
            mqtt_session_knows(&w->session, &w->log.texts[id]);
}

/* No text is left behind by what is forgotten. */
static void sync_forget(struct log *l, const struct item *it)
{
    for (size_t i = 0; i < it->n; i++) {
        const struct mqtt_text *named = &it->texts[i];
        struct mqtt_text *t = &l->texts[named->id];

        assert_true(!t->known || (named->known && memcmp(t->sum, named->sum, sizeof(t->sum)) == 0));
        t->known = false;
        l->known[named->id] = false;
    }
}

static void sync_one(struct world *w)
{
    struct log *l = &w->log;
    struct item it = l->items[0];

    memmove(l->items, l->items + 1, --l->count * sizeof(it));
    switch (it.kind) {
    case RECORD:
        if (it.texts[0].known) {
            l->known[it.texts[0].id] = true;
            l->texts[it.texts[0].id] = it.texts[0];
        }
        l->stored[it.message]++;
        if (it.number > 0)
            w->safe = it.number;
        break;
    case UNSURE:
        l->sure = false;
        break;
    case CLEAR:
        memset(l->known, 0, sizeof(l->known));
        memset(l->texts, 0, sizeof(l->texts));
        break;
    case FORGET:
        sync_forget(l, &it);
        break;
    case SURE:
        l->sure = true;
        l->subscribed = it.n > 0 || (l->subscribed && !w->session.fresh);
        break;
    }
    if (it.kind == UNSURE || it.kind == CLEAR || it.kind == FORGET)
        mqtt_session_stored(&w->session, true);
}

static void deliver_down(struct world *w)
{
    struct packet next = w->down.p[0];
    char text[2] = {(char)('0' + next.message), 0};
    struct mqtt_packet p = {.kind = next.kind,
                            .id = next.id,
                            .dup = next.flag,
                            .session_present = next.flag,
                            .qos = 2,
                            .payload = slice_of(text, 1)};
    struct err e = {.msg = ""};

    if (next.kind == MQTT_SUBACK) {
        append(w, (struct item){.kind = SURE, .n = 1});
        w->session.fresh = false;
        (void)pop(&w->down);
        return;
    }
    switch (mqtt_session_take(&w->session, &p, false, &e)) {
    case MQTT_TOOK:
        (void)pop(&w->down);
        break;
    case MQTT_LATER:
        break;
    default:
        fail_msg("%s: %s", w->trace, e.msg);
    }
}

static void publish(struct world *w)
{
    int m = w->published++;

    if (!w->server.subscribed) {
        w->excused[m] = true; /* nobody asked for it */
        return;
    }
    w->server.waiting[w->server.waiting_count++] = m;
    if (w->server.online)
        server_sends(w);
}

static void lose_session(struct world *w)
{
    for (int m = 0; m < w->published; m++)
        w->excused[m] = true;
    w->lost_once = true;
    cut_off(w);
    server_forgets(&w->server);
}

/* It has its messages, and has forgotten which numbers they had; that one was taken it knows by PUBREC. */
static void number_anew(struct world *w)
{
    struct server *s = &w->server;
    int rest[MESSAGES];
    size_t n = 0;

    cut_off(w);
    for (uint16_t id = IDS; id >= 1; id--) { /* so that one that is sent again gets another number */
        if (s->flight[id].message >= 0 && !s->flight[id].released) {
            rest[n++] = s->flight[id].message;
            s->again[s->flight[id].message] = true;
        }
        s->flight[id] = (struct flight){.message = -1};
    }
    for (size_t i = 0; i < s->waiting_count; i++)
        rest[n++] = s->waiting[i];
    memcpy(s->waiting, rest, n * sizeof(*rest));
    s->waiting_count = n;
    w->numbered_anew = true;
}

static bool happens(struct world *w, int choice)
{
    size_t n = strlen(w->trace);

    switch (choice) {
    case 0:
        if (!w->connected || w->down.count == 0)
            return false;
        deliver_down(w);
        break;
    case 1:
        if (!w->connected || w->up.count == 0)
            return false;
        server_takes(w, pop(&w->up));
        break;
    case 2:
        if (w->log.count == 0)
            return false;
        sync_one(w);
        break;
    case 3:
        if (w->published == MESSAGES)
            return false;
        publish(w);
        break;
    case 4:
        crash(w);
        break;
    case 5:
        if (!w->connected)
            return false;
        cut_off(w);
        break;
    case 6:
        if (w->connected || w->session.storing != MQTT_STORE_NOTHING)
            return false;
        w->connected = true;
        mqtt_session_open(&w->session);
        break;
    case 7:
        if (w->lost_once)
            return false;
        lose_session(w);
        break;
    case 8: /* to keep the connection alive; not among all orders, which are many enough */
        if (w->session.state != MQTT_ON)
            return false;
        push(&w->up, (struct packet){.kind = MQTT_PINGREQ});
        break;
    default:
        number_anew(w);
        break;
    }
    turn(w);
    if (n + 1 < sizeof(w->trace))
        w->trace[n] = "DUSPCBOLKN"[choice];
    return true;
}

enum { CHOICES = 8 };

static void settle(struct world *w)
{
    for (int i = 0; i < 400; i++) {
        bool any = happens(w, 6);

        any |= happens(w, 2);
        any |= happens(w, 1);
        any |= happens(w, 0);
        if (!any)
            return;
    }
    fail_msg("%s: it never comes to rest", w->trace);
}

static void check(struct world *w)
{
    settle(w);
    while (w->published < MESSAGES) {
        publish(w);
        settle(w);
    }
    for (int m = 0; m < MESSAGES; m++)
        if ((w->log.stored[m] > 1 && !w->numbered_anew) || (w->log.stored[m] == 0 && !w->excused[m]))
            fail_msg("%s: message %d is there %d times", w->trace, m, w->log.stored[m]);
    for (int id = 1; id <= IDS; id++)
        assert_true(!w->log.known[id] || w->numbered_anew);
    assert_true(mqtt_session_is_idle(&w->session));
}

/* Begins where a session was used for a while: the server's has a subscription. */
static void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    server_forgets(&w->server);
    mqtt_session_init(&w->session, &KEEPER, w, MOST, false);
    settle(w);
    assert_true(w->server.subscribed && w->log.sure && w->log.subscribed);
    w->trace[0] = '\0';
}

/* All lists of choices that go on from here, by taking each in turn and beginning anew. */
static unsigned long all_orders(int depth)
{
    static int choices[32];
    unsigned long runs = 0;
    int at;

    memset(choices, 0, sizeof(choices));
    for (;;) {
        struct world w;
        bool possible = true;

        world_init(&w);
        for (at = 0; at < depth; at++)
            if (!happens(&w, choices[at])) {
                possible = false;
                break;
            }
        if (possible) {
            check(&w);
            runs++;
            at = depth - 1;
        }
        mqtt_session_release(&w.session);
        for (int i = at + 1; i < depth; i++)
            choices[i] = 0;
        while (at >= 0 && ++choices[at] == CHOICES)
            choices[at--] = 0;
        if (at < 0)
            return runs;
    }
}

static void each_message_is_there_once_in_all_orders(void **state)
{
    (void)state;
    for (int depth = 1; depth <= 7; depth++)
        assert_true(all_orders(depth) > 0);
}

static void and_in_many_long_ones(void **state)
{
    unsigned seed = 12345;

    (void)state;
    for (int run = 0; run < 30000; run++) {
        struct world w;

        world_init(&w);
        for (int i = 0; i < 60; i++) {
            int choice;

            seed = seed * 1103515245U + 12345U;
            choice = (int)(seed >> 16) % 68;
            /* What ends things is rare, so that they get somewhere. */
            (void)happens(&w, choice < 56   ? choice % 4
                              : choice < 58 ? 4
                              : choice < 60 ? 5
                              : choice < 63 ? 6
                              : choice < 64 ? 7
                                            : 8);
        }
        check(&w);
        mqtt_session_release(&w.session);
    }
}

static void a_server_that_numbers_anew_loses_nothing(void **state)
{
    unsigned seed = 54321;

    (void)state;
    for (int run = 0; run < 10000; run++) {
        struct world w;

        world_init(&w);
        for (int i = 0; i < 60; i++) {
            int choice;

            seed = seed * 1103515245U + 12345U;
            choice = (int)(seed >> 16) % 68;
            (void)happens(&w, choice < 56   ? choice % 4
                              : choice < 59 ? 4
                              : choice < 60 ? 5
                              : choice < 63 ? 6
                              : choice < 65 ? 8
                                            : 9);
        }
        check(&w);
        mqtt_session_release(&w.session);
    }
}

/* --- the rest ------------------------------------------------------------------------------------------------------ */

static void acknowledgements_keep_the_order_of_the_messages(void **state)
{
    struct mqtt_packet p = {.kind = MQTT_PUBLISH, .payload = SLICE("0")};
    struct world w;
    struct err e;

    (void)state;
    world_init(&w);
    p.qos = 2;
    p.id = 1;
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_TOOK);
    p.qos = 1;
    p.id = 2;
    assert_int_equal(mqtt_session_take(&w.session, &p, true, &e),
                     MQTT_TOOK); /* too large; but its turn is behind the first */
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_LATER); /* two are in hand */
    turn(&w);
    assert_int_equal(w.up.count, 0);
    w.session.acks[1].reason = 0; /* the keeper here knows no reasons */
    sync_one(&w);
    turn(&w);
    assert_int_equal(w.up.count, 2);
    assert_int_equal(w.up.p[0].kind, MQTT_PUBREC);
    assert_int_equal(w.up.p[1].kind, MQTT_PUBACK);
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_TOOK);
    mqtt_session_release(&w.session);
}

static void an_identifier_that_is_used_anew_is_of_a_new_message(void **state)
{
    struct mqtt_packet p = {.kind = MQTT_PUBLISH, .id = 1, .qos = 2, .payload = SLICE("0")};
    const struct mqtt_packet pong = {.kind = MQTT_PINGRESP};
    struct world w;
    struct err e;

    (void)state;
    world_init(&w);
    w.log.known[1] = true;
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_TOOK); /* it comes again, and is not marked */
    turn(&w);
    assert_int_equal(mqtt_session_take(&w.session, &pong, false, &e), MQTT_TOOK);
    p.dup = true;
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_TOOK);
    turn(&w);
    assert_int_equal(w.log.count, 0);
    assert_int_equal(w.up.count, 2);

    p.dup = false;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_LATER);
        turn(&w);
        assert_int_equal(w.log.count, 1); /* it is forgotten, once */
    }
    sync_one(&w);
    assert_false(w.log.known[1]);
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_TOOK);
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_TOOK); /* in hand: the same */
    assert_int_equal(w.log.count, 1);
    sync_one(&w);
    turn(&w);
    assert_int_equal(w.log.stored[0], 1);
    assert_int_equal(w.up.count, 4);

    /* Over another connection what comes first is what comes again. */
    cut_off(&w);
    mqtt_session_open(&w.session);
    assert_false(w.session.answered);
    mqtt_session_release(&w.session);
}

static enum mqtt_took take(struct world *w, uint16_t id, const char *topic, const char *payload)
{
    struct mqtt_packet p = {.kind = MQTT_PUBLISH,
                            .id = id,
                            .qos = 2,
                            .dup = true,
                            .topic = slice_str(topic),
                            .payload = slice_str(payload)};
    struct err e;
    enum mqtt_took took = mqtt_session_take(&w->session, &p, false, &e);

    turn(w);
    return took;
}

static void sync_all(struct world *w)
{
    while (w->log.count > 0)
        sync_one(w);
    turn(w);
}

static void connect_again(struct world *w)
{
    const struct mqtt_packet connack = {.kind = MQTT_CONNACK, .session_present = true};
    struct err e;

    w->connected = true;
    mqtt_session_open(&w->session);
    sync_all(w);
    assert_int_equal(w->session.state, MQTT_CONNECTING);
    assert_int_equal(mqtt_session_take(&w->session, &connack, false, &e), MQTT_TOOK);
    sync_all(w);
}

/* A server that was restarted: it has its messages, and not the identifiers that they had. We have heard of it, or were killed in between. */
static void a_text_that_comes_with_the_identifier_of_another_is_a_message_of_its_own(void **state)
{
    (void)state;
    for (int killed = 0; killed < 2; killed++) {
        struct world w;

        world_init(&w);
        assert_int_equal(take(&w, 1, "t", "0"), MQTT_TOOK);
        assert_int_equal(take(&w, 2, "t", "0"), MQTT_TOOK); /* the same text, and another message */
        sync_all(&w);
        assert_int_equal(w.log.stored[0], 2);
        if (killed)
            crash(&w);
        else
            cut_off(&w);
        connect_again(&w);

        assert_int_equal(take(&w, 1, "t", "0"), MQTT_TOOK); /* the same again */
        sync_all(&w);
        assert_int_equal(w.log.stored[0], 2);
        assert_int_equal(take(&w, 2, "t", "1"), MQTT_LATER); /* known as another */
        sync_all(&w);
        assert_false(w.log.known[2]);
        assert_int_equal(take(&w, 2, "t", "1"), MQTT_TOOK);
        sync_all(&w);
        assert_int_equal(w.log.stored[1], 1);
        assert_int_equal(take(&w, 1, "u", "0"), MQTT_LATER); /* the text is what is sent to a topic */
        sync_all(&w);
        assert_int_equal(take(&w, 1, "u", "0"), MQTT_TOOK);
        sync_all(&w);
        assert_int_equal(w.log.stored[0], 3);
        assert_int_equal(w.session.text_count, 2);
        mqtt_session_release(&w.session);
    }
}

/* As versions before texts were kept have stored it. */
static void an_identifier_without_a_text_is_known_by_its_marks(void **state)
{
    const struct mqtt_packet release = {.kind = MQTT_PUBREL, .id = 1};
    struct world w;
    struct err e;

    (void)state;
    world_init(&w);
    w.log.known[1] = true;
    crash(&w);
    assert_int_equal(w.session.text_count, 0);
    connect_again(&w);
    assert_int_equal(take(&w, 1, "t", "0"), MQTT_TOOK);
    sync_all(&w);
    assert_int_equal(w.log.stored[0], 0);
    assert_int_equal(mqtt_session_take(&w.session, &release, false, &e), MQTT_TOOK);
    turn(&w);
    sync_all(&w);
    assert_false(w.log.known[1]);
    assert_int_equal(w.session.text_count, 0);
    assert_int_equal(take(&w, 1, "t", "0"), MQTT_TOOK);
    sync_all(&w);
    assert_int_equal(w.log.stored[0], 1);
    assert_true(w.log.texts[1].known);
    mqtt_session_release(&w.session);
}

static void what_breaks_the_protocol_is_said(void **state)
{
    struct mqtt_packet p = {.kind = MQTT_PUBLISH, .id = 1, .qos = 2, .payload = SLICE("0")};
    struct world w;
    struct err e;

    (void)state;
    world_init(&w);
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_TOOK);
    p.kind = MQTT_PUBREL;
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_BREAKING);
    assert_non_null(strstr(e.msg, "PUBREL before PUBREC"));
    p.kind = MQTT_CONNACK;
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_BREAKING);
    assert_non_null(strstr(e.msg, "a second time"));
    cut_off(&w);
    while (w.log.count > 0)
        sync_one(&w);
    mqtt_session_open(&w.session);
    p.kind = MQTT_PUBLISH;
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_BREAKING);
    assert_non_null(strstr(e.msg, "speaks first"));
    sync_one(&w);
    turn(&w);
    assert_int_equal(w.session.state, MQTT_CONNECTING);
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_BREAKING);
    assert_non_null(strstr(e.msg, "before CONNACK"));
    p.kind = MQTT_CONNACK;
    p.reason = 0x87;
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_REFUSED);
    assert_true(w.session.trusted); /* no session came of it */
    mqtt_session_release(&w.session);
}

static void what_cannot_be_stored_gives_the_connection_up(void **state)
{
    struct mqtt_packet p = {.kind = MQTT_PUBREL, .id = 1};
    struct world w;
    struct err e;

    (void)state;
    world_init(&w);
    w.log.known[1] = true;
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_TOOK);
    turn(&w);
    assert_int_equal(w.session.storing, MQTT_STORE_FORGET);
    mqtt_session_stored(&w.session, false);
    assert_true(w.session.failed);
    turn(&w);
    assert_int_equal(w.up.count, 0);
    assert_int_equal(mqtt_session_take(&w.session, &p, false, &e), MQTT_LATER);
    mqtt_session_lost(&w.session);
    assert_false(w.session.failed);
    mqtt_session_release(&w.session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_is_there_once_in_all_orders),
        cmocka_unit_test(and_in_many_long_ones),
        cmocka_unit_test(a_server_that_numbers_anew_loses_nothing),
        cmocka_unit_test(acknowledgements_keep_the_order_of_the_messages),
        cmocka_unit_test(an_identifier_that_is_used_anew_is_of_a_new_message),
        cmocka_unit_test(a_text_that_comes_with_the_identifier_of_another_is_a_message_of_its_own),
        cmocka_unit_test(an_identifier_without_a_text_is_known_by_its_marks),
        cmocka_unit_test(what_breaks_the_protocol_is_said),
        cmocka_unit_test(what_cannot_be_stored_gives_the_connection_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
