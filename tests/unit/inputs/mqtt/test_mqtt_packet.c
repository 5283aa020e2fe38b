/* Each packet that a server sends, of both versions, whole, cut at each byte, and spoilt; what a client writes, byte for byte. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/mqtt/message.h"
#include "pipeline/inputs/mqtt/packet.h"
#include "pipeline/inputs/mqtt/words.h"

#include "pipeline/base/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 100000 };

static enum mqtt_read read_all(struct slice in, enum mqtt_version v, struct mqtt_packet *p, struct err *e)
{
    size_t need;

    return mqtt_packet_read(in, v, MAX, p, &need, e);
}

/* `in` is one packet: every beginning of it is a part, and says how much is needed at least. Each is read from memory that ends there. */
static void cut_everywhere(struct slice in, enum mqtt_version v)
{
    for (size_t n = 0; n < in.n; n++) {
        char *part = malloc(n ? n : 1);
        struct mqtt_packet p;
        struct err e;
        size_t need;

        if (n > 0)
            memcpy(part, in.p, n);
        assert_int_equal(mqtt_packet_read(slice_of(part, n), v, MAX, &p, &need, &e), MQTT_PARTIAL);
        assert_true(need > n && (need <= in.n || n < 2));
        free(part);
    }
}

static struct mqtt_packet whole(struct slice in, enum mqtt_version v)
{
    struct mqtt_packet p;
    struct err e = {.msg = ""};
    char more[256];

    cut_everywhere(in, v);
    if (read_all(in, v, &p, &e) != MQTT_WHOLE)
        fail_msg("%s", e.msg);
    assert_int_equal(p.size, in.n);
    memcpy(more, in.p, in.n); /* another one behind it */
    memset(more + in.n, 0xff, 10);
    assert_int_equal(read_all(slice_of(more, in.n + 10), v, &p, &e), MQTT_WHOLE);
    assert_int_equal(p.size, in.n);
    assert_int_equal(read_all(in, v, &p, &e), MQTT_WHOLE);
    return p;
}

static void connack(void **state)
{
    struct mqtt_property prop;
    struct mqtt_packet p;

    (void)state;
    p = whole(SLICE("\x20\x02\x01\x00"), MQTT_3);
    assert_true(p.kind == MQTT_CONNACK && p.session_present && p.reason == 0);
    p = whole(SLICE("\x20\x02\x00\x05"), MQTT_5); /* of an older server */
    assert_true(!p.session_present && p.reason == 5 && p.properties.n == 0);
    p = whole(SLICE("\x20\x0d\x00\x87\x0a\x13\x00\x3c\x1f\x00\x04"
                    "away"),
              MQTT_5);
    assert_int_equal(p.reason, 0x87);
    assert_true(mqtt_property_find(p.properties, MQTT_SERVER_KEEP_ALIVE, &prop));
    assert_int_equal(prop.number, 60);
    assert_true(mqtt_property_find(p.properties, MQTT_REASON_STRING, &prop));
    assert_true(slice_is(prop.value, "away"));
    assert_false(mqtt_property_find(p.properties, MQTT_SESSION_EXPIRY, &prop));
}

static void publish(void **state)
{
    struct mqtt_property prop;
    struct mqtt_packet p;
    struct slice rest;

    (void)state;
    p = whole(SLICE("\x31\x08\x00\x03t/aabc"), MQTT_3);
    assert_true(p.kind == MQTT_PUBLISH && p.qos == 0 && p.retain && !p.dup && p.id == 0);
    assert_true(slice_is(p.topic, "t/a") && slice_is(p.payload, "abc"));
    p = whole(SLICE("\x3c\x0a\x00\x03t/a\x12\x34\x00\xff\x00"), MQTT_3); /* any bytes */
    assert_true(p.qos == 2 && p.dup && !p.retain && p.id == 0x1234);
    assert_memory_equal(p.payload.p, "\x00\xff\x00", 3);
    p = whole(SLICE("\x32\x04\x00\x00\x00\x01"), MQTT_3); /* no topic, no payload */
    assert_true(p.qos == 1 && p.topic.n == 0 && p.payload.n == 0);
    p = whole(SLICE("\x32\x16\x00\x01t\x00\x07\x0f\x03\x00\x01x\x26\x00\x01k\x00\x03v\x00w\x01\x01"
                    "p"),
              MQTT_5);
    assert_true(slice_is(p.payload, "p") && p.id == 7);
    rest = p.properties;
    assert_true(mqtt_property_next(&rest, &prop) && prop.id == MQTT_CONTENT_TYPE && slice_is(prop.value, "x"));
    assert_true(mqtt_property_next(&rest, &prop) && prop.id == MQTT_USER_PROPERTY && slice_is(prop.name, "k"));
    assert_memory_equal(prop.value.p, "v\0w", 3);
    assert_true(mqtt_property_next(&rest, &prop) && prop.id == MQTT_PAYLOAD_FORMAT && prop.number == 1);
    assert_false(mqtt_property_next(&rest, &prop));
}

