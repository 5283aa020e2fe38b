/* Proton keeps the protocol; what is decided here is when a delivery is taken, answered and given back, how much credit there is, and what is
 * wrong in words.
 *
 * Proton tells by events what the server has said; deliveries are looked for by themselves, behind each piece of bytes: the current one is received
 * as it comes, and the session has a message when it is whole. What the server sends meanwhile waits in Proton, bounded by the credit and by the
 * window of the AMQP session (AMQP10_INCOMING_BYTES). */
#include "pipeline/inputs/amqp10/session.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/event.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/terminus.h>
#include <proton/transport.h>
#include <stdio.h>
#include <string.h>

void amqp10_session_init(struct amqp10_session *s, const struct amqp10_session_conf *conf)
{
    *s = (struct amqp10_session){.conf = *conf, .answer_by = NSEC_NEVER, .tick_at = NSEC_NEVER};
    if (s->conf.message_max == 0)
        s->conf.message_max = RECORD_MAX_BYTES + AMQP10_BESIDE_RECORD;
    buf_init(&s->bytes, s->conf.message_max);
    amqp10_work_init(&s->work);
    s->held_room = (size_t)conf->credit + 1;
    s->held = mem_array(s->held_room, sizeof(pn_delivery_t *));
}

static void forget_driver(struct amqp10_session *s)
{
    if (s->has_driver)
        pn_connection_driver_destroy(&s->driver);
    s->has_driver = false;
    s->session = NULL;
    s->link = NULL;
    s->current = NULL;
    s->held_first = s->held_count = 0;
    buf_clear(&s->bytes);
    buf_trim(&s->bytes, AMQP10_BYTES_KEEP);
    s->size = 0;
}

void amqp10_session_release(struct amqp10_session *s)
{
    forget_driver(s);
    buf_release(&s->bytes);
    amqp10_work_release(&s->work);
    MEM_CLEAR(s->held);
}

static bool is_over(const struct amqp10_session *s)
{
    return s->state == AMQP10_IDLE || s->state == AMQP10_LEFT || s->state == AMQP10_FAILED;
}

/* --- what is wrong ----------------------------------------------------------------------------------------------------- */

static int fail(struct amqp10_session *s, const char *hint)
{
    s->state = AMQP10_FAILED;
    s->hint = hint;
    forget_driver(s);
    return -1;
}

static const char *hint_for(const char *name, const char *text)
{
    static const struct {
        const char *word, *hint;
    } hints[] = {
        {"amqp:not-found", "make the queue or topic, or look at `address`"},
        {"amqp:unauthorized-access", "look at `user` and `password`, and at what this user may read"},
        {"amqp:resource-locked", "another receiver has this queue or subscription for itself"},
        {"amqp:link:stolen", "another program uses this `container_id` and `subscription`: each has its own"},
        {"amqp:connection:forced", "the server ends the connection by itself: its log says why"},
        {"amqp:connection:framing-error", "look at `url`: is it an AMQP 1.0 port, with or without TLS as it wants it?"},
        {"amqp:link:message-size-exceeded", "a message in the queue is larger than a record may be: take it out"},
        {"is not configured for", "look at `node`: the address is of the other kind, a topic or a queue"},
        {"idle-timeout", "look at the server, and at the network to it"},
        {"elector", "look at `selector`"},
        {"amqp:invalid-field", "look at `container_id`: it may be used by one connection at a time"},
        {"amqp:not-allowed", "look at what this user may read, and at `node` and `subscription`"},
        {"amqp:not-implemented", "the server does not know what `selector`, `subscription` or `shared` asks for"},
    };

    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (strstr(name, hints[i].word) || strstr(text, hints[i].word))
            return hints[i].hint;
    return "the server's own log says more";
}

