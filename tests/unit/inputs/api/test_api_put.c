/* What PutRecord and PutRecordBatch make of a body: frames, or AWS's error. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/api/put.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "0123456789abcdef0123456789abcdef"

static const struct api_put_origin ORIGIN = {.arrival = 5, .text = {"input=api", 9}};

static int parse(struct api_put *put, bool batch, const char *body, struct api_error *e)
{
    size_t n = strlen(body);
    char *copy = mem_strndup(body, n);
    int rc;

    memset(e, 0, sizeof(*e));
    rc = api_put_parse(put, batch, copy, n, &ORIGIN, e);
    mem_free(copy);
    return rc;
}

/* The frame's payload so far: what lies before its free space. */
static struct slice payload(struct frame *f)
{
    size_t room;

    return slice_of(frame_space(f, &room) - frame_bytes(f), frame_bytes(f));
}

static void assert_payload(struct api_put *put, const char *want)
{
    assert_int_equal(put->frame_count, 1);
    assert_true(slice_is(payload(put->frames[0].frame), want));
}

static void a_batch_becomes_one_frame_of_lines(void **state)
{
    struct api_put put;
    struct api_error e;

    (void)state;
    assert_int_equal(parse(&put, true,
                           "{\"DeliveryStreamName\":\"app\",\"Records\":[{\"Data\":\"aGVsbG8=\"},"
                           "{\"Data\":\"d29ybGQK\"}, {\"Data\" : \"\"} ] }",
                           &e),
                     0);
    assert_payload(&put, "hello\nworld\n\n");
    assert_int_equal(put.count, 3);
    assert_int_equal(put.bytes, 11); /* the newline of "world\n" is its own */
    assert_string_equal(put.stream.s, "app");
    api_put_release(&put);
}

static void a_single_record_may_come_before_its_stream(void **state)
{
    struct api_put put;
    struct api_error e;

    (void)state;
    assert_int_equal(parse(&put, false, "{\"Record\":{\"Data\":\"YQ==\"},\"DeliveryStreamName\":\"a.b-c_D\"}", &e), 0);
    assert_payload(&put, "a\n");
    assert_string_equal(put.stream.s, "a.b-c_D");
    api_put_release(&put);
}

static void unknown_members_are_stepped_over(void **state)
{
    struct api_put put;
    struct api_error e;

    (void)state;
    assert_int_equal(parse(&put, false,
                           "{\"X\":[{\"Data\":1},null],\"Record\":{\"Y\":{\"Data\":[]},\"Data\":\"YQ==\"},"
                           "\"DeliveryStreamName\":\"s\",\"Records\":7}",
                           &e),
                     0);
    assert_payload(&put, "a\n");
    api_put_release(&put);
}

