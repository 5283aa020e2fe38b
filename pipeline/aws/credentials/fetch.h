/* fetch.h -- goes the way that a plan says: asks for the base's keys, then assumes one role after the other.
 *
 * Threads    on one that may wait; aws_ask_cancel() ends it from elsewhere.
 */
#ifndef PIPELINE_AWS_CREDENTIALS_FETCH_H
#define PIPELINE_AWS_CREDENTIALS_FETCH_H

#include "pipeline/aws/credentials/plan.h"

/* Keys that have expired already are none. */
MUST_CHECK int aws_fetch(struct aws_ask *a, const struct aws_plan *plan, struct aws_keys *out, struct err *e);

#endif
