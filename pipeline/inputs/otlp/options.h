/* options.h -- what the inputs of OTLP have in common: which signals they take, and what a record looks like.
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_OTLP_OPTIONS_H
#define PIPELINE_INPUTS_OTLP_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/inputs/otlp/records.h"

struct otlp_conf {
    struct cfg_strings signals;
    bool nested, nanoseconds;
};

extern const struct cfg_choice otlp_records[], otlp_times[];

/* clang-format off */
#define OTLP_FIELDS(owner, member)                                                                                      \
    {.name = "signals", .type = CFG_STRINGS, .offset = offsetof(owner, member.signals), .max = OTLP_SIGNALS,            \
     .help = "of `logs`, `metrics` and `traces` those that are taken here; left out: all. Inputs of several streams may share an address when " \
             "none of them takes what another does"},                                                                  \
    {.name = "record", .type = CFG_BOOL, .offset = offsetof(owner, member.nested), .def = "flat", .choices = otlp_records, \
     .help = "flat: what resource, scope and attributes say are members of the record, \"resource.attributes.service.name\"; nested: they are " \
             "objects in it"},                                                                                         \
    {.name = "times", .type = CFG_BOOL, .offset = offsetof(owner, member.nanoseconds), .def = "rfc3339", .choices = otlp_times, \
     .help = "rfc3339: \"2026-11-27T10:00:00.000000001Z\"; unix_nano: nanoseconds since 1970, a number"}
/* clang-format on */

void otlp_check_conf(const struct otlp_conf *c, const struct cfg_options *o);
bool otlp_wants(const struct otlp_conf *c, enum otlp_signal signal);
static inline struct otlp_shape otlp_shape_of(const struct otlp_conf *c)
{
    return (struct otlp_shape){.nested = c->nested, .nanoseconds = c->nanoseconds};
}

#endif
