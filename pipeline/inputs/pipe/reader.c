#include "pipeline/inputs/pipe/reader.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Any thread. */
static void on_news(void *ctx)
{
    struct pipe_reader *r = ctx;

    if (r->thread)
        input_thread_wake(r->thread);
}

void pipe_reader_init(struct pipe_reader *r, const struct input_env *env, const char *label, const char *origin)
{
    struct window_conf conf = {
        .spool = env->spool,
        .budget = env->budget,
        .pushback = env->pushback,
        .health = env->health,
        .keeps = true,
        .news = on_news,
        .ctx = r,
    };

    *r = (struct pipe_reader){.env = env, .label = label};
    snprintf(r->origin, sizeof(r->origin), "%s", origin);
    conf.origin = slice_str(r->origin);
    window_init(&r->window, &conf);
    buf_init(&r->data, PIPE_DATA_MAX);
}

void pipe_reader_release(struct pipe_reader *r)
{
    input_thread_free(&r->thread);
    window_release(&r->window);
    buf_release(&r->data);
}

int pipe_reader_start(struct pipe_reader *r, void (*run)(struct input_thread *t, void *arg), void *arg, struct err *e)
{
    const struct input_thread_conf conf = {
        .stream = r->env->stream, .input = r->label, .run = run, .polls = true, .arg = arg};

    return input_thread_start(&r->thread, &conf, e);
}

bool pipe_reader_wants(const struct pipe_reader *r)
{
    return !r->last && r->data.n - r->used <= LINE_MAX_BYTES && window_has_room(&r->window);
}

static void forget_used(struct pipe_reader *r)
{
    r->data.n -= r->used;
    if (r->used > 0 && r->data.n > 0)
        memmove(r->data.p, r->data.p + r->used, r->data.n);
    r->used = 0;
    if (r->data.n == 0)
        buf_trim(&r->data, 2 * PIPE_READ_BYTES);
}

enum pipe_read pipe_reader_read(struct pipe_reader *r, int fd, bool *got)
{
    ssize_t n;

    *got = false;
    forget_used(r);
    if (buf_reserve(&r->data, PIPE_READ_BYTES) < 0)
        return PIPE_READ_SOME; /* later */
    n = read(fd, r->data.p + r->data.n, PIPE_READ_BYTES);
    *got = n > 0;
    if (n > 0)
        r->data.n += (size_t)n;
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return PIPE_READ_SOME;
    return n == 0 ? PIPE_READ_END : PIPE_READ_FAILED;
}

void pipe_reader_last(struct pipe_reader *r)
{
    r->last = true;
}

void pipe_reader_begin(struct pipe_reader *r)
{
    r->last = r->mid_line = false;
}

bool pipe_reader_is_empty(const struct pipe_reader *r)
{
    return r->used == r->data.n;
}

static void note_split(struct pipe_reader *r)
{
    if (r->mid_line)
        return; /* the same line, cut again */
    metrics_add(r->env->metrics, METRIC_INPUT_SPLIT_LINES, 1);
    log_warn("line is longer than a record may be: split into several records", KS("stream", r->env->stream),
             KS("input", r->label), KU("record_max_bytes", LINE_MAX_BYTES));
}

/* The next record, without its newline. *newline: there is one behind it. False: it is not whole yet. */
static bool next_line(struct pipe_reader *r, struct slice *line, bool *newline)
{
    struct slice rest = slice_from(buf_slice(&r->data), r->used);
    const char *end = NULL;
    bool whole;

    if (rest.n > r->looked)
        end = memchr(rest.p + r->looked, '\n', rest.n - r->looked);
    *newline = end && (size_t)(end - rest.p) <= LINE_MAX_BYTES;
    if (*newline)
        *line = slice_of(rest.p, (size_t)(end - rest.p));
    else if (rest.n > LINE_MAX_BYTES)
        *line = slice_of(rest.p, LINE_MAX_BYTES);
    else
        *line = rest;
    whole = *newline || line->n < rest.n || (r->last && rest.n > 0);
    r->looked = whole ? 0 : rest.n;
    return whole;
}

