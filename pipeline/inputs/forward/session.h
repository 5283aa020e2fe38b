/* session.h -- a connection of the forward protocol: its handshake, its
 * messages into the spool, and their acknowledgement when they are safe.
 *
 * Threads    the listening thread's. The options outlive the input.
 */
#ifndef PIPELINE_INPUTS_FORWARD_SESSION_H
#define PIPELINE_INPUTS_FORWARD_SESSION_H

#include "config/bind.h"
#include "pipeline/base/clock.h"
#include "pipeline/inputs/listen/listen.h"

struct forward_conf {
    struct listen_conf listen;
    char *shared_key; /* NULL: none is asked for */
    struct cfg_strings users, tags;
    char *time_field, *tag_field;
    int64_t remember;
    nsec remember_for;
};

extern const struct listen_protocol forward_protocol;

#endif
