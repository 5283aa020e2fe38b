#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/http/message.h"

#include <stdio.h>
#include <string.h>

/* 2026-11-22T15:26:00Z */
#define NOW ((nsec)1795361160 * NSEC_PER_SEC)

static struct http_response with(const char *headers)
{
    return (struct http_response){.headers = slice_str(headers), .wall_now = NOW};
}

static void headers_are_found_whatever_their_case_and_space(void **state)
{
    struct http_response re = with("ETag: \"x\"\r\nX-Long:\t a b \r\nx-empty:\r\nretry-after: 7\r\nlast: 1");

    (void)state;
    assert_true(slice_is(http_response_header(&re, "etag"), "\"x\""));
    assert_true(slice_is(http_response_header(&re, "X-LONG"), "a b"));
    assert_true(slice_is(http_response_header(&re, "last"), "1"));
    assert_int_equal(http_response_header(&re, "x-empty").n, 0);
    assert_null(http_response_header(&re, "tag").p);
    assert_null(http_response_header(&re, "x-lon").p);
    re.headers = (struct slice){NULL, 0};
    assert_null(http_response_header(&re, "etag").p);
}

static void retry_after_in_every_form(void **state)
{
    static const struct {
        const char *value;
        int seconds;
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"120", 120},
        {"86400", 86400},
        {"86401", 86400},
        {"99999999999999999999999", 86400},
        {"Sun, 22 Nov 2026 15:27:30 GMT", 90},
        {"Sunday, 22-Nov-26 15:27:30 GMT", 90},
        {"Sun Nov 22 15:27:30 2026", 90},
        {"Sun, 22 Nov 2026 15:26:00 GMT", 0},
        {"Sun, 22 Nov 2020 15:26:00 GMT", 0},
        {"Sun, 22 Nov 2036 15:26:00 GMT", 86400},
        {"Sun, 22 Nov 4052 15:26:00 GMT", 86400},
        {"Sun, 22 Nov 9999 15:26:00 GMT", 86400},
        {"Sun, 22 Nov 0001 15:26:00 GMT", 0},
        {"-5", 0},
        {"1.5", 0},
        {"soon", 0},
        {"", 0},
        {"Sun, 22 Nov 2026 15:27:30 GMT trailing", 0},
    };
    char headers[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_response re;

        snprintf(headers, sizeof(headers), "Retry-After: %s\r\n", cases[i].value);
        re = with(headers);
        if (http_retry_after(&re) != cases[i].seconds * NSEC_PER_SEC)
            fail_msg("`%s`: %lld", cases[i].value, (long long)http_retry_after(&re));
    }
    assert_int_equal(http_retry_after(&(struct http_response){.headers = {NULL, 0}}), 0);
}

static void a_request_owns_its_headers(void **state)
{
    struct http_request rq = {.method = "PUT"};
    char value[] = "value!";

    (void)state;
    http_request_header(&rq, "X-A", slice_of(value, 5));
    memset(value, '?', sizeof(value));
    assert_int_equal(rq.header_count, 1);
    assert_string_equal(rq.headers[0], "X-A: value");
    http_request_release(&rq);
    assert_int_equal(rq.header_count, 0);
    http_request_release(&rq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_found_whatever_their_case_and_space),
        cmocka_unit_test(retry_after_in_every_form),
        cmocka_unit_test(a_request_owns_its_headers),
    };

    return cmocka_run_group_tests_name("http_message", tests, NULL, NULL);
}
