/* json_scan.h -- the inner loop of json.c: how far a string is plain.
 *
 * Threads: any; what is found belongs to who asks.
 */
#ifndef PIPELINE_BASE_JSON_SCAN_H
#define PIPELINE_BASE_JSON_SCAN_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/simd.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that are looked at together, and as few of them as may be; multiples of 64. */
#define JSON_WINDOW       512
#define JSON_WINDOW_LEAST 64
#define JSON_MARKS_BEHIND 4  /* times that the end of a piece stands behind its marks */
#define JSON_MARKS_SPARE  32 /* room for these, and for what is written in advance */

/* The first byte in [p, end) that is not plain inside a JSON string: a quote, a backslash, a control character, or part
 * of a code point above U+007F. `end` when all are plain. */
const char *json_scan_plain(enum simd simd, const char *p, const char *end);

/* Where a piece of text has bytes that are not plain: found for many strings at once. */
struct json_marks {
    const char *begin;                           /* of the piece */
    uint16_t n;                                  /* how long it is */
    uint16_t ahead;                              /* how long the next may be */
    uint16_t next;                               /* which of them was found last */
    uint16_t at[JSON_WINDOW + JSON_MARKS_SPARE]; /* ascending; behind them stands `n` some times */
};

static inline void json_marks_init(struct json_marks *m, const char *text)
{
    m->begin = text;
    m->n = 0;
    m->ahead = JSON_WINDOW;
}

/* Looks at a piece that begins at p, in the text that ends at `end`. */
void json_marks_fill(enum simd simd, struct json_marks *m, const char *p, const char *end);

/* The first byte at or behind p that is not plain, or one before it, up to which all are plain, where this has not looked
 * further; it may be `end`. Not for a place before one that was asked for before. */
static ALWAYS_INLINE const char *json_marks_next(struct json_marks *m, const char *p, const char *end)
{
    size_t at = (size_t)(p - m->begin);

    if (at >= m->n) {
        json_marks_fill(simd_best(), m, p, end);
        at = 0;
    }
    while (m->at[m->next] < at)
        m->next++;
    return m->begin + m->at[m->next];
}

#endif
