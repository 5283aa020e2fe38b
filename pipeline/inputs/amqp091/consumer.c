#include "pipeline/inputs/amqp091/consumer.h"

#include "pipeline/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_stream(const struct consumer *c)
{
    return c->begin.start != AMQP091_QUEUE;
}

/* --- away and back -------------------------------------------------------------------------------------------------- */

void consumer_return(struct consumer *c)
{
    if (c->flow == FLOW_AWAY || c->flow == FLOW_RETURNING)
        return;
    window_drop_open(&c->window);
    amqp091_session_discard(&c->session);
    c->hold = c->counted = false;
    c->flow = FLOW_RETURNING;
}

void consumer_failed(struct consumer *c, const struct connection_trouble *t, nsec now)
{
    connection_failed(&c->connection, t, now);
    consumer_return(c);
}

/* Longer each time: each is one more delivery for some servers, which count them. */
static void put_off(struct consumer *c, nsec now)
{
    c->away = c->away == 0 ? AMQP091_AWAY_FIRST : c->away * 2 < AMQP091_AWAY_MOST ? c->away * 2 : AMQP091_AWAY_MOST;
    c->room_again = now + c->away;
}

/* Everything of this channel is settled, or the server has it back. */
void consumer_returning(struct consumer *c, nsec now)
{
    if (c->flow != FLOW_RETURNING || !(window_is_idle(&c->window) || c->refused))
        return;
    switch (c->session.state) {
    case SESSION_RUNNING:
        amqp091_session_leave(&c->session, now);
        return;
    case SESSION_CHANNEL:
    case SESSION_CHECK:
    case SESSION_QOS:
    case SESSION_CONSUME:
    case SESSION_LEAVING:
        return; /* it becomes one of the others soon, or the connection is lost */
    default:
        break;
    }
    if (c->refused)
        put_off(c, now);
    window_reset(&c->window);
    c->refused = false;
    c->flow = FLOW_AWAY;
}

static bool take_position(void *ctx, struct slice source, struct slice cursor)
{
    struct consumer *c = ctx;
    char text[24];

    if (!slice_is(source, c->place_name) || cursor.n == 0 || cursor.n >= sizeof(text))
        return true;
    snprintf(text, sizeof(text), "%.*s", (int)cursor.n, cursor.p);
    c->next = strtoull(text, NULL, 10) + 1;
    c->next_known = true;
    return false;
}

/* Nothing of the stream is in the spool: what came meanwhile and did not get there, or was sent while there was no connection, lies behind
 * `next` and `last` as the server knows them now. */
static void begin_as_before(struct consumer *c, struct session_place *place)
{
    if (c->seen) {
        c->next = c->seen_first;
        c->next_known = true;
    } else if (c->consumed_at > 0 && (c->begin.start == AMQP091_NEXT || c->begin.start == AMQP091_LAST)) {
        place->begin = (struct amqp091_begin){.start = AMQP091_TIME, .time = c->consumed_at / NSEC_PER_SEC};
    }
}

/* For what found none, at least. */
static bool has_room(const struct consumer *c)
{
    return spool_has_room(c->env.spool, c->wanted > AMQP091_ROOM_BYTES ? c->wanted : AMQP091_ROOM_BYTES);
}

void consumer_begin(struct consumer *c, nsec now)
{
    struct session_place place = {.begin = c->begin};

    if (c->flow != FLOW_AWAY || c->session.state != SESSION_IDLE || !connection_is_due(&c->connection, now) ||
        now < c->room_again || c->finished)
        return;
    if (!has_room(c)) {
        pushback_note(c->env.pushback,
                      spool_failing(c->env.spool, &(struct err){.code = ERR_NONE}) ? PUSHBACK_DISK : PUSHBACK_LIMIT,
                      now);
        return;
    }
    if (is_stream(c)) {
        c->next_known = false;
        spool_positions(c->env.spool, take_position, c);
        if (!c->next_known)
            begin_as_before(c, &place);
        place.known = c->next_known;
        place.next = c->next;
        if (!c->resumed)
            log_info(place.known ? "a stream is read on behind the last message that is in the spool"
                                 : "no position of this stream is known: it is begun as stream_start says",
                     KS("stream", c->env.stream), KS("input", c->label), KS("source", c->source),
                     KU("next", place.known ? place.next : 0), KS("stream_start", c->conf->stream_start));
        c->resumed = true;
    }
    place.check = c->check;
    c->first = true;
    c->count_at = 0;
    c->flow = FLOW_ON;
    c->asked_at = clock_wall();
    amqp091_session_consume(&c->session, &place, now);
}

