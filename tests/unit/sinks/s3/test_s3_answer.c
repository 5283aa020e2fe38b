/* What S3 and its relatives answer, and what an operator then reads. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "sinks/answer/clean.h"
#include "sinks/answer/words.h"
#include "sinks/s3/answer.h"

#include <stdio.h>
#include <string.h>

/* 2026-11-22T15:26:00Z */
#define NOW ((nsec)1795361160 * NSEC_PER_SEC)

static const struct sink_seal SEAL = {.digest = {.made = SINK_CRC32C, .crc32c = 0x353dd8be}};

static const struct s3_context CONTEXT = {.place = "destination.s3.",
                                          .bucket = "logs",
                                          .endpoint = "http://h:1",
                                          .region = "us-east-1",
                                          .access_key_id = "AKEXAMPLE",
                                          .key_source = "the environment",
                                          .key = {"a/b.gz", 6},
                                          .size = 123456,
                                          .checksum = CHECKSUM_CRC32C,
                                          .seal = &SEAL,
                                          .advice = "set destination.s3.checksum: none, or leave out acl"};

#define ERROR(code, message, more)                                                                                     \
    "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>" message "</Message>" more "</Error>"

/* As the pipeline does. */
static enum sink_outcome finished(enum sink_outcome outcome, struct sink_verdict *v)
{
    answer_finish(v, &(struct answer_sent){.request = NULL});
    return outcome;
}

static enum sink_outcome judge(int status, const char *headers, const char *body, struct sink_verdict *v)
{
    const struct http_response re = {
        .status = status, .headers = slice_str(headers), .body = slice_str(body), .wall_now = NOW};

    return finished(s3_answer_judge(&CONTEXT, &re, v), v);
}

static void a_store_that_wants_the_object_signed_is_told_from_others(void **state)
{
    static const struct {
        int status;
        const char *body, *message, *hint;
    } cases[] = {
        {400, ERROR("XAmzContentSHA256Mismatch", "x", ""), "wants the object itself signed",
         "set destination.s3.payload_hash: signed"},
        {400, ERROR("InvalidArgument", "x-amz-content-sha256 must be a SHA-256", ""), "wants the object itself signed",
         "set destination.s3.payload_hash: signed"},
        {501, ERROR("NotImplemented", "Unsigned payload", ""), "wants the object itself signed",
         "set destination.s3.payload_hash: signed"},
        {403, ERROR("AccessDenied", "x", ""), "may not write",
         "or it wants objects signed: destination.s3.payload_hash: signed"},
        {403, ERROR("SignatureDoesNotMatch", "x", ""), "refused the signature",
         "or it wants objects signed: destination.s3.payload_hash: signed"},
        {400, ERROR("BadDigest", "x", ""), "other bytes", "look for a proxy that changes request bodies"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct http_response re = {.status = cases[i].status, .body = slice_str(cases[i].body), .wall_now = NOW};
        struct s3_context c = CONTEXT;
        struct sink_verdict v;

        assert_int_equal(finished(s3_answer_judge(&c, &re, &v), &v), SINK_RETRY);
        assert_null(strstr(v.hint, "payload_hash"));
        c.payload_unsigned = true;
        assert_int_equal(finished(s3_answer_judge(&c, &re, &v), &v), SINK_RETRY);
        assert_non_null(strstr(v.message, cases[i].message));
        assert_non_null(strstr(v.hint, cases[i].hint));
    }
}

static void only_200_with_an_etag_is_delivered(void **state)
{
    static const struct {
        int status;
        const char *headers;
        enum sink_outcome want;
    } cases[] = {
        {200, "ETag: \"x\"\r\n", SINK_DELIVERED},
        {200, "etag: \"x\"\r\nx-amz-checksum-crc32c: NT3Yvg==\r\n", SINK_DELIVERED},
        {200, "ETag: \"x\"\r\nx-amz-checksum-crc32c: AAAAAA==\r\n", SINK_RETRY},
        {200, "", SINK_RETRY},
        {200, "ETag:\r\n", SINK_RETRY},
        {201, "ETag: \"x\"\r\n", SINK_RETRY},
        {204, "ETag: \"x\"\r\n", SINK_RETRY},
        {304, "ETag: \"x\"\r\n", SINK_RETRY},
        {100, "ETag: \"x\"\r\n", SINK_RETRY},
        {0, "ETag: \"x\"\r\n", SINK_RETRY},
    };
    struct sink_verdict v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (judge(cases[i].status, cases[i].headers, "", &v) != cases[i].want)
            fail_msg("%d `%s`: %s", cases[i].status, cases[i].headers, v.message);
        if (cases[i].want == SINK_RETRY)
            assert_true(v.message[0] && v.code[0]);
    }
}

