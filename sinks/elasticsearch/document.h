/* document.h -- is a record a JSON object, and what do certain of its fields say?
 *
 * One pass does both. Nothing is decoded but what is asked for. The first of several members with one name counts.
 *
 * Ownership  document_fields_release(); values point into the record. Threads: immutable after the last
 * document_field().
 */
#ifndef SINKS_ELASTICSEARCH_DOCUMENT_H
#define SINKS_ELASTICSEARCH_DOCUMENT_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

#define DOCUMENT_FIELDS_MAX 16
#define DOCUMENT_NAMES_MAX  8 /* a.b.c has three */

struct document_path {
    char *text; /* "a.b" as the user wrote it; for messages */
    char *names[DOCUMENT_NAMES_MAX];
    size_t depth;
};

/* The fields to look for; zeroed at first. */
struct document_fields {
    struct document_path path[DOCUMENT_FIELDS_MAX];
    size_t count;
};

/* The number of the field `path`, added when it is new; -1 with what is wrong. */
MUST_CHECK int document_field(struct document_fields *f, struct slice path, struct err *e);
void document_fields_release(struct document_fields *f);

struct document {
    struct slice value[DOCUMENT_FIELDS_MAX]; /* raw JSON; {NULL, 0}: not there */
    const char *error;                       /* NULL: it is a JSON object */
    size_t error_at;                         /* byte */
};

void document_scan(const struct document_fields *f, struct slice record, struct document *d);

/* Appends the text of a string, number, true or false; false when the value is none of them, or does not fit. */
bool document_text(struct slice raw, struct buf *out);

#endif
