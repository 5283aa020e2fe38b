/* A session against a server that is played here: it logs in, consumes, acknowledges and leaves, in whatever pieces the bytes come, and
 * whatever the server says instead. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/amqp091/session.h"
#include "pipeline/inputs/amqp091/wire.h"

#include <pthread.h>
#include <string.h>

#define SECONDS(n) ((n)*NSEC_PER_SEC)

static const struct session_conf CONF = {.vhost = "logs",
                                         .username = "me",
                                         .password = "word",
                                         .queue = "orders",
                                         .name = "sluice app",
                                         .prefetch = 300,
                                         .heartbeat = 10};

struct play {
    struct session s;
    struct buf to; /* what the server says */
    size_t heard;  /* of session.out */
    amqp_pool_t pool;
    nsec now;
    size_t piece; /* bytes that come at a time */
    struct err e;
};

static void setup(struct play *p, size_t piece)
{
    *p = (struct play){.now = SECONDS(100), .piece = piece};
    amqp091_session_init(&p->s, &CONF);
    buf_init(&p->to, 4 * MIB);
    init_amqp_pool(&p->pool, 4096);
    amqp091_session_begin(&p->s, p->now);
}

static void release(struct play *p)
{
    amqp091_session_release(&p->s);
    buf_release(&p->to);
    empty_amqp_pool(&p->pool);
}

/* --- the server ----------------------------------------------------------------------------------------------------- */

static void serve(struct play *p, uint16_t channel, amqp_method_number_t id, void *decoded)
{
    assert_int_equal(amqp091_method_add(&p->to, channel, id, decoded), 0);
}

static void serve_frame(struct play *p, char type, char channel, struct slice payload)
{
    char head[7] = {type, 0, channel, 0, (char)(payload.n >> 16), (char)(payload.n >> 8), (char)payload.n};

    assert_int_equal(buf_add(&p->to, head, 7) + buf_add_slice(&p->to, payload) + buf_add(&p->to, "\xce", 1), 0);
}

static void serve_greeting(struct play *p, const char *mechanisms)
{
    amqp_connection_start_t start = {
        .version_minor = 9, .mechanisms = amqp_cstring_bytes(mechanisms), .locales = amqp_cstring_bytes("en_US")};

    serve(p, 0, AMQP_CONNECTION_START_METHOD, &start);
}

static void serve_tune(struct play *p, uint32_t frame_max, uint16_t heartbeat)
{
    amqp_connection_tune_t tune = {.channel_max = 2047, .frame_max = (int)frame_max, .heartbeat = heartbeat};

    serve(p, 0, AMQP_CONNECTION_TUNE_METHOD, &tune);
}

static void serve_open(struct play *p)
{
    amqp_connection_open_ok_t ok = {.known_hosts = amqp_empty_bytes};

    serve(p, 0, AMQP_CONNECTION_OPEN_OK_METHOD, &ok);
}

static void serve_message(struct play *p, uint64_t tag, const char *body)
{
    amqp_basic_deliver_t deliver = {.consumer_tag = amqp_cstring_bytes("sluice"),
                                    .delivery_tag = tag,
                                    .exchange = amqp_cstring_bytes("x"),
                                    .routing_key = amqp_cstring_bytes("k")};
    char header[14] = {0, 60};
    size_t n = strlen(body);

    header[11] = (char)n;
    serve(p, 1, AMQP_BASIC_DELIVER_METHOD, &deliver);
    serve_frame(p, WIRE_HEADER, 1, slice_of(header, 14));
    for (size_t i = 0; i < n; i++) /* a byte a frame, and something of the connection between them */
        serve_frame(p, WIRE_BODY, 1, slice_of(body + i, 1)), serve_frame(p, WIRE_HEARTBEAT, 0, SLICE(""));
}

/* --- the client ----------------------------------------------------------------------------------------------------- */

/* Reads all that the server has said, in pieces; the last event that was one. Stops at a message. */
static enum session_event hear(struct play *p)
{
    enum session_event last = SESSION_MORE;
    size_t there = 0, at = 0;

    while (there < p->to.n) {
        size_t took = 0;
        enum session_event event;

        there = there + p->piece < p->to.n ? there + p->piece : p->to.n;
        do {
            if (at == there)
                break;
            event = amqp091_session_read(&p->s, slice_of(p->to.p + at, there - at), &took, p->now, &p->e);
            assert_true(took <= there - at);
            if (event == SESSION_MORE && took == 0 && p->s.message.state != MESSAGE_WHOLE)
                assert_true(amqp091_session_needs(&p->s, slice_of(p->to.p + at, there - at)) > there - at);
            at += took;
            if (event > SESSION_GOES_ON)
                last = event;
        } while (took > 0 && last != SESSION_MESSAGE && p->s.state != SESSION_ENDED);
        if (last == SESSION_MESSAGE || p->s.state == SESSION_ENDED)
            break;
    }
    memmove(p->to.p, p->to.p + at, p->to.n - at);
    p->to.n -= at;
    return last;
}

