/* The words of an answer, wherever a server puts them. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/mem.h"
#include "sinks/answer/text.h"
#include "sinks/answer/words.h"

#include <stdio.h>
#include <string.h>

static const char *words_of(int status, const char *body)
{
    static char out[SINK_SAID_MAX];
    const struct http_response re = {.status = status, .body = slice_str(body)};

    answer_words(&re, out, sizeof(out));
    return out;
}

static void words_are_found_in_every_form(void **state)
{
    static const struct {
        const char *body, *want;
    } CASES[] = {
        /* JSON */
        {"{\"error\":\"unknown API key\"}", "unknown API key"},
        {"{\"message\":\"no such tenant\"}", "no such tenant"},
        {"{\"Message\":\"User is not authorized\"}", "User is not authorized"},
        {"{\"error\":{\"type\":\"parse_exception\",\"reason\":\"bad line\"},\"status\":400}",
         "parse_exception: bad line"},
        {"{\"error\":{\"root_cause\":[{\"type\":\"x\",\"reason\":\"y\"}],\"type\":\"a\",\"reason\":\"b\"}}", "a: b"},
        {"{\"errors\":[\"Bad Request\",\"more\"]}", "Bad Request"},
        {"{\"errors\":[{\"status\":\"400\",\"title\":\"Bad\",\"detail\":\"no ddsource\"}]}", "Bad: no ddsource"},
        {"{\"errors\":[{\"message\":\"a\"}],\"message\":\"b\"}", "a"},
        {"{\"type\":\"about:blank\",\"title\":\"Out of credit\",\"detail\":\"Your balance is 30\"}",
         "about:blank: Your balance is 30"},
        {"{\"title\":\"Out of credit\",\"detail\":\"Your balance is 30\"}", "Out of credit: Your balance is 30"},
        {"{\"timestamp\":1,\"status\":400,\"error\":\"Bad Request\",\"message\":\"no body\",\"path\":\"/x\"}",
         "Bad Request: no body"},
        {"{\"__type\":\"ValidationException\",\"message\":\"m\"}", "ValidationException: m"},
        {"{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\",\"type\":\"missing\"}]}",
         "missing: field required"},
        {"{\"detail\":\"Not authenticated\"}", "Not authenticated"},
        {"{\"error\":{\"code\":400,\"message\":\"m\",\"status\":\"INVALID_ARGUMENT\"}}", "m"},
        {"{\"requestId\":\"r\",\"timestamp\":1,\"errorMessage\":\"over quota\"}", "over quota"},
        {"{\"text\":\"Invalid token\",\"code\":4}", "Invalid token"},
        {"{\"code\":3,\"message\":\"invalid\",\"details\":[]}", "invalid"},
        {"\"just a text\"", "just a text"},
        {"[\"first\",\"second\"]", "first"},
        {"{\"message\":\"tab\\tline\\nend \\u00e9 \\u001b[31m\"}", "tab line end \xc3\xa9 [31m"},
        {"{\"message\":\"cut off\",\"mo", "cut off"},
        {"{\"data\":{\"message\":\"a record's\"},\"error\":\"e\"}", "e"},
        {"{\"foo\":1}", "{\"foo\":1}"},
        {"{\"error\":null,\"message\":\"m\"}", "m"},
        {"{\"error\":true,\"reason\":\"m\"}", "m"},
        /* XML and HTML */
        {"<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>a &lt;b&gt;</Message></Error>",
         "NoSuchBucket: a <b>"},
        {"<Error><Code>NoSuchBucket</Code></Error>", "NoSuchBucket"},
        {"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>x</body></html>", "502 Bad Gateway"},
        {"<!DOCTYPE html><HTML><TITLE lang=\"en\">\n  Blocked \n</TITLE>", "Blocked"},
        {"<html><body><p>no <b>title</b> here</p></body></html>", "no title here"},
        {"<h1>Forbidden</h1>", "Forbidden"},
        {"<title>cut o", "cut o"},
        /* text */
        {"no such stream\n  at line 2", "no such stream"},
        {"\r\n\r\n  two blank lines before  \r\nx", "two blank lines before"},
        {"\xef\xbb\xbfwith a mark", "with a mark"},
        {"\x01\x02\x03\x04", "4 bytes that are no text"},
        {"bad \xff byte in a text", "bad \xef\xbf\xbd byte in a text"},
        /* none */
        {"", "Service Unavailable"},
        {" \r\n ", "Service Unavailable"},
        {"<html></html>", "Service Unavailable"},
        {"{}", "{}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (strcmp(words_of(503, CASES[i].body), CASES[i].want) != 0)
            fail_msg("`%s`: `%s`, not `%s`", CASES[i].body, words_of(503, CASES[i].body), CASES[i].want);
}

