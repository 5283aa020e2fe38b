/* Who may write: signatures made with the signing half of sigv4, judged by the verifying half, at a fixed time. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/api/auth.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"

#include <stdio.h>
#include <string.h>

#define KEY    "AKEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define BODY   "{\"Limit\":1}"

static struct api_credential KEYS[] = {
    {(char *)"OTHER", (char *)"other-secret"},
    {(char *)KEY, (char *)SECRET},
};
static const nsec NOW = 1795361161 * NSEC_PER_SEC; /* 2026-11-22T15:26:01Z */

struct fixture {
    struct api_auth_headers headers;
    char date[17];
    struct buf authorization;
    const char *secret, *key, *service, *body;
    size_t unsigned_count; /* headers at the end that are left out of the signature */
};

static void put_header(struct fixture *f, const char *name, const char *value)
{
    f->headers.v[f->headers.n++] = (struct sigv4_header){slice_str(name), slice_str(value)};
}

static void begin(struct fixture *f, nsec at)
{
    *f = (struct fixture){.secret = SECRET, .key = KEY, .service = "firehose", .body = BODY};
    buf_init(&f->authorization, 4096);
    sigv4_timestamp(at, f->date);
    put_header(f, "Host", "127.0.0.1:4573");
    put_header(f, "X-Amz-Date", f->date);
    put_header(f, "X-Amz-Target", "Firehose_20150804.ListDeliveryStreams");
}

static void sign(struct fixture *f)
{
    char hex[SHA256_HEX];
    unsigned char hash[SHA256_BYTES];
    struct sigv4_request rq = {.method = SLICE("POST"),
                               .path = SLICE("/"),
                               .headers = f->headers.v,
                               .header_count = f->headers.n - f->unsigned_count};
    struct sigv4_scope scope = {.region = SLICE("eu-west-1"), .service = slice_str(f->service)};

    snprintf(scope.date, sizeof(scope.date), "%.8s", f->date);
    sha256_of(slice_str(f->body), hash);
    rq.payload_hash = slice_str(hex_encode(hash, sizeof(hash), hex));
    assert_int_equal(
        sigv4_authorization(&rq, f->date, &scope, slice_str(f->key), slice_str(f->secret), &f->authorization), 0);
    put_header(f, "Authorization", buf_cstr(&f->authorization));
}

static int judge(struct fixture *f, struct api_error *e)
{
    struct api_auth_keys keys = {.v = KEYS, .n = ARRAY_LEN(KEYS)};
    struct api_auth a = {0};
    int rc;

    *e = (struct api_error){0};
    rc = api_auth_begin(&a, keys, &f->headers, NOW, e);
    if (rc == 0)
        rc = api_auth_finish(&a, &f->headers, SLICE(BODY), e);
    buf_release(&f->authorization);
    return rc;
}

static void expect(struct fixture *f, enum api_code code, const char *text)
{
    struct api_error e;

    assert_int_equal(judge(f, &e), code == API_OK ? 0 : -1);
    if (e.code != code || !strstr(e.message, text))
        fail_msg("%s: %s", api_error_name(e.code), e.message);
    assert_null(strstr(e.message, SECRET));
}

static void a_good_signature_passes(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    sign(&f);
    expect(&f, API_OK, "");
}

