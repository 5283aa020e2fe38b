/* template.h -- a text with parts that each record fills in: index names, ids, routing.
 *
 *     app-!{record:service.name}-!{timestamp:yyyy.MM}
 *
 * !{record:FIELD} is a field of the record (dots go into nested objects), !{timestamp:PATTERN} the record's arrival, or the time
 * that it says of itself where the stream has one, in UTC, with the pattern letters of time_pattern.h; partition keys as in
 * pieces.h, as they are.
 *
 * Ownership  template_free(). Threads: immutable once open.
 */
#ifndef SINKS_ELASTICSEARCH_TEMPLATE_H
#define SINKS_ELASTICSEARCH_TEMPLATE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "sinks/elasticsearch/document.h"
#include "sinks/sink.h"

struct template;

/* Fields that it uses are added to `fields`. Messages begin with `option`. */
MUST_CHECK int template_open(struct template **t, const char *option, const char *text, struct document_fields *fields,
                             struct err *e);
void template_free(struct template **t);

/* The whole text, when no record changes it; NULL otherwise. */
const char *template_constant(const struct template *t);
/* What it begins with whatever the record says. */
struct slice template_literal_start(const struct template *t);

/* Appends the text. NULL, or the name of the field or key that is missing, empty, no text, or too long for `out`. */
const char *template_render(const struct template *t, const struct document_fields *fields, const struct document *d,
                            const struct sink_record *r, struct buf *out);

/* What !{timestamp:...} and a rotation are about. */
nsec template_moment(const struct sink_record *r);

#endif
