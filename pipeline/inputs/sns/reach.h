/* reach.h -- for `validate`: can this machine reach SNS, for certificates and confirmations, and are the files of `tls` good? */
#ifndef PIPELINE_INPUTS_SNS_REACH_H
#define PIPELINE_INPUTS_SNS_REACH_H

#include "pipeline/base/compiler.h"
#include "pipeline/inputs/input.h"

/* As input_ops.probe. */
MUST_CHECK int sns_probe(const void *conf, const struct input_probe *p, struct err *e);

#endif
