/* hub.h -- the addresses of a program on which its inputs listen by sockets (listen.h), and the one thread for all of them.
 *
 * Ownership  listen_hub_free(), when all inputs are closed. Threads: the main thread.
 */
#ifndef PIPELINE_INPUTS_LISTEN_HUB_H
#define PIPELINE_INPUTS_LISTEN_HUB_H

struct listen_hub;

struct listen_hub *listen_hub_new(void);
void listen_hub_free(struct listen_hub **h);

#endif
