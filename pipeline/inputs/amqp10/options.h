/* options.h -- the options of the amqp10 input, and what is wrong with them taken by themselves.
 *
 * Ownership  bound and released with amqp10_fields. Threads: immutable once bound.
 */
#ifndef PIPELINE_INPUTS_AMQP10_OPTIONS_H
#define PIPELINE_INPUTS_AMQP10_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/http/tls.h"
#include "pipeline/inputs/amqp10/session.h"
#include "pipeline/inputs/broker/url.h"

#include <stdbool.h>
#include <stdint.h>

struct amqp10_conf {
    char *url, *user, *password, *vhost;
    int sasl; /* enum amqp10_sasl */
    char *address, *selector, *container_id, *subscription;
    int node; /* enum amqp10_node; -1: as the other options say */
    bool shared;
    int64_t credit, remember;
    nsec idle_timeout, remember_for;
    int too_large; /* 1: leave */
    struct tls_conf tls;
};

extern const struct cfg_field amqp10_fields[];

void amqp10_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o);

/* Two connections of one container_id. */
bool amqp10_conf_same_client(const void *conf, const void *other);

/* Options that were checked. */
struct broker_url amqp10_conf_url(const struct amqp10_conf *c);
/* Borrows both. */
struct amqp10_session_conf amqp10_conf_session(const struct amqp10_conf *c, const struct broker_url *url);

#endif
