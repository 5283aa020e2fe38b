#include "tests/support/cmocka.h"

#include "config/address.h"

static void host_and_port_are_told_apart(void **state)
{
    const struct {
        const char *text, *host;
        unsigned port;
        bool loopback;
    } cases[] = {
        {"127.0.0.1:4573", "127.0.0.1", 4573, true}, {"127.9.9.9:0", "127.9.9.9", 0, true},
        {"localhost:1", "localhost", 1, true},       {"[::1]:65535", "::1", 65535, true},
        {"0.0.0.0:80", "0.0.0.0", 80, false},        {"[::]:80", "::", 80, false},
        {"10.0.0.1:80", "10.0.0.1", 80, false},      {"127.example.org:80", "127.example.org", 80, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address a;
        struct err e;

        assert_int_equal(address_parse(cases[i].text, &a, &e), 0);
        assert_string_equal(a.host, cases[i].host);
        assert_int_equal(a.port, cases[i].port);
        assert_int_equal(a.loopback, cases[i].loopback);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const cases[] = {
        "",       ":",     "4573",  ":4573",  "host:",   "host:65536", "host:x", "host:99999999999",
        "::1:80", "[::1]", "[]:80", "a b:80", "host:-1", "host:+1"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address a;
        struct err e;

        if (address_parse(cases[i], &a, &e) == 0)
            fail_msg("`%s` was accepted", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_and_port_are_told_apart),
        cmocka_unit_test(what_is_no_address_is_refused),
    };

    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
