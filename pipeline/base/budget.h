/* budget.h -- a hard limit on bytes held in memory, shared by everybody who holds data.
 *
 * Whoever wants to hold record bytes takes them from a budget first and gives them back when done. "No" is a normal
 * answer: an input then pushes back, a delivery then waits. Two budgets share `limits.memory`, one for what comes in
 * and one for what goes out, so that a flood of input can never starve the deliveries that would make room.
 *
 * A budget may be a part of another: what is taken from the part is taken from the whole too, so those who share the
 * part can never hold more of the whole than the part's limit, and the rest stays for the others.
 *
 * What others leave of the whole may be used by a cache that gives it back when it is asked to (budget_reclaims).
 *
 * Threads    any; one atomic.
 * Invariant  used <= limit, but for budget_force() and budget_take_alone(), and until enough is given back after a budget_resize().
 */
#ifndef PIPELINE_BASE_BUDGET_H
#define PIPELINE_BASE_BUDGET_H

#include "pipeline/base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct budget {
    struct budget *whole;                     /* this is a part of it; NULL: of none */
    void (*reclaim)(void *ctx, size_t bytes); /* NULL: the whole may refuse */
    void *reclaim_ctx;
    _Atomic size_t limit;
    _Atomic size_t used;
    _Atomic size_t peak;
};

void budget_init(struct budget *b, size_t limit);
void budget_init_part(struct budget *b, struct budget *whole, size_t limit); /* `whole` outlives it */
/* What is held beyond a smaller limit stays; nothing more is taken until enough of it was given back. */
void budget_resize(struct budget *b, size_t limit);
/* Others hold of the whole what they can do without (a cache): this part is never refused for want of the whole. When the whole has
 * too little left, `reclaim` is called, on the thread that takes, to give so much back. Before the part is used. */
void budget_reclaims(struct budget *b, void (*reclaim)(void *ctx, size_t bytes), void *ctx);
MUST_CHECK bool budget_take(struct budget *b, size_t bytes);
/* As budget_take(), and beyond the limit where nobody else holds any of it: for what must not be cut and may be larger than the limit. */
MUST_CHECK bool budget_take_alone(struct budget *b, size_t bytes);
/* Would less than half of it be in use, with so many bytes more? */
bool budget_has_plenty(const struct budget *b, size_t bytes);
void budget_force(struct budget *b, size_t bytes); /* for the one holder that must go on, e.g. a single large body */
void budget_give(struct budget *b, size_t bytes);

#endif
