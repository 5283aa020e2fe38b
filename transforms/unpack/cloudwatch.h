/* cloudwatch.h -- what a CloudWatch Logs subscription sends: a JSON envelope around log events.
 *
 *   {"messageType":"DATA_MESSAGE","owner":"1234","logGroup":"g","logStream":"s","subscriptionFilters":["f"],
 *    "logEvents":[{"id":"1","timestamp":1700000000000,"message":"text"}]}
 *
 * A CONTROL_MESSAGE only asks whether somebody is there. Reading checks the whole envelope before the first event is
 * given out, so a record is split as a whole or not at all.
 *
 * Ownership  slices point into the text.
 * Threads    plain values; pure functions.
 */
#ifndef TRANSFORMS_UNPACK_CLOUDWATCH_H
#define TRANSFORMS_UNPACK_CLOUDWATCH_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/json.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct cloudwatch_envelope {
    bool is_control;
    struct slice owner, log_group, log_stream; /* JSON values as written; empty when they are not there */
    struct slice events;                       /* the array as written */
    size_t event_count;
};

struct cloudwatch_event {
    struct slice id, timestamp, message; /* JSON values as written; id and timestamp may be empty */
    struct slice extracted;              /* extractedFields, or empty */
};

struct cloudwatch_events {
    struct json_reader reader;
};

/* -1 with ERR_FORMAT when the text is no such envelope. */
MUST_CHECK int cloudwatch_read(struct slice text, struct cloudwatch_envelope *out, struct err *e);

void cloudwatch_events_open(struct cloudwatch_events *it, const struct cloudwatch_envelope *from);
bool cloudwatch_event_next(struct cloudwatch_events *it, struct cloudwatch_event *out);

/* Appends the message's text, decoded. -1: out is full. */
MUST_CHECK int cloudwatch_message(const struct cloudwatch_event *event, struct buf *out);
/* Appends the event as one JSON object that names where it is from: owner, logGroup, logStream, id, timestamp, message.
 * -1: out is full. */
MUST_CHECK int cloudwatch_event_object(const struct cloudwatch_envelope *from, const struct cloudwatch_event *event,
                                       struct buf *out);

#endif
