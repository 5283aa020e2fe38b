/* words.h -- the words of an answer that is not success: what it says to a person, in one line.
 *
 *   JSON   error, message, reason, detail, title ... wherever servers put them: {"error":{"type":"a","reason":"b"}} is `a: b`
 *   XML    Code and Message; HTML: the title, else its text
 *   text   the first line
 *   none   what HTTP calls the status: Service Unavailable
 *
 * The words are as the far end wrote them and may quote anything: they belong into verdict.said (sink.h).
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ANSWER_WORDS_H
#define SINKS_ANSWER_WORDS_H

#include "pipeline/http/message.h"

#include <stdbool.h>
#include <stddef.h>

/* Printable UTF-8 on one line, cut to size; "" only where HTTP has no name for the status. */
void answer_words(const struct http_response *re, char *out, size_t size);

/* Does it say that an http:// request came to a port for https://? nginx, Apache, Go and others answer 400 then. */
bool answer_wants_tls(const struct http_response *re);

/* The text of the first <tag>...</tag>, printable, cut to size; "" when absent. */
void answer_xml(struct slice xml, const char *tag, char *out, size_t size);

#endif
