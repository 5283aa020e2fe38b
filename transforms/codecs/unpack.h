/* unpack.h -- what a codec made undone piece by piece, or bytes that none made passed on: as much memory for a gigabyte as for a
 * kilobyte. Several members or frames behind one another are one text.
 *
 * Ownership  unpack_free(). Threads: one at a time.
 */
#ifndef TRANSFORMS_CODECS_UNPACK_H
#define TRANSFORMS_CODECS_UNPACK_H

#include "pipeline/base/budget.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "transforms/codecs/coding.h"

#include <stdbool.h>

struct unpack;

/* By the first bytes, of which there should be four if there are so many. */
struct unpack *unpack_new(struct slice beginning);
/* By what is known of it; each step says so if it is something else. */
struct unpack *unpack_new_as(struct coding as);
void unpack_free(struct unpack **u);
/* The same text from its beginning. What it has taken of a share stays with it. */
void unpack_again(struct unpack *u);
bool unpack_is_packed(const struct unpack *u);
/* Before the first step: text that can be unpacked only with more memory than this (zstd's window) is damaged. */
void unpack_bound(struct unpack *u, size_t bytes);
/* Before the first step: what it wants beyond UNZSTD_WINDOW_SENT is taken from `share`, until unpack_free(). A step is ERR_LIMIT when that is more
 * than there is of it, and ERR_NOMEM when others have it: then the same step is made later. */
void unpack_share(struct unpack *u, struct budget *share);
/* So much memory it has now. */
size_t unpack_holds(const struct unpack *u);

/* Takes from *in and appends to `out`, as far as it has room below its max. -1: damaged. Nothing taken and nothing appended: it
 * wants more input, or more room. */
MUST_CHECK int unpack_step(struct unpack *u, struct slice *in, struct buf *out, struct err *e);
/* There is no more input. -1: it was cut off. */
MUST_CHECK int unpack_end(const struct unpack *u, struct err *e);

#endif
