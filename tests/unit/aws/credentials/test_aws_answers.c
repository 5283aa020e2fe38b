/* What providers answer: read strictly, whatever it is, and never half. */
#include "tests/support/cmocka.h"

#include "pipeline/aws/credentials/answer.h"
#include "pipeline/aws/credentials/check_keys.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdio.h>

#define MOMENT (1790000000 * NSEC_PER_SEC) /* 2026-09-21T14:13:20Z */

static const char JSON[] = "{\"Code\":\"Success\",\"Type\":\"x\",\"Version\":1,\"AccessKeyId\":\"AK\\u0041\","
                           "\"SecretAccessKey\":\"s\\/t+\",\"Token\":\"t=\",\"SessionToken\":\"st\","
                           "\"Expiration\":\"2026-09-21T14:13:20Z\",\"More\":[{\"a\":null}]}";

static const char XML[] =
    "<?xml version=\"1.0\"?>\n<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
    "<AssumeRoleResult><AssumedRoleUser><Arn>arn</Arn></AssumedRoleUser><Credentials>"
    "<AccessKeyId> AKX </AccessKeyId><SecretAccessKey>s/t&#43;</SecretAccessKey><SessionToken>t&lt;=</SessionToken>"
    "<Expiration>2026-09-21T14:13:20Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

static void keys_in_each_dialect(void **state)
{
    struct aws_keys k;
    struct err e = {0};

    (void)state;
    for (enum key_dialect d = KEYS_OF_PROCESS; d <= KEYS_OF_INSTANCE; d++) {
        memset(&k, 'x', sizeof(k));
        assert_int_equal(aws_answer_json(slice_str(JSON), d, &k, &e), 0);
        assert_string_equal(k.access_key_id, "AKA");
        assert_string_equal(k.secret_access_key, "s/t+");
        assert_string_equal(k.session_token, d == KEYS_OF_PROCESS ? "st" : "t=");
        assert_true(k.expires == MOMENT);
    }
}

static void keys_of_a_program_need_neither_token_nor_end(void **state)
{
    static const char *const TEXTS[] = {"{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}",
                                        " {\"Version\":\"1\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\","
                                        "\"SessionToken\":null,\"Expiration\":null}\n"};
    struct aws_keys k;
    struct err e = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        memset(&k, 'x', sizeof(k));
        assert_int_equal(aws_answer_json(slice_str(TEXTS[i]), KEYS_OF_PROCESS, &k, &e), 0);
        assert_string_equal(k.session_token, "");
        assert_true(k.expires == 0);
    }
}

