/* probe.h -- one call of an AWS service for `sluice validate` (input_ops.probe): does it answer, and do the keys open it?
 *
 * Threads    any, and it may wait.
 */
#ifndef PIPELINE_INPUTS_AWS_PROBE_H
#define PIPELINE_INPUTS_AWS_PROBE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/aws/caller.h"
#include "pipeline/inputs/input.h"

/* `conf` as for aws_caller_open(), but for agent and base_dir. `text`: the parameters of a call that changes nothing. -1: it fails; the
 * message says what to do, too. */
MUST_CHECK int aws_probe(const struct aws_caller_conf *conf, const char *operation, struct slice text,
                         const struct input_probe *p, struct err *e);
/* The same of an object of S3, which is read. `none_is_fine`: there may be no such object. */
MUST_CHECK int aws_probe_object(const struct aws_caller_conf *conf, const struct s3_ask *o, bool none_is_fine,
                                const struct input_probe *p, struct err *e);

#endif