/* The next method that the client has said. */
static amqp_method_number_t said(struct play *p, void **decoded)
{
    struct slice rest = slice_of(p->s.out.p + p->heard, p->s.out.n - p->heard);
    struct wire_frame f;
    struct wire_reader r;
    amqp_method_number_t id;

    if (rest.n == 0)
        return 0;
    assert_int_equal(amqp091_frame_read(rest, AMQP091_FRAME_MAX, &f, &p->e), WIRE_FRAME);
    p->heard += f.total;
    if (f.type == WIRE_HEARTBEAT)
        return 1;
    assert_int_equal(f.type, WIRE_METHOD);
    r = (struct wire_reader){.rest = f.payload};
    id = (amqp_method_number_t)amqp091_number(&r, 4);
    assert_int_equal(f.channel, id >> 16 == 10 ? 0 : 1);
    assert_int_equal(amqp_decode_method(id, &p->pool,
                                        (amqp_bytes_t){.len = r.rest.n, .bytes = p->s.out.p + p->heard - 1 - r.rest.n},
                                        decoded),
                     0);
    return id;
}

static void *expect_said(struct play *p, amqp_method_number_t id)
{
    void *decoded = NULL;
    amqp_method_number_t found = said(p, &decoded);

    if (found != id)
        fail_msg("it said %s, and not %s", found > 1 ? amqp_method_name(found) : "nothing", amqp_method_name(id));
    return decoded;
}

static void expect_silence(struct play *p)
{
    void *decoded;

    assert_int_equal(said(p, &decoded), 0);
    buf_clear(&p->s.out);
    p->heard = 0;
}

static bool bytes_are(amqp_bytes_t b, const char *text)
{
    return slice_is(slice_of(b.bytes, b.len), text);
}

static void log_in(struct play *p)
{
    assert_memory_equal(p->s.out.p, "AMQP\0\0\x9\x1", 8);
    p->heard = 8;
    serve_greeting(p, "AMQPLAIN PLAIN");
    assert_int_equal(hear(p), SESSION_MORE);
    expect_said(p, AMQP_CONNECTION_START_OK_METHOD);
    serve_tune(p, 131072, 60);
    assert_int_equal(hear(p), SESSION_MORE);
    expect_said(p, AMQP_CONNECTION_TUNE_OK_METHOD);
    expect_said(p, AMQP_CONNECTION_OPEN_METHOD);
    serve_open(p);
    assert_int_equal(hear(p), SESSION_LOGGED_IN);
    expect_silence(p);
}

static void consume(struct play *p, const struct session_place *place)
{
    amqp_channel_open_ok_t opened = {.channel_id = amqp_empty_bytes};
    amqp_basic_qos_ok_t qos = {.dummy = 0};
    amqp_basic_consume_ok_t ok = {.consumer_tag = amqp_cstring_bytes("sluice")};

    amqp091_session_consume(&p->s, place, p->now);
    expect_said(p, AMQP_CHANNEL_OPEN_METHOD);
    serve(p, 1, AMQP_CHANNEL_OPEN_OK_METHOD, &opened);
    assert_int_equal(hear(p), SESSION_MORE);
    assert_int_equal(((amqp_basic_qos_t *)expect_said(p, AMQP_BASIC_QOS_METHOD))->prefetch_count, 300);
    serve(p, 1, AMQP_BASIC_QOS_OK_METHOD, &qos);
    assert_int_equal(hear(p), SESSION_MORE);
    expect_said(p, AMQP_BASIC_CONSUME_METHOD);
    serve(p, 1, AMQP_BASIC_CONSUME_OK_METHOD, &ok);
    assert_int_equal(hear(p), SESSION_CONSUMES);
    assert_true(amqp091_session_has_channel(&p->s));
    expect_silence(p);
}

static const struct session_place QUEUE = {.known = false};

static void running(struct play *p, size_t piece)
{
    setup(p, piece);
    log_in(p);
    consume(p, &QUEUE);
}

/* --- cases ---------------------------------------------------------------------------------------------------------- */

