/* facts.h -- what an input knows of one record beside its bytes, as named values in one run of bytes: a message's key, its
 * headers, its number in its queue. On their way from the input through the spool to a transform's `meta`.
 *
 *     name length u8 | value length u16, little-endian | name | value     any number of times
 *
 * A value is any bytes. Names may repeat; the first one counts. Whoever only carries facts needs to know nothing of this;
 * whoever reads them never leaves their bytes, whatever these say. No facts are no bytes.
 *
 * An input chooses the names. What the writer of a message may name himself (headers) stands behind a prefix
 * ("header.trace"), so that no message can say more of itself than the input does.
 *
 * Pure functions.
 */
#ifndef PIPELINE_BASE_FACTS_H
#define PIPELINE_BASE_FACTS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

/* -1, with the facts as they were: the name is empty or longer than 255 bytes, or there is no room: facts->max is reached, and
 * RECORD_FACTS_MAX is the most that a frame takes. */
MUST_CHECK int facts_add(struct buf *facts, struct slice name, struct slice value);

/* Takes the first one off `rest` (at first: the facts). False: no whole one is left. */
bool facts_next(struct slice *rest, struct slice *name, struct slice *value);

/* False: there is none of this name. */
bool facts_find(struct slice facts, struct slice name, struct slice *value);

#endif
