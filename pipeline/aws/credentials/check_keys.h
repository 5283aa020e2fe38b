/* check_keys.h -- makes keys from texts, wherever they come from.
 *
 * Threads    pure functions.
 */
#ifndef PIPELINE_AWS_CREDENTIALS_CHECK_KEYS_H
#define PIPELINE_AWS_CREDENTIALS_CHECK_KEYS_H

#include "pipeline/aws/keys.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

/* Texts may be NULL: not there. -1 for half a pair, and for what no header can carry: keys go into headers, and a line break (of a file
 * that was read whole, say) would break them. Only the texts of *out are set. Both NULL: out is empty. */
MUST_CHECK int aws_keys_set(struct aws_keys *out, const char *id, const char *secret, const char *token, struct err *e);

/* The same of slices, as an answer has them; `token` may be empty. Here a key must be there. */
MUST_CHECK int aws_keys_set_slices(struct aws_keys *out, struct slice id, struct slice secret, struct slice token,
                                   struct err *e);

/* When keys expire, as providers write it: 2026-11-27T05:00:00Z, with a fraction, with +00:00 or another offset. False when it is
 * something else. */
bool aws_expiry_parse(struct slice text, nsec *wall);

#endif
