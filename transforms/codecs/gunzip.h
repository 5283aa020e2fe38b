/* gunzip.h -- whole gzip streams (RFC 1952, several members allowed) to bytes, with a ceiling: zip bombs end there.
 *
 * Ownership  a context is kept for many streams: its window is made once.
 * Threads    a context: one at a time.
 */
#ifndef TRANSFORMS_CODECS_GUNZIP_H
#define TRANSFORMS_CODECS_GUNZIP_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "transforms/codecs/codec.h"

#include <stdbool.h>

struct gunzip;

struct gunzip *gunzip_new(void);
void gunzip_free(struct gunzip **g);

/* Does it begin as gzip does? */
bool gunzip_looks_so(struct slice in);

/* Appends what `in` holds. -1 with ERR_FORMAT: not gzip, cut off, damaged, or bytes behind its end; with ERR_LIMIT:
 * out->max bytes were not enough. What was appended by then stays. */
MUST_CHECK int gunzip_all(struct gunzip *g, struct slice in, struct buf *out, struct err *e);

extern const struct codec_undo gunzip_undo;

#endif
