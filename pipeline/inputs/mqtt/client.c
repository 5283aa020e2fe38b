/* A turn: what has become safe is acknowledged, what the server sent is taken, what is due is sent. Whatever is wrong ends the connection, by
 * one of the functions at the beginning. */
#include "pipeline/inputs/mqtt/impl.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/mqtt/words.h"

#include <stdio.h>

#define MALFORMED_PACKET 0x81
#define PROTOCOL_ERROR   0x82

/* --- the connection ends ------------------------------------------------------------------------------------------- */

static void hang_up(struct input *in)
{
    socket_close(&in->socket);
    mqtt_session_lost(&in->session);
    window_reset(&in->window);
    in->waits = in->begun = false;
    in->skip = 0;
    in->answer_by = NSEC_NEVER;
}

/* As far as that goes without waiting; to a server that was greeted. */
static void say_goodbye(struct input *in, uint8_t reason, nsec now)
{
    struct err e;

    if (in->socket.state == SOCKET_OPEN && in->session.state > MQTT_MARKING &&
        mqtt_write_disconnect(&in->socket.out, in->version, reason) == 0 && socket_turn(&in->socket, now, &e) < 0)
        return; /* it is gone already */
}

/* A server that does not speak the version mostly says nothing, and closes the connection. True: the other one is tried. */
static bool try_other_version(struct input *in, nsec now)
{
    if (in->conf->version != MQTT_VERSION_AUTO || in->version_works)
        return false;
    in->version = in->version == MQTT_5 ? MQTT_3 : MQTT_5;
    if (in->version == MQTT_5)
        return false; /* neither: that is told, and waited with */
    log_info("the server does not answer as MQTT 5 has it: MQTT 3.1.1 is tried", KS("stream", in->env.stream),
             KS("input", mqtt_label(in)), KS("server", in->source));
    in->connection.again = now;
    return true;
}

static void fail(struct input *in, const struct connection_trouble *t, nsec now)
{
    bool connecting = in->session.state == MQTT_CONNECTING;

    hang_up(in);
    if (connecting && try_other_version(in, now))
        return;
    /* A server that cannot be reached now, or is gone again, was about to end when it closed the connection: that says nothing of versions. */
    if (in->conf->version == MQTT_VERSION_AUTO && !in->version_works)
        in->version = MQTT_5;
    connection_failed(&in->connection, t, now);
}

static void fail_words(struct input *in, const char *doing, struct mqtt_words w, struct slice said, nsec now)
{
    char text[128];

    snprintf(text, sizeof(text), "%.*s", (int)said.n, said.n ? said.p : "");
    fail(in,
         &(struct connection_trouble){.doing = doing, .cause = w.cause, .said = said.n ? text : NULL, .hint = w.hint},
         now);
}

static void fail_protocol(struct input *in, uint8_t reason, const struct err *e, nsec now)
{
    say_goodbye(in, reason, now);
    fail(in,
         &(struct connection_trouble){
             .doing = "read", .cause = e->msg, .hint = "is it an MQTT server that listens there? Its log tells more"},
         now);
}

/* The disk refuses: the server sends again what is not safe, over a new connection. pushback.h tells why. */
static void give_up(struct input *in, nsec now)
{
    say_goodbye(in, 0, now);
    hang_up(in);
    if (in->connection.again < now + NSEC_PER_SEC)
        in->connection.again = now + NSEC_PER_SEC;
}

static struct slice reason_string(const struct mqtt_packet *p)
{
    struct mqtt_property said;

    return mqtt_property_find(p->properties, MQTT_REASON_STRING, &said) ? said.value : slice_of(NULL, 0);
}

/* --- what the server says ------------------------------------------------------------------------------------------ */

static void connected(struct input *in, const struct mqtt_packet *p, nsec now)
{
    struct mqtt_property prop;

    in->version_works = true;
    in->keep_alive = in->conf->keep_alive;
    if (mqtt_property_find(p->properties, MQTT_SERVER_KEEP_ALIVE, &prop))
        in->keep_alive = prop.number ? (nsec)prop.number * NSEC_PER_SEC : NSEC_NEVER / 4;
    if (mqtt_property_find(p->properties, MQTT_SESSION_EXPIRY, &prop) &&
        (nsec)prop.number * NSEC_PER_SEC < in->conf->session_expiry)
        log_warn("the server keeps the session for less long than session_expiry says", KS("stream", in->env.stream),
                 KS("input", mqtt_label(in)), KS("server", in->source), KU("seconds", prop.number),
                 KS("hint", "messages that come while sluice is away for longer are lost; ask who runs the server"));
    in->answer_by = NSEC_NEVER;
    in->ping_at = now + in->keep_alive / 2;
    connection_works(&in->connection, now);
}

