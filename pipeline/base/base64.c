/* Four characters become 24 bits by a table. The vector kernel (base64_kernel.h) takes what it can from the front; the rest is done here,
 * and so is the end, where padding may stand and unused bits must be zero. */
#include "pipeline/base/base64.h"

#include "pipeline/base/base64_kernel.h"

#include <stdint.h>

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
    used = base64_decode_blocks(simd, slice_of(in.p, body), out);
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

static void encode_three(uint32_t bits, char *out)
{
    for (size_t i = 0; i < 4; i++)
        out[i] = alphabet[(bits >> (18 - 6 * i)) & 63];
}

static uint32_t byte_at(struct slice in, size_t i)
{
    return i < in.n ? (unsigned char)in.p[i] : 0;
}

void base64_encode_with(enum simd simd, struct slice in, char *out)
{
    size_t at = base64_encode_blocks(simd, in, out);

    out += at / 3 * 4;
    for (; at < in.n; at += 3, out += 4)
        encode_three(byte_at(in, at) << 16 | byte_at(in, at + 1) << 8 | byte_at(in, at + 2), out);
    for (size_t i = in.n; i < at; i++)
        out[-1 - (long)(i - in.n)] = '=';
}

void base64_encode(struct slice in, char *out)
{
    base64_encode_with(simd_best(), in, out);
}
