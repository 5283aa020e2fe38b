#include "pipeline/delivery/identify.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/delivery/target.h"

#include <string.h>

static void on_answer(struct exchange *x, const struct http_response *re);

void identify_init(struct identify *g, struct target *t)
{
    *g = (struct identify){.target = t, .exchange.done = on_answer};
    pthread_mutex_init(&g->lock, NULL);
}

void identify_release(struct identify *g)
{
    if (g->asking)
        g->loop->ops->cancel(g->loop, &g->exchange);
    http_request_release(&g->request);
    pthread_mutex_destroy(&g->lock);
}

void identify_ask(struct identify *g, struct delivery_loop *l)
{
    const struct target *t = g->target;
    struct err e;
    int rc;

    if (!t->ops->identify || g->asking || l->mono < g->next)
        return;
    g->loop = l;
    rc = t->ops->identify(t->state, l->wall, &g->request, &e);
    g->next = rc < 0 ? 0 : NSEC_NEVER; /* what cannot be asked fails like the attempt, which says why */
    if (rc != 1)
        return;
    g->asking = true;
    g->exchange.request = &g->request;
    l->ops->exchange(l, &g->exchange);
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
    struct identify *g = CONTAINER_OF(x, struct identify, exchange);
    struct sink_identity heard = {.who = ""};
    bool news;

    g->asking = false;
    if (re->failure != HTTP_OK)
        g->next = 0;
    else if (!g->target->ops->identified(g->target->state, re, &heard))
        g->next = g->loop->mono + IDENTIFY_ASK_AGAIN;
    pthread_mutex_lock(&g->lock);
    news = heard.who[0] && strcmp(heard.who, g->heard.who) != 0;
    if (news)
        g->heard = heard;
    pthread_mutex_unlock(&g->lock);
    if (news)
        tell(g, &heard);
    http_request_release(&g->request);
}

void identify_live(struct identify *g, struct sink_identity *out)
{
    pthread_mutex_lock(&g->lock);
    *out = g->heard;
    pthread_mutex_unlock(&g->lock);
}