static void refused(struct input *in, const struct mqtt_packet *p, nsec now)
{
    bool unknown = p->reason == 0x01 || p->reason == 0x84; /* the version */
    enum mqtt_version v = in->version;

    if (!unknown)
        in->version_works = true; /* it has understood what was said */
    else
        in->session.state = MQTT_CONNECTING; /* as who closes the connection without a word */
    fail_words(in, "connect", mqtt_words_of(v, p->reason), reason_string(p), now);
}

static void subscribed(struct input *in, const struct mqtt_packet *p, nsec now)
{
    uint8_t reason = 0;
    struct mqtt_topic *t = mqtt_topics_take(&in->topics, p, &reason, now);
    struct mqtt_words w = mqtt_words_of(MQTT_5, reason); /* 3.1.1 has one code for all */

    if (!t)
        return;
    if (reason < 0x80)
        mqtt_keeper_mark(in, true);
    if (reason < 0x80 && reason >= in->topics.qos)
        t->shown = false;
    else if (!t->shown && reason < 0x80)
        log_warn("the server grants a lower QoS than was asked for", KS("stream", in->env.stream),
                 KS("input", mqtt_label(in)), KS("server", in->source), KS("topic", t->filter), KU("qos", reason),
                 KS("hint", "with QoS 1 a message may be doubled when a connection breaks, with 0 one may be lost"));
    else if (reason >= 0x80 && !t->shown)
        log_error("the server refuses a subscription, which is asked for again", KS("stream", in->env.stream),
                  KS("input", mqtt_label(in)), KS("server", in->source), KS("topic", t->filter), KS("cause", w.cause),
                  KB("said", reason_string(p)),
                  KS("hint", reason == 0x80 ? "look at the server's access rules" : w.hint));
    if (reason >= 0x80)
        input_health_error(in->env.health, "the server refuses a subscription", w.hint, now);
    t->shown = reason >= 0x80 || reason < in->topics.qos;
}

/* False: the packet is to be offered again, or the connection is over. */
static bool take_packet(struct input *in, const struct mqtt_packet *p, bool large, nsec now)
{
    struct err e;

    switch (mqtt_session_take(&in->session, p, large, &e)) {
    case MQTT_TOOK:
        break;
    case MQTT_LATER:
        in->waits = true;
        return false;
    case MQTT_REFUSED:
        refused(in, p, now);
        return false;
    case MQTT_BREAKING:
        fail_protocol(in, PROTOCOL_ERROR, &e, now);
        return false;
    }
    if (p->kind == MQTT_CONNACK)
        connected(in, p, now);
    else if (p->kind == MQTT_SUBACK && in->begun)
        subscribed(in, p, now);
    else if (p->kind == MQTT_UNSUBACK && in->begun && mqtt_topics_gave_up(&in->topics, p))
        mqtt_keeper_mark(in, true);
    if (p->kind == MQTT_DISCONNECT) {
        fail_words(in, "session", mqtt_words_of(in->version, p->reason), reason_string(p), now);
        return false;
    }
    return true;
}

/* How much of what is in the socket's buffer is used; in->waits says whether there is a packet that is not. */
static size_t take_packets(struct input *in, nsec now)
{
    struct mqtt_packet p;
    struct err e;
    size_t at = 0, need;

    in->waits = false;
    in->socket.need = 0;
    while (in->socket.state == SOCKET_OPEN && at < in->socket.in.n) {
        struct slice rest = slice_from(buf_slice(&in->socket.in), at);
        size_t skipped = in->skip < rest.n ? in->skip : rest.n;
        enum mqtt_read what;

        if (skipped > 0) {
            in->skip -= skipped;
            at += skipped;
            continue;
        }
        what = mqtt_packet_read(rest, in->version, MQTT_PACKET_MAX, &p, &need, &e);
        if (what == MQTT_PARTIAL) {
            in->socket.need = need;
            break;
        }
        if (what == MQTT_MALFORMED) {
            fail_protocol(in, MALFORMED_PACKET, &e, now);
            break;
        }
        if (!take_packet(in, &p, what == MQTT_LARGE, now))
            break;
        if (what == MQTT_LARGE) {
            mqtt_keeper_refuse(in, p.size);
            in->skip = p.size;
        } else {
            at += p.size;
        }
    }
    return in->socket.state == SOCKET_OPEN ? at : 0;
}

/* --- turns --------------------------------------------------------------------------------------------------------- */