static void escapes_in_base64_are_undone(void **state)
{
    const struct {
        const char *data, *want;
    } cases[] = {
        {"\\/\\/\\/\\/", "\xff\xff\xff\n"},
        {"YWJj\\/\\/\\/\\/YWJj", "abc\xff\xff\xff"
                                 "abc\n"},
        {"\\u0059Q=\\u003d", "a\n"},
        {"\\u002F\\u002f//", "\xff\xff\xff\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char body[256];
        struct api_put put;
        struct api_error e;

        snprintf(body, sizeof(body), "{\"DeliveryStreamName\":\"s\",\"Record\":{\"Data\":\"%s\"}}", cases[i].data);
        if (parse(&put, false, body, &e) < 0)
            fail_msg("%s: %s", cases[i].data, e.message);
        assert_payload(&put, cases[i].want);
        api_put_release(&put);
    }
}

/* The same document with a space behind each brace that opens an object: no record is in the spelling that nearly every client uses. */
static void spell_otherwise(const char *body, char *out, size_t size)
{
    size_t n = 0;

    for (; *body; body++) {
        assert_true(n + 3 < size);
        out[n++] = *body;
        if (body[0] == '{' && body[1] == '"')
            out[n++] = ' ';
    }
    out[n] = '\0';
}

/* Both are the same document, so both get the same answer. */
static void assert_spelling_does_not_matter(bool batch, const char *body)
{
    char other[512];
    struct api_put one, two;
    struct api_error e1, e2;
    int rc1, rc2;

    spell_otherwise(body, other, sizeof(other));
    rc1 = parse(&one, batch, body, &e1);
    rc2 = parse(&two, batch, other, &e2);
    if (rc1 != rc2 || e1.code != e2.code)
        fail_msg("%s: %d, %s; %s: %d, %s", body, rc1, e1.message, other, rc2, e2.message);
    if (rc1 < 0)
        return;
    assert_int_equal(one.count, two.count);
    assert_int_equal(one.bytes, two.bytes);
    assert_int_equal(e1.code, API_OK);
    for (size_t i = 0; i < one.frame_count; i++)
        assert_true(slice_eq(payload(one.frames[i].frame), payload(two.frames[i].frame)));
    api_put_release(&one);
    api_put_release(&two);
}

static void how_a_record_is_spelled_makes_no_difference(void **state)
{
    static const char *const bodies[] = {
        "{\"DeliveryStreamName\":\"s\",\"Records\":[{\"Data\":\"aGVsbG8=\"},{\"Data\": \"YWI=\"},{\"Data\":\"\"}]}",
        "{\"Record\":{\"Data\":\"aGVsbG8gd29ybGQhIGhlbGxvIHdvcmxkISBoZWxsbyB3b3JsZCE=\"},\"DeliveryStreamName\":\"s\"}",
        "{\"DeliveryStreamName\":\"s\",\"Records\":[{\"Data\":\"YQ==\",\"Data\":\"\"}]}",
        "{\"DeliveryStreamName\":\"s\",\"Records\":[{\"Data\":\"\\/\\/\\/\\/\"},{\"Data\":\"YQ==\" }]}",
    };
    static const char others[] = "\"\\{}[]:, =A/n\x01\xc3";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        char body[256];
        size_t n = strlen(bodies[i]);

        for (size_t at = 0; at < n; at++) {
            memcpy(body, bodies[i], n + 1);
            for (const char *c = others; *c; c++) {
                body[at] = *c;
                assert_spelling_does_not_matter(bodies[i][2] == 'D', body);
            }
            body[at] = '\0'; /* it ends there */
            assert_spelling_does_not_matter(bodies[i][2] == 'D', body);
            memmove(body + at, bodies[i] + at + 1, n - at); /* that character is missing */
            assert_spelling_does_not_matter(bodies[i][2] == 'D', body);
        }
        assert_spelling_does_not_matter(bodies[i][2] == 'D', bodies[i]);
    }
}

