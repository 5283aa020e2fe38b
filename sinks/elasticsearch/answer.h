/* answer.h -- what a cluster answered to a _bulk request, turned into a verdict an operator can act on.
 *
 * Requests are the same for Elasticsearch 7 to 9 and OpenSearch 1 to 3: no document types, nothing newer than 7.0. So
 * nothing has to be asked before the first delivery. Who answered (elasticsearch/product.h) is only used in messages.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ELASTICSEARCH_ANSWER_H
#define SINKS_ELASTICSEARCH_ANSWER_H

#include "pipeline/http/message.h"
#include "sinks/sink.h"

struct elasticsearch_context {
    const char *address; /* scheme://host of the node; never a secret */
    uint64_t sent;       /* documents */
    bool create;
};

/* v->outcomes is filled when the answer is SINK_PARTIAL; without outcomes a mixed answer is SINK_RETRY. */
enum sink_outcome elasticsearch_answer_judge(const struct elasticsearch_context *c, const struct http_response *re,
                                             struct sink_verdict *v);

/* The code of a verdict that says so: the keys which the request was signed with have expired. */
#define ELASTICSEARCH_EXPIRED "ExpiredToken"

/* Did the node itself fail, so that another one should be asked? */
bool elasticsearch_answer_node_failed(const struct http_response *re);

#endif