/* Bytes that come are a sign of life; a server that is not listened to cannot give one. */
static void keep_alive(struct input *in, bool heard, nsec now)
{
    bool asked = in->answer_by != NSEC_NEVER;

    if (asked && in->waits)
        in->answer_by = now + MQTT_CONNECT_TIMEOUT;
    else if (heard && in->session.state >= MQTT_CLEARING)
        in->answer_by = NSEC_NEVER;
    if (asked && now >= in->answer_by) {
        fail(in,
             &(struct connection_trouble){.doing = in->session.state == MQTT_CONNECTING ? "connect" : "ping",
                                          .cause = "the server does not answer",
                                          .hint = "is the server up, and does it speak MQTT at this port?"},
             now);
        return;
    }
    if (in->session.state != MQTT_ON || now < in->ping_at)
        return;
    if (mqtt_write_ping(&in->socket.out) < 0)
        return;
    in->ping_at = now + in->keep_alive / 2;
    if (in->answer_by == NSEC_NEVER)
        in->answer_by = now + MQTT_CONNECT_TIMEOUT;
}

static void subscribe(struct input *in, nsec now)
{
    if (in->session.state != MQTT_ON)
        return;
    if (!in->begun) {
        mqtt_topics_begin(&in->topics, in->session.fresh);
        in->session.fresh = false;
        in->begun = true;
    }
    if (mqtt_topics_turn(&in->topics, in->version, &in->socket.out, now))
        mqtt_keeper_mark(in, true);
}

static void talk(struct input *in, nsec now)
{
    size_t before = in->socket.in.n, used;
    struct err e;
    bool heard;

    if (socket_turn(&in->socket, now, &e) < 0) {
        fail(in,
             &(struct connection_trouble){.doing = in->session.state == MQTT_ON ? "read" : "connect",
                                          .cause = e.msg,
                                          .hint = socket_hint(&in->socket)},
             now);
        return;
    }
    if (in->socket.state != SOCKET_OPEN)
        return;
    heard = in->socket.in.n > before;
    if (in->session.state == MQTT_NONE)
        mqtt_session_open(&in->session);
    used = take_packets(in, now);
    if (in->socket.state != SOCKET_OPEN)
        return;
    socket_took(&in->socket, used);
    in->socket.hold = in->waits;
    subscribe(in, now);
    mqtt_session_turn(&in->session);
    keep_alive(in, heard, now);
}

static void look(struct input *in, nsec now)
{
    struct window_news news = window_look(&in->window, now);

    mqtt_keeper_look(in);
    if (news.safe)
        mqtt_session_safe(&in->session, news.upto);
    if (news.refused || in->session.failed)
        give_up(in, now);
}

static void begin(struct input *in, nsec now)
{
    struct err e;

    if (in->session.storing != MQTT_STORE_NOTHING || !connection_is_due(&in->connection, now))
        return;
    if (socket_begin(&in->socket, now, &e) < 0)
        fail(in, &(struct connection_trouble){.doing = "connect", .cause = e.msg, .hint = socket_hint(&in->socket)},
             now);
}

void mqtt_client_turn(struct input *in, nsec now)
{
    look(in, now);
    if (in->socket.state == SOCKET_CLOSED)
        begin(in, now);
    if (in->socket.state != SOCKET_CLOSED)
        talk(in, now);
    window_flush(&in->window, now);
}

nsec mqtt_client_next(const struct input *in, nsec now)
{
    nsec next = now + NSEC_PER_SEC;

    if (in->socket.state == SOCKET_CLOSED)
        return in->session.storing != MQTT_STORE_NOTHING ? next : nsec_earlier(next, in->connection.again);
    if (in->waits || in->window.open)
        next = nsec_earlier(next, now + MQTT_ROOM_AGAIN);
    if (in->session.state == MQTT_ON)
        next = nsec_earlier(next, nsec_earlier(in->ping_at, mqtt_topics_next(&in->topics)));
    return nsec_earlier(next, in->answer_by);
}

/* Of QoS 0 nothing is owed to the server, but it is in hand all the same. */
static bool has_all_safe(const struct input *in)
{
    return mqtt_session_is_idle(&in->session) && window_is_idle(&in->window);
}

void mqtt_client_leave(struct input *in)
{
    nsec now = clock_mono(), until = now + MQTT_LEAVE_TIME;
    struct err e;

    in->socket.hold = true;
    for (; in->session.state == MQTT_ON && !has_all_safe(in) && now < until; now = clock_mono()) {
        look(in, now);
        mqtt_session_turn(&in->session);
        window_flush(&in->window, now);
        if (in->socket.state != SOCKET_OPEN || socket_turn(&in->socket, now, &e) < 0)
            break;
        socket_wait(&in->socket, nsec_earlier(until, now + MQTT_ROOM_AGAIN), true);
    }
    mqtt_session_turn(&in->session);
    say_goodbye(in, 0, now);
    while (in->socket.state == SOCKET_OPEN && !socket_is_written(&in->socket) && now < until) {
        socket_wait(&in->socket, until, true);
        now = clock_mono();
        if (socket_turn(&in->socket, now, &e) < 0)
            break;
    }
    hang_up(in);
}