void consumer_consumes(struct consumer *c, nsec now)
{
    c->came = now;
    if (c->consumed_at == 0)
        c->consumed_at = c->asked_at;
    connection_works(&c->connection, now);
}

/* --- messages ------------------------------------------------------------------------------------------------------- */

static void too_large(struct consumer *c, nsec now)
{
    const struct message *m = &c->session.message;

    input_health_error(c->env.health, "a message is larger than a record, or the stream's spool, may be",
                       "the queue's dead-letter exchange has it, if there is one", now);
    amqp091_session_reject(&c->session, m->tag);
    if (log_due(&c->too_large, now, AMQP091_SAYS_EVERY))
        log_warn("a message is larger than a record, or the stream's spool, may be, and was rejected",
                 KS("stream", c->env.stream), KS("input", c->label), KS("source", c->source), KU("bytes", m->size),
                 KU("bytes_max", RECORD_MAX_BYTES), KB("message_id", slice_of(m->id, m->id_bytes)),
                 KS("hint", "give the queue a dead-letter exchange, which keeps such messages; or raise spool.limit"));
}

const struct connection_trouble consumer_unasked_stream = {
    .doing = "consume",
    .cause = "the queue is a stream, and is read from a position",
    .hint = "say with stream_start where it begins: first, last, next or a time"};

void consumer_is_queue(struct consumer *c)
{
    c->is_queue = true;
    c->check = false;
    consumer_return(c);
}

/* A message whose kind is not what the options say would be taken under the wrong promise. A queue's may have a number as well, because its
 * writer gave it one, or took it out of a stream: then the server is asked, once. */
static bool is_as_configured(struct consumer *c, nsec now)
{
    static const struct connection_trouble NO_STREAM = {.doing = "consume",
                                                        .cause = "the queue is no stream: its messages have no numbers",
                                                        .hint = "leave stream_start out"};

    if (c->session.message.has_offset == is_stream(c) || c->is_queue)
        return true;
    if (is_stream(c)) {
        consumer_failed(c, &NO_STREAM, now);
    } else {
        c->check = true;
        consumer_return(c);
    }
    return false;
}

/* False: it is in the spool already. */
static bool is_new(struct consumer *c)
{
    uint64_t number = c->session.message.offset;

    if (!c->seen)
        c->seen_first = number;
    c->seen = true;
    if (c->next_known && number < c->next && !c->first)
        return false;
    if (c->next_known && c->first && number != c->next)
        log_warn(
            number > c->next ? "messages of the stream were removed by the server before they were read"
                             : "the stream was deleted and made anew: it is read from its beginning",
            KS("stream", c->env.stream), KS("input", c->label), KS("source", c->source), KU("expected", c->next),
            KU("found", number),
            KS("hint", number > c->next
                           ? "raise max-age or max-length-bytes of the stream, or look at why this stream stood still"
                           : "nothing is to be done if that was meant"));
    if (c->first)
        c->next = number; /* whatever becomes of this one: what follows it is new */
    c->first = false;
    return true;
}

static void taken(struct consumer *c, nsec now)
{
    const struct message *m = &c->session.message;

    c->away = 0;
    c->wanted = 0;
    c->came = now;
    if (is_stream(c)) {
        c->next = m->offset + 1;
        c->next_known = true;
    }
    if (m->facts_cut && !c->facts_cut_shown) {
        c->facts_cut_shown = true;
        log_warn("a message has more headers than can be kept beside its record, or such as nobody can read: some are "
                 "left out, here and of "
                 "others like it",
                 KS("stream", c->env.stream), KS("input", c->label), KU("bytes_max", RECORD_FACTS_MAX));
    }
}

void consumer_offer(struct consumer *c, nsec now)
{
    struct message *m = &c->session.message;
    const struct frame_message fm = {.data = buf_slice(&m->body),
                                     .facts = buf_slice(&m->facts),
                                     .id = slice_of(m->id, c->conf->remember > 0 ? m->id_bytes : 0)};

    if (m->redelivered && !c->counted)
        input_health_add(c->env.health, INPUT_REDELIVERED, 1);
    c->counted = true;
    if (!is_as_configured(c, now))
        return;
    if (is_stream(c) && !is_new(c)) {
        amqp091_session_reject(&c->session, m->tag); /* one alone: an acknowledgement would be of all before it */
    } else if (m->too_large) {
        too_large(c, now);
    } else {
        switch (window_put(&c->window, &fm, m->tag, clock_wall(), now)) {
        case WINDOW_TAKEN:
            taken(c, now);
            break;
        case WINDOW_TOO_LARGE:
            too_large(c, now);
            break;
        case WINDOW_FULL:
            if (c->flow == FLOW_ON)
                c->held_since = now;
            c->flow = FLOW_HELD;
            c->hold = true;
            return;
        case WINDOW_BROKEN:
            return; /* consumer_look() says what follows */
        }
    }
    c->counted = false;
    c->flow = FLOW_ON;
    c->hold = false;
    amqp091_message_clear(m);
}

