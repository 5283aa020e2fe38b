/* Each state waits for one method of the server; what else may come at any time (heartbeats, the end of the channel or of the connection, the end
 * of the consumer) is looked at first. A message is a method and the frames behind it on the same channel, with nothing between but frames
 * of the connection. */
#include "pipeline/inputs/amqp091/session.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/version.h"
#include "pipeline/inputs/amqp091/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CHANNEL 1

static const char *const AWAITED[SESSION_STATES] = {
    [SESSION_GREETED] = "its greeting",
    [SESSION_TUNED] = "whether it lets us in",
    [SESSION_OPENING] = "whether the virtual host may be used",
    [SESSION_CHANNEL] = "a channel",
    [SESSION_CHECK] = "what the queue is",
    [SESSION_QOS] = "its word on prefetch",
    [SESSION_CONSUME] = "its word on the consumer",
    [SESSION_LEAVING] = "the end of the channel",
    [SESSION_CLOSING] = "the end of the connection",
};

void amqp091_session_init(struct session *s, const struct session_conf *conf)
{
    *s = (struct session){.conf = *conf};
    buf_init(&s->out, AMQP091_OUT_BYTES);
    amqp091_message_init(&s->message);
    init_amqp_pool(&s->pool, 4096);
}

void amqp091_session_release(struct session *s)
{
    buf_release(&s->out);
    amqp091_message_release(&s->message);
    empty_amqp_pool(&s->pool);
}

static void go(struct session *s, enum session_state to, nsec now)
{
    s->state = to;
    s->since = now;
}

void amqp091_session_reset(struct session *s)
{
    go(s, SESSION_CLOSED, 0);
    buf_clear(&s->out);
    s->no_room = s->counting = s->discards = s->ending = s->of_end = false;
    s->frame_max = AMQP091_FRAME_MAX;
    s->heartbeat = 0;
    s->code = 0;
    s->text[0] = '\0';
    amqp091_message_clear(&s->message);
}

/* --- what is said --------------------------------------------------------------------------------------------------- */

static amqp_bytes_t bytes_of(const char *text)
{
    return amqp_cstring_bytes(text);
}

static void say(struct session *s, uint16_t channel, amqp_method_number_t id, void *decoded)
{
    s->no_room |= amqp091_method_add(&s->out, channel, id, decoded) < 0;
}

void amqp091_session_begin(struct session *s, nsec now)
{
    amqp091_session_reset(s);
    s->no_room = buf_add(&s->out, "AMQP\0\0\x9\x1", 8) < 0;
    s->heard = s->said = now;
    go(s, SESSION_GREETED, now);
}

static amqp_table_entry_t entry_text(const char *name, const char *value)
{
    return (amqp_table_entry_t){.key = bytes_of(name),
                                .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = bytes_of(value)}};
}

static amqp_table_entry_t entry_yes(const char *name)
{
    return (amqp_table_entry_t){.key = bytes_of(name), .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}};
}

static const char *mechanism(const struct session *s)
{
    return s->conf.by_certificate ? "EXTERNAL" : "PLAIN";
}

static void log_in(struct session *s)
{
    amqp_table_entry_t can[] = {entry_yes("authentication_failure_close"), entry_yes("consumer_cancel_notify"),
                                entry_yes("basic.nack")};
    amqp_table_entry_t about[] = {
        entry_text("product", "sluice"),
        entry_text("version", SLUICE_VERSION),
        entry_text("connection_name", s->conf.name),
        {.key = bytes_of("capabilities"),
         .value = {.kind = AMQP_FIELD_KIND_TABLE, .value.table = {.num_entries = ARRAY_LEN(can), .entries = can}}}};
    char plain[1 + 255 + 1 + 4096 + 1];
    int n = s->conf.by_certificate
                ? 0
                : snprintf(plain, sizeof(plain), "%c%s%c%s", 0, s->conf.username, 0, s->conf.password);
    amqp_connection_start_ok_t ok = {.client_properties = {.num_entries = ARRAY_LEN(about), .entries = about},
                                     .mechanism = bytes_of(mechanism(s)),
                                     .response = {.len = (size_t)n, .bytes = plain},
                                     .locale = bytes_of("en_US")};

    say(s, 0, AMQP_CONNECTION_START_OK_METHOD, &ok);
    explicit_bzero(plain, sizeof(plain));
}

