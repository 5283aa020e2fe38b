/* clean.h -- what a far end said, fit for log, page and /readyz: without the records and the credentials it repeats.
 *
 * Cut out, each time replaced by three dots, are
 *   - quotes: what stands in quotation marks, brackets and braces, and behind phrases that lead up to a quote; but for names
 *     that are of the destination and not of a record (index [logs], user [writer])
 *   - whatever is also in the body that was sent (answer/match.h); where that cannot be looked into, all words that are not common in
 *     error texts
 *   - the credentials of the request. These also for the backup.
 *
 * Threads    any; memory for the time of the call.
 */
#ifndef SINKS_ANSWER_CLEAN_H
#define SINKS_ANSWER_CLEAN_H

#include "pipeline/base/body.h"
#include "pipeline/base/slice.h"
#include "pipeline/http/message.h"
#include "sinks/sink.h"

/* What was sent when the far end said it; anything may be missing. */
struct answer_sent {
    const struct http_request *request;
    struct slice body; /* not compressed */
    bool unseen;       /* there is more of it than `body` has */
};

/* For people. Cut to size. */
void answer_clean(const char *said, const struct answer_sent *sent, char *out, size_t size);
/* Only the credentials are cut out: for the backup. `text` is changed in place. */
void answer_hide_secrets(char *text, const struct answer_sent *sent);

/* Puts the verdict's texts together: message and detail get what was said, each in its way; v->said is empty then. */
void answer_finish(struct sink_verdict *v, const struct answer_sent *sent);

/* The end of a verdict: what the far end said, beside what was sent when it said it; a compressed body is looked into as well, as far as
 * BODY_MEMORY_MAX goes. Any of them NULL: there was none. */
struct verdict_sent {
    const struct http_request *request;
    const struct body *body;
    const char *encoding;
};

/* Puts its texts together. Once for each judge() or send(), before anybody reads them. */
void verdict_finish(struct sink_verdict *v, const struct verdict_sent *sent);

/* Why a single record was refused, for people: cut to size. */
void verdict_clean(const struct sink_refusal *why, const struct verdict_sent *sent, char *out, size_t size);

#endif
