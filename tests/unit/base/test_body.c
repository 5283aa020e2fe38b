#include "tests/support/cmocka.h"

#include "pipeline/base/body.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MEMORY_MAX 1000

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test-body-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir); /* fails when a file was left */
}

static size_t names_in(const char *path)
{
    DIR *d = opendir(path);
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static char pattern(size_t i)
{
    return (char)(i * 31 + i / 251);
}

static void add_pattern(struct body *b, size_t n)
{
    char piece[5000];
    struct err e;

    assert_true(n <= sizeof(piece));
    for (size_t i = 0; i < n; i++)
        piece[i] = pattern((size_t)body_size(b) + i);
    assert_int_equal(body_add(b, slice_of(piece, n), &e), 0);
}

/* Reads all of it in steps of `step` and compares. */
static void body_check(const struct body *b, size_t step)
{
    char piece[5000];
    uint64_t at = 0;
    struct err e;
    long n;

    while ((n = body_read(b, at, piece, step, &e)) > 0) {
        for (long i = 0; i < n; i++)
            assert_int_equal(piece[i], pattern((size_t)at + (size_t)i));
        at += (uint64_t)n;
    }
    assert_int_equal(n, 0);
    assert_int_equal(at, body_size(b));
    assert_true(body_memory(b) <= MEMORY_MAX);
}

static void a_small_body_stays_in_memory(void **state)
{
    struct body *b = body_new("/nonexistent", MEMORY_MAX);

    (void)state;
    body_check(b, 100);
    add_pattern(b, 1);
    add_pattern(b, 0);
    add_pattern(b, MEMORY_MAX - 1);
    body_check(b, 7);
    assert_int_equal(body_memory_slice(b).n, MEMORY_MAX);
    body_free(&b);
    assert_null(b);
    body_free(&b);
}

static void one_byte_more_goes_to_a_file_without_a_name(void **state)
{
    struct body *b = body_new(dir, MEMORY_MAX);

    (void)state;
    add_pattern(b, MEMORY_MAX);
    add_pattern(b, 1);
    assert_null(body_memory_slice(b).p);
    assert_int_equal(names_in(dir), 0);
    body_check(b, 333);
    body_free(&b);
}

static void every_size_of_write_reads_back_in_every_size_of_step(void **state)
{
    const size_t sizes[] = {1, 7, 250, 999, 1000, 1001, 4000};

    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct body *b = body_new(dir, MEMORY_MAX);

        while (body_size(b) < 9000)
            add_pattern(b, sizes[s]);
        for (size_t step = 1; step <= 5000; step = step * 3 + 1)
            body_check(b, step);
        body_free(&b);
    }
}

static void space_written_in_place_counts_only_what_was_written(void **state)
{
    const size_t wants[] = {10, 600, 900, 3000, 1, 1000, 2000, 0};
    struct body *b = body_new(dir, MEMORY_MAX);
    struct err e;

    (void)state;
    for (size_t w = 0; w < sizeof(wants) / sizeof(wants[0]); w++) {
        size_t room = 0, n = wants[w] / 2 + 1;
        char *p = body_space(b, wants[w], &room, &e);

        assert_non_null(p);
        assert_true(room >= wants[w]);
        memset(p, 0x55, room);
        for (size_t i = 0; i < n; i++)
            p[i] = pattern((size_t)body_size(b) + i);
        assert_int_equal(body_wrote(b, n, &e), 0);
        body_check(b, 64);
    }
    add_pattern(b, 12);
    body_check(b, 5000);
    body_free(&b);
}

static void no_memory_at_all_means_all_in_the_file(void **state)
{
    struct body *b = body_new(dir, 0);

    (void)state;
    add_pattern(b, 1);
    add_pattern(b, 300);
    assert_null(body_memory_slice(b).p);
    body_check(b, 17);
    assert_int_equal(body_memory(b), 0);
    body_free(&b);
}

static void a_missing_folder_is_named_and_what_was_there_stays(void **state)
{
    struct body *b = body_new("/nonexistent/tmp", MEMORY_MAX);
    char piece[200] = {0};
    struct err e;

    (void)state;
    add_pattern(b, 900);
    add_pattern(b, 1);
    assert_int_equal(body_add(b, slice_of(piece, sizeof(piece)), &e), -1);
    assert_int_equal(e.code, ERR_NOSPACE);
    assert_non_null(strstr(e.msg, "/nonexistent/tmp"));
    assert_non_null(strstr(e.msg, "No such file"));
    assert_int_equal(body_size(b), 901);
    body_free(&b);
}

/* RLIMIT_FSIZE stands in for a full disk. */
static void a_full_disk_is_reported_and_what_was_there_stays(void **state)
{
    struct rlimit old, small = {.rlim_cur = 3000};
    struct body *b = body_new(dir, MEMORY_MAX);
    char piece[1500] = {0};
    struct err e;

    (void)state;
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    add_pattern(b, 2500);
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(body_add(b, slice_of(piece, sizeof(piece)), &e), -1);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(e.code, ERR_NOSPACE);
    assert_non_null(strstr(e.msg, dir));
    assert_non_null(strstr(e.msg, "File too large"));
    assert_int_equal(body_size(b), 2500);
    body_check(b, 100);
    add_pattern(b, 1500);
    body_check(b, 100);
    body_free(&b);
}

static void a_stashed_body_holds_no_memory_and_goes_on(void **state)
{
    struct body *b = body_new(dir, MEMORY_MAX);
    struct err e;

    (void)state;
    assert_int_equal(body_stash(b, &e), 0);
    add_pattern(b, 900);
    assert_int_equal(body_stash(b, &e), 0);
    assert_int_equal(body_memory(b), 0);
    assert_int_equal(body_size(b), 900);
    body_check(b, 77);
    add_pattern(b, 50);
    body_check(b, 77);
    assert_int_equal(body_stash(b, &e), 0);
    assert_int_equal(body_memory(b), 0);
    body_check(b, 1000);
    body_free(&b);
}

static void a_body_that_cannot_be_stashed_stays_as_it_is(void **state)
{
    struct body *b = body_new("/nowhere/at/all", MEMORY_MAX);
    struct err e;

    (void)state;
    add_pattern(b, 900);
    assert_int_equal(body_stash(b, &e), -1);
    assert_true(body_memory(b) >= 900);
    body_check(b, 77);
    body_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_body_stays_in_memory),
        cmocka_unit_test(one_byte_more_goes_to_a_file_without_a_name),
        cmocka_unit_test(every_size_of_write_reads_back_in_every_size_of_step),
        cmocka_unit_test(space_written_in_place_counts_only_what_was_written),
        cmocka_unit_test(no_memory_at_all_means_all_in_the_file),
        cmocka_unit_test(a_missing_folder_is_named_and_what_was_there_stays),
        cmocka_unit_test(a_full_disk_is_reported_and_what_was_there_stays),
        cmocka_unit_test(a_stashed_body_holds_no_memory_and_goes_on),
        cmocka_unit_test(a_body_that_cannot_be_stashed_stays_as_it_is),
    };

    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests_name("body", tests, make_dir, remove_dir);
}
