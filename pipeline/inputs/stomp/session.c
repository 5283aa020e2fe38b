/* The state says which frames are expected; whatever else comes is passed over, but for ERROR, behind which a server closes.
 *
 * What is to be written is composed late: an acknowledgement is a few bytes in `held` until there is room for its frame in `out`. So neither grows
 * with a server that does not read, and thousands of messages that become safe at once are no burst of memory. */
#include "pipeline/inputs/stomp/session.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/stomp/compose.h"
#include "pipeline/inputs/stomp/message.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define RECEIPT_SUBSCRIBED "sluice-subscribed"
#define RECEIPT_BYE        "sluice-bye"

void stomp_session_init(struct stomp_session *s, const struct stomp_session_conf *conf)
{
    *s = (struct stomp_session){.conf = *conf, .answer_by = NSEC_NEVER};
    stomp_parser_init(&s->parser, conf->body_max ? conf->body_max : RECORD_MAX_BYTES);
    buf_init(&s->out, STOMP_OUT_MAX + STOMP_OPEN_MAX);
    buf_init(&s->facts, RECORD_FACTS_MAX);
    buf_init(&s->id, STOMP_ID_MAX);
    buf_init(&s->held, 2 * (size_t)STOMP_PREFETCH_MAX * (STOMP_ACK_ID_MAX + 2));
}

void stomp_session_release(struct stomp_session *s)
{
    stomp_parser_release(&s->parser);
    buf_release(&s->out);
    buf_release(&s->facts);
    buf_release(&s->id);
    buf_release(&s->held);
}

static enum stomp_escapes escapes(const struct stomp_session *s)
{
    return s->v12 ? STOMP_ESCAPES_12 : STOMP_ESCAPES_11;
}

static int fail(struct stomp_session *s, const char *hint)
{
    s->state = STOMP_FAILED;
    s->hint = hint;
    s->has_message = false;
    return -1;
}

/* --- what is written ------------------------------------------------------------------------------------------------ */

static struct slice optional(const char *text)
{
    return text && *text ? slice_str(text) : (struct slice){NULL, 0};
}

static void begin(void *session, nsec now)
{
    struct stomp_session *s = session;
    char beats[64];
    int rc;

    stomp_parser_reset(&s->parser);
    buf_clear(&s->out);
    buf_clear(&s->held);
    s->out_from = s->held_from = 0;
    s->held_count = s->left = s->safe_upto = 0;
    s->has_message = s->leaving = s->said_bye = s->v12 = false;
    s->beat = s->silence = 0;
    s->sent = s->heard = now;
    s->stuck = NSEC_NEVER;
    s->hint = NULL;
    s->state = STOMP_CONNECTING;
    s->answer_by = now + STOMP_ANSWER_WAIT;
    snprintf(beats, sizeof(beats), "%lld,%lld", (long long)(s->conf.heart_beat / NSEC_PER_MSEC),
             (long long)(s->conf.heart_beat / NSEC_PER_MSEC));
    rc = stomp_compose(&s->out, "CONNECT",
                       (const struct stomp_field[]){{"accept-version", SLICE("1.1,1.2")},
                                                    {"host", optional(s->conf.vhost)},
                                                    {"login", optional(s->conf.user)},
                                                    {"passcode", optional(s->conf.password)},
                                                    {"client-id", optional(s->conf.client_id)},
                                                    {"heart-beat", slice_str(beats)},
                                                    {.name = NULL}},
                       STOMP_PLAIN);
    assert(rc == 0); /* the options are bounded */
}

/* Of a header that comes twice the first one counts: so those of the options go first. How much is handed out without an answer is said for
 * ActiveMQ, for RabbitMQ, and for Artemis, which counts bytes. */
