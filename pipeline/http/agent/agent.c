/* Whoever wants something puts his ask into the list of news, and wakes the thread; what it is, to begin or to break off, stands in the
 * ask. All that touches the transport happens on the thread. An ask that is cancelled before the thread has seen it never gets that far. */
#include "pipeline/http/agent/agent.h"

#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct http_agent {
    struct budget *budget;
    struct transport *transport; /* NULL: not used yet */
    pthread_t thread;
    bool running; /* set under lock, before anybody asks */

    pthread_mutex_t lock;
    TAILQ_HEAD(news, http_ask) news; /* guarded by lock */
    bool stopping;                   /* guarded by lock */
    unsigned asks;                   /* guarded by lock: whose done() has not been called */
};

/* --- on its thread ------------------------------------------------------------------------------------------------ */

static void finish(struct http_ask *ask, const struct http_response *re)
{
    struct http_agent *a = ask->agent;
    size_t held = ask->held;

    pthread_mutex_lock(&a->lock);
    if (ask->listed) /* it was cancelled just now, too late */
        TAILQ_REMOVE(&a->news, ask, link);
    ask->listed = ask->cancelled = false;
    ask->step = HTTP_ASK_IDLE;
    ask->held = 0;
    a->asks--;
    pthread_mutex_unlock(&a->lock);
    ask->done(ask, re); /* it may be gone behind this */
    if (held)
        budget_give(a->budget, held);
}

static void on_done(struct exchange *x, const struct http_response *re)
{
    finish(CONTAINER_OF(x, struct http_ask, exchange), re);
}

static bool on_room(struct exchange *x, size_t bytes)
{
    struct http_ask *ask = CONTAINER_OF(x, struct http_ask, exchange);

    if (!ask->agent->budget)
        return true;
    if (!budget_take(ask->agent->budget, bytes))
        return false;
    ask->held += bytes;
    return true;
}

/* False: it shall stop. *ask is NULL when there is nothing new. */
static bool next_news(struct http_agent *a, struct http_ask **out, bool *cancelled, bool *under_way)
{
    struct http_ask *ask;
    bool stopping;

    pthread_mutex_lock(&a->lock);
    stopping = a->stopping;
    *out = ask = TAILQ_FIRST(&a->news);
    if (ask) {
        TAILQ_REMOVE(&a->news, ask, link);
        ask->listed = false;
        *cancelled = ask->cancelled;
        *under_way = ask->step == HTTP_ASK_UNDER_WAY;
        ask->step = HTTP_ASK_UNDER_WAY;
    }
    pthread_mutex_unlock(&a->lock);
    return !stopping;
}

static void *run(void *arg)
{
    struct http_agent *a = arg;
    bool cancelled, under_way;
    struct http_ask *ask;

    pthread_setname_np(pthread_self(), "http agent");
    while (next_news(a, &ask, &cancelled,
                     &under_way)) { /* it stops when nothing is under way, so nothing is left behind */
        if (!ask) {
            transport_run(a->transport, NSEC_NEVER);
        } else if (!cancelled) {
            ask->exchange =
                (struct exchange){.request = ask->request, .body = ask->body, .done = on_done, .room = on_room};
            transport_start(a->transport, &ask->exchange);
        } else {
            if (under_way)
                transport_cancel(a->transport, &ask->exchange);
            finish(ask, NULL);
        }
    }
    return NULL;
}

/* --- from elsewhere ----------------------------------------------------------------------------------------------- */

struct http_agent *http_agent_new(struct budget *budget)
{
    struct http_agent *a = mem_alloc(sizeof(*a));

    a->budget = budget;
    pthread_mutex_init(&a->lock, NULL);
    TAILQ_INIT(&a->news);
    return a;
}

int http_agent_use(struct http_agent *a, struct err *e)
{
    sigset_t all, old;

    bool running;

    pthread_mutex_lock(&a->lock); /* the thread waits for it before it looks for news */
    if (!a->running && (a->transport || transport_new(&a->transport, e) == 0)) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old); /* signals belong to others */
        a->running = thread_start(&a->thread, run, a, "the thread for HTTP requests of inputs", e) == 0;
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    running = a->running;
    pthread_mutex_unlock(&a->lock);
    return running ? 0 : -1;
}

