/* fifo.c -- the input that reads a named pipe: what writers write into it, each line a record.
 *
 * Writers come and go. When the last one has closed the pipe, what it wrote without a newline is a line; then the pipe is opened once more
 * before the old descriptor is closed, so that no writer ever finds it without a reader. One that was opened anew says nothing of an end to
 * poll() before a writer has come behind that. One may have come and gone before; so what comes is read until there is nothing, and that is
 * either an end or not yet.
 *
 * The pipe is made when it is not there. When somebody puts another in its place, that is found out by looking now and then. */
#include "pipeline/inputs/pipe/reader.h"

#include "config/options.h"
#include "config/path.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fifo_conf {
    char *path, *mode;
};

struct input {
    struct input_env env;
    const struct fifo_conf *conf;
    const char *label;
    char *path;
    char source[300];
    struct pipe_reader reader;
    struct connection connection;
    int fd;    /* -1: it is not open */
    bool more; /* there may be something, or an end, that poll() does not show */
    bool ended, replaced;
};

/* clang-format off */
static const struct cfg_field fields[] = {
    {.name = "path", .type = CFG_STRING, .offset = offsetof(struct fifo_conf, path), .required = true,
     .help = "the named pipe; it is made when it is not there"},
    {.name = "mode", .type = CFG_STRING, .offset = offsetof(struct fifo_conf, mode), .def = "0600", .max = 4,
     .help = "who may write to it when it is made: its permissions"},
    {.name = NULL},
};
/* clang-format on */

/* False: it is no number of permissions. */
static bool read_mode(const char *text, mode_t *mode)
{
    char *end;
    unsigned long n = strtoul(text, &end, 8);

    *mode = (mode_t)n;
    return *text >= '0' && *text <= '7' && !*end && n <= 0777;
}

/* --- opening ---------------------------------------------------------------------------------------------------------- */

/* A descriptor; -1 with errno. One that was there keeps its permissions. They are given to what was opened: at the path there may be something else
 * by then, where others may write to the folder. */
static int open_pipe(const struct input *in)
{
    bool made = mkfifo(in->path, 0600) == 0;
    mode_t mode = 0600;
    struct stat st;
    int fd, error;

    if (!made && errno != EEXIST)
        return -1;
    fd = open(in->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | (made ? O_NOFOLLOW : 0));
    if (fd < 0)
        return -1;
    (void)read_mode(in->conf->mode, &mode);
    error = fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode) ? ENOTSUP : 0;
    if (error == 0 && made && fchmod(fd, mode) < 0)
        error = errno;
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static const char *hint_of(int error)
{
    switch (error) {
    case ENOTSUP:
        return "there is something at this path that is no named pipe; give it another, or remove it";
    case EACCES:
    case EPERM:
        return "sluice must be allowed to read it, and to make it where it is not there";
    case ENOENT:
        return "the folder it is to be in is not there";
    default:
        return "look at the path";
    }
}

/* With --once nobody waits for it to become another one. */
static void give_up(struct input *in, const struct connection_trouble *t)
{
    input_health_error(in->env.health, t->cause, t->hint, clock_mono());
    log_warn("the named pipe cannot be opened", KS("stream", in->env.stream), KS("input", in->label),
             KS("source", in->source), KS("cause", t->cause), KS("hint", t->hint));
    in->ended = true;
}

static void open_it(struct input *in)
{
    struct connection_trouble t = {.doing = "open"};

    in->fd = open_pipe(in);
    if (in->fd >= 0) {
        connection_works(&in->connection, clock_mono());
        return;
    }
    t.cause = errno == ENOTSUP ? "it is no named pipe" : strerror(errno);
    t.hint = hint_of(errno);
    if (in->env.once)
        give_up(in, &t);
    else
        connection_failed(&in->connection, &t, clock_mono());
}

/* The last writer has gone, or another pipe is there. */
static void open_again(struct input *in)
{
    int old = in->fd;

    in->fd = -1;
    open_it(in);
    close(old);
}

static bool is_replaced(const struct input *in)
{
    struct stat here, there;

    return fstat(in->fd, &here) < 0 || stat(in->path, &there) < 0 || here.st_ino != there.st_ino ||
           here.st_dev != there.st_dev;
}

/* --- reading ---------------------------------------------------------------------------------------------------------- */

static void read_it(struct input *in)
{
    enum pipe_read answer = PIPE_READ_SOME;
    bool got = true;

    for (int i = 0; i < PIPE_TURN && got && answer == PIPE_READ_SOME && pipe_reader_wants(&in->reader); i++) {
        answer = pipe_reader_read(&in->reader, in->fd, &got);
        (void)pipe_reader_turn(&in->reader, clock_mono());
    }
    in->more = got && answer == PIPE_READ_SOME;
    if (answer == PIPE_READ_SOME)
        return;
    if (answer == PIPE_READ_FAILED)
        log_error("the named pipe cannot be read", KS("stream", in->env.stream), KS("input", in->label),
                  KS("cause", strerror(errno)));
    in->ended = true;
    pipe_reader_last(&in->reader);
}

