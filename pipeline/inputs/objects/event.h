/* event.h -- which objects of S3 a message names: S3's event notification, as it is, in the notification of an SNS topic, or as an event of
 * EventBridge, in whatever of these is in whichever.
 *
 * Only ObjectCreated:* names objects to read. Whatever else happens to an object, and S3's s3:TestEvent, is an event without any.
 *
 * S3 User Guide, "Event message structure" and "EventBridge event message structure". In the first an object's key is URL-encoded, with + for a
 * space; in the second it is as it is.
 *
 * Ownership  a list owns what its objects point to, until the next read or object_list_release(). Pure; one thread at a time.
 * Memory     three times the message at most, which SQS bounds.
 */
#ifndef PIPELINE_INPUTS_OBJECTS_EVENT_H
#define PIPELINE_INPUTS_OBJECTS_EVENT_H

#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct object {
    struct slice bucket, key; /* decoded; never empty */
    struct slice version;     /* of a bucket with versions; else empty */
    struct slice tag;         /* ETag, without quotes */
    struct slice sequencer;   /* orders, and so tells apart, what happened to one key */
    struct slice region;      /* the bucket's, where the event says it */
};

struct object_list {
    struct object *at;
    size_t n, room;
    size_t others; /* what happened to an object and is no reason to read it; a test */
    struct buf text;
};

void object_list_init(struct object_list *l);
void object_list_release(struct object_list *l);

/* False: the message is no event of S3, or names an object without bucket or key. */
bool object_list_read(struct object_list *l, struct slice message);

#endif