void http_agent_free(struct http_agent **ap)
{
    struct http_agent *a = *ap;

    if (!a)
        return;
    if (a->running) {
        pthread_mutex_lock(&a->lock);
        assert(a->asks == 0);
        a->stopping = true;
        pthread_mutex_unlock(&a->lock);
        transport_wake(a->transport);
        pthread_join(a->thread, NULL);
    }
    transport_free(&a->transport);
    pthread_mutex_destroy(&a->lock);
    MEM_CLEAR(*ap);
}

/* Locks: held. */
static void list(struct http_agent *a, struct http_ask *ask)
{
    if (!ask->listed)
        TAILQ_INSERT_TAIL(&a->news, ask, link);
    ask->listed = true;
}

void http_agent_send(struct http_agent *a, struct http_ask *ask)
{
    assert(a->running && ask->done);
    pthread_mutex_lock(&a->lock);
    assert(ask->step == HTTP_ASK_IDLE);
    ask->agent = a;
    ask->step = HTTP_ASK_WAITS;
    ask->cancelled = false;
    ask->held = 0;
    a->asks++;
    list(a, ask);
    pthread_mutex_unlock(&a->lock);
    transport_wake(a->transport);
}

void http_agent_cancel(struct http_agent *a, struct http_ask *ask)
{
    bool wake;

    pthread_mutex_lock(&a->lock);
    wake = ask->step != HTTP_ASK_IDLE;
    if (wake) {
        ask->cancelled = true;
        list(a, ask);
    }
    pthread_mutex_unlock(&a->lock);
    if (wake)
        transport_wake(a->transport);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

void http_call_init(struct http_call *c, size_t body_max)
{
    *c = (struct http_call){.failure = HTTP_OK};
    buf_init(&c->headers, TRANSPORT_HEADERS_MAX);
    buf_init(&c->body, body_max);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->ended, NULL);
}

void http_call_release(struct http_call *c)
{
    buf_release(&c->headers);
    buf_release(&c->body);
    pthread_cond_destroy(&c->ended);
    pthread_mutex_destroy(&c->lock);
}

/* On the agent's thread. */
static void call_done(struct http_ask *ask, const struct http_response *re)
{
    struct http_call *c = CONTAINER_OF(ask, struct http_call, ask);

    if (re) {
        c->re = *re;
        snprintf(c->failure_text, sizeof(c->failure_text), "%s", re->failure_text ? re->failure_text : "");
        buf_clear(&c->headers);
        buf_clear(&c->body);
        c->truncated = re->body_truncated || buf_add_slice(&c->body, re->body) < 0;
        if (buf_add_slice(&c->headers, re->headers) < 0)
            buf_clear(&c->headers);
        c->failure = re->failure;
        c->status = re->status;
        c->re.failure_text = c->failure_text;
        c->re.headers = buf_slice(&c->headers);
        c->re.body = buf_slice(&c->body);
        c->re.body_truncated = c->truncated;
    }

    pthread_mutex_lock(&c->lock);
    c->cancelled |= !re;
    c->over = true;
    pthread_cond_signal(&c->ended);
    pthread_mutex_unlock(&c->lock);
}

bool http_agent_call(struct http_agent *a, struct http_call *c, const struct http_request *rq, const struct body *body)
{
    bool cancelled;

    pthread_mutex_lock(&c->lock);
    cancelled = c->cancelled;
    c->over = false;
    if (!cancelled) { /* under the lock: who cancels meanwhile finds it sent */
        c->ask.request = rq;
        c->ask.body = body;
        c->ask.done = call_done;
        http_agent_send(a, &c->ask);
    }
    while (!cancelled && !c->over)
        pthread_cond_wait(&c->ended, &c->lock);
    cancelled = c->cancelled;
    pthread_mutex_unlock(&c->lock);
    return !cancelled;
}

void http_call_cancel(struct http_agent *a, struct http_call *c)
{
    pthread_mutex_lock(&c->lock);
    c->cancelled = true;
    http_agent_cancel(a, &c->ask);
    pthread_mutex_unlock(&c->lock);
}
