/* CRC32C by ISA-L; without it (a decision of the build) by a table, some fifty times slower. */
#include "pipeline/base/digest.h"

#ifdef HAVE_LIBISAL
#include "pipeline/base/simd.h"

#include <isa-l/crc.h>

/* ISA-L takes an int for the length. */
#define PIECE (1U << 30)

static uint32_t remainder_of(uint32_t state, struct slice in)
{
    while (in.n > 0) {
        size_t piece = in.n < PIECE ? in.n : PIECE;

        state = crc32_iscsi((unsigned char *)in.p, (int)piece, state);
        in = slice_of(in.p + piece, in.n - piece);
    }
    simd_end_avx();
    return state;
}
#else
static uint32_t remainder_of(uint32_t state, struct slice in)
{
    /* The remainders of four bits, for Castagnoli's polynomial, reflected: 0x82f63b78. */
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };

    for (size_t i = 0; i < in.n; i++) {
        state ^= (unsigned char)in.p[i];
        state = state >> 4 ^ table[state & 15];
        state = state >> 4 ^ table[state & 15];
    }
    return state;
}
#endif

/* The inversion before and after is done on the way in and on the way out, so that pieces chain. */
uint32_t crc32c(uint32_t crc, struct slice in)
{
    return ~remainder_of(~crc, in);
}
