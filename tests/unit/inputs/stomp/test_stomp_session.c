/* A scripted server: what is written to it, what is acknowledged and when, and how a session ends. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/facts.h"
#include "pipeline/inputs/stomp/session.h"

#include <stdio.h>
#include <string.h>

#define P stomp_protocol

struct peer {
    struct stomp_session s;
    struct err e;
    nsec now;
    char written[65536]; /* NULs shown as '@' */
};

static void init(struct peer *p, struct stomp_session_conf conf)
{
    memset(p, 0, sizeof(*p));
    p->now = 1000 * NSEC_PER_SEC;
    if (!conf.destination)
        conf.destination = "/queue/q";
    if (!conf.prefetch)
        conf.prefetch = 100;
    stomp_session_init(&p->s, &conf);
    P.begin(&p->s, p->now);
}

static const char *written(struct peer *p)
{
    struct slice out;
    size_t n = 0;

    while ((out = P.out(&p->s)).n > 0) {
        assert_true(n + out.n < sizeof(p->written));
        for (size_t i = 0; i < out.n; i++)
            p->written[n++] = out.p[i] ? out.p[i] : '@';
        P.wrote(&p->s, out.n, p->now);
    }
    p->written[n] = '\0';
    return p->written;
}

/* All of it, or up to a message. */
static size_t say_n(struct peer *p, const char *bytes, size_t n)
{
    struct slice rest = slice_of(bytes, n);

    if (P.take(&p->s, &rest, p->now, &p->e) < 0)
        fail_msg("%s", p->e.msg);
    return n - rest.n;
}
#define say(p, text) say_n(p, text, sizeof(text) - 1)

static void open_it(struct peer *p)
{
    written(p);
    say(p, "CONNECTED\nversion:1.2\n\n\0");
    written(p);
    say(p, "RECEIPT\nreceipt-id:sluice-subscribed\n\n\0");
    assert_true(P.is_open(&p->s));
}

static void message(struct peer *p, const char *id, uint64_t number)
{
    char text[200];
    int n = snprintf(text, sizeof(text), "MESSAGE\nsubscription:0\nmessage-id:m%s\nack:%s\n\nbody%c", id, id, 0);

    assert_int_equal(say_n(p, text, (size_t)n), n);
    assert_non_null(P.message(&p->s));
    P.keep(&p->s, number);
    assert_null(P.message(&p->s));
}

static void it_connects_and_subscribes(void **state)
{
    const struct stomp_header_option more[] = {{SLICE("id"), SLICE("mine:1")}};
    struct peer p;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h",
                                         .user = "u",
                                         .password = "p:\\w",
                                         .client_id = "c",
                                         .destination = "/topic/a:b",
                                         .selector = "x > 1",
                                         .subscription = "s",
                                         .headers = more,
                                         .header_count = 1,
                                         .prefetch = 7,
                                         .heart_beat = 10 * NSEC_PER_SEC});
    assert_string_equal(written(&p), "CONNECT\naccept-version:1.1,1.2\nhost:h\nlogin:u\npasscode:p:\\w\nclient-id:c\n"
                                     "heart-beat:10000,10000\n\n@");
    say(&p, "CONNECTED\nversion:1.2\n\n\0");
    assert_string_equal(
        written(&p), "SUBSCRIBE\nid:mine\\c1\nid:0\ndestination:/topic/a\\cb\nack:client-individual\n"
                     "receipt:sluice-subscribed\nactivemq.prefetchSize:7\nprefetch-count:7\nconsumer-window-size:7168\n"
                     "selector:x > 1\nactivemq.subscriptionName:s\n\n@");
    assert_false(P.is_open(&p.s));
    say(&p, "RECEIPT\nreceipt-id:sluice-subscribed\n\n\0");
    assert_true(P.is_open(&p.s));
    assert_null(P.remark(&p.s));
    stomp_session_release(&p.s);
}

static void what_is_safe_is_acknowledged_in_order(void **state)
{
    struct peer p;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h"});
    open_it(&p);
    for (int i = 1; i <= 5; i++)
        message(&p, (char[]){(char)('0' + i), '\0'}, 10 + (uint64_t)i);
    assert_string_equal(written(&p), "");
    P.safe(&p.s, 10); /* of an older connection */
    assert_string_equal(written(&p), "");
    P.safe(&p.s, 13);
    assert_string_equal(written(&p), "ACK\nid:1\n\n@ACK\nid:2\n\n@ACK\nid:3\n\n@");
    P.safe(&p.s, 13);
    assert_string_equal(written(&p), "");
    message(&p, "6", 16);
    P.safe(&p.s, 16);
    assert_string_equal(written(&p), "ACK\nid:4\n\n@ACK\nid:5\n\n@ACK\nid:6\n\n@");
    stomp_session_release(&p.s);
}

