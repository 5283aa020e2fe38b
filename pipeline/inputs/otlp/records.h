/* records.h -- a request of OTLP, record by record: each log record, span or data point becomes one JSON object, with what its resource and its
 * scope say.
 *
 *     otlp_check(OTLP_LOGS, body)             all of it is as it should be
 *     otlp_open(&r, OTLP_LOGS, shape, body);
 *     while ((got = otlp_next(&r, &text, &record)) != OTLP_END)
 *         OTLP_RECORD       it is in `record`
 *         OTLP_FULL         it needs more than `text` may hold: raise text.max and ask again, or otlp_pass() it by
 *         OTLP_TOO_LARGE    it is larger than a record may be, and passed by
 *
 * `text` belongs to the reader while it reads: at its front is what resource and scope say, made once for all of a scope. Where that alone is too
 * large, no record of theirs costs more than to be counted.
 *
 * Ownership  slices point into the body and into `text`. Threads: plain values; pure functions.
 */
#ifndef PIPELINE_INPUTS_OTLP_RECORDS_H
#define PIPELINE_INPUTS_OTLP_RECORDS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/inputs/otlp/schema.h"

struct otlp_shape {
    bool nested;      /* objects in objects; else what resource, scope and attributes have are members of the record */
    bool nanoseconds; /* times as numbers; else RFC 3339 */
};

/* The messages that one of resource or scope has, and what is left of them. */
struct otlp_level {
    struct slice head, url, rest;
};

struct otlp_reader {
    enum otlp_signal signal;
    struct otlp_shape shape;
    struct slice rest; /* of the request */
    struct otlp_level resource, scope;
    struct slice metric, row, points; /* the message around the data points, which is row_number of the metric */
    unsigned row_number;
    struct slice item; /* the one that is next */
    bool has_item, folded;
    size_t folded_n;
    bool resource_fits, resource_large, scope_large; /* its text; more than a record may be */
};

enum otlp_next { OTLP_RECORD, OTLP_END, OTLP_FULL, OTLP_TOO_LARGE };

void otlp_open(struct otlp_reader *r, enum otlp_signal signal, struct otlp_shape shape, struct slice body);
MUST_CHECK enum otlp_next otlp_next(struct otlp_reader *r, struct buf *text, struct slice *record);
/* Behind OTLP_FULL: it is left out. */
void otlp_pass(struct otlp_reader *r);
/* How many are left, one that found no room among them. None is behind this. */
uint64_t otlp_rest(struct otlp_reader *r);
/* NULL: all of the body is what it should be. Else what is wrong. */
const char *otlp_check(enum otlp_signal signal, struct slice body);

#endif
