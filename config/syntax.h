/* syntax.h -- what libyaml found wrong, in words that tell a person what to change. Shows nothing of the text itself.
 */
#ifndef CONFIG_SYNTAX_H
#define CONFIG_SYNTAX_H

#include "config/errors.h"
#include "pipeline/base/slice.h"

#include <yaml.h>

/* `y` has just failed on `text`; `name` is what messages call the file. */
void syntax_report(struct cfg_errors *errs, const char *name, struct slice text, const yaml_parser_t *y);

#endif
