/* csv.h -- CSV as RFC 4180 has it: fields in quotes may hold separators, line ends and doubled quotes.
 *
 * Ownership  slices point into the text. Threads: plain values; pure functions.
 */
#ifndef TRANSFORMS_TEXT_CSV_H
#define TRANSFORMS_TEXT_CSV_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct csv {
    struct slice rest;
    char separator;
    bool more;         /* another field follows in this row */
    const char *error; /* static text; NULL while all is well */
};

struct csv_field {
    struct slice text;
    bool doubled; /* holds "" for a quote: csv_undouble() before use */
};

void csv_open(struct csv *c, struct slice text, char separator);
/* Goes to the next row; false at the end. An empty line is a row of one empty field, the end of the last line is not
 * a row. */
bool csv_row(struct csv *c);
/* The next field of the row; false at its end, or on an error. */
bool csv_field(struct csv *c, struct csv_field *out);
MUST_CHECK int csv_undouble(struct slice raw, struct buf *out);

#endif
