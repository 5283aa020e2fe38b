/* url.h -- an http(s) address as users write it, taken apart and checked once.
 *
 *     https://search.example:9200/es?x=1
 *     scheme  host                path query
 *
 * User and password in the address are refused: they have options of their own, which are kept secret.
 *
 * Ownership  http_url_release(). Threads: immutable once parsed.
 * Invariant  `host` is what the Host header will say: lower case, without the scheme's own port. `path` has no slash at
 * its end ("" when there is none).
 */
#ifndef PIPELINE_HTTP_URL_H
#define PIPELINE_HTTP_URL_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

/* Firehose, HttpEndpointConfiguration.Url */
#define ENDPOINT_URL_MAX 1000

struct http_url {
    const char *scheme;
    char *host, *path;
    char *query; /* without '?'; "" when there is none */
    char *shown; /* scheme://host: for messages. Paths and queries may hold keys. */
};

/* The message begins with `option`. On failure nothing stays allocated. */
MUST_CHECK int http_url_parse(struct http_url *u, const char *option, const char *text, struct err *e);
/* Appends "host:port/path", also with the scheme's own port. -1: there is no room. */
MUST_CHECK int http_url_place(const struct http_url *u, struct buf *out);
void http_url_release(struct http_url *u);

#endif
