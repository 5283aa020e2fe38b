/* json_scan.h -- the inner loop of json.c: how far a string is plain.
 *
 * Threads: pure functions.
 */
#ifndef PIPELINE_BASE_JSON_SCAN_H
#define PIPELINE_BASE_JSON_SCAN_H

#include "pipeline/base/simd.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The first byte in [p, end) that is not plain inside a JSON string: a quote, a backslash, a control character, or part
 * of a code point above U+007F. `end` when all are plain. */
const char *json_scan_plain(enum simd simd, const char *p, const char *end);

#ifdef __SSE2__
/* Not 0 where a byte is not plain. A signed comparison with ' ' finds control characters and bytes above 0x7f at once.
 */
static inline __m128i json_special16(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);

    return _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(' ')),
                        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
}
#endif

/* As json_scan_plain(), but it may stop anywhere among the plain bytes: what is worth doing inline, for short strings.
 */
static inline const char *json_scan_short(const char *p, const char *end)
{
#ifdef __SSE2__
    for (int blocks = 0; blocks < 4 && end - p >= 16; blocks++, p += 16) {
        unsigned found = (unsigned)_mm_movemask_epi8(json_special16(p));

        if (found)
            return p + __builtin_ctz(found);
    }
#else
    (void)end;
#endif
    return p;
}

#endif
