/* error_objects.h -- the lines that say why records could not be processed or delivered: Firehose's error objects.
 *
 *     {"attemptsMade":4,"arrivalTimestamp":1763825161000,"errorCode":"400","errorMessage":"...","attemptEndingTimestamp":...,"rawData":"..."}
 *
 * Source: Firehose Developer Guide, "Handle data delivery failures" and "Data transformation failure handling". Times
 * are milliseconds since the epoch, rawData is base64. What the sink adds (esDocumentId ...) stands before rawData.
 *
 * Threads, ownership as encoder.h.
 */
#ifndef PIPELINE_ENCODE_ERROR_OBJECTS_H
#define PIPELINE_ENCODE_ERROR_OBJECTS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/encode/encoder.h"

struct error_line {
    unsigned attempts;
    nsec arrival, ended; /* wall */
    struct slice code, message;
    struct slice more; /* `,"name":value` members of the sink; may be empty */
    struct slice data;
};

/* Appends the line with its '\n'. -1: out is full. Pure. */
MUST_CHECK int error_objects_line(const struct error_line *l, struct buf *out);
/* Of such a line: what is in its other members is quoted, so nothing else looks like its code. */
bool error_objects_has_code(struct slice line, const char *code);

struct error_objects_failure {
    const char *error_type; /* of sink_seal_id */
    unsigned attempts;
    nsec ended;
};
/* The body of an error object: a line for each refused record, not compressed. As encoder_run(). */
MUST_CHECK int error_objects_run(const struct encoder_in *in, const struct error_objects_failure *f, struct worker *w,
                                 struct encoder_out *out);

#endif
