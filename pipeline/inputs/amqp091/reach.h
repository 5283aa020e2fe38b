/* reach.h -- how the server is reached: what the options say, as the socket and the session want it; and for `validate`, whether it lets us in
 * and has the queue.
 *
 * Threads    any. Ownership: what is returned borrows what it is made of.
 */
#ifndef PIPELINE_INPUTS_AMQP091_REACH_H
#define PIPELINE_INPUTS_AMQP091_REACH_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/inputs/amqp091/options.h"
#include "pipeline/inputs/amqp091/session.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/socket/socket.h"

struct socket_conf amqp091_socket_conf(const struct amqp091_address *a, struct tls_options *tls);
struct session_conf amqp091_session_conf(const struct amqp091_conf *c, const struct amqp091_address *a,
                                         const char *name);

/* input_ops.probe */
MUST_CHECK int amqp091_probe(const void *conf, const struct input_probe *p, struct err *e);

#endif
