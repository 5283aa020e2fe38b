/* loops.h -- a stream that reads what it writes: each record would come round again, for ever.
 *
 * Inside of settings*.c.
 */
#ifndef PIPELINE_SETTINGS_LOOPS_H
#define PIPELINE_SETTINGS_LOOPS_H

#include "pipeline/settings/settings.h"

/* Reports each place of a loop: what is read, and what is written. A stream may read what another one writes, as long as nothing
 * of it comes back. */
void settings_loops(struct cfg_errors *errs, const struct settings *s);

#endif
