/* fields.h -- the options at the top of the file; describes struct settings.
 *
 * Inside of settings*.c: parsing and the manual use the same rows.
 */
#ifndef PIPELINE_SETTINGS_FIELDS_H
#define PIPELINE_SETTINGS_FIELDS_H

#include "config/bind.h"

extern const struct cfg_field settings_fields[];

#endif
