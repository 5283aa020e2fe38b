/* Programs that print keys: their words, their ends, and those that have none. */
#include "tests/support/cmocka.h"

#include "pipeline/aws/credentials/provider.h"
#include "pipeline/base/compiler.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG  (60 * NSEC_PER_SEC)
#define SHORT (300 * NSEC_PER_MSEC)
#define KEYS  "echo '{\"Version\":1,\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"hush\"}'"

static void command_lines(void **state)
{
    static const struct {
        const char *line, *words; /* with | between; NULL: it is none */
    } cases[] = {
        {"/bin/keys", "/bin/keys"},
        {"  /bin/keys\t a  b ", "/bin/keys|a|b"},
        {"\"/bin/my keys\" 'a b' c\\ d", "/bin/my keys|a b|c d"},
        {"x \"a'b\" 'a\"b' \"a\\\"b\" 'a\\b'", "x|a'b|a\"b|a\"b|a\\b"},
        {"x '' \"\" y", "x|||y"},
        {"x $HOME `id` $(id) a;b | c > d * & \\", "x|$HOME|`id`|$(id)|a;b|||c|>|d|*|&|\\"},
        {"x a\"b c\"d", "x|ab cd"},
        {"", NULL},
        {"   ", NULL},
        {"'' x", NULL},
        {"x 'a", NULL},
        {"x \"a\\\"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0};
        char **argv = aws_process_split(cases[i].line, &e), text[200] = "";

        for (size_t w = 0; argv && argv[w]; w++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", w ? "|" : "", argv[w]);
        if (!argv != !cases[i].words || strcmp(text, cases[i].words ? cases[i].words : "") != 0)
            fail_msg("`%s`: `%s` %s", cases[i].line, text, e.msg);
        aws_process_free(argv);
    }
}

static int run(const char *script, nsec timeout, struct aws_keys *k, struct err *e)
{
    char sh[] = "/bin/sh", c[] = "-c", *text = strdup(script);
    char *argv[] = {sh, c, text, NULL};
    struct aws_ask ask;
    int rc;

    aws_ask_init(&ask);
    rc = aws_process_keys(&ask, argv, timeout, k, e);
    aws_ask_release(&ask);
    free(text);
    return rc;
}

static void what_a_program_prints_are_the_keys(void **state)
{
    struct aws_keys k;
    struct err e = {0};

    (void)state;
    if (run(KEYS, LONG, &k, &e) < 0)
        fail_msg("%s", e.msg);
    assert_string_equal(k.access_key_id, "AK");
    assert_string_equal(k.secret_access_key, "hush");
    if (run("read x && exit 3; " KEYS, LONG, &k, &e) < 0) /* there is nothing to read */
        fail_msg("%s", e.msg);
}

static void what_it_leaves_running_is_not_waited_for(void **state)
{
    struct aws_keys k;
    struct err e = {0};

    (void)state;
    if (run("sleep 1000 & " KEYS, LONG, &k, &e) < 0)
        fail_msg("%s", e.msg);
}

static void programs_that_fail(void **state)
{
    static const struct {
        const char *script, *words;
        nsec timeout;
    } cases[] = {
        {"echo hush >&2; exit 7", "exit code 7", LONG},
        {"kill -9 $$", "signal 9", LONG},
        {"true", "printed nothing", LONG},
        {"echo hush", "not the JSON", LONG},
        {"exec 2>/dev/null; while :; do echo hush-hush-hush-hush-hush-hush; done", "more than", LONG},
        {"exec >&-; while :; do sleep 1; done", "did not end within 0.3 s", SHORT},
        {KEYS "; while :; do sleep 1; done", "did not end within 0.3 s", SHORT},
        {"trap '' TERM INT; while :; do :; done", "did not end within 0.3 s", SHORT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct aws_keys k;
        struct err e = {0};

        assert_int_equal(run(cases[i].script, cases[i].timeout, &k, &e), -1);
        if (!strstr(e.msg, cases[i].words) || strstr(e.msg, "hush") || !strstr(e.msg, "program `/bin/sh`"))
            fail_msg("`%s`: says `%s`", cases[i].script, e.msg);
    }
}

static void a_program_that_is_not_there(void **state)
{
    char none[] = "/nonexistent/keys", *argv[] = {none, NULL};
    struct aws_ask ask;
    struct aws_keys k;
    struct err e = {0};

    (void)state;
    aws_ask_init(&ask);
    assert_int_equal(aws_process_keys(&ask, argv, LONG, &k, &e), -1);
    assert_non_null(strstr(e.msg, "cannot be started: No such file"));
    aws_ask_cancel(&ask);
    none[0] = '\0';
    aws_ask_release(&ask);
}

static void a_program_is_not_waited_for_when_nobody_wants_its_keys(void **state)
{
    char sleep_path[] = "sleep", seconds[] = "1000", *argv[] = {sleep_path, seconds, NULL};
    struct aws_ask ask;
    struct aws_keys k;
    struct err e = {0};

    (void)state;
    aws_ask_init(&ask);
    aws_ask_cancel(&ask);
    assert_int_equal(aws_process_keys(&ask, argv, LONG, &k, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    aws_ask_release(&ask);
}

static void whoever_starts_us_may_ignore_that_children_end(void **state)
{
    struct aws_keys k;
    struct err e = {0};
    int rc;

    (void)state;
    signal(SIGCHLD, SIG_IGN);
    rc = run("! grep -q '^SigIgn:.*[13579bdf]....$' /proc/self/status || exit 9; " KEYS, LONG, &k, &e);
    signal(SIGCHLD, SIG_DFL);
    if (rc < 0)
        fail_msg("%s", e.msg);
    assert_string_equal(k.access_key_id, "AK");
}

/* In a group of its own, for as long as it may. */
static pid_t start_child(void)
{
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            pause();
    setpgid(pid, pid);
    return pid;
}

static void assert_killed(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The thread that waits for it may have no time left to do that. */
static void who_cancels_ends_the_program_itself(void **state)
{
    struct aws_ask ask;
    pid_t during = start_child(), behind = start_child(), after = start_child();

    (void)state;
    aws_ask_init(&ask);
    aws_ask_runs(&ask, after);
    aws_ask_runs(&ask, 0);
    aws_ask_runs(&ask, during);
    aws_ask_cancel(&ask);
    assert_killed(during);
    aws_ask_runs(&ask, 0);
    aws_ask_runs(&ask, behind);
    assert_killed(behind);
    aws_ask_runs(&ask, 0);
    aws_ask_cancel(&ask);
    assert_int_equal(waitpid(after, NULL, WNOHANG), 0);
    kill(after, SIGKILL);
    assert_killed(after);
    aws_ask_release(&ask);
}

/* kill -9 lets nobody tidy up. The program says which process it is, and waits for something that does not come. */
static void a_program_ends_with_who_started_it(void **state)
{
    char sh[] = "/bin/sh", c[] = "-c", script[128], *argv[] = {sh, c, script, NULL};
    int says[2];
    pid_t daemon, program = 0;
    FILE *f;

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* so the program becomes our child */
    assert_int_equal(pipe(says), 0);
    snprintf(script, sizeof(script), "echo $$ > /proc/%d/fd/%d; exec sleep 1000", getpid(), says[1]);
    daemon = fork();
    if (daemon == 0) {
        struct aws_ask ask;
        struct aws_keys k;
        struct err e;

        aws_ask_init(&ask);
        (void)!aws_process_keys(&ask, argv, LONG, &k, &e);
        _exit(0);
    }
    f = fdopen(says[0], "r");
    assert_int_equal(fscanf(f, "%d", &program), 1);
    fclose(f);
    assert_int_equal(kill(daemon, SIGKILL), 0);
    assert_killed(daemon);
    assert_killed(program);
    close(says[1]);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines),
        cmocka_unit_test(what_a_program_prints_are_the_keys),
        cmocka_unit_test(what_it_leaves_running_is_not_waited_for),
        cmocka_unit_test(programs_that_fail),
        cmocka_unit_test(a_program_that_is_not_there),
        cmocka_unit_test(a_program_is_not_waited_for_when_nobody_wants_its_keys),
        cmocka_unit_test(whoever_starts_us_may_ignore_that_children_end),
        cmocka_unit_test(who_cancels_ends_the_program_itself),
        cmocka_unit_test(a_program_ends_with_who_started_it),
    };

    signal(SIGPIPE, SIG_IGN); /* as the program does */
    return cmocka_run_group_tests_name("aws process", tests, NULL, NULL);
}
