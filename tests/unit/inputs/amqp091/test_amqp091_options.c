/* Addresses and beginnings as users write them, right and wrong. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/inputs/amqp091/options.h"

#include <stdio.h>
#include <string.h>

static void addresses_are_taken_apart(void **state)
{
    static const struct {
        const char *url, *host, *vhost;
        bool tls;
        unsigned port;
    } CASES[] = {
        {"amqp://broker", "broker", "/", false, 5672},
        {"amqps://broker", "broker", "/", true, 5671},
        {"amqp://broker/", "broker", "/", false, 5672},
        {"amqp://broker:1234/%2F", "broker", "/", false, 1234},
        {"amqp://broker:65535/logs", "broker", "logs", false, 65535},
        {"amqp://broker/%2flogs%2Fof%20all", "broker", "/logs/of all", false, 5672},
        {"amqps://[::1]:5000/a", "::1", "a", true, 5000},
        {"amqp://[fe80::1]", "fe80::1", "/", false, 5672},
    };
    struct amqp091_address a;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(amqp091_address_parse(&a, CASES[i].url, &e), 0);
        assert_string_equal(a.host, CASES[i].host);
        assert_string_equal(a.vhost, CASES[i].vhost);
        assert_int_equal(a.tls, CASES[i].tls);
        assert_int_equal(a.port, CASES[i].port);
    }
}

static void wrong_addresses_are_refused_with_what_is_wrong(void **state)
{
    static const struct {
        const char *url, *words;
    } CASES[] = {
        {"broker:5672", "begins with amqp://"},
        {"http://broker", "begins with amqp://"},
        {"amqp://", "names no host"},
        {"amqp://:5672", "names no host"},
        {"amqp:///logs", "names no host"},
        {"amqp://me:geheim@broker", "options of their own"},
        {"amqp://broker:0", "from 1 to 65535"},
        {"amqp://broker:65536", "from 1 to 65535"},
        {"amqp://broker:99999999999999999999", "65535"},
        {"amqp://broker:", "from 1 to 65535"},
        {"amqp://broker:12a", "from 1 to 65535"},
        {"amqp://[::1", "in brackets"},
        {"amqp://[::1]5672", "in brackets"},
        {"amqp://broker/a/b", "%2F"},
        {"amqp://broker/%2", "no two digits"},
        {"amqp://broker/%zz", "no two digits"},
        {"amqp://broker/%", "no two digits"},
        {"amqp://broker/a%00b", "no two digits"},
        {"amqp://broker/a?heartbeat=3", "options of its own"},
        {"amqp://broker?x", "options of its own"},
    };
    char url[700] = "amqp://broker/";
    struct amqp091_address a;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(amqp091_address_parse(&a, CASES[i].url, &e), -1);
        if (!strstr(e.msg, CASES[i].words))
            fail_msg("%s: %s", CASES[i].url, e.msg);
        assert_null(strstr(e.msg, "geheim"));
    }
    memset(url + strlen(url), 'v', 256);
    assert_int_equal(amqp091_address_parse(&a, url, &e), -1);
    assert_non_null(strstr(e.msg, "too long"));
}

static void beginnings_are_read(void **state)
{
    struct amqp091_begin b;
    struct err e;

    (void)state;
    assert_int_equal(amqp091_begin_parse(&b, NULL, &e), 0);
    assert_int_equal(b.start, AMQP091_QUEUE);
    assert_int_equal(amqp091_begin_parse(&b, "first", &e), 0);
    assert_int_equal(b.start, AMQP091_FIRST);
    assert_int_equal(amqp091_begin_parse(&b, "last", &e), 0);
    assert_int_equal(b.start, AMQP091_LAST);
    assert_int_equal(amqp091_begin_parse(&b, "next", &e), 0);
    assert_int_equal(b.start, AMQP091_NEXT);
    assert_int_equal(amqp091_begin_parse(&b, "2026-11-27T00:00:01Z", &e), 0);
    assert_int_equal(b.start, AMQP091_TIME);
    assert_int_equal(b.time, 1795737601);
    assert_int_equal(amqp091_begin_parse(&b, "2026-11-27", &e), -1);
    assert_int_equal(amqp091_begin_parse(&b, "2026-11-27T00:00:01", &e), -1);
    assert_int_equal(amqp091_begin_parse(&b, "2026-11-27T00:00:01Z2", &e), -1);
    assert_int_equal(amqp091_begin_parse(&b, "", &e), -1);
    assert_int_equal(amqp091_begin_parse(&b, "7", &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(wrong_addresses_are_refused_with_what_is_wrong),
        cmocka_unit_test(beginnings_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