static void tune(struct session *s, const amqp_connection_tune_t *offer)
{
    amqp_connection_tune_ok_t ok = {.channel_max = 1, .frame_max = AMQP091_FRAME_MAX, .heartbeat = s->conf.heartbeat};
    amqp_connection_open_t open = {.virtual_host = bytes_of(s->conf.vhost)};

    if (offer->frame_max > 0 && offer->frame_max < ok.frame_max)
        ok.frame_max = offer->frame_max;
    if (offer->heartbeat > 0 && offer->heartbeat < ok.heartbeat)
        ok.heartbeat = offer->heartbeat;
    s->frame_max = ok.frame_max;
    s->heartbeat = ok.heartbeat;
    say(s, 0, AMQP_CONNECTION_TUNE_OK_METHOD, &ok);
    say(s, 0, AMQP_CONNECTION_OPEN_METHOD, &open);
}

void amqp091_session_consume(struct session *s, const struct session_place *place, nsec now)
{
    amqp_channel_open_t open = {.out_of_band = amqp_empty_bytes};

    s->place = *place;
    s->discards = s->counting = s->ending = s->of_end = false;
    s->code = 0;
    s->text[0] = '\0';
    amqp091_message_clear(&s->message);
    say(s, CHANNEL, AMQP_CHANNEL_OPEN_METHOD, &open);
    go(s, SESSION_CHANNEL, now);
}

static void bound(struct session *s)
{
    amqp_basic_qos_t qos = {.prefetch_count = s->conf.prefetch};

    say(s, CHANNEL, AMQP_BASIC_QOS_METHOD, &qos);
}

static amqp_field_value_t stream_place(const struct session_place *p)
{
    static const char *const WORDS[] = {[AMQP091_FIRST] = "first", [AMQP091_LAST] = "last", [AMQP091_NEXT] = "next"};
    amqp_field_value_t v = {.kind = AMQP_FIELD_KIND_UTF8};

    if (p->known) {
        v.kind = AMQP_FIELD_KIND_I64;
        v.value.i64 = (int64_t)p->next;
    } else if (p->begin.start == AMQP091_TIME) {
        v.kind = AMQP_FIELD_KIND_TIMESTAMP;
        v.value.u64 = (uint64_t)p->begin.time;
    } else {
        v.value.bytes = bytes_of(WORDS[p->begin.start]);
    }
    return v;
}

static void consume(struct session *s)
{
    amqp_table_entry_t arguments[1];
    amqp_basic_consume_t c = {.queue = bytes_of(s->conf.queue), .consumer_tag = bytes_of("sluice")};

    if (s->place.begin.start != AMQP091_QUEUE) {
        arguments[0] = (amqp_table_entry_t){.key = bytes_of("x-stream-offset"), .value = stream_place(&s->place)};
        c.arguments = (amqp_table_t){.num_entries = 1, .entries = arguments};
    }
    say(s, CHANNEL, AMQP_BASIC_CONSUME_METHOD, &c);
}

void amqp091_session_ack(struct session *s, uint64_t upto)
{
    amqp_basic_ack_t ack = {.delivery_tag = upto, .multiple = 1};

    say(s, CHANNEL, AMQP_BASIC_ACK_METHOD, &ack);
}

void amqp091_session_reject(struct session *s, uint64_t tag)
{
    amqp_basic_reject_t reject = {.delivery_tag = tag, .requeue = 0};

    say(s, CHANNEL, AMQP_BASIC_REJECT_METHOD, &reject);
}

void amqp091_session_count(struct session *s)
{
    amqp_queue_declare_t ask = {.queue = bytes_of(s->conf.queue), .passive = 1};

    if (s->counting)
        return;
    s->counting = true;
    say(s, CHANNEL, AMQP_QUEUE_DECLARE_METHOD, &ask);
}

#define END_TAG "sluice-end"