static void the_others(void **state)
{
    struct mqtt_packet p;

    (void)state;
    p = whole(SLICE("\x62\x02\x00\x09"), MQTT_3);
    assert_true(p.kind == MQTT_PUBREL && p.id == 9);
    p = whole(SLICE("\x62\x04\x00\x09\x92\x00"), MQTT_5);
    assert_true(p.id == 9 && p.reason == 0x92);
    p = whole(SLICE("\x62\x03\x00\x09\x92"), MQTT_5);
    assert_int_equal(p.reason, 0x92);
    p = whole(SLICE("\x90\x04\x00\x01\x02\x80"), MQTT_3);
    assert_true(p.kind == MQTT_SUBACK && p.id == 1 && p.reasons.n == 2);
    p = whole(SLICE("\x90\x04\x00\x01\x00\x87"), MQTT_5);
    assert_true(p.reasons.n == 1 && (unsigned char)p.reasons.p[0] == 0x87);
    p = whole(SLICE("\xb0\x02\x00\x01"), MQTT_3);
    assert_true(p.kind == MQTT_UNSUBACK && p.reasons.n == 0);
    p = whole(SLICE("\xd0\x00"), MQTT_3);
    assert_int_equal(p.kind, MQTT_PINGRESP);
    p = whole(SLICE("\xe0\x00"), MQTT_5);
    assert_true(p.kind == MQTT_DISCONNECT && p.reason == 0);
    p = whole(SLICE("\xe0\x02\x8e\x00"), MQTT_5);
    assert_int_equal(p.reason, 0x8e);
}