static void it_logs_in_consumes_acknowledges_and_leaves(void **state)
{
    static const size_t PIECES[] = {1, 2, 7, 8, 9, 100, 100000};
    amqp_channel_close_ok_t left = {.dummy = 0};
    amqp_connection_close_ok_t closed = {.dummy = 0};
    struct play p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(PIECES); i++) {
        amqp_basic_ack_t *ack;
        amqp_basic_reject_t *reject;

        running(&p, PIECES[i]);
        serve_message(&p, 1, "one");
        serve_message(&p, 2, "");
        assert_int_equal(hear(&p), SESSION_MESSAGE);
        assert_true(slice_is(buf_slice(&p.s.message.body), "one"));
        assert_int_equal(p.s.message.tag, 1);
        amqp091_message_clear(&p.s.message);
        assert_int_equal(hear(&p), SESSION_MESSAGE);
        assert_int_equal(p.s.message.tag, 2);
        assert_int_equal(p.s.message.body.n, 0);
        amqp091_message_clear(&p.s.message);
        amqp091_session_ack(&p.s, 1);
        ack = expect_said(&p, AMQP_BASIC_ACK_METHOD);
        assert_true(ack->delivery_tag == 1 && ack->multiple);
        amqp091_session_reject(&p.s, 2);
        reject = expect_said(&p, AMQP_BASIC_REJECT_METHOD);
        assert_true(reject->delivery_tag == 2 && !reject->requeue);

        amqp091_session_leave(&p.s, p.now);
        expect_said(&p, AMQP_CHANNEL_CLOSE_METHOD);
        serve_message(&p, 3, "too late"); /* it was on its way */
        serve(&p, 1, AMQP_CHANNEL_CLOSE_OK_METHOD, &left);
        assert_int_equal(hear(&p), SESSION_LEFT);
        assert_int_equal(p.s.state, SESSION_IDLE);
        expect_silence(&p);
        consume(&p, &QUEUE); /* and once more */
        amqp091_session_close(&p.s, p.now);
        expect_said(&p, AMQP_CONNECTION_CLOSE_METHOD);
        serve_message(&p, 1, "again");
        serve(&p, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &closed);
        assert_int_equal(hear(&p), SESSION_OVER);
        assert_int_equal(p.s.code, 0);
        assert_int_equal(p.s.state, SESSION_ENDED);
        assert_int_equal(amqp091_session_tick(&p.s, p.now + SECONDS(1000), &p.e), 0); /* nothing is awaited any more */
        assert_true(amqp091_session_next_tick(&p.s) > 0);
        release(&p);
    }
}

static void what_it_says_of_itself(void **state)
{
    amqp_connection_start_ok_t *ok;
    amqp_connection_tune_ok_t *tuned;
    amqp_connection_open_t *open;
    struct play p;

    (void)state;
    setup(&p, 1000);
    p.heard = 8;
    serve_greeting(&p, "PLAIN");
    assert_int_equal(hear(&p), SESSION_MORE);
    ok = expect_said(&p, AMQP_CONNECTION_START_OK_METHOD);
    assert_true(bytes_are(ok->mechanism, "PLAIN"));
    assert_int_equal(ok->response.len, 8);
    assert_memory_equal(ok->response.bytes, "\0me\0word", 8);
    serve_tune(&p, 5000, 3); /* the server wants less of both */
    assert_int_equal(hear(&p), SESSION_MORE);
    tuned = expect_said(&p, AMQP_CONNECTION_TUNE_OK_METHOD);
    assert_int_equal(tuned->frame_max, AMQP091_FRAME_MAX < 5000 ? AMQP091_FRAME_MAX : 5000);
    assert_int_equal(tuned->heartbeat, 3);
    open = expect_said(&p, AMQP_CONNECTION_OPEN_METHOD);
    assert_true(bytes_are(open->virtual_host, "logs"));
    release(&p);

    setup(&p, 1000);
    p.heard = 8;
    serve_greeting(&p, "PLAIN");
    serve_tune(&p, 0, 0); /* no limits */
    assert_int_equal(hear(&p), SESSION_MORE);
    expect_said(&p, AMQP_CONNECTION_START_OK_METHOD);
    tuned = expect_said(&p, AMQP_CONNECTION_TUNE_OK_METHOD);
    assert_int_equal(tuned->frame_max, AMQP091_FRAME_MAX);
    assert_int_equal(tuned->heartbeat, 10);
    release(&p);
}

