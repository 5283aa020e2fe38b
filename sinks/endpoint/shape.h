/* shape.h -- how records become the body of a request: one row per shape.
 *
 *   firehose      {"requestId":"...","timestamp":1700000000000,"records":[{"data":"<base64>"}]}
 *   lines         each record, ending in one line break
 *   raw           the records' bytes, one behind the other
 *   json_array    [r1,r2] with JSON records as they are and others as JSON strings
 *   splunk_event  {"time":1700000000.000,"event":...} one behind the other
 *   loki          one stream with a line per record
 *   otlp          one resource with a log record per record
 *
 * Where a record must become a JSON string, bytes that are not UTF-8 become U+FFFD: JSON has no way to say them.
 *
 * Ownership  shape_context_release(). Threads: immutable once made; pure functions.
 */
#ifndef SINKS_ENDPOINT_SHAPE_H
#define SINKS_ENDPOINT_SHAPE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "sinks/endpoint/options.h"
#include "sinks/endpoint/preset.h"
#include "sinks/sink.h"

#include <stdbool.h>

#define REQUEST_ID_TEXT 37 /* with NUL */

/* Made once per stream from its name and attributes. */
struct shape_context {
    unsigned char identity[16];
    struct buf open;  /* what stands before the records, or before each event's time */
    struct buf close; /* what stands behind each event */
};

struct shape {
    const char *name; /* as option `format`; NULL: only through a preset */
    const char *content_type;
    const char *encodings; /* compressions that the far end undoes: " gzip zstd " */
    uint64_t records_max;  /* 0: none */
    bool takes_attributes;
    int (*prepare)(struct shape_context *c, const char *stream, const struct pairs *attributes); /* NULL: nothing */
    int (*head)(const struct shape_context *c, const struct sink_seal_id *id, struct buf *out);
    int (*record)(const struct shape_context *c, const struct sink_record *r, bool first, struct buf *out);
    int (*tail)(const struct shape_context *c, struct buf *out);
};

extern const struct cfg_choice shape_choices[];
const struct shape *shape_of(enum endpoint_shape shape);

MUST_CHECK int shape_context_init(struct shape_context *c, const struct shape *s, const struct sink_env *env,
                                  const struct pairs *attributes, struct err *e);
void shape_context_release(struct shape_context *c);

/* The same for the same records on every attempt and after a restart. */
void shape_request_id(const unsigned char identity[16], const struct sink_seal_id *id, char out[REQUEST_ID_TEXT]);

/* Appends {"name":"value",...}. -1: out is full. */
MUST_CHECK int shape_add_object(const struct pairs *p, struct buf *out);

#endif
