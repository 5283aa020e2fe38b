/* verdict.h -- the end of a verdict: what the far end said, beside what was sent when it said it (sinks/answer/clean.h). A compressed
 * body is looked into as well, as far as BODY_MEMORY_MAX goes.
 *
 * Threads    any; memory for the time of the call.
 */
#ifndef SINKS_ANSWER_VERDICT_H
#define SINKS_ANSWER_VERDICT_H

#include "pipeline/base/body.h"
#include "sinks/sink.h"

/* Of one attempt; any of them NULL: there was none. */
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
