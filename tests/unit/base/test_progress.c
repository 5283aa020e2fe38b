/* The terminal is a pipe here; what would be drawn on it is read back. */
#include "tests/support/cmocka.h"

#include "pipeline/base/progress.h"

#include <string.h>
#include <unistd.h>

static const nsec START = 1000 * NSEC_PER_SEC;

struct fixture {
    int ends[2];
    struct progress p;
    char seen[1024];
};

static struct fixture f;

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    if (pipe(f.ends) < 0)
        return -1;
    progress_init(&f.p, "delivered", f.ends[1], START);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(f.ends[0]);
    close(f.ends[1]);
    return 0;
}

/* Everything written so far. A marker makes the read end, also when there is nothing. */
static const char *written(void)
{
    ssize_t n;

    assert_int_equal(write(f.ends[1], "$", 1), 1);
    n = read(f.ends[0], f.seen, sizeof(f.seen) - 1);
    assert_true(n > 0);
    f.seen[n - 1] = '\0';
    return f.seen;
}

static struct progress_count count(uint64_t records, uint64_t bytes)
{
    return (struct progress_count){.records = records, .bytes = bytes};
}

static void nothing_is_drawn_where_there_is_no_terminal(void **state)
{
    struct progress_count c = count(10, 1000);

    (void)state;
    progress_update(&f.p, &c, START + NSEC_PER_SEC);
    assert_string_equal(written(), "");
}

static void the_last_line_is_plain_and_tells_time_and_average_rate(void **state)
{
    struct progress_count c = count(1234567, 20 << 20);

    (void)state;
    progress_finish(&f.p, &c, START + 10 * NSEC_PER_SEC);
    assert_string_equal(written(), "delivered 1,234,567 records, 20.0 MiB in 10 s (2.0 MiB/s)\n");
}

static void a_terminal_line_is_rewritten_in_place(void **state)
{
    struct progress_count c = count(1, 512);

    (void)state;
    f.p.terminal = true;
    progress_update(&f.p, &c, START);
    assert_string_equal(written(), "\r\033[Kdelivered 1 record, 512 B, 0 B/s\r");
}

static void a_terminal_line_is_drawn_five_times_a_second_at_most(void **state)
{
    struct progress_count c = count(1, 512);

    (void)state;
    f.p.terminal = true;
    progress_update(&f.p, &c, START);
    written();
    progress_update(&f.p, &c, START + 199 * NSEC_PER_MSEC);
    assert_string_equal(written(), "");
    progress_update(&f.p, &c, START + 200 * NSEC_PER_MSEC);
    assert_string_not_equal(written(), "");
}

static void a_line_longer_than_the_terminal_is_wide_is_cut(void **state)
{
    struct progress_count c = count(UINT64_MAX, UINT64_MAX);

    (void)state;
    c.left_known = true;
    c.records_left = c.bytes_left = UINT64_MAX;
    f.p.terminal = true;
    progress_update(&f.p, &c, START);
    assert_int_equal(strlen(written()), strlen("\r\033[K") + 79 + strlen("\r"));
}

static void what_is_left_is_told_only_when_known(void **state)
{
    struct progress_count c = count(2, 2048);
    char out[PROGRESS_LINE_MAX];

    (void)state;
    c.bytes_left = 1024;
    assert_string_equal(progress_text(&f.p, &c, out, sizeof(out)), "delivered 2 records, 2.0 KiB, 0 B/s");
    c.left_known = true;
    assert_string_equal(progress_text(&f.p, &c, out, sizeof(out)),
                        "delivered 2 records, 2.0 KiB, 0 B/s; left: 1.0 KiB");
    c.records_left = 1;
    assert_string_equal(progress_text(&f.p, &c, out, sizeof(out)),
                        "delivered 2 records, 2.0 KiB, 0 B/s; left: 1 record, 1.0 KiB");
}

/* A rate since the start would still say 512 KiB/s. */
static void the_rate_falls_to_nothing_when_nothing_moves(void **state)
{
    struct progress_count c = count(1, 1 << 20);

    (void)state;
    f.p.terminal = true;
    progress_update(&f.p, &c, START + 2 * NSEC_PER_SEC);
    assert_int_equal(f.p.bytes_per_second, 512 * 1024);
    progress_update(&f.p, &c, START + 4 * NSEC_PER_SEC);
    assert_int_equal(f.p.bytes_per_second, 0);
}

static void no_time_at_all_is_no_division_by_zero(void **state)
{
    struct progress_count c = count(0, 0);
    char out[PROGRESS_LINE_MAX];

    (void)state;
    assert_string_equal(progress_summary(&f.p, &c, START, out, sizeof(out)), "delivered 0 records, 0 B in 0 s (0 B/s)");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(nothing_is_drawn_where_there_is_no_terminal),
        CASE(the_last_line_is_plain_and_tells_time_and_average_rate),
        CASE(a_terminal_line_is_rewritten_in_place),
        CASE(a_terminal_line_is_drawn_five_times_a_second_at_most),
        CASE(a_line_longer_than_the_terminal_is_wide_is_cut),
        CASE(what_is_left_is_told_only_when_known),
        CASE(the_rate_falls_to_nothing_when_nothing_moves),
        CASE(no_time_at_all_is_no_division_by_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
