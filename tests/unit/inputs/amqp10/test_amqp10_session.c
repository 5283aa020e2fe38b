/* A server made of the same engine, in memory: what it is asked for, what is accepted and when, and how a session ends. The bytes between both
 * are cut as each case says. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/amqp10/session.h"

#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/message.h>
#include <proton/sasl.h>
#include <proton/session.h>
#include <proton/terminus.h>
#include <proton/transport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define P amqp10_protocol

enum { OUTCOMES_MAX = 4000 };

struct peer {
    struct amqp10_session s;
    pn_connection_driver_t server;
    pn_link_t *link;
    size_t piece;
    nsec now;
    struct err e;
    bool failed;
    /* The script of the server: */
    const char *refuse, *mechanisms, *capability;
    /* What it has seen: */
    bool closed, detached, link_closed;
    char outcomes[OUTCOMES_MAX]; /* by the number of the message: a, r, l(eft), or 0 */
    unsigned sent, credit_most;
};

static void attach(struct peer *p, pn_link_t *link)
{
    p->link = link;
    if (p->refuse) {
        pn_terminus_set_type(pn_link_source(link), PN_UNSPECIFIED);
        pn_link_open(link);
        pn_condition_set_name(pn_link_condition(link), p->refuse);
        pn_condition_set_description(pn_link_condition(link), "no\nqueue");
        pn_link_close(link);
        return;
    }
    pn_terminus_copy(pn_link_source(link), pn_link_remote_source(link));
    if (p->capability)
        pn_data_put_symbol(pn_terminus_capabilities(pn_link_source(link)),
                           pn_bytes(strlen(p->capability), p->capability));
    pn_link_open(link);
}

static void settled(struct peer *p, pn_delivery_t *d)
{
    unsigned long n = strtoul(pn_delivery_tag(d).start, NULL, 10);

    if (!pn_delivery_settled(d))
        return;
    switch (pn_delivery_remote_state(d)) {
    case PN_ACCEPTED:
        p->outcomes[n] = 'a';
        break;
    case PN_REJECTED:
        p->outcomes[n] = 'r';
        break;
    case PN_RELEASED:
        p->outcomes[n] = 'l';
        break;
    default:
        p->outcomes[n] = '?';
    }
    pn_delivery_settle(d);
}

static void serve(struct peer *p)
{
    pn_event_t *event;

    while ((event = pn_connection_driver_next_event(&p->server)))
        switch (pn_event_type(event)) {
        case PN_CONNECTION_REMOTE_OPEN:
            pn_connection_open(p->server.connection);
            break;
        case PN_SESSION_REMOTE_OPEN:
            pn_session_open(pn_event_session(event));
            break;
        case PN_LINK_REMOTE_OPEN:
            attach(p, pn_event_link(event));
            break;
        case PN_LINK_REMOTE_DETACH:
            p->detached = true;
            break;
        case PN_LINK_REMOTE_CLOSE:
            p->link_closed = true;
            break;
        case PN_CONNECTION_REMOTE_CLOSE:
            p->closed = true;
            pn_connection_close(p->server.connection);
            break;
        case PN_DELIVERY:
            settled(p, pn_event_delivery(event));
            break;
        case PN_LINK_FLOW:
            if ((unsigned)pn_link_credit(pn_event_link(event)) > p->credit_most)
                p->credit_most = (unsigned)pn_link_credit(pn_event_link(event));
            break;
        default:
            break;
        }
}

/* One way, in pieces. False: nothing was to be said. */
static bool to_server(struct peer *p)
{
    struct slice out = P.out(&p->s);
    size_t n = out.n < p->piece ? out.n : p->piece;
    pn_rwbytes_t room;

    if (n == 0)
        return false;
    room = pn_connection_driver_read_buffer(&p->server);
    if (room.size > 0) {
        n = n < room.size ? n : room.size;
        memcpy(room.start, out.p, n);
        pn_connection_driver_read_done(&p->server, n);
    }
    P.wrote(&p->s, n, p->now);
    serve(p);
    return true;
}

