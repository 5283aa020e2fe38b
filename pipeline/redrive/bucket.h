/* bucket.h -- the error objects in a bucket: all whose key begins with a prefix, in the order in which the store
 * lists them (AWS: that of their keys).
 *
 * A piece of one object is in memory at a time, and one page of the listing; the object is in a file without a name. A listing
 * that breaks off, repeats itself or goes on
 * without ever naming an object ends the walk with a word; an object that cannot be had does not, unless the store is
 * away.
 *
 * Ownership  all of the question is borrowed for the call. Threads: one; blocks.
 */
#ifndef PIPELINE_REDRIVE_BUCKET_H
#define PIPELINE_REDRIVE_BUCKET_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/redrive/source.h"
#include "sinks/s3/reader.h"

#include <stdint.h>

struct redrive_bucket {
    const char *address; /* s3://bucket/prefix, for messages */
    const char *bucket;
    struct slice prefix;
    const struct s3_reader *reader;
    const char *tmp_dir; /* for that file; NULL: TMPDIR, or /var/tmp */
    nsec since;          /* what was given up before it is not wanted; 0: all is */
    uint64_t older;      /* answered: objects that are too old to hold anything else, and were not fetched */
};

/* -1: a visitor ended it. */
MUST_CHECK int redrive_bucket(struct redrive_bucket *r, const struct redrive_visitor *v);

#endif
