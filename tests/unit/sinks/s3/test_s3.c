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

static int begin(void **state)
{
    clean_environment(state);
    return keep_trust(state);
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
    struct body *body = body_new("/tmp", BODY_MEMORY_MAX);
    struct http_request rq;
    struct err e = {0};

    assert_int_equal(body_add(body, SLICE("hello\n"), &e), 0);
    seal.body = body;
    sha256_of(SLICE("hello\n"), seal.digest.sha256);
    seal.digest.crc32c = crc32c(0, SLICE("hello\n"));
    seal.digest.crc64nvme = crc64nvme(0, SLICE("hello\n"));
    assert_true(md5_of(SLICE("hello\n"), seal.digest.md5));
    seal.digest.made = b->ops->digests_of(b->state);
    if (bound_sink_request(b, &seal, &rq, &e) < 0)
        fail_msg("%s", e.msg);
    body_free(&body);
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
        {"checksum: auto\n", "x-amz-checksum-crc32c", "NT3Yvg==", SINK_SHA256 | SINK_CRC32C},
        {"checksum: crc64nvme\n", "x-amz-checksum-crc64nvme", "akP7S61aVgc=", SINK_SHA256 | SINK_CRC64NVME},
        {"checksum: md5\n", "Content-MD5", "sZRqySSS0jR8YjW00mERhA==", SINK_SHA256 | SINK_MD5},
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
        {"endpoint: https://h:1\nchecksum: md5\n", SIGNED, SINK_SHA256 | SINK_MD5},
        {"endpoint: https://h:1\nchecksum: crc64nvme\n", UNSIGNED, SINK_CRC64NVME},
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

static void aws_endpoints_of_every_kind(void **state)
{
    static const struct {
        const char *yaml, *url;
    } CASES[] = {
        {"region: us-gov-west-1\n", "https://logs.s3.us-gov-west-1.amazonaws.com/k"},
        {"region: cn-northwest-1\n", "https://logs.s3.cn-northwest-1.amazonaws.com.cn/k"},
        {"region: us-iso-east-1\n", "https://logs.s3.us-iso-east-1.c2s.ic.gov/k"},
        {"region: us-isob-east-1\n", "https://logs.s3.us-isob-east-1.sc2s.sgov.gov/k"},
        {"region: eusc-de-east-1\n", "https://logs.s3.eusc-de-east-1.amazonaws.eu/k"},
        {"region: eu-west-1\ndual_stack: true\n", "https://logs.s3.dualstack.eu-west-1.amazonaws.com/k"},
        {"region: cn-north-1\ndual_stack: true\n", "https://logs.s3.dualstack.cn-north-1.amazonaws.com.cn/k"},
        {"region: us-west-2\nfips: true\n", "https://logs.s3-fips.us-west-2.amazonaws.com/k"},
        {"region: us-gov-east-1\nfips: true\ndual_stack: true\n",
         "https://logs.s3-fips.dualstack.us-gov-east-1.amazonaws.com/k"},
        {"accelerate: true\n", "https://logs.s3-accelerate.amazonaws.com/k"},
        {"accelerate: true\ndual_stack: true\n", "https://logs.s3-accelerate.dualstack.amazonaws.com/k"},
    };
    char yaml[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        snprintf(yaml, sizeof(yaml), "bucket: logs\n%s" KEYS, CASES[i].yaml);
        assert_url(yaml, "k", CASES[i].url);
    }
    refused("bucket: b\nendpoint: http://h:1\nfips: true\n" KEYS, "fips: chooses among AWS's own endpoints");
    refused("bucket: b\nendpoint: http://h:1\ndual_stack: true\n" KEYS, "dual_stack: chooses among AWS's own");
    refused("bucket: b\nfips: true\naccelerate: true\n" KEYS, "accelerate: there is no FIPS endpoint");
    refused("bucket: b.c\naccelerate: true\n" KEYS, "accelerate: the bucket's name");
    refused("bucket: b\naddressing: path\naccelerate: true\n" KEYS, "accelerate: the bucket's name");
    refused("bucket: b\nregion: cn-north-1\nfips: true\n" KEYS, "fips: there is no such endpoint for region");
    refused("bucket: b\nregion: cn-north-1\naccelerate: true\n" KEYS, "accelerate: there is no such endpoint");
}

/* Every byte that some signer has been wrong about; each goes over the wire as it is signed. */
static void awkward_keys_go_as_they_are_signed(void **state)
{
    static const struct {
        const char *key, *url;
    } CASES[] = {
        {" a ", "http://h:1/logs/%20a%20"},
        {"a+b=c%d:e!f", "http://h:1/logs/a%2Bb%3Dc%25d%3Ae%21f"},
        {"/lead//double/", "http://h:1/logs//lead//double/"},
        {"a/../b/./c", "http://h:1/logs/a/../b/./c"},
        {"~-._*'()", "http://h:1/logs/~-._%2A%27%28%29"},
        {"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80", "http://h:1/logs/%C3%A9%E6%97%A5%F0%9F%98%80"},
        {"a?b#c&d", "http://h:1/logs/a%3Fb%23c%26d"},
        {"%2F%41", "http://h:1/logs/%252F%2541"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_url("bucket: logs\nendpoint: http://h:1\n" KEYS, CASES[i].key, CASES[i].url);
}

/* The headers of a request for `extra` options, but those that each has; "" or "Name: value\n" lines. */
static void assert_headers(const char *extra, const char *want)
{
    static const char *const USUAL[] = {"x-amz-date", "x-amz-content-sha256", "x-amz-checksum-crc32c", "Authorization",
                                        "Content-Type"};
    char yaml[2048];
    struct bound_sink b;
    struct http_request rq;
    struct buf got;

    snprintf(yaml, sizeof(yaml), "bucket: logs\n%s" KEYS, extra);
    b = opened(yaml);
    rq = request(&b, "k", NULL);
    buf_init(&got, 4096);
    for (size_t i = 0; i < rq.header_count; i++) {
        bool usual = false;

        for (size_t k = 0; k < ARRAY_LEN(USUAL); k++)
            usual = usual || strncmp(rq.headers[i], USUAL[k], strlen(USUAL[k])) == 0;
        if (!usual && buf_printf(&got, "%s\n", rq.headers[i]) < 0)
            fail();
    }
    assert_string_equal(buf_cstr(&got), want);
    buf_release(&got);
    http_request_release(&rq);
    bound_sink_close(&b);
}

static void each_option_is_its_header(void **state)
{
    (void)state;
    assert_headers("", "");
    assert_headers("storage_class: GLACIER_IR\n", "x-amz-storage-class: GLACIER_IR\n");
    assert_headers("acl: bucket-owner-full-control\n", "x-amz-acl: bucket-owner-full-control\n");
    assert_headers("server_side_encryption: AES256\n", "x-amz-server-side-encryption: AES256\n");
    assert_headers("server_side_encryption: aws:kms\nkms_key_id: alias/k\nbucket_key: true\n"
                   "kms_context: { team: logs, \"a\\\"b\": c }\n",
                   "x-amz-server-side-encryption: aws:kms\n"
                   "x-amz-server-side-encryption-aws-kms-key-id: alias/k\n"
                   "x-amz-server-side-encryption-context: eyJ0ZWFtIjoibG9ncyIsImFcImIiOiJjIn0=\n"
                   "x-amz-server-side-encryption-bucket-key-enabled: true\n");
    assert_headers("server_side_encryption: aws:kms:dsse\n", "x-amz-server-side-encryption: aws:kms:dsse\n");
    assert_headers("customer_key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
                   "x-amz-server-side-encryption-customer-algorithm: AES256\n"
                   "x-amz-server-side-encryption-customer-key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
                   "x-amz-server-side-encryption-customer-key-MD5: tP/LI3N87DFaSk0aoqYgzg==\n");
    assert_headers("requester_pays: true\n", "x-amz-request-payer: requester\n");
    assert_headers("expected_bucket_owner: \"123456789012\"\n", "x-amz-expected-bucket-owner: 123456789012\n");
    assert_headers("object_lock: { mode: compliance, retain: 365d, legal_hold: true }\n",
                   "x-amz-object-lock-mode: COMPLIANCE\n"
                   "x-amz-object-lock-retain-until-date: 2027-07-13T14:05:09Z\n"
                   "x-amz-object-lock-legal-hold: ON\n");
    assert_headers("object_lock: { legal_hold: true }\n", "x-amz-object-lock-legal-hold: ON\n");
    assert_headers("overwrite: false\n", "If-None-Match: *\nx-amz-meta-sluice-crc32c: 353dd8be\n");
    assert_headers("tagging: { team: \"logs & more\", day: \"!{timestamp:yyyy-MM-dd}\" }\n",
                   "x-amz-tagging: team=logs%20_%20more&day=1970-01-01\n");
    assert_headers("tagging: \"a=b%20c&d=e+f&g\"\n", "x-amz-tagging: a=b%20c&d=e%20f&g=\n");
    assert_headers("metadata: { day: \"!{timestamp:yyyy/MM}\", who: \" \xc3\xbc \", none: \"\" }\n",
                   "x-amz-meta-day: 1970/01\nx-amz-meta-who: =?UTF-8?B?w7w=?=\n");
}

static void the_content_type_is_the_operators(void **state)
{
    struct bound_sink b = opened("bucket: logs\ncontent_type: text/plain; charset=utf-8\n" KEYS);
    struct http_request rq = request(&b, "k", NULL);

    (void)state;
    assert_string_equal(request_header(&rq, "Content-Type"), "text/plain; charset=utf-8");
    http_request_release(&rq);
    bound_sink_close(&b);
}

/* What one attempt says to an answer, step by step. */
struct play {
    struct bound_sink b;
    struct sink_seal seal;
    struct http_request rq;
    struct sink_verdict v;
    char token[64];
};

static void play_ask(struct play *p)
{
    struct err e = {0};

    http_request_release(&p->rq);
    if (bound_sink_request(&p->b, &p->seal, &p->rq, &e) < 0)
        fail_msg("%s", e.msg);
}

static struct play play_begin(const char *extra)
{
    struct play p = {.seal = {.name = SLICE("k"),
                              .digest = {.made = SINK_CRC32C | SINK_SHA256, .crc32c = 0x353dd8be},
                              .wall_now = NOW}};
    char yaml[512];
    struct err e = {0};
    struct body *body = body_new("/tmp", BODY_MEMORY_MAX);

    assert_int_equal(body_add(body, SLICE("hello\n"), &e), 0);
    assert_true(md5_of(SLICE("hello\n"), p.seal.digest.md5));
    p.seal.body = body;
    snprintf(yaml, sizeof(yaml), "bucket: logs\n%s" KEYS, extra);
    p.b = opened(yaml);
    play_ask(&p);
    return p;
}

static enum sink_outcome play_answer(struct play *p, int status, const char *headers, const char *body)
{
    const struct http_response re = {.status = status,
                                     .headers = slice_str(headers),
                                     .body = slice_str(body),
                                     .endpoint = p->rq.endpoint,
                                     .wall_now = NOW};
    enum sink_outcome outcome;

    p->v = (struct sink_verdict){0};
    outcome = p->b.ops->judge(p->b.state, &p->seal, &re, &p->v);
    p->seal.follow_up = outcome == SINK_FOLLOW_UP ? p->seal.follow_up + 1 : 0;
    memcpy(p->token, p->v.token, sizeof(p->token));
    p->seal.token = outcome == SINK_FOLLOW_UP ? p->token : NULL;
    return outcome;
}

static void play_end(struct play *p)
{
    struct body *body = (struct body *)(uintptr_t)p->seal.body;

    http_request_release(&p->rq);
    bound_sink_close(&p->b);
    body_free(&body);
}

#define ERROR(code, more) "<Error><Code>" code "</Code><Message>m</Message>" more "</Error>"

static void an_object_in_the_way_is_looked_at(void **state)
{
    static const struct {
        int status;
        const char *headers;
        enum sink_outcome outcome;
        const char *message;
        bool misconfigured;
    } CASES[] = {
        {200, "Content-Length: 6\r\nx-amz-meta-sluice-crc32c: 353dd8be\r\n", SINK_DELIVERED, "", false},
        {200, "Content-Length: 7\r\nx-amz-meta-sluice-crc32c: 353dd8be\r\n", SINK_RETRY, "that is not this one", false},
        {200, "Content-Length: 6\r\nx-amz-meta-sluice-crc32c: 353dd8bf\r\n", SINK_RETRY, "that is not this one", false},
        {200, "Content-Length: 6\r\n", SINK_RETRY, "that is not this one", false},
        {404, "", SINK_RETRY, "gone now", false},
        {403, "", SINK_RETRY, "may not look", true},
        {503, "", SINK_RETRY, "not available", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p = play_begin("overwrite: false\nendpoint: http://h:1\n");

        assert_int_equal(play_answer(&p, 412, "", ERROR("PreconditionFailed", "")), SINK_FOLLOW_UP);
        play_ask(&p);
        assert_string_equal(p.rq.method, "HEAD");
        assert_true(p.rq.bare);
        assert_string_equal(request_header(&p.rq, "If-None-Match"), "");
        assert_string_equal(request_header(&p.rq, "x-amz-checksum-crc32c"), "");
        assert_string_equal(request_header(&p.rq, "x-amz-content-sha256"),
                            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_int_equal(play_answer(&p, CASES[i].status, CASES[i].headers, ""), CASES[i].outcome);
        if (!strstr(p.v.message, CASES[i].message) || p.v.misconfigured != CASES[i].misconfigured)
            fail_msg("%zu: `%s`", i, p.v.message);
        play_end(&p);
    }
}

static void without_the_option_412_is_an_answer_as_any(void **state)
{
    struct play p = play_begin("endpoint: http://h:1\n");

    (void)state;
    assert_int_equal(play_answer(&p, 412, "", ERROR("PreconditionFailed", "")), SINK_RETRY);
    play_end(&p);
}

static void the_region_of_the_bucket_is_followed_once(void **state)
{
    struct play p = play_begin("");

    (void)state;
    assert_int_equal(play_answer(&p, 301, "x-amz-bucket-region: eu-west-1\r\n", ERROR("PermanentRedirect", "")),
                     SINK_RETRY);
    assert_non_null(strstr(p.v.message, "`logs` is in region `eu-west-1`, not in `us-east-1`"));
    assert_string_equal(p.v.hint, "set destination.s3.region: eu-west-1");
    assert_false(p.v.misconfigured);
    /* Another body's answer, sent before that was known. */
    assert_int_equal(play_answer(&p, 301, "x-amz-bucket-region: eu-west-1\r\n", ""), SINK_RETRY);
    assert_false(p.v.misconfigured);
    play_ask(&p);
    assert_string_equal(p.rq.url, "https://logs.s3.eu-west-1.amazonaws.com/k");
    assert_non_null(strstr(request_header(&p.rq, "Authorization"), "/20260713/eu-west-1/s3/"));
    /* That was wrong as well: back for good. */
    assert_int_equal(play_answer(&p, 400, "", ERROR("AuthorizationHeaderMalformed", "<Region>us-west-2</Region>")),
                     SINK_RETRY);
    assert_true(p.v.misconfigured);
    play_ask(&p);
    assert_string_equal(p.rq.url, "https://logs.s3.us-east-1.amazonaws.com/k");
    assert_int_equal(play_answer(&p, 301, "x-amz-bucket-region: eu-west-1\r\n", ERROR("PermanentRedirect", "")),
                     SINK_RETRY);
    assert_true(p.v.misconfigured);
    play_ask(&p);
    assert_string_equal(p.rq.url, "https://logs.s3.us-east-1.amazonaws.com/k");
    play_end(&p);
}

static void at_an_endpoint_of_ones_own_the_region_is_only_signed(void **state)
{
    struct play p = play_begin("endpoint: http://h:1\n");

    (void)state;
    assert_int_equal(play_answer(&p, 400, "", ERROR("AuthorizationHeaderMalformed", "<Region>eu-1</Region>")),
                     SINK_RETRY);
    play_ask(&p);
    assert_string_equal(p.rq.url, "http://h:1/logs/k");
    assert_non_null(strstr(request_header(&p.rq, "Authorization"), "/20260713/eu-1/s3/"));
    play_end(&p);
}

static void what_is_no_other_region_is_not_followed(void **state)
{
    static const char *const BODIES[] = {ERROR("AuthorizationHeaderMalformed", ""),
                                         ERROR("AuthorizationHeaderMalformed", "<Region>us-east-1</Region>"),
                                         ERROR("AuthorizationHeaderMalformed", "<Region>e.u/x</Region>"),
                                         ERROR("InvalidArgument", "<Region>eu-west-1</Region>")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BODIES); i++) {
        struct play p = play_begin("");

        assert_int_equal(play_answer(&p, 400, "", BODIES[i]), SINK_RETRY);
        assert_true(p.v.misconfigured);
        play_ask(&p);
        assert_string_equal(p.rq.url, "https://logs.s3.us-east-1.amazonaws.com/k");
        play_end(&p);
    }
}

/* An old store says it in many ways; what was made for CRC-32C goes without a checksum then, and the next body has the other. */
static void a_store_that_lacks_checksums_is_learnt(void **state)
{
    static const struct {
        int status;
        const char *body;
        bool learnt;
    } CASES[] = {
        {400,
         "<Error><Code>InvalidArgument</Code><Message>Unsupported header 'x-amz-checksum-crc32c'</Message></Error>",
         true},
        {501, ERROR("NotImplemented", ""), true},
        {501, "", true},
        {400, ERROR("InvalidArgument", ""), false},
        {400, ERROR("BadDigest", ""), false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p = play_begin("endpoint: http://h:1\n");

        assert_int_equal(p.b.ops->digests_of(p.b.state), SINK_SHA256 | SINK_CRC32C);
        assert_int_equal(play_answer(&p, CASES[i].status, "", CASES[i].body), SINK_RETRY);
        if (strstr(p.v.message, "from now on objects go with Content-MD5") ? !CASES[i].learnt : CASES[i].learnt)
            fail_msg("%zu: %s", i, p.v.message);
        assert_int_equal(p.b.ops->digests_of(p.b.state), SINK_SHA256 | (CASES[i].learnt ? SINK_MD5 : SINK_CRC32C));
        play_ask(&p);
        assert_string_equal(request_header(&p.rq, "x-amz-checksum-crc32c"), CASES[i].learnt ? "" : "NT3Yvg==");
        p.seal.digest.made = p.b.ops->digests_of(p.b.state);
        play_ask(&p);
        assert_string_equal(request_header(&p.rq, "Content-MD5"), CASES[i].learnt ? "sZRqySSS0jR8YjW00mERhA==" : "");
        /* It lacks something else as well. */
        assert_int_equal(play_answer(&p, 501, "", ERROR("NotImplemented", "")), SINK_RETRY);
        if (CASES[i].learnt)
            assert_true(p.v.misconfigured);
        play_end(&p);
    }
}

static void what_was_chosen_is_not_changed(void **state)
{
    struct play p = play_begin("endpoint: http://h:1\nchecksum: crc32c\n");

    (void)state;
    assert_int_equal(play_answer(&p, 501, "", ERROR("NotImplemented", "")), SINK_RETRY);
    assert_true(p.v.misconfigured);
    assert_string_equal(p.v.hint, "set destination.s3.checksum: none");
    play_end(&p);
    p = play_begin("endpoint: http://h:1\nacl: private\n"); /* it may be that */
    assert_int_equal(play_answer(&p, 501, "", ERROR("NotImplemented", "")), SINK_RETRY);
    assert_true(p.v.misconfigured);
    play_end(&p);
}

/* The store's clock is an hour ahead. */
#define AN_HOUR_LATER "Date: Mon, 13 Jul 2026 15:05:09 GMT\r\n"

static void the_clock_of_the_store_is_learnt(void **state)
{
    struct play p = play_begin("endpoint: http://h:1\n");

    (void)state;
    assert_int_equal(play_answer(&p, 403, AN_HOUR_LATER, ERROR("RequestTimeTooSkewed", "")), SINK_RETRY);
    assert_non_null(strstr(p.v.message, "differ by 3600 s (ours is behind); from now on"));
    assert_false(p.v.misconfigured);
    /* Another body's answer, sent before that was known. */
    assert_int_equal(play_answer(&p, 403, AN_HOUR_LATER, ERROR("RequestTimeTooSkewed", "")), SINK_RETRY);
    assert_false(p.v.misconfigured);
    play_ask(&p);
    assert_string_equal(request_header(&p.rq, "x-amz-date"), "20260713T150509Z");
    /* It says what it said, and its date is the one that was signed: nothing to be learnt. */
    assert_int_equal(play_answer(&p, 403, AN_HOUR_LATER, ERROR("RequestTimeTooSkewed", "")), SINK_RETRY);
    assert_true(p.v.misconfigured);
    /* Our own was set right meanwhile. */
    assert_int_equal(play_answer(&p, 403, "Date: Mon, 13 Jul 2026 14:05:09 GMT\r\n", ERROR("RequestTimeTooSkewed", "")),
                     SINK_RETRY);
    play_ask(&p);
    assert_string_equal(request_header(&p.rq, "x-amz-date"), "20260713T140509Z");
    assert_int_equal(play_answer(&p, 403, "", ERROR("RequestTimeTooSkewed", "")), SINK_RETRY);
    assert_true(p.v.misconfigured);
    play_end(&p);
}

/* What is locked is locked until then by the store's clock. */
static void a_lock_counts_from_the_time_of_the_store(void **state)
{
    struct play p = play_begin("endpoint: http://h:1\nobject_lock: { mode: governance, retain: 1d }\n");

    (void)state;
    assert_string_equal(request_header(&p.rq, "x-amz-object-lock-retain-until-date"), "2026-07-14T14:05:09Z");
    assert_int_equal(play_answer(&p, 403, AN_HOUR_LATER, ERROR("RequestTimeTooSkewed", "")), SINK_RETRY);
    play_ask(&p);
    assert_string_equal(request_header(&p.rq, "x-amz-date"), "20260713T150509Z");
    assert_string_equal(request_header(&p.rq, "x-amz-object-lock-retain-until-date"), "2026-07-14T15:05:09Z");
    play_end(&p);
}

static void an_absurd_time_is_not_learnt(void **state)
{
    static const char *const DATES[] = {
        "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n", "Date: Fri, 01 Jan 0001 00:00:00 GMT\r\n",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "Date: Mon, 13 Jul 2037 14:05:09 GMT\r\n"};
    struct play p = play_begin("endpoint: http://h:1\n");

    (void)state;
    /* An error that was learnt before must not overflow together with it. */
    assert_int_equal(play_answer(&p, 403, "Date: Wed, 13 Jul 2016 15:05:09 GMT\r\n", ERROR("RequestTimeTooSkewed", "")),
                     SINK_RETRY);
    for (size_t i = 0; i < ARRAY_LEN(DATES); i++) {
        play_ask(&p);
        assert_string_equal(request_header(&p.rq, "x-amz-date"), "20160713T150509Z");
        assert_int_equal(play_answer(&p, 403, DATES[i], ERROR("RequestTimeTooSkewed", "")), SINK_RETRY);
        assert_true(p.v.misconfigured);
    }
    play_ask(&p);
    assert_string_equal(request_header(&p.rq, "x-amz-date"), "20160713T150509Z");
    play_end(&p);
}

static void mistakes_in_options(void **state)
{
    (void)state;
    refused("bucket: b\nkms_context: { a: b }\n" KEYS, "kms_context: needs");
    refused("bucket: b\nbucket_key: true\nserver_side_encryption: AES256\n" KEYS, "bucket_key: needs");
    refused("bucket: b\ncustomer_key: AAAA\n" KEYS, "customer_key: it is not the base64 of 32 bytes");
    refused("bucket: b\nendpoint: http://h:1\ncustomer_key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n" KEYS,
            "customer_key: goes with each request, so it needs https");
    refused(
        "bucket: b\nserver_side_encryption: AES256\ncustomer_key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n" KEYS,
        "customer_key: goes without");
    refused("bucket: b\nobject_lock: { mode: governance }\n" KEYS, "object_lock: `mode`");
    refused("bucket: b\nobject_lock: { retain: 1d }\n" KEYS, "object_lock: `mode`");
    refused("bucket: b\nchecksum: none\nobject_lock: { legal_hold: true }\n" KEYS, "object_lock: S3 wants a checksum");
    refused("bucket: b\nmetadata: { Day: x }\n" KEYS, "metadata: `Day`: a name has lower-case");
    refused("bucket: b\nmetadata: { sluice-x: x }\n" KEYS, "the program's own");
    refused("bucket: b\nmetadata: { x: \"!{nothing:at}\" }\n" KEYS, "metadata: `x`: `!{nothing:at}` is not known");
    refused("bucket: b\ntagging: { \"a&b\": x }\n" KEYS, "tagging: `a&b`");
    refused("bucket: b\ntagging: { a: \"%Y\" }\n" KEYS, "tagging: `a`");
    refused("bucket: b\ntagging: { a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1, j: 1, k: 1 }\n" KEYS,
            "11 tags");
    refused("bucket: b\ncontent_type: \"a\\tb\"\n" KEYS, "content_type: character 2");
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
    assert_non_null(strstr(e.msg, "the instance's metadata is not asked: AWS_EC2_METADATA_DISABLED is set"));
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token", 1);
    assert_int_equal(b.ops->check(b.state, &e), -1);
    assert_non_null(strstr(e.msg, "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN"));
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
        if (strstr(f->name, "secret") || strstr(f->name, "token") || strcmp(f->name, "customer_key") == 0)
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
        cmocka_unit_test(aws_endpoints_of_every_kind),
        cmocka_unit_test(awkward_keys_go_as_they_are_signed),
        cmocka_unit_test(each_option_is_its_header),
        cmocka_unit_test(the_content_type_is_the_operators),
        cmocka_unit_test(an_object_in_the_way_is_looked_at),
        cmocka_unit_test(without_the_option_412_is_an_answer_as_any),
        cmocka_unit_test(the_region_of_the_bucket_is_followed_once),
        cmocka_unit_test(at_an_endpoint_of_ones_own_the_region_is_only_signed),
        cmocka_unit_test(what_is_no_other_region_is_not_followed),
        cmocka_unit_test(the_clock_of_the_store_is_learnt),
        cmocka_unit_test(a_lock_counts_from_the_time_of_the_store),
        cmocka_unit_test(an_absurd_time_is_not_learnt),
        cmocka_unit_test(a_store_that_lacks_checksums_is_learnt),
        cmocka_unit_test(what_was_chosen_is_not_changed),
        cmocka_unit_test(mistakes_in_options),
        cmocka_unit_test(without_keys_the_message_lists_every_place),
        cmocka_unit_test(description_and_secrets),
    };

    return cmocka_run_group_tests_name("s3", tests, begin, leave_trust);
}
