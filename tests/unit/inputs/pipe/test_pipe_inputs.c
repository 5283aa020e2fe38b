/* Programs and named pipes, with a real spool behind them. */
#include "tests/unit/inputs/input_rig.h"

#include "pipeline/base/child.h"

#include <signal.h>

/* As the files that have them. */
struct exec_conf {
    struct cfg_strings command, environment;
    nsec interval, timeout;
};
struct fifo_conf {
    char *path, *mode;
};

static char *words(struct cfg_strings *out, char **room, const char *a, const char *b, const char *c)
{
    const char *all[] = {a, b, c};

    *out = (struct cfg_strings){.v = room};
    for (size_t i = 0; i < ARRAY_LEN(all) && all[i]; i++)
        room[out->n++] = mem_strdup(all[i]);
    return room[0];
}

static void free_words(struct cfg_strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        mem_free(s->v[i]);
}

static void a_program_with_its_own_environment(void **state)
{
    char *room[3], *more[3];
    struct exec_conf conf = {.interval = 0};
    struct rig r;

    (void)state;
    setenv("SLUICE_TEST_SECRET", "secret", 1);
    setenv("SLUICE_TEST_WANTED", "wanted", 1);
    words(&conf.command, room, "sh", "-c",
          "echo \"$SLUICE_TEST_SECRET-$SLUICE_TEST_WANTED-$MADE\"; read x; echo \"$x.\"; echo bad >&2; printf 'no "
          "newline'");
    words(&conf.environment, more, "SLUICE_TEST_WANTED", "MADE=here=there", "SLUICE_TEST_NOT_THERE");
    rig_init(&r, "exec");
    r.conf = &conf;
    r.once = true;
    rig_start(&r);
    rig_wait_finished(&r);
    rig_expect(&r, "-wanted-here=there|.|no newline|");
    rig_release(&r);
    free_words(&conf.command);
    free_words(&conf.environment);
}

/* Not the one that we raise for ourselves. */
static void a_program_with_the_limit_of_files_that_is_usual(void **state)
{
    char *room[3];
    struct exec_conf conf = {.interval = 0};
    struct rig r;

    (void)state;
    words(&conf.command, room, "sh", "-c", "ulimit -n");
    rig_init(&r, "exec");
    r.conf = &conf;
    r.once = true;
    child_files(123);
    rig_start(&r);
    rig_wait_finished(&r);
    child_files(0);
    rig_expect(&r, "123|");
    rig_release(&r);
    free_words(&conf.command);
}

/* And no success. */
static void expect_unread(const char *input, void *conf)
{
    struct input_health health;
    struct input_health_view view;
    struct rig r;

    input_health_init(&health, input, 0);
    rig_init(&r, input);
    r.conf = conf;
    r.once = true;
    r.health = &health;
    rig_start(&r);
    rig_wait_finished(&r);
    rig_expect(&r, "");
    input_health_view(&health, clock_wall(), clock_mono(), &view);
    assert_int_equal(view.counts[INPUT_ERRORS], 1);
    input_health_view_release(&view);
    rig_release(&r);
    input_health_release(&health);
}

static void a_program_that_is_not_there_is_no_reason_to_wait(void **state)
{
    char *room[3];
    struct exec_conf conf = {.interval = 0};

    (void)state;
    words(&conf.command, room, "/nowhere/program", NULL, NULL);
    expect_unread("exec", &conf);
    conf.interval = NSEC_PER_SEC;
    expect_unread("exec", &conf);
    free_words(&conf.command);
    conf.interval = 0;
    words(&conf.command, room, "false", NULL, NULL);
    expect_unread("exec", &conf);
    free_words(&conf.command);
}

static void a_pipe_that_cannot_be_is_no_reason_to_wait(void **state)
{
    static char folder[] = "folder/that/is/not/there", dot[] = ".", *const paths[] = {folder, dot};
    struct fifo_conf conf = {.mode = mem_strdup("0640")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        conf.path = paths[i];
        expect_unread("fifo", &conf);
    }
    mem_free(conf.mode);
}

