/* The files of the block `tls:`: what is wrong with them is told with option and path, and they are read again when they change. */
#include "tests/support/cmocka.h"
#include "tests/unit/http/made_certificate.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/message.h"
#include "pipeline/http/tls.h"
#include "pipeline/http/tls_files.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/sluice-tls-XXXXXX";
static const char *const FILES[] = {"ca.pem",    "ca.key", "cert.pem", "cert.key", "other.pem",
                                    "other.key", "next",   "pipe",     "text"};

static const char *path(const char *name)
{
    static char text[4][64];
    static unsigned next;

    next = (next + 1) % ARRAY_LEN(text);
    snprintf(text[next], sizeof(text[next]), "%s/%s", dir, name);
    return text[next];
}

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    setenv("SSL_CERT_FILE", path("other.pem"), 1);
    setenv("SSL_CERT_DIR", dir, 1);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(dir);
}

static int clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++)
        unlink(path(FILES[i]));
    return 0;
}

static int make_files(void **state)
{
    FILE *f;

    clean(state);
    make_certificate(path("ca.pem"), path("ca.key"), "authority", NULL);
    make_certificate(path("cert.pem"), path("cert.key"), "us", "secret");
    make_certificate(path("other.pem"), path("other.key"), "others", NULL);
    assert_int_equal(mkfifo(path("pipe"), 0600), 0);
    f = fopen(path("text"), "w");
    fputs("no PEM", f);
    fclose(f);
    return 0;
}

static struct tls_options *options(const char *ca, const char *cert, const char *key, const char *password)
{
    const struct tls_conf conf = {.verify = true,
                                  .ca_file = (char *)(uintptr_t)ca,
                                  .cert_file = (char *)(uintptr_t)cert,
                                  .key_file = (char *)(uintptr_t)key,
                                  .key_password = (char *)(uintptr_t)password};

    return tls_options_new(&conf, dir);
}

static struct http_request request(const char *url)
{
    return (struct http_request){.url = mem_strdup(url)};
}

/* Until the files are read. */
static int polled(struct tls_options *t, nsec now, struct http_request *rq, struct err *e)
{
    int rc;

    while ((rc = tls_options_poll(t, now, rq, e)) == TLS_NOT_YET)
        usleep(1000);
    return rc;
}

#define T (1000 * NSEC_PER_SEC)

static void without_files_the_system_s_authorities_serve(void **state)
{
    struct tls_options *t = options(NULL, NULL, NULL, NULL);
    struct http_request rq = request("https://store"), same = request("https://store");
    struct err e = {.msg = ""};

    (void)state;
    assert_int_equal(polled(t, T, &rq, &e), 0);
    assert_non_null(rq.tls);
    assert_false(rq.tls->insecure);
    assert_null(rq.tls->authorities);
    assert_non_null(rq.system);
    assert_int_equal(tls_options_get(t, &same, &e), 0);
    assert_ptr_equal(same.system, rq.system);
    http_request_release(&rq);
    http_request_release(&same);
    tls_options_free(&t);
}

