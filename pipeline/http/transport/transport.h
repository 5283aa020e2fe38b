/* transport.h -- the one libcurl multi handle: sends requests, brings back what came of them. The only one in
 * the daemon who connects with libcurl.
 *
 * It knows HTTP and nothing else: no retries, no policy. Redirects are not followed: a destination that moves is a
 * thing to tell the operator.
 *
 * Threads    everything on the delivery thread, but for transport_wake() (any).
 * Ownership  an exchange is embedded in its owner and must stay in place until `done` was called or it was cancelled.
 * The request and the body stay the owner's and must live as long.
 */
#ifndef PIPELINE_HTTP_TRANSPORT_TRANSPORT_H
#define PIPELINE_HTTP_TRANSPORT_TRANSPORT_H

#include "pipeline/base/body.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/message.h"

#include <stdbool.h>

struct transport;

struct exchange {
    const struct http_request *request;
    const struct body *body; /* NULL: none */
    uint64_t from, bytes;    /* of the body: what is sent; bytes 0: all of it */
    /* Called from transport_run(); `re` is borrowed for the call. The exchange is free for use again when it is called.
     */
    void (*done)(struct exchange *x, const struct http_response *re);
    /* The answer outgrows ANSWER_SMALL_MAX, and needs so many bytes more. False: there are none, and the exchange fails. NULL: there
     * always are. */
    bool (*room)(struct exchange *x, size_t bytes);
    bool keeps; /* what `re` of a larger answer points to stays for the owner, until exchange_forget() */
    struct buf kept_headers, kept_body;
    struct exchange_slot *slot; /* the transport's; NULL while idle */
};

void exchange_forget(struct exchange *x);

MUST_CHECK int transport_new(struct transport **t, struct err *e);
void transport_free(struct transport **t); /* the owners have cancelled what was under way */

/* Starts it; `done` is always called later, also for failures at once. */
void transport_start(struct transport *t, struct exchange *x);
void transport_cancel(struct transport *t, struct exchange *x);

/* Moves everything that can move, calls `done`s, then waits for the network, a wake or `mono_until`, whichever is
 * first. */
void transport_run(struct transport *t, nsec mono_until);
void transport_wake(struct transport *t);

#endif
