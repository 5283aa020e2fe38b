#include "sinks/seal_identity.h"

#include <string.h>

void seal_identity(const unsigned char stream[SEAL_IDENTITY_BYTES], uint64_t epoch,
                   unsigned char out[SEAL_IDENTITY_BYTES])
{
    memcpy(out, stream, SEAL_IDENTITY_BYTES);
    for (int i = 0; i < 8; i++)
        out[i] ^= (unsigned char)(epoch >> (56 - 8 * i));
}