static void a_bad_body_gets_the_error_that_names_the_fault(void **state)
{
    const struct {
        bool batch;
        const char *body;
        enum api_code code;
        const char *text; /* somewhere in the message */
    } cases[] = {
        {true, "", API_VALIDATION, "Value null at 'deliveryStreamName'"},
        {true, "{}", API_VALIDATION, "Value null at 'deliveryStreamName'"},
        {true, "[]", API_SERIALIZATION, "an object is expected"},
        {true, "?", API_SERIALIZATION, "invalid JSON at byte 0"},
        {true, "{\"DeliveryStreamName\":\"s\"", API_SERIALIZATION, "invalid JSON at byte 25"},
        {true, "{\"DeliveryStreamName\":\"s\"}", API_VALIDATION, "Value null at 'records'"},
        {true, "{\"DeliveryStreamName\":\"s\",\"Records\":null}", API_VALIDATION, "Value null at 'records'"},
        {false, "{\"DeliveryStreamName\":\"s\"}", API_VALIDATION, "Value null at 'record'"},
        {true, "{\"DeliveryStreamName\":\"s\",\"Records\":[]}", API_VALIDATION, "greater than or equal to 1"},
        {true, "{\"DeliveryStreamName\":\"s\",\"Records\":{}}", API_SERIALIZATION, "Records: a list is expected"},
        {true, "{\"DeliveryStreamName\":\"s\",\"Records\":[7]}", API_SERIALIZATION, "a record: an object is expected"},
        {true, "{\"DeliveryStreamName\":\"s\",\"Records\":[{}]}", API_VALIDATION, "at 'records.1.member.data'"},
        {true, "{\"DeliveryStreamName\":\"s\",\"Records\":[{\"Data\":\"\"},{\"Data\":null}]}", API_VALIDATION,
         "Value null at 'records.2.member.data'"},
        {false, "{\"DeliveryStreamName\":\"s\",\"Record\":{\"Data\":null}}", API_VALIDATION, "at 'record.data'"},
        {false, "{\"DeliveryStreamName\":\"s\",\"Record\":{\"Data\":7}}", API_SERIALIZATION, "a base64 string"},
        {false, "{\"DeliveryStreamName\":\"s\",\"Record\":{\"Data\":\"YQ=\"}}", API_SERIALIZATION,
         "record.data is not base64"},
        {false, "{\"DeliveryStreamName\":\"s\",\"Record\":{\"Data\":\"YQ= \"}}", API_SERIALIZATION, "not base64"},
        {false, "{\"DeliveryStreamName\":\"s\",\"Record\":{\"Data\":\"YR==\"}}", API_SERIALIZATION, "not base64"},
        {false, "{\"DeliveryStreamName\":\"s\",\"Record\":{\"Data\":\"YQ\\n=\"}}", API_SERIALIZATION, "not base64"},
        {false, "{\"DeliveryStreamName\":\"s\",\"Record\":{\"Data\":\"YQ=\\u013d\"}}", API_SERIALIZATION, "not base64"},
        {false, "{\"DeliveryStreamName\":\"s\",\"Record\":{\"Data\":\"\",\"Data\":\"\"}}", API_SERIALIZATION,
         "Data is there twice"},
        {true, "{\"Records\":[{\"Data\":\"\"}],\"DeliveryStreamName\":\"s\",\"Records\":[]}", API_SERIALIZATION,
         "Records is there twice"},
        {false, "{\"DeliveryStreamName\":\"s\",\"DeliveryStreamName\":\"s\"}", API_SERIALIZATION, "there twice"},
        {false, "{\"DeliveryStreamName\":7}", API_SERIALIZATION, "DeliveryStreamName: a string is expected"},
        {false, "{\"DeliveryStreamName\":\"\",\"Record\":{\"Data\":\"\"}}", API_VALIDATION, "Value '' at"},
        {false, "{\"DeliveryStreamName\":\"a b\",\"Record\":{\"Data\":\"\"}}", API_VALIDATION, "regular expression"},
        {false, "{\"DeliveryStreamName\":\"a\\u0000\",\"Record\":{\"Data\":\"\"}}", API_VALIDATION,
         "regular expression"},
        {false,
         "{\"DeliveryStreamName\":\"12345678901234567890123456789012345678901234567890123456789012345\","
         "\"Record\":{\"Data\":\"\"}}",
         API_VALIDATION, "less than or equal to 64"},
        {false, "{\"DeliveryStreamName\":\"s\",\"Record\":{\"Data\":\"\"}} x", API_SERIALIZATION, "invalid JSON"},
        {true, "{\"DeliveryStreamName\":\"s\",\"Records\":[{\"Data\":\"YQ==\"}", API_SERIALIZATION, "invalid JSON"},
        {true, "{\"DeliveryStreamName\":\"s\",\"Records\":[{\"Data\":\"YQ==\"", API_SERIALIZATION, "invalid JSON"},
        {true, "{\"DeliveryStreamName\":\"s\",\"Records\":[{\"Data\":\"YQ==", API_SERIALIZATION, "invalid JSON"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct api_put put;
        struct api_error e;

        if (parse(&put, cases[i].batch, cases[i].body, &e) == 0)
            fail_msg("%s: accepted", cases[i].body);
        if (e.code != cases[i].code || !strstr(e.message, cases[i].text))
            fail_msg("%s: %s: %s", cases[i].body, api_error_name(e.code), e.message);
        assert_int_equal(put.frame_count, 0);
    }
}

/* A body of `count` records of `size` bytes each; the caller frees it. */
static char *body_of(size_t count, size_t size)
{
    char *data = mem_alloc(size + 1), *text = mem_alloc(base64_encoded_length(size) + 1);
    char *body, *at;

    memset(data, 'x', size);
    base64_encode(slice_of(data, size), text);
    body = mem_alloc(128 + count * (base64_encoded_length(size) + 16));
    at = body + sprintf(body, "{\"DeliveryStreamName\":\"s\",\"Records\":[");
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, "%s{\"Data\":\"%s\"}", i ? "," : "", text);
    sprintf(at, "]}");
    mem_free(data);
    mem_free(text);
    return body;
}

