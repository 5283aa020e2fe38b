/* text.h -- text from a far end, made fit to be shown.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ANSWER_TEXT_H
#define SINKS_ANSWER_TEXT_H

#include "pipeline/base/slice.h"
#include "sinks/sink.h"

/* Text from the far end may hold anything; an operator's terminal gets printable UTF-8 on one line: each run of white space and
 * control characters is one blank, what is not UTF-8 is U+FFFD. Cut to size between characters. */
void answer_plain(struct slice s, char *out, size_t size);
/* The same of what stands in a JSON string or in an XML element, as written there. */
void answer_plain_json(struct slice raw, char *out, size_t size);
void answer_plain_xml(struct slice raw, char *out, size_t size);

/* Is it a word of letters, digits and . - _ : as codes, types and regions are? Anything else of the far end is no name. */
bool answer_is_name(const char *text);

/* Where it redirects to, without the query, which may repeat secrets of ours. "" when it does not say. */
void answer_location(const struct http_response *re, char *out, size_t size);

#endif
