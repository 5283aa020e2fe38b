/* roff.h -- manual pages (man(7)), made from the texts that the program prints anyway: a command's help, the reference of the
 * configuration.
 *
 * -1 when `out` is full.
 */
#ifndef PIPELINE_CLI_ROFF_H
#define PIPELINE_CLI_ROFF_H

#include "pipeline/base/buf.h"
#include "pipeline/cli/cli.h"

/* The head of page NAME(SECTION), as far as its section NAME, which says `summary`. */
MUST_CHECK int roff_begin(struct buf *out, const char *name, int section, const char *summary);
/* What `sluice COMMAND --help` says. */
MUST_CHECK int roff_command(struct buf *out, const struct cli_command *c);
/* Markdown as the reference has it: headings (the first level is left out), paragraphs, lists, tables, blocks of code. A table becomes a list
 * of what its first column names. */
MUST_CHECK int roff_markdown(struct buf *out, const char *text);
/* Plain paragraphs, as help texts have them: what is indented stays as it is. */
MUST_CHECK int roff_text(struct buf *out, const char *text);

#endif