/* Destination, proxy, options: whose authorities are needed. */
static void authorities_are_read_for_those_who_are_verified_by_them(void **state)
{
    static const struct {
        const char *url, *proxy, *ca;
        bool verify, tls, own, system;
    } cases[] = {
        {"http://store", "none", NULL, true, false, false, false},
        {"http://store", "http://proxy", "ca.pem", true, false, false, false},
        {"http://store", "HTTPS://proxy", "ca.pem", true, false, false, true},
        {"https://store", "none", NULL, true, true, false, true},
        {"https://store", "none", NULL, false, true, false, false},
        {"https://store", "none", "ca.pem", true, true, true, false},
        {"https://store", "https://proxy", "ca.pem", true, true, true, true},
        {"https://store", "https://proxy", NULL, false, true, false, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct tls_conf conf = {.verify = cases[i].verify, .ca_file = (char *)(uintptr_t)cases[i].ca};
        struct tls_options *t = tls_options_new(&conf, dir);
        struct http_request waited = request(cases[i].url), rq = request(cases[i].url);
        struct err e = {.msg = ""};

        waited.proxy = rq.proxy = cases[i].proxy;
        assert_int_equal(polled(t, T, &rq, &e), 0);
        assert_int_equal(rq.tls != NULL, cases[i].tls);
        assert_int_equal(rq.tls && rq.tls->authorities, cases[i].own);
        assert_int_equal(rq.system != NULL, cases[i].system);
        assert_int_equal(tls_options_get(t, &waited, &e), 0);
        assert_ptr_equal(waited.tls, rq.tls);
        assert_ptr_equal(waited.system, rq.system);
        http_request_release(&waited);
        http_request_release(&rq);
        tls_options_free(&t);
    }
}

static void a_request_without_tls_does_not_need_them(void **state)
{
    struct tls_options *t = options("no-such.pem", NULL, NULL, NULL);
    struct http_request rq = request("http://store");
    struct err e;

    (void)state;
    assert_int_equal(tls_options_poll(t, T, &rq, &e), 0);
    assert_int_equal(tls_options_get(t, &rq, &e), 0);
    assert_null(rq.tls);
    http_request_release(&rq);
    tls_options_free(&t);
}

static void who_trusts_anybody_needs_no_authorities(void **state)
{
    const struct tls_conf conf = {.ca_file = (char *)(uintptr_t) "no-such.pem"};
    struct tls_options *t = tls_options_new(&conf, dir);
    struct http_request rq = request("https://store");
    struct err e;

    (void)state;
    assert_int_equal(polled(t, T, &rq, &e), 0);
    assert_true(rq.tls->insecure);
    http_request_release(&rq);
    tls_options_free(&t);
}

static void mistakes_name_option_and_file(void **state)
{
    static const struct {
        const char *ca, *cert, *key, *password, *option, *file, *what;
    } cases[] = {
        {"no-such.pem", NULL, NULL, NULL, "tls.ca_file: ", "/no-such.pem`", "No such file"},
        {"pipe", NULL, NULL, NULL, "tls.ca_file: ", "/pipe`", "is not a file"},
        {".", NULL, NULL, NULL, "tls.ca_file: ", "/.`", "is not a file"},
        {"text", NULL, NULL, NULL, "tls.ca_file: ", "/text`", "no certificate in it"},
        {"ca.key", NULL, NULL, NULL, "tls.ca_file: ", "/ca.key`", "no certificate in it"},
        {"ca.pem", "no-such.pem", "cert.key", NULL, "tls.cert_file: ", "/no-such.pem`", "No such file"},
        {"ca.pem", "text", "cert.key", "secret", "tls.cert_file: ", "/text`", "no certificate in it"},
        {"ca.pem", "cert.pem", "pipe", "secret", "tls.key_file: ", "/pipe`", "is not a file"},
        {NULL, "cert.pem", "text", "secret", "tls.key_file: ", "/text`", "no key in it that key_password opens"},
        {NULL, "cert.pem", "cert.key", "wrong", "tls.key_file: ", "/cert.key`", "no key in it that key_password opens"},
        {NULL, "cert.pem", "cert.key", NULL, "tls.key_file: ", "/cert.key`", "without a password"},
        {NULL, "cert.pem", "other.key", NULL, "tls.key_file: ", "/other.key`", "not the key of the certificate"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_options *t = options(cases[i].ca, cases[i].cert, cases[i].key, cases[i].password);
        struct http_request rq = request("https://store");
        struct err polled_e = {.msg = ""}, e = {.msg = ""};

        assert_int_equal(polled(t, T, &rq, &polled_e), -1);
        assert_int_equal(tls_options_get(t, &rq, &e), -1);
        assert_string_equal(polled_e.msg, e.msg);
        if (strncmp(e.msg, cases[i].option, strlen(cases[i].option)) != 0 || !strstr(e.msg, cases[i].file) ||
            !strstr(e.msg, cases[i].what) || strstr(e.msg, "secret"))
            fail_msg("`%s`, want `%s`, `%s`, `%s`", e.msg, cases[i].option, cases[i].file, cases[i].what);
        assert_null(rq.tls);
        http_request_release(&rq);
        tls_options_free(&t);
    }
}

static void what_changes_is_read_again_and_requests_keep_theirs(void **state)
{
    struct tls_options *t = options("ca.pem", "cert.pem", "cert.key", "secret");
    struct http_request one = request("HTTPS://store"), same = request("https://store"), two = request("https://store"),
                        three = request("https://store");
    struct err e = {.msg = ""};

    (void)state;
    assert_int_equal(polled(t, T, &one, &e), 0);
    assert_non_null(one.tls->authorities);
    assert_true(one.tls->text[TLS_CERT_FILE].n > 0 && one.tls->text[TLS_KEY_FILE].n > 0);
    assert_string_equal(one.tls->key_password, "secret");
    assert_int_equal(polled(t, T + 10 * NSEC_PER_SEC, &same, &e), 0);
    assert_ptr_equal(same.tls, one.tls);

    assert_int_equal(rename(path("other.pem"), path("ca.pem")), 0);
    assert_int_equal(polled(t, T + 10 * NSEC_PER_SEC, &two, &e), 0);
    assert_ptr_equal(two.tls, one.tls); /* believed for a second */
    http_request_release(&two);
    two = request("https://store");
    assert_int_equal(polled(t, T + 20 * NSEC_PER_SEC, &two, &e), 0);
    assert_ptr_not_equal(two.tls, one.tls);
    assert_false(slice_eq(authorities_mark(two.tls->authorities), authorities_mark(one.tls->authorities)));

    unlink(path("ca.pem"));
    assert_int_equal(polled(t, T + 30 * NSEC_PER_SEC, &three, &e), -1);
    assert_non_null(strstr(e.msg, "No such file"));
    assert_int_equal(rename(path("cert.pem"), path("ca.pem")), 0);
    assert_int_equal(link(path("ca.pem"), path("cert.pem")), 0);
    assert_int_equal(polled(t, T + 40 * NSEC_PER_SEC, &three, &e), 0);
    tls_options_free(&t);
    assert_non_null(one.tls->authorities); /* the owner is gone */
    http_request_release(&one);
    http_request_release(&same);
    http_request_release(&two);
    http_request_release(&three);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_files, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_files_the_system_s_authorities_serve),
        TEST(authorities_are_read_for_those_who_are_verified_by_them),
        TEST(a_request_without_tls_does_not_need_them),
        TEST(who_trusts_anybody_needs_no_authorities),
        TEST(mistakes_name_option_and_file),
        TEST(what_changes_is_read_again_and_requests_keep_theirs),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
