#include "pipeline/delivery/identify.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/target.h"
#include "pipeline/http/transport/transport.h"

#include <string.h>

struct identify_question {
    struct identify *of;
    struct delivery_loop *loop;
    struct http_request request;
    struct exchange exchange;
};

static void on_answer(struct exchange *x, const struct http_response *re);

void identify_init(struct identify *g, struct target *t)
{
    *g = (struct identify){.target = t};
    pthread_mutex_init(&g->lock, NULL);
}

static void free_question(struct identify *g)
{
    http_request_release(&g->asking->request);
    MEM_CLEAR(g->asking);
}

void identify_release(struct identify *g)
{
    if (g->asking) {
        g->asking->loop->ops->cancel(g->asking->loop, &g->asking->exchange);
        free_question(g);
    }
    MEM_CLEAR(g->heard);
    pthread_mutex_destroy(&g->lock);
}

void identify_ask(struct identify *g, struct delivery_loop *l)
{
    const struct target *t = g->target;
    struct identify_question *q;
    struct err e;
    int rc;

    if (!t->ops->identify || g->asking || l->mono < g->next)
        return;
    q = g->asking = mem_alloc(sizeof(*q));
    *q = (struct identify_question){.of = g, .loop = l, .exchange = {.request = &q->request, .done = on_answer}};
    rc = t->ops->identify(t->state, l->wall, &q->request, &e);
    g->next = rc < 0 ? 0 : NSEC_NEVER; /* what cannot be asked fails like the attempt, which says why */
    if (rc == 1)
        l->ops->exchange(l, &q->exchange);
    else
        free_question(g);
}

static void tell(const struct identify *g, const struct sink_identity *heard)
{
    const struct target *t = g->target;

    if (heard->warning[0])
        log_warn("the destination may not work well", KS("stream", t->stream), KS(t->role, t->description),
                 KS("who", heard->who), KS("cause", heard->warning), KS("hint", heard->hint));
    else
        log_info("the destination answers", KS("stream", t->stream), KS(t->role, t->description),
                 KS("who", heard->who));
}

static void on_answer(struct exchange *x, const struct http_response *re)
{
    struct identify_question *q = CONTAINER_OF(x, struct identify_question, exchange);
    struct identify *g = q->of;
    struct sink_identity heard = {.who = ""};
    bool news;

    if (re->failure != HTTP_OK)
        g->next = 0;
    else if (!g->target->ops->identified(g->target->state, re, &heard))
        g->next = q->loop->mono + IDENTIFY_ASK_AGAIN;
    pthread_mutex_lock(&g->lock);
    news = heard.who[0] && (!g->heard || strcmp(heard.who, g->heard->who) != 0);
    if (news && !g->heard)
        g->heard = mem_alloc(sizeof(*g->heard));
    if (news)
        *g->heard = heard;
    pthread_mutex_unlock(&g->lock);
    if (news)
        tell(g, &heard);
    free_question(g);
}

void identify_live(struct identify *g, struct sink_identity *out)
{
    pthread_mutex_lock(&g->lock);
    *out = g->heard ? *g->heard : (struct sink_identity){.who = ""};
    pthread_mutex_unlock(&g->lock);
}
