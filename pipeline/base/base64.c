/* Four characters become 24 bits by a table. A vector kernel takes what it can from the front: whole blocks, up to one that has anything
 * but characters of the alphabet. The rest is done here, and so is the end, where padding may stand and unused bits must be zero. */
#include "pipeline/base/base64.h"

#include <stdint.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define XX 0xff

/* clang-format off */
static const unsigned char value_of[256] = {
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62, XX, XX, XX, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, XX, XX, XX,
    XX, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, XX, XX, XX, XX, XX,
    XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
};
/* clang-format on */

#undef XX

/* --- the kernel ---------------------------------------------------------------------------------------------------- */

#ifdef __x86_64__

/* AVX2 after Wojciech Mula and Daniel Lemire, "Faster Base64 Encoding and Decoding Using AVX2 Instructions" (2018).
 *
 * Decoding maps 32 characters at a time. A character's high nibble picks the offset that turns it into its 6 bits; its
 * two nibbles each pick a set of faults from a table, and a fault that is in both sets means that the character is not
 * in the alphabet. Then two multiply-adds pack 4 x 6 bits into 3 bytes and a shuffle closes the gaps.
 *
 * Encoding goes the other way: shuffle 3 bytes to each 4, split them by multiplications, add the offset of the range
 * that each 6-bit value is in. */
#define BOTH_LANES(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)

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
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(in.p + used));
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

#endif

/* Characters used, a multiple of 4; writes 3/4 of that, and up to 8 bytes of rubbish behind it. */
static size_t decode_blocks(enum simd simd, struct slice in, char *out)
{
#ifdef __x86_64__
    if (simd >= SIMD_AVX2)
        return decode_avx2(in, out);
#endif
    (void)simd, (void)in, (void)out;
    return 0;
}

/* Bytes used, a multiple of 3; writes 4/3 of that. */
static size_t encode_blocks(enum simd simd, struct slice in, char *out)
{
#ifdef __x86_64__
    if (simd >= SIMD_AVX2)
        return encode_avx2(in, out);
#endif
    (void)simd, (void)in, (void)out;
    return 0;
}

/* --- the rest ------------------------------------------------------------------------------------------------------ */

/* The four values in 24 bits, or a number above 0xffffff when one of them is not in the alphabet. */
static uint32_t quantum(const char *p)
{
    uint32_t a = value_of[(unsigned char)p[0]], b = value_of[(unsigned char)p[1]];
    uint32_t c = value_of[(unsigned char)p[2]], d = value_of[(unsigned char)p[3]];

    if ((a | b | c | d) & 0x80)
        return UINT32_MAX;
    return a << 18 | b << 12 | c << 6 | d;
}

static void put(uint32_t bits, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(bits >> (16 - 8 * i));
}

/* The last four characters, of which one or two may be padding. Bytes written, or -1. */
static long decode_last(const char *p, char *out)
{
    size_t n = p[3] != '=' ? 3 : p[2] != '=' ? 2 : 1;
    const char plain[4] = {p[0], p[1], n >= 2 ? p[2] : 'A', n >= 3 ? p[3] : 'A'};
    uint32_t bits = quantum(plain);

    if (bits > 0xffffff || (bits & ((1U << (24 - 8 * n)) - 1)) != 0)
        return -1;
    put(bits, n, out);
    return (long)n;
}

long base64_decode_with(enum simd simd, struct slice in, char *out)
{
    size_t body, used;
    char *to;
    long last;

    if (in.n == 0)
        return 0;
    if (in.n % 4 != 0)
        return -1;
    body = in.n - 4;
    used = decode_blocks(simd, slice_of(in.p, body), out);
    to = out + used / 4 * 3;
    for (; used < body; used += 4, to += 3) {
        uint32_t bits = quantum(in.p + used);

        if (bits > 0xffffff)
            return -1;
        put(bits, 3, to);
    }
    last = decode_last(in.p + body, to);
    return last < 0 ? -1 : (to - out) + last;
}

long base64_decode(struct slice in, char *out)
{
    return base64_decode_with(simd_best(), in, out);
}

long base64_decoded_length(struct slice in)
{
    size_t n = base64_decoded_max(in.n);

    if (in.n % 4 != 0)
        return -1;
    if (in.n > 0 && in.p[in.n - 1] == '=')
        n -= in.p[in.n - 2] == '=' ? 2 : 1;
    return (long)n;
}

static uint32_t byte_at(struct slice in, size_t i)
{
    return i < in.n ? (unsigned char)in.p[i] : 0;
}

void base64_encode_with(enum simd simd, struct slice in, char *out)
{
    size_t at = encode_blocks(simd, in, out);

    out += at / 3 * 4;
    for (; at < in.n; at += 3, out += 4) {
        uint32_t bits = byte_at(in, at) << 16 | byte_at(in, at + 1) << 8 | byte_at(in, at + 2);

        for (size_t i = 0; i < 4; i++)
            out[i] = alphabet[(bits >> (18 - 6 * i)) & 63];
    }
    for (size_t i = in.n; i < at; i++)
        out[-1 - (long)(i - in.n)] = '=';
}

void base64_encode(struct slice in, char *out)
{
    base64_encode_with(simd_best(), in, out);
}
