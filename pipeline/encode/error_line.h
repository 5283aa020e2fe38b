/* error_line.h -- the JSON line that tells why a record could not be processed or delivered: Firehose's error objects.
 *
 *     {"attemptsMade":4,"arrivalTimestamp":1763825161000,"errorCode":"400","errorMessage":"...","attemptEndingTimestamp":...,"rawData":"..."}
 *
 * Source: Firehose Developer Guide, "Handle data delivery failures" and "Data transformation failure handling". Times
 * are milliseconds since the epoch, rawData is base64. What the sink adds (esDocumentId ...) stands before rawData.
 * Pure.
 */
#ifndef PIPELINE_ENCODE_ERROR_LINE_H
#define PIPELINE_ENCODE_ERROR_LINE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

struct error_line {
    unsigned attempts;
    nsec arrival, ended; /* wall */
    struct slice code, message;
    struct slice more; /* `,"name":value` members of the sink; may be empty */
    struct slice data;
};

/* Appends the line with its '\n'. -1: out is full. */
MUST_CHECK int error_line_write(const struct error_line *l, struct buf *out);

#endif
