/* coding.h -- how a sender packed a body, by the word that its header has for it: gzip, deflate ...
 *
 * Pure. Threads: any.
 */
#ifndef TRANSFORMS_CODECS_CODING_H
#define TRANSFORMS_CODECS_CODING_H

#include "pipeline/base/slice.h"
#include "transforms/codecs/codec.h"

#include <stdbool.h>

struct coding {
    const char *name;
    const struct codec_undo *undo;
};

#define CODING_NAMES "gzip, deflate, zstd, lz4, x-snappy-framed"

/* In any case of letters. False: there is none. */
bool coding_find(const char *name, struct coding *c);

#endif