static void limits_count_decoded_bytes_at_their_edges(void **state)
{
    const struct {
        size_t count, size;
        enum api_code code;
        const char *text;
    } cases[] = {
        {1, 1024000, API_OK, ""},
        {1, 1024001, API_VALIDATION,
         "'records.1.member.data' failed to satisfy constraint: Member must have length "
         "less than or equal to 1024000"},
        {500, 10, API_OK, ""},
        {501, 10, API_VALIDATION,
         "at 'records' failed to satisfy constraint: Member must have length less than or "
         "equal to 500"},
        {4, 1024000, API_OK, ""},
        {8, 524288, API_OK, ""}, /* 4 MiB to the byte */
        {9, 524288, API_INVALID_ARGUMENT, "Records size exceeds 4 MB limit"},
        {5, 1024000, API_INVALID_ARGUMENT, "Records size exceeds 4 MB limit"},
        {7, 599186, API_OK, ""}, /* two of them never share a frame */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *body = body_of(cases[i].count, cases[i].size);
        struct api_put put;
        struct api_error e;
        int rc = parse(&put, true, body, &e);

        if ((rc == 0) != (cases[i].code == API_OK) || e.code != cases[i].code || !strstr(e.message, cases[i].text))
            fail_msg("%zu x %zu: %s: %s", cases[i].count, cases[i].size, api_error_name(e.code), e.message);
        if (rc == 0) {
            assert_int_equal(put.count, cases[i].count);
            assert_int_equal(put.bytes, cases[i].count * cases[i].size);
        }
        api_put_release(&put);
        mem_free(body);
    }
}

static void records_keep_their_order_over_several_frames(void **state)
{
    char *body = body_of(500, 8388); /* a little under 4 MiB */
    struct api_put put;
    struct api_error e;
    size_t bytes = 0;

    (void)state;
    assert_int_equal(parse(&put, true, body, &e), 0);
    assert_in_range(put.frame_count, 4, 5);
    for (size_t i = 0; i < put.frame_count; i++) {
        assert_true(frame_bytes(put.frames[i].frame) <= FRAME_MAX_BYTES);
        assert_int_equal(frame_count(put.frames[i].frame), put.frames[i].count);
        bytes += frame_bytes(put.frames[i].frame);
    }
    assert_int_equal(bytes, put.bytes + put.count);
    api_put_release(&put);
    mem_free(body);
}

/* Some clients write each slash as \\/: what looks too long for the frame that is open may fit. */
static void escapes_make_no_frame_of_their_own(void **state)
{
    struct buf body;
    struct api_put put;
    struct api_error e;

    (void)state;
    buf_init(&body, 4 * MIB);
    assert_int_equal(buf_add_str(&body, "{\"DeliveryStreamName\":\"s\",\"Records\":["), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(buf_add_str(&body, i ? ",{\"Data\":\"" : "{\"Data\":\""), 0);
        for (int k = 0; k < 660000; k++)
            assert_int_equal(buf_add_str(&body, i ? "\\/" : "/"), 0);
        assert_int_equal(buf_add_str(&body, "\"}"), 0);
    }
    assert_int_equal(buf_add_str(&body, "]}"), 0);
    assert_int_equal(parse(&put, true, buf_cstr(&body), &e), 0);
    assert_int_equal(put.count, 2);
    assert_int_equal(put.frame_count, 1);
    api_put_release(&put);
    buf_release(&body);
}

static void a_full_budget_pushes_back_and_is_left_as_it_was(void **state)
{
    struct budget budget;
    struct api_put_origin origin = ORIGIN;
    struct api_put put;
    struct api_error e = {0};
    char *body = body_of(5, 600000);

    (void)state;
    budget_init(&budget, 2 * FRAME_MAX_BYTES + 4096);
    origin.budget = &budget;
    assert_int_equal(api_put_parse(&put, true, body, strlen(body), &origin, &e), -1);
    assert_int_equal(e.code, API_UNAVAILABLE);
    assert_string_equal(e.message, "Slow down.");
    assert_int_equal(budget.used, 0);
    mem_free(body);
}

/* --- replies ------------------------------------------------------------------------------------------------------ */

/* Two frames, of two records and of one. */
static void two_frames(struct api_put *put, enum api_outcome first, enum api_outcome second)
{
    *put = (struct api_put){.batch = true, .frame_count = 2, .count = 3};
    put->frames[0] = (struct api_put_frame){.count = 2, .outcome = first};
    put->frames[1] = (struct api_put_frame){.count = 1, .outcome = second};
}

