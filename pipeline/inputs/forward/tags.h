/* tags.h -- which tags a pattern means, as Fluentd has it.
 *
 *     *    any characters but dots: one part of a tag
 *     **   any characters, dots too; behind a dot at the end of a pattern it takes that dot with it: `app.**` means `app`, `app.a` and `app.a.b`
 *
 * Everything else stands for itself. The time is the product of the two lengths at most.
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_FORWARD_TAGS_H
#define PIPELINE_INPUTS_FORWARD_TAGS_H

#include "pipeline/base/slice.h"

#include <stdbool.h>

bool forward_tag_is(struct slice tag, const char *pattern);

#endif
