/* attach.h -- what is said to a server at the beginning: who we are, and which node is to be read, by whom and how; as Proton's objects, which write it.
 *
 * Pure but for the objects it is given.
 */
#ifndef PIPELINE_INPUTS_AMQP10_ATTACH_H
#define PIPELINE_INPUTS_AMQP10_ATTACH_H

#include "pipeline/base/clock.h"

#include <proton/connection_driver.h>
#include <proton/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum amqp10_sasl { AMQP10_SASL_AUTO, AMQP10_SASL_PLAIN, AMQP10_SASL_ANONYMOUS, AMQP10_SASL_EXTERNAL };
enum amqp10_node { AMQP10_NODE_ANY, AMQP10_NODE_QUEUE, AMQP10_NODE_TOPIC };

struct amqp10_session_conf {
    const char *container, *vhost, *user, *password; /* user NULL or "": none of both */
    enum amqp10_sasl sasl;
    const char *address, *selector, *subscription; /* the last two may be NULL */
    enum amqp10_node node;
    bool shared;
    uint32_t credit; /* 0: attaches and takes nothing */
    nsec idle;       /* 0: the server may be silent */
    bool leave_too_large;
    size_t message_max; /* 0: a record's, and what stands beside it */
};

/* Container, host, SASL, limits: before the driver is bound. */
void amqp10_introduce(const struct amqp10_session_conf *c, pn_connection_driver_t *d);
/* A session and a receiving link, opened. */
pn_link_t *amqp10_attach(const struct amqp10_session_conf *c, pn_connection_t *connection);

/* It has a name under which the server keeps it. */
bool amqp10_is_durable(const struct amqp10_session_conf *c);
/* What the server has attached is a topic, and nobody asked for one. */
bool amqp10_is_chance_topic(const struct amqp10_session_conf *c, pn_link_t *link);

#endif
