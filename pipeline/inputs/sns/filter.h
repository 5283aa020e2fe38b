/* filter.h -- filter policies of SNS: does a message's attributes, or the JSON in its body, match?
 *
 *     {"store": ["books", {"prefix": "mus"}], "price": [{"numeric": [">=", 10, "<", 20]}]}
 *
 * All keys must match, of a key's list one value. What is compared is the attribute of this name, or in scope MessageBody the values under
 * this path; of an array (String.Array) each element by itself, and one that matches is enough.
 *
 * Ownership  the policy's text is copied. Threads: immutable once made.
 *
 * SNS Developer Guide: "Amazon SNS subscription filter policies" and the pages below it.
 */
#ifndef PIPELINE_INPUTS_SNS_FILTER_H
#define PIPELINE_INPUTS_SNS_FILTER_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

enum sns_scope { SNS_SCOPE_ATTRIBUTES, SNS_SCOPE_BODY };

struct sns_filter;

/* -1 (ERR_CONFIG): it is no policy, or passes one of AWS's limits. The message begins with "filter_policy: ". */
MUST_CHECK int sns_filter_new(struct sns_filter **f, struct slice policy, enum sns_scope scope, struct err *e);
void sns_filter_free(struct sns_filter **f);

struct sns_attribute {
    struct slice name, type, value; /* type: String, String.Array, Number, Binary */
};

bool sns_filter_attributes(const struct sns_filter *f, const struct sns_attribute *a, size_t n);
/* A body that is no JSON object does not match. */
bool sns_filter_body(const struct sns_filter *f, struct slice body);

#endif
