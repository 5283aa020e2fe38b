/* answer.h -- what an HTTP endpoint answered, turned into a verdict an operator can act on.
 *
 * firehose   200 with {"requestId": the same, "timestamp": a number, "errorMessage": a text or null} and nothing else,
 *            as Firehose has it. Everything else is tried again, but for 413, which Firehose gives up on and loses:
 *            here the body is sent in halves.
 * plain      any 2xx.
 * splunk     200; with an ackId the indexers are asked (SINK_FOLLOW_UP) until they have it.
 * loki       2xx; 400 is for good: the same lines would be refused again.
 * otlp       2xx without rejected records; 400 is for good, as the protocol says.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ENDPOINT_ANSWER_H
#define SINKS_ENDPOINT_ANSWER_H

#include "pipeline/http/message.h"
#include "sinks/endpoint/preset.h"
#include "sinks/sink.h"

struct endpoint_context {
    const char *address;    /* scheme://host; never a secret */
    const char *request_id; /* firehose */
    enum endpoint_shape shape;
    nsec ack_timeout; /* splunk */
    unsigned follow_up;
    const char *token;
};

enum sink_outcome endpoint_answer_judge(const struct endpoint_context *c, const struct http_response *re,
                                        struct sink_verdict *v);

#endif
