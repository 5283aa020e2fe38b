/* address.h -- "host:port" as users write it: 127.0.0.1:4573, localhost:4573, [::1]:4573, 0.0.0.0:4573.
 *
 * Pure functions; no name is looked up.
 */
#ifndef CONFIG_ADDRESS_H
#define CONFIG_ADDRESS_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct address {
    char host[256]; /* without brackets */
    unsigned port;
    bool loopback; /* localhost, 127.x.x.x, ::1: nobody from outside can reach it */
};

MUST_CHECK int address_parse(const char *text, struct address *out, struct err *e);

/* What is listened on: `localhost` is 127.0.0.1. */
const char *address_host(const struct address *a);
/* Is it the same place, however it is written? Port 0 is another one each time. */
bool address_is_same(const struct address *a, const struct address *b);
/* The one way to write it: "127.0.0.1:4573" also for `localhost:4573`, "[::1]:4573". What is no address stays as it is. Cut to `size`. */
void address_write(const char *text, char *out, size_t size);

#endif