static void every_refusal_says_what_where_and_what_to_do(void **state)
{
    static const struct {
        int status;
        const char *headers, *body;
        const char *code, *message, *hint;
        bool misconfigured;
    } cases[] = {
        {404, "", ERROR("NoSuchBucket", "The specified bucket does not exist", ""), "NoSuchBucket",
         "bucket `logs` does not exist at http://h:1", "destination.s3.bucket", true},
        {403, "", ERROR("AccessDenied", "Access Denied", ""), "AccessDenied", "`AKEXAMPLE` may not write `a/b.gz`",
         "s3:PutObject", true},
        {403, "", ERROR("InvalidAccessKeyId", "x", ""), "InvalidAccessKeyId",
         "does not know the access key `AKEXAMPLE`", "the environment", true},
        {404, "", ERROR("XAdminUserNotFound", "x", ""), "XAdminUserNotFound", "does not know the access key",
         "access_key_id", true},
        {403, "", ERROR("SignatureDoesNotMatch", "x", ""), "SignatureDoesNotMatch", "refused the signature",
         "secret_access_key", true},
        {403, "Date: Sun, 22 Nov 2026 14:26:00 GMT\r\n", ERROR("RequestTimeTooSkewed", "x", ""), "RequestTimeTooSkewed",
         "differ by 3600 s (ours is ahead)", "NTP", true},
        {403, "Date: Sun, 22 Nov 2026 15:27:00 GMT\r\n", ERROR("RequestTimeTooSkewed", "x", ""), "RequestTimeTooSkewed",
         "differ by 60 s (ours is behind)", "NTP", true},
        {400, "", ERROR("AuthorizationHeaderMalformed", "x", "<Region>eu-west-1</Region>"),
         "AuthorizationHeaderMalformed", "region is `us-east-1`, it wants `eu-west-1`", "destination.s3.region", true},
        {301, "x-amz-bucket-region: eu-west-1\r\n",
         ERROR("PermanentRedirect", "x", "<Endpoint>logs.s3.eu-west-1.amazonaws.com</Endpoint>"), "PermanentRedirect",
         "region `eu-west-1`, at logs.s3.eu-west-1.amazonaws.com", "destination.s3.region", true},
        {301, "Location: https://h/\r\n", "", "HTTP 301", "redirects to https://h/", "destination.s3.endpoint", true},
        {307, "", ERROR("TemporaryRedirect", "x", "<Endpoint>e</Endpoint>"), "TemporaryRedirect", "but at e", "",
         false},
        {400, "", ERROR("ExpiredToken", "x", ""), "ExpiredToken", "has expired", "renew", true},
        {503, "", ERROR("SlowDown", "Reduce your request rate", ""), "SlowDown", "Reduce your request rate", "", false},
        {503, "", "", "HTTP 503", "status 503", "", false},
        {500, "", ERROR("InternalError", "We encountered", ""), "InternalError", "internal error", "", false},
        {502, "", "<html>bad gateway", "HTTP 502", "status 502", "", false},
        {429, "", "", "HTTP 429", "slow down", "", false},
        {400, "", ERROR("EntityTooLarge", "x", ""), "EntityTooLarge", "123456 bytes", "buffer.size", false},
        {413, "", "<html>", "HTTP 413", "123456 bytes", "proxy", false},
        {400, "", ERROR("KMS.NotFoundException", "no key", ""), "KMS.NotFoundException", "no key", "kms_key_id", true},
        {400, "", ERROR("KMS.DisabledException", "off", ""), "KMS.DisabledException", "off", "kms_key_id", true},
        {404, "", ERROR("kms:KeyNotFound", "no key", ""), "kms:KeyNotFound", "no key", "kms_key_id", true},
        {403, "", ERROR("QuotaExceeded", "x", ""), "QuotaExceeded", "quota of bucket `logs`", "quota", true},
        {507, "", ERROR("XMinioStorageFull", "x", ""), "XMinioStorageFull", "is full", "", true},
        {400, "", ERROR("InvalidStorageClass", "x", ""), "InvalidStorageClass", "storage class", "storage_class", true},
        {400, "", ERROR("BadDigest", "x", ""), "BadDigest", "other bytes", "proxy", false},
        {409, "", ERROR("ObjectParentIsFile", "x", ""), "ObjectParentIsFile", "a/b.gz", "prefix", false},
        {400, "", ERROR("NeverHeardOf", "a &lt;b&gt; &amp; c", ""), "NeverHeardOf", "a <b> & c", "", false},
        {501, "", ERROR("NotImplemented", "A header you provided", ""), "NotImplemented", "lacks something",
         "set destination.s3.checksum: none, or leave out acl", true},
        {400, "", ERROR("InvalidArgument", "Unsupported header 'x-amz-checksum-crc32c'", ""), "InvalidArgument",
         "does not take the checksum", "set destination.s3.checksum: none", true},
        {400, "", ERROR("InvalidRequest", "x-amz-checksum-crc32c is not supported", ""), "InvalidRequest",
         "does not take the checksum", "set destination.s3.checksum: none", true},
        {501, "", "", "HTTP 501", "lacks something", "leave out acl", true},
        {401, "", "", "HTTP 401", "status 401", "access_key_id", true},
        {403, "", "", "HTTP 403", "forbids access key", "s3:PutObject", true},
        {404, "", "<html>", "HTTP 404", "found nothing", "endpoint", true},
        {200, "", "<html>welcome", "NoETag", "without an ETag", "endpoint", true},
    };
    struct sink_verdict v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (judge(cases[i].status, cases[i].headers, cases[i].body, &v) != SINK_RETRY)
            fail_msg("%s: not to be tried again?", cases[i].code);
        if (strcmp(v.code, cases[i].code) != 0 || !strstr(v.message, cases[i].message) ||
            !strstr(v.hint, cases[i].hint) || v.misconfigured != cases[i].misconfigured)
            fail_msg("%s: got code `%s` message `%s` hint `%s` misconfigured %d", cases[i].code, v.code, v.message,
                     v.hint, v.misconfigured);
    }
}

