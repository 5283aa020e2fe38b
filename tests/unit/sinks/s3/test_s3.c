/* Requests byte by byte; signatures computed by an independent implementation of SigV4. */
#include "tests/support/cmocka.h"

#include "tests/unit/sinks/aws_environment.h"
#include "tests/unit/sinks/bound_sink.h"

#include "pipeline/base/body.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"

#include <string.h>

/* 2026-07-13T14:05:09Z */
#define NOW ((nsec)1783951509 * NSEC_PER_SEC)

#define KEYS "access_key_id: AKEXAMPLE\nsecret_access_key: secret/+\n"

static int clean_environment(void **state)
{
    (void)state;
    aws_environment_clear();
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials", 1);
    setenv("AWS_CONFIG_FILE", "/nonexistent/config", 1);
    return 0;
}

static struct bound_sink opened(const char *yaml)
{
    struct bound_sink b;
    struct err e = {0};

    if (bound_sink_open(&b, "s3", yaml, "/base", &e) < 0)
        fail_msg("%s", e.msg);
    return b;
}

static void refused(const char *yaml, const char *want)
{
    struct bound_sink b;
    struct err e = {0};

    if (bound_sink_open(&b, "s3", yaml, "/base", &e) == 0)
        fail_msg("taken, should say `%s`", want);
    if (!strstr(e.msg, want))
        fail_msg("says `%s`, should say `%s`", e.msg, want);
    bound_sink_close(&b);
}

static struct http_request request(const struct bound_sink *b, const char *key, const char *encoding)
{
    struct sink_seal seal = {
        .name = slice_str(key), .encoding = encoding, .content_type = "application/octet-stream", .wall_now = NOW};
    struct http_request rq;
    struct err e = {0};

    sha256_of(SLICE("hello\n"), seal.sha256);
    seal.crc32c = crc32c(0, SLICE("hello\n"));
    if (bound_sink_request(b, &seal, &rq, &e) < 0)
        fail_msg("%s", e.msg);
    return rq;
}

static void assert_url(const char *yaml, const char *key, const char *want)
{
    struct bound_sink b = opened(yaml);
    struct http_request rq = request(&b, key, NULL);

    assert_string_equal(rq.url, want);
    http_request_release(&rq);
    bound_sink_close(&b);
}

