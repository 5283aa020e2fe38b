/* job.h -- one run of `sluice redrive`: reads error objects from files, folders and buckets, chooses records, puts
 * them back into a stream, and says what came of it.
 *
 * Says on stderr what goes wrong, and on stdout what was done: for the command line only.
 *
 * Ownership  all of the options is borrowed for the call. Threads: one.
 */
#ifndef PIPELINE_REDRIVE_JOB_H
#define PIPELINE_REDRIVE_JOB_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"

#include <stdbool.h>
#include <stddef.h>

#define REDRIVE_BUCKET "s3://" /* what the address of a bucket begins with */

struct cli_command;

struct redrive_options {
    const struct cli_command *command; /* for messages about these options */
    const char *stream, *endpoint, *config, *state;
    const char *s3_endpoint, *s3_region;
    const char *codes[REDRIVE_CODES_MAX];
    size_t code_count;
    nsec since, give_up;
    bool dry_run;
    char **paths;
    int path_count;
};

bool redrive_is_bucket(const char *path);

/* An exit code of cli.h. */
MUST_CHECK int redrive_job(const struct redrive_options *o);

#endif
