/* guard.h -- may a request be believed, by its headers alone? For the HTTP servers, before anything else is looked at.
 *
 * Two questions. Is it clear where the request ends (RFC 9112, 6.3)? The HTTP library takes requests with two lengths, or with
 * a length and a transfer coding; a proxy in front may have counted differently, and what one takes for the rest of a body the
 * other would run as a request. And is it meant for us? A web page from elsewhere can make a browser ask a server on this
 * machine or network: with its own name in Host (DNS rebinding), or as a cross-site request.
 *
 *     struct http_guard g = {0};
 *     http_guard_lines(&g, version, end)       where the library shows how it took the head apart
 *     http_guard_header(&g, name, value)       for each header, in order
 *     http_guard_framing(&g, version, &why)    false: 400, and the connection must be closed: what follows cannot be trusted
 *     http_guard_names(&g, method, names, &why) false: 403; for servers that know nobody by credentials
 *
 * Pure. Ownership: values are borrowed until the last question. The texts are literals.
 */
#ifndef PIPELINE_HTTP_SERVER_GUARD_H
#define PIPELINE_HTTP_SERVER_GUARD_H

#include "config/bind.h"
#include "pipeline/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

struct http_guard {
    const char *broken; /* the first thing that is wrong with a header; NULL: nothing */
    unsigned lengths, codings, hosts;
    const char *host, *origin, *site, *mode; /* Host, Origin, Sec-Fetch-Site, Sec-Fetch-Mode; NULL: not there */
    const char *line, *end;                  /* where the next line must begin, the head end; NULL: not followed */
};

/* The names that a server without credentials answers to. */
struct http_names {
    bool loopback;                  /* it listens where nobody from outside can reach it */
    const char *listen;             /* the host as configured */
    const struct cfg_strings *more; /* configured; `*` stands for any; may be NULL */
    char machine[65];               /* this machine's name; "" unknown */
};

void http_names_init(struct http_names *n, const char *listen_host, bool loopback, const struct cfg_strings *more);

/* The head lies in one piece, the last word of its first line at `version`, up to `end`, with two NULs for each end of a line and
 * one for each colon; the names and values given from now on are pointers into it. Then nothing may lie between them. */
void http_guard_lines(struct http_guard *g, const char *version, const char *end);
void http_guard_header(struct http_guard *g, const char *name, const char *value);
MUST_CHECK bool http_guard_framing(const struct http_guard *g, const char *version, const char **why);
MUST_CHECK bool http_guard_names(const struct http_guard *g, const char *method, const struct http_names *n,
                                 const char **why);

#endif
