/* compose.h -- frames of STOMP as bytes. All return -1 when out->max is reached, and then leave what was there.
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_STOMP_COMPOSE_H
#define PIPELINE_INPUTS_STOMP_COMPOSE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

/* How values are written: CONNECT has no escapes; 1.1 has none for a carriage return. */
enum stomp_escapes { STOMP_PLAIN, STOMP_ESCAPES_11, STOMP_ESCAPES_12 };

struct stomp_field {
    const char *name;
    struct slice value;
};

/* Fields with a NULL value are left out; the list ends with a NULL name. */
MUST_CHECK int stomp_compose(struct buf *out, const char *command, const struct stomp_field *fields,
                             enum stomp_escapes escapes);
/* The same, without its end: for more headers. stomp_compose_end() behind them. */
MUST_CHECK int stomp_compose_begin(struct buf *out, const char *command, const struct stomp_field *fields,
                                   enum stomp_escapes escapes);
MUST_CHECK int stomp_compose_header(struct buf *out, struct slice name, struct slice value, enum stomp_escapes escapes);
MUST_CHECK int stomp_compose_end(struct buf *out);

#endif
