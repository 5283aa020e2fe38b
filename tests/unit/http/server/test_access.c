/* Who is let in by what is shown, in all the ways in which senders show it. */
#include "tests/support/cmocka.h"

#include "config/errors.h"
#include "pipeline/base/base64.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/server/access.h"

#include <stdio.h>
#include <string.h>

static char *TOKENS[] = {(char *)"0123456789abcdef", (char *)"another-token-of-16"};
static char *USERS[] = {(char *)"ann:pass:word", (char *)"bob:x"};

static struct http_access *with(size_t tokens, size_t users)
{
    const struct http_access_conf conf = {.tokens = {TOKENS, tokens}, .users = {USERS, users}};

    return http_access_new(&conf, NULL);
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

static void what_commands_show_is_let_in(void **state)
{
    const struct http_access_conf none = {.none = true}, tokens = {.tokens = {TOKENS, 2}, .users = {USERS, 1}},
                                  users = {.users = {USERS, 2}};
    const struct http_access_conf *const all[] = {&tokens, &users};

    (void)state;
    assert_null(http_access_shown(&none));
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct http_access *a = http_access_new(all[i], NULL);
        char *shown = http_access_shown(all[i]);

        assert_int_equal(http_access_ask(a, shown, NULL), HTTP_ACCESS_YES);
        mem_wipe(shown);
        http_access_free(&a);
    }
}

/* `own`: an option of the owner's that lets somebody in, too. */
static void an_address_of_others_needs_something_or_the_words(void **state)
{
    static const char OPEN[] =
        "listen: other machines can reach this address: set `tokens`, `users` or "
        "`tls.client_ca_file`, or write `auth: none` to let anybody read, or listen on 127.0.0.1";
    static const char WITH_OWN[] = "set `keys`, `tokens`, `users` or `tls.client_ca_file`, or write";
    static const struct {
        const char *listen;
        bool tokens, users, ca, none, own, own_set;
        const char *want;
    } cases[] = {
        {"127.0.0.1:1", .want = NULL},
        {"[::1]:1", .want = NULL},
        {NULL, .want = NULL},
        {"0.0.0.0:1", .want = OPEN},
        {"name.example:1", .want = OPEN},
        {"0.0.0.0:1", .own = true, .want = WITH_OWN},
        {"0.0.0.0:1", .own = true, .own_set = true, .want = NULL},
        {"0.0.0.0:1", .tokens = true, .want = NULL},
        {"0.0.0.0:1", .users = true, .want = NULL},
        {"0.0.0.0:1", .ca = true, .want = NULL},
        {"0.0.0.0:1", .none = true, .want = NULL},
        {"0.0.0.0:1", .none = true, .ca = true, .want = NULL},
        {"0.0.0.0:1", .none = true, .tokens = true, .want = "auth: `none` contradicts tokens and users"},
        {"127.0.0.1:1", .none = true, .users = true, .want = "auth: `none` contradicts tokens and users"},
        {"127.0.0.1:1", .none = true, .own = true, .own_set = true, .want = "auth: `none` contradicts keys, tokens"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct server_tls_conf tls = {.client_ca_file = cases[i].ca ? (char *)"ca.pem" : NULL};
        const struct http_access_conf conf = {.none = cases[i].none,
                                              .tokens = {TOKENS, cases[i].tokens ? 2 : 0},
                                              .users = {USERS, cases[i].users ? 2 : 0}};
        struct cfg_errors *errs = cfg_errors_new();
        struct buf said;

        buf_init(&said, 4096);
        http_access_check_conf(&conf,
                               &(struct http_access_around){.listen = cases[i].listen,
                                                            .tls = &tls,
                                                            .own = cases[i].own ? "keys" : NULL,
                                                            .own_set = cases[i].own_set,
                                                            .allows = "read"},
                               &(struct cfg_options){.errs = errs});
        cfg_errors_print(errs, &said);
        if (cfg_errors_count(errs) != (cases[i].want ? 1 : 0) ||
            (cases[i].want && !strstr(buf_cstr(&said), cases[i].want)))
            fail_msg("%zu: %s", i, buf_cstr(&said));
        buf_release(&said);
        cfg_errors_free(&errs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_wanted),
        cmocka_unit_test(tokens_are_shown_in_several_ways),
        cmocka_unit_test(names_have_passwords),
        cmocka_unit_test(what_commands_show_is_let_in),
        cmocka_unit_test(an_address_of_others_needs_something_or_the_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
