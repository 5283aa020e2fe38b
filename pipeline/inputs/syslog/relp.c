#include "pipeline/inputs/syslog/relp.h"

#include <stdio.h>
#include <string.h>

#define NUMBER_DIGITS_MAX 9
#define LENGTH_DIGITS_MAX 9
#define COMMAND_MAX       32

struct cursor {
    struct slice rest;
    bool short_of; /* more is needed */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits, and what stands behind them is not taken. False: wrong, or there is not enough. */
static bool number(struct cursor *c, size_t most, uint32_t *v)
{
    size_t n = 0;

    *v = 0;
    while (n < c->rest.n && n < most && is_digit(c->rest.p[n]))
        *v = *v * 10 + (uint32_t)(c->rest.p[n++] - '0');
    c->short_of = n == c->rest.n;
    if (c->short_of || n == 0 || is_digit(c->rest.p[n]))
        return false;
    c->rest = slice_from(c->rest, n);
    return true;
}

static bool blank(struct cursor *c)
{
    c->short_of = c->rest.n == 0;
    if (c->short_of || c->rest.p[0] != ' ')
        return false;
    c->rest = slice_from(c->rest, 1);
    return true;
}

static bool command(struct cursor *c, struct slice *name)
{
    size_t n = 0;

    while (n < c->rest.n && n <= COMMAND_MAX && c->rest.p[n] >= 'A' && c->rest.p[n] <= 'z')
        n++;
    c->short_of = n == c->rest.n && n <= COMMAND_MAX;
    if (c->short_of || n == 0 || n > COMMAND_MAX)
        return false;
    *name = slice_of(c->rest.p, n);
    c->rest = slice_from(c->rest, n);
    return true;
}

static enum relp_command command_of(struct slice name)
{
    return slice_is(name, "syslog")  ? RELP_SYSLOG
           : slice_is(name, "open")  ? RELP_OPEN
           : slice_is(name, "close") ? RELP_CLOSE
                                     : RELP_OTHER;
}

static struct relp_frame unfinished(const struct cursor *c)
{
    return (struct relp_frame){.kind = c->short_of ? RELP_NONE : RELP_WRONG};
}

/* Without data the blank in front of it may be missing. */
static struct relp_frame with_data(struct relp_frame f, struct cursor *c, struct slice in, size_t n, size_t most)
{
    if (n > 0 && !blank(c))
        return unfinished(c);
    if (n == 0)
        (void)blank(c);
    f.data = slice_of(c->rest.p, n < most ? n : most);
    if (c->rest.n < f.data.n || (n <= most && c->rest.n == n))
        return (struct relp_frame){.kind = RELP_NONE};
    f.used = (size_t)(c->rest.p - in.p) + f.data.n;
    if (n > most) {
        f.kind = RELP_CUT;
        f.left = n - most + 1;
        return f;
    }
    f.kind = c->rest.p[n] == '\n' ? RELP_WHOLE : RELP_WRONG;
    f.used++;
    return f;
}

struct relp_frame relp_frame(struct slice in, size_t most)
{
    struct relp_frame f = {.kind = RELP_WRONG};
    struct cursor c = {.rest = in};
    struct slice name;
    uint32_t n;

    if (!number(&c, NUMBER_DIGITS_MAX, &f.number) || !blank(&c) || !command(&c, &name) || !blank(&c) ||
        !number(&c, LENGTH_DIGITS_MAX, &n))
        return unfinished(&c);
    f.command = command_of(name);
    return with_data(f, &c, in, n, most);
}

size_t relp_answer(uint32_t number, const char *text, char out[RELP_ANSWER_MAX])
{
    size_t n = strlen(text);
    int written = n > 0 ? snprintf(out, RELP_ANSWER_MAX, "%u rsp %zu %s\n", number, n, text)
                        : snprintf(out, RELP_ANSWER_MAX, "%u rsp 0\n", number);

    return (size_t)written < RELP_ANSWER_MAX ? (size_t)written : 0; /* no text of ours is as long */
}

bool relp_is_ours(struct slice offers)
{
    struct slice rest = offers, line;

    while (slice_take_line(&rest, &line))
        if (slice_starts(line, SLICE("relp_version=")))
            return slice_is(slice_from(line, strlen("relp_version=")), "0") ||
                   slice_is(slice_from(line, strlen("relp_version=")), "1");
    return true; /* it does not say */
}
