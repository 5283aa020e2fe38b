/* exec.c -- the input that runs a program: every line that it prints is a record.
 *
 *     waits --its time has come--> runs --it ended, its lines are in the window--> waits
 *
 * Without `interval` it is to run for ever, and its end is a fault: it is started again after a pause that grows (connection.h). With `interval` it
 * is started so often, never twice at a time.
 *
 * It gets an environment of its own making, since ours has secrets in it. What it says to standard error goes to the log, some of it. It is asked
 * to end by SIGTERM, with all that it has started, and what it prints then is still read; soon it is killed. */
#include "pipeline/inputs/pipe/reader.h"

#include "config/options.h"
#include "pipeline/base/child.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct exec_conf {
    struct cfg_strings command, environment;
    nsec interval, timeout;
};

struct input {
    struct input_env env;
    const struct exec_conf *conf;
    const char *label;
    char **argv, **environment;
    struct pipe_reader reader;
    struct connection connection;

    pid_t pid;         /* 0: it does not run */
    int out, err, end; /* what it prints, what it says, and what is ready when it has ended; -1: not open */
    bool was_killed, is_mute;
    nsec started, next; /* mono; when it was, and when it is to be */
    nsec mute_at;       /* mono; it is said that it has closed its standard output; NSEC_NEVER: it has not */
    unsigned runs;

    char says[EXEC_SAYS_BYTES]; /* a line of it, so far */
    size_t says_n;
    unsigned said; /* lines, since said_since */
    uint64_t unsaid;
    nsec said_since;
};

/* clang-format off */
static const struct cfg_field fields[] = {
    {.name = "command", .type = CFG_STRINGS, .offset = offsetof(struct exec_conf, command), .required = true, .max = EXEC_WORDS_MAX,
     .help = "the program and its words, without a shell: [vmstat, \"-n\", \"5\"]; [sh, -c, \"...\"] for one"},
    {.name = "interval", .type = CFG_DURATION, .offset = offsetof(struct exec_conf, interval), .def = "0s", .max = EXEC_TIME_MAX,
     .help = "it is run so often, and ends by itself; 0s: it is to run for ever, and is started again when it has ended"},
    {.name = "timeout", .type = CFG_DURATION, .offset = offsetof(struct exec_conf, timeout), .def = "0s", .max = EXEC_TIME_MAX,
     .help = "with `interval`: a run that lasts longer is ended; 0s: never"},
    {.name = "environment", .type = CFG_STRINGS, .offset = offsetof(struct exec_conf, environment), .max = EXEC_ENV_MAX, .secret = true,
     .help = "NAME=VALUE, or NAME to hand on what sluice has; beside these it gets PATH, HOME, USER, LOGNAME, SHELL, TZ, TMPDIR, LANG and "
             "LC_*, and nothing else"},
    {.name = NULL},
};
/* clang-format on */

/* --- what it is given -------------------------------------------------------------------------------------------------- */

static char **words_of(const struct cfg_strings *command)
{
    char **argv = mem_alloc((command->n + 1) * sizeof(*argv));

    for (size_t i = 0; i < command->n; i++)
        argv[i] = command->v[i];
    return argv;
}

static bool is_harmless(const char *variable)
{
    static const char *const NAMES[] = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "LANG"};
    size_t n = strcspn(variable, "=");

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        if (strlen(NAMES[i]) == n && strncmp(variable, NAMES[i], n) == 0)
            return true;
    return strncmp(variable, "LC_", 3) == 0;
}

static void add_variable(char ***all, size_t *n, char *variable)
{
    *all = mem_grow(*all, *n + 2, sizeof(**all));
    (*all)[(*n)++] = variable;
    (*all)[*n] = NULL;
}

static char *handed_on(const char *name)
{
    const char *value = getenv(name);
    size_t size = strlen(name) + (value ? strlen(value) : 0) + 2;
    char *variable = value ? mem_alloc(size) : NULL;

    if (variable)
        snprintf(variable, size, "%s=%s", name, value);
    return variable;
}

/* The first of a name counts. */
static char **environment_of(const struct cfg_strings *more)
{
    char **all = NULL;
    size_t n = 0;

    for (size_t i = 0; i < more->n; i++) {
        char *variable = strchr(more->v[i], '=') ? mem_strdup(more->v[i]) : handed_on(more->v[i]);

        if (variable)
            add_variable(&all, &n, variable);
    }
    for (char **p = environ; *p; p++)
        if (is_harmless(*p))
            add_variable(&all, &n, mem_strdup(*p));
    if (!all)
        all = mem_alloc(sizeof(*all));
    return all;
}

