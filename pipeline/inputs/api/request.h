/* request.h -- one request of the API, from its headers to its answer.
 *
 *     headers -> judged -> body collected -> signature, gunzip -> parsed -> appended, suspended -> resumed -> answered
 *
 * A request that is refused by its headers is not answered at once: a client that is still sending would see its
 * connection reset instead of the answer. Its body is read and dropped (up to a bound), which costs no memory, and then
 * it is answered and the connection stays usable. One that waits with "Expect: 100-continue" is answered at once.
 *
 * These are libmicrohttpd's callbacks; `cls` is the struct api.
 */
#ifndef PIPELINE_INPUTS_API_REQUEST_H
#define PIPELINE_INPUTS_API_REQUEST_H

#include <microhttpd.h>
#include <stddef.h>

enum MHD_Result api_request_handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                                   const char *version, const char *data, size_t *size, void **request);
void api_request_completed(void *cls, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode how);

#endif
