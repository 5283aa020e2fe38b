/* bodies.h -- the body of a plain request, taken apart into records: as it is, line by line, one JSON document a line, the elements of a JSON array.
 *
 * What is asked for by `body: auto` is decided by Content-Type alone, never by what the body looks like:
 *
 *     application/x-ndjson, application/ndjson, application/jsonl, application/x-jsonlines, application/json-lines     ndjson
 *     application/json                       the elements of an array; any other document is one record
 *     text/...                               lines
 *     anything else, and none                one record: curl -d 'x' and --data-binary @file
 *
 * Lines end with a newline, which is not theirs; behind the last one there need not be any. An empty line is a record without bytes; of
 * ndjson it is none. JSON is checked: a body of which one part is no JSON is refused whole.
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_HTTP_BODIES_H
#define PIPELINE_INPUTS_HTTP_BODIES_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

enum http_body {
    HTTP_BODY_AUTO,
    HTTP_BODY_RECORD,
    HTTP_BODY_LINES,
    HTTP_BODY_NDJSON,
    HTTP_BODY_ARRAY,    /* one that is none is refused */
    HTTP_BODY_DOCUMENT, /* an array's elements, or one record: what auto makes of application/json */
    HTTP_BODY_FIREHOSE,
};

/* NULL: there is none. */
enum http_body http_body_of_type(const char *content_type);

/* `each` for each record, a slice of the body; -1 from it ends it. -1: that, with *e as it was; or ERR_FORMAT: it is not what it should be. */
MUST_CHECK int http_body_split(enum http_body how, struct slice body, int (*each)(void *ctx, struct slice record),
                               void *ctx, struct err *e);

#endif
