/* Addresses, filters, and what is subscribed to when. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/mqtt/topics.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void addresses(void **state)
{
    static const struct {
        const char *url, *host;
        unsigned port;
        bool tls;
        const char *wrong;
    } CASES[] = {
        {"mqtt://broker", "broker", 1883, false, NULL},
        {"mqtts://broker/", "broker", 8883, true, NULL},
        {"mqtt://broker:1", "broker", 1, false, NULL},
        {"mqtts://[::1]:65535", "::1", 65535, true, NULL},
        {"mqtt://[::1]", "::1", 1883, false, NULL},
        {"http://broker", NULL, 0, false, "begins neither"},
        {"ws://broker", NULL, 0, false, "WebSocket"},
        {"broker:1883", NULL, 0, false, "begins neither"},
        {"mqtt://", NULL, 0, false, "no host"},
        {"mqtt://:1883", NULL, 0, false, "no host"},
        {"mqtt://[::1", NULL, 0, false, "not closed"},
        {"mqtt://me:secret@broker", NULL, 0, false, "`username` and `password`"},
        {"mqtt://broker:0", NULL, 0, false, "port"},
        {"mqtt://broker:65536", NULL, 0, false, "port"},
        {"mqtt://broker:-1", NULL, 0, false, "port"},
        {"mqtt://broker:x", NULL, 0, false, "port"},
        {"mqtt://broker:1883/topic", NULL, 0, false, "behind the port"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct mqtt_address a;
        struct err e = {.msg = ""};
        int rc = mqtt_address_parse(&a, CASES[i].url, &e);

        if (CASES[i].wrong) {
            if (rc == 0 || !strstr(e.msg, CASES[i].wrong) || strstr(e.msg, "secret"))
                fail_msg("%s: \"%s\"", CASES[i].url, e.msg);
            continue;
        }
        if (rc < 0)
            fail_msg("%s: %s", CASES[i].url, e.msg);
        assert_string_equal(a.host, CASES[i].host);
        assert_int_equal(a.port, CASES[i].port);
        assert_int_equal(a.tls, CASES[i].tls);
    }
}

static char *FILTERS[] = {(char *)(uintptr_t) "a/#", (char *)(uintptr_t) "b", (char *)(uintptr_t) "c"};

static struct mqtt_topics topics_of(size_t n, const char *noted)
{
    const struct mqtt_conf conf = {.topics = {.v = FILTERS, .n = n}, .qos = 1};
    struct mqtt_topics t;

    mqtt_topics_init(&t, &conf, slice_str(noted));
    return t;
}

/* Which are asked for, which are given up: "+1 +2 -". */
static void expect_asked(struct mqtt_topics *t, bool changed, const char *want, nsec now)
{
    char got[100] = "";
    struct buf out;
    size_t at = 0;

    buf_init(&out, 1000);
    assert_int_equal(mqtt_topics_turn(t, MQTT_3, &out, now), changed);
    while (at < out.n) {
        unsigned char kind = (unsigned char)out.p[at], id = (unsigned char)out.p[at + 3];

        snprintf(got + strlen(got), sizeof(got) - strlen(got), kind == 0x82 ? "+%u " : "- ", id);
        at += 2 + (unsigned char)out.p[at + 1];
    }
    assert_string_equal(got, want);
    buf_release(&out);
}

static struct mqtt_topic *answer(struct mqtt_topics *t, uint16_t id, const char *reasons, size_t n)
{
    const struct mqtt_packet p = {.kind = MQTT_SUBACK, .id = id, .reasons = {reasons, n}};
    uint8_t reason;

    return mqtt_topics_take(t, &p, &reason, 0);
}

