/* process_limits.h -- may this process have what the configuration needs of the system?
 *
 * With too few descriptors, too little address space, small stacks or short files it would start and then take nothing, deliver nothing
 * or end in the middle: so it is asked before anything is opened, by `run` and by `validate`.
 *
 * Threads: the main thread's, before there are others.
 */
#ifndef PIPELINE_ENGINE_PROCESS_LIMITS_H
#define PIPELINE_ENGINE_PROCESS_LIMITS_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/engine/descriptors.h"
#include "pipeline/settings/settings.h"

#include <stddef.h>

/* That are online; at least 1. */
size_t process_cores(void);

/* How many descriptors there are now, of how many, with the soft limit raised to the hard one; nobody needs any yet. */
struct descriptor_needs process_descriptors(void);
/* What one stream needs, which reads the inputs of `in`; what a listener with a section does. */
struct descriptor_needs process_needs_of(const struct stream_settings *st, const struct stream_settings *in);
struct descriptor_needs process_needs_of_listener(const struct settings *s, const struct listener_ops *l);

/* -1: what is needed, what there is and how to raise it. */
MUST_CHECK int process_check_descriptors(const struct settings *s, bool once, struct err *e);
MUST_CHECK int process_check_memory(const struct settings *s, struct err *e);
MUST_CHECK int process_check_stack(struct err *e);
MUST_CHECK int process_check_files(const struct settings *s, struct err *e);
/* All of them; the first that is too little. */
MUST_CHECK int process_check(const struct settings *s, bool once, struct err *e);

#endif
