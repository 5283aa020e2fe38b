/* head.h -- asks the guard about the head of a request, as the HTTP library has read it.
 *
 * Threads: a request's own.
 */
#ifndef PIPELINE_HTTP_SERVER_HEAD_H
#define PIPELINE_HTTP_SERVER_HEAD_H

#include "pipeline/http/server/guard.h"

#include <microhttpd.h>

/* `method` and `version` as the library gave them to the handler: the very pointers. */
struct http_guard http_head_read(struct MHD_Connection *c, const char *method, const char *version);

#endif
