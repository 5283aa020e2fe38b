/* base64.h -- RFC 4648 section 4, strict and fast (AVX2, or its scalar twin; chosen at run time).
 *
 * Strict: padding required and canonical (unused bits zero), no white space, no other alphabet, length a multiple of 4.
 * Threads: pure functions.
 */
#ifndef PIPELINE_BASE_BASE64_H
#define PIPELINE_BASE_BASE64_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/simd.h"
#include "pipeline/base/slice.h"

#include <stddef.h>

/* Bytes that decoding `n` characters can give at most; what base64_decode() may write is this plus BASE64_SLACK. */
#define BASE64_SLACK 32
static inline size_t base64_decoded_max(size_t n)
{
    return n / 4 * 3;
}

/* The decoded length, or -1 when `in` is not strict base64. `out` has base64_decoded_max(in.n) + BASE64_SLACK bytes of
 * room. */
MUST_CHECK long base64_decode(struct slice in, char *out);
/* The same with the instructions of `simd` and below. */
MUST_CHECK long base64_decode_with(enum simd simd, struct slice in, char *out);
/* The exact decoded length from length and padding alone, without looking at the characters; -1 when it cannot be
 * base64. */
long base64_decoded_length(struct slice in);

static inline size_t base64_encoded_length(size_t n)
{
    return (n + 2) / 3 * 4;
}
/* Writes exactly base64_encoded_length(in.n) characters, no NUL. */
void base64_encode(struct slice in, char *out);
void base64_encode_with(enum simd simd, struct slice in, char *out);

#endif
