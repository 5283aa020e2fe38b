/* reach.h -- how a stream is reached, and whether it is (input_ops.probe).
 *
 * Threads    any; kinesis_probe() may wait.
 */
#ifndef PIPELINE_INPUTS_KINESIS_REACH_H
#define PIPELINE_INPUTS_KINESIS_REACH_H

#include "pipeline/aws/s3/address.h"
#include "pipeline/inputs/aws/caller.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/kinesis/options.h"

/* What a caller's configuration borrows. */
struct kinesis_address {
    char url[ENDPOINT_URL_MAX + 1], region[KINESIS_REGION_MAX];
};

/* All but what belongs to a stream of sluice. */
MUST_CHECK int kinesis_caller_conf(const struct kinesis_conf *c, struct kinesis_address *a, struct aws_caller_conf *out,
                                   struct err *e);

/* Likewise of the table of leases. */
MUST_CHECK int kinesis_table_conf(const struct kinesis_conf *c, struct kinesis_address *a, struct aws_caller_conf *out,
                                  struct err *e);

/* Where the object of leases is, for who has no table. */
struct kinesis_object {
    struct s3_address at;
    char region[KINESIS_REGION_MAX];
    char *shown; /* for people */
};

/* What `out` borrows stays until kinesis_object_close(), which is fine with a zeroed one and has to follow. */
MUST_CHECK int kinesis_object_open(const struct kinesis_conf *c, struct kinesis_object *o, struct aws_caller_conf *out,
                                   struct err *e);
void kinesis_object_close(struct kinesis_object *o);

/* `conf`: a struct kinesis_conf. */
MUST_CHECK int kinesis_probe(const void *conf, const struct input_probe *p, struct err *e);

#endif