/* There is nothing in it. A line that had no end yet has none. */
static void leave(struct input *in)
{
    in->ended = in->replaced = true;
    pipe_reader_last(&in->reader);
}

/* What the writers that have gone had written is in the window. True: there will be no more. */
static bool go_on(struct input *in)
{
    if (in->ended && pipe_reader_is_empty(&in->reader) && (in->replaced || !in->env.once)) {
        in->ended = in->replaced = false;
        pipe_reader_begin(&in->reader);
        open_again(in);
    }
    if (!in->ended || !in->env.once || !pipe_reader_is_idle(&in->reader))
        return false;
    if (in->env.finished)
        in->env.finished(in->env.ctx);
    return true;
}

static void run(struct input_thread *t, void *arg)
{
    struct input *in = arg;
    nsec look = clock_mono() + PIPE_LOOK, now, until;

    while (!input_thread_ends(t)) {
        struct pollfd p = {.fd = -1, .events = POLLIN};

        now = clock_mono();
        until = nsec_earlier(pipe_reader_turn(&in->reader, now), look);
        if (go_on(in))
            break;
        if (in->fd < 0 && !in->ended && connection_is_due(&in->connection, now))
            open_it(in);
        if (in->fd < 0 && !in->ended)
            until = nsec_earlier(until, in->connection.again);
        if (pipe_reader_wants(&in->reader))
            p.fd = in->fd;
        input_thread_poll(t, &p, 1, in->more && p.fd >= 0 ? 0 : until, false);
        if (p.revents || (in->more && p.fd >= 0))
            read_it(in);
        else if (p.fd >= 0 && clock_mono() >= look && is_replaced(in))
            leave(in);
        if (clock_mono() >= look)
            look = clock_mono() + PIPE_LOOK;
    }
    pipe_reader_end(&in->reader, &in->fd, clock_mono() + EXEC_LINGER);
}

/* --- the input -------------------------------------------------------------------------------------------------------- */

static int fifo_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));
    char origin[300];

    (void)e;
    in->env = *env;
    in->conf = conf;
    in->label = input_health_label(env->health, "fifo");
    in->path = path_below(env->base_dir, in->conf->path);
    in->fd = -1;
    snprintf(in->source, sizeof(in->source), "%s", in->path);
    snprintf(origin, sizeof(origin), "input=fifo path=%s", in->path);
    pipe_reader_init(&in->reader, &in->env, in->label, origin);
    connection_init(&in->connection, &(struct connection_conf){
                                         .stream = env->stream,
                                         .input = in->label,
                                         .source = in->source,
                                         .health = env->health,
                                         .failed_text = "the named pipe cannot be opened, and is tried again",
                                         .works_text = "the named pipe is open again",
                                     });
    *out = in;
    return 0;
}

static int fifo_start(struct input *in, struct err *e)
{
    return pipe_reader_start(&in->reader, run, in, e);
}

static void fifo_stop(struct input *in)
{
    input_thread_stop(in->reader.thread);
}

static bool fifo_stopped(struct input *in, nsec until)
{
    return input_thread_ended(in->reader.thread, until);
}

static void fifo_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    pipe_reader_release(&in->reader);
    connection_release(&in->connection);
    mem_free(in->path);
    MEM_CLEAR(*inp);
}

static void fifo_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct fifo_conf *c = conf;
    struct err e;
    mode_t mode;

    (void)base_dir;
    if (!c->mode || read_mode(c->mode, &mode))
        return;
    (void)err_set(&e, ERR_CONFIG, "mode: permissions are needed, such as 0600 or 0622");
    cfg_options_refuse(o, &e);
}

static bool fifo_same_client(const void *conf, const void *other)
{
    const struct fifo_conf *a = conf, *b = other;

    return a->path && b->path && strcmp(a->path, b->path) == 0;
}

static unsigned one_thread(const void *conf)
{
    (void)conf;
    return 1;
}

/* The pipe, twice while it is opened anew, and what the thread is woken by. */
static unsigned descriptors(const void *conf)
{
    (void)conf;
    return 3;
}

const struct input_ops fifo_ops = {
    .name = "fifo",
    .help = "reads a named pipe; every line that is written into it is a record. A pipe cannot be read again: what was "
            "read and "
            "is not yet safe is lost when sluice is killed (docs/pipes.md)",
    .fields = fields,
    .conf_size = sizeof(struct fifo_conf),
    .finite = true,
    .threads = one_thread,
    .sockets = descriptors,
    .open = fifo_open,
    .start = fifo_start,
    .stop = fifo_stop,
    .stopped = fifo_stopped,
    .close = fifo_close,
    .check_conf = fifo_check_conf,
    .same_client = fifo_same_client,
    .same_client_text = "reads the same named pipe, and each line would be one of the two's",
};
