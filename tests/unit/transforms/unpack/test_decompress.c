/* gzip records and CloudWatch Logs envelopes, whole, damaged and hostile. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "tests/unit/transforms/transform_rig.h"

#include <zlib.h>

#define ENVELOPE                                                                                                       \
    "{\"messageType\":\"DATA_MESSAGE\",\"owner\":\"123456789012\",\"logGroup\":\"g/\\u0041\",\"logStream\":\"s\","     \
    "\"subscriptionFilters\":[\"f\"],\"logEvents\":["                                                                  \
    "{\"id\":\"1\",\"timestamp\":1700000000000,\"message\":\"first \\\"line\\\"\"},"                                   \
    "{\"id\":\"2\",\"timestamp\":1700000000001,\"message\":\"second\\nline\",\"extractedFields\":{\"a\":\"1\"}}]}"

/* Appends `text` as one gzip member. */
static void pack(struct buf *out, struct slice text)
{
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(buf_reserve(out, deflateBound(&z, text.n)), 0);
    z.next_in = (unsigned char *)(uintptr_t)text.p;
    z.avail_in = (unsigned)text.n;
    z.next_out = (unsigned char *)out->p + out->n;
    z.avail_out = (unsigned)(out->cap - out->n);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += z.total_out;
    deflateEnd(&z);
}

static void assert_outcomes(const char *yaml, struct slice data, const char *want)
{
    struct transform_rig r;
    struct err e = {0};

    assert_int_equal(rig_open(&r, "decompress", yaml, &e), 0);
    assert_string_equal(rig_outcomes(&r, data), want);
    rig_close(&r);
}

static void assert_packed_outcomes(const char *yaml, const char *text, const char *want)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    pack(&b, slice_str(text));
    assert_outcomes(yaml, buf_slice(&b), want);
    buf_release(&b);
}

static void gzip_becomes_what_it_holds(void **state)
{
    (void)state;
    assert_packed_outcomes("{}", "hello", "emit hello\n");
    assert_packed_outcomes("{}", "", "emit \n");
}

static void members_in_a_row_are_one_text(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    pack(&b, SLICE("one,"));
    pack(&b, SLICE(""));
    pack(&b, SLICE("two"));
    assert_outcomes("{}", buf_slice(&b), "emit one,two\n");
    buf_release(&b);
}

static void what_is_not_gzip_fails_or_passes_as_asked(void **state)
{
    (void)state;
    assert_outcomes("{}", SLICE("plain"), "fail Decompression.InvalidData gzip: does not begin with 1f 8b 08\n");
    assert_outcomes("{}", SLICE(""), "fail Decompression.InvalidData gzip: does not begin with 1f 8b 08\n");
    assert_outcomes("{ not_gzip: pass }", SLICE("plain"), "emit plain\n");
}

static void a_stream_cut_anywhere_fails(void **state)
{
    struct transform_rig r;
    struct err e = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    pack(&b, SLICE("some text that is long enough to be cut in many places"));
    assert_int_equal(rig_open(&r, "decompress", "{ not_gzip: fail }", &e), 0);
    for (size_t n = 0; n < b.n; n++)
        assert_memory_equal(rig_outcomes(&r, slice_of(b.p, n)), "fail Decompression.InvalidData", 30);
    assert_memory_equal(rig_outcomes(&r, buf_slice(&b)), "emit some text", 14);
    rig_close(&r);
    buf_release(&b);
}

static void a_flipped_bit_anywhere_never_gives_other_text(void **state)
{
    struct transform_rig r;
    struct err e = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    pack(&b, SLICE("some text, some text"));
    assert_int_equal(rig_open(&r, "decompress", "{}", &e), 0);
    for (size_t bit = 0; bit < b.n * 8; bit++) {
        const char *outcomes;

        b.p[bit / 8] = (char)(b.p[bit / 8] ^ 1 << bit % 8);
        outcomes = rig_outcomes(&r, buf_slice(&b));
        if (strncmp(outcomes, "fail ", 5) != 0) /* header fields that mean nothing here, such as the time */
            assert_string_equal(outcomes, "emit some text, some text\n");
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ 1 << bit % 8);
    }
    rig_close(&r);
    buf_release(&b);
}

