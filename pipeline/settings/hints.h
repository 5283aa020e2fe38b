/* hints.h -- what people write who know other programs, and how the same is written here, to be pasted.
 *
 * Inside of pipeline/settings. Whoever reports a mistake asks for them through cfg_errors_hints(), so that what binds options need
 * not know those of all others.
 */
#ifndef PIPELINE_SETTINGS_HINTS_H
#define PIPELINE_SETTINGS_HINTS_H

#include "config/errors.h"

extern const struct cfg_hints settings_hints;

#endif
