/* options.h -- the options of the sqs input, and what is wrong with them taken by themselves.
 *
 * Ownership  bound and released with sqs_fields. Threads: immutable once bound.
 */
#ifndef PIPELINE_INPUTS_SQS_OPTIONS_H
#define PIPELINE_INPUTS_SQS_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/http/url.h"
#include "pipeline/inputs/aws/options.h"

#include <stdbool.h>
#include <stdint.h>

#define SQS_REGION_MAX 64

struct sqs_conf {
    char *queue_url;
    struct aws_options aws;
    int64_t receivers, in_flight, remember;
    nsec visibility, remember_for;
    bool check_md5;
    int unwrap; /* enum sqs_unwrap */
    struct {
        char *endpoint, *region;
        struct credentials_conf keys; /* none: those of the queue */
        int64_t readers;
    } s3;
};

extern const struct cfg_field sqs_fields[];

void sqs_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o);

/* Where calls go: the endpoint, or else scheme and host of queue_url. */
void sqs_conf_address(const struct sqs_conf *c, char out[ENDPOINT_URL_MAX + 1]);
/* The option, or what queue_url says; "": neither. */
void sqs_conf_region(const struct sqs_conf *c, char out[SQS_REGION_MAX]);
/* input_ops.sockets. */
unsigned sqs_conf_sockets(const void *conf);
/* Whose keys read objects. */
const struct credentials_conf *sqs_conf_s3_keys(const struct sqs_conf *c);
/* input_ops.same_positions: how far objects were read is one for each queue. */
bool sqs_conf_same_positions(const void *conf, const void *other);
/* Of a FIFO queue: its messages have an order, by group. */
bool sqs_conf_is_fifo(const struct sqs_conf *c);

#endif
