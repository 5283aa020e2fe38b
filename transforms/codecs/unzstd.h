/* unzstd.h -- whole zstd streams (RFC 8878, several frames allowed) to bytes, with a ceiling: bombs end there.
 *
 * Pure. Threads: any.
 */
#ifndef TRANSFORMS_CODECS_UNZSTD_H
#define TRANSFORMS_CODECS_UNZSTD_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "transforms/codecs/codec.h"

#include <stdbool.h>

/* Does it begin as zstd does? */
bool unzstd_looks_so(struct slice in);

/* Appends what `in` holds. -1 with ERR_FORMAT: not zstd, cut off or damaged; with ERR_LIMIT: out->max bytes were not enough. What
 * was appended by then stays. */
MUST_CHECK int unzstd_all(struct slice in, struct buf *out, struct err *e);

extern const struct codec_undo unzstd_undo;

#endif
