/* address.h -- "host:port" as users write it: 127.0.0.1:4573, localhost:4573, [::1]:4573, 0.0.0.0:4573.
 *
 * Pure functions; no name is looked up.
 */
#ifndef CONFIG_ADDRESS_H
#define CONFIG_ADDRESS_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

struct address {
    char host[256]; /* without brackets */
    unsigned port;
    bool loopback; /* localhost, 127.x.x.x, ::1: nobody from outside can reach it */
};

MUST_CHECK int address_parse(const char *text, struct address *out, struct err *e);

#endif
