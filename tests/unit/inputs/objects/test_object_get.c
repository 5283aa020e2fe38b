/* What an answer of a store means for the object that was asked for. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/inputs/objects/get.h"

#include <string.h>

#define ERROR(code) "<?xml version=\"1.0\"?>\n<Error><Code>" code "</Code><Message>so it is</Message></Error>"

static const struct {
    const char *name;
    struct http_response re;
    uint64_t from;
    enum object_answer want;
    uint64_t total;
    const char *tag, *code, *hint; /* a part of it */
} CASES[] = {
    {"a piece",
     {.status = 206, .headers = {"ETag: \"t\"\r\nContent-Range: bytes 4-6/10\r\n", 43}, .body = {"abc", 3}},
     4,
     OBJECT_PIECE,
     10,
     "\"t\"",
     "",
     ""},
    {"all",
     {.status = 200, .headers = {"ETag: W/\"t\"\r\n", 13}, .body = {"abc", 3}},
     0,
     OBJECT_PIECE,
     3,
     "W/\"t\"",
     "",
     ""},
    {"all, and nothing", {.status = 200}, 0, OBJECT_PIECE, 0, "", "", ""},
    {"all, and too much",
     {.status = 200, .body = {"abc", 3}, .body_truncated = true},
     0,
     OBJECT_REFUSED,
     3,
     "",
     "ignores Range",
     ""},
    {"all instead of the rest", {.status = 200, .body = {"abc", 3}}, 4, OBJECT_REFUSED, 3, "", "ignores Range", ""},
    {"another piece",
     {.status = 206, .headers = {"Content-Range: bytes 0-2/10\r\n", 29}, .body = {"abc", 3}},
     4,
     OBJECT_AWAY,
     10,
     "",
     "not the piece",
     "proxy"},
    {"a part of the piece",
     {.status = 206, .headers = {"Content-Range: bytes 4-9/10\r\n", 29}, .body = {"abc", 3}},
     4,
     OBJECT_AWAY,
     10,
     "",
     "not the piece",
     ""},
    {"a piece of nobody knows how much",
     {.status = 206, .headers = {"Content-Range: bytes 4-6/*\r\n", 28}, .body = {"abc", 3}},
     4,
     OBJECT_AWAY,
     3,
     "",
     "not the piece",
     ""},
    {"a piece of something", {.status = 206, .body = {"abc", 3}}, 4, OBJECT_AWAY, 3, "", "not the piece", ""},
    {"behind the end",
     {.status = 416, .body = {ERROR("InvalidRange"), sizeof(ERROR("InvalidRange")) - 1}},
     10,
     OBJECT_END,
     0,
     "",
     "",
     ""},
    {"gone",
     {.status = 404, .body = {ERROR("NoSuchKey"), sizeof(ERROR("NoSuchKey")) - 1}},
     0,
     OBJECT_GONE,
     0,
     "",
     "NoSuchKey",
     ""},
    {"gone, without a word", {.status = 404}, 0, OBJECT_REFUSED, 0, "", "status 404", "s3.endpoint"},
    {"no store", {.status = 404, .body = {"<html>", 6}}, 0, OBJECT_REFUSED, 0, "", "status 404", "s3.endpoint"},
    {"the version is gone",
     {.status = 404, .body = {ERROR("NoSuchVersion"), sizeof(ERROR("NoSuchVersion")) - 1}},
     0,
     OBJECT_GONE,
     0,
     "",
     "NoSuchVersion",
     ""},
    {"the bucket is gone",
     {.status = 404, .body = {ERROR("NoSuchBucket"), sizeof(ERROR("NoSuchBucket")) - 1}},
     0,
     OBJECT_REFUSED,
     0,
     "",
     "NoSuchBucket",
     "s3.endpoint"},
    {"deleted",
     {.status = 405, .headers = {"x-amz-delete-marker: true\r\n", 27}},
     0,
     OBJECT_GONE,
     0,
     "",
     "status 405",
     ""},
    {"another", {.status = 412}, 4, OBJECT_CHANGED, 0, "", "status 412", ""},
    {"forbidden",
     {.status = 403, .body = {ERROR("AccessDenied"), sizeof(ERROR("AccessDenied")) - 1}},
     0,
     OBJECT_REFUSED,
     0,
     "",
     "AccessDenied",
     "s3:GetObject"},
    {"archived",
     {.status = 403, .body = {ERROR("InvalidObjectState"), sizeof(ERROR("InvalidObjectState")) - 1}},
     0,
     OBJECT_REFUSED,
     0,
     "",
     "InvalidObjectState",
     "restore"},
    {"elsewhere",
     {.status = 301, .body = {ERROR("PermanentRedirect"), sizeof(ERROR("PermanentRedirect")) - 1}},
     0,
     OBJECT_REFUSED,
     0,
     "",
     "PermanentRedirect",
     "s3.region"},
    {"busy",
     {.status = 503, .body = {ERROR("SlowDown"), sizeof(ERROR("SlowDown")) - 1}},
     0,
     OBJECT_AWAY,
     0,
     "",
     "SlowDown",
     "busy"},
    {"ill", {.status = 502, .body = {"<html>", 6}}, 0, OBJECT_AWAY, 0, "", "status 502", "busy"},
    {"expired",
     {.status = 400, .body = {ERROR("ExpiredToken"), sizeof(ERROR("ExpiredToken")) - 1}},
     0,
     OBJECT_AWAY,
     0,
     "",
     "ExpiredToken",
     "expired"},
    {"keys that nobody knows",
     {.status = 403, .body = {ERROR("InvalidAccessKeyId"), sizeof(ERROR("InvalidAccessKeyId")) - 1}},
     0,
     OBJECT_AWAY,
     0,
     "",
     "InvalidAccessKeyId",
     "keys are wrong"},
    {"half a code", {.status = 400, .body = {"<Code>Acc", 9}}, 0, OBJECT_REFUSED, 0, "", "status 400", ""},
    {"no way", {.failure = HTTP_RESET, .failure_text = "connection reset"}, 0, OBJECT_AWAY, 0, "", "", "s3.endpoint"},
};

static void answers_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct object_said said;

        object_answer_read(&CASES[i].re, CASES[i].from, &said);
        if (said.answer != CASES[i].want || said.total != CASES[i].total || strcmp(said.tag, CASES[i].tag) != 0 ||
            !strstr(said.code, CASES[i].code) || !strstr(said.hint, CASES[i].hint))
            fail_msg("%s: %d %llu %s %s; %s", CASES[i].name, said.answer, (unsigned long long)said.total, said.tag,
                     said.code, said.hint);
        assert_true(said.keys_expired == (strcmp(CASES[i].code, "ExpiredToken") == 0));
    }
}

/* What was signed stands in the message. */
static void what_was_signed_is_not_shown(void **state)
{
    const struct http_response re = {.status = 403, .body = SLICE(ERROR("SignatureDoesNotMatch"))};
    struct object_said said;

    (void)state;
    object_answer_read(&re, 0, &said);
    assert_int_equal(said.answer, OBJECT_AWAY); /* a secret that is wrong is so for every object */
    assert_string_equal(said.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_judged),
        cmocka_unit_test(what_was_signed_is_not_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