static void a_stream_is_begun_where_it_should(void **state)
{
    static const struct {
        struct session_place place;
        char kind;
        const char *text;
        int64_t number;
    } CASES[] = {
        {{.begin = {.start = AMQP091_FIRST}}, 'S', "first", 0},
        {{.begin = {.start = AMQP091_LAST}}, 'S', "last", 0},
        {{.begin = {.start = AMQP091_NEXT}}, 'S', "next", 0},
        {{.begin = {.start = AMQP091_TIME, .time = 1700000000}}, 'T', NULL, 1700000000},
        {{.begin = {.start = AMQP091_NEXT}, .known = true, .next = 77}, 'l', NULL, 77},
        {{.begin = {.start = AMQP091_TIME, .time = 5}, .known = true, .next = 0}, 'l', NULL, 0},
    };
    amqp_channel_open_ok_t opened = {.channel_id = amqp_empty_bytes};
    amqp_basic_qos_ok_t qos = {.dummy = 0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        amqp_basic_consume_t *c;
        amqp_table_entry_t *entry;
        struct play p;

        setup(&p, 1000);
        log_in(&p);
        amqp091_session_consume(&p.s, &CASES[i].place, p.now);
        serve(&p, 1, AMQP_CHANNEL_OPEN_OK_METHOD, &opened);
        serve(&p, 1, AMQP_BASIC_QOS_OK_METHOD, &qos);
        assert_int_equal(hear(&p), SESSION_MORE);
        expect_said(&p, AMQP_CHANNEL_OPEN_METHOD);
        expect_said(&p, AMQP_BASIC_QOS_METHOD);
        c = expect_said(&p, AMQP_BASIC_CONSUME_METHOD);
        assert_true(bytes_are(c->queue, "orders") && !c->no_ack && !c->exclusive);
        assert_int_equal(c->arguments.num_entries, 1);
        entry = &c->arguments.entries[0];
        assert_true(bytes_are(entry->key, "x-stream-offset"));
        assert_int_equal(entry->value.kind, CASES[i].kind);
        if (CASES[i].text)
            assert_true(bytes_are(entry->value.value.bytes, CASES[i].text));
        else
            assert_int_equal(entry->value.value.i64, CASES[i].number);
        release(&p);
    }
}

static void the_server_may_end_it_in_any_state(void **state)
{
    amqp_connection_close_t close = {.reply_code = 320,
                                     .reply_text = amqp_cstring_bytes("CONNECTION_FORCED - shutdown")};
    amqp_channel_close_t thrown = {.reply_code = 404, .reply_text = amqp_cstring_bytes("NOT_FOUND - no queue")};
    amqp_basic_cancel_t cancel = {.consumer_tag = amqp_cstring_bytes("sluice"), .nowait = 1};
    struct play p;

    (void)state;
    for (int state_no = 0; state_no < 3; state_no++) {
        setup(&p, 3);
        if (state_no > 0)
            log_in(&p);
        if (state_no > 1)
            consume(&p, &QUEUE);
        serve(&p, 0, AMQP_CONNECTION_CLOSE_METHOD, &close);
        assert_int_equal(hear(&p), SESSION_OVER);
        assert_int_equal(p.s.code, 320);
        assert_string_equal(p.s.text, "CONNECTION_FORCED - shutdown");
        release(&p);
    }
    setup(&p, 3);
    log_in(&p);
    amqp091_session_consume(&p.s, &QUEUE, p.now);
    expect_said(&p, AMQP_CHANNEL_OPEN_METHOD);
    serve(&p, 1, AMQP_CHANNEL_CLOSE_METHOD, &thrown);
    assert_int_equal(hear(&p), SESSION_THROWN_OUT);
    assert_int_equal(p.s.code, 404);
    assert_int_equal(p.s.state, SESSION_IDLE);
    expect_said(&p, AMQP_CHANNEL_CLOSE_OK_METHOD);
    expect_silence(&p);
    consume(&p, &QUEUE); /* the connection is as good as before */
    serve(&p, 1, AMQP_BASIC_CANCEL_METHOD, &cancel);
    assert_int_equal(hear(&p), SESSION_CANCELLED);
    assert_true(amqp091_session_has_channel(&p.s));
    amqp091_session_ack(&p.s, 5); /* still */
    expect_said(&p, AMQP_BASIC_ACK_METHOD);
    amqp091_session_leave(&p.s, p.now); /* both at once */
    expect_said(&p, AMQP_CHANNEL_CLOSE_METHOD);
    serve(&p, 1, AMQP_CHANNEL_CLOSE_METHOD, &thrown);
    assert_int_equal(hear(&p), SESSION_MORE);
    assert_int_equal(p.s.state, SESSION_LEAVING);
    release(&p);
}

