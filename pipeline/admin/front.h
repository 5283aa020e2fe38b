/* front.h -- one address of the admin server, with all that stands in `admin`: what it answers there, and to whom.
 *
 *     admin_front_open()     clients wait in its queue
 *     admin_front_go()       they are answered
 *     admin_front_leave()    its address is free. What was asked is answered, on a thread of its own, then its connections are closed
 *     admin_front_close()    all of it ends now; the queue of actions has stopped, or it has gone, or nobody was ever answered
 *
 * Nothing of it changes: where the configuration says something else, another one takes its place.
 *
 * Threads    one at a time. Ownership: conf is not needed behind admin_front_open(); the engine, the actions and the queue outlive it.
 */
#ifndef PIPELINE_ADMIN_FRONT_H
#define PIPELINE_ADMIN_FRONT_H

#include "pipeline/admin/admin.h"

struct admin_front;

struct admin_front_env {
    struct engine *engine;
    struct admin_actions actions;
    struct admin_queue *queue;
};

/* `before`: whose place it will take; NULL: nobody's. */
MUST_CHECK int admin_front_open(struct admin_front **f, const struct admin_conf *conf,
                                const struct admin_front_env *env, const struct admin_front *before, struct err *e);
void admin_front_go(struct admin_front *f);
void admin_front_leave(struct admin_front *f);
bool admin_front_has_gone(const struct admin_front *f);
void admin_front_close(struct admin_front **f);
const char *admin_front_address(const struct admin_front *f); /* as http_socket.address; before it leaves */

#endif