static void many_at_once_are_acknowledged_as_there_is_room(void **state)
{
    enum { MANY = 3000 };
    struct peer p;
    size_t acks = 0;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h"});
    open_it(&p);
    for (int i = 1; i <= MANY; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%d", i);
        message(&p, id, (uint64_t)i);
    }
    P.safe(&p.s, MANY);
    for (struct slice out; (out = P.out(&p.s)).n > 0;) {
        assert_true(out.n <= STOMP_OUT_MAX);
        for (size_t i = 0; i < out.n; i++)
            acks += out.p[i] == '\0';
        P.wrote(&p.s, out.n, p.now);
    }
    assert_int_equal(acks, MANY);
    assert_int_equal(p.s.held_count, 0);
    stomp_session_release(&p.s);
}

static void of_1_1_messages_are_named_otherwise(void **state)
{
    struct peer p;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h"});
    written(&p);
    say(&p, "CONNECTED\nversion:1.1\n\n\0");
    written(&p);
    say(&p, "MESSAGE\nsubscription:0\nmessage-id:a\\cb\n\nx\0"); /* before the receipt */
    assert_true(P.is_open(&p.s));
    assert_true(slice_starts(P.message(&p.s)->id, SLICE("a:b ")));
    P.keep(&p.s, 1);
    P.safe(&p.s, 1);
    assert_string_equal(written(&p), "ACK\nsubscription:0\nmessage-id:a\\cb\n\n@");
    stomp_session_release(&p.s);
}

static void what_is_known_of_a_message_is_there(void **state)
{
    const struct broker_message *m;
    struct slice value;
    struct peer p;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h"});
    open_it(&p);
    say(&p, "MESSAGE\nsubscription:0\nmessage-id:m\nack:1\ndestination:/queue/q\ntrace:t\\n1\nredelivered:true\n"
            "content-length:3\n\n\0\xff\n\0");
    m = P.message(&p.s);
    assert_non_null(m);
    assert_true(slice_eq(m->data, SLICE("\0\xff\n")));
    assert_true(slice_starts(m->id, SLICE("m ")) && m->again && !m->facts_cut && !m->too_large);
    assert_true(facts_find(m->facts, SLICE("header.trace"), &value) && slice_is(value, "t\n1"));
    assert_true(facts_find(m->facts, SLICE("message_id"), &value) && slice_is(value, "m"));
    assert_true(facts_find(m->facts, SLICE("destination"), &value) && slice_is(value, "/queue/q"));
    assert_false(facts_find(m->facts, SLICE("header.ack"), &value));
    P.pass(&p.s);
    say(&p, "MESSAGE\nsubscription:0\nmessage-id:n\nack:2\n\n\0");
    assert_int_equal(P.message(&p.s)->data.n, 0);
    stomp_session_release(&p.s);
}

/* Artemis names the consumer in the id, which is another one each time. An id that is given anew to something else is another one, too. */
static void the_same_message_has_the_same_identity(void **state)
{
    static const struct {
        const char *headers, *body;
        bool same;
    } cases[] = {
        {"message-id:32,11\ntimestamp:5", "x", true},  {"message-id:44,11\ntimestamp:5", "x", true},
        {"message-id:32,12\ntimestamp:5", "x", false}, {"message-id:32,11\ntimestamp:6", "x", false},
        {"message-id:32,11\ntimestamp:5", "y", false}, {"message-id:a32,11\ntimestamp:5", "x", false},
        {"message-id:,11\ntimestamp:5", "x", false},   {"message-id:32,\ntimestamp:5", "x", false},
    };
    char first[100] = "", text[300];
    struct peer p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice id;
        int n;

        init(&p, (struct stomp_session_conf){.vhost = "h"});
        open_it(&p);
        n = snprintf(text, sizeof(text), "MESSAGE\nack:%zu\n%s\n\n%s%c", i, cases[i].headers, cases[i].body, 0);
        say_n(&p, text, (size_t)n);
        id = P.message(&p.s)->id;
        if (i == 0)
            snprintf(first, sizeof(first), "%.*s", (int)id.n, id.p);
        if (slice_is(id, first) != cases[i].same)
            fail_msg("case %zu: %.*s, the first was %s", i, (int)id.n, id.p, first);
        stomp_session_release(&p.s);
    }
}

static void too_large_ones_are_left_or_refused(void **state)
{
    (void)state;
    for (int nack = 0; nack < 2; nack++) {
        struct peer p;

        init(&p, (struct stomp_session_conf){.vhost = "h", .body_max = 3, .nack_too_large = nack, .prefetch = 1});
        open_it(&p);
        say(&p, "MESSAGE\nsubscription:0\nmessage-id:m\nack:1\ncontent-length:4\n\nabcd\0");
        assert_true(P.message(&p.s)->too_large);
        assert_int_equal(P.message(&p.s)->size, 4);
        P.refuse(&p.s);
        assert_string_equal(written(&p), nack ? "NACK\nid:1\n\n@" : "");
        assert_non_null(P.refusal(&p.s));
        message(&p, "2", 1);
        P.safe(&p.s, 1);
        assert_string_equal(written(&p), "ACK\nid:2\n\n@");
        stomp_session_release(&p.s);
    }
}