static void the_queue_is_counted(void **state)
{
    amqp_queue_declare_ok_t ok = {.queue = amqp_cstring_bytes("orders"), .message_count = 4711};
    struct play p;

    (void)state;
    running(&p, 1000);
    amqp091_session_count(&p.s);
    amqp091_session_count(&p.s);
    assert_true(((amqp_queue_declare_t *)expect_said(&p, AMQP_QUEUE_DECLARE_METHOD))->passive);
    expect_silence(&p);
    serve(&p, 1, AMQP_QUEUE_DECLARE_OK_METHOD, &ok);
    assert_int_equal(hear(&p), SESSION_COUNTED);
    assert_int_equal(p.s.waiting, 4711);
    serve(&p, 1, AMQP_QUEUE_DECLARE_OK_METHOD, &ok);
    assert_int_equal(hear(&p), SESSION_BAD); /* nobody asked */
    release(&p);
}

static void serve_of(struct play *p, const char *tag, uint64_t number, const char *body, int64_t offset)
{
    amqp_basic_deliver_t deliver = {.consumer_tag = amqp_cstring_bytes(tag), .delivery_tag = number};
    char header[14 + 64] = {0, 60};
    size_t n = 14;

    header[11] = (char)strlen(body);
    header[12] = 0x20; /* headers: x-stream-offset as a long */
    memcpy(header + n, "\0\0\0\x19\xfx-stream-offsetl", 21);
    n += 21;
    for (int i = 7; i >= 0; i--)
        header[n++] = (char)(offset >> (8 * i));
    serve(p, 1, AMQP_BASIC_DELIVER_METHOD, &deliver);
    serve_frame(p, WIRE_HEADER, 1, slice_of(header, n));
    if (*body)
        serve_frame(p, WIRE_BODY, 1, slice_str(body));
}

static void the_end_of_a_stream_is_seen(void **state)
{
    static const struct session_place FIRST = {.begin = {.start = AMQP091_FIRST}};
    amqp_basic_qos_ok_t qos = {.dummy = 0};
    amqp_basic_consume_ok_t ok = {.consumer_tag = amqp_cstring_bytes("sluice-end")};
    amqp_basic_ack_t *ack;
    struct play p;

    (void)state;
    setup(&p, 1000);
    log_in(&p);
    consume(&p, &FIRST);
    amqp091_session_ask_end(&p.s);
    amqp091_session_ask_end(&p.s); /* once is enough */
    assert_int_equal(((amqp_basic_qos_t *)expect_said(&p, AMQP_BASIC_QOS_METHOD))->prefetch_count, 1);
    expect_said(&p, AMQP_BASIC_CONSUME_METHOD);
    expect_silence(&p);
    serve(&p, 1, AMQP_BASIC_QOS_OK_METHOD, &qos);
    serve_of(&p, "sluice", 1, "one", 5);
    serve(&p, 1, AMQP_BASIC_CONSUME_OK_METHOD, &ok);
    serve_of(&p, "sluice-end", 2, "far", 4711);
    assert_int_equal(hear(&p), SESSION_MESSAGE);
    assert_true(p.s.message.has_offset && p.s.message.offset == 5);
    amqp091_message_clear(&p.s.message);
    assert_int_equal(hear(&p), SESSION_END);
    assert_int_equal(p.s.end, 4711);
    assert_int_equal(p.s.message.state, MESSAGE_NONE);
    ack = expect_said(&p, AMQP_BASIC_ACK_METHOD); /* or consumer_timeout would strike on a quiet stream */
    assert_true(ack->delivery_tag == 2 && !ack->multiple);
    assert_true(
        bytes_are(((amqp_basic_cancel_t *)expect_said(&p, AMQP_BASIC_CANCEL_METHOD))->consumer_tag, "sluice-end"));
    serve_of(&p, "sluice", 3, "two", 6);
    assert_int_equal(hear(&p), SESSION_MESSAGE);
    amqp091_message_clear(&p.s.message);
    amqp091_session_ask_end(&p.s); /* again; and the channel is left before the answer has come */
    amqp091_session_leave(&p.s, p.now);
    serve(&p, 1, AMQP_BASIC_QOS_OK_METHOD, &qos);
    serve(&p, 1, AMQP_BASIC_CONSUME_OK_METHOD, &ok);
    serve_of(&p, "sluice-end", 4, "", 4712);
    assert_int_equal(hear(&p), SESSION_MORE);
    assert_int_equal(p.s.message.state, MESSAGE_NONE);
    release(&p);
}

