/* session.h -- a connection of otlp_grpc, and its requests: each is checked, put into its stream record by record, and answered when it is safe.
 *
 * Threads  as inputs/listen says.
 */
#ifndef PIPELINE_INPUTS_OTLP_GRPC_SESSION_H
#define PIPELINE_INPUTS_OTLP_GRPC_SESSION_H

#include "pipeline/inputs/listen/listen.h"
#include "pipeline/inputs/otlp/options.h"

struct otlp_grpc_conf {
    struct listen_conf listen;
    struct http_access_conf access;
    uint64_t max_message;
    struct otlp_conf otlp;
};

extern const struct listen_protocol otlp_grpc_protocol;

#endif