static void what_is_malformed_is_said(void **state)
{
    static const struct {
        struct slice in;
        enum mqtt_version v;
        const char *words;
    } CASES[] = {
        {{"\x10\x00", 2}, MQTT_5, "CONNECT is not what a server sends"},
        {{"H", 1}, MQTT_5, "PUBACK is not what a server sends"}, /* HTTP: nothing more is waited for */
        {{"\xf0", 1}, MQTT_5, "AUTH is not what a server sends"},
        {{"\xe0", 1}, MQTT_3, "which MQTT 3.1.1 does not know"},
        {{"\x60", 1}, MQTT_3, "PUBREL has flags"},
        {{"\x21", 1}, MQTT_3, "CONNACK has flags"},
        {{"\x30\xff\xff\xff\xff", 5}, MQTT_3, "a length of more than four bytes"},
        {{"\x20\x02\x02\x00", 4}, MQTT_3, "CONNACK has flags"},
        {{"\x20\x01\x00", 3}, MQTT_3, "CONNACK is shorter"},
        {{"\x20\x03\x00\x00\x00", 5}, MQTT_3, "CONNACK is longer"},
        {{"\x20\x05\x00\x00\x02\x7e\x00", 7}, MQTT_5, "a property that is not known"},
        {{"\x20\x04\x00\x00\x02\x13", 6}, MQTT_5, "shorter"},
        {{"\x36\x05\x00\x01t\x00\x01", 7}, MQTT_3, "QoS 3"},
        {{"\x32\x05\x00\x01t\x00\x00", 7}, MQTT_3, "the packet identifier 0"},
        {{"\x32\x04\x00\x01t\x00", 6}, MQTT_3, "PUBLISH is shorter"},
        {{"\x30\x03\x00\x09t", 5}, MQTT_3, "PUBLISH is shorter"},
        {{"\x30\x07\x00\x01t\x03\x23\x00\x01", 9}, MQTT_5, "a topic alias, which was not allowed"},
        {{"\x30\x04\x00\x01t\x05", 6}, MQTT_5, "PUBLISH is shorter"},
        {{"\xd0\x01\x00", 3}, MQTT_3, "PINGRESP is longer"},
        {{"\x62\x01\x00", 3}, MQTT_3, "PUBREL is shorter"},
        {{"\x90\x02\x00\x01", 4}, MQTT_5, "SUBACK is shorter"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct mqtt_packet p;
        struct err e = {.msg = ""};

        if (read_all(CASES[i].in, CASES[i].v, &p, &e) != MQTT_MALFORMED || !strstr(e.msg, CASES[i].words))
            fail_msg("case %zu: \"%s\"", i, e.msg);
    }
}

static void a_large_message_is_known_by_its_head(void **state)
{
    struct mqtt_packet p;
    struct err e;
    size_t need;
    struct slice in = SLICE("\x34\xff\xff\xff\x7f\x00\x03t/a\x00\x07 and so on");

    (void)state;
    for (size_t n = 0; n < 12; n++) {
        assert_int_equal(mqtt_packet_read(slice_of(in.p, n), MQTT_5, MAX, &p, &need, &e), MQTT_PARTIAL);
        assert_true(need > n && need <= 12);
    }
    assert_int_equal(mqtt_packet_read(in, MQTT_5, MAX, &p, &need, &e), MQTT_LARGE);
    assert_true(p.id == 7 && p.qos == 2 && slice_is(p.topic, "t/a") && p.size == 5 + 268435455UL);
    assert_int_equal(mqtt_packet_read(SLICE("\x90\xff\xff\xff\x7f"), MQTT_5, MAX, &p, &need, &e), MQTT_MALFORMED);
    assert_non_null(strstr(e.msg, "larger than any"));
    assert_int_equal(mqtt_packet_read(SLICE("\x30\x08\x00\x01taaaaa"), MQTT_3, 9, &p, &need, &e), MQTT_LARGE);
    assert_int_equal(mqtt_packet_read(SLICE("\x30\x08\x00\x01taaaaa"), MQTT_3, 10, &p, &need, &e), MQTT_WHOLE);
}

/* Whatever single byte is another, nothing is read outside, and what is whole keeps within its size. */
static void one_byte_spoilt(void **state)
{
    static const struct slice PACKETS[] = {
        {"\x20\x0d\x00\x87\x0a\x13\x00\x3c\x1f\x00\x04"
         "away",
         15},
        {"\x32\x14\x00\x01t\x00\x07\x0c\x03\x00\x01x\x26\x00\x01k\x00\x02vwpq", 22},
        {"\x90\x04\x00\x01\x00\x87", 6},
        {"\xe0\x02\x8e\x00", 4},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(PACKETS) / sizeof(PACKETS[0]); i++)
        for (size_t at = 0; at < PACKETS[i].n; at++)
            for (int byte = 0; byte < 256; byte++) {
                char *copy = malloc(PACKETS[i].n);
                struct mqtt_packet p;
                struct err e;

                memcpy(copy, PACKETS[i].p, PACKETS[i].n);
                copy[at] = (char)byte;
                if (read_all(slice_of(copy, PACKETS[i].n), MQTT_5, &p, &e) == MQTT_WHOLE) {
                    struct slice rest = p.properties;
                    struct mqtt_property prop;

                    assert_true(p.size <= PACKETS[i].n);
                    while (mqtt_property_next(&rest, &prop))
                        ;
                }
                free(copy);
            }
}

/* --- written ------------------------------------------------------------------------------------------------------- */

static void expect_bytes(struct buf *b, const char *bytes, size_t n)
{
    if (b->n != n || memcmp(b->p, bytes, n) != 0)
        fail_msg("%zu bytes, not %zu, or others", b->n, n);
    buf_clear(b);
}

#define EXPECT(b, literal) expect_bytes(b, literal, sizeof(literal) - 1)

static void what_a_client_writes(void **state)
{
    struct mqtt_connect c = {.version = MQTT_3, .client_id = SLICE("me"), .keep_alive = 30};
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    assert_int_equal(mqtt_write_connect(&b, &c), 0);
    EXPECT(&b, "\x10\x0e\x00\x04MQTT\x04\x00\x00\x1e\x00\x02me");
    c = (struct mqtt_connect){.version = MQTT_5,
                              .client_id = SLICE("me"),
                              .username = "u",
                              .password = "pw",
                              .keep_alive = 258,
                              .session_expiry = 604800,
                              .receive_maximum = 1000,
                              .packet_maximum = 0x01020304};
    assert_int_equal(mqtt_write_connect(&b, &c), 0);
    EXPECT(&b, "\x10\x23\x00\x04MQTT\x05\xc0\x01\x02\x0d\x11\x00\x09\x3a\x80\x21\x03\xe8\x27\x01\x02\x03\x04\x00\x02me"
               "\x00\x01u\x00\x02pw");
    assert_int_equal(mqtt_write_subscribe(&b, MQTT_3, 1, "a/#", 2, true), 0);
    EXPECT(&b, "\x82\x08\x00\x01\x00\x03"
               "a/#\x02");
    assert_int_equal(mqtt_write_subscribe(&b, MQTT_5, 1, "a/#", 1, true), 0);
    EXPECT(&b, "\x82\x09\x00\x01\x00\x00\x03"
               "a/#\x11");
    assert_int_equal(mqtt_write_unsubscribe(&b, MQTT_5, 0xffff, SLICE("a")), 0);
    EXPECT(&b, "\xa2\x06\xff\xff\x00\x00\x01"
               "a");
    assert_int_equal(mqtt_write_ack(&b, MQTT_5, MQTT_PUBREC, 0x0102, 0), 0);
    EXPECT(&b, "\x50\x02\x01\x02");
    assert_int_equal(mqtt_write_ack(&b, MQTT_5, MQTT_PUBACK, 1, 0x97), 0);
    EXPECT(&b, "\x40\x03\x00\x01\x97");
    assert_int_equal(mqtt_write_ack(&b, MQTT_3, MQTT_PUBACK, 1, 0x97), 0);
    EXPECT(&b, "\x40\x02\x00\x01");
    assert_int_equal(mqtt_write_ping(&b), 0);
    EXPECT(&b, "\xc0\x00");
    assert_int_equal(mqtt_write_disconnect(&b, MQTT_5, 0x81), 0);
    EXPECT(&b, "\xe0\x01\x81");
    assert_int_equal(mqtt_write_disconnect(&b, MQTT_3, 0x81), 0);
    EXPECT(&b, "\xe0\x00");
    buf_release(&b);
}

static void nothing_is_written_by_halves(void **state)
{
    struct mqtt_connect c = {.version = MQTT_5, .client_id = SLICE("a client"), .username = "u", .password = "p"};

    (void)state;
    for (size_t max = 0; max < 60; max++) {
        struct buf b;

        buf_init(&b, max);
        if (mqtt_write_connect(&b, &c) < 0)
            assert_int_equal(b.n, 0);
        buf_clear(&b);
        if (mqtt_write_subscribe(&b, MQTT_5, 1, "some/filter", 2, false) < 0)
            assert_int_equal(b.n, 0);
        buf_clear(&b);
        if (mqtt_write_ack(&b, MQTT_5, MQTT_PUBREC, 1, 0x97) < 0)
            assert_int_equal(b.n, 0);
        buf_release(&b);
    }
}

/* --- words and facts ----------------------------------------------------------------------------------------------- */

static void every_reason_has_words(void **state)
{
    (void)state;
    for (int v = MQTT_3; v <= MQTT_5; v++)
        for (int reason = 0; reason < 256; reason++) {
            struct mqtt_words w = mqtt_words_of((enum mqtt_version)v, (uint8_t)reason);

            assert_true(w.cause && *w.cause && w.hint);
        }
    assert_non_null(strstr(mqtt_words_of(MQTT_5, 0x8e).hint, "client_id"));
    assert_non_null(strstr(mqtt_words_of(MQTT_3, 4).cause, "password"));
    assert_non_null(strstr(mqtt_words_of(MQTT_5, 0x01).hint, "version"));
}

static void facts_of_a_message(void **state)
{
    struct mqtt_packet p = whole(SLICE("\x35\x14\x00\x01t\x00\x07\x0c\x03\x00\x01x\x26\x00\x01k\x00\x02vwpq"), MQTT_5);
    char large[600];
    struct slice v;
    struct buf facts;

    (void)state;
    buf_init(&facts, 200);
    assert_true(mqtt_facts(&facts, &p));
    assert_true(facts_find(buf_slice(&facts), SLICE("topic"), &v) && slice_is(v, "t"));
    assert_true(facts_find(buf_slice(&facts), SLICE("qos"), &v) && slice_is(v, "2"));
    assert_true(facts_find(buf_slice(&facts), SLICE("retained"), &v) && slice_is(v, "1"));
    assert_true(facts_find(buf_slice(&facts), SLICE("content_type"), &v) && slice_is(v, "x"));
    assert_true(facts_find(buf_slice(&facts), SLICE("property.k"), &v) && slice_is(v, "vw"));
    memset(large, 'x', sizeof(large));
    memcpy(large, "\x26\x01\x2c", 3); /* a name of 300 bytes, and a value of none */
    large[303] = large[304] = 0;
    p.properties = slice_of(large, 305);
    assert_false(mqtt_facts(&facts, &p));
    assert_true(facts_find(buf_slice(&facts), SLICE("topic"), &v));
    buf_release(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connack),
        cmocka_unit_test(publish),
        cmocka_unit_test(the_others),
        cmocka_unit_test(what_is_malformed_is_said),
        cmocka_unit_test(a_large_message_is_known_by_its_head),
        cmocka_unit_test(one_byte_spoilt),
        cmocka_unit_test(what_a_client_writes),
        cmocka_unit_test(nothing_is_written_by_halves),
        cmocka_unit_test(every_reason_has_words),
        cmocka_unit_test(facts_of_a_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