static bool to_client(struct peer *p)
{
    pn_bytes_t out = pn_connection_driver_write_buffer(&p->server);
    size_t n = out.size < p->piece ? out.size : p->piece;
    char *copy;
    struct slice bytes;

    if (n == 0 || p->failed)
        return false;
    copy = malloc(n);
    assert_non_null(copy);
    memcpy(copy, out.start, n);
    bytes = slice_of(copy, n);
    p->failed = P.take(&p->s, &bytes, p->now, &p->e) < 0;
    assert_true(p->failed || bytes.n == 0);
    free(copy);
    pn_connection_driver_write_done(&p->server, n);
    serve(p);
    return true;
}

static void talk(struct peer *p)
{
    bool more = true;

    while (more) {
        more = to_server(p);
        more |= to_client(p);
    }
}

static void start_server(struct peer *p)
{
    assert_int_equal(pn_connection_driver_init(&p->server, NULL, NULL), 0);
    pn_transport_set_server(p->server.transport);
    pn_sasl_allowed_mechs(pn_sasl(p->server.transport), p->mechanisms ? p->mechanisms : "ANONYMOUS");
    pn_transport_require_auth(p->server.transport, true);
    pn_transport_set_max_frame(p->server.transport, 1024);
}

static void init(struct peer *p, struct amqp10_session_conf conf)
{
    p->now = 1000 * NSEC_PER_SEC;
    p->piece = p->piece ? p->piece : 100000;
    if (!conf.address)
        conf.address = "q";
    if (!conf.credit)
        conf.credit = 100;
    conf.vhost = "host";
    amqp10_session_init(&p->s, &conf);
    start_server(p);
    P.begin(&p->s, p->now);
    talk(p);
}

static void release(struct peer *p)
{
    amqp10_session_release(&p->s);
    pn_connection_driver_destroy(&p->server);
}

/* Its number is its tag. */
static void send_n(struct peer *p, const char *body, size_t n, const char *id)
{
    pn_message_t *m = pn_message();
    pn_rwbytes_t encoded = {0, NULL};
    char tag[16];
    ssize_t size;

    pn_message_set_inferred(m, true);
    if (id)
        pn_message_set_id(m, (pn_atom_t){.type = PN_STRING, .u.as_bytes = pn_bytes(strlen(id), id)});
    pn_data_put_binary(pn_message_body(m), pn_bytes(n, body));
    size = pn_message_encode2(m, &encoded);
    assert_true(size > 0);
    snprintf(tag, sizeof(tag), "%u", p->sent++);
    pn_delivery(p->link, pn_dtag(tag, strlen(tag) + 1));
    assert_int_equal(pn_link_send(p->link, encoded.start, (size_t)size), size);
    pn_link_advance(p->link);
    free(encoded.start);
    pn_message_free(m);
}

static void send(struct peer *p, const char *body)
{
    send_n(p, body, strlen(body), NULL);
}

static void keep_all(struct peer *p, uint64_t *number)
{
    while (P.message(&p->s))
        P.keep(&p->s, ++*number);
}

static void a_queue_is_read_wherever_bytes_are_cut(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
        struct peer p = {.piece = piece};
        const struct broker_message *m;
        char large[5000];

        memset(large, 'x', sizeof(large));
        init(&p, (struct amqp10_session_conf){.address = "q", .credit = 10});
        assert_true(P.is_open(&p.s));
        assert_int_equal(p.credit_most, 10);
        assert_string_equal(pn_terminus_get_address(pn_link_remote_source(p.link)), "q");
        assert_string_equal(pn_connection_remote_hostname(p.server.connection), "host");
        assert_int_equal(pn_link_remote_snd_settle_mode(p.link), PN_SND_UNSETTLED);
        send_n(&p, "\0\xff\n", 3, "m1");
        send_n(&p, large, sizeof(large), NULL); /* in several frames */
        send(&p, "");
        talk(&p);
        m = P.message(&p.s);
        assert_non_null(m);
        assert_true(slice_eq(m->data, SLICE("\0\xff\n")) && m->id.n > 0 && !m->again);
        P.keep(&p.s, 1);
        m = P.message(&p.s);
        assert_non_null(m);
        assert_true(slice_eq(m->data, slice_of(large, sizeof(large))) && m->id.n == 0);
        P.keep(&p.s, 2);
        m = P.message(&p.s);
        assert_non_null(m);
        assert_int_equal(m->data.n, 0);
        P.keep(&p.s, 3);
        assert_null(P.message(&p.s));
        talk(&p);
        assert_int_equal(p.outcomes[0], 0); /* nothing is safe yet */
        P.safe(&p.s, 2);
        talk(&p);
        assert_memory_equal(p.outcomes, "aa\0", 3);
        P.safe(&p.s, 3);
        talk(&p);
        assert_memory_equal(p.outcomes, "aaa", 3);
        release(&p);
    }
}