static void bytes_behind_the_end_fail(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    pack(&b, SLICE("x"));
    assert_int_equal(buf_add_str(&b, "junk"), 0);
    assert_outcomes("{}", buf_slice(&b), "fail Decompression.InvalidData gzip: 4 bytes behind its end\n");
    buf_release(&b);
}

static void a_bomb_ends_at_the_limit_and_only_itself(void **state)
{
    static char zeros[100000];
    struct transform_rig r;
    struct err e = {0};
    struct buf bomb, exact;

    (void)state;
    buf_init(&bomb, 1 << 20);
    buf_init(&exact, 1 << 20);
    memset(zeros, 'x', sizeof(zeros));
    pack(&bomb, slice_of(zeros, sizeof(zeros)));
    pack(&exact, slice_of(zeros, 4096));
    assert_int_equal(rig_open(&r, "decompress", "{ limit: 4KiB }", &e), 0);
    assert_string_equal(rig_outcomes(&r, buf_slice(&bomb)),
                        "fail Decompression.LimitExceeded gzip: holds more than the limit of 4096 bytes\n");
    assert_int_equal(strlen(rig_outcomes(&r, buf_slice(&exact))), 4096 + strlen("emit \n"));
    rig_close(&r);
    buf_release(&bomb);
    buf_release(&exact);
}

static void envelopes_become_events_messages_or_stay(void **state)
{
    (void)state;
    assert_packed_outcomes("{ cloudwatch_logs: envelope }", ENVELOPE, "emit " ENVELOPE "\n");
    assert_packed_outcomes("{ cloudwatch_logs: messages }", ENVELOPE, "emit first \"line\"\nemit second\nline\n");
    assert_packed_outcomes(
        "{ cloudwatch_logs: events }", ENVELOPE,
        "emit {\"owner\":\"123456789012\",\"logGroup\":\"g/\\u0041\",\"logStream\":\"s\",\"id\":\"1\","
        "\"timestamp\":1700000000000,\"message\":\"first \\\"line\\\"\"}\n"
        "emit {\"owner\":\"123456789012\",\"logGroup\":\"g/\\u0041\",\"logStream\":\"s\",\"id\":\"2\","
        "\"timestamp\":1700000000001,\"extractedFields\":{\"a\":\"1\"},"
        "\"message\":\"second\\nline\"}\n");
}

static void control_messages_are_dropped(void **state)
{
    (void)state;
    assert_packed_outcomes("{ cloudwatch_logs: events }", "{\"messageType\":\"CONTROL_MESSAGE\",\"logEvents\":[]}",
                           "drop CloudWatch Logs control message\n");
    assert_packed_outcomes("{ cloudwatch_logs: messages }", "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[]}",
                           "drop CloudWatch Logs envelope without events\n");
}

static void an_envelope_that_is_wrong_anywhere_fails_whole(void **state)
{
    static const char *const WRONG[] = {
        "",
        "[]",
        "null",
        "{\"messageType\":\"OTHER\"}",
        "{\"messageType\":\"DATA_MESSAGE\"}",
        "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":{}}",
        "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[1]}",
        "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{\"message\":\"a\"},{\"id\":\"2\"}]}",
        "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{\"message\":\"a\"},{\"message\":2}]}",
        "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{\"message\":\"a\"}]",
        "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{\"message\":\"a\"}]}x",
    };
    struct transform_rig r;
    struct err e = {0};

    (void)state;
    assert_int_equal(rig_open(&r, "decompress", "{ cloudwatch_logs: messages }", &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        struct buf b;

        buf_init(&b, 4096);
        pack(&b, slice_str(WRONG[i]));
        assert_memory_equal(rig_outcomes(&r, buf_slice(&b)), "fail CloudWatchLogProcessing.InvalidEnvelope ", 45);
        buf_release(&b);
    }
    rig_close(&r);
}