static void a_put_in_path_style(void **state)
{
    struct bound_sink b = opened("bucket: logs\nendpoint: http://127.0.0.1:8333\n" KEYS);
    struct http_request rq = request(&b, "a b+\xc3\xbc/key.gz", "gzip");

    (void)state;
    assert_string_equal(rq.method, "PUT");
    assert_string_equal(rq.url, "http://127.0.0.1:8333/logs/a%20b%2B%C3%BC/key.gz");
    assert_string_equal(request_header(&rq, "x-amz-date"), "20260713T140509Z");
    assert_string_equal(request_header(&rq, "x-amz-content-sha256"),
                        "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    assert_string_equal(request_header(&rq, "x-amz-checksum-crc32c"), "NT3Yvg==");
    assert_string_equal(request_header(&rq, "Content-Type"), "application/octet-stream");
    assert_string_equal(request_header(&rq, "Content-Encoding"), "gzip");
    assert_string_equal(request_header(&rq, "Authorization"),
                        "AWS4-HMAC-SHA256 Credential=AKEXAMPLE/20260713/us-east-1/s3/aws4_request, "
                        "SignedHeaders=content-encoding;content-type;host;x-amz-checksum-crc32c;x-amz-content-sha256;"
                        "x-amz-date, Signature=91225c84691bd2beb02145897678007893245e47b8fb3a78fbc6acacabe74e37");
    assert_int_equal(rq.header_count, 6);
    assert_int_equal(rq.timeout, 300 * NSEC_PER_SEC);
    assert_null(rq.tls); /* http:// */
    http_request_release(&rq);
    bound_sink_close(&b);
}

static void a_put_to_aws_with_every_option(void **state)
{
    struct bound_sink b =
        opened("bucket: logs\nregion: eu-central-1\nsession_token: TOKEN\nstorage_class: STANDARD_IA\n"
               "acl: bucket-owner-full-control\ntagging: a=b&c=d\nserver_side_encryption: aws:kms\n"
               "kms_key_id: arn:aws:kms:eu-central-1:1:key/k\n"
               "expected_bucket_owner: \"123456789012\"\ncontent_encoding: false\n" KEYS);
    struct http_request rq = request(&b, "key", "gzip");

    (void)state;
    assert_string_equal(rq.url, "https://logs.s3.eu-central-1.amazonaws.com/key");
    assert_string_equal(request_header(&rq, "Content-Encoding"), "");
    assert_string_equal(
        request_header(&rq, "Authorization"),
        "AWS4-HMAC-SHA256 Credential=AKEXAMPLE/20260713/eu-central-1/s3/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-acl;x-amz-checksum-crc32c;x-amz-content-sha256;x-amz-date;"
        "x-amz-expected-bucket-owner;x-amz-security-token;x-amz-server-side-encryption;"
        "x-amz-server-side-encryption-aws-kms-key-id;x-amz-storage-class;x-amz-tagging, "
        "Signature=dce4f807ec319aebf86052b688170799ebe3f209dd00d2a667f1b00e765ef6ab");
    http_request_release(&rq);
    bound_sink_close(&b);
}

static void addresses(void **state)
{
    (void)state;
    assert_url("bucket: logs\n" KEYS, "k", "https://logs.s3.us-east-1.amazonaws.com/k");
    assert_url("bucket: my.logs\n" KEYS, "k", "https://s3.us-east-1.amazonaws.com/my.logs/k");
    assert_url("bucket: logs\nregion: cn-north-1\n" KEYS, "k", "https://logs.s3.cn-north-1.amazonaws.com.cn/k");
    assert_url("bucket: logs\nendpoint: HTTP://Store.Example:80/\n" KEYS, "k", "http://store.example/logs/k");
    assert_url("bucket: logs\nendpoint: https://s:443\n" KEYS, "k", "https://s/logs/k");
    assert_url("bucket: logs\nendpoint: https://s:80\n" KEYS, "k", "https://s:80/logs/k");
    assert_url("bucket: logs\nendpoint: http://[::1]:8333\n" KEYS, "k", "http://[::1]:8333/logs/k");
    assert_url("bucket: logs\nendpoint: http://s3.localhost:1\naddressing: virtual\n" KEYS, "a/b?#%",
               "http://logs.s3.localhost:1/a/b%3F%23%25");
    assert_url("bucket: logs\nendpoint: https://x.supabase.co/storage/v1/s3\n" KEYS, "a b",
               "https://x.supabase.co/storage/v1/s3/logs/a%20b");
    assert_url("bucket: logs\nendpoint: HTTPS://X.supabase.co:443/Storage/V1/s3//\n" KEYS, "k",
               "https://x.supabase.co/Storage/V1/s3/logs/k");
    assert_url("bucket: s3\nendpoint: http://h/v1/s3\n" KEYS, "k", "http://h/v1/s3/s3/k");
    assert_url("bucket: logs\nendpoint: http://h:1/a%20b\naddressing: virtual\n" KEYS, "k", "http://logs.h:1/a%20b/k");
    assert_url("bucket: logs\naddressing: path\n" KEYS, "k", "https://s3.us-east-1.amazonaws.com/logs/k");
}

/* Computed by an independent implementation, as above: the path of the endpoint is signed as it is sent. */
static void the_path_of_an_endpoint_is_signed(void **state)
{
    struct bound_sink b = opened("bucket: logs\nendpoint: https://x.supabase.co/storage/v1/s3/\n" KEYS);
    struct http_request rq = request(&b, "key", NULL);

    (void)state;
    assert_non_null(strstr(request_header(&rq, "Authorization"),
                           "Signature=120a7e285b63cd73ea63d1ef016a7a472b092a09249f6551c3a03f57e0dcb504"));
    http_request_release(&rq);
    bound_sink_close(&b);
}

static void the_checksum_is_chosen_or_left_out(void **state)
{
    static const struct {
        const char *yaml, *name, *value;
        unsigned digests;
    } CASES[] = {
        {"", "x-amz-checksum-crc32c", "NT3Yvg==", SINK_SHA256 | SINK_CRC32C},
        {"checksum: crc32c\n", "x-amz-checksum-crc32c", "NT3Yvg==", SINK_SHA256 | SINK_CRC32C},
        {"checksum: sha256\n", "x-amz-checksum-sha256", "WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=", SINK_SHA256},
        {"checksum: none\n", NULL, NULL, SINK_SHA256},
    };
    char yaml[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bound_sink b;
        struct http_request rq;

        snprintf(yaml, sizeof(yaml), "bucket: logs\nendpoint: http://h:1\n%s" KEYS, CASES[i].yaml);
        b = opened(yaml);
        rq = request(&b, "k", NULL);
        if (CASES[i].name)
            assert_string_equal(request_header(&rq, CASES[i].name), CASES[i].value);
        for (size_t k = 0; k < rq.header_count; k++)
            if (strstr(rq.headers[k], "checksum"))
                assert_non_null(CASES[i].name);
        assert_int_equal(b.ops->digests_of(b.state), CASES[i].digests);
        http_request_release(&rq);
        bound_sink_close(&b);
    }
}

static void the_payload_is_signed_where_nothing_else_protects_it(void **state)
{
    static const char SIGNED[] = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
                      UNSIGNED[] = "UNSIGNED-PAYLOAD";
    static const struct {
        const char *yaml, *value;
        unsigned digests;
    } CASES[] = {
        {"endpoint: http://h:1\n", SIGNED, SINK_SHA256 | SINK_CRC32C},
        {"endpoint: http://h:1\npayload_hash: auto\n", SIGNED, SINK_SHA256 | SINK_CRC32C},
        {"endpoint: http://h:1\npayload_hash: signed\n", SIGNED, SINK_SHA256 | SINK_CRC32C},
        {"endpoint: http://h:1\npayload_hash: unsigned\n", UNSIGNED, SINK_CRC32C},
        {"endpoint: HTTP://h:1\npayload_hash: unsigned\nchecksum: sha256\n", UNSIGNED, SINK_SHA256},
        {"", UNSIGNED, SINK_CRC32C},
        {"endpoint: HTTPS://h:1\n", UNSIGNED, SINK_CRC32C},
        {"endpoint: https://h:1\npayload_hash: signed\n", SIGNED, SINK_SHA256 | SINK_CRC32C},
        {"endpoint: https://h:1\nchecksum: none\n", SIGNED, SINK_SHA256},
        {"endpoint: https://h:1\nchecksum: sha256\n", SIGNED, SINK_SHA256},
        {"endpoint: https://h:1\ntls: { verify: false }\n", SIGNED, SINK_SHA256 | SINK_CRC32C},
        {"endpoint: https://h:1\ntls: { verify: false }\npayload_hash: unsigned\n", UNSIGNED, SINK_CRC32C},
        {"endpoint: https://h:1\nchecksum: none\npayload_hash: unsigned\n", UNSIGNED, 0},
    };
    char yaml[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bound_sink b;
        struct http_request rq;

        snprintf(yaml, sizeof(yaml), "bucket: logs\n%s" KEYS, CASES[i].yaml);
        b = opened(yaml);
        rq = request(&b, "k", NULL);
        assert_string_equal(request_header(&rq, "x-amz-content-sha256"), CASES[i].value);
        assert_int_equal(b.ops->digests_of(b.state), CASES[i].digests);
        http_request_release(&rq);
        bound_sink_close(&b);
    }
    refused("bucket: logs\nendpoint: http://h:1\npayload_hash: unsigned\nchecksum: none\n" KEYS,
            "payload_hash: unsigned needs a checksum or https");
}

static void a_put_whose_payload_is_not_signed(void **state)
{
    struct bound_sink b = opened("bucket: logs\nendpoint: http://127.0.0.1:8333\npayload_hash: unsigned\n" KEYS);
    struct http_request rq = request(&b, "a b+\xc3\xbc/key.gz", "gzip");

    (void)state;
    assert_string_equal(request_header(&rq, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
    assert_string_equal(request_header(&rq, "x-amz-checksum-crc32c"), "NT3Yvg==");
    assert_string_equal(request_header(&rq, "Authorization"),
                        "AWS4-HMAC-SHA256 Credential=AKEXAMPLE/20260713/us-east-1/s3/aws4_request, "
                        "SignedHeaders=content-encoding;content-type;host;x-amz-checksum-crc32c;x-amz-content-sha256;"
                        "x-amz-date, Signature=3b50f559be21186ae578d74d293ac15f111c8c0281599acea262c691bfeb8499");
    assert_int_equal(rq.header_count, 6);
    http_request_release(&rq);
    bound_sink_close(&b);
}

/* As AWS's own tools: LocalStack's variables must not send records to AWS. */
static void the_endpoint_comes_from_the_environment_when_none_is_configured(void **state)
{
    static const char URL[] = "bucket: logs\n" KEYS;
    struct bound_sink b;
    struct buf text;

    (void)state;
    setenv("AWS_ENDPOINT_URL", "http://localhost:4566/", 1);
    assert_url(URL, "k", "http://localhost:4566/logs/k");
    b = opened(URL);
    buf_init(&text, 1000);
    b.ops->describe(b.state, &text);
    assert_string_equal(buf_cstr(&text), "s3://logs/ at http://localhost:4566 (from AWS_ENDPOINT_URL)");
    buf_release(&text);
    bound_sink_close(&b);
    setenv("AWS_ENDPOINT_URL_S3", "http://s3.local/p", 1);
    assert_url(URL, "k", "http://s3.local/p/logs/k");
    assert_url("bucket: logs\nendpoint: http://h:1\n" KEYS, "k", "http://h:1/logs/k");
    assert_url("bucket: logs\naddressing: virtual\n" KEYS, "k", "http://logs.s3.local/p/k");
    setenv("AWS_ENDPOINT_URL_S3", "localhost:4566", 1);
    refused(URL, "endpoint: AWS_ENDPOINT_URL_S3: `localhost:4566` does not begin with http://");
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True", 1);
    assert_url(URL, "k", "https://logs.s3.us-east-1.amazonaws.com/k");
    clean_environment(NULL);
}

static void mistakes_in_options(void **state)
{
    (void)state;
    refused("bucket: logs/app\n" KEYS, "go into prefix");
    refused("bucket: \"..\"\n" KEYS, "bucket");
    refused("bucket: b\nendpoint: localhost:8333\n" KEYS, "http://");
    refused("bucket: b\nendpoint: ftp://x\n" KEYS, "http://");
    refused("bucket: b\nendpoint: http://x/b\n" KEYS, "goes into `bucket`");
    refused("bucket: b\nendpoint: http://x/b/\n" KEYS, "goes into `bucket`");
    refused("bucket: b\nendpoint: http://x/a?b\n" KEYS, "path may have");
    refused("bucket: b\nendpoint: http://x/a b\n" KEYS, "path may have");
    refused("bucket: b\nendpoint: http://x/a/../c\n" KEYS, "`..`");
    refused("bucket: b\nendpoint: http://x/./c\n" KEYS, "`.`");
    refused("bucket: b\nendpoint: http://x//c\n" KEYS, "empty");
    refused("bucket: b\nendpoint: http:///c\n" KEYS, "of the form");
    refused("bucket: b\nendpoint: http://u:p@x\n" KEYS, "of the form");
    refused("bucket: b\nendpoint: http://10.0.0.1\naddressing: virtual\n" KEYS, "host name");
    refused("bucket: b\nregion: us east\n" KEYS, "region");
    refused("bucket: b\nkms_key_id: k\n" KEYS, "aws:kms");
    refused("bucket: b\ntagging: \"a=b c\"\n" KEYS, "tagging");
    refused("bucket: b\naccess_key_id: A\n", "without secret_access_key");
    refused("bucket: b\nsecret_access_key: A\n", "without access_key_id");
    refused("bucket: b\nsecret_access_key: \"A\\n\"\naccess_key_id: B\n", "white space");
    refused("bucket: b\nprofile: x\n" KEYS, "keep one");
    refused("bucket: b\nprefix: \"!{x}\"\n" KEYS, "prefix");
}

static void without_keys_the_message_lists_every_place(void **state)
{
    struct bound_sink b = opened("bucket: logs\n");
    struct sink_seal seal = {.name = SLICE("k")};
    struct http_request rq;
    struct err e = {0};

    (void)state;
    assert_int_equal(b.ops->check(b.state, &e), -1);
    assert_non_null(strstr(e.msg, "AWS_ACCESS_KEY_ID"));
    assert_non_null(strstr(e.msg, "/nonexistent/credentials"));
    assert_non_null(strstr(e.msg, "/nonexistent/config"));
    assert_non_null(strstr(e.msg, "keys of a role (instance, container, web identity) are not looked for"));
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token", 1);
    assert_int_equal(b.ops->check(b.state, &e), -1);
    assert_non_null(strstr(e.msg, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but not followed"));
    unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    assert_int_equal(bound_sink_request(&b, &seal, &rq, &e), -1);
    http_request_release(&rq);
    bound_sink_close(&b);
}

static void description_and_secrets(void **state)
{
    struct bound_sink b = opened("bucket: logs\nprefix: app/\nendpoint: http://h:1\nsession_token: TTT\n" KEYS);
    struct buf text;

    (void)state;
    buf_init(&text, 1000);
    b.ops->describe(b.state, &text);
    assert_string_equal(buf_cstr(&text), "s3://logs/app/ at http://h:1");
    for (const struct cfg_field *f = b.ops->fields; f->name; f++)
        if (strstr(f->name, "secret") || strstr(f->name, "token"))
            assert_true(f->secret);
    buf_release(&text);
    bound_sink_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_in_path_style),
        cmocka_unit_test(a_put_to_aws_with_every_option),
        cmocka_unit_test(addresses),
        cmocka_unit_test(the_path_of_an_endpoint_is_signed),
        cmocka_unit_test(the_checksum_is_chosen_or_left_out),
        cmocka_unit_test(the_payload_is_signed_where_nothing_else_protects_it),
        cmocka_unit_test(a_put_whose_payload_is_not_signed),
        cmocka_unit_test(the_endpoint_comes_from_the_environment_when_none_is_configured),
        cmocka_unit_test(mistakes_in_options),
        cmocka_unit_test(without_keys_the_message_lists_every_place),
        cmocka_unit_test(description_and_secrets),
    };

    return cmocka_run_group_tests_name("s3", tests, clean_environment, NULL);
}
