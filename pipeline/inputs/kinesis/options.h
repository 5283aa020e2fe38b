/* options.h -- the options of the kinesis input, and what is wrong with them taken by themselves.
 *
 * Ownership  bound and released with kinesis_fields. Threads: immutable once bound.
 */
#ifndef PIPELINE_INPUTS_KINESIS_OPTIONS_H
#define PIPELINE_INPUTS_KINESIS_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/http/url.h"
#include "pipeline/inputs/aws/options.h"
#include "pipeline/inputs/kinesis/lease.h"

#include <stdbool.h>
#include <stdint.h>

#define KINESIS_REGION_MAX 64

/* An object of S3. */
struct object_options {
    char *bucket, *key, *endpoint, *region;
    struct credentials_conf keys; /* left out: those of the stream */
};

/* Several daemons share the stream by leases (leases.h), in a table or in an object. */
struct leases_options {
    char *table, *endpoint, *region; /* of DynamoDB */
    bool create;
    struct object_options s3;
    nsec failover; /* 0: the default */
    char *worker;
};

struct kinesis_conf {
    char *stream;
    struct aws_options aws; /* the keys hold for the table of leases, too */
    char *start;
    nsec poll;
    int64_t limit;
    bool deaggregate;
    struct leases_options leases;
};

extern const struct cfg_field kinesis_fields[];

void kinesis_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o);

/* The option, what the ARN says, or environment and profile; never "". */
MUST_CHECK int kinesis_conf_region(const struct kinesis_conf *c, char out[KINESIS_REGION_MAX], struct err *e);
/* input_ops.same_positions. */
bool kinesis_conf_same_positions(const void *conf, const void *other);
/* Where the object of leases is: its option, or where the stream is. */
MUST_CHECK int kinesis_conf_object_region(const struct kinesis_conf *c, char out[KINESIS_REGION_MAX], struct err *e);
/* input_ops.same_client: both have one table of leases, or one object, in which the shards of both would have the same names. */
bool kinesis_conf_same_table(const void *conf, const void *other);
/* It has leases. */
bool kinesis_conf_shares(const struct kinesis_conf *c);
nsec kinesis_conf_failover(const struct kinesis_conf *c);
/* Where calls go: the endpoint, or AWS's of this region. */
void kinesis_conf_address(const struct kinesis_conf *c, const char *region, char out[ENDPOINT_URL_MAX + 1]);
/* Where a shard of the first listing is read from, when that came at `now_ms` by the clock of the service. */
struct place kinesis_conf_start(const struct kinesis_conf *c, int64_t now_ms);

#endif