/* What somebody must mend stops the clock of retry.duration; what may lie in one object does not. */
static void only_what_somebody_can_mend_stops_the_clock(void **state)
{
    static const struct {
        int status;
        const char *code;
        bool misconfigured;
    } CASES[] = {
        {400, "", false},
        {400, "InvalidRequest", false},
        {400, "EntityTooLarge", false},
        {400, "KeyTooLongError", false},
        {400, "InvalidDigest", false},
        {400, "MalformedXML", false},
        {400, "RequestTimeout", false},
        {400, "InvalidURI", false},
        {406, "", false},
        {409, "", false},
        {409, "OperationAborted", false},
        {411, "MissingContentLength", false},
        {412, "PreconditionFailed", false},
        {414, "", false},
        {422, "", false},
        {500, "InternalError", false},
        {503, "SlowDown", false},
        {400, "ExpiredToken", true},
        {400, "InvalidToken", true},
        {400, "TokenRefreshRequired", true},
        {400, "InvalidAccessKeyId", true},
        {400, "AuthorizationHeaderMalformed", true},
        {400, "PermanentRedirect", true},
        {400, "InvalidBucketName", true},
        {400, "InvalidArgument", true},
        {400, "InvalidStorageClass", true},
        {400, "KMS.NotFoundException", true},
        {400, "IllegalLocationConstraintException", true},
        {401, "", true},
        {402, "", true},
        {403, "", true},
        {403, "AccountProblem", true},
        {404, "", true},
        {404, "NoSuchBucket", true},
        {405, "MethodNotAllowed", true},
        {407, "", true},
        {410, "", true},
        {431, "", true},
        {451, "", true},
        {501, "NotImplemented", true},
        {501, "", true},
        {507, "", true},
    };
    char body[256];
    struct sink_verdict v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        snprintf(body, sizeof(body), ERROR("%s", "x", ""), CASES[i].code);
        judge(CASES[i].status, "", CASES[i].code[0] ? body : "", &v);
        if (v.misconfigured != CASES[i].misconfigured)
            fail_msg("%d %s: misconfigured %d", CASES[i].status, CASES[i].code, v.misconfigured);
    }
}

