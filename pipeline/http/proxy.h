/* proxy.h -- the option `proxy` of every sink that speaks HTTP, and what the environment says when it is left out.
 *
 *   proxy: none          straight to the destination
 *   proxy: environment   as https_proxy (http_proxy for http://), all_proxy and no_proxy say; the default. Never for a
 *                        destination on this machine: a proxy's loopback is not ours
 *   proxy: URL           http://, https://, socks4a:// or socks5h://, with user and password if need be; socks4:// and socks5://
 *                        are taken for these where the destination has a name
 *
 * Threads    pure; the environment is only read.
 */
#ifndef PIPELINE_HTTP_PROXY_H
#define PIPELINE_HTTP_PROXY_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

#define PROXY_URL_MAX 1024

/* For the table of options; `offset` is where the char * is. */
#define PROXY_FIELD(where)                                                                                             \
    {                                                                                                                  \
        .name = "proxy", .type = CFG_STRING, .offset = (where), .secret = true,                                        \
        .help =                                                                                                        \
            "none, environment (https_proxy, http_proxy, all_proxy, no_proxy; not for destinations on this machine), " \
            "or the proxy's URL; left out: environment"                                                                \
    }

struct proxy {
    char url[PROXY_URL_MAX];   /* with user and password: a secret */
    char shown[PROXY_URL_MAX]; /* without */
    const char *from;          /* "https_proxy"; "the option `proxy`" */
};

/* -1 when the option is neither a word nor the URL of a proxy. NULL is as good as `environment`. */
MUST_CHECK int proxy_check(const char *option, struct err *e);
/* The same, reported where the option stands. */
void proxy_check_option(const char *option, const struct cfg_options *o);

/* What a request to `url` goes through. False: nothing; *out is empty then. */
bool proxy_find(const char *option, const char *url, struct proxy *out);

/* It is spoken to over TLS. */
bool proxy_is_https(const struct proxy *p);

/* -1 when the environment names something for a request to `url` that is no proxy's URL, with its variable and without its
 * password. Nobody means to go without a proxy by that. */
MUST_CHECK int proxy_check_found(const char *option, const char *url, struct err *e);

/* Adds " through proxy http://host:port (from https_proxy)" when there is one: for people. -1: out is full. */
MUST_CHECK int proxy_describe(const char *option, const char *url, struct buf *out);

#endif