static void one_that_runs_now_and_then(void **state)
{
    char *room[3];
    struct exec_conf conf = {.interval = NSEC_PER_MSEC};
    struct rig r;

    (void)state;
    words(&conf.command, room, "echo", "a line", NULL);
    rig_init(&r, "exec");
    r.conf = &conf;
    rig_start(&r);
    rig_wait_incoming(&r, 3);
    rig_release(&r);
    free_words(&conf.command);
}

/* And what it has started goes with it. */
static void one_that_runs_too_long_is_ended(void **state)
{
    char *room[3];
    struct exec_conf conf = {.interval = NSEC_PER_MSEC, .timeout = 50 * NSEC_PER_MSEC};
    struct rig r;

    (void)state;
    words(&conf.command, room, "sh", "-c", "trap '' TERM; echo run; sleep 1000 & wait");
    rig_init(&r, "exec");
    r.conf = &conf;
    rig_start(&r);
    rig_wait_incoming(&r, 3);
    rig_release(&r);
    free_words(&conf.command);
}

/* What came while it was stopped is there afterwards: `n` records in all. */
static void expect_after_stop(struct rig *r, uint64_t n)
{
    rig_stop(r);
    rig_start(r);
    assert_int_equal(rig_incoming(r), n);
}

/* More than the pipe and the window hold, and its program is gone when the last of it is read. */
static void what_it_prints_when_it_is_asked_to_end_is_read(void **state)
{
    const unsigned lines = LIMIT(60000, 1000);
    char *room[3], *none[3], program[120];
    struct exec_conf conf = {.interval = 0};
    struct rig r;

    (void)state;
    snprintf(program, sizeof(program), "trap 'seq 1 %u; exit' TERM; echo ready; while :; do sleep 0.01; done", lines);
    words(&conf.command, room, "sh", "-c", program);
    rig_init(&r, "exec");
    r.conf = &conf;
    rig_start(&r);
    rig_expect(&r, "ready|");
    rig_stop(&r);
    free_words(&conf.command);
    words(&conf.command, none, "true", NULL, NULL);
    rig_start(&r);
    assert_int_equal(rig_incoming(&r), lines + 1);
    rig_release(&r);
    free_words(&conf.command);
}

/* What it had printed without a newline is a line then. */
static void one_that_closes_its_output_and_lives_on(void **state)
{
    char *room[3];
    struct exec_conf conf = {.interval = 0};
    struct rig r;

    (void)state;
    words(&conf.command, room, "sh", "-c", "printf half; exec >/dev/null; sleep 1000 & wait");
    rig_init(&r, "exec");
    r.conf = &conf;
    rig_start(&r);
    rig_expect(&r, "half|");
    rig_release(&r);
    free_words(&conf.command);
}

/* --- named pipes ---------------------------------------------------------------------------------------------------------- */

