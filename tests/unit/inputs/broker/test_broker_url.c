/* Addresses of brokers as users write them. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/inputs/broker/url.h"

#include <string.h>

static const struct broker_scheme SCHEMES[] = {{"stomp", 61613, false}, {"stomp+ssl", 61614, true}, {.name = NULL}};

static void addresses(void **state)
{
    static const struct {
        const char *text, *host, *shown;
        unsigned port;
        bool tls;
    } cases[] = {
        {"stomp://h", "h", "stomp://h:61613", 61613, false},
        {"STOMP+SSL://h.example/", "h.example", "stomp+ssl://h.example:61614", 61614, true},
        {"stomp://127.0.0.1:7", "127.0.0.1", "stomp://127.0.0.1:7", 7, false},
        {"stomp://[::1]", "::1", "stomp://[::1]:61613", 61613, false},
        {"stomp+ssl://[::1]:9/", "::1", "stomp+ssl://[::1]:9", 9, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct broker_url u;
        struct err e = {.msg = ""};

        if (broker_url_parse(&u, cases[i].text, SCHEMES, &e) < 0)
            fail_msg("%s: %s", cases[i].text, e.msg);
        assert_string_equal(u.host, cases[i].host);
        assert_string_equal(u.shown, cases[i].shown);
        assert_int_equal(u.port, cases[i].port);
        assert_int_equal(u.tls, cases[i].tls);
    }
}

static void what_is_no_address(void **state)
{
    static const char *const cases[] = {"",
                                        "h:1",
                                        "http://h",
                                        "stomp://",
                                        "stomp://:1",
                                        "stomp:///q",
                                        "stomp://h/q",
                                        "stomp://h?x=1",
                                        "stomp://u@h",
                                        "stomp://u:p@h:1",
                                        "stomp://h:0",
                                        "stomp://h:",
                                        "stomp://h:70000",
                                        "stomp://h:x",
                                        "stompx://h"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct broker_url u;
        struct err e = {.msg = ""};

        if (broker_url_parse(&u, cases[i], SCHEMES, &e) == 0)
            fail_msg("%s: taken as %s", cases[i], u.shown);
        assert_true(strncmp(e.msg, "url: ", 5) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(addresses), cmocka_unit_test(what_is_no_address)};

    return cmocka_run_group_tests_name("broker_url", tests, NULL, NULL);
}