static void credit_bounds_what_is_in_hand(void **state)
{
    struct peer p = {.piece = 500};
    uint64_t number = 0, kept = 0;

    (void)state;
    init(&p, (struct amqp10_session_conf){.credit = 8});
    for (unsigned turn = 0; turn < 50; turn++) {
        while (pn_link_credit(p.link) > 0) {
            assert_true(p.sent < OUTCOMES_MAX);
            send(&p, "x");
        }
        talk(&p);
        kept = number;
        keep_all(&p, &number);
        assert_true(p.s.held_count <= 8);
        talk(&p);
        if (turn % 3 == 2)
            P.safe(&p.s, kept + (number - kept) / 2);
        talk(&p);
    }
    assert_true(number > 50);
    assert_int_equal(p.credit_most, 8);
    for (uint64_t i = 0; i < p.sent; i++)
        assert_int_equal(p.outcomes[i], i < p.s.safe_upto ? 'a' : 0);
    release(&p);
}

/* The server of this test keeps to its credit: so the client is made to believe that it gave less. */
static void a_server_that_sends_more_than_it_may_is_left(void **state)
{
    (void)state;
    for (int left = 0; left < 2; left++) {
        struct peer p = {.piece = 333};
        struct slice more = SLICE("more");

        init(&p, (struct amqp10_session_conf){.credit = 10, .message_max = 1000, .leave_too_large = true});
        for (int i = 0; i < 5; i++)
            send(&p, "x");
        p.s.conf.credit = 3;
        talk(&p);
        for (uint64_t number = 0; number < 3; number++) {
            assert_non_null(P.message(&p.s));
            if (left)
                P.refuse(&p.s);
            else
                P.keep(&p.s, number + 1);
        }
        assert_null(P.message(&p.s));
        assert_int_equal(P.tick(&p.s, true, p.now, &p.e), -1);
        assert_non_null(strstr(p.e.msg, "credit"));
        assert_non_null(strstr(P.hint(&p.s), "server"));
        assert_int_equal(P.take(&p.s, &more, p.now, &p.e), -1);
        P.begin(&p.s, p.now);
        assert_int_equal(P.tick(&p.s, true, p.now, &p.e), 0);
        release(&p);
    }
}

static void what_comes_behind_a_message_that_stands_waits(void **state)
{
    struct peer p = {.piece = 50};
    uint64_t number = 0;

    (void)state;
    init(&p, (struct amqp10_session_conf){.credit = 20});
    for (int i = 0; i < 20; i++)
        send(&p, "x");
    talk(&p);
    assert_non_null(P.message(&p.s));
    assert_int_equal(p.s.held_count, 0);
    keep_all(&p, &number);
    assert_int_equal(number, 20);
    release(&p);
}

