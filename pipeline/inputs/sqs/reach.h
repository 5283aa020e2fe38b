/* reach.h -- how a queue is reached, and whether it is (input_ops.probe).
 *
 * Threads    any; sqs_probe() may wait.
 */
#ifndef PIPELINE_INPUTS_SQS_REACH_H
#define PIPELINE_INPUTS_SQS_REACH_H

#include "pipeline/inputs/aws/caller.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/sqs/options.h"

/* All but what belongs to a stream. `address` and `region` are filled, and borrowed. */
struct aws_caller_conf sqs_caller_conf(const struct sqs_conf *c, char address[ENDPOINT_URL_MAX + 1],
                                       char region[SQS_REGION_MAX]);

/* `conf`: a struct sqs_conf. */
MUST_CHECK int sqs_probe(const void *conf, const struct input_probe *p, struct err *e);

#endif
