/* Messages out of the bytes of their header and body: each property, each kind of header, and everything that may be wrong. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/amqp091/message.h"
#include "pipeline/inputs/amqp091/wire.h"

#include <stdlib.h>
#include <string.h>

#define BYTES(text) slice_of("" text, sizeof(text) - 1)

static void begin(struct message *m, bool redelivered)
{
    const amqp_basic_deliver_t d = {.delivery_tag = 7,
                                    .redelivered = redelivered,
                                    .exchange = amqp_cstring_bytes("logs"),
                                    .routing_key = amqp_cstring_bytes("eu.web")};

    amqp091_message_begin(m, &d);
}

/* A header of the class `basic` with a body of `size` bytes, these flags, and what is behind them. */
static int header(struct message *m, uint64_t size, unsigned flags, struct slice properties, struct err *e)
{
    char head[14] = {0, 60, 0, 0};
    struct buf b;
    int rc;

    for (size_t i = 0; i < 8; i++)
        head[4 + i] = (char)(size >> 8 * (7 - i));
    head[12] = (char)(flags >> 8);
    head[13] = (char)flags;
    buf_init(&b, 1 * MIB);
    assert_int_equal(buf_add(&b, head, sizeof(head)) + buf_add_slice(&b, properties), 0);
    rc = amqp091_message_header(m, buf_slice(&b), e);
    buf_release(&b);
    return rc;
}

static void expect_fact(const struct message *m, const char *name, const char *value)
{
    struct slice found;

    if (!facts_find(buf_slice(&m->facts), slice_str(name), &found)) {
        if (m->facts_cut && RECORD_FACTS_MAX < 1024) /* a build with small limits: what has no room is left out */
            return;
        fail_msg("there is no %s", name);
    }
    if (!slice_is(found, value))
        fail_msg("%s is %.*s and not %s", name, (int)found.n, found.p, value);
}

static bool has_fact(const struct message *m, const char *name)
{
    struct slice found;

    return facts_find(buf_slice(&m->facts), slice_str(name), &found);
}

static void a_body_comes_in_pieces(void **state)
{
    struct message m;
    struct err e;

    (void)state;
    amqp091_message_init(&m);
    begin(&m, false);
    assert_int_equal(m.state, MESSAGE_WANTS_HEADER);
    assert_int_equal(header(&m, 5, 0, SLICE(""), &e), 0);
    assert_int_equal(m.state, MESSAGE_WANTS_BODY);
    assert_int_equal(amqp091_message_body(&m, BYTES("a\0b"), &e), 0);
    assert_int_equal(amqp091_message_body(&m, SLICE(""), &e), 0);
    assert_int_equal(m.state, MESSAGE_WANTS_BODY);
    assert_int_equal(amqp091_message_body(&m, BYTES("\n\xff"), &e), 0);
    assert_int_equal(m.state, MESSAGE_WHOLE);
    assert_true(slice_eq(buf_slice(&m.body), BYTES("a\0b\n\xff")));
    expect_fact(&m, "exchange", "logs");
    expect_fact(&m, "routing_key", "eu.web");
    assert_false(has_fact(&m, "redelivered"));

    begin(&m, true);
    assert_int_equal(header(&m, 0, 0, SLICE(""), &e), 0);
    assert_int_equal(m.state, MESSAGE_WHOLE); /* no body is a record, too */
    assert_int_equal(m.body.n, 0);
    expect_fact(&m, "redelivered", "true");

    begin(&m, false);
    assert_int_equal(header(&m, 2, 0, SLICE(""), &e), 0);
    assert_int_equal(amqp091_message_body(&m, SLICE("abc"), &e), -1);
    assert_non_null(strstr(e.msg, "longer than its header says"));
    amqp091_message_release(&m);
}

static void of_a_body_that_is_too_large_nothing_is_kept(void **state)
{
    static char piece[100000];
    uint64_t size = (uint64_t)RECORD_MAX_BYTES + 1;
    struct message m;
    struct err e;

    (void)state;
    amqp091_message_init(&m);
    begin(&m, false);
    assert_int_equal(header(&m, size, 0, SLICE(""), &e), 0);
    assert_true(m.too_large);
    while (m.state == MESSAGE_WANTS_BODY) {
        uint64_t n = m.left < sizeof(piece) ? m.left : sizeof(piece);

        assert_int_equal(amqp091_message_body(&m, slice_of(piece, (size_t)n), &e), 0);
        assert_int_equal(m.body.cap, 0);
    }
    assert_int_equal(m.state, MESSAGE_WHOLE);
    assert_int_equal(m.size, size);

    begin(&m, false);
    assert_int_equal(header(&m, UINT64_MAX, 0, SLICE(""), &e), 0);
    assert_true(m.too_large);
    begin(&m, false);
    assert_int_equal(header(&m, RECORD_MAX_BYTES, 0, SLICE(""), &e), 0);
    assert_false(m.too_large);
    amqp091_message_release(&m);
}