static void too_large_ones_are_rejected_or_left(void **state)
{
    (void)state;
    for (int leave_it = 0; leave_it < 2; leave_it++) {
        struct peer p = {.piece = 333};
        char large[3000];

        memset(large, 'x', sizeof(large));
        init(&p, (struct amqp10_session_conf){.credit = 5, .message_max = 1000, .leave_too_large = leave_it});
        assert_int_equal(pn_link_remote_max_message_size(p.link), 1000);
        send_n(&p, large, sizeof(large), NULL);
        send(&p, "after");
        talk(&p);
        assert_non_null(P.message(&p.s));
        assert_true(P.message(&p.s)->too_large && P.message(&p.s)->size > 3000);
        assert_true(p.s.bytes.cap <= 1000);
        P.refuse(&p.s);
        assert_non_null(P.refusal(&p.s));
        assert_true(P.message(&p.s) && slice_is(P.message(&p.s)->data, "after"));
        P.keep(&p.s, 1);
        P.safe(&p.s, 1);
        talk(&p);
        assert_int_equal(p.outcomes[0], leave_it ? 0 : 'r');
        assert_int_equal(p.outcomes[1], 'a');
        release(&p);
    }
}

static void it_leaves_when_what_it_has_is_accepted(void **state)
{
    (void)state;
    for (int durable = 0; durable < 2; durable++) {
        struct peer p = {.piece = 70};
        struct slice behind = SLICE("behind the end");

        init(&p, (struct amqp10_session_conf){.container = "c", .subscription = durable ? "s" : NULL});
        send(&p, "kept");
        send(&p, "stands");
        talk(&p);
        assert_non_null(P.message(&p.s));
        P.keep(&p.s, 1);
        assert_non_null(P.message(&p.s));
        send(&p, "late");
        P.leave(&p.s, p.now);
        assert_null(P.message(&p.s));
        talk(&p);
        assert_memory_equal(p.outcomes, "\0ll", 3);
        assert_false(P.has_left(&p.s));
        P.safe(&p.s, 1);
        talk(&p);
        assert_memory_equal(p.outcomes, "all", 3);
        assert_true(P.has_left(&p.s) && p.closed && !p.failed);
        assert_int_equal(p.detached, durable); /* the subscription stays */
        assert_int_equal(p.link_closed, !durable);
        assert_int_equal(P.out(&p.s).n, 0);
        assert_int_equal(P.take(&p.s, &behind, p.now, &p.e), 0);
        assert_int_equal(behind.n, 0); /* else somebody would wait for it to be taken */
        release(&p);
    }
}

static void it_leaves_at_any_time(void **state)
{
    (void)state;
    for (int turns = 0; turns < 60; turns++) {
        struct peer p = {.piece = 40};

        p.now = NSEC_PER_SEC;
        amqp10_session_init(&p.s, &(struct amqp10_session_conf){.address = "q", .credit = 3});
        start_server(&p);
        P.begin(&p.s, p.now);
        for (int i = 0; i < turns; i++) {
            to_server(&p);
            to_client(&p);
        }
        P.leave(&p.s, p.now);
        talk(&p);
        assert_true(P.has_left(&p.s));
        if (p.failed)
            fail_msg("after %d turns: %s", turns, p.e.msg);
        release(&p);
    }
}

