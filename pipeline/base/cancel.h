/* cancel.h -- a wish that long work ends early, because nobody waits for it any more.
 *
 * Who wants the end asks once. Who does the work looks between two pieces of it, and gives up with ERR_CANCELLED:
 * nothing was made, and the next run of the program begins anew.
 *
 * Ownership  embedded in who may ask; outlives all work that looks.
 * Threads    any, from any.
 */
#ifndef PIPELINE_BASE_CANCEL_H
#define PIPELINE_BASE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct cancel {
    atomic_bool asked;
};

static inline void cancel_ask(struct cancel *c)
{
    atomic_store_explicit(&c->asked, true, memory_order_relaxed);
}

/* NULL: nobody ever asks. */
static inline bool cancel_is_asked(const struct cancel *c)
{
    return c && atomic_load_explicit(&c->asked, memory_order_relaxed);
}

#endif
