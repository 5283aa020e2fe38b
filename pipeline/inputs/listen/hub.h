/* hub.h -- the addresses of a program on which its inputs listen by sockets (listen.h), and the one thread for all of them, as a listener. */
#ifndef PIPELINE_INPUTS_LISTEN_HUB_H
#define PIPELINE_INPUTS_LISTEN_HUB_H

#include "pipeline/inputs/listener.h"

extern const struct listener_ops listen_listener_ops;

struct listen_hub;
struct listen_hub *listen_hub_of(struct listeners *all);

#endif
