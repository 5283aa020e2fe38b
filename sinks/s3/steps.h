/* steps.h -- what the answer to a request of this sink leads to: the next step, or the end of the attempt.
 *
 * Threads    any; what is learnt has a lock of its own.
 */
#ifndef SINKS_S3_STEPS_H
#define SINKS_S3_STEPS_H

#include "sinks/s3/answer.h"
#include "sinks/s3/learnt.h"
#include "sinks/s3/multipart.h"
#include "sinks/s3/options.h"

/* The tokens of steps that come by themselves after another one. */
#define S3_LOOK_TOKEN   "look" /* an object is there */
#define S3_GONE_TOKEN   "gone" /* the upload is not, or can be completed no more */
#define S3_CREATE_TOKEN "create"

bool s3_step_follows(const struct sink_seal *seal, const char *token);

/* All borrowed. `place`: that of uploads which begin now (struct s3_upload). */
struct s3_steps {
    const struct s3_conf *conf;
    struct s3_learnt *learnt;
    const char *place;
};

/* *c knows what the answer has taught, and learns what it teaches besides. */
enum sink_outcome s3_steps_judge(const struct s3_steps *s, enum s3_step step, struct s3_context *c,
                                 const struct http_response *re, struct sink_verdict *v);

#endif
