/* match.h -- which bytes of a text are also in the body that was sent.
 *
 * The body is seen as it stands, without the escapes of JSON, and with the contents of each run of base64; the text as it stands and
 * without the escapes of an address. Letter case makes no difference. What counts:
 *   - any eight bytes with a figure, a sign or a capital within them, and any twelve
 *   - any word or number of three letters or figures and more that a word of the body begins with, but for the common words of error
 *     texts
 *
 * Threads    pure functions; memory for the time of the call.
 */
#ifndef SINKS_ANSWER_MATCH_H
#define SINKS_ANSWER_MATCH_H

#include "pipeline/base/slice.h"

/* Sets found[i] for each such byte of text; text is not longer than ANSWER_SAID_MAX. */
void answer_match(struct slice text, struct slice body, bool *found);

/* Is it one of the words that servers make error texts of (vocabulary.c)? They stay although a record holds them, too: without them
 * nobody understands the rest, and they tell nothing of a record. In any letter case; also of several written together, as codes are:
 * NoSuchBucket. */
bool answer_is_common(struct slice word);

/* For a body that nobody can look into: each word and number that is not common in error texts. */
void answer_match_unseen(struct slice text, bool *found);

#endif
