/* snappy_blocks.h -- what the two framings of raw Snappy blocks have in common: the text is cut into blocks of one size, and each is compressed
 * by itself.
 *
 * Ownership  snappy_blocks_open() to snappy_blocks_close(). Threads: a context, one at a time.
 */
#ifndef TRANSFORMS_CODECS_SNAPPY_BLOCKS_H
#define TRANSFORMS_CODECS_SNAPPY_BLOCKS_H

#include "pipeline/base/body.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snappy_blocks;

/* `head` (static) begins an object. Before each block stands its length, big-endian; with `both` first that of its text. */
struct snappy_blocks *snappy_blocks_open(size_t block, struct slice head, bool both);
void snappy_blocks_close(struct snappy_blocks **b);

void snappy_blocks_begin(struct snappy_blocks *b);
MUST_CHECK int snappy_blocks_add(struct snappy_blocks *b, struct slice in, struct body *out, struct err *e);
/* What is left. */
MUST_CHECK int snappy_blocks_finish(struct snappy_blocks *b, struct body *out, struct err *e);

#endif
