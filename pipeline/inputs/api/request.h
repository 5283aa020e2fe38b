/* request.h -- one request of the API, from its headers to its answer.
 *
 *     headers -> judged -> body collected -> signature, gunzip -> parsed -> appended, suspended -> resumed -> answered
 *
 * A request that is refused by its headers is not answered at once: a client that is still sending would see its
 * connection reset instead of the answer. Its body is read and dropped (up to a bound), which costs no memory, and then
 * it is answered and the connection stays usable. One that waits with "Expect: 100-continue" is answered at once.
 *
 * It is an owner's part of a request (http/server/server.h); the route's `ctx` is the struct api.
 */
#ifndef PIPELINE_INPUTS_API_REQUEST_H
#define PIPELINE_INPUTS_API_REQUEST_H

#include "pipeline/http/server/server.h"

extern const struct http_route_ops api_request_ops;

#endif
