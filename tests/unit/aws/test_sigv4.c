/* The vectors are AWS's published SigV4 test suite, and the worked example of the S3 documentation. */
#include "tests/support/cmocka.h"

#include "pipeline/aws/sigv4.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"

#include <stdio.h>
#include <stdlib.h>

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define STAMP  "20150830T123600Z"
#define EMPTY  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct vector {
    const char *name, *method, *path, *query;
    const char *headers[6]; /* name, value, name, value; host and x-amz-date are added */
    const char *payload;
    const char *want;
};

static const struct vector vectors[] = {
    {"get-vanilla", "GET", "/", "", {0}, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla, empty path",
     "GET",
     "",
     "",
     {0},
     "",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-empty-query-key",
     "GET",
     "/",
     "Param1=value1",
     {0},
     "",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     "Param2=value2&Param1=value1",
     {0},
     "",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-unreserved",
     "GET",
     "/",
     "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~"
     "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     {0},
     "",
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-vanilla-utf8-query",
     "GET",
     "/",
     "\xe1\x88\xb4=bar",
     {0},
     "",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-vanilla-utf8-query, escaped",
     "GET",
     "/",
     "%e1%88%B4=bar",
     {0},
     "",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-unreserved",
     "GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     "",
     {0},
     "",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8", "GET", "/%E1%88%B4", "", {0}, "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-header-key-duplicate",
     "GET",
     "/",
     "",
     {"My-Header1", "value2", "My-Header1", "value2", "My-Header1", "value1"},
     "",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-trim",
     "GET",
     "/",
     "",
     {"My-Header1", " value1", "My-Header2", " \"a   b   c\""},
     "",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"post-vanilla", "POST", "/", "", {0}, "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-header-key-sort",
     "POST",
     "/",
     "",
     {"My-Header1", "value1"},
     "",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-header-value-case",
     "POST",
     "/",
     "",
     {"My-Header1", "VALUE1"},
     "",
     "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     "",
     {"Content-Type", "application/x-www-form-urlencoded"},
     "Param1=value1",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"post-x-www-form-urlencoded-parameters",
     "POST",
     "/",
     "",
     {"Content-Type", "application/x-www-form-urlencoded; charset=utf8"},
     "Param1=value1",
     "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
};

/* A request and what it points to. */
struct made {
    struct sigv4_request rq;
    struct sigv4_header headers[8];
    char hash[SHA256_HEX];
};

static void make(struct made *m, const struct vector *v)
{
    unsigned char sum[SHA256_BYTES];
    size_t n = 0;

    for (size_t i = 0; i + 1 < ARRAY_LEN(v->headers) && v->headers[i]; i += 2)
        m->headers[n++] = (struct sigv4_header){slice_str(v->headers[i]), slice_str(v->headers[i + 1])};
    m->headers[n++] = (struct sigv4_header){SLICE("X-Amz-Date"), SLICE(STAMP)};
    m->headers[n++] = (struct sigv4_header){SLICE("Host"), SLICE("example.amazonaws.com")};
    sha256_of(slice_str(v->payload), sum);
    m->rq = (struct sigv4_request){.method = slice_str(v->method),
                                   .path = slice_str(v->path),
                                   .query = slice_str(v->query),
                                   .headers = m->headers,
                                   .header_count = n,
                                   .payload_hash = slice_str(hex_encode(sum, sizeof(sum), m->hash))};
}

static struct sigv4_scope scope_of_suite(void)
{
    return (struct sigv4_scope){.date = "20150830", .region = SLICE("us-east-1"), .service = SLICE("service")};
}

static void the_published_requests_get_the_published_signatures(void **state)
{
    struct sigv4_scope scope = scope_of_suite();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        char got[SHA256_HEX];
        struct made m;

        make(&m, &vectors[i]);
        assert_int_equal(sigv4_sign(&m.rq, STAMP, &scope, SLICE(SECRET), got), 0);
        if (strcmp(got, vectors[i].want) != 0)
            fail_msg("%s: got %s, want %s", vectors[i].name, got, vectors[i].want);
    }
}

