/* lookup.h -- what addresses a host has, asked on a thread of its own: getaddrinfo() takes as long as a resolver likes that does not answer,
 * and cannot be interrupted.
 *
 * Nobody waits for that thread: who does not want the answer any more leaves, and it ends by itself.
 *
 * Threads    one, but for the look-up itself. Ownership: lookup_leave().
 */
#ifndef PIPELINE_INPUTS_SOCKET_LOOKUP_H
#define PIPELINE_INPUTS_SOCKET_LOOKUP_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/input_thread.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct lookup;

struct lookup_result {
    bool failed;
    char why[128]; /* failed: as the resolver says it */
    size_t count;  /* else at least 1 */
    struct sockaddr_storage at[SOCKET_ADDRESSES_MAX];
    socklen_t length[SOCKET_ADDRESSES_MAX];
};

/* `woken` is woken when there is an answer; NULL: nobody. What is an address already is answered at once. -1: no thread can be started. */
MUST_CHECK int lookup_begin(struct lookup **l, const char *host, uint16_t port, struct input_thread *woken,
                            struct err *e);
/* True: there is an answer. */
MUST_CHECK bool lookup_done(struct lookup *l, struct lookup_result *out);
void lookup_leave(struct lookup **l); /* NULL: nothing */

#endif