static void closing_frame(void *ctx)
{
    struct consumer *c = ctx;
    char cursor[24];

    if (is_stream(c) && c->next_known)
        window_set_position(&c->window, slice_str(c->place_name),
                            slice_of(cursor, (size_t)snprintf(cursor, sizeof(cursor), "%" PRIu64, c->next - 1)));
}

void consumer_look(struct consumer *c, nsec now)
{
    struct window_news news = window_look(&c->window, now);

    if (news.safe && amqp091_session_has_channel(&c->session))
        amqp091_session_ack(&c->session, news.upto);
    if (news.refused) {
        consumer_return(c);
        c->refused = true;
    }
}

/* --- the end, with --once ------------------------------------------------------------------------------------------- */

static void finish_if(struct consumer *c, bool end)
{
    if (!c->env.once || c->finished || !end || c->flow != FLOW_ON || !amqp091_session_has_channel(&c->session) ||
        !window_is_idle(&c->window))
        return;
    c->finished = true;
    log_info(is_stream(c) ? "the stream has nothing more" : "the queue is empty", KS("stream", c->env.stream),
             KS("input", c->label), KS("source", c->source));
    if (c->env.finished)
        c->env.finished(c->env.ctx);
}

void consumer_finish(struct consumer *c, nsec now)
{
    finish_if(c, is_stream(c) && now - c->came >= AMQP091_STREAM_QUIET);
}

void consumer_counted(struct consumer *c, nsec now)
{
    input_health_lag(c->env.health, c->session.waiting);
    finish_if(c, c->session.waiting == 0 && now - c->came >= AMQP091_QUIET);
}

void consumer_end_seen(struct consumer *c)
{
    uint64_t end = c->session.end;

    input_health_lag(c->env.health, c->next_known && end >= c->next ? end + 1 - c->next : 0);
}

/* --- turns ---------------------------------------------------------------------------------------------------------- */

void consumer_held(struct consumer *c, nsec now)
{
    if (c->flow != FLOW_HELD)
        return;
    consumer_offer(c, now);
    if (c->flow != FLOW_HELD || now - c->held_since < AMQP091_HELD_MOST)
        return;
    c->wanted = c->session.message.body.n;
    if (has_room(c))
        put_off(c, now); /* it is memory that is short, and nobody can say when that is over */
    consumer_return(c);
}

void consumer_count(struct consumer *c, nsec now)
{
    bool quiet = c->env.once && now - c->came >= AMQP091_QUIET && window_is_idle(&c->window) && !is_stream(c);

    if (c->check || c->flow != FLOW_ON || !amqp091_session_has_channel(&c->session) || c->session.counting ||
        (now < c->count_at && !quiet))
        return;
    c->count_at = now + AMQP091_COUNT_EVERY;
    if (is_stream(c))
        amqp091_session_ask_end(&c->session);
    else
        amqp091_session_count(&c->session);
}

/* --- beginning and end ---------------------------------------------------------------------------------------------- */

static void on_news(void *ctx)
{
    struct consumer *c = ctx;

    input_thread_wake(c->thread);
}

void consumer_init(struct consumer *c, const struct session_conf *session)
{
    const struct amqp091_conf *conf = c->conf;
    const struct window_conf window = {
        .spool = c->env.spool,
        .budget = c->env.budget,
        .pushback = c->env.pushback,
        .health = c->env.health,
        .origin = slice_str(c->origin),
        .id_source = conf->remember > 0 ? slice_str(c->place_name) : SLICE(""),
        .ids = {.count = (uint32_t)conf->remember, .seconds = (uint32_t)(conf->remember_for / NSEC_PER_SEC)},
        .records = (uint32_t)conf->prefetch,
        .news = on_news,
        .closing = closing_frame,
        .ctx = c};

    amqp091_session_init(&c->session, session);
    connection_init(&c->connection, &(struct connection_conf){.stream = c->env.stream,
                                                              .input = c->label,
                                                              .source = c->source,
                                                              .health = c->env.health,
                                                              .holds = CONNECTION_HOLDS});
    window_init(&c->window, &window);
}

void consumer_release(struct consumer *c)
{
    window_release(&c->window);
    amqp091_session_release(&c->session);
    connection_release(&c->connection);
}
