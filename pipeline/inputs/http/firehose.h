/* firehose.h -- the receiving side of the protocol in which Firehose delivers to HTTP endpoints (version 1.0): what AWS sends, and what a sluice
 * sends with `http: { format: firehose }`.
 *
 *     {"requestId":"...","timestamp":1700000000000,"records":[{"data":"<base64>"}]}          and is answered with
 *     {"requestId":"...","timestamp":1700000000000}     or, when it is refused, with "errorMessage" as well
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_HTTP_FIREHOSE_H
#define PIPELINE_INPUTS_HTTP_FIREHOSE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

/* `each` for each record, which is decoded where it stands: the body is overwritten. `id`: the request's, of the header. -1: `each` said so, with
 * *e as it was; or ERR_FORMAT. */
MUST_CHECK int http_firehose_read(struct slice body, const char *id, int (*each)(void *ctx, struct slice record),
                                  void *ctx, struct err *e);

/* The header X-Amz-Firehose-Common-Attributes: {"commonAttributes":{"k":"v"}}; `each` for each of them. -1: it is none. */
MUST_CHECK int http_firehose_attributes(struct slice header, struct buf *scratch,
                                        void (*each)(void *ctx, struct slice name, struct slice value), void *ctx);

/* `error`: NULL: it is stored. -1: there is no memory. */
MUST_CHECK int http_firehose_reply(const char *id, nsec wall_now, const char *error, struct buf *out);

#endif
