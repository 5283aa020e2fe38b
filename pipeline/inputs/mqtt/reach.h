/* reach.h -- for `sluice validate`: does the server answer, and does it let us in?
 *
 * Threads    any.
 */
#ifndef PIPELINE_INPUTS_MQTT_REACH_H
#define PIPELINE_INPUTS_MQTT_REACH_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/inputs/input.h"

/* input_ops.probe */
MUST_CHECK int mqtt_probe(const void *conf, const struct input_probe *p, struct err *e);

#endif
