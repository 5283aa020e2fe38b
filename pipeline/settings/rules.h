/* rules.h -- mistakes that only show when all of the file is bound: what sinks, inputs and scripts find in their
 * options, and rules between options that stand far apart.
 *
 * Inside of pipeline/settings.
 */
#ifndef PIPELINE_SETTINGS_RULES_H
#define PIPELINE_SETTINGS_RULES_H

#include "pipeline/settings/settings.h"

/* Reports them; of the parts in `use`. Some options may be zero, because they could not be bound. */
void settings_rules(struct cfg_errors *errs, const struct settings *s, const struct settings_use *use);

/* Reports each place of a loop: what is read, and what is written. A stream may read what another one writes, as long as nothing
 * of it comes back. */
void settings_loops(struct cfg_errors *errs, const struct settings *s);

#endif
