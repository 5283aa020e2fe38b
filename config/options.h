/* options.h -- mistakes in bound options that only their owner can see: a sink, an input, a transform. Each is shown at
 * the line and column of its value, like those that the tables find.
 *
 * Who owns options says what is wrong in a struct err whose message begins with the option, as a user finds it in the
 * file: "tls.ca_file: ...", "auth.sigv4: access_key_id: ...", "headers: `X-A` ...". These words are followed into the
 * mapping as far as they are there; what was left out is shown where its block, or the name that has the options,
 * stands. A value that came from ${...} is cut out of the message.
 *
 * Ownership  a plain value; everything is borrowed. Threads: the main thread.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include "config/errors.h"
#include "pipeline/base/err.h"

#include <stddef.h>

struct cfg_node;

struct cfg_options {
    struct cfg_errors *errs;
    const struct cfg_node *node; /* the mapping they were bound from; NULL: left out */
    struct srcpos at;            /* of the name that has them */
};

/* Not when it speaks of an option whose value has a mistake already: the first says more, and this may follow from it. */
void cfg_options_refuse(const struct cfg_options *o, const struct err *e);

/* For an option that takes a list: about its value number `item`, from 0. The message need not begin with it. */
void cfg_options_refuse_item(const struct cfg_options *o, const char *option, size_t item, const struct err *e);

/* The same as a warning: it would run all the same. */
void cfg_options_warn_item(const struct cfg_options *o, const char *option, size_t item, const struct err *e);

#endif