void amqp091_session_ask_end(struct session *s)
{
    amqp_basic_qos_t qos = {.prefetch_count = 1};
    amqp_table_entry_t last = entry_text("x-stream-offset", "last");
    amqp_basic_consume_t c = {.queue = bytes_of(s->conf.queue),
                              .consumer_tag = bytes_of(END_TAG),
                              .arguments = {.num_entries = 1, .entries = &last}};

    if (s->ending)
        return;
    s->ending = true;
    say(s, CHANNEL, AMQP_BASIC_QOS_METHOD, &qos);
    say(s, CHANNEL, AMQP_BASIC_CONSUME_METHOD, &c);
}

static enum session_event end_is_here(struct session *s)
{
    amqp_basic_cancel_t cancel = {.consumer_tag = bytes_of(END_TAG), .nowait = 1};
    amqp_basic_ack_t ack = {.delivery_tag = s->message.tag}; /* alone: those before it may not be safe yet */
    bool known = s->message.has_offset;

    s->end = s->message.offset;
    s->ending = s->of_end = false;
    amqp091_message_clear(&s->message);
    if (s->state == SESSION_RUNNING) {
        say(s, CHANNEL, AMQP_BASIC_ACK_METHOD, &ack);
        say(s, CHANNEL, AMQP_BASIC_CANCEL_METHOD, &cancel);
    }
    return known && s->state == SESSION_RUNNING ? SESSION_END : SESSION_GOES_ON;
}

static void check(struct session *s)
{
    amqp_basic_get_t get = {.queue = bytes_of(s->conf.queue)};

    s->discards = true;
    say(s, CHANNEL, AMQP_BASIC_GET_METHOD, &get);
}

void amqp091_session_discard(struct session *s)
{
    s->discards = true;
    if (s->message.state == MESSAGE_WHOLE)
        amqp091_message_clear(&s->message);
}

void amqp091_session_leave(struct session *s, nsec now)
{
    amqp_channel_close_t close = {.reply_code = AMQP_REPLY_SUCCESS, .reply_text = bytes_of("until later")};

    amqp091_session_discard(s);
    say(s, CHANNEL, AMQP_CHANNEL_CLOSE_METHOD, &close);
    go(s, SESSION_LEAVING, now);
}

void amqp091_session_close(struct session *s, nsec now)
{
    amqp_connection_close_t close = {.reply_code = AMQP_REPLY_SUCCESS, .reply_text = bytes_of("goodbye")};

    if (s->state == SESSION_CLOSING || s->state == SESSION_ENDED || s->state == SESSION_CLOSED)
        return;
    amqp091_session_discard(s);
    if (s->state < SESSION_OPENING) { /* nobody to say goodbye to */
        go(s, SESSION_ENDED, now);
        return;
    }
    say(s, 0, AMQP_CONNECTION_CLOSE_METHOD, &close);
    go(s, SESSION_CLOSING, now);
}

bool amqp091_session_has_channel(const struct session *s)
{
    return s->state == SESSION_RUNNING;
}

/* --- what is heard -------------------------------------------------------------------------------------------------- */

static enum session_event bad(struct session *s, nsec now, struct err *e, const char *why)
{
    if (why)
        (void)err_set(e, ERR_FORMAT, "%s", why);
    go(s, SESSION_ENDED, now);
    return SESSION_BAD;
}

static void note_why(struct session *s, uint16_t code, amqp_bytes_t text)
{
    s->code = code;
    snprintf(s->text, sizeof(s->text), "%.*s", (int)text.len, (const char *)text.bytes);
}

/* A greeting has a table that somebody else filled, and is the only one: only what is behind it is read. */
static enum session_event greeting(struct session *s, struct slice arguments, nsec now, struct err *e)
{
    struct wire_reader r = {.rest = arguments};
    struct slice mechanisms;
    unsigned major = (unsigned)amqp091_number(&r, 1), minor = (unsigned)amqp091_number(&r, 1);

    (void)amqp091_long_text(&r);
    mechanisms = amqp091_long_text(&r);
    if (r.bad)
        return bad(s, now, e, "its greeting is not what AMQP 0-9-1 says");
    if (major != 0 || minor != 9)
        return bad(s, now, e, "it speaks another version of AMQP");
    if (!amqp091_has_word(mechanisms, mechanism(s)))
        return bad(s, now, e,
                   s->conf.by_certificate
                       ? "it does not let anybody log in with a certificate (EXTERNAL): RabbitMQ does "
                         "with the plugin rabbitmq_auth_mechanism_ssl and auth_mechanisms"
                       : "it does not let anybody log in with a password (PLAIN)");
    log_in(s);
    go(s, SESSION_TUNED, now);
    return SESSION_GOES_ON;
}

