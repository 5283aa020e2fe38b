/* reference.h -- the manual of a table of options, printed from the rows that parse them. */
#ifndef CONFIG_REFERENCE_H
#define CONFIG_REFERENCE_H

#include "config/bind.h"
#include "pipeline/base/buf.h"

/* A Markdown table with one row per option; `prefix` ("api.") stands before every name. Nothing for an empty table.
 * -1 when `out` is full. */
MUST_CHECK int reference_fields(struct buf *out, const char *prefix, const struct cfg_field *fields);

#endif
