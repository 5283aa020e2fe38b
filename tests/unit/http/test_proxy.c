#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/http/proxy.h"

#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                    "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

static void forget_environment(void)
{
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        unsetenv(NAMES[i]);
}

static void the_option_is_a_word_or_a_url(void **state)
{
    static const char *const GOOD[] = {
        "none",       "environment",          "http://proxy:3128",    "https://u:p@proxy",
        "proxy:3128", "socks5h://[::1]:1080", "http://10.0.0.1:8080/"};
    static const char *const BAD[] = {"",
                                      "nnoe",
                                      "environ",
                                      "ftp://proxy",
                                      "http://",
                                      "http://proxy:99999",
                                      "http://proxy:port",
                                      "http://[::1",
                                      "http://a proxy:1"};
    struct err e;

    (void)state;
    assert_int_equal(proxy_check(NULL, &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        if (proxy_check(GOOD[i], &e) < 0)
            fail_msg("%s is refused: %s", GOOD[i], e.msg);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        if (proxy_check(BAD[i], &e) == 0)
            fail_msg("`%s` is taken", BAD[i]);
}

static void an_option_holds_whatever_the_environment_says(void **state)
{
    struct proxy p;

    (void)state;
    forget_environment();
    setenv("http_proxy", "http://other:1", 1);
    setenv("no_proxy", "*", 1);
    assert_false(proxy_find("none", "http://store", &p));
    assert_true(proxy_find("http://user:pass@proxy:3128", "http://127.0.0.1:1", &p)); /* also for loopback */
    assert_string_equal(p.url, "http://user:pass@proxy:3128");
    assert_string_equal(p.shown, "http://proxy:3128");
    assert_string_equal(p.from, "the option `proxy`");
    assert_false(proxy_find(NULL, "http://store", &p));
    assert_string_equal(p.url, "");
}

static void the_environment_is_read_as_everybody_reads_it(void **state)
{
    static const struct {
        const char *name, *value, *url, *shown, *from;
    } cases[] = {
        {"http_proxy", "http://p:1", "http://store/x", "http://p:1", "http_proxy"},
        {"http_proxy", "p:1", "http://store", "http://p:1", "http_proxy"},
        {"http_proxy", "p", "http://store", "http://p:1080", "http_proxy"},
        {"http_proxy", "http://p:1", "https://store", NULL, NULL},
        {"HTTP_PROXY", "http://p:1", "http://store", NULL, NULL}, /* a client's header, in a CGI script */
        {"https_proxy", "http://u:secret@p:1", "https://store", "http://p:1", "https_proxy"},
        {"HTTPS_PROXY", "http://p:1", "HTTPS://store", "http://p:1", "HTTPS_PROXY"},
        {"https_proxy", "http://p:1", "http://store", NULL, NULL},
        {"all_proxy", "socks5h://[fd00::1]:1080", "https://store", "socks5h://[fd00::1]:1080", "all_proxy"},
        {"ALL_PROXY", "http://p:1", "http://store", "http://p:1", "ALL_PROXY"},
        {"http_proxy", "", "http://store", NULL, NULL},
        {"http_proxy", "http://p:1", "http://127.0.0.1:9000/b", NULL, NULL},
        {"http_proxy", "http://p:1", "http://127.9.9.9", NULL, NULL},
        {"http_proxy", "http://p:1", "http://localhost:9000", NULL, NULL},
        {"http_proxy", "http://p:1", "http://logs.localhost", NULL, NULL},
        {"http_proxy", "http://p:1", "http://[::1]:9000", NULL, NULL},
        {"http_proxy", "http://p:1", "http://128.0.0.1", "http://p:1", "http_proxy"},
        {"http_proxy", "http://p:1", "http://notlocalhost", "http://p:1", "http_proxy"},
    };
    struct proxy p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool want = cases[i].shown != NULL;

        forget_environment();
        setenv(cases[i].name, cases[i].value, 1);
        if (proxy_find(NULL, cases[i].url, &p) != want || proxy_find("environment", cases[i].url, &p) != want)
            fail_msg("%s=%s for %s: %s", cases[i].name, cases[i].value, cases[i].url, want ? "none found" : p.shown);
        if (want) {
            assert_string_equal(p.shown, cases[i].shown);
            assert_string_equal(p.from, cases[i].from);
        }
    }
}

static void no_proxy_names_hosts_domains_addresses_and_networks(void **state)
{
    static const struct {
        const char *list, *url;
        bool excepted;
    } cases[] = {
        {"*", "http://store", true},
        {"store", "http://store:9000/x", true},
        {"store", "http://STORE", true},
        {"store", "http://bookstore", false},
        {"example.org", "http://s3.example.org", true},
        {".example.org", "http://s3.example.org", true},
        {".example.org", "http://example.org", true},
        {"example.org.", "http://example.org", true},
        {"example.org", "http://badexample.org", false},
        {"a, b ,c", "http://b", true},
        {"a,b", "http://c", false},
        {"10.0.0.0/8", "http://10.200.3.4", true},
        {"10.0.0.0/8", "http://11.0.0.1", false},
        {"10.1.2.3", "http://10.1.2.3:80", true},
        {"10.1.2.0/23", "http://10.1.3.9", true},
        {"10.1.2.0/23", "http://10.1.4.9", false},
        {"fd00::/8", "http://[fd12::1]", true},
        {"[fd00::1]", "http://[fd00::1]:9000", true},
        {"10.0.0.0/99", "http://10.0.0.1", false},
        {"", "http://store", false},
        {",,", "http://store", false},
    };
    struct proxy p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        forget_environment();
        setenv("http_proxy", "http://p:1", 1);
        setenv("no_proxy", cases[i].list, 1);
        if (proxy_find(NULL, cases[i].url, &p) == cases[i].excepted)
            fail_msg("no_proxy=%s, %s", cases[i].list, cases[i].url);
    }
    forget_environment();
}