static enum session_event connection_method(struct session *s, amqp_method_number_t id, void *decoded, nsec now,
                                            struct err *e)
{
    amqp_connection_close_ok_t ok = {.dummy = 0};
    const amqp_connection_close_t *close = decoded;

    if (id == AMQP_CONNECTION_CLOSE_METHOD) {
        note_why(s, close->reply_code, close->reply_text);
        say(s, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
        go(s, SESSION_ENDED, now);
        return SESSION_OVER;
    }
    if (id == AMQP_CONNECTION_BLOCKED_METHOD || id == AMQP_CONNECTION_UNBLOCKED_METHOD)
        return SESSION_GOES_ON;
    if (s->state == SESSION_CLOSING) {
        if (id != AMQP_CONNECTION_CLOSE_OK_METHOD)
            return SESSION_GOES_ON;
        go(s, SESSION_ENDED, now);
        return SESSION_OVER;
    }
    if (s->state == SESSION_TUNED && id == AMQP_CONNECTION_TUNE_METHOD) {
        const amqp_connection_tune_t *offer = decoded;

        if (offer->frame_max > 0 && offer->frame_max < AMQP_FRAME_MIN_SIZE)
            return bad(s, now, e, "it wants frames that are shorter than AMQP allows");
        tune(s, offer);
        go(s, SESSION_OPENING, now);
        return SESSION_GOES_ON;
    }
    if (s->state == SESSION_OPENING && id == AMQP_CONNECTION_OPEN_OK_METHOD) {
        go(s, SESSION_IDLE, now);
        return SESSION_LOGGED_IN;
    }
    return bad(s, now, e, "it said something of the connection that nobody waits for now");
}

static enum session_event channel_closed(struct session *s, const amqp_channel_close_t *close, nsec now)
{
    amqp_channel_close_ok_t ok = {.dummy = 0};

    say(s, CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
    if (s->state == SESSION_LEAVING)
        return SESSION_GOES_ON; /* both at once: the answer to ours comes as well */
    note_why(s, close->reply_code, close->reply_text);
    amqp091_message_clear(&s->message);
    go(s, SESSION_IDLE, now);
    return SESSION_THROWN_OUT;
}

/* The server asks for a pause in what we send, which is next to nothing. */
static enum session_event flow(struct session *s, const amqp_channel_flow_t *asked)
{
    amqp_channel_flow_ok_t ok = {.active = asked->active};

    say(s, CHANNEL, AMQP_CHANNEL_FLOW_OK_METHOD, &ok);
    return SESSION_GOES_ON;
}

static enum session_event cancelled(struct session *s, const amqp_basic_cancel_t *cancel)
{
    amqp_basic_cancel_ok_t ok = {.consumer_tag = cancel->consumer_tag};

