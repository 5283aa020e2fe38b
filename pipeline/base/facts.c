#include "pipeline/base/facts.h"

#include "pipeline/base/limits.h"

#include <string.h>

enum {
    HEAD_BYTES = 3,
    NAME_MAX_BYTES = 255,
};

_Static_assert(RECORD_FACTS_MAX <= UINT16_MAX, "a value's length fits its two bytes");

int facts_add(struct buf *facts, struct slice name, struct slice value)
{
    unsigned char *p;

    if (name.n == 0 || name.n > NAME_MAX_BYTES || value.n > RECORD_FACTS_MAX ||
        facts->n + HEAD_BYTES + name.n + value.n > RECORD_FACTS_MAX ||
        buf_reserve(facts, HEAD_BYTES + name.n + value.n) < 0)
        return -1;
    p = (unsigned char *)facts->p + facts->n;
    p[0] = (unsigned char)name.n;
    p[1] = (unsigned char)(value.n & 0xff);
    p[2] = (unsigned char)(value.n >> 8);
    memcpy(p + HEAD_BYTES, name.p, name.n);
    if (value.n > 0)
        memcpy(p + HEAD_BYTES + name.n, value.p, value.n);
    facts->n += HEAD_BYTES + name.n + value.n;
    return 0;
}

bool facts_next(struct slice *rest, struct slice *name, struct slice *value)
{
    const unsigned char *p = (const unsigned char *)rest->p;
    size_t name_n, value_n;

    if (rest->n < HEAD_BYTES)
        return false;
    name_n = p[0];
    value_n = p[1] | (size_t)p[2] << 8;
    if (name_n + value_n > rest->n - HEAD_BYTES)
        return false;
    *name = slice_of(rest->p + HEAD_BYTES, name_n);
    *value = slice_of(rest->p + HEAD_BYTES + name_n, value_n);
    *rest = slice_of(value->p + value_n, rest->n - HEAD_BYTES - name_n - value_n);
    return true;
}

bool facts_find(struct slice facts, struct slice name, struct slice *value)
{
    struct slice at;

    while (facts_next(&facts, &at, value))
        if (slice_eq(at, name))
            return true;
    *value = slice_of(NULL, 0);
    return false;
}
