/* probe.h -- for `validate`: would the brokers let us in, and do they have the topics? Joins no group.
 */
#ifndef PIPELINE_INPUTS_KAFKA_PROBE_H
#define PIPELINE_INPUTS_KAFKA_PROBE_H

#include "pipeline/inputs/input.h"

MUST_CHECK int kafka_probe(const void *conf, const struct input_probe *p, struct err *e);

#endif