/* "Example: GET Object" of the S3 API reference. */
static void the_s3_documentations_example(void **state)
{
    struct sigv4_scope scope = {.date = "20130524", .region = SLICE("us-east-1"), .service = SLICE("s3")};
    const struct sigv4_header headers[] = {{SLICE("Host"), SLICE("examplebucket.s3.amazonaws.com")},
                                           {SLICE("Range"), SLICE("bytes=0-9")},
                                           {SLICE("x-amz-content-sha256"), SLICE(EMPTY)},
                                           {SLICE("x-amz-date"), SLICE("20130524T000000Z")}};
    struct sigv4_request rq = {.method = SLICE("GET"),
                               .path = SLICE("/test.txt"),
                               .headers = headers,
                               .header_count = ARRAY_LEN(headers),
                               .payload_hash = SLICE(EMPTY)};
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    assert_int_equal(sigv4_authorization(&rq, "20130524T000000Z", &scope, SLICE("AKIAIOSFODNN7EXAMPLE"),
                                         SLICE("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), &out),
                     0);
    assert_string_equal(buf_cstr(&out),
                        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    buf_release(&out);
}

/* The verifier's way: take the header apart, sign what was received, compare. */
static bool verifies(const struct sigv4_request *rq, struct slice authorization, const char *secret)
{
    struct sigv4_auth auth;
    char want[SHA256_HEX];
    struct err e;

    assert_int_equal(sigv4_parse_authorization(authorization, &auth, &e), 0);
    assert_true(slice_is(auth.access_key_id, "AKIDEXAMPLE"));
    assert_int_equal(sigv4_sign(rq, STAMP, &auth.scope, slice_str(secret), want), 0);
    return equal_constant_time(want, auth.signature.p, SHA256_HEX - 1);
}

static void what_was_signed_verifies_and_nothing_else_does(void **state)
{
    struct sigv4_scope scope = scope_of_suite();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct made m;
        struct buf out;

        make(&m, &vectors[i]);
        buf_init(&out, 1000);
        assert_int_equal(sigv4_authorization(&m.rq, STAMP, &scope, SLICE("AKIDEXAMPLE"), SLICE(SECRET), &out), 0);
        assert_true(verifies(&m.rq, buf_slice(&out), SECRET));
        assert_false(verifies(&m.rq, buf_slice(&out), "another secret"));
        m.hash[0] ^= 1;
        assert_false(verifies(&m.rq, buf_slice(&out), SECRET));
        m.hash[0] ^= 1;
        m.rq.method = SLICE("PUT");
        assert_false(verifies(&m.rq, buf_slice(&out), SECRET));
        buf_release(&out);
    }
}

static void header_names_and_order_do_not_change_the_signature(void **state)
{
    const struct sigv4_header a[] = {
        {SLICE("host"), SLICE("h")}, {SLICE("X-A"), SLICE(" a \t b ")}, {SLICE("x-ab"), SLICE("")}};
    const struct sigv4_header b[] = {
        {SLICE("X-AB"), SLICE("  ")}, {SLICE("x-a"), SLICE("a b")}, {SLICE("HOST"), SLICE("h")}};
    struct sigv4_request x = {.method = SLICE("GET"), .headers = a, .header_count = 3, .payload_hash = SLICE(EMPTY)};
    struct sigv4_request y = {.method = SLICE("GET"), .headers = b, .header_count = 3, .payload_hash = SLICE(EMPTY)};
    struct sigv4_scope scope = scope_of_suite();
    char one[SHA256_HEX], two[SHA256_HEX];

    (void)state;
    assert_int_equal(sigv4_sign(&x, STAMP, &scope, SLICE(SECRET), one), 0);
    assert_int_equal(sigv4_sign(&y, STAMP, &scope, SLICE(SECRET), two), 0);
    assert_string_equal(one, two);
}

static void sign_query(const char *query, char out[SHA256_HEX], int want)
{
    const struct sigv4_header host = {SLICE("host"), SLICE("h")};
    struct sigv4_request rq = {.method = SLICE("GET"),
                               .query = slice_str(query),
                               .headers = &host,
                               .header_count = 1,
                               .payload_hash = SLICE(EMPTY)};
    struct sigv4_scope scope = scope_of_suite();

    assert_int_equal(sigv4_sign(&rq, STAMP, &scope, SLICE(SECRET), out), want);
}

static void queries_that_mean_the_same_sign_the_same(void **state)
{
    const char *const same[][2] = {
        {"uploads", "uploads="}, {"a=1&b=2", "b=2&a=1"}, {"a=2&a=1", "a=1&a=2"},    {"a=%2f", "a=/"},
        {"a=%7E", "a=~"},        {"k=a%20b", "k=a b"},   {"&a=1&&b=2&", "a=1&b=2"}, {"a=1=2", "a=1%3D2"},
        {"a=%", "a=%25"},        {"a=%4", "a=%254"},     {"a=%zz", "a=%25zz"},      {"a-=1&a=2", "a=2&a-=1"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        char one[SHA256_HEX], two[SHA256_HEX], plain[SHA256_HEX];

        sign_query(same[i][0], one, 0);
        sign_query(same[i][1], two, 0);
        sign_query("", plain, 0);
        if (strcmp(one, two) != 0 || strcmp(one, plain) == 0)
            fail_msg("%s and %s", same[i][0], same[i][1]);
    }
}

static void too_much_is_refused(void **state)
{
    static struct sigv4_header headers[SIGV4_HEADERS_MAX + 1];
    static char query[2000];
    struct sigv4_request rq = {.method = SLICE("GET"), .headers = headers, .payload_hash = SLICE(EMPTY)};
    struct sigv4_scope scope = scope_of_suite();
    char out[SHA256_HEX];
    struct buf small;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        headers[i] = (struct sigv4_header){SLICE("n"), SLICE("v")};
    rq.header_count = SIGV4_HEADERS_MAX;
    assert_int_equal(sigv4_sign(&rq, STAMP, &scope, SLICE(SECRET), out), 0);
    buf_init(&small, 100);
    assert_int_equal(sigv4_authorization(&rq, STAMP, &scope, SLICE("A"), SLICE(SECRET), &small), -1);
    assert_int_equal(small.n, 0);
    buf_release(&small);
    rq.header_count++;
    assert_int_equal(sigv4_sign(&rq, STAMP, &scope, SLICE(SECRET), out), -1);

    for (size_t i = 0; i < 256; i++)
        memcpy(query + 2 * i, "a&", 3);
    query[511] = '\0';
    sign_query(query, out, 0);
    for (size_t i = 0; i < 300; i++)
        memcpy(query + 2 * i, "a&", 3);
    sign_query(query, out, -1);
}

static void timestamps_go_both_ways(void **state)
{
    char text[17];
    nsec wall;

    (void)state;
    sigv4_timestamp(1440938160 * NSEC_PER_SEC + 999999999, text);
    assert_string_equal(text, STAMP);
    assert_int_equal(sigv4_parse_timestamp(SLICE(STAMP), &wall), 0);
    assert_int_equal(wall, 1440938160 * NSEC_PER_SEC);
    assert_int_equal(sigv4_parse_timestamp(SLICE("20240229T235959Z"), &wall), 0);
}

static void what_is_not_a_timestamp_is_refused(void **state)
{
    const char *const bad[] = {"",
                               "20150830T123600",
                               "20150830T123600Z ",
                               "2015-08-30T12:36",
                               "20150830t123600Z",
                               "20150230T123600Z",
                               "20230229T000000Z",
                               "20151301T000000Z",
                               "20150030T000000Z",
                               "20150830T240000Z",
                               "20150830T126000Z",
                               "20150830T123660Z",
                               "2015083xT123600Z",
                               "-0150830T123600Z",
                               "19691231T235959Z",
                               "99991231T235959Z"};
    nsec wall;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (sigv4_parse_timestamp(slice_str(bad[i]), &wall) != -1)
            fail_msg("accepted: %s", bad[i]);
}

#define SIG  "Signature=" EMPTY
#define CRED "Credential=AKIDEXAMPLE/20150830/us-east-1/firehose/aws4_request"

static void authorization_headers_are_taken_apart_in_any_order_and_spacing(void **state)
{
    const char *const good[] = {
        "AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host;x-amz-date, " SIG,
        "  AWS4-HMAC-SHA256   " SIG "," CRED ",SignedHeaders=host;x-amz-date  ",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct sigv4_auth auth;
        struct err e;

        assert_int_equal(sigv4_parse_authorization(slice_str(good[i]), &auth, &e), 0);
        assert_true(slice_is(auth.access_key_id, "AKIDEXAMPLE"));
        assert_string_equal(auth.scope.date, "20150830");
        assert_true(slice_is(auth.scope.region, "us-east-1"));
        assert_true(slice_is(auth.scope.service, "firehose"));
        assert_true(slice_is(auth.signed_headers, "host;x-amz-date"));
        assert_true(slice_is(auth.signature, EMPTY));
    }
}

static void what_is_wrong_with_an_authorization_header_is_said(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "algorithm"},
        {"Bearer x", "algorithm"},
        {"AWS4-HMAC-SHA256", "requires 'Credential'"},
        {"AWS4-HMAC-SHA256 SignedHeaders=host, " SIG, "requires 'Credential'"},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host", "requires 'Signature'"},
        {"AWS4-HMAC-SHA256 " CRED ", " SIG, "requires 'SignedHeaders'"},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, Signature=abc", "64 hexadecimal"},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, " SIG "0", "64 hexadecimal"},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, " SIG ", " SIG, "twice"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s, SignedHeaders=host, " SIG, "exactly 5"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request/x, SignedHeaders=host, " SIG, "exactly 5"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830//s/aws4_request, SignedHeaders=host, " SIG, "exactly 5"},
        {"AWS4-HMAC-SHA256 Credential=a/2015083/r/s/aws4_request, SignedHeaders=host, " SIG, "YYYYMMDD"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws3_request, SignedHeaders=host, " SIG, "terminator"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sigv4_auth auth;
        struct err e = {0};

        if (sigv4_parse_authorization(slice_str(cases[i].text), &auth, &e) != -1 || !strstr(e.msg, cases[i].want))
            fail_msg("%s: said \"%s\"", cases[i].text, e.msg);
    }
}