static void a_reply_has_one_entry_per_record_in_order(void **state)
{
    struct api_put put;
    struct api_error e = {0};
    struct buf out;

    (void)state;
    buf_init(&out, API_PUT_REPLY_MAX);
    two_frames(&put, API_OUTCOME_SAFE, API_OUTCOME_FULL);
    assert_int_equal(api_put_reply(&put, ID, &out, &e), 0);
    assert_string_equal(buf_cstr(&out),
                        "{\"FailedPutCount\":1,\"Encrypted\":false,\"RequestResponses\":[{\"RecordId\":\"" ID "000\"},"
                        "{\"RecordId\":\"" ID "001\"},{\"ErrorCode\":\"ServiceUnavailableException\","
                        "\"ErrorMessage\":\"Slow down.\"}]}");
    assert_true(json_valid(buf_slice(&out), 8));
    buf_release(&out);
}

static void a_record_id_is_never_given_twice(void **state)
{
    struct api_put put = {.batch = true, .frame_count = 1, .count = 500};
    struct api_error e = {0};
    struct buf out;

    (void)state;
    put.frames[0] = (struct api_put_frame){.count = 500, .outcome = API_OUTCOME_SAFE};
    buf_init(&out, API_PUT_REPLY_MAX);
    assert_int_equal(api_put_reply(&put, ID, &out, &e), 0);
    for (unsigned i = 0; i < 500; i++) {
        char id[64];

        snprintf(id, sizeof(id), "\"" ID "%03x\"", i);
        assert_non_null(strstr(buf_cstr(&out), id));
    }
    buf_release(&out);
}

static void the_largest_reply_fits_its_bound(void **state)
{
    const enum api_outcome outcomes[] = {API_OUTCOME_SAFE, API_OUTCOME_FULL, API_OUTCOME_FAILING};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        struct api_put put = {.batch = true, .frame_count = 1, .count = 500};
        struct api_error e = {0};
        struct buf out;

        put.frames[0] = (struct api_put_frame){.count = 500, .outcome = outcomes[i]};
        buf_init(&out, API_PUT_REPLY_MAX);
        assert_int_equal(api_put_reply(&put, ID, &out, &e), 0);
        assert_true(json_valid(buf_slice(&out), 8));
        buf_release(&out);
    }
}

static void a_single_record_that_is_refused_is_an_error(void **state)
{
    struct api_put put = {.frame_count = 1, .count = 1};
    struct api_error e = {0};
    struct buf out;

    (void)state;
    buf_init(&out, API_PUT_REPLY_MAX);
    put.frames[0] = (struct api_put_frame){.count = 1, .outcome = API_OUTCOME_FULL};
    assert_int_equal(api_put_reply(&put, ID, &out, &e), -1);
    assert_int_equal(e.code, API_UNAVAILABLE);
    assert_string_equal(e.message, "Slow down.");
    put.frames[0].outcome = API_OUTCOME_SAFE;
    assert_int_equal(api_put_reply(&put, ID, &out, &e), 0);
    assert_string_equal(buf_cstr(&out), "{\"RecordId\":\"" ID "000\",\"Encrypted\":false}");
    buf_release(&out);
}

static void the_sum_tells_safe_from_refused(void **state)
{
    struct api_put put;
    struct api_put_sum sum;

    (void)state;
    two_frames(&put, API_OUTCOME_SAFE, API_OUTCOME_FAILING);
    sum = api_put_sum(&put);
    assert_int_equal(sum.safe, 2);
    assert_int_equal(sum.refused, 1);
    assert_int_equal(sum.why, API_OUTCOME_FAILING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_becomes_one_frame_of_lines),
        cmocka_unit_test(a_single_record_may_come_before_its_stream),
        cmocka_unit_test(unknown_members_are_stepped_over),
        cmocka_unit_test(escapes_in_base64_are_undone),
        cmocka_unit_test(how_a_record_is_spelled_makes_no_difference),
        cmocka_unit_test(a_bad_body_gets_the_error_that_names_the_fault),
        cmocka_unit_test(limits_count_decoded_bytes_at_their_edges),
        cmocka_unit_test(records_keep_their_order_over_several_frames),
        cmocka_unit_test(escapes_make_no_frame_of_their_own),
        cmocka_unit_test(a_full_budget_pushes_back_and_is_left_as_it_was),
        cmocka_unit_test(a_reply_has_one_entry_per_record_in_order),
        cmocka_unit_test(a_record_id_is_never_given_twice),
        cmocka_unit_test(the_largest_reply_fits_its_bound),
        cmocka_unit_test(a_single_record_that_is_refused_is_an_error),
        cmocka_unit_test(the_sum_tells_safe_from_refused),
    };

    return cmocka_run_group_tests_name("api_put", tests, NULL, NULL);
}
