/* dump.h -- what a bound struct holds, as text that is the same for the same values: to notice that it changed. */
#ifndef CONFIG_DUMP_H
#define CONFIG_DUMP_H

#include "config/bind.h"
#include "pipeline/base/buf.h"

/* One "name=value" line per option, defaults too; secret ones are left out, CFG_CUSTOM ones as well (their row does not
 * say what they hold). -1 when `out` is full. */
MUST_CHECK int dump_fields(struct buf *out, const char *prefix, const struct cfg_field *fields, const void *conf);

#endif