static void trouble_below_http(void **state)
{
    static const struct {
        enum http_failure failure;
        const char *want;
        bool misconfigured;
    } cases[] = {
        {HTTP_DNS, "does not resolve", true},  {HTTP_CONNECT, "cannot connect", false},
        {HTTP_TLS, "no TLS connection", true}, {HTTP_TIMEOUT, "in time", false},
        {HTTP_RESET, "in the middle", false},  {HTTP_MALFORMED, "not HTTP", false},
        {HTTP_LOCAL, "cannot be read", false},
    };
    struct sink_verdict v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct http_response re = {
            .failure = cases[i].failure, .failure_text = "the cause", .status = 200, .headers = SLICE("ETag: x\r\n")};

        assert_int_equal(s3_answer_judge(&CONTEXT, &re, &v), SINK_RETRY);
        if (!strstr(v.message, cases[i].want) || !strstr(v.message, "the cause"))
            fail_msg("%s", v.message);
        assert_int_equal(v.misconfigured, cases[i].misconfigured);
    }
}

static void retry_after_is_passed_on(void **state)
{
    struct sink_verdict v;

    (void)state;
    judge(503, "Retry-After: 9\r\n", ERROR("SlowDown", "x", ""), &v);
    assert_int_equal(v.retry_after, 9 * NSEC_PER_SEC);
}

static void hostile_answers_stay_text(void **state)
{
    static char huge[70000];
    struct sink_verdict v;
    char out[16];

    (void)state;
    memset(huge, 'A', sizeof(huge) - 1);
    memcpy(huge, "<Error><Code>", 13);
    memcpy(huge + 60000, "</Code>", 7);
    judge(400, "", huge, &v);
    assert_true(strlen(v.code) < sizeof(v.code));
    judge(400, "", ERROR("X%s%n\x1b[31m", "a\x07\nb%m%n&#10;", ""), &v);
    assert_null(strchr(v.message, '\x1b'));
    assert_null(strchr(v.message, '\n'));
    assert_non_null(strstr(v.message, "%n"));
    answer_xml(SLICE("<Code>never closed"), "Code", out, sizeof(out));
    assert_string_equal(out, "");
    answer_xml(SLICE("<Code>0123456789abcdefgh</Code>"), "Code", out, sizeof(out));
    assert_string_equal(out, "0123456789abcde");
    answer_xml((struct slice){NULL, 0}, "Code", out, sizeof(out));
    assert_string_equal(out, "");
}

