/* resolver.h -- what a host's name resolves to, asked off the delivery thread.
 *
 * getaddrinfo() takes as long as a resolver likes that does not answer, and cannot be interrupted. So each name is asked by
 * a thread, once at a time however many wait for it, and nobody waits for the thread itself: not those who need another
 * name, and not the end of the process.
 *
 * Threads    one, but for the look-ups and `changed`, which come on the resolver's own.
 * Ownership  what resolver_find() returns is valid until the next call. Look-ups that still run keep what they need.
 */
#ifndef PIPELINE_HTTP_TRANSPORT_RESOLVER_H
#define PIPELINE_HTTP_TRANSPORT_RESOLVER_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"

#include <stddef.h>

struct resolver;

struct resolver_conf {
    /* Blocks. 0 and the addresses as text ("127.0.0.1,[::1]"), or -1 and why there are none. resolver_look_up(), but for
     * tests. */
    int (*look_up)(const char *host, char *out, size_t size);
    void (*changed)(void *ctx); /* there may be an answer to what resolver_find() was asked */
    void *ctx;                  /* outlives the resolver */
};

struct resolver *resolver_new(const struct resolver_conf *conf);
void resolver_free(struct resolver **r);

enum resolver_state {
    RESOLVER_ASKING, /* `changed` is called */
    RESOLVER_KNOWN,  /* text: the addresses */
    RESOLVER_FAILED, /* text: why */
};

/* An answer is believed for a few seconds; then it is asked again, and serves on for a while when the new one does not come. */
enum resolver_state resolver_find(struct resolver *r, const char *host, nsec mono_now, const char **text);

/* Nobody answers at its addresses: the next to ask waits for new ones. */
void resolver_doubt(struct resolver *r, const char *host);

int resolver_look_up(const char *host, char *out, size_t size);

#endif
