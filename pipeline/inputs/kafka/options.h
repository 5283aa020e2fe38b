/* options.h -- the options of the kafka input, and what is wrong with them taken by themselves.
 *
 * Ownership  bound and released with kafka_fields. Threads: immutable once bound.
 */
#ifndef PIPELINE_INPUTS_KAFKA_OPTIONS_H
#define PIPELINE_INPUTS_KAFKA_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/compiler.h"
#include "pipeline/http/tls.h"
#include "pipeline/inputs/kafka/oauth.h"

#include <stdbool.h>
#include <stdint.h>

enum kafka_mechanism {
    KAFKA_SASL_NONE,
    KAFKA_SASL_PLAIN,
    KAFKA_SASL_SCRAM_256,
    KAFKA_SASL_SCRAM_512,
    KAFKA_SASL_OAUTH
};

struct kafka_sasl_conf {
    int mechanism; /* enum kafka_mechanism */
    char *username, *password;
    struct kafka_oauth_conf oauth;
};

struct kafka_conf {
    struct cfg_strings brokers, topics;
    char *group, *group_instance_id, *client_rack, *start;
    bool uncommitted, empty_tombstones, meta, encrypted, shared;
    struct kafka_sasl_conf sasl;
    struct tls_conf tls;
    nsec session_timeout;
    uint64_t prefetch;
};

extern const struct cfg_field kafka_fields[];

/* input_ops.shares */
bool kafka_conf_shares(const void *conf, unsigned char *identity);
void kafka_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o);

/* `start`: the offset that librdkafka has for it, or milliseconds since 1970. False: it is none. */
#define KAFKA_START_EARLIEST (-2)
#define KAFKA_START_LATEST   (-1)
MUST_CHECK bool kafka_conf_start(const struct kafka_conf *c, int64_t *out);

#endif
