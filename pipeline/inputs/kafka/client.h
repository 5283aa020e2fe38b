/* client.h -- librdkafka's configuration of a consumer of ours, and what its errors mean.
 *
 * Nothing that librdkafka does by itself may lose or double a record: it commits nothing, stores no offset, makes no topic, and says when an
 * offset is not there instead of choosing another one.
 *
 * Pure, but for what librdkafka looks up.
 */
#ifndef PIPELINE_INPUTS_KAFKA_CLIENT_H
#define PIPELINE_INPUTS_KAFKA_CLIENT_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/inputs/kafka/options.h"

#include <librdkafka/rdkafka.h>

/* Relative paths of certificates start at base_dir. */
MUST_CHECK int kafka_client_conf(const struct kafka_conf *c, const char *base_dir, rd_kafka_conf_t **out,
                                 struct err *e);

/* *err: why not. */
bool kafka_has_topic(const struct rd_kafka_metadata *md, const char *name, rd_kafka_resp_err_t *err);

/* What to do about it; NULL: nothing is known. */
const char *kafka_hint(rd_kafka_resp_err_t err);
/* Likewise, of who logs in as the options say. */
const char *kafka_login_hint(const struct kafka_conf *c, rd_kafka_resp_err_t err);

#endif