static void it_is_found_out_whether_it_is_a_queue(void **state)
{
    static const struct session_place CHECK = {.check = true};
    amqp_channel_open_ok_t opened = {.channel_id = amqp_empty_bytes};
    amqp_basic_get_ok_t got = {
        .delivery_tag = 1, .exchange = amqp_cstring_bytes("x"), .routing_key = amqp_cstring_bytes("k")};
    amqp_basic_get_empty_t none = {.cluster_id = amqp_empty_bytes};
    amqp_channel_close_ok_t left = {.dummy = 0};
    struct play p;

    (void)state;
    for (int i = 0; i < 2; i++) {
        char header[14] = {0, 60};

        setup(&p, 3);
        log_in(&p);
        amqp091_session_consume(&p.s, &CHECK, p.now);
        expect_said(&p, AMQP_CHANNEL_OPEN_METHOD);
        serve(&p, 1, AMQP_CHANNEL_OPEN_OK_METHOD, &opened);
        assert_int_equal(hear(&p), SESSION_MORE);
        assert_false(((amqp_basic_get_t *)expect_said(&p, AMQP_BASIC_GET_METHOD))->no_ack);
        if (i == 0)
            serve(&p, 1, AMQP_BASIC_GET_EMPTY_METHOD, &none);
        else
            serve(&p, 1, AMQP_BASIC_GET_OK_METHOD, &got);
        assert_int_equal(hear(&p), SESSION_IS_QUEUE);
        amqp091_session_leave(&p.s, p.now);
        expect_said(&p, AMQP_CHANNEL_CLOSE_METHOD);
        header[11] = 3;
        if (i == 1) {
            serve_frame(&p, WIRE_HEADER, 1, slice_of(header, 14));
            serve_frame(&p, WIRE_BODY, 1, SLICE("one"));
        }
        serve(&p, 1, AMQP_CHANNEL_CLOSE_OK_METHOD, &left);
        assert_int_equal(hear(&p), SESSION_LEFT);
        consume(&p, &QUEUE);
        serve_message(&p, 1, "one");
        assert_int_equal(hear(&p), SESSION_MESSAGE);
        assert_true(slice_is(buf_slice(&p.s.message.body), "one"));
        release(&p);
    }
    running(&p, 1000);
    serve(&p, 1, AMQP_BASIC_GET_EMPTY_METHOD, &none);
    assert_int_equal(hear(&p), SESSION_BAD); /* nobody asked */
    release(&p);
}

static void it_logs_in_by_its_certificate(void **state)
{
    amqp_connection_start_ok_t *ok;
    struct play p;

    (void)state;
    setup(&p, 1000);
    p.s.conf.by_certificate = true;
    p.heard = 8;
    serve_greeting(&p, "PLAIN EXTERNAL");
    assert_int_equal(hear(&p), SESSION_MORE);
    ok = expect_said(&p, AMQP_CONNECTION_START_OK_METHOD);
    assert_true(bytes_are(ok->mechanism, "EXTERNAL"));
    assert_int_equal(ok->response.len, 0);
    release(&p);
}

static void what_is_thrown_away_is_not_kept(void **state)
{
    struct play p;

    (void)state;
    running(&p, 1000);
    serve_message(&p, 1, "held");
    assert_int_equal(hear(&p), SESSION_MESSAGE);
    serve_message(&p, 2, "two");
    assert_int_equal(hear(&p), SESSION_MORE); /* nothing is read while a message is held */
    assert_int_equal(p.s.message.tag, 1);
    amqp091_session_discard(&p.s);
    assert_int_equal(hear(&p), SESSION_MORE);
    assert_int_equal(p.s.message.state, MESSAGE_NONE);
    assert_int_equal(p.to.n, 0);
    release(&p);
}

/* --- rules that the server breaks ----------------------------------------------------------------------------------- */

static void expect_bad(struct play *p, const char *words)
{
    assert_int_equal(hear(p), SESSION_BAD);
    assert_int_equal(p->s.state, SESSION_ENDED);
    if (!strstr(p->e.msg, words))
        fail_msg("it says: %s", p->e.msg);
    release(p);
}

