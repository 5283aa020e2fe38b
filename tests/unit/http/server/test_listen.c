#include "tests/support/cmocka.h"

#include "pipeline/http/server/listen.h"

#include "pipeline/base/compiler.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void port_zero_becomes_a_real_port_on_loopback(void **state)
{
    struct http_socket s;
    struct err e;

    (void)state;
    assert_int_equal(http_listen("127.0.0.1:0", "admin", &s, &e), 0);
    assert_true(s.at.loopback);
    assert_int_equal(strncmp(s.address, "127.0.0.1:", 10), 0);
    assert_string_not_equal(s.address, "127.0.0.1:0");
    close(s.fd);
}

static void all_addresses_is_not_loopback(void **state)
{
    struct http_socket s;
    struct err e;

    (void)state;
    assert_int_equal(http_listen("0.0.0.0:0", "admin", &s, &e), 0);
    assert_false(s.at.loopback);
    close(s.fd);
}

static void a_port_in_use_is_told_with_what_to_do(void **state)
{
    struct http_socket first, second;
    struct err e;

    (void)state;
    assert_int_equal(http_listen("127.0.0.1:0", "admin", &first, &e), 0);
    assert_int_equal(http_listen(first.address, "admin", &second, &e), -1);
    assert_non_null(strstr(e.msg, first.address));
    assert_non_null(strstr(e.msg, "choose another admin.listen"));
    assert_int_equal(second.fd, -1);
    close(first.fd);
}

static void malformed_addresses_are_refused_by_name(void **state)
{
    static const char *const BAD[] = {
        "", ":", ":9273", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http x", "127.0.0.1:70000x"};
    struct http_socket s;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        assert_int_equal(http_listen(BAD[i], "admin", &s, &e), -1);
        assert_int_equal(e.code, ERR_CONFIG);
        assert_non_null(strstr(e.msg, "admin.listen"));
    }
}

static void an_endless_host_name_is_refused(void **state)
{
    char listen[400];
    struct http_socket s;
    struct err e;

    (void)state;
    memset(listen, 'a', sizeof(listen));
    memcpy(listen + sizeof(listen) - 4, ":80", 4);
    assert_int_equal(http_listen(listen, "admin", &s, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
}

static void localhost_is_one_address_and_other_names_are_not_numeric(void **state)
{
    static const struct address NUMERIC[] = {{.host = "localhost"}, {.host = "0.0.0.0"}, {.host = "::1"}};
    static const struct address NAME = {.host = "sluice.example"};
    struct http_socket s;
    struct err e;

    (void)state;
    assert_int_equal(http_listen("localhost:0", "api", &s, &e), 0);
    assert_int_equal(strncmp(s.address, "127.0.0.1:", 10), 0);
    assert_true(s.at.loopback);
    close(s.fd);
    for (size_t i = 0; i < ARRAY_LEN(NUMERIC); i++)
        assert_true(http_listen_is_numeric(&NUMERIC[i]));
    assert_false(http_listen_is_numeric(&NAME));
}

static bool is_one_socket(int a, int b)
{
    struct stat x, y;

    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

/* Until the first of them ends; nobody else has the port then, or later. */
static void one_that_is_to_end_gives_way_to_the_next(void **state)
{
    struct http_socket first, same, named, all, other;
    char text[64];
    struct err e;

    (void)state;
    assert_int_equal(http_listen("127.0.0.1:0", "admin", &other, &e), 0);
    snprintf(text, sizeof(text), "%s", other.address);
    close(other.fd);
    assert_int_equal(http_listen(text, "admin", &first, &e), 0);
    assert_int_equal(http_listen_beside(text, "admin", &first, &same, &e), 0);
    assert_string_equal(same.address, first.address);
    snprintf(text, sizeof(text), "localhost:%u", first.at.port);
    assert_int_equal(http_listen_beside(text, "admin", &first, &named, &e), 0);
    assert_string_equal(named.at.host, "localhost");
    assert_string_equal(named.address, first.address);
    assert_true(is_one_socket(first.fd, named.fd)); /* whoever comes meanwhile is answered by the first */
    close(first.fd);
    assert_int_equal(http_listen(first.address, "admin", &other, &e),
                     -1); /* it is one socket, and there are two left */
    close(same.fd);
    assert_int_equal(http_listen(first.address, "admin", &other, &e), -1);

    snprintf(text, sizeof(text), "0.0.0.0:%u", named.at.port);
    assert_int_equal(http_listen_beside(text, "admin", &named, &all, &e), 0);
    assert_int_equal(http_listen(first.address, "admin", &other, &e), -1);
    close(named.fd);
    assert_int_equal(http_listen(first.address, "admin", &other, &e), -1);
    assert_int_equal(http_listen("127.0.0.1:0", "admin", &other, &e), 0);
    assert_int_equal(http_listen_beside(other.address, "admin", &all, &same, &e), -1); /* another's */
    close(other.fd);
    close(all.fd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_zero_becomes_a_real_port_on_loopback),
        cmocka_unit_test(all_addresses_is_not_loopback),
        cmocka_unit_test(a_port_in_use_is_told_with_what_to_do),
        cmocka_unit_test(malformed_addresses_are_refused_by_name),
        cmocka_unit_test(an_endless_host_name_is_refused),
        cmocka_unit_test(one_that_is_to_end_gives_way_to_the_next),
        cmocka_unit_test(localhost_is_one_address_and_other_names_are_not_numeric),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