/* A long name that each of many events would repeat. */
static void events_that_repeat_long_names_end_at_the_limit(void **state)
{
    struct buf text, packed;

    (void)state;
    buf_init(&text, 1 << 20);
    buf_init(&packed, 1 << 20);
    assert_int_equal(
        buf_printf(&text, "{\"messageType\":\"DATA_MESSAGE\",\"logGroup\":\"%0*d\",\"logEvents\":[", 4000, 0), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_add_str(&text, i ? ",{\"message\":\"\"}" : "{\"message\":\"\"}"), 0);
    assert_int_equal(buf_add_str(&text, "]}"), 0);
    pack(&packed, buf_slice(&text));
    assert_outcomes(
        "{ cloudwatch_logs: events, limit: 64KiB }", buf_slice(&packed),
        "fail Decompression.LimitExceeded CloudWatch Logs envelope: its events outgrow `limit` when each names "
        "its origin\n");
    buf_release(&text);
    buf_release(&packed);
}

static void a_full_body_stops_the_batch(void **state)
{
    struct transform_rig r;
    struct err e = {0};
    struct buf b;
    int rc;

    (void)state;
    buf_init(&b, 4096);
    pack(&b, SLICE(ENVELOPE));
    assert_int_equal(rig_open(&r, "decompress", "{ cloudwatch_logs: messages }", &e), 0);
    r.refuse_after = 1;
    rig_run(&r, buf_slice(&b), &rc);
    assert_int_equal(rc, -1);
    rig_close(&r);
    buf_release(&b);
}

static void an_envelope_of_too_many_events_fails_before_any_is_given_out(void **state)
{
    static const char event[] = "{\"id\":\"1\",\"message\":\"\"},";
    struct buf text, b;
    char want[200];

    (void)state;
    buf_init(&text, 16 << 20);
    buf_init(&b, 4 << 20);
    assert_int_equal(buf_add_str(&text, "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":["), 0);
    for (size_t i = 0; i < TRANSFORM_RECORD_PIECES_MAX; i++)
        assert_int_equal(buf_add_str(&text, event), 0);
    assert_int_equal(buf_add_str(&text, "{\"id\":\"1\",\"message\":\"\"}]}"), 0);
    pack(&b, buf_slice(&text));
    snprintf(want, sizeof(want), "fail Transform.LimitExceeded one record becomes %d records, and %d is the most\n",
             TRANSFORM_RECORD_PIECES_MAX + 1, TRANSFORM_RECORD_PIECES_MAX);
    assert_outcomes("{ cloudwatch_logs: messages }", buf_slice(&b), want);
    buf_release(&text);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_becomes_what_it_holds),
        cmocka_unit_test(members_in_a_row_are_one_text),
        cmocka_unit_test(what_is_not_gzip_fails_or_passes_as_asked),
        cmocka_unit_test(a_stream_cut_anywhere_fails),
        cmocka_unit_test(a_flipped_bit_anywhere_never_gives_other_text),
        cmocka_unit_test(bytes_behind_the_end_fail),
        cmocka_unit_test(a_bomb_ends_at_the_limit_and_only_itself),
        cmocka_unit_test(envelopes_become_events_messages_or_stay),
        cmocka_unit_test(control_messages_are_dropped),
        cmocka_unit_test(an_envelope_that_is_wrong_anywhere_fails_whole),
        cmocka_unit_test(events_that_repeat_long_names_end_at_the_limit),
        cmocka_unit_test(an_envelope_of_too_many_events_fails_before_any_is_given_out),
        cmocka_unit_test(a_full_body_stops_the_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
