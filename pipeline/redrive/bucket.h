/* bucket.h -- the error objects in a bucket: all whose key begins with a prefix, in the order in which the store
 * lists them (AWS: that of their keys).
 *
 * A piece of one object is in memory at a time, and one page of the listing; the object is in a file without a name. A listing
 * that breaks off, repeats itself or goes on without ever naming an object ends the walk with a word; an
 * object that cannot be had does not, unless the store is away.
 *
 * Ownership  all of the question is borrowed for the call. Threads: one; blocks.
 */
#ifndef PIPELINE_REDRIVE_BUCKET_H
#define PIPELINE_REDRIVE_BUCKET_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/redrive/source.h"
#include "pipeline/settings/settings.h"
#include "sinks/s3/options.h"
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

/* With which options a bucket named on the command line is read: those that a stream's configuration has for the same bucket, those of
 * the command line above them.
 *
 *   1. the stream's `backup: { s3: ... }`, when it is that bucket
 *   2. the stream's `destination: { s3: ... }`, when it is that bucket
 *   3. none: AWS, and the keys that AWS's tools find (pipeline/aws/credentials/credentials.h)
 *
 * What they point to is borrowed from the settings and the arguments. */
struct bucket_question {
    const struct settings *settings; /* NULL: there is no configuration */
    const char *stream;
    const char *bucket, *endpoint, *region; /* endpoint, region: of the command line, or NULL */
};

struct bucket_options {
    struct s3_conf conf; /* is only to be read: its strings are borrowed */
    const char *place;   /* for struct s3_context */
    const char *base_dir;
    const char *section; /* "backup", "destination"; NULL: not in the configuration */
};

void bucket_options_choose(const struct bucket_question *q, struct bucket_options *out);

#endif
