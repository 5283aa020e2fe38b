/* match.h -- which messages an input wants, when others listen at its address. Pure.
 *
 * Threads    any.
 */
#ifndef PIPELINE_INPUTS_SYSLOG_MATCH_H
#define PIPELINE_INPUTS_SYSLOG_MATCH_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/inputs/syslog/message.h"

#include <stdbool.h>

struct syslog_match {
    struct cfg_strings facilities, hosts, apps;
    int severity; /* this, or worse */
};

extern const struct cfg_field syslog_match_fields[];

bool syslog_match_any(const struct syslog_match *m); /* it wants all */
/* `host`: as the record has it. */
bool syslog_match_is(const struct syslog_match *m, const struct syslog_message *message, struct slice host);
void syslog_match_check(const struct syslog_match *m, const struct cfg_options *o);

#endif
