/* describe.h -- what the API tells about its streams: DescribeDeliveryStream, ListDeliveryStreams and
 * ListTagsForDeliveryStream.
 *
 * Pure: from the request's body and the streams to the reply's body.
 */
#ifndef PIPELINE_INPUTS_API_DESCRIBE_H
#define PIPELINE_INPUTS_API_DESCRIBE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/api/api.h"
#include "pipeline/inputs/api/error.h"

#include <stddef.h>

/* Sorted by name, which is the order ListDeliveryStreams answers in. */
struct api_streams {
    struct api_stream **v;
    size_t n;
    const char *region, *account; /* in ARNs */
};

const struct api_stream *api_streams_find(const struct api_streams *streams, const char *name);
/* "Firehose <name> under account <account> not found." Returns -1. */
int api_streams_missing(const struct api_streams *streams, const char *name, struct api_error *e);

MUST_CHECK int api_describe(const struct api_streams *streams, struct slice body, struct buf *out, struct api_error *e);
MUST_CHECK int api_tags(const struct api_streams *streams, struct slice body, struct buf *out, struct api_error *e);
MUST_CHECK int api_list(const struct api_streams *streams, struct slice body, struct buf *out, struct api_error *e);

#endif
