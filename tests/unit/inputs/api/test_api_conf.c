/* The rules between the options of the section `api`. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/api/api.h"

#include "config/errors.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/http/server/listen.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct api_credential KEYS[] = {{(char *)"A", (char *)"hunter2"}, {(char *)"B", (char *)"other"}};

static struct api_conf good(const char *listen)
{
    return (struct api_conf){.listen = (char *)listen,
                             .region = (char *)"us-east-1",
                             .account = (char *)"000000000000",
                             .connections = 8,
                             .timeout = NSEC_PER_SEC};
}

static void expect(const struct api_conf *conf, const char *want)
{
    struct cfg_errors *errs = cfg_errors_new();
    const struct cfg_options o = {.errs = errs};
    struct buf said;

    buf_init(&said, 4096);
    api_check_conf(conf, &o);
    cfg_errors_print(errs, &said);
    if (cfg_errors_count(errs) != (want ? 1 : 0) || (want && !strstr(buf_cstr(&said), want)))
        fail_msg("%s: %s", conf->listen, buf_cstr(&said));
    assert_null(strstr(buf_cstr(&said), "hunter2"));
    buf_release(&said);
    cfg_errors_free(&errs);
}

static void without_keys_only_loopback_may_be_listened_on(void **state)
{
    const struct {
        const char *listen, *want;
    } cases[] = {
        {"127.0.0.1:0", NULL},
        {"127.7.7.7:0", NULL},
        {"localhost:0", NULL},
        {"0.0.0.0:0",
         "set `credentials`, `tokens`, `users` or `tls.client_ca_file`, or write `auth: none` to let anybody write"},
        {"[::]:0", "`credentials`"},
        {"10.0.0.1:0", "`credentials`"},
        {"sluice.example:0", "`sluice.example` is not a numeric address"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct api_conf conf = good(cases[i].listen);

        expect(&conf, cases[i].want);
    }
}

static void who_shows_something_or_nobody_in_words_on_any_address(void **state)
{
    enum { KEY = 1, TOKEN = 2, USER = 4, CERTIFICATE = 8, NONE = 16 };
    static const char OPEN[] = "listen: other machines",
                      BOTH[] = "auth: `none` contradicts credentials, tokens and users";
    static char *tokens[] = {(char *)"0123456789abcdef"}, *users[] = {(char *)"ann:hunter2"};

    (void)state;
    for (unsigned with = 0; with < 32; with++) {
        struct api_conf conf = good("0.0.0.0:0"), near = good("127.0.0.1:0");
        bool both = (with & NONE) && (with & (KEY | TOKEN | USER));

        conf.credentials = KEYS;
        conf.credential_count = with & KEY ? ARRAY_LEN(KEYS) : 0;
        conf.access.tokens = (struct cfg_strings){tokens, with & TOKEN ? 1 : 0};
        conf.access.users = (struct cfg_strings){users, with & USER ? 1 : 0};
        conf.access.none = with & NONE;
        if (with & CERTIFICATE)
            conf.tls = (struct server_tls_conf){(char *)"a.pem", (char *)"a.key", (char *)"ca.pem"};
        expect(&conf, both ? BOTH : with == 0 ? OPEN : NULL);
        near.credentials = conf.credentials;
        near.credential_count = conf.credential_count;
        near.access = conf.access;
        near.tls = conf.tls;
        expect(&near, both ? BOTH : NULL);
    }
}

static void an_address_must_be_one(void **state)
{
    const char *const cases[] = {"",         "4573",          "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                                 "::1:4573", "127.0.0.1:http"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct api_conf conf = good(cases[i]);

        expect(&conf, "`listen` wants ");
    }
}

static void a_host_name_is_not_looked_up(void **state)
{
    struct api_conf conf = good("sluice.example:0");

    (void)state;
    conf.access.none = true;
    expect(&conf, "`sluice.example` is not a numeric address");
}

static void an_address_in_use_is_said(void **state)
{
    char want[HTTP_ADDRESS_TEXT + 80];
    struct http_socket first, second;
    struct api_conf conf;
    struct err e;

    (void)state;
    assert_int_equal(http_listen("127.0.0.1:0", "api", &first, &e), 0);
    conf = good(first.address);
    snprintf(want, sizeof(want), "another program (another sluice?) listens on %s;", first.address);
    expect(&conf, NULL);
    assert_int_equal(http_listen(conf.listen, "api", &second, &e), -1);
    assert_non_null(strstr(e.msg, want));
    close(first.fd);
}

static void keys_must_differ(void **state)
{
    struct api_credential keys[] = {{(char *)"A", (char *)"hunter2"}, {(char *)"A", (char *)"other"}};
    struct api_conf conf = good("127.0.0.1:0");

    (void)state;
    conf.credentials = keys;
    conf.credential_count = ARRAY_LEN(keys);
    expect(&conf, "lists the key `A` twice");
    keys[1] = (struct api_credential){(char *)"B", NULL}; /* what is missing is said where it is bound */
    expect(&conf, NULL);
}

static void account_and_region_fit_into_arns(void **state)
{
    struct api_conf conf = good("127.0.0.1:0");

    (void)state;
    conf.account = (char *)"12345678901x";
    expect(&conf, "twelve digits");
    conf.account = (char *)"1234567890123";
    expect(&conf, "twelve digits");
    conf = good("127.0.0.1:0");
    conf.region = (char *)"us east\"";
    expect(&conf, "`region`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_keys_only_loopback_may_be_listened_on),
        cmocka_unit_test(who_shows_something_or_nobody_in_words_on_any_address),
        cmocka_unit_test(an_address_must_be_one),
        cmocka_unit_test(a_host_name_is_not_looked_up),
        cmocka_unit_test(an_address_in_use_is_said),
        cmocka_unit_test(keys_must_differ),
        cmocka_unit_test(account_and_region_fit_into_arns),
    };

    return cmocka_run_group_tests_name("api_conf", tests, NULL, NULL);
}