static void free_environment(char **all)
{
    for (char **p = all; p && *p; p++)
        mem_free(*p);
    mem_free(all);
}

/* --- what it says to standard error -------------------------------------------------------------------------------------- */

static void say_line(struct input *in, nsec now)
{
    if (in->says_n == 0)
        return;
    if (now - in->said_since > EXEC_SAYS_EVERY) {
        in->said_since = now;
        in->said = 0;
    }
    if (in->said < EXEC_SAYS_LINES) {
        in->said++;
        log_info("the program says", KS("stream", in->env.stream), KS("input", in->label),
                 KB("text", slice_of(in->says, in->says_n)), KU("suppressed", in->unsaid));
        in->unsaid = 0;
    } else {
        in->unsaid++;
    }
    in->says_n = 0;
}

static void hear(struct input *in, const char *p, size_t n, nsec now)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] == '\n')
            say_line(in, now);
        else if (in->says_n < sizeof(in->says))
            in->says[in->says_n++] = p[i];
}

/* True: there was something. */
static bool read_err(struct input *in, nsec now)
{
    char some[4096];
    ssize_t n = read(in->err, some, sizeof(some));

    if (n > 0)
        hear(in, some, (size_t)n, now);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return n > 0;
    say_line(in, now);
    close(in->err);
    in->err = -1;
    return false;
}

/* Of one that has ended: what a pipe holds, and not what somebody may still write. */
static void hear_the_rest(struct input *in, nsec now)
{
    for (int i = 0; i < EXEC_LAST_WORDS && in->err >= 0; i++)
        if (!read_err(in, now))
            break;
    say_line(in, now);
    if (in->err >= 0)
        close(in->err);
    in->err = -1;
}

/* --- a run --------------------------------------------------------------------------------------------------------------- */

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static const char *hint_of(int error)
{
    return error == ENOENT ? "the program is not there, or not in PATH, or its interpreter is missing"
           : error == EACCES
               ? "sluice must be allowed to run it; a folder on its way, or its mount (noexec), may be in the way"
               : "run it by hand, as the user that sluice runs as";
}

static void say_failed(struct input *in, const char *cause, const char *hint, nsec now)
{
    const struct connection_trouble t = {.doing = "run", .cause = cause, .hint = hint};

    if (in->conf->interval == 0 && !in->env.once) {
        connection_failed(&in->connection, &t, now);
        return;
    }
    input_health_error(in->env.health, cause, hint, now);
    log_warn("a run of the program failed", KS("stream", in->env.stream), KS("input", in->label), KS("cause", cause),
             KS("hint", hint));
}

/* So a run is never made up for: a time at which the last one was still at work is left out. */
static void set_next(struct input *in, nsec now)
{
    nsec interval = in->conf->interval;

    if (interval > 0 && in->next <= now)
        in->next += ((now - in->next) / interval + 1) * interval;
}

