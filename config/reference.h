/* reference.h -- a table of options as text: the manual, and what a bound struct holds. */
#ifndef CONFIG_REFERENCE_H
#define CONFIG_REFERENCE_H

#include "config/bind.h"
#include "pipeline/base/buf.h"

/* A Markdown table with one row per option; `prefix` ("api.") stands before every name. Nothing for an empty table.
 * -1 when `out` is full. */
MUST_CHECK int reference_fields(struct buf *out, const char *prefix, const struct cfg_field *fields);

/* What a bound struct holds, the same for the same values, to notice that it changed: one "name=value" line per option, defaults
 * too; secret ones are left out, CFG_CUSTOM ones as well (their row does not say what they hold). -1 when `out` is full. */
MUST_CHECK int dump_fields(struct buf *out, const char *prefix, const struct cfg_field *fields, const void *conf);

#endif
