/* url.h -- scheme://host:port of a broker, as users write it.
 *
 * User and password in it are refused: they have options of their own, which are kept secret. So is a path.
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_BROKER_URL_H
#define PIPELINE_INPUTS_BROKER_URL_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct broker_scheme {
    const char *name; /* NULL ends the list */
    uint16_t port;    /* its own */
    bool tls;
};

struct broker_url {
    char host[256]; /* without brackets */
    uint16_t port;
    bool tls;
    char shown[300]; /* scheme://host:port */
};

/* The message begins with "url: ". */
MUST_CHECK int broker_url_parse(struct broker_url *u, const char *text, const struct broker_scheme *schemes,
                                struct err *e);

/* Do both name one server? False when one of them is missing, or wrong. */
bool broker_url_same_server(const char *a, const char *b, const struct broker_scheme *schemes);

#endif
