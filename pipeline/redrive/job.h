/* job.h -- one run of `sluice redrive`: reads error objects from files, folders and buckets, chooses records, puts
 * them back into a stream, and counts what came of it.
 *
 * Ownership  all of the options is borrowed for the call. Threads: one; blocks.
 */
#ifndef PIPELINE_REDRIVE_JOB_H
#define PIPELINE_REDRIVE_JOB_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/progress.h"
#include "pipeline/settings/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDRIVE_BUCKET "s3://" /* what the address of a bucket begins with */

/* What a person may want to know meanwhile. Texts are lines without their break. */
struct redrive_listener {
    void (*trouble)(void *ctx, const char *line);                    /* what cannot be read, and where it stopped */
    void (*object)(void *ctx, const char *path, uint64_t records);   /* dry run: what of it would be put back */
    void (*progress)(void *ctx, const struct progress_count *taken); /* after each answer */
    void *ctx;
};

struct redrive_options {
    const struct redrive_listener *listener;
    const struct settings *settings; /* `api`, and for buckets the destinations of `stream`; NULL: `endpoint` is set */
    const char *stream, *endpoint;
    const char *state_folder; /* of the notes about objects in buckets; NULL: no path is a bucket */
    const char *s3_endpoint, *s3_region;
    const char *codes[REDRIVE_CODES_MAX];
    size_t code_count;
    nsec since, give_up;
    bool dry_run;
    char **paths;
    int path_count;
};

struct redrive_counts {
    struct progress_count put_back; /* acknowledged */
    uint64_t chosen, chosen_bytes;  /* put back, or that would be */
    uint64_t objects;               /* with records that were chosen */
    uint64_t before;                /* records that were put back before */
    uint64_t left_out;              /* by their code or their time */
    uint64_t others, older;         /* objects that are no error objects; that are too old */
    uint64_t unread;                /* objects and lines that cannot be read */
    bool stopped;                   /* sending has failed, and the rest was not looked at */
};

bool redrive_is_bucket(const char *path);

/* -1: it did not begin. */
MUST_CHECK int redrive_job(const struct redrive_options *o, struct redrive_counts *out, struct err *e);

#endif
