/* multiline.h -- which lines of a file are one record: a stack trace, a message of several lines.
 *
 * The lines are walked one by one. A line that does not belong to the lines before it begins a record. Whether it belongs to them
 * says a rule:
 *
 *     start       a line that it finds begins a record, every other belongs to the lines before
 *     continue    a line that it finds belongs to the lines before, every other begins a record
 *     both        a line that `continue` finds and `start` does not belongs to a record that a line with `start` began
 *     a preset    a table of such rules, each for what the line before was: a traceback of Python ends with a line that looks like any other
 *
 * Only the beginning of a line is looked at (MULTILINE_LOOK_BYTES), and a pattern that takes too long has found nothing, so no line and no
 * pattern can stop the reading.
 *
 * Ownership  multiline_free(). Threads: one at a time, as a regex.
 */
#ifndef PIPELINE_INPUTS_TAIL_MULTILINE_H
#define PIPELINE_INPUTS_TAIL_MULTILINE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum multiline_preset {
    MULTILINE_OWN, /* start and continue */
    MULTILINE_JAVA,
    MULTILINE_PYTHON,
    MULTILINE_GO,
    MULTILINE_NODE,
    MULTILINE_RUBY,
    MULTILINE_DOTNET,
};

struct multiline;

/* What was the line before: of one record, from its first line on. */
typedef uint8_t multiline_state;
#define MULTILINE_NOTHING 0 /* no line yet */

/* `start` and `go_on` (both may be NULL) are for MULTILINE_OWN. An error begins with the option: "start: ...". */
MUST_CHECK int multiline_new(struct multiline **m, enum multiline_preset preset, const char *start, const char *go_on,
                             struct err *e);
void multiline_free(struct multiline **m);

/* Does the line belong to those before it? Moves the state. */
bool multiline_joins(struct multiline *m, multiline_state *state, struct slice line);

/* How often a pattern took too long, so far. */
uint64_t multiline_gave_up(const struct multiline *m);

#endif