static void a_refusal_says_what_to_do(void **state)
{
    static const struct {
        const char *refuse, *hint;
    } cases[] = {
        {"amqp:not-found", "`address`"}, {"amqp:unauthorized-access", "`user`"}, {"amqp:internal-error", "log"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer p = {.piece = 90, .refuse = cases[i].refuse};

        init(&p, (struct amqp10_session_conf){.credit = 1});
        assert_true(p.failed);
        if (!strstr(p.e.msg, cases[i].refuse) || !strstr(p.e.msg, "no queue") || !strstr(P.hint(&p.s), cases[i].hint))
            fail_msg("%s; %s", p.e.msg, P.hint(&p.s));
        assert_int_equal(p.e.code, ERR_REMOTE);
        assert_null(P.message(&p.s));
        assert_int_equal(P.out(&p.s).n, 0);
        release(&p);
    }
}

static void bytes_that_are_no_amqp_end_it(void **state)
{
    static const char *const cases[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "AMQP\0\0\x09\x01 not this one",
                                        "AMQP\3\1\0\0\0\0\0\4\2\1\0\0"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct amqp10_session s;
        struct err e = {.msg = ""};
        struct slice bytes = slice_of(cases[i], i == 0 ? 28 : i == 1 ? 20 : 16);

        amqp10_session_init(&s, &(struct amqp10_session_conf){.address = "q", .credit = 1});
        P.begin(&s, NSEC_PER_SEC);
        assert_int_equal(P.take(&s, &bytes, NSEC_PER_SEC, &e), -1);
        assert_true(e.msg[0] && P.hint(&s));
        P.begin(&s, NSEC_PER_SEC); /* and it can begin anew */
        assert_true(P.out(&s).n > 0);
        amqp10_session_release(&s);
    }
}

static void a_topic_that_nobody_asked_for_is_said(void **state)
{
    (void)state;
    for (int topic = 0; topic < 2; topic++) {
        struct peer p = {.piece = 90, .capability = topic ? "topic" : "queue"};

        init(&p, (struct amqp10_session_conf){.credit = 1});
        assert_true(P.is_open(&p.s));
        assert_int_equal(P.remark(&p.s) != NULL, topic);
        release(&p);
    }
}

static void what_was_in_hand_is_of_no_interest_to_the_next_connection(void **state)
{
    struct peer p = {.piece = 90};
    uint64_t number = 0;

    (void)state;
    init(&p, (struct amqp10_session_conf){.credit = 5});
    for (int i = 0; i < 5; i++)
        send(&p, "x");
    talk(&p);
    P.keep(&p.s, ++number);
    pn_connection_driver_destroy(&p.server);
    start_server(&p);
    P.begin(&p.s, p.now);
    P.safe(&p.s, 1);
    talk(&p);
    assert_true(P.is_open(&p.s));
    p.sent = 0;
    send(&p, "y");
    talk(&p);
    keep_all(&p, &number);
    assert_int_equal(number, 2);
    P.safe(&p.s, 2);
    talk(&p);
    assert_int_equal(p.outcomes[0], 'a');
    release(&p);
}

static void silence_has_an_end(void **state)
{
    struct peer p = {.piece = 90};
    nsec idle = 10 * NSEC_PER_SEC;

    (void)state;
    init(&p, (struct amqp10_session_conf){.credit = 1, .idle = idle});
    assert_int_equal(pn_transport_get_remote_idle_timeout(p.server.transport), 5000);
    assert_int_equal(P.tick(&p.s, true, p.now, &p.e), 0);
    assert_true(P.next(&p.s) <= p.now + idle);
    p.now += idle - NSEC_PER_MSEC;
    assert_int_equal(P.tick(&p.s, true, p.now, &p.e), 0);
    p.now += 2 * NSEC_PER_MSEC;
    assert_int_equal(P.tick(&p.s, true, p.now, &p.e), -1);
    assert_non_null(strstr(P.hint(&p.s), "network"));
    release(&p);

    amqp10_session_init(&p.s, &(struct amqp10_session_conf){.address = "q", .credit = 1});
    P.begin(&p.s, p.now);
    assert_int_equal(P.tick(&p.s, true, p.now + AMQP10_ANSWER_WAIT - 1, &p.e), 0);
    assert_int_equal(P.tick(&p.s, true, p.now + AMQP10_ANSWER_WAIT, &p.e), -1);
    amqp10_session_release(&p.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_is_read_wherever_bytes_are_cut),
        cmocka_unit_test(credit_bounds_what_is_in_hand),
        cmocka_unit_test(a_server_that_sends_more_than_it_may_is_left),
        cmocka_unit_test(what_comes_behind_a_message_that_stands_waits),
        cmocka_unit_test(too_large_ones_are_rejected_or_left),
        cmocka_unit_test(it_leaves_when_what_it_has_is_accepted),
        cmocka_unit_test(it_leaves_at_any_time),
        cmocka_unit_test(a_refusal_says_what_to_do),
        cmocka_unit_test(bytes_that_are_no_amqp_end_it),
        cmocka_unit_test(a_topic_that_nobody_asked_for_is_said),
        cmocka_unit_test(what_was_in_hand_is_of_no_interest_to_the_next_connection),
        cmocka_unit_test(silence_has_an_end),
    };

    return cmocka_run_group_tests_name("amqp10_session", tests, NULL, NULL);
}
