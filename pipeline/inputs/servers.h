/* servers.h -- the HTTP servers of a program (http/server/server.h), one for each address, as a listener: an input to which messages are pushed
 * has a path on one, and so has the API. */
#ifndef PIPELINE_INPUTS_SERVERS_H
#define PIPELINE_INPUTS_SERVERS_H

#include "pipeline/http/server/server.h"
#include "pipeline/inputs/listener.h"

extern const struct listener_ops servers_listener_ops;

struct http_servers *servers_of(struct listeners *all);

#endif
