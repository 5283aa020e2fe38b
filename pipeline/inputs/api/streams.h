/* streams.h -- the streams that the API serves: requests find one by its name and count as its users while they have it; streams
 * come and go meanwhile.
 *
 *     added --api_table_close()--> DELETING: told so, takes no records --nobody uses it--> api_table_remove(): not found
 *
 * Ownership  what an api_stream points to outlives its place in the table, and its users.
 * Threads    any.
 */
#ifndef PIPELINE_INPUTS_API_STREAMS_H
#define PIPELINE_INPUTS_API_STREAMS_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/inputs/api/api.h"
#include "pipeline/inputs/api/describe.h"
#include "pipeline/inputs/api/error.h"

#include <pthread.h>
#include <stdbool.h>

struct api_table {
    pthread_mutex_t lock;
    pthread_cond_t unused;
    struct api_streams streams; /* guarded by lock */
};

void api_table_init(struct api_table *t, const char *region, const char *account);
void api_table_release(struct api_table *t);

/* A name that is not in it. Copied; takes records from now on. */
void api_table_add(struct api_table *t, const struct api_stream *stream);
/* One that is closed, and has no users: it takes records again, as this one. A name that is not there: it is added. */
void api_table_reopen(struct api_table *t, const struct api_stream *stream);
/* No records for it are taken any more. Waits until nobody uses it, at most until `mono`. False: somebody still does. A name that is not
 * there has no users. */
MUST_CHECK bool api_table_close(struct api_table *t, const char *name, nsec mono);
/* Closes it, waits as long as it takes, and takes it out. Nothing when it is not there. */
void api_table_remove(struct api_table *t, const char *name);

/* For a put: the caller is a user of it until api_table_give_back(). NULL: there is none of this name, or it is closed. */
const struct api_stream *api_table_use(struct api_table *t, const char *name, struct api_error *e);
void api_table_give_back(struct api_table *t, const struct api_stream *stream);

/* What describe.h answers of the streams as they are now. */
typedef int api_question(const struct api_streams *streams, struct slice body, struct buf *out, struct api_error *e);
MUST_CHECK int api_table_ask(struct api_table *t, api_question *ask, struct slice body, struct buf *out,
                             struct api_error *e);

#endif
