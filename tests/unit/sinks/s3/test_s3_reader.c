/* How a bucket is asked for its listing and its objects: addresses, what is signed, what is refused. That stores accept
 * the signatures is shown by tests/e2e and tests/servers. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/http/tls_files.h"
#include "sinks/s3/reader.h"

#include <string.h>

/* 2026-07-13T14:05:09Z */
#define NOW ((nsec)1783951509 * NSEC_PER_SEC)

static char bucket[] = "logs", id[] = "AKEXAMPLE", secret[] = "secret/+", region[] = "eu-1", endpoint[] = "http://h:1";
static char owner[] = "123456789012", token[] = "TTT", dots[] = "lo.gs";

static struct s3_conf conf_of(char *bucket_name, char *where)
{
    return (struct s3_conf){.bucket = bucket_name,
                            .region = region,
                            .endpoint = where,
                            .keys = {.access_key_id = id, .secret_access_key = secret},
                            .timeout = 7 * NSEC_PER_SEC,
                            .tls = {.verify = true}};
}

static struct s3_reader *opened(const struct s3_conf *c)
{
    struct s3_reader *r = NULL;
    struct err e = {0};

    if (s3_reader_open(&r, c, "--s3-", "/base", &e) < 0)
        fail_msg("%s", e.msg);
    return r;
}

static bool has_header(const struct http_request *rq, const char *text)
{
    for (size_t i = 0; i < rq->header_count; i++)
        if (strstr(rq->headers[i], text))
            return true;
    return false;
}

static void addresses(void **state)
{
    const struct {
        char *bucket, *endpoint;
        const char *list, *get;
    } cases[] = {
        {bucket, endpoint, "http://h:1/logs/?encoding-type=url&list-type=2&prefix=a%2Fb",
         "http://h:1/logs/a/b%20%2B../.."},
        {bucket, NULL, "https://logs.s3.eu-1.amazonaws.com/?encoding-type=url&list-type=2&prefix=a%2Fb",
         "https://logs.s3.eu-1.amazonaws.com/a/b%20%2B../.."},
        {dots, NULL, "https://s3.eu-1.amazonaws.com/lo.gs/?encoding-type=url&list-type=2&prefix=a%2Fb",
         "https://s3.eu-1.amazonaws.com/lo.gs/a/b%20%2B../.."},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct s3_conf c = conf_of(cases[i].bucket, cases[i].endpoint);
        struct s3_reader *r = opened(&c);
        struct http_request rq;
        struct err e;

        assert_int_equal(s3_reader_list(r, SLICE("a/b"), SLICE(""), NOW, &rq, &e), 0);
        assert_string_equal(rq.url, cases[i].list);
        http_request_release(&rq);
        assert_int_equal(s3_reader_get(r, SLICE("a/b +../.."), &(struct s3_piece){.n = 99, .size = 99}, NOW, &rq, &e),
                         0);
        assert_string_equal(rq.url, cases[i].get);
        assert_string_equal(rq.method, "GET");
        assert_true(rq.response_max == 99 && rq.timeout == 7 * NSEC_PER_SEC);
        assert_true(!rq.tls == (strncmp(rq.url, "http://", 7) == 0));
        assert_false(rq.tls && rq.tls->insecure);
        http_request_release(&rq);
        s3_reader_free(&r);
    }
}

static void what_the_options_say_is_sent_and_signed(void **state)
{
    struct s3_conf c = conf_of(bucket, endpoint);
    struct s3_reader *r;
    struct http_request rq;
    struct err e;

    (void)state;
    c.expected_bucket_owner = owner;
    c.keys.session_token = token;
    r = opened(&c);
    assert_int_equal(s3_reader_list(r, SLICE(""), SLICE("t/+"), NOW, &rq, &e), 0);
    assert_non_null(strstr(rq.url, "?continuation-token=t%2F%2B&encoding-type=url&list-type=2&prefix="));
    assert_true(has_header(&rq, "x-amz-expected-bucket-owner: 123456789012"));
    assert_true(has_header(&rq, "x-amz-security-token: TTT"));
    assert_true(has_header(&rq, "Credential=AKEXAMPLE/20260713/eu-1/s3/aws4_request"));
    assert_true(has_header(&rq, "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-expected-bucket-owner;"
                                "x-amz-security-token"));
    http_request_release(&rq);
    s3_reader_free(&r);
}

static void mistakes_are_told(void **state)
{
    static char wrong[] = "Not/one", nowhere[] = "h:1", missing[] = "no-such.pem";
    struct s3_reader *r = NULL;
    struct s3_conf c;
    struct err e;

    (void)state;
    c = conf_of(wrong, endpoint);
    assert_int_equal(s3_reader_open(&r, &c, "--s3-", "/base", &e), -1);
    assert_non_null(strstr(e.msg, "not a bucket's name"));
    c = conf_of(bucket, nowhere);
    assert_int_equal(s3_reader_open(&r, &c, "--s3-", "/base", &e), -1);
    assert_non_null(strstr(e.msg, "does not begin with http://"));
    c = conf_of(bucket, endpoint);
    c.keys.secret_access_key = NULL;
    assert_int_equal(s3_reader_open(&r, &c, "--s3-", "/base", &e), -1);
    assert_non_null(strstr(e.msg, "without secret_access_key"));
    c = conf_of(bucket, endpoint);
    c.tls.ca_file = missing;
    assert_int_equal(s3_reader_open(&r, &c, "--s3-", "/base", &e), -1);
    assert_non_null(strstr(e.msg, "/base/no-such.pem"));
    assert_null(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(what_the_options_say_is_sent_and_signed),
        cmocka_unit_test(mistakes_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
