#include "pipeline/base/progress.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/human.h"
#include "pipeline/base/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const nsec REDRAW = 200 * NSEC_PER_MSEC;
static const nsec RATE_WINDOW = 2 * NSEC_PER_SEC;

void progress_init(struct progress *p, const char *verb, int fd, nsec now)
{
    *p = (struct progress){.verb = verb, .fd = fd, .started = now, .drawn = now - REDRAW, .mark = now};
    p->terminal = isatty(fd) == 1;
}

static uint64_t rate(uint64_t bytes, nsec elapsed)
{
    if (elapsed <= 0)
        return 0;
    return (uint64_t)((double)bytes * (double)NSEC_PER_SEC / (double)elapsed);
}

/* The rate of the last two seconds: an average since the start would hide that it has stopped. */
static void measure(struct progress *p, uint64_t bytes, nsec now)
{
    nsec since = now - p->mark;

    if (since < RATE_WINDOW && p->mark != p->started)
        return;
    p->bytes_per_second = rate(bytes - p->mark_bytes, since);
    if (since >= RATE_WINDOW) {
        p->mark = now;
        p->mark_bytes = bytes;
    }
}

static void add_left(const struct progress_count *c, char *out, size_t size)
{
    char records[HUMAN_MAX], bytes[HUMAN_MAX];
    size_t n = strlen(out);

    if (!c->left_known)
        return;
    human_bytes(c->bytes_left, bytes, sizeof(bytes));
    if (c->records_left == 0)
        snprintf(out + n, size - n, "; left: %s", bytes);
    else
        snprintf(out + n, size - n, "; left: %s record%s, %s", human_count(c->records_left, records, sizeof(records)),
                 noun_s(c->records_left), bytes);
}

char *progress_text(const struct progress *p, const struct progress_count *c, char *out, size_t size)
{
    char records[HUMAN_MAX], bytes[HUMAN_MAX], per_second[HUMAN_MAX];

    snprintf(out, size, "%s %s record%s, %s, %s/s", p->verb, human_count(c->records, records, sizeof(records)),
             noun_s(c->records), human_bytes(c->bytes, bytes, sizeof(bytes)),
             human_bytes(p->bytes_per_second, per_second, sizeof(per_second)));
    add_left(c, out, size);
    return out;
}

char *progress_summary(const struct progress *p, const struct progress_count *c, nsec now, char *out, size_t size)
{
    char records[HUMAN_MAX], bytes[HUMAN_MAX], took[HUMAN_MAX], per_second[HUMAN_MAX];
    nsec elapsed = now - p->started;

    snprintf(out, size, "%s %s record%s, %s in %s (%s/s)", p->verb, human_count(c->records, records, sizeof(records)),
             noun_s(c->records), human_bytes(c->bytes, bytes, sizeof(bytes)),
             human_duration(elapsed, took, sizeof(took)),
             human_bytes(rate(c->bytes, elapsed), per_second, sizeof(per_second)));
    return out;
}

/* One write, so that log lines of other threads never land inside; to standard error on their way, which never waits. Progress
 * that cannot be shown is not an error. */
static void put(int fd, const char *text)
{
    ssize_t written;

    if (fd == STDERR_FILENO) {
        log_plain(text);
        return;
    }
    written = write(fd, text, strlen(text));
    (void)written;
}

void progress_update(struct progress *p, const struct progress_count *c, nsec now)
{
    char text[PROGRESS_LINE_MAX], line[PROGRESS_LINE_MAX + 16];
    int columns = 79; /* a line that wraps cannot be rewritten in place */
    struct winsize w;

    if (!p->terminal || now - p->drawn < REDRAW)
        return;
    p->drawn = now;
    measure(p, c->bytes, now);
    progress_text(p, c, text, sizeof(text));
    if (ioctl(p->fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 1)
        columns = w.ws_col - 1;
    snprintf(line, sizeof(line), "\r\033[K%.*s\r", columns, text);
    put(p->fd, line);
}

void progress_finish(struct progress *p, const struct progress_count *c, nsec now)
{
    char text[PROGRESS_LINE_MAX], line[PROGRESS_LINE_MAX + 16];

    progress_summary(p, c, now, text, sizeof(text));
    snprintf(line, sizeof(line), "%s%s\n", p->terminal ? "\r\033[K" : "", text);
    put(p->fd, line);
}
