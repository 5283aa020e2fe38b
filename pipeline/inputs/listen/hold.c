/* What is kept of a connection, and what its protocol keeps by itself, counts in the budget. */
#include "pipeline/inputs/listen/impl.h"

void listen_conn_count(struct listen_conn *c, size_t now)
{
    struct listen_hub *h = c->port->hub;

    now += c->own;
    if (!c->budget)
        c->budget = TAILQ_FIRST(&c->port->places)->in->env.budget;
    if (now > c->counted)
        budget_force(c->budget, now - c->counted);
    else
        budget_give(c->budget, c->counted - now);
    h->counted += now - c->counted;
    c->counted = now;
}

void listen_conn_leave_budget(struct listen_conn *c)
{
    size_t own = c->own;

    c->own = 0;
    if (c->budget)
        listen_conn_count(c, 0);
    c->budget = NULL;
    c->own = own;
}

bool listen_hold(struct listen_conn *c, size_t bytes)
{
    struct listen_hub *h = c->port->hub;
    struct listen_place *place = TAILQ_FIRST(&c->port->places);
    const struct budget *b = place ? place->in->env.budget : NULL;
    size_t more = bytes > c->own ? bytes - c->own : 0;

    if (more > 0 && (!b || h->counted + more > b->limit / 2 || b->used + more > b->limit)) {
        if (place)
            pushback_note(place->in->env.pushback, PUSHBACK_MEMORY, h->mono);
        return false;
    }
    c->own = bytes;
    if (place || c->budget)
        listen_conn_count(c, c->in.cap);
    return true;
}

size_t listen_hold_most(const struct listen_conn *c)
{
    const struct listen_place *place = TAILQ_FIRST(&c->port->places);

    return place ? place->in->env.budget->limit / 2 : 0;
}
