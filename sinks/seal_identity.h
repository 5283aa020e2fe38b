/* seal_identity.h -- what the ids of a delivery are derived from: the stream's identity and the run that sealed it.
 *
 * The identity alone would do, were there only one of each: a copy of a data_dir (a cloned machine, a snapshot put back)
 * has the same, and gives the same numbers to other records. So each run draws an epoch, which is kept with the seals it
 * made. Epoch 0 is that of seals of version 0.1.0, whose ids stay what they were. Pure functions.
 */
#ifndef SINKS_SEAL_IDENTITY_H
#define SINKS_SEAL_IDENTITY_H

#include "pipeline/base/slice.h"

#include <stdint.h>

enum { SEAL_IDENTITY_BYTES = 16 };

void seal_identity(const unsigned char stream[SEAL_IDENTITY_BYTES], uint64_t epoch,
                   unsigned char out[SEAL_IDENTITY_BYTES]);
/* Of an object: several may hold records of the same range, each of other partition keys. */
void seal_identity_with_keys(const unsigned char stream[SEAL_IDENTITY_BYTES], uint64_t epoch, struct slice keys,
                             unsigned char out[SEAL_IDENTITY_BYTES]);

#endif
