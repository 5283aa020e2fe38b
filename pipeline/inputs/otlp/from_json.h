/* from_json.h -- OTLP's JSON made protobuf, so that there is one way to read a request.
 *
 * Keys are lowerCamelCase, ids are hex, enums numbers; 64-bit integers are texts or numbers. What is not known is passed by, and null is nothing.
 *
 * Threads: pure function.
 */
#ifndef PIPELINE_INPUTS_OTLP_FROM_JSON_H
#define PIPELINE_INPUTS_OTLP_FROM_JSON_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/inputs/otlp/schema.h"

enum otlp_json {
    OTLP_JSON_GOOD,
    OTLP_JSON_FULL, /* `out` may not hold it: raise its max and begin anew */
    OTLP_JSON_BAD,  /* *e says what is wrong, and where */
};

/* `out` is cleared first. */
MUST_CHECK enum otlp_json otlp_from_json(enum otlp_signal signal, struct slice body, struct buf *out, struct err *e);

#endif
