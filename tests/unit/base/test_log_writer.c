/* Standard error is a pipe here: nobody reads it until the test does. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log_writer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT (20 * NSEC_PER_SEC)

static size_t say(uint64_t lines, char out[LOG_LINE_MAX])
{
    return (size_t)snprintf(out, LOG_LINE_MAX, "dropped %llu\n", (unsigned long long)lines);
}

struct stand {
    struct log_writer *w;
    int ends[2];
    char *text;
    size_t n;
};

static void stand_up(struct stand *s)
{
    struct err e;

    *s = (struct stand){.text = calloc(1, 4 * LOG_RING_BYTES)};
    assert_int_equal(pipe(s->ends), 0);
    assert_int_equal(fcntl(s->ends[1], F_SETPIPE_SZ, 4096), 4096);
    assert_int_equal(log_writer_start(&s->w, s->ends[1], say, &e), 0);
}

/* Reads until `last` has come. */
static void read_until(struct stand *s, const char *last)
{
    while (!strstr(s->text, last)) {
        ssize_t n = read(s->ends[0], s->text + s->n, 4 * LOG_RING_BYTES - 1 - s->n);

        assert_true(n > 0);
        s->n += (size_t)n;
    }
}

static void take_down(struct stand *s)
{
    assert_true(log_writer_stop(&s->w, TIMEOUT));
    assert_null(s->w);
    close(s->ends[0]);
    close(s->ends[1]);
    free(s->text);
}

static void put(struct stand *s, const char *line)
{
    log_writer_put(s->w, slice_str(line));
}

static void lines_come_out_in_order_and_a_flush_waits_for_them(void **state)
{
    struct stand s;

    (void)state;
    stand_up(&s);
    put(&s, "one\n");
    put(&s, "two\n");
    assert_true(log_writer_flush(s.w, TIMEOUT));
    read_until(&s, "two\n");
    assert_string_equal(s.text, "one\ntwo\n");
    assert_int_equal(log_writer_dropped(s.w), 0);
    take_down(&s);
}

/* Returns how many lines were put. */
static unsigned fill(struct stand *s)
{
    char line[64];
    unsigned n = 0;

    while (log_writer_dropped(s->w) < 3) {
        snprintf(line, sizeof(line), "line %06u\n", n++);
        put(s, line);
    }
    return n;
}

static void what_does_not_fit_is_dropped_counted_and_told_when_lines_flow_again(void **state)
{
    struct stand s;
    unsigned lines, whole = 0;
    char *at, told[32];
    uint64_t dropped;

    (void)state;
    stand_up(&s);
    lines = fill(&s); /* never waits, though nobody reads */
    assert_false(log_writer_flush(s.w, 0));
    dropped = log_writer_dropped(s.w);
    snprintf(told, sizeof(told), "dropped %llu\n", (unsigned long long)dropped);
    read_until(&s, told);
    for (at = s.text; strncmp(at, "line ", 5) == 0; at = strchr(at, '\n') + 1, whole++)
        assert_int_equal(strtoul(at + 5, NULL, 10) >= whole, 1);
    assert_int_equal(whole + dropped, lines);
    assert_string_equal(at, told);
    put(&s, "more\n");
    read_until(&s, "more\n");
    assert_int_equal(log_writer_dropped(s.w), dropped);
    take_down(&s);
}

static void a_burst_of_lines_outruns_nobody(void **state)
{
    enum { LINES = 20000 };
    struct err e;
    struct log_writer *w;
    FILE *f = tmpfile();
    char line[64];

    (void)state;
    assert_non_null(f);
    assert_int_equal(log_writer_start(&w, fileno(f), say, &e), 0);
    for (unsigned i = 0; i < LINES; i++) {
        snprintf(line, sizeof(line), "a line of the start, one of very many: %06u\n", i);
        log_writer_put(w, slice_str(line));
    }
    assert_true(log_writer_flush(w, TIMEOUT));
    assert_int_equal(log_writer_dropped(w), 0);
    assert_int_equal(lseek(fileno(f), 0, SEEK_CUR), (off_t)(LINES * strlen(line)));
    assert_true(log_writer_stop(&w, TIMEOUT));
    fclose(f);
}

static void a_writer_that_hangs_is_left_behind_in_time(void **state)
{
    struct stand s;

    (void)state;
    stand_up(&s);
    fill(&s);
    assert_false(log_writer_stop(&s.w, 1));
    assert_non_null(s.w);
    read_until(&s, "dropped ");
    take_down(&s);
}

static void a_reader_that_is_gone_costs_the_lines_and_nothing_else(void **state)
{
    struct stand s;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    stand_up(&s);
    close(s.ends[0]);
    for (unsigned i = 0; i < 5; i++)
        put(&s, "lost\n");
    assert_true(log_writer_flush(s.w, TIMEOUT));
    assert_int_equal(log_writer_dropped(s.w), 5);
    s.ends[0] = dup(s.ends[1]);
    take_down(&s);
}

static void a_descriptor_that_does_not_wait_itself_loses_nothing(void **state)
{
    struct stand s;
    char line[LOG_LINE_MAX];

    (void)state;
    stand_up(&s);
    fcntl(s.ends[1], F_SETFL, O_NONBLOCK);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    log_writer_put(s.w, slice_of(line, sizeof(line)));
    put(&s, "last\n");
    read_until(&s, "last\n");
    assert_int_equal(s.n, sizeof(line) + 5);
    take_down(&s);
}

static void a_crash_writes_what_is_in_the_ring_as_far_as_it_goes(void **state)
{
    struct stand s;

    (void)state;
    stand_up(&s);
    fill(&s);
    log_writer_rescue(s.w); /* the pipe is full: returns all the same */
    read_until(&s, "dropped ");
    take_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_in_order_and_a_flush_waits_for_them),
        cmocka_unit_test(what_does_not_fit_is_dropped_counted_and_told_when_lines_flow_again),
        cmocka_unit_test(a_burst_of_lines_outruns_nobody),
        cmocka_unit_test(a_writer_that_hangs_is_left_behind_in_time),
        cmocka_unit_test(a_reader_that_is_gone_costs_the_lines_and_nothing_else),
        cmocka_unit_test(a_descriptor_that_does_not_wait_itself_loses_nothing),
        cmocka_unit_test(a_crash_writes_what_is_in_the_ring_as_far_as_it_goes),
    };

    return cmocka_run_group_tests_name("log_writer", tests, NULL, NULL);
}
