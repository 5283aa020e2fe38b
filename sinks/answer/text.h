/* text.h -- messages about what a far end answered, made from patterns in tables.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ANSWER_TEXT_H
#define SINKS_ANSWER_TEXT_H

#include "pipeline/base/slice.h"
#include "sinks/sink.h"

/* What %e and the like stand for; a list ends with letter 0. An empty text is replaced by `otherwise`. */
struct answer_word {
    char letter;
    const char *text, *otherwise;
};

/* Fills message and hint of the verdict. A message that ends in ": %m" wants the far end's own words behind it: they become
 * v->said, never part of the message (see sink.h). */
void answer_say(struct sink_verdict *v, const char *message, const char *hint, const struct answer_word *words,
                const char *said);

/* TLS fails for other reasons than a certificate that is not trusted, which have other cures: `why` is what the transport says, `place`
 * what options begin with (destination.s3.), `address` the one with http:// or https://. */
void answer_tls_hint(struct sink_verdict *v, const char *why, const char *place, const char *address);

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
