/* event.h -- what is posted to Splunk's HTTP Event Collector, read: JSON objects one behind the other, white space between them or not.
 *
 *     {"time": 1426279439.5, "host": "h", "source": "s", "sourcetype": "t", "index": "i", "event": "text" or any JSON, "fields": {"k": "v"}}
 *
 * Ownership  slices point into the body. Pure functions.
 */
#ifndef PIPELINE_INPUTS_SPLUNK_HEC_EVENT_H
#define PIPELINE_INPUTS_SPLUNK_HEC_EVENT_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

enum hec_read {
    HEC_EVENT,
    HEC_END,
    HEC_MALFORMED, /* no JSON, or no object, or a member there twice */
    HEC_NO_EVENT,  /* it has no `event` */
    HEC_BLANK,     /* which is empty */
};

struct hec_event {
    struct slice whole;      /* as it stands */
    struct slice event;      /* its bytes; of a text those between the quotes */
    struct json_string text; /* of a text: json_unescape() when it has escapes */
    bool is_text;
    struct slice members[5]; /* time, host, source, sourcetype, index: as they stand; empty: not there */
    struct slice fields;     /* an object as it stands; empty: none */
};

/* Names of members[]. */
extern const char *const hec_members[5];

/* Takes the next one off *rest. */
MUST_CHECK enum hec_read hec_next(struct slice *rest, struct hec_event *ev);

/* Adds what an event says beside its text to `facts`: its members, and its fields behind "field."; what finds no room is left out. `room`: for names and
 * values that have escapes. */
void hec_facts(const struct hec_event *ev, struct buf *room, struct buf *facts);

#endif
