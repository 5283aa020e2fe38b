/* options.h -- the options of the stomp input, and what is wrong with them taken by themselves.
 *
 * Ownership  bound and released with stomp_fields. Threads: immutable once bound.
 */
#ifndef PIPELINE_INPUTS_STOMP_OPTIONS_H
#define PIPELINE_INPUTS_STOMP_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/http/tls.h"
#include "pipeline/inputs/broker/url.h"
#include "pipeline/inputs/stomp/session.h"

#include <stdbool.h>
#include <stdint.h>

struct stomp_conf {
    char *url, *user, *password, *vhost;
    char *destination, *selector, *client_id, *subscription;
    struct cfg_strings headers; /* "name: value" */
    int64_t prefetch, remember;
    nsec heart_beat, remember_for;
    int too_large; /* 1: NACK */
    struct tls_conf tls;
};

extern const struct cfg_field stomp_fields[];

void stomp_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o);

/* Two connections of one client_id. */
bool stomp_conf_same_client(const void *conf, const void *other);

/* Options that were checked. */
struct broker_url stomp_conf_url(const struct stomp_conf *c);
/* The session borrows all three. `headers`: room for STOMP_OPTION_HEADERS_MAX. */
struct stomp_session_conf stomp_conf_session(const struct stomp_conf *c, const struct broker_url *url,
                                             struct stomp_header_option *headers);

#endif