/* 0, or errno. */
static int start(struct input *in)
{
    struct child_conf child = {.argv = in->argv, .environment = in->environment};
    int out[2], err[2], rc;

    if (pipe2(out, O_CLOEXEC) < 0)
        return errno;
    if (pipe2(err, O_CLOEXEC) < 0) {
        rc = errno;
        close(out[0]);
        close(out[1]);
        return rc;
    }
    (void)fcntl(out[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(err[0], F_SETFL, O_NONBLOCK);
    child.out = out[1];
    child.err = err[1];
    rc = child_start(&child, &in->pid);
    close(out[1]);
    close(err[1]);
    in->out = out[0];
    in->err = err[0];
    if (rc == 0) {
        in->end = (int)syscall(SYS_pidfd_open, in->pid, 0);
        return 0;
    }
    in->pid = 0;
    close_one(&in->out);
    close_one(&in->err);
    return rc;
}

static void begin_run(struct input *in, nsec now)
{
    int error;

    set_next(in, now);
    in->was_killed = in->is_mute = false;
    in->mute_at = NSEC_NEVER;
    in->started = now;
    in->runs++;
    pipe_reader_begin(&in->reader);
    error = start(in);
    if (error != 0)
        say_failed(in, strerror(error), hint_of(error), now);
    else if (in->conf->interval == 0)
        connection_works(&in->connection, now);
}

/* It has ended, and all that it had printed is in the window. */
static void end_run(struct input *in, nsec now)
{
    int status = child_reap(in->pid);
    char cause[80];

    in->pid = 0;
    close_one(&in->out);
    close_one(&in->end);
    hear_the_rest(in, now);
    set_next(in, now);
    if (in->was_killed)
        snprintf(cause, sizeof(cause), "it did not end within its `timeout`");
    else if (WIFSIGNALED(status))
        snprintf(cause, sizeof(cause), "signal %d ended it", WTERMSIG(status));
    else
        snprintf(cause, sizeof(cause), "it ended with exit code %d", WEXITSTATUS(status));
    if (in->was_killed || status != 0)
        say_failed(in, cause, "what it said to standard error stands before this in the log", now);
    else if (in->conf->interval == 0 && !in->env.once)
        say_failed(in, cause, "one that is to run now and then wants `interval`", now);
}

static bool runs_too_long(const struct input *in, nsec now)
{
    return in->pid && in->conf->interval > 0 && in->conf->timeout > 0 && !in->was_killed &&
           now - in->started > in->conf->timeout;
}

/* It may be about to end; else it will never print anything again. */
static void out_is_closed(struct input *in)
{
    close_one(&in->out);
    pipe_reader_last(&in->reader);
    in->mute_at = clock_mono() + EXEC_MUTE_AFTER;
}

static void look_at_mute(struct input *in, nsec now)
{
    static const char HINT[] =
        "is it one that goes into the background, or writes to a file? It has an option against that, perhaps";

    if (in->is_mute || now < in->mute_at)
        return;
    in->is_mute = true;
    input_health_error(in->env.health, "it has closed its standard output, and runs on", HINT, now);
    log_warn("the program has closed its standard output and runs on: nothing more comes from it",
             KS("stream", in->env.stream), KS("input", in->label), KS("hint", HINT));
}

/* Its standard output may stay open behind its end: what it has started may have it. That is ended, and not waited for. */
static void look_after_run(struct input *in, nsec now)
{
    if (runs_too_long(in, now)) {
        in->was_killed = true;
        child_signal(in->pid, SIGKILL);
    }
    if (!child_has_ended(in->pid)) {
        look_at_mute(in, now);
        return;
    }
    child_signal(in->pid, SIGKILL); /* who would go on printing otherwise */
    if (!pipe_reader_rest(&in->reader, in->out, now))
        return; /* there is no room now */
    close_one(&in->out);
    pipe_reader_last(&in->reader);
    (void)pipe_reader_turn(&in->reader, now);
    if (pipe_reader_is_empty(&in->reader))
        end_run(in, now);
}

static bool is_due(const struct input *in, nsec now)
{
    if (in->pid || (in->env.once && in->runs > 0))
        return false;
    return in->conf->interval > 0 ? now >= in->next : connection_is_due(&in->connection, now);
}

/* When there is something to do that no descriptor shows. */
static nsec next_look(const struct input *in)
{
    if (in->pid && in->end < 0)
        return clock_mono() + EXEC_TICK;
    if (in->pid)
        return nsec_earlier(in->is_mute ? NSEC_NEVER : in->mute_at,
                            in->conf->interval > 0 && in->conf->timeout > 0 && !in->was_killed
                                ? in->started + in->conf->timeout + 1
                                : NSEC_NEVER);
    if (in->env.once && in->runs > 0)
        return NSEC_NEVER;
    return in->conf->interval > 0 ? in->next : in->connection.again;
}

/* Waits, and reads what is there. */
static void wait_for_it(struct input *in, struct input_thread *t, nsec until, bool last)
{
    bool prints = in->pid && in->out >= 0, wants = pipe_reader_wants(&in->reader), got;
    bool may_end =
        in->pid && (prints ? wants : pipe_reader_is_empty(&in->reader)); /* else there is no room for its rest */
    struct pollfd p[] = {{.fd = prints && wants ? in->out : -1, .events = POLLIN},
                         {.fd = in->err, .events = POLLIN},
                         {.fd = may_end ? in->end : -1, .events = POLLIN}};

    input_thread_poll(t, p, ARRAY_LEN(p), until, last);
    if (p[1].revents)
        (void)read_err(in, clock_mono());
    if (p[0].revents && pipe_reader_read(&in->reader, in->out, &got) != PIPE_READ_SOME)
        out_is_closed(in);
}

static bool is_over(struct input *in)
{
    if (!in->env.once || in->pid || in->runs == 0 || !pipe_reader_is_idle(&in->reader))
        return false;
    if (in->env.finished)
        in->env.finished(in->env.ctx);
    return true;
}

/* What it prints while it ends is still read. */
static void stop_it(struct input *in, struct input_thread *t)
{
    nsec until = clock_mono() + EXEC_STOP_TIME, now;

    if (!in->pid)
        return;
    child_signal(in->pid, SIGTERM);
    while ((now = clock_mono()) < until && !child_has_ended(in->pid)) {
        nsec again = nsec_earlier(pipe_reader_turn(&in->reader, now), now + EXEC_TICK);

        wait_for_it(in, t, nsec_earlier(again, until), true);
    }
    if (!child_has_ended(in->pid)) {
        log_warn("the program did not end when it was asked to, and is killed", KS("stream", in->env.stream),
                 KS("input", in->label));
        child_signal(in->pid, SIGKILL);
    }
    (void)child_reap(in->pid);
    in->pid = 0;
    hear_the_rest(in, clock_mono());
}

static void run(struct input_thread *t, void *arg)
{
    struct input *in = arg;

    in->next = clock_mono();
    while (!input_thread_ends(t)) {
        nsec now = clock_mono(), again;

        if (is_due(in, now))
            begin_run(in, now);
        if (in->pid)
            look_after_run(in, now);
        again = pipe_reader_turn(&in->reader, now);
        if (is_over(in))
            break;
        wait_for_it(in, t, nsec_earlier(again, next_look(in)), false);
    }
    stop_it(in, t);
    pipe_reader_end(&in->reader, &in->out, clock_mono() + EXEC_LINGER);
    close_one(&in->end);
}

/* --- the input ------------------------------------------------------------------------------------------------------------ */

static int exec_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));
    char origin[300];

    (void)e;
    in->env = *env;
    in->conf = conf;
    in->label = input_health_label(env->health, "exec");
    in->argv = words_of(&in->conf->command);
    in->environment = environment_of(&in->conf->environment);
    in->out = in->err = in->end = -1;
    snprintf(origin, sizeof(origin), "input=exec program=%s", in->argv[0]);
    pipe_reader_init(&in->reader, &in->env, in->label, origin);
    connection_init(&in->connection, &(struct connection_conf){
                                         .stream = env->stream,
                                         .input = in->label,
                                         .source = in->argv[0],
                                         .health = env->health,
                                         .holds = CONNECTION_HOLDS,
                                         .failed_text = "the program does not run, and is started again",
                                         .works_text = "the program runs again",
                                     });
    *out = in;
    return 0;
}