static bool put(struct pipe_reader *r, struct slice line, nsec mono_now)
{
    const struct frame_message m = {.data = line};

    switch (window_put(&r->window, &m, r->number + 1, clock_wall(), mono_now)) {
    case WINDOW_TAKEN:
        r->number++;
        return true;
    case WINDOW_TOO_LARGE:
        input_health_error(r->env->health, "a line is larger than the stream's spool may be, and was dropped",
                           "raise spool.limit", mono_now);
        log_error("a line is larger than the stream's spool may be, and was dropped", KS("stream", r->env->stream),
                  KS("input", r->label), KU("bytes", line.n), KS("hint", "raise spool.limit"));
        return true;
    case WINDOW_FULL:
    case WINDOW_BROKEN:
        break;
    }
    return false;
}

static void put_lines(struct pipe_reader *r, nsec mono_now)
{
    struct slice line;
    bool newline;

    while (r->used < r->data.n && next_line(r, &line, &newline)) {
        bool nothing = r->mid_line && newline && line.n == 0; /* a part was all of its line but the newline */

        if (!nothing && !put(r, line, mono_now))
            return;
        if (!newline && !r->last)
            note_split(r);
        r->mid_line = !newline && !r->last;
        r->used += line.n + newline;
    }
}

nsec pipe_reader_turn(struct pipe_reader *r, nsec mono_now)
{
    struct window_news n = window_look(&r->window, mono_now);

    if (n.refused) { /* what the spool would not take however empty it were */
        log_error("records are larger than the stream's spool may be, and were dropped", KS("stream", r->env->stream),
                  KS("input", r->label), KU("records", r->window.records), KS("hint", "raise spool.limit"));
        window_reset(&r->window);
    }
    put_lines(r, mono_now);
    window_flush(&r->window, mono_now);
    return window_is_idle(&r->window) && pipe_reader_is_empty(r) ? NSEC_NEVER : mono_now + PIPE_AGAIN;
}

bool pipe_reader_is_idle(const struct pipe_reader *r)
{
    return pipe_reader_is_empty(r) && window_is_idle(&r->window);
}

static size_t bytes_in(int fd)
{
    int n = 0;

    return fd >= 0 && ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

bool pipe_reader_rest(struct pipe_reader *r, int fd, nsec mono_now)
{
    size_t left = bytes_in(fd), before, n;
    bool got;

    while (left > 0) {
        if (!pipe_reader_wants(r))
            return false;
        before = r->data.n - r->used;
        if (pipe_reader_read(r, fd, &got) != PIPE_READ_SOME || !got)
            return true;
        n = r->data.n - before;
        left -= n < left ? n : left;
        (void)pipe_reader_turn(r, mono_now);
    }
    return true;
}

/* Nobody writes into it behind this without being told. Returns how many bytes nobody will read. */
static size_t drain(struct pipe_reader *r, int *fd, nsec until)
{
    size_t left;
    nsec now;

    for (now = clock_mono(); !pipe_reader_rest(r, *fd, now) && now < until; now = clock_mono()) {
        nsec again = pipe_reader_turn(r, now);

        if (r->last && pipe_reader_is_empty(r))
            pipe_reader_begin(r);
        else
            input_thread_linger(r->thread, nsec_earlier(again, until));
    }
    left = bytes_in(*fd);
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return left;
}

void pipe_reader_end(struct pipe_reader *r, int *fd, nsec until)
{
    size_t lost = drain(r, fd, until);
    nsec now, again;

    pipe_reader_last(r);
    for (;;) {
        now = clock_mono();
        again = pipe_reader_turn(r, now);
        if (pipe_reader_is_idle(r) || now >= until)
            break;
        input_thread_linger(r->thread, nsec_earlier(again, until));
    }
    lost += r->data.n - r->used + window_left(&r->window).data;
    if (lost > 0)
        log_warn("stopped: what was in the pipe, or read from it and not yet taken by the spool, is lost",
                 KS("stream", r->env->stream), KS("input", r->label), KU("bytes", lost));
}