static int open_writer(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC); /* waits for the reader */

    assert_true(fd >= 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void writers_come_and_go(void **state)
{
    struct fifo_conf conf = {.mode = mem_strdup("0640")};
    struct stat st;
    struct rig r;
    int a, b;

    (void)state;
    rig_init(&r, "fifo");
    conf.path = mem_strdup("pipe");
    r.conf = &conf;
    assert_int_equal(mkfifo(rig_path(&r, "pipe"), 0600), 0); /* there already: it keeps its permissions */
    rig_start(&r);
    a = open_writer(rig_path(&r, "pipe"));
    b = open_writer(rig_path(&r, "pipe"));
    say(a, "one\n");
    say(b, "two\n\nthr");
    rig_expect(&r, "one|two||");
    close(a);
    say(b, "ee\nfour");
    close(b);
    rig_expect(&r, "three|four|");
    for (int i = 0; i < 20; i++) {
        a = open_writer(rig_path(&r, "pipe"));
        say(a, "a\nb\nagain"); /* the first line is shorter than the one that had no newline */
        close(a);
        rig_expect(&r, "a|b|again|");
    }
    assert_int_equal(stat(rig_path(&r, "pipe"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    rig_release(&r);
    mem_free(conf.path);
    mem_free(conf.mode);
}

static void a_line_that_is_too_long_is_cut_and_any_byte_passes(void **state)
{
    struct fifo_conf conf = {.path = mem_strdup("pipe"), .mode = mem_strdup("0640")};
    size_t n = LINE_MAX_BYTES + 1000, done = 0;
    char *text = mem_alloc(n + 6);
    struct buf got;
    struct rig r;
    int fd;

    (void)state;
    memset(text, 'x', n);
    memcpy(text + n, "\na\0\xff\n", 5);
    rig_init(&r, "fifo");
    r.conf = &conf;
    r.once = true;
    assert_int_equal(mkfifo(rig_path(&r, "pipe"), 0600), 0);
    rig_start(&r);
    fd = open_writer(rig_path(&r, "pipe"));
    while (done < n + 5) {
        ssize_t wrote = write(fd, text + done, n + 5 - done);

        assert_true(wrote > 0);
        done += (size_t)wrote;
    }
    close(fd);
    rig_wait_finished(&r);
    buf_init(&got, 16 * MIB);
    rig_take(&r, &got);
    assert_int_equal(got.n, n + 3 + 3);
    assert_int_equal(got.p[LINE_MAX_BYTES], '|');
    assert_memory_equal(got.p + got.n - 5, "|a\0\xff|", 5);
    buf_release(&got);
    rig_release(&r);
    mem_free(text);
    mem_free(conf.path);
    mem_free(conf.mode);
}

/* More than the window takes at once. */
static void what_lies_in_it_at_a_stop_is_read(void **state)
{
    const size_t line = LIMIT(1, 256);
    char *text = mem_alloc(64 * KIB + 1);
    struct fifo_conf conf = {.path = mem_strdup("pipe"), .mode = mem_strdup("0640")};
    struct rig r;

    (void)state;
    rig_init(&r, "fifo");
    r.conf = &conf;
    assert_int_equal(mkfifo(rig_path(&r, "pipe"), 0600), 0);
    rig_start(&r);
    memset(text, 'x', 64 * KIB);
    for (size_t i = 0; i < 64 * KIB; i += line)
        text[i + line - 1] = '\n';
    for (unsigned i = 1; i <= 5; i++) {
        int fd = open_writer(rig_path(&r, "pipe"));

        say(fd, text);
        say(fd, text);
        close(fd);
        expect_after_stop(&r, i * 2 * 64 * KIB / line);
    }
    rig_release(&r);
    mem_free(text);
    mem_free(conf.path);
    mem_free(conf.mode);
}

static void what_is_no_pipe_is_not_read(void **state)
{
    struct fifo_conf conf = {.path = mem_strdup("pipe"), .mode = mem_strdup("0640")};
    struct rig r;

    (void)state;
    rig_init(&r, "fifo");
    r.conf = &conf;
    rig_append(&r, "pipe", "a line\n");
    rig_start(&r);
    rig_stop(&r);
    rig_release(&r);
    mem_free(conf.path);
    mem_free(conf.mode);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_with_its_own_environment),
        cmocka_unit_test(a_program_with_the_limit_of_files_that_is_usual),
        cmocka_unit_test(a_program_that_is_not_there_is_no_reason_to_wait),
        cmocka_unit_test(a_pipe_that_cannot_be_is_no_reason_to_wait),
        cmocka_unit_test(one_that_runs_now_and_then),
        cmocka_unit_test(one_that_runs_too_long_is_ended),
        cmocka_unit_test(what_it_prints_when_it_is_asked_to_end_is_read),
        cmocka_unit_test(one_that_closes_its_output_and_lives_on),
        cmocka_unit_test(writers_come_and_go),
        cmocka_unit_test(what_lies_in_it_at_a_stop_is_read),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_any_byte_passes),
        cmocka_unit_test(what_is_no_pipe_is_not_read),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("pipe_inputs", tests, NULL, NULL);
}
