/* literal.h -- the plain parts of a text that may hold !{...}: object names, indices, ids.
 *
 * What other programs write for times and fields (%Y/%m, %{+yyyy.MM}, %{host}, {{ host }}) would be taken as it is, and
 * every object would be named alike. So it is a mistake, told with the text as it should be. Who means it writes `\%` and
 * `\{`; the backslash goes.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_NAMES_LITERAL_H
#define SINKS_NAMES_LITERAL_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* -1: `text` holds such a thing; the message begins with `option`. `fields`: !{record:FIELD} can be used in it. */
MUST_CHECK int literal_check(const char *option, const char *text, bool fields, struct err *e);

/* Where neither times nor fields can be put in: -1 for all of these but characters of an address (%C3). The message does not begin with
 * the option, and holds no more of the text than what says that it is one. */
MUST_CHECK int literal_check_plain(const char *text, struct err *e);

/* Appends a plain part as it is meant: without the backslash of `\%` and `\{`. -1: out is full. */
MUST_CHECK int literal_add(struct slice part, struct buf *out);
/* The same in place. Returns what is left of `n`. */
size_t literal_unescape(char *part, size_t n);

#endif
