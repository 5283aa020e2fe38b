/* bucket_options.h -- with which options a bucket named on the command line is read: those that a stream's configuration
 * has for the same bucket, those of the command line above them.
 *
 *   1. the stream's `backup: { s3: ... }`, when it is that bucket
 *   2. the stream's `destination: { s3: ... }`, when it is that bucket
 *   3. none: AWS, and the keys that AWS's tools find (pipeline/aws/credentials/credentials.h)
 *
 * Ownership  what the options point to is borrowed from the settings and the arguments. Pure.
 */
#ifndef PIPELINE_REDRIVE_BUCKET_OPTIONS_H
#define PIPELINE_REDRIVE_BUCKET_OPTIONS_H

#include "pipeline/settings/settings.h"
#include "sinks/s3/options.h"

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
