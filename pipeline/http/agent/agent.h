/* agent.h -- makes HTTP requests for those who have no loop of libcurl's: inputs.
 *
 * One thread and one transport (http/transport/transport.h) for all of them, beginning with the first who uses it. It knows HTTP and nothing
 * else: who asks makes the request, says how to trust (http/tls.h: tls_options_get(), tls_options_poll()), which proxy and how long it may take,
 * signs it (aws/sign.h), judges the answer and tries again (base/backoff.h). A signature does not last, so each attempt is
 * made anew.
 *
 *     http_agent_send()    from any thread: `done` is called once, on the agent's thread; it copies what it needs and tells its
 *                          owner (loop_group_tell(), input_thread_wake())
 *     http_agent_cancel()  from any thread: `done` comes soon, with no answer, unless it came before
 *     http_agent_call()    for a thread that may wait (input_thread.h): the same, with the answer as its result
 *
 * AWS's credentials are the asker's: a thread that may wait calls credentials_get(), a loop credentials_poll(), which may say
 * "not yet".
 *
 * Threads    free: the main thread. The rest: any.
 * Ownership  an ask is embedded in its owner and must stay until `done` was called; request and body stay the owner's and must live as
 *            long. Nothing may be under way at http_agent_free().
 * Memory     of large answers: from the budget, until `done` has returned. What a call keeps is bounded by its owner.
 */
#ifndef PIPELINE_HTTP_AGENT_AGENT_H
#define PIPELINE_HTTP_AGENT_AGENT_H

#include "pipeline/base/budget.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/transport/transport.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct http_agent;

/* `budget` may be NULL. */
struct http_agent *http_agent_new(struct budget *budget);
void http_agent_free(struct http_agent **a);

/* In an input's open: its thread is there when this returns 0. */
MUST_CHECK int http_agent_use(struct http_agent *a, struct err *e);

enum http_ask_step {
    HTTP_ASK_IDLE,
    HTTP_ASK_WAITS, /* for the agent's thread */
    HTTP_ASK_UNDER_WAY,
};

struct http_ask {
    const struct http_request *request;
    const struct body *body; /* NULL: none, or request->text */
    /* `re` is borrowed for the call; NULL: it was cancelled. The ask is free for use again when it is called. */
    void (*done)(struct http_ask *ask, const struct http_response *re);

    /* The agent's: */
    struct http_agent *agent;
    struct exchange exchange;
    enum http_ask_step step; /* guarded by the agent's lock, as what follows */
    bool cancelled;
    TAILQ_ENTRY(http_ask) link; /* in its list of news */
    bool listed;
    size_t held; /* taken from the budget */
};

void http_agent_send(struct http_agent *a, struct http_ask *ask);
void http_agent_cancel(struct http_agent *a, struct http_ask *ask);

/* A request whose sender waits. */
struct http_call {
    enum http_failure failure;
    char failure_text[256];
    int status;
    struct buf headers, body; /* of the answer; body.max bounds it, with request->response_max */
    bool truncated, cancelled;
    struct http_response re; /* all of it, for http_response_header() and http_retry_after() */

    struct http_ask ask;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool over; /* guarded by lock */
};

void http_call_init(struct http_call *c, size_t body_max);
void http_call_release(struct http_call *c);
/* False: it was cancelled (http_call_cancel(), before it or while it waits). Else c->re says what came. May be called again. */
MUST_CHECK bool http_agent_call(struct http_agent *a, struct http_call *c, const struct http_request *rq,
                                const struct body *body);
/* From any thread, as input_thread.h's `interrupt`: the call, and all that follow, return. */
void http_call_cancel(struct http_agent *a, struct http_call *c);

#endif
