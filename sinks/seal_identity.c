#include "sinks/seal_identity.h"

#include "pipeline/base/digest.h"

#include <string.h>

void seal_identity(const unsigned char stream[SEAL_IDENTITY_BYTES], uint64_t epoch,
                   unsigned char out[SEAL_IDENTITY_BYTES])
{
    memcpy(out, stream, SEAL_IDENTITY_BYTES);
    for (int i = 0; i < 8; i++)
        out[i] ^= (unsigned char)(epoch >> (56 - 8 * i));
}

void seal_identity_with_keys(const unsigned char stream[SEAL_IDENTITY_BYTES], uint64_t epoch, struct slice keys,
                             unsigned char out[SEAL_IDENTITY_BYTES])
{
    unsigned char sum[SHA256_BYTES];

    seal_identity(stream, epoch, out);
    if (keys.n == 0)
        return;
    sha256_of(keys, sum);
    for (int i = 0; i < SEAL_IDENTITY_BYTES; i++)
        out[i] ^= sum[i];
}
