/* Who is let in by what is shown, in all the ways in which senders show it. */
#include "tests/support/cmocka.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/compiler.h"
#include "pipeline/http/server/access.h"

#include <stdio.h>
#include <string.h>

static char *TOKENS[] = {(char *)"0123456789abcdef", (char *)"another-token-of-16"};
static char *USERS[] = {(char *)"ann:pass:word", (char *)"bob:x"};

static struct http_access *with(size_t tokens, size_t users)
{
    const struct http_access_conf conf = {.tokens = {TOKENS, tokens}, .users = {USERS, users}};

    return http_access_new(&conf);
}

static enum http_access_answer shown_as(const struct http_access *a, const char *scheme, const char *pair)
{
    size_t n = base64_encoded_length(strlen(pair));
    char coded[256], header[300];

    base64_encode(slice_str(pair), coded);
    coded[n] = '\0';
    snprintf(header, sizeof(header), "%s %s", scheme, coded);
    return http_access_ask(a, header, NULL);
}

static enum http_access_answer basic(const struct http_access *a, const char *pair)
{
    return shown_as(a, "Basic", pair);
}

static void nothing_is_wanted(void **state)
{
    (void)state;
    assert_null(with(0, 0));
    assert_int_equal(http_access_ask(NULL, NULL, NULL), HTTP_ACCESS_YES);
    assert_int_equal(http_access_ask(NULL, "Bearer whatever", NULL), HTTP_ACCESS_YES);
}

static void tokens_are_shown_in_several_ways(void **state)
{
    struct http_access *a = with(2, 0);

    (void)state;
    assert_int_equal(http_access_ask(a, NULL, NULL), HTTP_ACCESS_NOTHING);
    assert_int_equal(http_access_ask(a, "Bearer 0123456789abcdef", NULL), HTTP_ACCESS_YES);
    assert_int_equal(http_access_ask(a, "Splunk another-token-of-16", NULL), HTTP_ACCESS_YES);
    assert_int_equal(http_access_ask(a, "Bearer  0123456789abcdef ", NULL), HTTP_ACCESS_YES);
    assert_int_equal(http_access_ask(a, NULL, "0123456789abcdef"), HTTP_ACCESS_YES);
    assert_int_equal(http_access_ask(a, "Bearer wrong", "0123456789abcdef"), HTTP_ACCESS_YES);
    assert_int_equal(basic(a, "any:0123456789abcdef"), HTTP_ACCESS_YES);
    assert_int_equal(basic(a, ":0123456789abcdef"), HTTP_ACCESS_YES);
    assert_int_equal(basic(a, "0123456789abcdef"), HTTP_ACCESS_WRONG);
    assert_int_equal(basic(a, "0123456789abcdef:"), HTTP_ACCESS_WRONG);
    assert_int_equal(http_access_ask(a, "Bearer 0123456789abcde", NULL), HTTP_ACCESS_WRONG);
    assert_int_equal(http_access_ask(a, "Bearer 0123456789abcdeF", NULL), HTTP_ACCESS_WRONG);
    assert_int_equal(http_access_ask(a, "0123456789abcdef", NULL), HTTP_ACCESS_WRONG);
    assert_int_equal(http_access_ask(a, "", ""), HTTP_ACCESS_WRONG);
    assert_int_equal(http_access_ask(a, "Bearer", NULL), HTTP_ACCESS_WRONG);
    http_access_free(&a);
    assert_null(a);
    http_access_free(&a);
}

static void names_have_passwords(void **state)
{
    struct http_access *a = with(0, 2);
    char large[16384];

    (void)state;
    assert_int_equal(basic(a, "ann:pass:word"), HTTP_ACCESS_YES);
    assert_int_equal(basic(a, "bob:x"), HTTP_ACCESS_YES);
    assert_int_equal(shown_as(a, "ApiKey", "bob:x"), HTTP_ACCESS_YES);
    assert_int_equal(shown_as(a, "Bearer", "bob:x"), HTTP_ACCESS_WRONG);
    assert_int_equal(basic(a, "bob:pass:word"), HTTP_ACCESS_WRONG);
    assert_int_equal(basic(a, "ann:pass"), HTTP_ACCESS_WRONG);
    assert_int_equal(basic(a, ""), HTTP_ACCESS_WRONG);
    assert_int_equal(http_access_ask(a, "Basic ***", NULL), HTTP_ACCESS_WRONG);
    assert_int_equal(http_access_ask(a, "Bearer bob:x", NULL), HTTP_ACCESS_WRONG);
    snprintf(large, sizeof(large), "Basic %*d", (int)sizeof(large) - 8, 0);
    memset(large + 6, 'A', sizeof(large) - 8);
    assert_int_equal(http_access_ask(a, large, NULL), HTTP_ACCESS_WRONG);
    http_access_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_wanted),
        cmocka_unit_test(tokens_are_shown_in_several_ways),
        cmocka_unit_test(names_have_passwords),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
