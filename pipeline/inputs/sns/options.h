/* options.h -- the options of the sns input, and what is wrong with them taken by themselves.
 *
 * Ownership  bound and released with sns_fields. Threads: immutable once bound.
 */
#ifndef PIPELINE_INPUTS_SNS_OPTIONS_H
#define PIPELINE_INPUTS_SNS_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/inputs/push/push.h"

#include <stdbool.h>
#include <stdint.h>

enum sns_signatures { SNS_SIGNATURES_ANY, SNS_SIGNATURES_V2 };
enum sns_record { SNS_RECORD_MESSAGE, SNS_RECORD_ENVELOPE };

struct sns_conf {
    struct push_conf push;
    struct cfg_strings topics;
    int signature; /* enum sns_signatures */
    nsec max_age;
    int64_t remember;
    bool confirm;
    int record; /* enum sns_record */
    bool raw_delivery;
    char *secret;
    char *filter_policy;     /* JSON; NULL: none */
    int filter_policy_scope; /* enum sns_scope */
    char *certificate_url_prefix, *proxy;
};

extern const struct cfg_field sns_fields[];

/* Of its endpoint, where none is given. */
#define SNS_PATH "/sns/%s"

/* input_ops.route, input_ops.same_positions: two that take messages of one topic into one stream. */
void sns_conf_route(const void *conf, const char *stream, char *out, size_t size);
bool sns_conf_same_positions(const void *conf, const void *other);

void sns_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o);

#endif
