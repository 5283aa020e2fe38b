/* Most of JSON is text between quotes, and most of that is plain: neither a quote, a backslash, a control character
 * nor a byte of UTF-8 beyond ASCII. How far it is plain is asked 16 or 32 bytes at a time: one signed comparison
 * finds control characters and high bytes together, as both are less than a space. */
#include "pipeline/base/json_scan.h"

#include "pipeline/base/compiler.h"

#include <stdbool.h>

static const char *scan_bytes(const char *p, const char *end)
{
    while (p < end && (signed char)*p >= ' ' && *p != '"' && *p != '\\')
        p++;
    return p;
}

#ifdef __x86_64__

#include <immintrin.h>

static const char *scan_sse2(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned found = (unsigned)_mm_movemask_epi8(json_special16(p));

        if (found)
            return p + __builtin_ctz(found);
    }
    return scan_bytes(p, end);
}

static inline TARGET_AVX2 __m256i special32(const char *p)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);

    return _mm256_or_si256(
        _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), v),
        _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')), _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'))));
}

/* Two blocks a turn for long strings; the turn after that finds out which of the two it was. */
static TARGET_AVX2 const char *scan_avx2(const char *p, const char *end)
{
    for (; end - p >= 32; p += 32) {
        unsigned found = (unsigned)_mm256_movemask_epi8(special32(p));

        if (found)
            return p + __builtin_ctz(found);
        while (end - p >= 96) {
            __m256i both = _mm256_or_si256(special32(p + 32), special32(p + 64));

            if (!_mm256_testz_si256(both, both))
                break;
            p += 64;
        }
    }
    return scan_sse2(p, end);
}

const char *json_scan_plain(enum simd simd, const char *p, const char *end)
{
    if (simd >= SIMD_AVX2)
        return scan_avx2(p, end);
    return simd >= SIMD_SSE2 ? scan_sse2(p, end) : scan_bytes(p, end);
}

#else

const char *json_scan_plain(enum simd simd, const char *p, const char *end)
{
    (void)simd;
    return scan_bytes(p, end);
}

#endif
