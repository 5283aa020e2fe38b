#include "tests/unit/inputs/input_rig.h"

struct world {
    struct rig rig;
    int stdin_before, writer;
};

static int setup(void **state)
{
    struct world *w = mem_alloc(sizeof(*w));

    rig_init(&w->rig, "stdin");
    w->rig.once = true;
    w->stdin_before = dup(STDIN_FILENO);
    w->writer = -1;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    rig_release(&w->rig);
    dup2(w->stdin_before, STDIN_FILENO);
    close(w->stdin_before);
    if (w->writer >= 0)
        close(w->writer);
    mem_free(w);
    return 0;
}

static void use_pipe(struct world *w)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
    close(fds[0]);
    w->writer = fds[1];
}

static void say(struct world *w, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t put = write(w->writer, p, n);

        assert_true(put > 0);
        p += put;
        n -= (size_t)put;
    }
}

static void hang_up(struct world *w)
{
    close(w->writer);
    w->writer = -1;
}

static void a_pipe_is_read_to_its_end(void **state)
{
    struct world *w = *state;

    use_pipe(w);
    rig_start(&w->rig);
    assert_int_equal(w->rig.budget.used, 0); /* others may need all of it for a moment */
    say(w, "one\r\ntw", 7);
    rig_expect(&w->rig, "one\r|");
    say(w, "o\n\nla", 5);
    rig_expect(&w->rig, "two||");
    say(w, "st", 2);
    assert_false(w->rig.finished);
    hang_up(w);
    rig_wait_finished(&w->rig);
    rig_expect(&w->rig, "last|");
}

static void a_byte_order_mark_is_no_part_of_the_first_line(void **state)
{
    struct world *w = *state;

    use_pipe(w);
    rig_start(&w->rig);
    say(w, "\xef", 1);
    say(w, "\xbb", 1);
    say(w, "\xbfone\n\xef\xbb\xbftwo\n", 12);
    rig_expect(&w->rig, "one|\xef\xbb\xbftwo|");
    hang_up(w);
    rig_wait_finished(&w->rig);
}

static void half_a_byte_order_mark_is_a_record(void **state)
{
    struct world *w = *state;

    use_pipe(w);
    rig_start(&w->rig);
    say(w, "\xef\xbb", 2);
    hang_up(w);
    rig_wait_finished(&w->rig);
    rig_expect(&w->rig, "\xef\xbb|");
}

static void a_file_is_read_to_its_end(void **state)
{
    struct world *w = *state;
    int fd;

    rig_append(&w->rig, "in", "one\ntwo\nlast");
    fd = open(rig_path(&w->rig, "in"), O_RDONLY);
    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    close(fd);
    rig_start(&w->rig);
    rig_wait_finished(&w->rig);
    rig_expect(&w->rig, "one|two|last|");
}

static void nothing_at_all_is_finished_too(void **state)
{
    struct world *w = *state;
    int fd = open("/dev/null", O_RDONLY);

    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    close(fd);
    rig_start(&w->rig);
    rig_wait_finished(&w->rig);
    assert_int_equal(rig_incoming(&w->rig), 0);
}

static void much_data_keeps_its_order_and_long_lines_are_split(void **state)
{
    enum { LINES = 200000, LONG = 3 * LINE_MAX_BYTES };
    struct world *w = *state;
    char *big = mem_alloc(LONG + 1), text[32];
    struct buf sent, got;
    nsec timeout = clock_mono() + RIG_TIMEOUT;

    use_pipe(w);
    rig_start(&w->rig);
    buf_init(&sent, 8 * MIB);
    for (unsigned i = 0; i < LINES; i++) {
        int n = snprintf(text, sizeof(text), "line %u\n", i);

        assert_int_equal(buf_add(&sent, text, (size_t)n), 0);
    }
    say(w, sent.p, sent.n);
    memset(big, 'x', LONG);
    big[LONG] = '\n';
    say(w, big, LONG + 1); /* exactly three records: the newline behind the third makes no fourth */
    hang_up(w);
    rig_wait_finished(&w->rig);
    assert_true(clock_mono() < timeout);
    assert_int_equal(rig_incoming(&w->rig), LINES + 3);
    assert_int_equal(metrics_get(&w->rig.metrics, METRIC_INPUT_SPLIT_LINES), 1);
    assert_int_equal(rig_incoming_bytes(&w->rig), sent.n - LINES + LONG);
    buf_init(&got, 16 * MIB);
    rig_take(&w->rig, &got);
    for (size_t i = 0; i < sent.n; i++)
        if (sent.p[i] == '\n')
            sent.p[i] = '|';
    assert_true(slice_starts(buf_slice(&got), buf_slice(&sent)));
    buf_release(&sent);
    buf_release(&got);
    mem_free(big);
}

static void without_once_the_end_is_not_the_end_of_the_program(void **state)
{
    struct world *w = *state;

    w->rig.once = false;
    use_pipe(w);
    rig_start(&w->rig);
    say(w, "last", 4);
    hang_up(w);
    rig_expect(&w->rig, "last|");
    assert_false(w->rig.finished);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_pipe_is_read_to_its_end),
        T(a_byte_order_mark_is_no_part_of_the_first_line),
        T(half_a_byte_order_mark_is_a_record),
        T(a_file_is_read_to_its_end),
        T(nothing_at_all_is_finished_too),
        T(much_data_keeps_its_order_and_long_lines_are_split),
        T(without_once_the_end_is_not_the_end_of_the_program),
    };

    return cmocka_run_group_tests_name("stdin", tests, NULL, NULL);
}
