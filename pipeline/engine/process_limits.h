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

/* What these settings need; and how many descriptors there are now, of how many, with the soft limit raised to the hard one. */
struct descriptor_needs process_descriptors(const struct settings *s, bool once);

/* -1: what is needed, what there is and how to raise it. */
MUST_CHECK int process_check_descriptors(const struct settings *s, bool once, struct err *e);
MUST_CHECK int process_check_memory(const struct settings *s, struct err *e);
MUST_CHECK int process_check_stack(struct err *e);
MUST_CHECK int process_check_files(const struct settings *s, struct err *e);
/* All of them; the first that is too little. */
MUST_CHECK int process_check(const struct settings *s, bool once, struct err *e);

#endif