    if (!cancel->nowait)
        say(s, CHANNEL, AMQP_BASIC_CANCEL_OK_METHOD, &ok);
    return s->state == SESSION_RUNNING ? SESSION_CANCELLED : SESSION_GOES_ON;
}

static enum session_event channel_method(struct session *s, amqp_method_number_t id, void *decoded, nsec now,
                                         struct err *e)
{
    switch (id) {
    case AMQP_CHANNEL_CLOSE_METHOD:
        return channel_closed(s, decoded, now);
    case AMQP_CHANNEL_FLOW_METHOD:
        return flow(s, decoded);
    case AMQP_BASIC_CANCEL_METHOD:
        return cancelled(s, decoded);
    default:
        break;
    }
    if (s->state == SESSION_LEAVING && id == AMQP_CHANNEL_CLOSE_OK_METHOD) {
        amqp091_message_clear(&s->message);
        go(s, SESSION_IDLE, now);
        return SESSION_LEFT;
    }
    if (s->state == SESSION_CHANNEL && id == AMQP_CHANNEL_OPEN_OK_METHOD) {
        if (s->conf.looks)
            amqp091_session_count(s);
        else if (s->place.check)
            check(s);
        else
            bound(s);
        go(s, s->conf.looks ? SESSION_RUNNING : s->place.check ? SESSION_CHECK : SESSION_QOS, now);
        return SESSION_GOES_ON;
    }
    if (s->state == SESSION_CHECK && (id == AMQP_BASIC_GET_OK_METHOD || id == AMQP_BASIC_GET_EMPTY_METHOD)) {
        if (id == AMQP_BASIC_GET_OK_METHOD)
            s->message.state = MESSAGE_WANTS_HEADER;
        go(s, SESSION_RUNNING, now);
        return SESSION_IS_QUEUE;
    }
    if (s->ending && (id == AMQP_BASIC_QOS_OK_METHOD || id == AMQP_BASIC_CONSUME_OK_METHOD) &&
        (s->state == SESSION_RUNNING || s->state == SESSION_LEAVING))
        return SESSION_GOES_ON;
    if (s->state == SESSION_QOS && id == AMQP_BASIC_QOS_OK_METHOD) {
        consume(s);
        go(s, SESSION_CONSUME, now);
        return SESSION_GOES_ON;
    }
    if (s->state == SESSION_CONSUME && id == AMQP_BASIC_CONSUME_OK_METHOD) {
        go(s, SESSION_RUNNING, now);
        return SESSION_CONSUMES;
    }
    if (id == AMQP_BASIC_DELIVER_METHOD && (s->state == SESSION_RUNNING || s->state == SESSION_LEAVING)) {
        const amqp_basic_deliver_t *d = decoded;

        s->of_end = slice_is(slice_of(d->consumer_tag.bytes, d->consumer_tag.len), END_TAG);
        amqp091_message_begin(&s->message, d);
        return SESSION_GOES_ON;
    }
    if (id == AMQP_QUEUE_DECLARE_OK_METHOD && s->counting) {
        s->counting = false;
        s->waiting = ((const amqp_queue_declare_ok_t *)decoded)->message_count;
        return s->state == SESSION_RUNNING ? SESSION_COUNTED : SESSION_GOES_ON;
    }
    return bad(s, now, e, "it said something of the channel that nobody waits for now");
}

static enum session_event method(struct session *s, const struct wire_frame *f, nsec now, struct err *e)
{
    struct wire_reader r = {.rest = f->payload};
    amqp_method_number_t id = (amqp_method_number_t)amqp091_number(&r, 4);
    enum session_event found;
    void *decoded = NULL;
    union { /* librabbitmq wants bytes that may be changed, and changes none */
        const char *p;
        void *bytes;
    } arguments = {.p = r.rest.p};

    if (r.bad)
        return bad(s, now, e, "a method is shorter than its own number");
    if (id == AMQP_CONNECTION_START_METHOD && s->state == SESSION_GREETED && f->channel == 0)
        return greeting(s, r.rest, now, e);
    if (s->state == SESSION_GREETED && id != AMQP_CONNECTION_CLOSE_METHOD)
        return bad(s, now, e, "it does not begin with a greeting");
    if (!amqp091_is_a_servers(id) ||
        amqp_decode_method(id, &s->pool, (amqp_bytes_t){.len = r.rest.n, .bytes = arguments.bytes}, &decoded) != 0)
        found = bad(s, now, e, "it sent a method that is not what AMQP 0-9-1 says");
    else if (f->channel == 0)
        found = connection_method(s, id, decoded, now, e);
    else
        found = channel_method(s, id, decoded, now, e);
    recycle_amqp_pool(&s->pool);
    return found;
}

/* What belongs to a message. */
static enum session_event content(struct session *s, const struct wire_frame *f, nsec now, struct err *e)
{
    enum message_state wanted = f->type == WIRE_HEADER ? MESSAGE_WANTS_HEADER : MESSAGE_WANTS_BODY;