static void a_server_of_something_else_is_named(void **state)
{
    struct play p;

    (void)state;
    setup(&p, 1000);
    assert_int_equal(buf_add(&p.to, "AMQP\0\1\0\0", 8), 0);
    expect_bad(&p, "does not speak AMQP 0-9-1");
    setup(&p, 1000);
    assert_int_equal(buf_add_str(&p.to, "HTTP/1.1 400 Bad Request\r\n\r\n"), 0);
    expect_bad(&p, "frame");
    setup(&p, 1000);
    serve_greeting(&p, "EXTERNAL AMQPLAIN");
    expect_bad(&p, "PLAIN");
    setup(&p, 1000);
    p.s.conf.by_certificate = true;
    serve_greeting(&p, "PLAIN");
    expect_bad(&p, "rabbitmq_auth_mechanism_ssl");
    setup(&p, 1000);
    serve_tune(&p, 0, 0);
    expect_bad(&p, "greeting");
    setup(&p, 1000);
    serve_frame(&p, WIRE_METHOD, 0, slice_of("\0\xa\0\xa\0\x9\xff\xff\xff\xff", 10));
    expect_bad(&p, "greeting");
}

static void frames_out_of_their_place_end_it(void **state)
{
    amqp_basic_deliver_t deliver = {.delivery_tag = 1};
    struct play p;

    (void)state;
    running(&p, 1000);
    serve_frame(&p, WIRE_BODY, 1, SLICE("x"));
    expect_bad(&p, "out of its place");
    running(&p, 1000);
    serve_frame(&p, WIRE_METHOD, 2, SLICE("xxxxxx"));
    expect_bad(&p, "channel");
    running(&p, 1000);
    serve_frame(&p, 9, 0, SLICE(""));
    expect_bad(&p, "kind");
    running(&p, 1000);
    serve_frame(&p, WIRE_METHOD, 1, SLICE("ab"));
    expect_bad(&p, "shorter");
    running(&p, 1000);
    serve_frame(&p, WIRE_METHOD, 1, SLICE("\x7f\x7f\x7f\x7fxxxx"));
    expect_bad(&p, "method");
    running(&p, 1000);
    serve(&p, 1, AMQP_BASIC_DELIVER_METHOD, &deliver);
    serve(&p, 1, AMQP_BASIC_DELIVER_METHOD, &deliver);
    expect_bad(&p, "breaks off");
    running(&p, 1000);
    serve_message(&p, 1, "x");
    p.to.p[p.to.n - 9] = 0; /* the end of the last piece */
    expect_bad(&p, "its end is not where");
    running(&p, 1000);
    assert_int_equal(buf_add(&p.to, "\3\0\1\x7f\xff\xff\xff\0\0\0\0", 11), 0);
    expect_bad(&p, "the most that was agreed on");
    setup(&p, 1000);
    log_in(&p);
    serve_message(&p, 1, "x");
    expect_bad(&p, "nobody has opened");
}

static void *hear_on_a_small_stack(void *arg)
{
    struct play *p = arg;
    size_t took;

    return amqp091_session_read(&p->s, buf_slice(&p->to), &took, p->now, &p->e) == SESSION_BAD ? p : NULL;
}

/* queue.declare, which only clients say, with arrays in an array as deep as a frame takes; on a thread like that of the input. */
static void what_is_nested_deeply_needs_no_stack(void **state)
{
    static const char HEAD[] = "\0\x32\0\xa\0\0\1q\0\0\0\0\0\1k";
    size_t depth = (AMQP091_FRAME_MAX - 100) / 5, inner = 5 * depth + 2;
    struct buf payload;
    pthread_attr_t attr;
    pthread_t thread;
    struct play p;
    void *bad;

    (void)state;
    running(&p, 1000);
    buf_init(&payload, AMQP091_FRAME_MAX);
    assert_int_equal(buf_add(&payload, HEAD, sizeof(HEAD) - 1), 0);
    for (size_t i = 0; i < 4; i++)
        payload.p[9 + i] = (char)(inner >> 8 * (3 - i));
    for (size_t left = 5 * (depth - 1), i = 0; i < depth; i++, left -= 5) {
        char array[5] = {'A', (char)(left >> 24), (char)(left >> 16), (char)(left >> 8), (char)left};

        assert_int_equal(buf_add(&payload, array, sizeof(array)), 0);
    }
    serve_frame(&p, WIRE_METHOD, 1, buf_slice(&payload));
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, INPUT_THREAD_STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attr, hear_on_a_small_stack, &p), 0);
    assert_int_equal(pthread_join(thread, &bad), 0);
    assert_non_null(bad);
    pthread_attr_destroy(&attr);
    buf_release(&payload);
    release(&p);
}

