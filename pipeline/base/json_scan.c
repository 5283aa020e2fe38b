/* Most of JSON is text between quotes, and most of that is plain: neither a quote, a backslash, a control character
 * nor a byte of UTF-8 beyond ASCII. How far it is plain is asked 16 or 32 bytes at a time: one signed comparison
 * finds control characters and high bytes together, as both are less than a space.
 *
 * Many short strings are asked for together: a word of 64 bits says which of 64 bytes are not plain, and the places of its
 * bits are written down one behind the other. Who reads the text then takes the end of a string from that list, and need
 * not know where this one ends to find the next. */
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

/* Not 0 where a byte is not plain. A signed comparison with ' ' finds control characters and bytes above 0x7f at once.
 */
static inline __m128i special16(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);

    return _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(' ')),
                        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
}

static const char *scan_sse2(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned found = (unsigned)_mm_movemask_epi8(special16(p));

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

static uint64_t find64_sse2(const char *p)
{
    uint64_t found = 0;

    for (unsigned i = 0; i < 64; i += 16)
        found |= (uint64_t)(unsigned)_mm_movemask_epi8(special16(p + i)) << i;
    return found;
}

static inline TARGET_AVX2 uint64_t find64_avx2(const char *p)
{
    return (unsigned)_mm256_movemask_epi8(special32(p)) | (uint64_t)(unsigned)_mm256_movemask_epi8(special32(p + 32))
                                                              << 32;
}

/* As put_places(). A processor cannot foresee how many there are: so the places of twelve, which is enough as a rule, are
 * written in any case, and those behind the last are written over by the next. */
static inline TARGET_AVX2 uint16_t *put_places_avx2(uint16_t *at, unsigned base, uint64_t found)
{
    uint16_t *end = at + __builtin_popcountll(found);

    if (!found)
        return at;
#pragma GCC unroll 12
    for (unsigned i = 0; i < 12; i++, found &= found - 1)
        *at++ = (uint16_t)(base + _tzcnt_u64(found)); /* there is an answer for no bit, too */
    for (; found; found &= found - 1)
        *at++ = (uint16_t)(base + _tzcnt_u64(found));
    return end;
}

static TARGET_AVX2 uint16_t *fill_avx2(uint16_t *at, const char *p, size_t n)
{
    size_t rest = n % 64, i = 0;

    for (; i < n - rest; i += 64)
        at = put_places_avx2(at, (unsigned)i, find64_avx2(p + i));
    return rest ? put_places_avx2(at, (unsigned)i, find64_avx2(p + n - 64) >> (64 - rest)) : at;
}

static inline TARGET_AVX512 uint64_t find64_avx512(const char *p)
{
    __m512i v = _mm512_loadu_si512(p);

    return _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8(' ')) | _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"')) |
           _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\'));
}

/* The places of the bits of a word are moved together in one step. */
static inline TARGET_AVX512 uint16_t *put_places_avx512(uint16_t *at, __m512i places, size_t base, uint64_t found)
{
    __m512i moved = _mm512_maskz_compress_epi8(found, places), first = _mm512_set1_epi16((short)base);
    size_t count = (size_t)__builtin_popcountll(found);

    _mm512_storeu_si512(at, _mm512_add_epi16(first, _mm512_cvtepu8_epi16(_mm512_castsi512_si256(moved))));
    if (count > 32)
        _mm512_storeu_si512(at + 32,
                            _mm512_add_epi16(first, _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(moved, 1))));
    return at + count;
}

static TARGET_AVX512 uint16_t *fill_avx512(uint16_t *at, const char *p, size_t n)
{
    static const uint64_t from_0_to_63[8] = {0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x1716151413121110,
                                             0x1f1e1d1c1b1a1918, 0x2726252423222120, 0x2f2e2d2c2b2a2928,
                                             0x3736353433323130, 0x3f3e3d3c3b3a3938};
    __m512i places = _mm512_loadu_si512(from_0_to_63);
    size_t rest = n % 64, i = 0;

    for (; i < n - rest; i += 64)
        at = put_places_avx512(at, places, i, find64_avx512(p + i));
    return rest ? put_places_avx512(at, places, i, find64_avx512(p + n - 64) >> (64 - rest)) : at;
}

#endif

const char *json_scan_plain(enum simd simd, const char *p, const char *end)
{
#ifdef __x86_64__
    if (simd >= SIMD_AVX2)
        return scan_avx2(p, end);
    if (simd >= SIMD_SSE2)
        return scan_sse2(p, end);
#endif
    (void)simd;
    return scan_bytes(p, end);
}

/* --- marks --- */

static uint64_t find64(enum simd simd, const char *p)
{
    uint64_t found = 0;

#ifdef __x86_64__
    if (simd >= SIMD_SSE2)
        return find64_sse2(p);
#endif
    (void)simd;
    for (unsigned i = 0; i < 64; i++)
        found |= (uint64_t)(scan_bytes(p + i, p + i + 1) == p + i) << i;
    return found;
}

static uint16_t *put_places(uint16_t *at, unsigned base, uint64_t found)
{
    for (; found; found &= found - 1)
        *at++ = (uint16_t)(base + (unsigned)__builtin_ctzll(found));
    return at;
}

/* Of n >= 64 bytes: what is left behind the last 64 is looked at together with what stands before. */
static uint16_t *fill(enum simd simd, uint16_t *at, const char *p, size_t n)
{
    size_t rest = n % 64, i = 0;

#ifdef __x86_64__
    if (simd >= SIMD_AVX512)
        return fill_avx512(at, p, n);
    if (simd >= SIMD_AVX2)
        return fill_avx2(at, p, n);
#endif
    for (; i < n - rest; i += 64)
        at = put_places(at, (unsigned)i, find64(simd, p + i));
    return rest ? put_places(at, (unsigned)i, find64(simd, p + n - 64) >> (64 - rest)) : at;
}

void json_marks_fill(enum simd simd, struct json_marks *m, const char *p, const char *end)
{
    size_t n = (size_t)(end - p) < m->ahead ? (size_t)(end - p) : m->ahead;
    char few[64];
    uint16_t *at;

    if (n >= 64) {
        at = fill(simd, m->at, p, n);
    } else {
        memset(few, ' ', sizeof(few));
        memcpy(few, p, n);
        at = fill(simd, m->at, few, sizeof(few));
    }
    m->begin = p;
    m->n = (uint16_t)n;
    m->next = 0;
    m->ahead = m->ahead < JSON_WINDOW ? (uint16_t)(2 * m->ahead) : JSON_WINDOW;
    for (size_t i = 0; i < JSON_MARKS_BEHIND; i++)
        at[i] = (uint16_t)n;
}
