/* AVX2 after Wojciech Mula and Daniel Lemire, "Faster Base64 Encoding and Decoding Using AVX2 Instructions" (2018).
 *
 * Decoding maps 32 characters at a time. A character's high nibble picks the offset that turns it into its 6 bits; its
 * two nibbles each pick a set of faults from a table, and a fault that is in both sets means that the character is not
 * in the alphabet. Then two multiply-adds pack 4 x 6 bits into 3 bytes and a shuffle closes the gaps.
 *
 * Encoding goes the other way: shuffle 3 bytes to each 4, split them by multiplications, add the offset of the range
 * that each 6-bit value is in. */
#include "pipeline/base/base64_kernel.h"

#include "pipeline/base/compiler.h"

#ifdef __x86_64__

#include <immintrin.h>

#define BOTH_LANES(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)

static inline TARGET_AVX2 __m256i load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline TARGET_AVX2 void store(char *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, v);
}

static TARGET_AVX2 size_t decode_avx2(struct slice in, char *out)
{
    const __m256i faults_low =
        BOTH_LANES(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A);
    const __m256i faults_high =
        BOTH_LANES(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
    const __m256i offsets = BOTH_LANES(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i packing = BOTH_LANES(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, -1, -1);
    const __m256i slash = _mm256_set1_epi8('/'), nibble = _mm256_set1_epi8(0x0f);
    size_t used = 0;

    for (; in.n - used >= 32; used += 32, out += 24) {
        __m256i v = load(in.p + used);
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(v, 4), nibble);
        __m256i faults = _mm256_and_si256(_mm256_shuffle_epi8(faults_low, _mm256_and_si256(v, nibble)),
                                          _mm256_shuffle_epi8(faults_high, high));

        if (!_mm256_testz_si256(faults, faults))
            break;
        /* '/' shares its high nibble with '+': the comparison (-1) moves it to the entry before. */
        v = _mm256_add_epi8(v, _mm256_shuffle_epi8(offsets, _mm256_add_epi8(high, _mm256_cmpeq_epi8(v, slash))));
        v = _mm256_maddubs_epi16(v, _mm256_set1_epi32(0x01400140));
        v = _mm256_madd_epi16(v, _mm256_set1_epi32(0x00011000));
        v = _mm256_shuffle_epi8(v, packing);
        store(out, _mm256_permutevar8x32_epi32(v, lanes));
    }
    return used;
}

static TARGET_AVX2 size_t encode_avx2(struct slice in, char *out)
{
    const __m256i spread = BOTH_LANES(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    const __m256i offsets = BOTH_LANES('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                       '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
    size_t used = 0;

    /* 24 bytes a turn, loaded as 16 at 0 and 16 at 12: 28 must be there. */
    for (; in.n - used >= 28; used += 24, out += 32) {
        const char *p = in.p + used;
        __m256i v = _mm256_loadu2_m128i((const __m128i *)(const void *)(p + 12), (const __m128i *)(const void *)p);
        __m256i a, b, range;

        v = _mm256_shuffle_epi8(v, spread);
        a = _mm256_mulhi_epu16(_mm256_and_si256(v, _mm256_set1_epi32(0x0fc0fc00)), _mm256_set1_epi32(0x04000040));
        b = _mm256_mullo_epi16(_mm256_and_si256(v, _mm256_set1_epi32(0x003f03f0)), _mm256_set1_epi32(0x01000010));
        v = _mm256_or_si256(a, b);
        /* 0..25 -> 13, 26..51 -> 0, 52..61 -> 1..10, 62 -> 11, 63 -> 12 */
        range = _mm256_subs_epu8(v, _mm256_set1_epi8(51));
        range =
            _mm256_or_si256(range, _mm256_and_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(26), v), _mm256_set1_epi8(13)));
        store(out, _mm256_add_epi8(v, _mm256_shuffle_epi8(offsets, range)));
    }
    return used;
}

size_t base64_decode_blocks(enum simd simd, struct slice in, char *out)
{
    return simd >= SIMD_AVX2 ? decode_avx2(in, out) : 0;
}

size_t base64_encode_blocks(enum simd simd, struct slice in, char *out)
{
    return simd >= SIMD_AVX2 ? encode_avx2(in, out) : 0;
}

#else

size_t base64_decode_blocks(enum simd simd, struct slice in, char *out)
{
    (void)simd, (void)in, (void)out;
    return 0;
}

size_t base64_encode_blocks(enum simd simd, struct slice in, char *out)
{
    (void)simd, (void)in, (void)out;
    return 0;
}

#endif