/* Every property there is, with a table of every kind of value. */
#define TABLE                                                                                                          \
    "\1t"                                                                                                              \
    "t\1"                                                                                                              \
    "\1b"                                                                                                              \
    "b\xff"                                                                                                            \
    "\1B"                                                                                                              \
    "B\xff"                                                                                                            \
    "\1s"                                                                                                              \
    "s\xff\xfe"                                                                                                        \
    "\1u"                                                                                                              \
    "u\xff\xfe"                                                                                                        \
    "\1I"                                                                                                              \
    "I\xff\xff\xff\xfd"                                                                                                \
    "\1i"                                                                                                              \
    "i\xff\xff\xff\xff"                                                                                                \
    "\1l"                                                                                                              \
    "l\x80\0\0\0\0\0\0\0"                                                                                              \
    "\1f"                                                                                                              \
    "f\x3f\xc0\0\0"                                                                                                    \
    "\1d"                                                                                                              \
    "d\xc0\x04\0\0\0\0\0\0"                                                                                            \
    "\1D"                                                                                                              \
    "D\2\0\0\0\x64"                                                                                                    \
    "\1S"                                                                                                              \
    "S\0\0\0\3a\0b"                                                                                                    \
    "\1x"                                                                                                              \
    "x\0\0\0\1y"                                                                                                       \
    "\1A"                                                                                                              \
    "A\0\0\0\2t\1"                                                                                                     \
    "\1F"                                                                                                              \
    "F\0\0\0\4\1zt\1"                                                                                                  \
    "\1T"                                                                                                              \
    "T\0\0\0\0\0\0\0\x2a"                                                                                              \
    "\1V"                                                                                                              \
    "V"

static void every_property_is_a_fact(void **state)
{
    const struct slice table = BYTES(TABLE);
    struct buf p;
    struct message m;
    struct err e;
    struct slice found;
    char size[4] = {0, 0, (char)(table.n >> 8), (char)table.n};

    (void)state;
    buf_init(&p, 10000);
    assert_int_equal(buf_add_slice(&p, BYTES("\4text\4gzip")) + buf_add(&p, size, 4) + buf_add_slice(&p, table) +
                         buf_add_slice(&p, BYTES("\2\5\3cor\2rt\0041000\3m-1\0\0\0\0\0\0\0\x2a\2ty\2us\2ap")),
                     0);
    amqp091_message_init(&m);
    begin(&m, false);
    if (header(&m, 0, 0xfff8, buf_slice(&p), &e) < 0)
        fail_msg("%s", e.msg);
    expect_fact(&m, "content_type", "text");
    expect_fact(&m, "content_encoding", "gzip");
    expect_fact(&m, "delivery_mode", "2");
    expect_fact(&m, "priority", "5");
    expect_fact(&m, "correlation_id", "cor");
    expect_fact(&m, "reply_to", "rt");
    expect_fact(&m, "message_id", "m-1");
    expect_fact(&m, "timestamp", "42000");
    expect_fact(&m, "type", "ty");
    expect_fact(&m, "user_id", "us");
    expect_fact(&m, "app_id", "ap");
    assert_true(slice_is(slice_of(m.id, m.id_bytes), "m-1"));
    expect_fact(&m, "header.t", "true");
    expect_fact(&m, "header.b", "-1");
    expect_fact(&m, "header.B", "255");
    expect_fact(&m, "header.s", "-2");
    expect_fact(&m, "header.u", "65534");
    expect_fact(&m, "header.I", "-3");
    expect_fact(&m, "header.i", "4294967295");
    expect_fact(&m, "header.l", "-9223372036854775808");
    expect_fact(&m, "header.f", "1.5");
    expect_fact(&m, "header.d", "-2.5");
    expect_fact(&m, "header.x", "y");
    expect_fact(&m, "header.T", "42");
    if (facts_find(buf_slice(&m.facts), SLICE("header.S"), &found))
        assert_true(slice_eq(found, BYTES("a\0b")));
    else
        assert_true(m.facts_cut);
    for (const char *none = "DAFV"; *none; none++)
        assert_false(has_fact(&m, (char[]){'h', 'e', 'a', 'd', 'e', 'r', '.', *none, '\0'}));
    assert_true(!m.facts_cut || RECORD_FACTS_MAX < 1024);

    /* Cut anywhere it is refused, or less is known: never more than there is. */
    for (size_t n = 0; n < p.n; n++) {
        char *copy = malloc(n + 1);

        memcpy(copy, p.p, n);
        begin(&m, false);
        assert_int_equal(header(&m, 0, 0xfff8, slice_of(copy, n), &e), -1);
        free(copy);
    }
    amqp091_message_release(&m);
    buf_release(&p);
}

