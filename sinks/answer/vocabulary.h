/* vocabulary.h -- the words that servers make error texts of. They stay although a record holds them, too: without them nobody
 * understands the rest, and they tell nothing of a record.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ANSWER_VOCABULARY_H
#define SINKS_ANSWER_VOCABULARY_H

#include "pipeline/base/slice.h"

/* In any letter case; also of several written together, as codes are: NoSuchBucket. */
bool answer_is_common(struct slice word);

#endif
