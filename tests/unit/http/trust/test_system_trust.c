/* The system's certificate authorities: where they are looked for, what a place that is missing or broken means, what is known while
 * they cannot be read again. */
#include "tests/support/cmocka.h"
#include "tests/unit/http/made_certificate.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/http/trust/system_trust.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/sluice-trust-XXXXXX";
static const char *const FILES[] = {"bundle",
                                    "other",
                                    "text",
                                    "pipe",
                                    "hashed/0123abcd.0",
                                    "hashed/89abcdef.12",
                                    "hashed/ffffffff.0",
                                    "hashed/readme.pem",
                                    "kept"};

static const char *path(const char *name)
{
    static char text[4][96];
    static unsigned next;

    next = (next + 1) % ARRAY_LEN(text);
    snprintf(text[next], sizeof(text[next]), "%s/%s", dir, name);
    return text[next];
}

static void put_text(const char *to, const char *text)
{
    FILE *f = fopen(to, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
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
    clean(state);
    make_certificate(path("bundle"), path("kept"), "one", NULL);
    make_certificate(path("other"), path("kept"), "another", NULL);
    make_certificate(path("hashed/0123abcd.0"), path("kept"), "in the folder", NULL);
    make_certificate(path("hashed/89abcdef.12"), path("kept"), "in the folder as well", NULL);
    make_certificate(path("hashed/readme.pem"), path("kept"), "not by hash", NULL);
    put_text(path("hashed/ffffffff.0"), "nothing");
    put_text(path("text"), "no PEM");
    unlink(path("kept"));
    assert_int_equal(mkfifo(path("pipe"), 0600), 0);
    return 0;
}

static int make_folders(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    return mkdir(path("hashed"), 0700) < 0 || mkdir(path("empty"), 0700) < 0 ? -1 : 0;
}

static int remove_folders(void **state)
{
    (void)state;
    return rmdir(path("hashed")) < 0 || rmdir(path("empty")) < 0 || rmdir(dir) < 0 ? -1 : 0;
}

static struct system_trust *trust(const char *file, bool named, const char *folders, bool folders_named)
{
    const struct trust_places places = {
        .file = file, .file_named = named, .folders = folders, .folders_named = folders_named};

    return system_trust_new(&places);
}

static int polled(struct system_trust *t, nsec now, struct authorities **a, struct err *e)
{
    int rc;

    while ((rc = system_trust_poll(t, now, a, e)) == SYSTEM_TRUST_NOT_YET)
        usleep(1000);
    return rc;
}

#define T (1000 * NSEC_PER_SEC)

/* The same authorities have the same mark: it tells which they are. */
static void assert_same_as(const struct authorities *a, const char *const *files)
{
    struct authorities *want = authorities_new();
    struct err e;

    for (; *files; files++) {
        struct buf text;
        FILE *f = fopen(path(*files), "r");

        assert_non_null(f);
        buf_init(&text, 64 * KIB);
        assert_int_equal(buf_reserve(&text, 16 * KIB), 0);
        text.n = fread(text.p, 1, 16 * KIB, f);
        fclose(f);
        assert_int_equal(authorities_add(want, buf_slice(&text), &e), 0);
        buf_release(&text);
    }
    assert_int_equal(authorities_end(want, &e), 0);
    assert_true(slice_eq(authorities_mark(want), authorities_mark(a)));
    authorities_leave(want);
}

static void what_is_in_either_place_is_trusted(void **state)
{
    static const struct {
        const char *file, *folder;
        const char *const trusted[5];
    } cases[] = {
        {"bundle", "hashed", {"hashed/89abcdef.12", "hashed/0123abcd.0", "bundle"}},
        {"bundle", "empty", {"bundle"}},
        {"bundle", "no-such", {"bundle"}},
        {"bundle", NULL, {"bundle", "bundle"}},
        {"no-such", "hashed", {"hashed/0123abcd.0", "hashed/89abcdef.12"}},
        {NULL, "hashed", {"hashed/0123abcd.0", "hashed/89abcdef.12"}},
        {"hashed/0123abcd.0", "hashed", {"hashed/0123abcd.0", "hashed/89abcdef.12"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct system_trust *t = trust(cases[i].file ? path(cases[i].file) : NULL, false,
                                       cases[i].folder ? path(cases[i].folder) : NULL, i % 2);
        struct authorities *a, *same;
        struct err e = {.msg = ""};

        assert_int_equal(polled(t, T, &a, &e), 0);
        assert_same_as(a, cases[i].trusted);
        assert_int_equal(system_trust_get(t, &same, &e), 0);
        assert_ptr_equal(a, same);
        system_trust_leave(&t);
        assert_same_as(a, cases[i].trusted);
        authorities_leave(a);
        authorities_leave(same);
    }
}

static void folders_may_be_several(void **state)
{
    char folders[256];
    static const char *const trusted[] = {"hashed/0123abcd.0", "hashed/89abcdef.12", NULL};
    struct system_trust *t;
    struct authorities *a;
    struct err e = {.msg = ""};

    (void)state;
    snprintf(folders, sizeof(folders), ":%s::%s:%s:", path("empty"), path("hashed"), path("no-such"));
    t = trust(NULL, false, folders, true);
    assert_int_equal(polled(t, T, &a, &e), 0);
    assert_same_as(a, trusted);
    authorities_leave(a);
    system_trust_leave(&t);
}

static void what_is_missing_is_named(void **state)
{
    static const struct {
        const char *file, *folder;
        bool named;
        const char *begins, *says, *also;
    } cases[] = {
        {"no-such", "hashed", true, "SSL_CERT_FILE: ", "/no-such`", "No such file"},
        {"pipe", "hashed", true, "SSL_CERT_FILE: ", "/pipe`", "is not a file"},
        {"text", "hashed", true, "SSL_CERT_FILE: ", "/text`", "no certificate in it"},
        {"text", "hashed", false, "the system's certificate authorities: ", "/text`", "no certificate in it"},
        {"empty", "hashed", false, "the system's certificate authorities: ", "/empty`", "is not a file"},
        {"no-such", "empty", false, "this system has no certificate authorities", "/empty`", "/no-such`"},
        {"no-such", NULL, false, "this system has no certificate authorities", "install ca-certificates",
         "tls.ca_file"},
        {NULL, "no-such", false, "this system has no certificate authorities", "the folder `", "/no-such`"},
        {NULL, NULL, false, "this system has no certificate authorities", "looked for: nothing", "tls.ca_file"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct system_trust *t = trust(cases[i].file ? path(cases[i].file) : NULL, cases[i].named,
                                       cases[i].folder ? path(cases[i].folder) : NULL, false);
        struct authorities *a = NULL;
        struct err e = {.msg = ""}, waited = {.msg = ""};

        assert_int_equal(polled(t, T, &a, &e), -1);
        assert_int_equal(system_trust_get(t, &a, &waited), -1);
        assert_null(a);
        assert_string_equal(e.msg, waited.msg);
        if (strncmp(e.msg, cases[i].begins, strlen(cases[i].begins)) != 0 || !strstr(e.msg, cases[i].says) ||
            !strstr(e.msg, cases[i].also))
            fail_msg("`%s`, want `%s`, `%s`, `%s`", e.msg, cases[i].begins, cases[i].says, cases[i].also);
        system_trust_leave(&t);
    }
}

static void they_are_read_again_when_they_change(void **state)
{
    static const char *const first[] = {"kept", NULL}, *const second[] = {"bundle", NULL};
    struct system_trust *t = trust(path("bundle"), true, NULL, false);
    struct authorities *one, *same, *two;
    struct err e = {.msg = ""};

    (void)state;
    assert_int_equal(polled(t, T, &one, &e), 0);
    assert_int_equal(link(path("bundle"), path("kept")), 0);
    assert_int_equal(rename(path("other"), path("bundle")), 0);
    assert_int_equal(polled(t, T, &same, &e), 0); /* believed for a while */
    assert_ptr_equal(same, one);
    assert_int_equal(polled(t, T + 2 * ASIDE_BELIEVED, &two, &e), 0);
    assert_same_as(one, first);
    assert_same_as(two, second);
    authorities_leave(one);
    authorities_leave(same);
    authorities_leave(two);
    system_trust_leave(&t);
}

static void what_was_known_serves_while_they_cannot_be_read(void **state)
{
    struct system_trust *t = trust(path("bundle"), true, NULL, false);
    struct authorities *one, *then;
    struct err e = {.msg = ""};
    nsec now = T;

    (void)state;
    assert_int_equal(polled(t, now, &one, &e), 0);
    assert_int_equal(rename(path("bundle"), path("kept")), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(polled(t, now += 2 * ASIDE_BELIEVED, &then, &e), 0);
        assert_ptr_equal(then, one);
        authorities_leave(then);
    }
    assert_int_equal(rename(path("text"), path("bundle")), 0);
    assert_int_equal(system_trust_get(t, &then, &e), 0);
    assert_ptr_equal(then, one);
    authorities_leave(then);
    assert_int_equal(rename(path("other"), path("bundle")), 0);
    assert_int_equal(polled(t, now += 2 * ASIDE_BELIEVED, &then, &e), 0);
    assert_ptr_not_equal(then, one);
    authorities_leave(then);
    authorities_leave(one);
    system_trust_leave(&t);
}

static void the_process_has_one(void **state)
{
    static const char *const trusted[] = {"bundle", NULL}, *const later[] = {"other", NULL};
    struct system_trust *t, *again;
    struct authorities *a;
    struct err e = {.msg = ""};

    (void)state;
    setenv("SSL_CERT_FILE", path("bundle"), 1);
    setenv("SSL_CERT_DIR", path("empty"), 1);
    t = system_trust_keep();
    setenv("SSL_CERT_FILE", path("other"), 1);
    again = system_trust_keep();
    assert_ptr_equal(t, again);
    system_trust_leave(&t);
    assert_int_equal(polled(again, T, &a, &e), 0);
    assert_same_as(a, trusted);
    authorities_leave(a);
    system_trust_leave(&again);
    t = system_trust_keep();
    assert_int_equal(system_trust_get(t, &a, &e), 0);
    assert_same_as(a, later);
    authorities_leave(a);
    system_trust_leave(&t);
}

/* What is not set is as libcurl has it. */
static void the_environment_comes_first(void **state)
{
    struct trust_places p;

    (void)state;
    setenv("SSL_CERT_FILE", "/f", 1);
    setenv("SSL_CERT_DIR", "/a:/b", 1);
    p = trust_places_of_process();
    assert_string_equal(p.file, "/f");
    assert_string_equal(p.folders, "/a:/b");
    assert_true(p.file_named && p.folders_named);
    setenv("SSL_CERT_FILE", "", 1);
    unsetenv("SSL_CERT_DIR");
    p = trust_places_of_process();
    assert_false(p.file_named || p.folders_named);
    assert_true(p.file || p.folders);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_files, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_in_either_place_is_trusted),
        TEST(folders_may_be_several),
        TEST(what_is_missing_is_named),
        TEST(they_are_read_again_when_they_change),
        TEST(what_was_known_serves_while_they_cannot_be_read),
        TEST(the_process_has_one),
        TEST(the_environment_comes_first),
    };

    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
