/* options.h -- the options of the http sink, and what is wrong with them taken by themselves.
 *
 * Ownership  bound and released with http_endpoint_fields. Threads: immutable once bound.
 */
#ifndef SINKS_ENDPOINT_OPTIONS_H
#define SINKS_ENDPOINT_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/proxy.h"
#include "pipeline/http/tls.h"
#include "pipeline/http/url.h"

#include "sinks/endpoint/preset.h"

/* A mapping of names to texts: headers, common attributes. */
struct pair {
    char *name, *value;
};

struct pairs {
    struct pair *v;
    size_t n;
};

struct http_endpoint_conf {
    int preset; /* row of preset.c */
    char *url, *site;
    int format; /* enum endpoint_shape */
    char *access_key;
    struct pairs headers, attributes;
    struct {
        char *username, *password;
    } basic;
    char *bearer;
    char *source_arn, *content_type;
    uint64_t body_limit;
    nsec timeout, ack_timeout;
    uint64_t response_max;
    char *proxy;
    struct tls_conf tls;
};

extern const struct cfg_field http_endpoint_fields[];

/* Attributes, and all that becomes a header's value as it is. `authorized`: the sink sets Authorization itself. */
MUST_CHECK int endpoint_options_check(const struct http_endpoint_conf *c, bool authorized, struct err *e);
/* The same, every mistake at its place. */
void endpoint_options_check_all(const struct http_endpoint_conf *c, bool authorized, const struct cfg_options *o);

#endif