static void what_is_answered_to_one_who_reads(void **state)
{
    static const struct {
        int status;
        const char *body;
        bool again;
        const char *message, *hint;
    } cases[] = {
        {200, "", false, "", ""},
        {204, "", false, "answered 204", "S3 port"},
        {404, ERROR("NoSuchBucket", "x", ""), false, "`logs` does not exist at http://h:1", "--s3-endpoint"},
        {404, ERROR("NoSuchKey", "x", ""), false, "`a/b.gz` is not in bucket `logs`", ""},
        {404, "", false, "found nothing", "--s3-endpoint"},
        {403, ERROR("AccessDenied", "x", ""), false, "may not read bucket `logs`", "s3:ListBucket and s3:GetObject"},
        {403, "", false, "to read bucket `logs`", "s3:ListBucket and s3:GetObject"},
        {403, ERROR("SignatureDoesNotMatch", "x", ""), false, "AKEXAMPLE", "keys come from the environment"},
        {403, ERROR("InvalidObjectState", "x", ""), false, "archived", "restore"},
        {400, ERROR("KMS.DisabledException", "x", ""), false, "KMS key of `a/b.gz`", "kms:Decrypt"},
        {400, ERROR("AuthorizationHeaderMalformed", "x", "<Region>eu-1</Region>"), false, "it wants `eu-1`",
         "set --s3-region"},
        {301, ERROR("PermanentRedirect", "x", "<Endpoint>b.s3.eu</Endpoint>"), false, "b.s3.eu", "set --s3-region"},
        {403, ERROR("RequestTimeTooSkewed", "x", ""), false, "clock", "NTP"},
        {405, "", false, "gives no objects", "--s3-endpoint"},
        {400, "", false, "refused the request", ""},
        {429, "", true, "slow down", ""},
        {503, ERROR("SlowDown", "x", ""), true, "slow down", ""},
        {500, "", true, "failed", ""},
    };
    struct s3_context reading = CONTEXT; /* without an object */

    (void)state;
    reading.place = "--s3-";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct http_response re = {.status = cases[i].status, .body = slice_str(cases[i].body), .wall_now = NOW};
        struct sink_verdict v;
        enum sink_outcome outcome = finished(s3_answer_judge_read(&reading, &re, &v), &v);

        assert_int_equal(outcome, cases[i].status == 200 ? SINK_DELIVERED : SINK_RETRY);
        if (!strstr(v.message, cases[i].message) || !strstr(v.hint, cases[i].hint) || strstr(v.message, "PutObject") ||
            (outcome == SINK_RETRY && v.misconfigured == cases[i].again))
            fail_msg("%d %s: `%s`, `%s`", cases[i].status, cases[i].body, v.message, v.hint);
    }
}

static void who_reads_is_told_what_happens_below_http(void **state)
{
    static const struct {
        enum http_failure failure;
        bool again;
        const char *message, *hint;
    } cases[] = {
        {HTTP_DNS, false, "does not resolve", "--s3-endpoint"},
        {HTTP_CONNECT, true, "cannot connect", "running"},
        {HTTP_TLS, false, "no TLS", "tls.ca_file"},
        {HTTP_TIMEOUT, true, "in time", "timeout"},
        {HTTP_RESET, true, "in the middle", ""},
        {HTTP_MALFORMED, true, "not HTTP", "--s3-endpoint"},
    };
    struct s3_context reading = CONTEXT; /* without an object */

    (void)state;
    reading.place = "--s3-";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct http_response re = {.failure = cases[i].failure, .failure_text = "why"};
        struct sink_verdict v;

        assert_int_equal(s3_answer_judge_read(&reading, &re, &v), SINK_RETRY);
        if (!strstr(v.message, cases[i].message) || !strstr(v.hint, cases[i].hint) || v.misconfigured == cases[i].again)
            fail_msg("%d: `%s`, `%s`", (int)cases[i].failure, v.message, v.hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_200_with_an_etag_is_delivered),
        cmocka_unit_test(a_store_that_wants_the_object_signed_is_told_from_others),
        cmocka_unit_test(every_refusal_says_what_where_and_what_to_do),
        cmocka_unit_test(only_what_somebody_can_mend_stops_the_clock),
        cmocka_unit_test(trouble_below_http),
        cmocka_unit_test(retry_after_is_passed_on),
        cmocka_unit_test(hostile_answers_stay_text),
        cmocka_unit_test(what_is_answered_to_one_who_reads),
        cmocka_unit_test(who_reads_is_told_what_happens_below_http),
    };

    return cmocka_run_group_tests_name("s3_answer", tests, NULL, NULL);
}
