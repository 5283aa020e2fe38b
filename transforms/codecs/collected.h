/* collected.h -- the bytes of an object that a codec wants in one piece: collected while they are few, and handed on piece by
 * piece from where they become too many.
 *
 * Which of the two it is depends on the object alone, so a redelivered object is byte-identical.
 *
 * Ownership  embedded in a codec's context; collected_init() to collected_release(). Threads: those of the context.
 */
#ifndef TRANSFORMS_CODECS_COLLECTED_H
#define TRANSFORMS_CODECS_COLLECTED_H

#include "pipeline/base/body.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct collected {
    struct buf bytes; /* at the end all of the object, if it is still so */
    bool whole;       /* so far it is */
};

void collected_init(struct collected *c, size_t max);
void collected_release(struct collected *c);

/* An object of `size` bytes (CODEC_SIZE_UNKNOWN: try) begins. */
void collected_begin(struct collected *c, uint64_t size);
/* Keeps `in`, or hands it to `stream`; at first what was kept before. */
MUST_CHECK int collected_add(struct collected *c, struct slice in,
                             int (*stream)(void *ctx, struct slice in, struct body *out, struct err *e), void *ctx,
                             struct body *out, struct err *e);

#endif
