/* Where the daemon is reached, as the commands read it. */
#include "tests/support/cmocka.h"

#include "pipeline/admin/admin.h"
#include "pipeline/admin/whereabouts.h"
#include "pipeline/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/sluice-whereabouts-XXXXXX", file[64];

static int setup(void **state)
{
    (void)state;
    strcpy(strrchr(dir, '-'), "-XXXXXX");
    snprintf(file, sizeof(file), "%s/admin.address", mkdtemp(dir));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(dir);
}

static void what_is_placed_is_read(void **state)
{
    const struct whereabouts all = {(char *)"[::1]:80", (char *)"/etc/a b.pem", (char *)"/etc/a b.key"};
    struct whereabouts w;
    struct stat st;
    struct err e;

    (void)state;
    assert_false(whereabouts_read(dir, &w));
    assert_int_equal(whereabouts_write(dir, &(struct whereabouts){.listen = (char *)"127.0.0.1:9273"}, &e), 0);
    assert_false(whereabouts_read(dir, &w)); /* not in effect yet */
    assert_int_equal(whereabouts_place(dir, &e), 0);
    assert_true(whereabouts_read(dir, &w));
    assert_string_equal(w.listen, "127.0.0.1:9273");
    assert_null(w.cert_file);
    whereabouts_release(&w);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    assert_int_equal(whereabouts_write(dir, &(struct whereabouts){.listen = (char *)"[::1]:9"}, &e), 0);
    whereabouts_drop(dir);
    assert_int_equal(whereabouts_write(dir, &all, &e), 0);
    assert_int_equal(whereabouts_place(dir, &e), 0);
    assert_true(whereabouts_read(dir, &w));
    assert_string_equal(w.listen, "[::1]:80");
    assert_string_equal(w.cert_file, "/etc/a b.pem");
    assert_string_equal(w.key_file, "/etc/a b.key");
    whereabouts_release(&w);
    whereabouts_remove(dir);
    assert_false(whereabouts_read(dir, &w));
}

static void nonsense_is_none(void **state)
{
    static const char *const texts[] = {"", "listen", "listen ", "\n\n", "cert_file /x\n", "listening 1\n"};
    struct whereabouts w;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        FILE *f = fopen(file, "w");

        assert_non_null(f);
        fputs(texts[i], f);
        fclose(f);
        assert_false(whereabouts_read(dir, &w));
        whereabouts_release(&w);
    }
}

/* What lies in the way is a folder. */
static void one_that_a_killed_daemon_left_goes_where_no_other_can_be_written(void **state)
{
    const struct admin_conf conf = {.listen = "127.0.0.1:0", .data_dir = dir};
    struct admin *a = admin_new(NULL, (struct admin_actions){NULL, 0});
    char way[80];
    struct whereabouts w;
    struct err e;

    (void)state;
    log_set_level(LOG_ERROR);
    snprintf(way, sizeof(way), "%s.new", file);
    assert_int_equal(whereabouts_write(dir, &(struct whereabouts){.listen = (char *)"127.0.0.1:1"}, &e), 0);
    assert_int_equal(whereabouts_place(dir, &e), 0);
    assert_int_equal(mkdir(way, 0700), 0);
    assert_int_equal(admin_prepare(a, &conf, &e), 0);
    assert_false(whereabouts_read(dir, &w));
    admin_drop(a);
    admin_stop(&a);
    assert_int_equal(rmdir(way), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_placed_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_a_killed_daemon_left_goes_where_no_other_can_be_written, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nonsense_is_none, setup, teardown),
    };

    return cmocka_run_group_tests_name("whereabouts", tests, NULL, NULL);
}