static int with_table(struct message *m, struct slice table)
{
    char size[4] = {(char)(table.n >> 24), (char)(table.n >> 16), (char)(table.n >> 8), (char)table.n};
    struct buf p;
    struct err e;
    int rc;

    buf_init(&p, 1 * MIB);
    assert_int_equal(buf_add(&p, size, 4) + buf_add_slice(&p, table) + buf_add_slice(&p, BYTES("\2id")), 0);
    begin(m, false);
    rc = header(m, 0, AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG, buf_slice(&p), &e);
    buf_release(&p);
    return rc;
}

static void headers_that_nobody_can_read_are_left_out(void **state)
{
    struct message m;
    char *deep;
    enum { DEPTH = 20000 };

    (void)state;
    amqp091_message_init(&m);
    assert_int_equal(with_table(&m, BYTES("\1at\1\1b?more")), 0);
    assert_true(m.facts_cut);
    expect_fact(&m, "header.a", "true");
    expect_fact(&m, "message_id", "id");
    assert_int_equal(with_table(&m, BYTES("\5ab")), 0);
    assert_true(m.facts_cut);
    assert_int_equal(with_table(&m, BYTES("\1aS\xff\xff\xff\xff")), 0);
    assert_true(m.facts_cut);
    expect_fact(&m, "message_id", "id");

    /* Tables within tables, deeper than any stack. */
    deep = malloc(6 * DEPTH);
    for (size_t i = 0; i < DEPTH; i++) {
        size_t left = 6 * (DEPTH - i - 1);
        char *p = deep + 6 * i;

        p[0] = 0;
        p[1] = 'F';
        p[2] = (char)(left >> 24);
        p[3] = (char)(left >> 16);
        p[4] = (char)(left >> 8);
        p[5] = (char)left;
    }
    assert_int_equal(with_table(&m, slice_of(deep, 6 * DEPTH)), 0);
    assert_false(m.facts_cut);
    expect_fact(&m, "message_id", "id");
    free(deep);
    amqp091_message_release(&m);
}

static void facts_are_bounded_and_the_servers_own_come_first(void **state)
{
    struct message m;
    struct buf table;

    (void)state;
    buf_init(&table, 1 * MIB);
    for (int i = 0; i < 300; i++)
        assert_int_equal(
            buf_printf(&table, "\4h%03dS", i) + buf_add(&table, "\0\0\0\x78", 4) + buf_printf(&table, "%0120d", i), 0);
    amqp091_message_init(&m);
    assert_int_equal(with_table(&m, buf_slice(&table)), 0);
    assert_true(m.facts_cut);
    assert_true(m.facts.n <= RECORD_FACTS_MAX);
    expect_fact(&m, "message_id", "id");
    expect_fact(&m, "routing_key", "eu.web");
    amqp091_message_release(&m);
    buf_release(&table);
}

static void a_stream_has_numbers(void **state)
{
    struct message m;

    (void)state;
    amqp091_message_init(&m);
    assert_int_equal(with_table(&m, BYTES("\xfx-stream-offsetl\0\0\0\0\0\0\1\0\x10x-delivery-counti\0\0\0\3")), 0);
    assert_true(m.has_offset);
    assert_int_equal(m.offset, 256);
    expect_fact(&m, "offset", "256");
    expect_fact(&m, "delivery_count", "3");
    assert_int_equal(with_table(&m, BYTES("\xfx-stream-offsetS\0\0\0\1a")), 0);
    assert_false(m.has_offset);
    assert_int_equal(with_table(&m, BYTES("\xfx-stream-offsetl\xff\xff\xff\xff\xff\xff\xff\xff")), 0);
    assert_false(m.has_offset);
    amqp091_message_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_comes_in_pieces),
        cmocka_unit_test(of_a_body_that_is_too_large_nothing_is_kept),
        cmocka_unit_test(every_property_is_a_fact),
        cmocka_unit_test(headers_that_nobody_can_read_are_left_out),
        cmocka_unit_test(facts_are_bounded_and_the_servers_own_come_first),
        cmocka_unit_test(a_stream_has_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
