#include "pipeline/inputs/syslog/frame.h"

#include <string.h>

/* As many digits as a length may have that somebody means. */
#define DIGITS_MAX 9

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *end_of_line(struct slice in)
{
    const char *line = in.n ? memchr(in.p, '\n', in.n) : NULL;
    const char *zero = in.n ? memchr(in.p, '\0', line ? (size_t)(line - in.p) : in.n) : NULL;

    return zero ? zero : line;
}

enum length { IS_LENGTH, IS_LINE, IS_UNKNOWN };

/* "123 <": *head is how long that is, but for the '<'. */
static enum length length_of(struct slice in, bool counted, size_t *value, size_t *head)
{
    size_t n = 0, v = 0;

    if (in.n == 0 || in.p[0] < '1' || in.p[0] > '9')
        return IS_LINE;
    while (n < in.n && n <= DIGITS_MAX && is_digit(in.p[n]))
        v = v * 10 + (size_t)(in.p[n++] - '0');
    *value = v;
    *head = n + 1;
    if (n > DIGITS_MAX)
        return IS_LINE;
    if (n == in.n)
        return IS_UNKNOWN;
    if (in.p[n] != ' ')
        return IS_LINE;
    if (counted)
        return IS_LENGTH;
    if (n + 1 == in.n)
        return IS_UNKNOWN;
    return in.p[n + 1] == '<' ? IS_LENGTH : IS_LINE;
}

static struct syslog_frame counted_frame(struct slice in, bool last, size_t n, size_t head, size_t most)
{
    struct syslog_frame f = {.counted = true};
    size_t have = in.n - head;

    if (have >= n && n <= most) {
        f.kind = SYSLOG_FRAME_WHOLE;
        f.message = slice_of(in.p + head, n);
        f.used = head + n;
    } else if (n > most && have >= most) {
        f.kind = SYSLOG_FRAME_CUT;
        f.message = slice_of(in.p + head, most);
        f.used = head + most;
        f.left = n - most;
    } else if (last) {
        f.kind = SYSLOG_FRAME_WRONG; /* it broke off in the middle */
    }
    return f;
}

struct syslog_frame syslog_frame(struct slice in, bool last, bool counted, size_t most)
{
    struct syslog_frame f = {.kind = SYSLOG_FRAME_NONE};
    size_t n = 0, head = 0;
    const char *end;

    switch (length_of(in, counted, &n, &head)) {
    case IS_LENGTH:
        return counted_frame(in, last, n, head, most);
    case IS_UNKNOWN:
        if (!last)
            return f;
        break;
    case IS_LINE:
        break;
    }
    end = end_of_line(slice_of(in.p, in.n > most ? most + 1 : in.n));
    if (end) {
        f.kind = SYSLOG_FRAME_WHOLE;
        f.message = slice_of(in.p, (size_t)(end - in.p));
        f.used = f.message.n + 1;
    } else if (in.n > most) {
        f.kind = SYSLOG_FRAME_CUT;
        f.message = slice_of(in.p, most);
        f.used = most;
    } else if (last && in.n > 0) {
        f.kind = SYSLOG_FRAME_WHOLE;
        f.message = in;
        f.used = in.n;
    }
    return f;
}

size_t syslog_frame_rest(struct slice in, bool *ended)
{
    const char *end = end_of_line(in);

    *ended = end != NULL;
    return end ? (size_t)(end - in.p) + 1 : in.n;
}
