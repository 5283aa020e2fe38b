/* chain_kept.c -- what the first transform of a chain holds back, for who gives it from one state to another. */
#include "transforms/chain_impl.h"

void chain_forget(struct chain_state *s)
{
    if (s->chain->keeps)
        s->chain->link[0].ops->forget(s->states[0]);
}

void chain_restore(struct chain_state *s, const struct transform_kept *held)
{
    s->chain->link[0].ops->restore(s->states[0], held);
}

int chain_finish(struct chain_state *s, bool all, struct transform_out *out, struct err *e)
{
    const struct transform_ops *first = s->chain->link[0].ops;
    int rc;

    if (!s->chain->keeps)
        return 0;
    if (s->chain->count == 1)
        return first->finish(s->states[0], all, out, e);
    s->out = out;
    s->err = e;
    rc = first->finish(s->states[0], all, &s->links[0].out, e);
    chain_end_kept(s);
    s->out = NULL;
    return rc;
}

int chain_kept(const struct chain_state *s, int (*each)(void *ctx, const struct transform_kept *held), void *ctx)
{
    return s->chain->keeps ? s->chain->link[0].ops->kept(s->states[0], each, ctx) : 0;
}

nsec chain_kept_due(const struct chain_state *s)
{
    return s->chain->keeps ? s->chain->link[0].ops->kept_due(s->states[0]) : NSEC_NEVER;
}