static void people_are_told_of_it_without_its_password(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    assert_int_equal(proxy_describe("none", "http://store", &out), 0);
    assert_string_equal(buf_cstr(&out), "");
    assert_int_equal(proxy_describe("http://user:secret@proxy:3128", "http://store", &out), 0);
    assert_string_equal(buf_cstr(&out), " through proxy http://proxy:3128 (from the option `proxy`)");
    buf_release(&out);
}

static void the_proxy_resolves_names(void **state)
{
    static const struct {
        const char *option, *url, *through;
    } cases[] = {
        {"socks5://u:p@proxy:1", "http://store/x", "socks5h://u:p@proxy:1"},
        {"SOCKS5://proxy:1", "https://store", "socks5h://proxy:1"},
        {"socks4://proxy:1", "http://store", "socks4a://proxy:1"},
        {"socks5://proxy:1", "http://10.0.0.1:80", "socks5://proxy:1"},
        {"socks5://proxy:1", "http://[fd00::1]:80", "socks5://proxy:1"},
        {"socks4://proxy:1", "http://10.0.0.1", "socks4://proxy:1"},
        {"socks5h://proxy:1", "http://10.0.0.1", "socks5h://proxy:1"},
        {"proxy:1", "http://store", "http://proxy:1"},
    };
    struct proxy p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(proxy_find(cases[i].option, cases[i].url, &p));
        assert_string_equal(p.url, cases[i].through);
    }
}

static void what_is_no_proxy_in_the_environment_is_a_mistake(void **state)
{
    static const struct {
        const char *name, *value, *url, *shown; /* NULL: it is fine */
    } cases[] = {
        {"http_proxy", "ftp://proxy", "http://store", "http_proxy: `ftp://proxy`"},
        {"http_proxy", "ftp://proxy", "https://store", NULL},      /* not for this one */
        {"http_proxy", "ftp://proxy", "http://127.0.0.1:1", NULL}, /* no proxy is looked for */
        {"http_proxy", "http://proxy:port", "http://store", "`http://proxy:port`"},
        {"https_proxy", "http://user:secret@proxy:x", "https://store", "https_proxy: `http://proxy:x`"},
        {"https_proxy", "http://user:sec/ret@proxy", "https://store", "https_proxy: `http://proxy`"},
        {"http_proxy", "http://u:secret@pro|xy", "http://store", "http_proxy: `http://pro|xy`"},
        {"http_proxy", "http://u:sec@ret@proxy", "http://store", "http_proxy: `http://proxy`"},
        {"http_proxy", "http://u:sec ret@proxy", "http://store", "http_proxy: `http://proxy`"},
        {"http_proxy", "http://u:sec%00ret@proxy", "http://store", "http_proxy: `http://proxy`"},
        {"http_proxy", "http://u:sec%40ret@proxy", "http://store", NULL},
        {"http_proxy", "http://u:secret@[zz]", "http://store", "http_proxy: `http://[zz]`"},
        {"http_proxy", "http://u:secret@[1]:3128", "http://store", "http_proxy: `http://[1]:3128`"},
        {"http_proxy", "http://u:secret@a%00b", "http://store", "http_proxy: `http://a%00b`"},
        {"http_proxy", "http://u:secret@[fe80::1%eth0]:1", "http://store", NULL},
        {"http_proxy", "http://u:secret@pro\txy", "http://store", "http_proxy: `http://pro"},
        {"all_proxy", "a b", "https://store", "all_proxy: `a b`"},
        {"ALL_PROXY", "://", "http://store", "ALL_PROXY"},
        {"http_proxy", "", "http://store", NULL},
        {"http_proxy", "socks5://p", "http://store", NULL},
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool good;

        forget_environment();
        setenv(cases[i].name, cases[i].value, 1);
        assert_int_equal(proxy_check_found("none", cases[i].url, &e), 0);
        good = proxy_check_found(NULL, cases[i].url, &e) == 0;
        if (good != !cases[i].shown)
            fail_msg("%s=%s for %s", cases[i].name, cases[i].value, cases[i].url);
        if (!good && (!strstr(e.msg, cases[i].shown) || strstr(e.msg, "sec")))
            fail_msg("%s", e.msg);
    }
    forget_environment();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_option_is_a_word_or_a_url),
        cmocka_unit_test(an_option_holds_whatever_the_environment_says),
        cmocka_unit_test(the_environment_is_read_as_everybody_reads_it),
        cmocka_unit_test(no_proxy_names_hosts_domains_addresses_and_networks),
        cmocka_unit_test(people_are_told_of_it_without_its_password),
        cmocka_unit_test(the_proxy_resolves_names),
        cmocka_unit_test(what_is_no_proxy_in_the_environment_is_a_mistake),
    };

    return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
