/* bulk.h -- the body of Elasticsearch's bulk API, read: lines of JSON, an action and, behind most of them, a document.
 *
 *     {"create":{"_index":"logs","_id":"7"}}
 *     {"@timestamp":"2026-11-27T12:00:00Z","message":"hello"}
 *
 * What is wrong with one document is said of it alone, and the next action follows. With an action that cannot be read all is over: which
 * lines are documents is not known behind it.
 *
 * Ownership  slices point into the body. Pure functions.
 */
#ifndef PIPELINE_INPUTS_ELASTICSEARCH_BULK_BULK_H
#define PIPELINE_INPUTS_ELASTICSEARCH_BULK_BULK_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

enum bulk_member { BULK_INDEX, BULK_ID, BULK_ROUTING, BULK_PIPELINE, BULK_MEMBERS };

struct bulk_item {
    const char *action; /* index, create, update, delete */
    /* What the action says; raw.n == 0: nothing. A number is its digits. */
    struct json_string members[BULK_MEMBERS];
    struct slice document; /* an object, as it stands but for the white space around it; only when nothing is wrong */
    const char *wrong;     /* why it is not taken; NULL: it is */
};

struct bulk_reader {
    struct slice rest;
    unsigned long line; /* of what was read last, from 1 */
};

enum bulk_read {
    BULK_ITEM,
    BULK_END,
    BULK_MALFORMED, /* r->line is no action */
};

/* r->rest: the body, at first; r->line 0. */
MUST_CHECK enum bulk_read bulk_next(struct bulk_reader *r, struct bulk_item *item);

/* Adds what the action says to `facts`: index, id, routing, pipeline, and action. `index`: where the action says none; may be empty. What finds no
 * room is left out. `room`: for values that have escapes. */
void bulk_facts(const struct bulk_item *item, struct slice index, struct buf *room, struct buf *facts);

/* {"action":"create","_index":"logs","_id":"7","_source":{...}}, of members that are there. -1: there is no room. Where that is larger
 * than a record may be, item->wrong says so. */
MUST_CHECK int bulk_envelope(struct bulk_item *item, struct slice index, struct buf *out);

#endif
