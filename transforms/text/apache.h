/* apache.h -- a line of a web server's access log, cut into its fields.
 *
 * Ownership  slices point into the line; a field that is not there, or is "-", has .p NULL.
 * Threads    plain values; pure functions.
 */
#ifndef TRANSFORMS_TEXT_APACHE_H
#define TRANSFORMS_TEXT_APACHE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

/* Common Log Format, or Combined with referrer and agent (Apache, nginx). */
struct apache_line {
    struct slice host, ident, user, time, method, path, protocol, request, status, bytes, referrer, agent;
};

/* `request` is the whole first line; method, path and protocol only when it has that form. */
MUST_CHECK bool apache_parse(struct apache_line *out, struct slice line);

#endif
