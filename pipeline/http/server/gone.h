/* gone.h -- paths of a server that were somebody's until lately: a reload that replaces an input closes its path and opens it again. Meanwhile
 * nobody who posts there may take it for good that there is nothing, as 404 says.
 *
 * Threads    none of its own: guarded by who has it. Ownership: http_gone_release().
 */
#ifndef PIPELINE_HTTP_SERVER_GONE_H
#define PIPELINE_HTTP_SERVER_GONE_H

#include "pipeline/base/clock.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

struct http_gone_path {
    char *path;
    nsec until; /* mono */
};

struct http_gone {
    struct http_gone_path *list;
    size_t count;
};

/* As in http_route_conf. Those whose time is over are forgotten. */
void http_gone_add(struct http_gone *g, const char *path, nsec mono_now);
/* Of the longest one that `url` is, or is beneath: so many characters; 0: there is none. */
size_t http_gone_find(const struct http_gone *g, const char *url, nsec mono_now);
void http_gone_release(struct http_gone *g);

/* The answer where nobody owns the path. `comes_back`: perhaps somebody does in a moment. */
enum MHD_Result http_gone_answer(struct MHD_Connection *c, bool comes_back);

#endif
