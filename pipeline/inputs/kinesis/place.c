#include "pipeline/inputs/kinesis/place.h"

#include <inttypes.h>
#include <stdio.h>

bool is_sequence(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0 && s.n <= SEQUENCE_MAX;
}

int sequence_order(const char *a, const char *b)
{
    size_t na, nb;

    a += strspn(a, "0");
    b += strspn(b, "0");
    na = strlen(a);
    nb = strlen(b);
    return na != nb ? (na > nb) - (na < nb) : strcmp(a, b);
}

static int rank(const struct place *p)
{
    switch (p->kind) {
    case PLACE_NONE:
        return 0;
    case PLACE_START:
        return 1;
    case PLACE_TIME:
        return 2;
    case PLACE_AFTER:
    case PLACE_WITHIN:
        return 3;
    case PLACE_END:
        break;
    }
    return 4;
}

int place_order(const struct place *a, const struct place *b)
{
    int order = rank(a) - rank(b);

    if (order != 0)
        return order;
    if (a->kind == PLACE_TIME)
        return (a->ms > b->ms) - (a->ms < b->ms);
    if (rank(a) != 3)
        return 0;
    order = sequence_order(a->sequence, b->sequence);
    if (order != 0)
        return order;
    if (a->kind != b->kind)
        return a->kind == PLACE_AFTER ? 1 : -1;
    return a->kind == PLACE_WITHIN ? (a->sub > b->sub) - (a->sub < b->sub) : 0;
}

struct slice place_encode(const struct place *p, char out[PLACE_TEXT_MAX])
{
    int n = 0;

    switch (p->kind) {
    case PLACE_NONE:
        break;
    case PLACE_START:
        n = snprintf(out, PLACE_TEXT_MAX, "start");
        break;
    case PLACE_TIME:
        n = snprintf(out, PLACE_TEXT_MAX, "time %" PRId64, p->ms);
        break;
    case PLACE_AFTER:
        n = snprintf(out, PLACE_TEXT_MAX, "after %s", p->sequence);
        break;
    case PLACE_WITHIN:
        n = snprintf(out, PLACE_TEXT_MAX, "within %s %" PRIu64, p->sequence, p->sub);
        break;
    case PLACE_END:
        n = snprintf(out, PLACE_TEXT_MAX, "end%s%s", p->sequence[0] ? " " : "", p->sequence);
        break;
    }
    return slice_of(out, (size_t)n);
}

/* Takes a number of at most 18 digits, which is all of `s`. */
static bool whole_number(struct slice s, uint64_t *out)
{
    *out = 0;
    if (!is_sequence(s) || s.n > 18)
        return false;
    for (size_t i = 0; i < s.n; i++)
        *out = *out * 10 + (uint64_t)(s.p[i] - '0');
    return true;
}

static bool take_sequence(struct slice s, struct place *p)
{
    if (!is_sequence(s))
        return false;
    memcpy(p->sequence, s.p, s.n);
    p->sequence[s.n] = '\0';
    return true;
}

static bool after(struct slice text, struct slice word, struct slice *rest)
{
    if (!slice_starts(text, word))
        return false;
    *rest = slice_from(text, word.n);
    return true;
}

bool place_decode(struct slice text, struct place *p)
{
    struct slice rest;
    uint64_t ms;

    *p = (struct place){.kind = PLACE_NONE};
    if (slice_is(text, "start")) {
        p->kind = PLACE_START;
        return true;
    }
    if (slice_is(text, "end")) {
        p->kind = PLACE_END;
        return true;
    }
    if (after(text, SLICE("end "), &rest)) {
        p->kind = PLACE_END;
        return take_sequence(rest, p);
    }
    if (after(text, SLICE("time "), &rest)) {
        p->kind = PLACE_TIME;
        if (!whole_number(rest, &ms))
            return false;
        p->ms = (int64_t)ms;
        return true;
    }
    if (after(text, SLICE("after "), &rest)) {
        p->kind = PLACE_AFTER;
        return take_sequence(rest, p);
    }
    if (after(text, SLICE("within "), &rest)) {
        const char *blank = memchr(rest.p, ' ', rest.n);
        size_t n = blank ? (size_t)(blank - rest.p) : 0;

        p->kind = PLACE_WITHIN;
        return blank && take_sequence(slice_of(rest.p, n), p) && whole_number(slice_from(rest, n + 1), &p->sub);
    }
    return false;
}
