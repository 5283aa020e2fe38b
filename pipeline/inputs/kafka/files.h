/* files.h -- the files of `tls`. librdkafka reads them once, when a client is made: one that was renewed under its name is read when the input
 * begins anew, which a reload sees to.
 *
 * Threads    any.
 */
#ifndef PIPELINE_INPUTS_KAFKA_FILES_H
#define PIPELINE_INPUTS_KAFKA_FILES_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

/* input_ops.digest */
void kafka_files_digest(const void *conf, const char *base_dir, unsigned char out[32]);
/* input_ops.check: librdkafka makes a client of them, which asks nobody. */
MUST_CHECK int kafka_files_check(const void *conf, const char *base_dir, struct err *e);

#endif
