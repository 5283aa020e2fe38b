/* Which heads of requests are clear about their end, and which are meant for us. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/http/server/guard.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEADERS_MAX 4

struct head {
    const char *what, *version; /* NULL: HTTP/1.1 */
    struct {
        const char *name, *value;
    } h[HEADERS_MAX];
    bool good;
};

static struct http_guard read_head(const struct head *c)
{
    struct http_guard g = {0};

    for (size_t i = 0; i < HEADERS_MAX && c->h[i].name; i++)
        http_guard_header(&g, c->h[i].name, c->h[i].value);
    return g;
}

#define HOST                                                                                                           \
    {                                                                                                                  \
        "Host", "127.0.0.1"                                                                                            \
    }

static void the_end_of_a_request_must_be_clear(void **state)
{
    static const struct head CASES[] = {
        {"no body", NULL, {HOST}, true},
        {"a length", NULL, {HOST, {"Content-Length", "5"}}, true},
        {"length zero", NULL, {HOST, {"content-length", "0"}}, true},
        {"chunked", NULL, {HOST, {"Transfer-Encoding", "chunked"}}, true},
        {"Chunked", NULL, {HOST, {"TRANSFER-ENCODING", "Chunked"}}, true},
        {"both", NULL, {HOST, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}}, false},
        {"both, the other way round", NULL, {HOST, {"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}, false},
        {"two lengths", NULL, {HOST, {"Content-Length", "5"}, {"Content-Length", "6"}}, false},
        {"the same length twice", NULL, {HOST, {"Content-Length", "5"}, {"Content-Length", "5"}}, false},
        {"a list of lengths", NULL, {HOST, {"Content-Length", "5, 5"}}, false},
        {"no length", NULL, {HOST, {"Content-Length", ""}}, false},
        {"a sign", NULL, {HOST, {"Content-Length", "+5"}}, false},
        {"less than nothing", NULL, {HOST, {"Content-Length", "-5"}}, false},
        {"hex", NULL, {HOST, {"Content-Length", "0x5"}}, false},
        {"a space behind", NULL, {HOST, {"Content-Length", "5 "}}, false},
        {"more than there can be", NULL, {HOST, {"Content-Length", "18446744073709551621"}}, false},
        {"chunked, then identity", NULL, {HOST, {"Transfer-Encoding", "chunked, identity"}}, false},
        {"in two lines", NULL, {HOST, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "identity"}}, false},
        {"chunked twice", NULL, {HOST, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}, false},
        {"identity", NULL, {HOST, {"Transfer-Encoding", "identity"}}, false},
        {"gzip", NULL, {HOST, {"Transfer-Encoding", "gzip, chunked"}}, false},
        {"xchunked", NULL, {HOST, {"Transfer-Encoding", "xchunked"}}, false},
        {"no coding", NULL, {HOST, {"Transfer-Encoding", ""}}, false},
        {"a control before it", NULL, {HOST, {"Transfer-Encoding", "\vchunked"}}, false},
        {"a space before the colon", NULL, {HOST, {"Content-Length ", "5"}}, false},
        {"a tab before the colon", NULL, {HOST, {"Transfer-Encoding\t", "chunked"}}, false},
        {"a space before another colon", NULL, {HOST, {"X-Y ", "5"}}, false},
        {"a length on two lines", NULL, {HOST, {"Content-Length0", "1"}}, false},
        {"a coding on two lines", NULL, {HOST, {"Transfer-Encodingchunked", ""}}, false},
        {"no name", NULL, {HOST, {"", "x"}}, false},
        {"a bare CR", NULL, {HOST, {"X", "b\rContent-Length: 5"}}, false},
        {"a tab inside", NULL, {HOST, {"X", "a\tb"}}, true},
        {"bytes over 127", NULL, {HOST, {"X", "\xc3\xa4"}}, true},
        {"no host", NULL, {{"Content-Length", "5"}}, false},
        {"two hosts", NULL, {HOST, HOST}, false},
        {"an empty host", NULL, {{"Host", ""}}, false},
        {"two hosts in one", NULL, {{"Host", "a, b"}}, false},
        {"somebody at a host", NULL, {{"Host", "a@b"}}, false},
        {"HTTP/1.0 without a host", "HTTP/1.0", {{"X", "y"}}, true},
        {"HTTP/1.0 with two", "HTTP/1.0", {HOST, HOST}, false},
        {"HTTP/1.0 chunked", "HTTP/1.0", {HOST, {"Transfer-Encoding", "chunked"}}, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http_guard g = read_head(&CASES[i]);
        const char *why = NULL;

        if (http_guard_framing(&g, CASES[i].version ? CASES[i].version : "HTTP/1.1", &why) != CASES[i].good)
            fail_msg("%s: %s", CASES[i].what, why ? why : "taken");
        assert_true(CASES[i].good == !why);
    }
}

static bool answers(const struct http_names *n, const char *host)
{
    struct http_guard g = {0};
    const char *why = NULL;

    http_guard_header(&g, "Host", host);
    return http_guard_names(&g, "POST", n, &why);
}

static void a_server_on_loopback_answers_to_localhost_and_loopback_addresses(void **state)
{
    static const struct {
        const char *host;
        bool ours;
    } CASES[] = {
        {"localhost", true},
        {"LocalHost:4573", true},
        {"localhost.", true},
        {"app.localhost:80", true},
        {"127.0.0.1", true},
        {"127.0.0.1:4573", true},
        {"127.0.0.1:", true},
        {"127.0.0.1:evil.example", false},
        {"[::1]:80.evil.example", false},
        {"127.8.9.1", true},
        {"[::1]", true},
        {"[::1]:4573", true},
        {"[::ffff:127.0.0.1]", true},
        {"evil.example", false},
        {"evil.example:4573", false},
        {"localhost.evil.example", false},
        {"127.0.0.1.evil.example", false},
        {"notlocalhost", false},
        {".localhost", false},
        {"10.0.0.1", false},
        {"0.0.0.0:4573", false},
        {"[::]", false},
        {"[::1", false},
        {"[::1]x", false},
        {"::1", false},
        {":4573", false},
        {"sluice", false},
        {"[127.0.0.1]", false},
        {"127.1", false},
    };
    struct http_names n;

    (void)state;
    http_names_init(&n, "127.0.0.1", true, NULL);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (answers(&n, CASES[i].host) != CASES[i].ours)
            fail_msg("%s", CASES[i].host);
}

static void a_server_for_others_answers_to_addresses_short_names_and_its_own(void **state)
{
    static const struct {
        const char *host;
        bool ours;
    } CASES[] = {
        {"localhost:9273", true},
        {"10.1.2.3:9273", true},
        {"[fe80::1]:9273", true},
        {"sluice:9273", true},
        {"logs.corp.example", true},
        {"evil.example", false},
        {"sluice.evil.example:9273", false},
        {"evil.", true},
    };
    struct http_names n;

    (void)state;
    http_names_init(&n, "0.0.0.0", false, NULL);
    snprintf(n.machine, sizeof(n.machine), "logs.corp.example");
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (answers(&n, CASES[i].host) != CASES[i].ours)
            fail_msg("%s", CASES[i].host);
}

static void names_can_be_configured_one_by_one_or_any(void **state)
{
    char docker[] = "host.docker.internal", address[] = "10.0.0.9", star[] = "*";
    char *one[] = {docker, address}, *any[] = {star};
    struct cfg_strings some = {one, 2}, all = {any, 1};
    struct http_names n;

    (void)state;
    http_names_init(&n, "127.0.0.1", true, &some);
    assert_true(answers(&n, "Host.Docker.Internal:4573"));
    assert_true(answers(&n, "10.0.0.9"));
    assert_false(answers(&n, "docker.internal"));
    http_names_init(&n, "127.0.0.1", true, &all);
    assert_true(answers(&n, "evil.example"));
    http_names_init(&n, "logs.corp.example", false, NULL);
    assert_true(answers(&n, "logs.corp.example:9273"));
}

static void pages_of_other_sites_may_not_ask(void **state)
{
    static const struct {
        const char *what, *method, *origin, *site, *mode;
        bool good;
    } CASES[] = {
        {"no browser", "POST", NULL, NULL, NULL, true},
        {"its own page", "POST", "http://127.0.0.1:4573", "same-origin", "cors", true},
        {"behind a TLS proxy", "GET", "https://127.0.0.1:4573", NULL, NULL, true},
        {"another port", "POST", "http://127.0.0.1:8000", NULL, NULL, false},
        {"another site", "POST", "https://evil.example", NULL, NULL, false},
        {"a sandboxed frame", "POST", "null", NULL, NULL, false},
        {"an empty origin", "POST", "", NULL, NULL, false},
        {"a script of another site", "GET", NULL, "cross-site", "no-cors", false},
        {"another port of this host", "GET", NULL, "same-site", "cors", false},
        {"typed in by hand", "GET", NULL, "none", "navigate", true},
        {"a link on another page", "GET", NULL, "cross-site", "navigate", true},
        {"a form on another page", "POST", NULL, "cross-site", "navigate", false},
    };
    struct http_names n;

    (void)state;
    http_names_init(&n, "127.0.0.1", true, NULL);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http_guard g = {0};
        const char *why = NULL;

        http_guard_header(&g, "Host", "127.0.0.1:4573");
        if (CASES[i].origin)
            http_guard_header(&g, "Origin", CASES[i].origin);
        if (CASES[i].site)
            http_guard_header(&g, "Sec-Fetch-Site", CASES[i].site);
        if (CASES[i].mode)
            http_guard_header(&g, "Sec-Fetch-Mode", CASES[i].mode);
        if (http_guard_names(&g, CASES[i].method, &n, &why) != CASES[i].good)
            fail_msg("%s", CASES[i].what);
    }
}

/* `~` stands for NUL; the library gives name and value as pointers into it, the first line ends at `HTTP/1.1`. */
struct lines {
    const char *what, *head;
    bool good;
};

static bool follow(const struct lines *c)
{
    static const char VERSION[] = "HTTP/1.1";
    char head[128];
    size_t n = strlen(c->head);
    struct http_guard g = {0};
    const char *why, *p = head + sizeof(VERSION) + 1;

    memcpy(head, c->head, n + 1);
    for (char *t = head; t < head + n; t++)
        if (*t == '~')
            *t = '\0';
    http_guard_lines(&g, head, head + n);
    while (p < head + n && *p) {
        const char *value = p + strlen(p) + 1;

        value += strspn(value, " \t");
        http_guard_header(&g, p, value);
        for (p = value + strlen(value); p < head + n && !*p && p < value + strlen(value) + 2;)
            p++;
    }
    return http_guard_framing(&g, VERSION, &why);
}

/* RFC 9110, 5.6.2, byte by byte, alone and behind a letter. */
static void a_name_has_the_characters_of_a_token(void **state)
{
    static const char TOKEN[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    (void)state;
    for (int c = 1; c < 256; c++)
        for (int before = 0; before < 2; before++) {
            char name[] = {before ? 'x' : (char)c, before ? (char)c : '\0', '\0'};
            struct http_guard g = {0};

            http_guard_header(&g, name, "");
            if (!g.broken != !!strchr(TOKEN, c))
                fail_msg("byte %d", c);
        }
}

static void no_byte_of_the_head_is_passed_over(void **state)
{
    static const struct lines CASES[] = {
        {"one header", "HTTP/1.1~~Host~ a~~~~", true},
        {"two", "HTTP/1.1~~Host~ a~~X~ y~~~~", true},
        {"no space, and an empty value", "HTTP/1.1~~Host~a~~X~~~~~", true},
        {"a first line with LF alone", "HTTP/1.1~Host~ a~~~~", false},
        {"a line without a name", "HTTP/1.1~~Host~ a~~~ x~~", false},
        {"a lone colon", "HTTP/1.1~~Host~ a~~~~~", false},
        {"a NUL in a value", "HTTP/1.1~~Host~ a~~X~ y~z~~~~", false},
        {"LF alone", "HTTP/1.1~~Host~ a~X~ y~~~~", false},
        {"LF alone at the end", "HTTP/1.1~~Host~ a~~~", false},
        {"nothing behind the last line", "HTTP/1.1~~Host~ a~~", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (follow(&CASES[i]) != CASES[i].good)
            fail_msg("%s", CASES[i].what);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_a_request_must_be_clear),
        cmocka_unit_test(a_name_has_the_characters_of_a_token),
        cmocka_unit_test(no_byte_of_the_head_is_passed_over),
        cmocka_unit_test(a_server_on_loopback_answers_to_localhost_and_loopback_addresses),
        cmocka_unit_test(a_server_for_others_answers_to_addresses_short_names_and_its_own),
        cmocka_unit_test(names_can_be_configured_one_by_one_or_any),
        cmocka_unit_test(pages_of_other_sites_may_not_ask),
    };

    return cmocka_run_group_tests_name("http_guard", tests, NULL, NULL);
}