/* Each byte of a conversation changed, one at a time: it ends, or goes on, and nothing is read that is not there. */
static void damaged_bytes_are_no_danger(void **state)
{
    amqp_queue_declare_ok_t count = {.queue = amqp_cstring_bytes("orders"), .message_count = 1};
    struct play p;
    size_t n = 1;

    (void)state;
    for (size_t at = 0; at < n; at++) {
        running(&p, 1000);
        amqp091_session_count(&p.s);
        serve_message(&p, 1, "ab");
        serve(&p, 1, AMQP_QUEUE_DECLARE_OK_METHOD, &count);
        n = p.to.n;
        p.to.p[at] ^= 0x55;
        for (int i = 0; i < 5 && p.to.n > 0 && p.s.state != SESSION_ENDED; i++)
            if (hear(&p) == SESSION_MESSAGE)
                amqp091_message_clear(&p.s.message);
        release(&p);
    }
}

/* --- time ----------------------------------------------------------------------------------------------------------- */

static void heartbeats_go_both_ways(void **state)
{
    struct play p;
    void *decoded;

    (void)state;
    running(&p, 1000); /* 10 s were agreed on */
    p.now += SECONDS(5) - 1;
    assert_int_equal(amqp091_session_tick(&p.s, p.now, &p.e), 0);
    expect_silence(&p);
    assert_true(amqp091_session_next_tick(&p.s) == p.now + 1);
    p.now += 1;
    assert_int_equal(amqp091_session_tick(&p.s, p.now, &p.e), 0);
    assert_int_equal(said(&p, &decoded), 1);
    expect_silence(&p);
    p.now += SECONDS(10);
    assert_int_equal(amqp091_session_tick(&p.s, p.now, &p.e), 0);
    serve_frame(&p, WIRE_HEARTBEAT, 0, SLICE(""));
    hear(&p);
    p.now += SECONDS(20);
    assert_int_equal(amqp091_session_tick(&p.s, p.now, &p.e), 0);
    p.now += 1;
    assert_int_equal(amqp091_session_tick(&p.s, p.now, &p.e), -1);
    assert_non_null(strstr(p.e.msg, "two heartbeats"));
    release(&p);
}

static void an_answer_that_does_not_come_is_missed(void **state)
{
    struct play p;

    (void)state;
    setup(&p, 1000);
    assert_int_equal(amqp091_session_tick(&p.s, p.now + AMQP091_ANSWER_TIME, &p.e), 0);
    assert_int_equal(amqp091_session_tick(&p.s, p.now + AMQP091_ANSWER_TIME + 1, &p.e), -1);
    assert_non_null(strstr(p.e.msg, "its greeting"));
    release(&p);
    running(&p, 1000);
    assert_int_equal(amqp091_session_tick(&p.s, p.now + SECONDS(19), &p.e), 0);
    amqp091_session_leave(&p.s, p.now);
    p.s.heard = p.now + SECONDS(40);
    assert_int_equal(amqp091_session_tick(&p.s, p.now + SECONDS(40), &p.e), -1);
    assert_non_null(strstr(p.e.msg, "the end of the channel"));
    release(&p);
}

static void codes_have_hints(void **state)
{
    (void)state;
    assert_non_null(strstr(amqp091_session_hint(403, "ACCESS_REFUSED - Login was refused"), "password"));
    assert_non_null(strstr(amqp091_session_hint(403, "ACCESS_REFUSED - access to queue 'q'"), "set_permissions"));
    assert_non_null(strstr(amqp091_session_hint(404, "NOT_FOUND - no queue"), "make the queue"));
    assert_non_null(strstr(amqp091_session_hint(406, "delivery acknowledgement timeout"), "consumer_timeout"));
    assert_non_null(strstr(amqp091_session_hint(999, ""), "log"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_logs_in_consumes_acknowledges_and_leaves),
        cmocka_unit_test(what_it_says_of_itself),
        cmocka_unit_test(a_stream_is_begun_where_it_should),
        cmocka_unit_test(the_server_may_end_it_in_any_state),
        cmocka_unit_test(the_queue_is_counted),
        cmocka_unit_test(the_end_of_a_stream_is_seen),
        cmocka_unit_test(it_is_found_out_whether_it_is_a_queue),
        cmocka_unit_test(it_logs_in_by_its_certificate),
        cmocka_unit_test(what_is_thrown_away_is_not_kept),
        cmocka_unit_test(a_server_of_something_else_is_named),
        cmocka_unit_test(frames_out_of_their_place_end_it),
        cmocka_unit_test(what_is_nested_deeply_needs_no_stack),
        cmocka_unit_test(damaged_bytes_are_no_danger),
        cmocka_unit_test(heartbeats_go_both_ways),
        cmocka_unit_test(an_answer_that_does_not_come_is_missed),
        cmocka_unit_test(codes_have_hints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
