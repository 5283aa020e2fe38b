/* splunk_answer.h -- answers of Splunk's HTTP Event Collector, with indexer acknowledgement.
 *
 * HEC answers 200 once it has taken events into memory. With indexer acknowledgement switched on for the token that
 * answer has an ackId; the events are safe once /services/collector/ack says true for it. So whether there is a
 * follow-up is the token's choice, not an option here.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ENDPOINT_SPLUNK_ANSWER_H
#define SINKS_ENDPOINT_SPLUNK_ANSWER_H

#include "pipeline/http/message.h"
#include "sinks/sink.h"

#include <stdbool.h>

struct splunk_context {
    const char *address;
    nsec ack_timeout;
    unsigned follow_up;
    const char *token; /* the ackId, for follow-ups */
};

/* False: the answer says nothing that its status does not say as well. */
bool splunk_answer_judge(const struct splunk_context *c, const struct http_response *re, struct sink_verdict *v,
                         enum sink_outcome *outcome);

#endif
