/* message.h -- a syslog message taken apart: RFC 5424, RFC 3164, and what devices really send. Pure; it never fails.
 *
 * What cannot be made out is no mistake: whatever is left is the message's text. A message without a priority, a time or a host has none here.
 * Times without a year get one from the clock, so that they are not a month ahead and not a year behind; times without an offset are read in
 * the zone that is given.
 *
 * Ownership  slices point into the message. Threads: any.
 */
#ifndef PIPELINE_INPUTS_SYSLOG_MESSAGE_H
#define PIPELINE_INPUTS_SYSLOG_MESSAGE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/base/time_zone.h"

#include <stdbool.h>

struct syslog_message {
    struct slice raw; /* without what only ends it */
    int priority;     /* -1: none */
    bool has_time;
    nsec time;       /* wall */
    unsigned digits; /* behind its seconds */
    /* Empty: not there. */
    struct slice host, app, procid, msgid;
    struct slice sequence;   /* Cisco's number of the message */
    struct slice structured; /* as it stands: "[id a=\"b\"]" */
    struct slice text;
};

struct syslog_reading {
    nsec now;                     /* wall: when it came */
    const struct time_zone *zone; /* of times without an offset */
    bool local;                   /* from this machine's programs, which name no host */
};

void syslog_message_parse(struct syslog_message *m, struct slice raw, const struct syslog_reading *r);

/* As JSON: {"timestamp":...,"host":...,...}. `otherwise`: the host where it names none; may be empty. `raw`: with a member `raw`. -1: out is
 * full. */
MUST_CHECK int syslog_message_write(const struct syslog_message *m, const struct syslog_reading *r,
                                    struct slice otherwise, bool raw, struct buf *out);

#endif