static void subscribe(struct stomp_session *s, nsec now)
{
    const struct stomp_field none[] = {{.name = NULL}};
    char prefetch[32], bytes[32];
    int rc = stomp_compose_begin(&s->out, "SUBSCRIBE", none, escapes(s));

    snprintf(prefetch, sizeof(prefetch), "%u", (unsigned)s->conf.prefetch);
    snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)s->conf.prefetch * KIB);
    const struct stomp_field fields[] = {{"id", SLICE("0")},
                                         {"destination", slice_str(s->conf.destination)},
                                         {"ack", SLICE("client-individual")},
                                         {"receipt", SLICE(RECEIPT_SUBSCRIBED)},
                                         {"activemq.prefetchSize", slice_str(prefetch)},
                                         {"prefetch-count", slice_str(prefetch)},
                                         {"consumer-window-size", slice_str(bytes)},
                                         {"selector", optional(s->conf.selector)},
                                         {"activemq.subscriptionName", optional(s->conf.subscription)},
                                         {.name = NULL}};

    for (size_t i = 0; i < s->conf.header_count && rc == 0; i++)
        rc = stomp_compose_header(&s->out, s->conf.headers[i].name, s->conf.headers[i].value, escapes(s));
    for (const struct stomp_field *f = fields; f->name && rc == 0; f++)
        if (f->value.p)
            rc = stomp_compose_header(&s->out, slice_str(f->name), f->value, escapes(s));
    if (rc == 0)
        rc = stomp_compose_end(&s->out);
    assert(rc == 0); /* the options are bounded */
    s->state = STOMP_SUBSCRIBING;
    s->answer_by = now + STOMP_ANSWER_WAIT;
}

static int answer(struct stomp_session *s, const char *command, struct slice id)
{
    const struct stomp_field v12[] = {{"id", id}, {.name = NULL}};
    const struct stomp_field v11[] = {{"subscription", SLICE("0")}, {"message-id", id}, {.name = NULL}};

    return stomp_compose(&s->out, command, s->v12 ? v12 : v11, escapes(s));
}

static size_t waiting(const struct stomp_session *s)
{
    return s->out.n - s->out_from;
}

/* --- what is in hand ------------------------------------------------------------------------------------------------ */

static struct slice first_held(const struct stomp_session *s)
{
    const unsigned char *p = (const unsigned char *)s->held.p + s->held_from;

    return slice_of((const char *)p + 2, (size_t)(p[0] | p[1] << 8));
}

static void hold(struct stomp_session *s, struct slice id, uint64_t number)
{
    const char size[2] = {(char)(id.n & 0xff), (char)(id.n >> 8)};
    int rc;

    if (s->held_from > s->held.n / 2) {
        memmove(s->held.p, s->held.p + s->held_from, s->held.n - s->held_from);
        s->held.n -= s->held_from;
        s->held_from = 0;
    }
    rc = buf_add(&s->held, size, 2) < 0 || buf_add_slice(&s->held, id) < 0 ? -1 : 0;
    assert(rc == 0); /* is_full() bounds it */
    if (s->held_count == 0)
        s->held_first = number;
    s->held_count++;
}

static void drop_first(struct stomp_session *s)
{
    s->held_from += 2 + first_held(s).n;
    s->held_first++;
    s->held_count--;
    if (s->held_count == 0) {
        buf_clear(&s->held);
        s->held_from = 0;
    }
}

/* --- frames that came ------------------------------------------------------------------------------------------------ */