static void uri_encoding_keeps_unreserved_characters_only(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    assert_int_equal(sigv4_uri_encode(SLICE("aZ09-._~/ +%\xc3\xa9\0"), true, &out), 0);
    assert_string_equal(buf_cstr(&out), "aZ09-._~/%20%2B%25%C3%A9%00");
    buf_clear(&out);
    assert_int_equal(sigv4_uri_encode(SLICE("a/b"), false, &out), 0);
    assert_string_equal(buf_cstr(&out), "a%2Fb");
    buf_release(&out);
    buf_init(&out, 2);
    assert_int_equal(sigv4_uri_encode(SLICE(" "), false, &out), -1);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_requests_get_the_published_signatures),
        cmocka_unit_test(the_s3_documentations_example),
        cmocka_unit_test(what_was_signed_verifies_and_nothing_else_does),
        cmocka_unit_test(header_names_and_order_do_not_change_the_signature),
        cmocka_unit_test(queries_that_mean_the_same_sign_the_same),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(timestamps_go_both_ways),
        cmocka_unit_test(what_is_not_a_timestamp_is_refused),
        cmocka_unit_test(authorization_headers_are_taken_apart_in_any_order_and_spacing),
        cmocka_unit_test(what_is_wrong_with_an_authorization_header_is_said),
        cmocka_unit_test(uri_encoding_keeps_unreserved_characters_only),
    };

    return cmocka_run_group_tests_name("sigv4", tests, NULL, NULL);
}