static int exec_start(struct input *in, struct err *e)
{
    return pipe_reader_start(&in->reader, run, in, e);
}

static void exec_stop(struct input *in)
{
    input_thread_stop(in->reader.thread);
}

static bool exec_stopped(struct input *in, nsec until)
{
    return input_thread_ended(in->reader.thread, until);
}

static void exec_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    pipe_reader_release(&in->reader);
    connection_release(&in->connection);
    mem_free(in->argv);
    free_environment(in->environment);
    MEM_CLEAR(*inp);
}

static void refuse(const struct cfg_options *o, const char *what)
{
    struct err e;

    (void)err_set(&e, ERR_CONFIG, "%s", what);
    cfg_options_refuse(o, &e);
}

static void exec_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct exec_conf *c = conf;
    struct err e;

    (void)base_dir;
    if (c->command.n > 0 && !*c->command.v[0])
        refuse(o, "command: its first word names no program");
    if (c->timeout > 0 && c->interval == 0)
        refuse(o, "timeout: it is for a program with an `interval`; one without is to run for ever");
    for (size_t i = 0; i < c->environment.n; i++) {
        if (*c->environment.v[i] && *c->environment.v[i] != '=')
            continue;
        (void)err_set(&e, ERR_CONFIG, "environment: NAME=VALUE or NAME is needed");
        cfg_options_refuse_item(o, "environment", i, &e);
    }
}

static void exec_look(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct exec_conf *c = conf;
    struct err e;

    (void)base_dir;
    if (c->command.n == 0 || !strchr(c->command.v[0], '/') || access(c->command.v[0], X_OK) == 0)
        return;
    (void)err_errno(&e, "`%s` cannot be run", c->command.v[0]);
    cfg_options_warn_item(o, "command", 0, &e);
}

static unsigned one_thread(const void *conf)
{
    (void)conf;
    return 1;
}

/* Two pipes, with their other ends while it is started, what is ready at its end, and what the thread is woken by. */
static unsigned descriptors(const void *conf)
{
    (void)conf;
    return 7;
}

const struct input_ops exec_ops = {
    .name = "exec",
    .help = "runs a program; every line that it prints is a record. A pipe cannot be read again: what was read and is "
            "not yet safe "
            "is lost when sluice is killed (docs/pipes.md)",
    .fields = fields,
    .conf_size = sizeof(struct exec_conf),
    .finite = true,
    .threads = one_thread,
    .sockets = descriptors,
    .open = exec_open,
    .start = exec_start,
    .stop = exec_stop,
    .stopped = exec_stopped,
    .close = exec_close,
    .check_conf = exec_check_conf,
    .look = exec_look,
};
