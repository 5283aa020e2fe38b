/* base64_kernel.h -- the inner loops of base64.c: whole blocks of plain characters, as fast as the processor can.
 *
 * Not for other callers: padding, the end of the text and errors are base64.c's. A kernel does as many whole blocks as
 * it may and says how much of `in` that was; it stops (early, or at 0) where a block has anything but alphabet
 * characters. Threads: pure functions.
 */
#ifndef PIPELINE_BASE_BASE64_KERNEL_H
#define PIPELINE_BASE_BASE64_KERNEL_H

#include "pipeline/base/simd.h"
#include "pipeline/base/slice.h"

#include <stddef.h>

/* Characters used, a multiple of 4; writes 3/4 of that, and up to 8 bytes of rubbish behind it. */
size_t base64_decode_blocks(enum simd simd, struct slice in, char *out);
/* Bytes used, a multiple of 3; writes 4/3 of that. */
size_t base64_encode_blocks(enum simd simd, struct slice in, char *out);

#endif