static void an_empty_answer_is_told_by_its_status(void **state)
{
    (void)state;
    assert_string_equal(words_of(400, ""), "Bad Request");
    assert_string_equal(words_of(422, ""), "Unprocessable Content");
    assert_string_equal(words_of(429, ""), "Too Many Requests");
    assert_string_equal(words_of(599, ""), "");
}

static bool is_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

/* Cut anywhere, to any size: one line, ended, and no half characters. */
static void hostile_answers_are_one_line_of_any_size(void **state)
{
    static const char *const BODIES[] = {
        "{\"error\":{\"type\":\"a\\u001b\",\"reason\":\"b\\\"\\\\c \\ud83d\\ude00 end\"}}",
        "<Error><Code>C</Code><Message>m \xf0\x9f\x98\x80 &quot;q&quot; <x></Message></Error>",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"deep\"",
        "{\"error\":{\"error\":{\"error\":{\"error\":{\"error\":{\"error\":{\"error\":{\"error\":\"deep\"}}}}}}}}",
        "text \xe2\x82\xac with \xe2\x80\xae turned\x07 direction",
        "<title>\x1b]0;evil\x07</title>",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BODIES); i++)
        for (size_t n = 0; n <= strlen(BODIES[i]); n++)
            for (size_t size = 1; size < 40; size += 3) {
                char *exact = memcpy(mem_array(n + 1, 1), BODIES[i], n), out[64], again[64];
                const struct http_response re = {.status = 400, .body = slice_of(exact, n)};

                memset(out, 'x', sizeof(out));
                answer_words(&re, out, size);
                assert_true(strlen(out) < size && is_clean(out));
                answer_plain(slice_str(out), again, sizeof(again));
                assert_string_equal(out, again); /* nothing is left to be mended */
                mem_free(exact);
            }
}

static void a_port_for_https_is_known(void **state)
{
    static const char *const YES[] = {"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title>",
                                      "Client sent an HTTP request to an HTTPS server.\n",
                                      "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(YES); i++) {
        struct http_response re = {.status = 400, .body = slice_str(YES[i])};

        assert_true(answer_wants_tls(&re));
        re.status = 500;
        assert_false(answer_wants_tls(&re));
    }
    assert_false(answer_wants_tls(&(struct http_response){.status = 400, .body = SLICE("bad request")}));
    assert_false(answer_wants_tls(&(struct http_response){.status = 400}));
}

static void where_it_redirects_to_is_told_without_the_query(void **state)
{
    const struct http_response re = {.status = 302, .headers = SLICE("Location: https://h/login?token=secret\r\n")};
    char out[64];

    (void)state;
    answer_location(&re, out, sizeof(out));
    assert_string_equal(out, "https://h/login");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_found_in_every_form),
        cmocka_unit_test(an_empty_answer_is_told_by_its_status),
        cmocka_unit_test(hostile_answers_are_one_line_of_any_size),
        cmocka_unit_test(a_port_for_https_is_known),
        cmocka_unit_test(where_it_redirects_to_is_told_without_the_query),
    };

    return cmocka_run_group_tests_name("answer_words", tests, NULL, NULL);
}