static void it_leaves_when_what_it_has_is_acknowledged(void **state)
{
    struct peer p;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h"});
    open_it(&p);
    message(&p, "1", 1);
    say(&p, "MESSAGE\nsubscription:0\nmessage-id:m\nack:2\n\nx\0");
    P.leave(&p.s, p.now);
    assert_null(P.message(&p.s));
    say(&p, "MESSAGE\nsubscription:0\nmessage-id:m\nack:3\n\nx\0");
    assert_null(P.message(&p.s));
    assert_string_equal(written(&p), "");
    P.safe(&p.s, 1);
    assert_string_equal(written(&p), "ACK\nid:1\n\n@DISCONNECT\nreceipt:sluice-bye\n\n@");
    assert_false(P.has_left(&p.s));
    say(&p, "RECEIPT\nreceipt-id:sluice-bye\n\n\0");
    assert_true(P.has_left(&p.s));
    assert_string_equal(written(&p), "");
    stomp_session_release(&p.s);
}

static void it_leaves_at_any_time(void **state)
{
    struct peer p;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h"});
    written(&p);
    P.leave(&p.s, p.now);
    written(&p);
    assert_true(P.has_left(&p.s)); /* nothing is open yet */
    stomp_session_release(&p.s);

    init(&p, (struct stomp_session_conf){.vhost = "h"});
    written(&p);
    say(&p, "CONNECTED\nversion:1.2\n\n\0");
    written(&p);
    P.leave(&p.s, p.now);
    assert_string_equal(written(&p), "DISCONNECT\nreceipt:sluice-bye\n\n@");
    say(&p, "RECEIPT\nreceipt-id:sluice-subscribed\n\n\0RECEIPT\nreceipt-id:sluice-bye\n\n\0");
    assert_true(P.has_left(&p.s));
    stomp_session_release(&p.s);
}

static void a_session_that_failed_begins_anew(void **state)
{
    static const struct {
        const char *frame, *text, *hint;
    } cases[] = {
        {"ERROR\nmessage:User name [u] or password is invalid.\n\n", "password is invalid", "`password`"},
        {"ERROR\n\njava.lang.Exception: x\n\tat y", "java.lang.Exception: x", "log"},
        {"ERROR\n\n", "no reason", "log"},
        {"RECEIPT\nreceipt-id:x\n\n", "instead of CONNECTED", "`url`"},
        {"CONNECTED\n\n", "neither", "newer"},
        {"nonsense\n\n", "no STOMP", "`url`"},
    };
    struct peer p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice bytes = slice_of(cases[i].frame, strlen(cases[i].frame) + 1);

        init(&p, (struct stomp_session_conf){.vhost = "h"});
        written(&p);
        assert_int_equal(P.take(&p.s, &bytes, p.now, &p.e), -1);
        if (!strstr(p.e.msg, cases[i].text) || !strstr(P.hint(&p.s), cases[i].hint))
            fail_msg("case %zu: %s, %s", i, p.e.msg, P.hint(&p.s));
        assert_string_equal(written(&p), "");
        assert_int_equal(P.tick(&p.s, true, p.now + 1000 * NSEC_PER_SEC, &p.e), 0);
        P.begin(&p.s, p.now);
        open_it(&p);
        message(&p, "1", 1);
        stomp_session_release(&p.s);
    }
}

static void what_was_in_hand_is_of_no_interest_to_the_next_connection(void **state)
{
    struct peer p;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h"});
    open_it(&p);
    message(&p, "1", 1);
    message(&p, "2", 2);
    P.begin(&p.s, p.now);
    open_it(&p);
    P.safe(&p.s, 2);
    assert_string_equal(written(&p), "");
    message(&p, "3", 3);
    P.safe(&p.s, 3);
    assert_string_equal(written(&p), "ACK\nid:3\n\n@");
    stomp_session_release(&p.s);
}