static void what_was_granted_is_not_asked_for_again(void **state)
{
    struct mqtt_topics t = topics_of(2, "");

    (void)state;
    mqtt_topics_begin(&t, false);
    expect_asked(&t, false, "+1 +2 ", 0);
    expect_asked(&t, false, "", 0);
    assert_non_null(answer(&t, 1, "\x01", 1));
    assert_true(slice_is(buf_slice(&t.noted), "1 a/#\n"));
    assert_null(answer(&t, 1, "\x01", 1)); /* once more, and what nobody asked */
    assert_null(answer(&t, 3, "\x01", 1));
    assert_null(answer(&t, 0, "\x01", 1));
    assert_null(answer(&t, 2, "\x01\x01", 2));
    mqtt_topics_begin(&t, false); /* the connection broke before the other answer */
    expect_asked(&t, false, "+2 ", 0);
    assert_non_null(answer(&t, 2, "\x00", 1));
    assert_true(slice_is(buf_slice(&t.noted), "1 a/#\n1 b\n"));
    mqtt_topics_begin(&t, true); /* another session */
    expect_asked(&t, false, "+1 +2 ", 0);
    mqtt_topics_release(&t);
}

static void what_is_configured_no_more_is_given_up(void **state)
{
    static const struct {
        const char *noted, *asked, *left;
        unsigned given_up;
        bool nonsense;
    } CASES[] = {
        {"1 a/#\n1 b\n1 c\n", "- ", "1 a/#\n1 b\n", 1, false},
        {"1 c\n1 x y\n", "- +1 +2 ", "", 2, false},
        {"1 c\n1 b\n1 z\n", "- +1 ", "1 b\n", 2, false},
        {"2 a/#\n1 b\n", "+1 ", "2 a/#\n1 b\n", 0, false}, /* another QoS */
        {"nonsense\n1 b\n\n", "+1 ", "1 b\n", 0, true},
        {"1 b", "+1 ", "1 b", 0, false},
    };
    const struct mqtt_packet other = {.kind = MQTT_UNSUBACK, .id = 1}, done = {.kind = MQTT_UNSUBACK, .id = 0xffff};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct mqtt_topics t = topics_of(2, CASES[i].noted);

        /* What has no answer is asked once more over the next connection. */
        for (int broken = 0; broken < 2; broken++) {
            mqtt_topics_begin(&t, false);
            expect_asked(&t, CASES[i].nonsense && !broken, CASES[i].asked, 0);
            expect_asked(&t, false, "", 0);
        }
        for (unsigned n = CASES[i].given_up; n > 0; n--) {
            assert_false(mqtt_topics_gave_up(&t, &other));
            assert_true(mqtt_topics_gave_up(&t, &done));
            expect_asked(&t, false, n > 1 ? "- " : "", 0);
        }
        assert_false(mqtt_topics_gave_up(&t, &done));
        if (!slice_is(buf_slice(&t.noted), CASES[i].left))
            fail_msg("case %zu: %s", i, buf_cstr(&t.noted));
        mqtt_topics_release(&t);
    }
}

static void one_that_is_refused_is_asked_for_later(void **state)
{
    struct mqtt_topics t = topics_of(1, "");
    nsec next;

    (void)state;
    mqtt_topics_begin(&t, true);
    assert_int_equal(mqtt_topics_next(&t), NSEC_NEVER);
    expect_asked(&t, false, "+1 ", 0);
    assert_non_null(answer(&t, 1, "\x80", 1));
    assert_int_equal(t.noted.n, 0);
    next = mqtt_topics_next(&t);
    expect_asked(&t, false, "", next - 1);
    expect_asked(&t, false, "+1 ", next);
    mqtt_topics_release(&t);
}

static void nothing_is_asked_for_without_room(void **state)
{
    struct mqtt_topics t = topics_of(2, "1 old\n");
    struct buf out;

    (void)state;
    mqtt_topics_begin(&t, false);
    buf_init(&out, 4);
    assert_false(mqtt_topics_turn(&t, MQTT_5, &out, 0));
    assert_int_equal(out.n, 0);
    buf_release(&out);
    expect_asked(&t, false, "- +1 +2 ", 0);
    mqtt_topics_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(what_was_granted_is_not_asked_for_again),
        cmocka_unit_test(what_is_configured_no_more_is_given_up),
        cmocka_unit_test(one_that_is_refused_is_asked_for_later),
        cmocka_unit_test(nothing_is_asked_for_without_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
