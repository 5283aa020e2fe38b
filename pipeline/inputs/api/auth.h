/* auth.h -- is this request signed with one of the configured keys? Signature Version 4, header form.
 *
 * Two steps, because the signature covers the body: api_auth_begin() judges the headers before a byte of the body is
 * kept, api_auth_finish() the signature when all is there. Any region is accepted; the service must be firehose.
 *
 * Ownership  everything is borrowed: the credentials from the configuration, slices from the request's headers.
 * Threads    pure functions. Signatures are compared in constant time; no secret is ever in an error.
 */
#ifndef PIPELINE_INPUTS_API_AUTH_H
#define PIPELINE_INPUTS_API_AUTH_H

#include "pipeline/aws/sigv4.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/api/api.h"
#include "pipeline/inputs/api/error.h"

#include <stddef.h>

/* How far the client's clock may be off, either way; AWS's bound. */
#define API_AUTH_SKEW (15 * 60 * NSEC_PER_SEC)

struct api_auth_keys {
    const struct api_credential *v;
    size_t n;
    const char *service; /* NULL: firehose */
};

struct api_auth_headers {
    struct sigv4_header v[SIGV4_HEADERS_MAX];
    size_t n;
};

struct api_auth {
    const struct api_credential *key;
    struct sigv4_auth claim;
    char timestamp[17];
};

MUST_CHECK int api_auth_begin(struct api_auth *a, struct api_auth_keys keys, const struct api_auth_headers *headers,
                              nsec wall_now, struct api_error *e);
MUST_CHECK int api_auth_finish(const struct api_auth *a, const struct api_auth_headers *headers, struct slice body,
                               struct api_error *e);

#endif