    if (s->message.state != wanted)
        return bad(s, now, e, "a piece of a message is out of its place");
    if ((wanted == MESSAGE_WANTS_HEADER ? amqp091_message_header : amqp091_message_body)(&s->message, f->payload, e) <
        0)
        return bad(s, now, e, NULL);
    if (s->discards || s->of_end)
        s->message.too_large = true; /* nothing is kept */
    if (s->message.state != MESSAGE_WHOLE)
        return SESSION_GOES_ON;
    if (s->of_end)
        return end_is_here(s);
    if (!s->discards)
        return SESSION_MESSAGE;
    amqp091_message_clear(&s->message);
    return SESSION_GOES_ON;
}

static enum session_event frame(struct session *s, const struct wire_frame *f, nsec now, struct err *e)
{
    bool in_message = s->message.state != MESSAGE_NONE;

    if (f->channel > CHANNEL)
        return bad(s, now, e, "a frame came on a channel that nobody has opened");
    if (s->state == SESSION_CLOSING && f->channel == CHANNEL)
        return SESSION_GOES_ON;
    switch (f->type) {
    case WIRE_HEARTBEAT:
        return SESSION_GOES_ON;
    case WIRE_METHOD:
        if (f->channel == CHANNEL && (in_message || s->state <= SESSION_IDLE))
            return bad(s, now, e,
                       in_message ? "a message breaks off" : "a frame came on a channel that nobody has opened");
        return method(s, f, now, e);
    case WIRE_HEADER:
    case WIRE_BODY:
        if (f->channel == CHANNEL)
            return content(s, f, now, e);
        break;
    default:
        break;
    }
    return bad(s, now, e, "a frame came of a kind that there is not");
}

/* A server that does not speak this version says which one it would like, and hangs up. */
static bool is_refusal(const struct session *s, struct slice bytes)
{
    return s->state == SESSION_GREETED && bytes.n >= 4 && memcmp(bytes.p, "AMQP", 4) == 0;
}

enum session_event amqp091_session_read(struct session *s, struct slice bytes, size_t *took, nsec now, struct err *e)
{
    struct wire_frame f;

    *took = 0;
    s->heard = now;
    if (s->message.state == MESSAGE_WHOLE)
        return SESSION_MORE;
    if (is_refusal(s, bytes))
        return bad(s, now, e, "it does not speak AMQP 0-9-1 on this port");
    switch (amqp091_frame_read(bytes, s->frame_max, &f, e)) {
    case WIRE_MORE:
        return SESSION_MORE;
    case WIRE_BAD:
        return bad(s, now, e, NULL);
    case WIRE_FRAME:
        break;
    }
    *took = f.total;
    return frame(s, &f, now, e);
}

size_t amqp091_session_needs(const struct session *s, struct slice bytes)
{
    struct wire_frame f;
    struct err e;

    (void)amqp091_frame_read(bytes, s->frame_max, &f, &e);
    return f.total;
}

/* --- time ----------------------------------------------------------------------------------------------------------- */

static nsec heartbeat_pause(const struct session *s)
{
    return (nsec)s->heartbeat * NSEC_PER_SEC / 2;
}

int amqp091_session_tick(struct session *s, nsec now, struct err *e)
{
    if (AWAITED[s->state] && now - s->since > AMQP091_ANSWER_TIME)
        return err_set(e, ERR_REMOTE, "the server keeps us waiting for %s", AWAITED[s->state]);
    if (s->no_room)
        return err_set(e, ERR_REMOTE, "the server takes nothing of what is sent to it");
    if (s->heartbeat == 0 || s->state < SESSION_OPENING || s->state == SESSION_ENDED)
        return 0;
    if (now - s->heard > 4 * heartbeat_pause(s))
        return err_set(e, ERR_REMOTE, "the server has said nothing for two heartbeats (%u s each)", s->heartbeat);
    if (now - s->said >= heartbeat_pause(s)) {
        s->said = now;
        s->no_room |= amqp091_heartbeat_add(&s->out) < 0;
    }
    return 0;
}

nsec amqp091_session_next_tick(const struct session *s)
{
    nsec next = AWAITED[s->state] ? s->since + AMQP091_ANSWER_TIME + 1 : NSEC_NEVER;

    if (s->heartbeat > 0 && s->said + heartbeat_pause(s) < next)
        next = s->said + heartbeat_pause(s);
    return next;
}
