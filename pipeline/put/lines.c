/* A window that slides over the input: lines are given out where they lie, and only the beginning of an unfinished
 * one is moved. It is larger than the longest record, so a window without a newline has a line that is too long: it
 * is emptied, and all is passed over up to the next newline. */
#include "pipeline/put/lines.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

void put_lines_init(struct put_lines *l, int fd)
{
    *l = (struct put_lines){.fd = fd, .p = mem_array(PUT_WINDOW_BYTES, 1)};
}

void put_lines_release(struct put_lines *l)
{
    MEM_CLEAR(l->p);
}

/* 1: more bytes. 0: the end, or a signal. -1. */
static int fill(struct put_lines *l, struct err *e)
{
    ssize_t n;

    memmove(l->p, l->p + l->begin, l->end - l->begin);
    l->end -= l->begin;
    l->begin = 0;
    n = read(l->fd, l->p + l->end, PUT_WINDOW_BYTES - l->end);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : err_errno(e, "read");
    l->ended = n == 0;
    l->end += (size_t)n;
    return n > 0;
}

/* True when *line is one, or the rest of one that is stepped over (*whole false). */
static bool cut(struct put_lines *l, struct slice *line, bool *too_long)
{
    char *from = l->p + l->begin, *newline = memchr(from, '\n', l->end - l->begin);
    size_t n = newline ? (size_t)(newline - from) : l->end - l->begin;

    if (!newline && n > LINE_MAX_BYTES) {
        l->skipping = true;
        l->begin = l->end;
    }
    if (!newline && (!l->ended || (n == 0 && !l->skipping)))
        return false;
    *line = slice_of(from, n);
    *too_long = l->skipping || n > LINE_MAX_BYTES;
    l->skipping = false;
    if (l->begin < l->end)
        l->begin += n + (newline ? 1 : 0);
    l->number++;
    return true;
}

enum put_line put_lines_next(struct put_lines *l, int idle_ms, struct slice *line, struct err *e)
{
    struct pollfd p = {.fd = l->fd, .events = POLLIN};
    bool too_long;

    while (!cut(l, line, &too_long)) {
        if (l->ended)
            return PUT_LINE_END;
        if (idle_ms >= 0 && poll(&p, 1, idle_ms) == 0)
            return PUT_LINE_IDLE;
        if (fill(l, e) < 0)
            return PUT_LINE_FAILED;
    }
    return too_long ? PUT_LINE_LONG : PUT_LINE;
}