static void what_is_no_answer_is_said_and_not_quoted(void **state)
{
    static const struct {
        enum key_dialect dialect;
        const char *text, *words;
    } cases[] = {
        {KEYS_OF_PROCESS, "", "not the JSON"},
        {KEYS_OF_PROCESS, "[]", "not the JSON"},
        {KEYS_OF_PROCESS, "{\"Version\":1}x", "not the JSON"},
        {KEYS_OF_PROCESS, "{\"Version\":2,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hush\"}", "version 1"},
        {KEYS_OF_PROCESS, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hush\"}", "version 1"},
        {KEYS_OF_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"hush\"}", "`SecretAccessKey` is missing"},
        {KEYS_OF_PROCESS, "{\"Version\":1,\"SecretAccessKey\":\"hush\"}", "`AccessKeyId` is missing"},
        {KEYS_OF_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"\",\"SecretAccessKey\":\"hush\"}", "without access_key_id"},
        {KEYS_OF_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"\",\"SecretAccessKey\":\"\"}", "no access key"},
        {KEYS_OF_PROCESS, "{\"Version\":1,\"AccessKeyId\":[\"hush\"]}", "not the JSON"},
        {KEYS_OF_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hu\\nsh\"}", "white space"},
        {KEYS_OF_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"h\\u0000\"}", "white space"},
        {KEYS_OF_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hush\",\"Expiration\":\"soon\"}",
         "not a time"},
        {KEYS_OF_CONTAINER, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hush\"}", "`Token` is missing"},
        {KEYS_OF_CONTAINER, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hush\",\"Token\":\"t\"}",
         "`Expiration` is missing"},
        {KEYS_OF_INSTANCE, "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}", "it says `AssumeRoleUnauthorizedAccess`"},
        {KEYS_OF_INSTANCE, "{\"Code\":\"hush hush\"}", "it says `?`"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct aws_keys k;
        struct err e = {0};

        if (aws_answer_json(slice_str(cases[i].text), cases[i].dialect, &k, &e) == 0)
            fail_msg("`%s` is taken", cases[i].text);
        if (!strstr(e.msg, cases[i].words) || strstr(e.msg, "hush"))
            fail_msg("`%s`: says `%s`", cases[i].text, e.msg);
    }
}

static void what_is_cut_off_anywhere_is_no_answer(void **state)
{
    struct sts_error said;
    struct aws_keys k;
    struct err e = {0};

    (void)state;
    for (size_t n = 0; n < sizeof(JSON) - 1; n++)
        assert_int_equal(aws_answer_json(slice_of(JSON, n), KEYS_OF_INSTANCE, &k, &e), -1);
    for (size_t n = 0; n < sizeof(XML) - 1; n++)
        assert_int_equal(aws_answer_sts(slice_of(XML, n), &k, &said, &e), -1);
}

static void what_is_huge_is_no_answer(void **state)
{
    size_t n = AWS_ANSWER_MAX + 100;
    char *text = mem_alloc(n + 200);
    struct sts_error said;
    struct aws_keys k;
    struct err e = {0};
    int head;

    (void)state;
    head = snprintf(text, 200, "{\"Version\":1,\"SecretAccessKey\":\"s\",\"AccessKeyId\":\"");
    memset(text + head, 'A', n);
    memcpy(text + (size_t)head + n, "\"}", 2);
    assert_int_equal(aws_answer_json(slice_of(text, (size_t)head + n + 2), KEYS_OF_PROCESS, &k, &e), -1);
    memcpy(text + head + 2000, "\"}", 2);
    assert_int_equal(aws_answer_json(slice_of(text, (size_t)head + 2002), KEYS_OF_PROCESS, &k, &e), -1);
    assert_non_null(strstr(e.msg, "at most 128"));
    memset(text, '[', n);
    assert_int_equal(aws_answer_json(slice_of(text, n), KEYS_OF_PROCESS, &k, &e), -1);
    for (size_t i = 0; i + 3 <= n; i += 3)
        memcpy(text + i, "<a>", 3);
    assert_int_equal(aws_answer_sts(slice_of(text, n / 6 * 3), &k, &said, &e), -1);
    assert_int_equal(aws_answer_sts(slice_of(text, n), &k, &said, &e), -1);
    mem_free(text);
}

static void sts_gives_keys_or_says_why_not(void **state)
{
    struct sts_error said;
    struct aws_keys k;
    struct err e = {0};

    (void)state;
    assert_int_equal(aws_answer_sts(slice_str(XML), &k, &said, &e), 0);
    assert_string_equal(k.access_key_id, "AKX");
    assert_string_equal(k.secret_access_key, "s/t+");
    assert_string_equal(k.session_token, "t<=");
    assert_true(k.expires == MOMENT);
    assert_int_equal(aws_answer_sts(slice_str("<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: \xc3\xa9\n"
                                              "may not</Message></Error></ErrorResponse>"),
                                    &k, &said, &e),
                     -1);
    assert_string_equal(said.code, "AccessDenied");
    assert_string_equal(said.message, "User: ???may not");
    assert_int_equal(aws_answer_sts(slice_str("<!DOCTYPE a [<!ENTITY x \"AK\">]><a><AccessKeyId>&x;</AccessKeyId></a>"),
                                    &k, &said, &e),
                     -1);
    assert_int_equal(aws_answer_sts(slice_str("<a><AccessKeyId>A</AccessKeyId><SecretAccessKey>B</SecretAccessKey>"
                                              "<SessionToken>C</SessionToken><Expiration>never</Expiration></a>"),
                                    &k, &said, &e),
                     -1);
    assert_non_null(strstr(e.msg, "not a time"));
}

static void times_as_providers_write_them(void **state)
{
    static const char *const SAME[] = {"2026-09-21T14:13:20Z", "2026-09-21T14:13:20.999Z", "2026-09-21T14:13:20+00:00",
                                       "2026-09-21T16:13:20+02:00", "2026-09-21T08:43:20-0530"};
    static const char *const NONE[] = {"",
                                       "2026",
                                       "2026-09-21T14:13:20",
                                       "2026-09-21 14:13:20Z",
                                       "2026-06-31T00:00:00Z",
                                       "2026-13-01T00:00:00Z",
                                       "1969-12-31T23:59:59Z",
                                       "2026-09-21T14:13:20Zx",
                                       "2026-09-21T14:13:20+",
                                       "2026-09-21T14:13:20+2",
                                       "2026-09-21T14:13:20+02:",
                                       "2026-09-21T14:13:20+02:6",
                                       "2026-09-21T14:13:20+02:60",
                                       "1790000000",
                                       "2026-09-21T14:13:20.00000000000000000000000000000000Z"};
    nsec t;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SAME); i++)
        if (!aws_expiry_parse(slice_str(SAME[i]), &t) || t != MOMENT)
            fail_msg("`%s`", SAME[i]);
    for (size_t i = 0; i < ARRAY_LEN(NONE); i++)
        if (aws_expiry_parse(slice_str(NONE[i]), &t))
            fail_msg("`%s` is a time", NONE[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_in_each_dialect),
        cmocka_unit_test(keys_of_a_program_need_neither_token_nor_end),
        cmocka_unit_test(what_is_no_answer_is_said_and_not_quoted),
        cmocka_unit_test(what_is_cut_off_anywhere_is_no_answer),
        cmocka_unit_test(what_is_huge_is_no_answer),
        cmocka_unit_test(sts_gives_keys_or_says_why_not),
        cmocka_unit_test(times_as_providers_write_them),
    };

    return cmocka_run_group_tests_name("aws answers", tests, NULL, NULL);
}