static int fail_by(struct amqp10_session *s, pn_condition_t *c, const char *what, struct err *e)
{
    const char *name = c && pn_condition_is_set(c) ? pn_condition_get_name(c) : NULL;
    const char *text = name ? pn_condition_get_description(c) : NULL;
    char shown[AMQP10_SAID_MAX];
    const char *hint;

    snprintf(shown, sizeof(shown), "%s", text ? text : "");
    for (char *p = shown; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    if (name)
        (void)err_set(e, ERR_REMOTE, "%s: %.100s%s%s", what, name, *shown ? ": " : "", shown);
    else
        (void)err_set(e, ERR_REMOTE, "%s, and gives no reason", what);
    hint = hint_for(name ? name : "", shown);
    return fail(s, hint);
}

/* --- the beginning ---------------------------------------------------------------------------------------------------- */

static void begin(void *session, nsec now)
{
    struct amqp10_session *s = session;
    const struct amqp10_session_conf *c = &s->conf;

    forget_driver(s);
    s->leaving = s->topic = false;
    s->safe_upto = s->left = 0;
    s->hint = NULL;
    s->why.code = ERR_NONE;
    if (pn_connection_driver_init(&s->driver, NULL, NULL) != 0)
        mem_exhausted();
    s->has_driver = true;
    amqp10_introduce(c, &s->driver);
    pn_connection_driver_bind(&s->driver);
    pn_connection_open(s->driver.connection);
    s->link = amqp10_attach(c, s->driver.connection);
    s->session = pn_link_session(s->link);
    s->state = AMQP10_OPENING;
    s->answer_by = now + AMQP10_ANSWER_WAIT;
    s->tick_at = now;
}

/* One that is refused is attached without a source, and detached. */
static void attached(struct amqp10_session *s)
{
    pn_terminus_t *source = pn_link_remote_source(s->link);

    if (s->state != AMQP10_OPENING || pn_terminus_get_type(source) != PN_SOURCE)
        return;
    s->state = AMQP10_OPEN;
    s->answer_by = NSEC_NEVER;
    s->topic = amqp10_is_chance_topic(&s->conf, s->link);
}

/* --- what the server says ---------------------------------------------------------------------------------------------- */

static int handle(struct amqp10_session *s, pn_event_t *event, struct err *e)
{
    switch (pn_event_type(event)) {
    case PN_LINK_REMOTE_OPEN:
        attached(s);
        return 0;
    case PN_LINK_REMOTE_CLOSE:
    case PN_LINK_REMOTE_DETACH:
        return s->state == AMQP10_LEAVING
                   ? 0
                   : fail_by(s, pn_link_remote_condition(s->link),
                             s->state == AMQP10_OPENING ? "the server refuses the address"
                                                        : "the server has taken the subscription away",
                             e);
    case PN_SESSION_REMOTE_CLOSE:
        return s->state == AMQP10_LEAVING
                   ? 0
                   : fail_by(s, pn_session_remote_condition(s->session), "the server ends the session", e);
    case PN_CONNECTION_REMOTE_CLOSE:
        if (s->state != AMQP10_LEAVING)
            return fail_by(s, pn_connection_remote_condition(s->driver.connection), "the server ends the connection",
                           e);
        s->state = AMQP10_LEFT;
        return 0;
    case PN_TRANSPORT_ERROR:
        if (s->state == AMQP10_LEAVING) { /* all is answered: how it ends is the same */
            s->state = AMQP10_LEFT;
            return 0;
        }
        return fail_by(s, pn_transport_condition(s->driver.transport), "the connection is of no more use", e);
    default:
        return 0;
    }
}

static int handle_all(struct amqp10_session *s, struct err *e)
{
    pn_event_t *event;

    while (s->has_driver && (event = pn_connection_driver_next_event(&s->driver)))
        if (handle(s, event, e) < 0)
            return -1;
    return 0;
}

/* --- deliveries -------------------------------------------------------------------------------------------------------- */

static void answer(pn_delivery_t *d, uint64_t state)
{
    pn_delivery_update(d, state);
    pn_delivery_settle(d);
}

static void message_over(struct amqp10_session *s)
{
    s->current = NULL;
    s->size = 0;
    buf_clear(&s->bytes);
    buf_trim(&s->bytes, AMQP10_BYTES_KEEP);
}

static void understand(struct amqp10_session *s)
{
    struct amqp10_message m = {.data = SLICE("")};
    enum amqp10_read got = AMQP10_TOO_LARGE;

    if (s->size <= s->conf.message_max)
        got = amqp10_message_read(&m, s->bytes.p, s->bytes.n, &s->work);
    s->message =
        (struct broker_message){.data = m.data,
                                .facts = m.facts,
                                .id = m.id,
                                .size = s->size,
                                .too_large = got == AMQP10_TOO_LARGE,
                                .unreadable = got == AMQP10_MALFORMED,
                                .why = "no record can be made of a message: its bytes are no sections of AMQP 1.0",
                                .again = m.again,
                                .facts_cut = m.facts_cut};
}

/* What has come of the current one. -1: no memory. */
static int receive(struct amqp10_session *s, struct err *e)
{
    char chunk[AMQP10_CHUNK_BYTES];
    ssize_t n;

    while ((n = pn_link_recv(s->link, chunk, sizeof(chunk))) > 0) {
        s->size += (uint64_t)n;
        if (s->size > s->conf.message_max)
            buf_release(&s->bytes); /* the rest is passed over */
        else if (buf_add(&s->bytes, chunk, (size_t)n) < 0)
            return err_set(e, ERR_NOMEM, "no memory for a message of %llu bytes", (unsigned long long)s->size);
    }
    return 0;
}

/* A server that keeps to its credit never comes here: `held` has a place for each message that it may send. */
static int sent_too_many(struct amqp10_session *s, struct err *e)
{
    (void)err_set(e, ERR_REMOTE, "the server sends more messages than it was given credit for");
    return fail(s, "look at the server, or at what stands between: it breaks the rules of AMQP 1.0");
}

/* Looks for the next message that is whole. */
static int advance(struct amqp10_session *s, struct err *e)
{
    pn_delivery_t *d;

    while (s->has_driver && s->link && !s->current && (d = pn_link_current(s->link)) && pn_delivery_readable(d)) {
        if (pn_delivery_aborted(d)) {
            pn_delivery_settle(d);
            message_over(s);
            continue;
        }
        if (receive(s, e) < 0)
            return fail(s, "this machine is short of memory");
        if (pn_delivery_partial(d))
            return 0;
        pn_link_advance(s->link);
        if (s->leaving) {
            answer(d, PN_RELEASED);
            message_over(s);
            continue;
        }
        if (s->held_count + s->left >= s->conf.credit)
            return sent_too_many(s, e);
        s->current = d;
        understand(s);
    }
    return 0;
}

/* It has failed where nobody could be told. */
static bool has_failed(const struct amqp10_session *s, struct err *e)
{
    if (s->state != AMQP10_FAILED || s->why.code == ERR_NONE)
        return false;
    *e = s->why;
    return true;
}

static int take(void *session, struct slice *bytes, nsec now, struct err *e)
{
    struct amqp10_session *s = session;

    (void)now;
    if (has_failed(s, e))
        return -1;
    while (!is_over(s) && bytes->n > 0) {
        pn_rwbytes_t room = pn_connection_driver_read_buffer(&s->driver);
        size_t n = room.size < bytes->n ? room.size : bytes->n;

        if (n == 0) { /* it reads no more: an error, or its end, is among the events */
            *bytes = slice_from(*bytes, bytes->n);
            break;
        }
        memcpy(room.start, bytes->p, n);
        *bytes = slice_from(*bytes, n);
        pn_connection_driver_read_done(&s->driver, n);
        if (handle_all(s, e) < 0 || advance(s, e) < 0)
            return -1;
    }
    if (is_over(s))
        *bytes = slice_from(*bytes, bytes->n); /* nobody reads what comes behind the end */
    return handle_all(s, e);
}

static const struct broker_message *message(void *session)
{
    struct amqp10_session *s = session;

    if (!s->current && !is_over(s) && advance(s, &s->why) < 0)
        return NULL;
    return s->current ? &s->message : NULL;
}

static void keep(void *session, uint64_t number)
{
    struct amqp10_session *s = session;

    assert(s->held_count < s->held_room);
    if (s->held_count == 0)
        s->held_number = number;
    s->held[(s->held_first + s->held_count) % s->held_room] = s->current;
    s->held_count++;
    message_over(s);
}

static void refuse(void *session)
{
    struct amqp10_session *s = session;

    if (s->conf.leave_too_large)
        s->left++;
    else
        answer(s->current, PN_REJECTED);
    message_over(s);
}

static void pass(void *session)
{
    struct amqp10_session *s = session;

    answer(s->current, PN_RELEASED);
    message_over(s);
}

static void safe(void *session, uint64_t upto)
{
    struct amqp10_session *s = session;

    s->safe_upto = upto;
}

static void accept_safe(struct amqp10_session *s)
{
    while (s->held_count > 0 && s->held_number <= s->safe_upto) {
        answer(s->held[s->held_first], PN_ACCEPTED);
        s->held_first = (s->held_first + 1) % s->held_room;
        s->held_number++;
        s->held_count--;
    }
}

/* In steps of a quarter, so that not each message costs a frame. */
static void give_credit(struct amqp10_session *s)
{
    uint64_t here = s->held_count + s->left + (s->current ? 1 : 0);
    int64_t more;

    if (s->state != AMQP10_OPEN || s->leaving || here >= s->conf.credit)
        return;
    more = (int64_t)(s->conf.credit - here) - pn_link_credit(s->link);
    if (more > 0 && (more >= s->conf.credit / 4 || pn_link_credit(s->link) == 0))
        pn_link_flow(s->link, (int)more);
}

/* --- the end ----------------------------------------------------------------------------------------------------------- */

static void leave(void *session, nsec now)
{
    struct amqp10_session *s = session;
    struct err e;

    (void)now;
    s->leaving = true;
    if (s->current)
        pass(s);
    if (!is_over(s) && advance(s, &e) < 0)
        return; /* it has failed, and so it has left */
}

static bool has_left(void *session)
{
    return is_over(session);
}

/* Behind the last answer. A durable subscription stays: its link is detached, not closed. */
static void say_bye(struct amqp10_session *s)
{
    if (amqp10_is_durable(&s->conf))
        pn_link_detach(s->link);
    else
        pn_link_close(s->link);
    pn_connection_close(s->driver.connection);
    s->state = AMQP10_LEAVING;
}

/* --- turns ------------------------------------------------------------------------------------------------------------- */

static struct slice out(void *session)
{
    struct amqp10_session *s = session;
    pn_bytes_t bytes;

    if (!s->has_driver || s->state == AMQP10_FAILED)
        return SLICE("");
    accept_safe(s);
    give_credit(s);
    if (s->leaving && s->held_count == 0 && s->state != AMQP10_LEAVING && s->state != AMQP10_LEFT)
        say_bye(s);
    bytes = pn_connection_driver_write_buffer(&s->driver);
    return slice_of(bytes.start, bytes.size);
}

static void wrote(void *session, size_t n, nsec now)
{
    struct amqp10_session *s = session;

    (void)now;
    if (s->has_driver && n > 0)
        pn_connection_driver_write_done(&s->driver, n);
}

static int tick(void *session, bool reading, nsec now, struct err *e)
{
    struct amqp10_session *s = session;
    int64_t at;

    (void)reading;
    if (has_failed(s, e))
        return -1;
    if (is_over(s))
        return 0;
    if (now >= s->answer_by) {
        (void)err_set(e, ERR_REMOTE, "the server has not attached the address for %d s",
                      (int)(AMQP10_ANSWER_WAIT / NSEC_PER_SEC));
        return fail(s, "look at `url`: is it an AMQP 1.0 port, with or without TLS as it wants it?");
    }
    at = pn_transport_tick(s->driver.transport, now / NSEC_PER_MSEC);
    s->tick_at = at > 0 ? at * NSEC_PER_MSEC : NSEC_NEVER;
    return handle_all(s, e);
}

static nsec next(void *session)
{
    const struct amqp10_session *s = session;

    if (is_over(s))
        return NSEC_NEVER;
    return s->tick_at < s->answer_by ? s->tick_at : s->answer_by;
}

static bool is_open(void *session)
{
    const struct amqp10_session *s = session;

    return s->state == AMQP10_OPEN;
}

static bool is_full(void *session)
{
    const struct amqp10_session *s = session;

    return s->session && pn_session_incoming_bytes(s->session) > 2 * (size_t)AMQP10_INCOMING_BYTES;
}

static const char *hint(void *session)
{
    const struct amqp10_session *s = session;

    return s->hint ? s->hint : "look at the server, and at the network to it";
}

static const char *remark(void *session)
{
    const struct amqp10_session *s = session;

    if (s->topic)
        return "the address is a topic: what is sent while this program is not connected is not kept for it. Where a "
               "queue was meant, "
               "the server made a topic of an address that it did not know: make the queue, or set node: queue";
    if (s->conf.node == AMQP10_NODE_TOPIC && !amqp10_is_durable(&s->conf))
        return "a topic without `subscription`: what is sent while this program is not connected is not kept for it";
    return NULL;
}

static const char *refusal(void *session)
{
    const struct amqp10_session *s = session;

    if (!s->conf.leave_too_large)
        return "it was rejected: the server moves it to where it keeps such (a dead-letter queue), or drops it if it "
               "has none";
    if (s->left >= s->conf.credit)
        return "as many as `credit` are left with the server, and it hands out nothing more: take them out of the "
               "queue, or "
               "set too_large: reject";
    return "it is left with the server and comes again with the next connection: take it out of the queue, or set "
           "too_large: reject";
}

const struct broker_protocol amqp10_protocol = {.name = "amqp10",
                                                .reads_on = true,
                                                .begin = begin,
                                                .take = take,
                                                .message = message,
                                                .keep = keep,
                                                .refuse = refuse,
                                                .pass = pass,
                                                .safe = safe,
                                                .leave = leave,
                                                .has_left = has_left,
                                                .is_open = is_open,
                                                .is_full = is_full,
                                                .out = out,
                                                .wrote = wrote,
                                                .tick = tick,
                                                .next = next,
                                                .hint = hint,
                                                .remark = remark,
                                                .refusal = refusal};
