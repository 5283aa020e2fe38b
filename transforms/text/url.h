/* url.h -- the parts of a URL, by RFC 3986, and of its query.
 *
 * Ownership  slices point into the text. Threads: plain values; pure functions.
 */
#ifndef TRANSFORMS_TEXT_URL_H
#define TRANSFORMS_TEXT_URL_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct url {
    struct slice scheme, user, password, host, path, query, fragment; /* .p NULL: not there */
    int port;                                                         /* -1: not there */
};

/* Absolute (https://h/p?q#f) or what a request line has (/p?q). Control characters and spaces are refused. */
MUST_CHECK bool url_parse(struct url *out, struct slice text);

/* Cuts the next a=b off the query. */
bool url_query_next(struct slice *query, struct slice *key, struct slice *value);
/* Appends a name or value of the query with %41 and + decoded; a % that is no escape stays. -1: out is full. */
MUST_CHECK int url_decode_query(struct slice raw, struct buf *out);

#endif
