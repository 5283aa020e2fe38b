/* body.h -- the body of one request: collected whole, within the memory budget and the size limit.
 *
 * Ownership  api_body_release() gives memory and budget back. Threads: one at a time.
 * Invariant  what it has taken from the budget covers what it holds.
 */
#ifndef PIPELINE_INPUTS_API_BODY_H
#define PIPELINE_INPUTS_API_BODY_H

#include "pipeline/base/budget.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/api/error.h"

#include <stddef.h>
#include <stdint.h>

struct api_body {
    struct buf bytes;
    struct budget *budget;
    size_t held; /* taken from the budget */
    size_t max;  /* API_BODY_MAX_BYTES, unless its owner says otherwise before the first byte */
};

void api_body_init(struct api_body *b, struct budget *budget);
void api_body_release(struct api_body *b);

/* Takes the memory for a body whose length the client has announced, so that it is refused before it is sent. */
MUST_CHECK int api_body_expect(struct api_body *b, uint64_t length, struct api_error *e);
MUST_CHECK int api_body_add(struct api_body *b, struct slice piece, struct api_error *e);

/* Replaces a gzip body by what is in it, which may not be over the limit either. */
MUST_CHECK int api_body_gunzip(struct api_body *b, struct api_error *e);

#endif
