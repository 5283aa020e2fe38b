/* hub.h -- the addresses of a program on which its inputs listen by sockets (listen.h), and the one thread for all of them.
 *
 * Ownership  listen_hub_free(), when all inputs are closed. Threads: the main thread.
 */
#ifndef PIPELINE_INPUTS_LISTEN_HUB_H
#define PIPELINE_INPUTS_LISTEN_HUB_H

#include <stdbool.h>

struct listen_hub;

struct listen_hub *listen_hub_new(void);
void listen_hub_free(struct listen_hub **h);
/* Addresses that wait for an input to come back are free at once: somebody else wants one. True: there were some. */
bool listen_hub_let_go(struct listen_hub *h);

#endif
