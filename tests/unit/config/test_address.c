#include "tests/support/cmocka.h"

#include "config/address.h"
#include "pipeline/base/compiler.h"

#include <string.h>

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

static void one_place_may_be_written_in_several_ways(void **state)
{
    const struct {
        const char *a, *b, *written; /* of b */
        bool same;
    } cases[] = {
        {"127.0.0.1:4573", "localhost:4573", "127.0.0.1:4573", true},
        {"127.0.0.1:4573", "127.0.0.1:4574", "127.0.0.1:4574", false},
        {"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", false},
        {"127.0.0.1:1", "0.0.0.0:1", "0.0.0.0:1", false},
        {"[::1]:1", "[0:0:0:0:0:0:0:1]:1", "[::1]:1", true},
        {"[fe80::1]:1", "[FE80::1]:1", "[fe80::1]:1", true},
        {"[::1]:1", "localhost:1", "127.0.0.1:1", false},
        {"a.example:1", "a.example:1", "a.example:1", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address a, b;
        char text[300];
        struct err e;

        assert_int_equal(address_parse(cases[i].a, &a, &e), 0);
        assert_int_equal(address_parse(cases[i].b, &b, &e), 0);
        if (address_is_same(&a, &b) != cases[i].same || address_is_same(&b, &a) != cases[i].same)
            fail_msg("%s %s", cases[i].a, cases[i].b);
        address_write(cases[i].b, text, sizeof(text));
        assert_string_equal(text, cases[i].written);
    }
    address_write("nothing", (char[8]){0}, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_and_port_are_told_apart),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(one_place_may_be_written_in_several_ways),
    };

    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