static void hearts_beat(void **state)
{
    struct peer p;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h", .heart_beat = 10 * NSEC_PER_SEC});
    written(&p);
    say(&p, "CONNECTED\nversion:1.2\nheart-beat:20000,5000\n\n\0");
    written(&p);
    say(&p, "RECEIPT\nreceipt-id:sluice-subscribed\n\n\0");
    assert_true(P.next(&p.s) == p.now + 5 * NSEC_PER_SEC); /* half of 10 s, which is more than the server wants */
    for (int i = 0; i < 7; i++) {
        p.now += 5 * NSEC_PER_SEC;
        assert_int_equal(P.tick(&p.s, true, p.now, &p.e), 0);
        assert_string_equal(written(&p), "\n");
    }
    p.now += 4 * NSEC_PER_SEC; /* 39 s of 40 */
    assert_int_equal(P.tick(&p.s, true, p.now, &p.e), 0);
    say(&p, "\n");
    p.now += 39 * NSEC_PER_SEC;
    assert_int_equal(P.tick(&p.s, false, p.now, &p.e), 0); /* nothing is read: it may have spoken */
    assert_string_equal(written(&p), "\n");
    p.now += 39 * NSEC_PER_SEC;
    assert_int_equal(P.tick(&p.s, true, p.now, &p.e), 0);
    p.now += 1 * NSEC_PER_SEC;
    assert_int_equal(P.tick(&p.s, true, p.now, &p.e), -1);
    assert_non_null(strstr(p.e.msg, "heart-beat"));
    stomp_session_release(&p.s);
}

static void silence_has_an_end(void **state)
{
    struct peer p;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h"});
    written(&p);
    assert_int_equal(P.tick(&p.s, true, p.now + STOMP_ANSWER_WAIT - 1, &p.e), 0);
    assert_int_equal(P.tick(&p.s, true, p.now + STOMP_ANSWER_WAIT, &p.e), -1);
    P.begin(&p.s, p.now);
    open_it(&p);
    assert_true(P.next(&p.s) == NSEC_NEVER);
    message(&p, "1", 1);
    P.safe(&p.s, 1);
    assert_true(P.out(&p.s).n > 0); /* and nobody reads it */
    assert_int_equal(P.tick(&p.s, true, p.now, &p.e), 0);
    assert_true(P.next(&p.s) == p.now + STOMP_ANSWER_WAIT);
    assert_int_equal(P.tick(&p.s, true, p.now + STOMP_ANSWER_WAIT, &p.e), -1);
    stomp_session_release(&p.s);
}

static void what_is_said_after_a_long_silence_has_its_time(void **state)
{
    struct peer p;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h", .body_max = 3, .nack_too_large = true});
    open_it(&p);
    p.now += 10 * STOMP_ANSWER_WAIT;
    assert_int_equal(P.tick(&p.s, true, p.now, &p.e), 0);
    say(&p, "MESSAGE\nsubscription:0\nmessage-id:m\nack:1\ncontent-length:4\n\nabcd\0");
    P.refuse(&p.s);
    assert_int_equal(P.tick(&p.s, true, p.now, &p.e), 0);
    assert_string_equal(written(&p), "NACK\nid:1\n\n@");
    stomp_session_release(&p.s);
}

/* A beat that is due cannot be sent: nobody is to ask at once again. */
static void no_beat_is_due_while_something_waits(void **state)
{
    struct peer p;

    (void)state;
    init(&p, (struct stomp_session_conf){.vhost = "h", .heart_beat = 10 * NSEC_PER_SEC});
    written(&p);
    say(&p, "CONNECTED\nversion:1.2\nheart-beat:0,10000\n\n\0");
    written(&p);
    say(&p, "RECEIPT\nreceipt-id:sluice-subscribed\n\n\0");
    message(&p, "1", 1);
    P.safe(&p.s, 1);
    assert_true(P.out(&p.s).n > 0);
    p.now += 6 * NSEC_PER_SEC;
    assert_int_equal(P.tick(&p.s, true, p.now, &p.e), 0);
    assert_true(P.next(&p.s) > p.now);
    stomp_session_release(&p.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_connects_and_subscribes),
        cmocka_unit_test(what_is_safe_is_acknowledged_in_order),
        cmocka_unit_test(many_at_once_are_acknowledged_as_there_is_room),
        cmocka_unit_test(of_1_1_messages_are_named_otherwise),
        cmocka_unit_test(what_is_known_of_a_message_is_there),
        cmocka_unit_test(the_same_message_has_the_same_identity),
        cmocka_unit_test(too_large_ones_are_left_or_refused),
        cmocka_unit_test(it_leaves_when_what_it_has_is_acknowledged),
        cmocka_unit_test(it_leaves_at_any_time),
        cmocka_unit_test(a_session_that_failed_begins_anew),
        cmocka_unit_test(what_was_in_hand_is_of_no_interest_to_the_next_connection),
        cmocka_unit_test(hearts_beat),
        cmocka_unit_test(silence_has_an_end),
        cmocka_unit_test(what_is_said_after_a_long_silence_has_its_time),
        cmocka_unit_test(no_beat_is_due_while_something_waits),
    };

    return cmocka_run_group_tests_name("stomp_session", tests, NULL, NULL);
}
