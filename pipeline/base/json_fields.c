/* Most members are written like this by machines: ,"name":"text" or ,"name":123. Then there is nothing special in the text but the
 * quotes, and json_scan.h has a list of where these are. So each member is looked at where it must be if all is as usual, and a processor
 * works on several at once, as none has to be read to its end before the next is known. What is written otherwise, is a mistake, or
 * has an escape is left to json_field(), and what comes behind it is tried here again. */
#include "pipeline/base/json.h"

#include <endian.h>

/* NUL at the end. */
static ALWAYS_INLINE char char_at(const char *p, const char *end)
{
    return p < end ? *p : '\0';
}

/* How many digits stand at p, up to 8: found without a branch for each, as how long numbers are is what a processor cannot foresee.
 * The text [begin, end) has 8 bytes at least; they are read from before p when fewer are behind it. A sum or difference that
 * overflows touches only bytes behind the first that is no digit. */
static ALWAYS_INLINE size_t digits8(const char *p, const char *end)
{
    uint64_t v, others;

    if (end - p < 8) {
        if (p == end)
            return 0;
        memcpy(&v, end - 8, sizeof(v));
        v = le64toh(v) >> 8 * (8 - (end - p));
    } else {
        memcpy(&v, p, sizeof(v));
        v = le64toh(v);
    }
    others = ((v + 0x4646464646464646U) | (v - 0x3030303030303030U)) & 0x8080808080808080U;
    return others ? (size_t)__builtin_ctzll(others) / 8 : 8;
}

static ALWAYS_INLINE bool has_pair(const char *p, const char pair[3])
{
    return memcmp(p, pair, 2) == 0;
}

/* Behind the number at p when it has no sign, no exponent, few digits, and a member ends there; NULL: that is to be looked at more
 * closely. The text is as for digits8(), and has something at p. */
static ALWAYS_INLINE const char *pass_short_number(const char *p, const char *end)
{
    size_t n = digits8(p, end);

    if (n == 0 || (n > 1 && *p == '0'))
        return NULL;
    p += n;
    if (char_at(p, end) == '.') {
        n = digits8(p + 1, end);
        p += 1 + n;
    }
    return n > 0 && (char_at(p, end) == ',' || char_at(p, end) == '}') ? p : NULL;
}

/* Reads as many plain members as come one behind the other. `p` is where the first should begin: at a comma, or at the brace in front
 * of it. */
static size_t plain_fields(struct json_reader *r, const char *p, struct json_field *f, size_t max)
{
    struct json_marks *m = &r->marks;
    const char *end = r->end, *begin;
    const uint16_t *mark;
    size_t n = 0;

    if (end - r->begin < 8 || end - p < 2 || p[1] != '"')
        return 0;
    json_marks_next(m, p + 1, end);
    begin = m->begin;
    for (mark = m->at + m->next; n < max; n++) {
        const char *name = begin + mark[0] + 1, *colon = begin + mark[1] + 1, *value = colon + 1, *behind;

        if (name != p + 2 || mark[1] <= mark[0] || end - p < 2 || !has_pair(p, n > 0 || !r->first ? ",\"" : "{\"") ||
            end - colon < 2 || !has_pair(colon - 1, "\":"))
            break;
        if (*value == '"') {
            behind = begin + mark[3];
            if (mark[2] != mark[1] + 2 || mark[3] <= mark[2] || behind == end || *behind++ != '"')
                break;
            f[n].type = JSON_STRING;
            mark += 4;
        } else {
            behind = pass_short_number(value, end);
            if (!behind)
                break;
            f[n].type = JSON_NUMBER;
            mark += 2;
        }
        f[n].key = (struct json_string){.raw = slice_of(name, (size_t)(colon - 1 - name))};
        f[n].value = slice_of(value, (size_t)(behind - value));
        p = behind;
    }
    if (n > 0) {
        m->next = (uint16_t)(mark - m->at);
        r->p = p;
        r->first = false;
    }
    return n;
}

size_t json_fields(struct json_reader *r, struct json_field *f, size_t max)
{
    size_t n = 0;

    do {
        if (!r->error && r->depth > 0 && json_in_object(r))
            n += plain_fields(r, r->p - r->first, f + n, max - n);
    } while (n < max && json_field(r, &f[n]) && ++n < max);
    return n;
}