/* The first line of what a server says, as far as it can be shown. */
static void shown(struct slice s, char *out, size_t size)
{
    size_t n = 0;

    s = slice_trim(s);
    for (size_t i = 0; i < s.n && n + 1 < size && s.p[i] != '\n'; i++)
        out[n++] = (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? ' ' : s.p[i];
    out[n] = '\0';
}

static const char *hint_for(const char *text)
{
    static const struct {
        const char *word, *hint;
    } hints[] = {
        {"password", "look at `user` and `password`"},
        {"credentials", "look at `user` and `password`"},
        {"SecurityException", "look at `user` and `password`, and at what this user may read"},
        {"Access refused", "look at `user` and `password`, and at `vhost`"},
        {"Security Error", "look at `user` and `password`"},
        {"authenticat", "look at `user` and `password`"},
        {"not authorized", "allow this user to read the destination"},
        {"permission", "allow this user to read the destination"},
        {"irtual host", "look at `vhost`: RabbitMQ's is / mostly"},
        {"clientID", "another client uses this `client_id`: it may be used once at a time"},
        {"client ID", "another client uses this `client_id`: it may be used once at a time"},
        {"elector", "look at `selector`"},
        {"not_found", "make the queue or the exchange, or look at `destination`"},
        {"does not exist", "make the queue, or look at `destination`"},
    };

    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (strcasestr(text, hints[i].word))
            return hints[i].hint;
    return "the server's own log says more";
}

static int take_error(struct stomp_session *s, struct err *e)
{
    char text[200], first[200];
    struct slice message;

    (void)stomp_header(&s->parser, "message", &message);
    shown(message, text, sizeof(text));
    shown(buf_slice(&s->parser.body), first, sizeof(first));
    (void)err_set(e, ERR_REMOTE, "the server says: %s", *text ? text : *first ? first : "ERROR, and no reason");
    return fail(s, hint_for(e->msg));
}

/* "send,receive" in milliseconds. Anything else: 0. */
static void take_beats(struct stomp_session *s)
{
    unsigned long sends = 0, wants = 0;
    struct slice value;
    char text[64];
    nsec own = s->conf.heart_beat;

    if (stomp_header(&s->parser, "heart-beat", &value)) {
        snprintf(text, sizeof(text), "%.*s", (int)value.n, value.p);
        if (sscanf(text, "%9lu , %9lu", &sends, &wants) != 2)
            sends = wants = 0;
    }
    if (own > 0 && wants > 0)
        s->beat = own > (nsec)wants * NSEC_PER_MSEC ? own : (nsec)wants * NSEC_PER_MSEC;
    if (own > 0 && sends > 0)
        s->silence = 2 * (own > (nsec)sends * NSEC_PER_MSEC ? own : (nsec)sends * NSEC_PER_MSEC);
}

static int take_connected(struct stomp_session *s, nsec now, struct err *e)
{
    struct slice version;

    (void)stomp_header(&s->parser, "version", &version);
    s->v12 = slice_is(version, "1.2");
    if (!s->v12 && !slice_is(version, "1.1")) {
        (void)err_set(e, ERR_REMOTE, "the server speaks neither STOMP 1.2 nor 1.1");
        return fail(s, "use a newer server");
    }
    take_beats(s);
    s->answer_by = NSEC_NEVER;
    s->state = STOMP_OPEN;
    if (!s->leaving && !s->conf.connect_only)
        subscribe(s, now);
    return 0;
}

static void take_receipt(struct stomp_session *s)
{
    struct slice id;

    (void)stomp_header(&s->parser, "receipt-id", &id);
    if (s->state == STOMP_SUBSCRIBING && slice_is(id, RECEIPT_SUBSCRIBED)) {
        s->state = STOMP_OPEN;
        s->answer_by = NSEC_NEVER;
    } else if (s->said_bye && slice_is(id, RECEIPT_BYE)) {
        s->state = STOMP_LEFT;
        s->answer_by = NSEC_NEVER;
    }
}

static int take_message(struct stomp_session *s, struct err *e)
{
    struct slice again;

    if (s->state == STOMP_SUBSCRIBING) { /* a server need not send the receipt first */
        s->state = STOMP_OPEN;
        s->answer_by = NSEC_NEVER;
    }
    if (s->state != STOMP_OPEN || s->leaving)
        return 0;
    (void)stomp_header(&s->parser, s->v12 ? "ack" : "message-id", &s->ack);
    (void)stomp_header(&s->parser, "redelivered", &again);
    if (s->ack.n == 0 || s->ack.n > STOMP_ACK_ID_MAX) {
        (void)err_set(e, ERR_FORMAT, "a message cannot be acknowledged: its %s is missing or longer than %d bytes",
                      s->v12 ? "header `ack`" : "header `message-id`", (int)STOMP_ACK_ID_MAX);
        return fail(s, "look at the server, or what stands between");
    }
    s->message = (struct broker_message){.data = buf_slice(&s->parser.body),
                                         .id = stomp_identity(&s->parser, &s->id),
                                         .size = s->parser.body_size,
                                         .too_large = s->parser.body_too_large,
                                         .again = slice_is(again, "true"),
                                         .facts_cut = !stomp_facts(&s->parser, &s->facts)};
    s->message.facts = buf_slice(&s->facts);
    s->has_message = true;
    return 0;
}

static int take_frame(struct stomp_session *s, nsec now, struct err *e)
{
    struct slice command = stomp_command(&s->parser);

    if (slice_is(command, "ERROR"))
        return take_error(s, e);
    if (s->state == STOMP_CONNECTING) {
        if (slice_is(command, "CONNECTED"))
            return take_connected(s, now, e);
        (void)err_set(e, ERR_FORMAT, "a frame %.*s instead of CONNECTED", (int)command.n, command.p);
        return fail(s, "look at `url`: is there a STOMP server?");
    }
    if (slice_is(command, "MESSAGE"))
        return take_message(s, e);
    if (slice_is(command, "RECEIPT"))
        take_receipt(s);
    return 0;
}

static int take(void *session, struct slice *bytes, nsec now, struct err *e)
{
    struct stomp_session *s = session;

    if (bytes->n > 0)
        s->heard = now;
    while (!s->has_message && bytes->n > 0) {
        switch (stomp_parser_take(&s->parser, bytes, e)) {
        case STOMP_MORE:
            break;
        case STOMP_BROKEN:
            return fail(s, e->code == ERR_NOMEM ? "this machine is short of memory"
                                                : "look at `url`: is there a STOMP server, and is TLS as it wants it?");
        case STOMP_FRAME:
            if (take_frame(s, now, e) < 0)
                return -1;
            if (!s->has_message)
                stomp_parser_next(&s->parser);
        }
    }
    return 0;
}

/* --- messages -------------------------------------------------------------------------------------------------------- */

static const struct broker_message *message(void *session)
{
    struct stomp_session *s = session;

    return s->has_message ? &s->message : NULL;
}

static void message_over(struct stomp_session *s)
{
    s->has_message = false;
    stomp_parser_next(&s->parser);
}

static void keep(void *session, uint64_t number)
{
    struct stomp_session *s = session;

    hold(s, s->ack, number);
    message_over(s);
}

static void refuse(void *session)
{
    struct stomp_session *s = session;

    if (!s->conf.nack_too_large)
        s->left++;
    else if (answer(s, "NACK", s->ack) < 0)
        s->left++; /* is_full() leaves room for it */
    message_over(s);
}

static void pass(void *session)
{
    message_over(session);
}

static void safe(void *session, uint64_t upto)
{
    struct stomp_session *s = session;

    s->safe_upto = upto;
}

static bool any_safe(const struct stomp_session *s)
{
    return s->held_count > 0 && s->held_first <= s->safe_upto;
}

static bool is_full(void *session)
{
    struct stomp_session *s = session;

    return waiting(s) > STOMP_OUT_MAX / 2 || s->held_count >= 2 * (uint64_t)STOMP_PREFETCH_MAX;
}

/* --- the end --------------------------------------------------------------------------------------------------------- */

static void leave(void *session, nsec now)
{
    struct stomp_session *s = session;

    (void)now;
    s->leaving = true;
    if (s->has_message)
        pass(s);
}

static bool has_left(void *session)
{
    struct stomp_session *s = session;

    return s->state == STOMP_LEFT || s->state == STOMP_FAILED || s->state == STOMP_IDLE;
}

/* Behind the last acknowledgement. */
static void say_bye(struct stomp_session *s)
{
    if (s->state == STOMP_CONNECTING) {
        s->state = STOMP_LEFT;
    } else if (stomp_compose(&s->out, "DISCONNECT",
                             (const struct stomp_field[]){{"receipt", SLICE(RECEIPT_BYE)}, {.name = NULL}},
                             escapes(s)) == 0) {
        s->said_bye = true;
        s->state = STOMP_LEAVING;
    }
}

/* --- turns ----------------------------------------------------------------------------------------------------------- */

static struct slice out(void *session)
{
    struct stomp_session *s = session;

    if (s->state == STOMP_FAILED || s->state == STOMP_IDLE)
        return SLICE("");
    while (any_safe(s) && waiting(s) < STOMP_OUT_MAX / 2 && answer(s, "ACK", first_held(s)) == 0)
        drop_first(s);
    if (s->leaving && !s->said_bye && s->state != STOMP_LEFT && s->held_count == 0)
        say_bye(s);
    return slice_from(buf_slice(&s->out), s->out_from);
}

static void wrote(void *session, size_t n, nsec now)
{
    struct stomp_session *s = session;

    if (n == 0)
        return;
    s->sent = now;
    s->stuck = NSEC_NEVER;
    s->out_from += n;
    if (s->out_from == s->out.n) {
        buf_clear(&s->out);
        s->out_from = 0;
    } else if (s->out_from > STOMP_OUT_MAX / 4) {
        memmove(s->out.p, s->out.p + s->out_from, s->out.n - s->out_from);
        s->out.n -= s->out_from;
        s->out_from = 0;
    }
}

static int tick(void *session, bool reading, nsec now, struct err *e)
{
    struct stomp_session *s = session;

    if (!reading)
        s->heard = now;
    if (s->state == STOMP_FAILED || s->state == STOMP_IDLE || s->state == STOMP_LEFT)
        return 0;
    if (now >= s->answer_by) {
        (void)err_set(e, ERR_REMOTE, "the server has not answered %s for %d s",
                      s->state == STOMP_CONNECTING ? "CONNECT" : "SUBSCRIBE", (int)(STOMP_ANSWER_WAIT / NSEC_PER_SEC));
        return fail(s, "look at `url`: is there a STOMP server, and is TLS as it wants it?");
    }
    if (waiting(s) > 0 && s->stuck == NSEC_NEVER)
        s->stuck = now; /* the last time that something was written may be long ago */
    if (s->stuck != NSEC_NEVER && now - s->stuck >= STOMP_ANSWER_WAIT) {
        (void)err_set(e, ERR_REMOTE, "the server has read nothing for %d s", (int)(STOMP_ANSWER_WAIT / NSEC_PER_SEC));
        return fail(s, "look at the server, and at the network to it");
    }
    if (s->silence > 0 && now - s->heard >= s->silence) {
        (void)err_set(e, ERR_REMOTE, "no heart-beat of the server for %lld ms",
                      (long long)(s->silence / NSEC_PER_MSEC));
        return fail(s, "look at the server, and at the network to it");
    }
    if (s->beat > 0 && waiting(s) == 0 && now - s->sent >= s->beat / 2 && buf_add_char(&s->out, '\n') == 0)
        s->sent = now;
    return 0;
}

static nsec next(void *session)
{
    struct stomp_session *s = session;
    nsec at = s->answer_by;

    /* What waits shows that we are there, when it gets out. */
    if (s->beat > 0 && waiting(s) == 0 && s->sent + s->beat / 2 < at)
        at = s->sent + s->beat / 2;
    if (s->silence > 0 && s->heard + s->silence < at)
        at = s->heard + s->silence;
    if (s->stuck != NSEC_NEVER && s->stuck + STOMP_ANSWER_WAIT < at)
        at = s->stuck + STOMP_ANSWER_WAIT;
    return at;
}

static bool is_open(void *session)
{
    const struct stomp_session *s = session;

    return s->state == STOMP_OPEN;
}

static const char *hint(void *session)
{
    const struct stomp_session *s = session;

    return s->hint ? s->hint : "look at the server, and at the network to it";
}

static const char *remark(void *session)
{
    const struct stomp_session *s = session;
    const char *d = s->conf.destination;

    if ((strncmp(d, "/topic/", 7) == 0 || strncmp(d, "topic://", 8) == 0) &&
        !(s->conf.subscription && *s->conf.subscription) && s->conf.header_count == 0)
        return "a topic without `subscription`: what is sent while this program is not connected is not kept for it";
    return NULL;
}

static const char *refusal(void *session)
{
    const struct stomp_session *s = session;

    if (s->conf.nack_too_large)
        return "it was refused (NACK): ActiveMQ Classic moves it to its dead-letter queue, Artemis drops it";
    if (s->left >= s->conf.prefetch)
        return "as many as `prefetch` are left with the server, and it hands out nothing more: take them out of the "
               "queue, or set too_large: nack";
    return "it is left with the server and comes again with the next connection: take it out of the queue, or set "
           "too_large: nack";
}

const struct broker_protocol stomp_protocol = {.name = "stomp",
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