static void a_clock_may_be_off_by_15_minutes_either_way(void **state)
{
    const struct {
        nsec off;
        enum api_code code;
        const char *text;
    } cases[] = {
        {-900, API_OK, ""},
        {900, API_OK, ""},
        {-901, API_INVALID_SIGNATURE,
         "Signature expired: 20261122T151100Z is now earlier than 20261122T151101Z (20261122T152601Z - 15 min.)"},
        {901, API_INVALID_SIGNATURE,
         "Signature not yet current: 20261122T154102Z is still later than 20261122T154101Z (20261122T152601Z + 15 "
         "min.)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        begin(&f, NOW + cases[i].off * NSEC_PER_SEC);
        sign(&f);
        expect(&f, cases[i].code, cases[i].text);
    }
}

static void a_wrong_secret_is_an_invalid_signature(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    f.secret = "guessed";
    sign(&f);
    expect(&f, API_INVALID_SIGNATURE, "The request signature we calculated does not match");
}

static void another_keys_secret_does_not_do(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    f.secret = "other-secret";
    sign(&f);
    expect(&f, API_INVALID_SIGNATURE, "does not match");
}

static void an_unknown_key_is_an_unrecognized_client(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    f.key = "AKNOBODY";
    sign(&f);
    expect(&f, API_UNRECOGNIZED_CLIENT, "The security token included in the request is invalid.");
}

static void a_changed_body_is_noticed(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    f.body = "{\"Limit\":2}";
    sign(&f);
    expect(&f, API_INVALID_SIGNATURE, "does not match");
}

static void a_changed_target_is_noticed(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    sign(&f);
    f.headers.v[2].value = SLICE("Firehose_20150804.PutRecord");
    expect(&f, API_INVALID_SIGNATURE, "does not match");
}

static void what_steers_the_request_must_be_signed(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    f.unsigned_count = 1;
    sign(&f);
    expect(&f, API_INVALID_SIGNATURE, "'X-Amz-Target' must be a 'SignedHeader'");
}

static void other_headers_need_not_be_signed(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    put_header(&f, "User-Agent", "aws-sdk");
    put_header(&f, "X-Amzn-Trace-Id", "Root=1-2-3");
    f.unsigned_count = 2;
    sign(&f);
    expect(&f, API_OK, "");
}

static void a_request_without_a_signature_is_told_so(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    expect(&f, API_MISSING_TOKEN, "Missing Authentication Token");
}

static void a_half_authorization_is_incomplete(void **state)
{
    const char *const cases[] = {
        "",
        "AWS4-HMAC-SHA256",
        "Basic YTpi",
        "AWS4-HMAC-SHA256 Credential=" KEY "/20261122/eu-west-1/firehose/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=" KEY ", SignedHeaders=host, Signature=00",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        begin(&f, NOW);
        put_header(&f, "Authorization", cases[i]);
        expect(&f, API_INCOMPLETE_SIGNATURE, "");
    }
}

static void a_request_without_a_date_is_incomplete(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    sign(&f);
    f.headers.v[1].name = SLICE("X-Other");
    expect(&f, API_INCOMPLETE_SIGNATURE, "'X-Amz-Date'");
}

static void another_service_is_refused(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    f.service = "kinesis";
    sign(&f);
    expect(&f, API_INVALID_SIGNATURE, "correct service: 'firehose'");
}

static void a_short_signature_is_incomplete(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NOW);
    sign(&f);
    f.headers.v[3].value.n -= 2;
    expect(&f, API_INCOMPLETE_SIGNATURE, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_signature_passes),
        cmocka_unit_test(a_clock_may_be_off_by_15_minutes_either_way),
        cmocka_unit_test(a_wrong_secret_is_an_invalid_signature),
        cmocka_unit_test(another_keys_secret_does_not_do),
        cmocka_unit_test(an_unknown_key_is_an_unrecognized_client),
        cmocka_unit_test(a_changed_body_is_noticed),
        cmocka_unit_test(a_changed_target_is_noticed),
        cmocka_unit_test(what_steers_the_request_must_be_signed),
        cmocka_unit_test(other_headers_need_not_be_signed),
        cmocka_unit_test(a_request_without_a_signature_is_told_so),
        cmocka_unit_test(a_half_authorization_is_incomplete),
        cmocka_unit_test(a_request_without_a_date_is_incomplete),
        cmocka_unit_test(another_service_is_refused),
        cmocka_unit_test(a_short_signature_is_incomplete),
    };

    return cmocka_run_group_tests_name("api_auth", tests, NULL, NULL);
}
