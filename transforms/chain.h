/* chain.h -- several transforms one behind the other, as one: what comes out of one goes into the next.
 *
 * Outcomes end where they happen and name the source: `from` in the outcomes that a chain gives is always the record that
 * went into it, with its own data (but see below), whichever transform decided. Partition keys add up; of the same name the later one
 * counts. When one record became many on the way, each that arrives is emitted; the source is dropped when none of
 * them arrives, with the last reason, and failed once when one of them fails, even if others arrive. A source of which
 * more is made than one record may become (limits.h) fails, and no more of it is worked on.
 *
 * The first of them may keep records beyond a batch (transform_ops.keeps), and no other: what it hands over later goes through those behind it as
 * an own source. That may be several records in one: so what fails behind it fails with the data that it has made.
 *
 * Ownership  the parts' conf is borrowed and outlives the chain, the chain outlives its states.
 * Threads    load, unload: the main thread. A state: one at a time.
 * Invariant  each record that goes in gets an emit, a drop or a fail, when all transforms keep to transform.h.
 */
#ifndef TRANSFORMS_CHAIN_H
#define TRANSFORMS_CHAIN_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "transforms/transform.h"

#include <stdbool.h>
#include <stddef.h>

struct chain;
struct chain_state;

struct chain_part {
    const struct transform_ops *ops;
    const void *conf; /* bound by ops->fields */
    void *loaded;     /* what ops->load() has made of it, which outlives the chain; NULL: to be loaded */
};

/* An error begins with which transform it is when there are several. */
MUST_CHECK int chain_load(struct chain **c, const struct chain_part *parts, size_t count,
                          const struct transform_env *env, struct err *e);
void chain_unload(struct chain **c);
bool chain_is_single(const struct chain *c);  /* one of them is */
bool chain_holds(const struct chain *c);      /* one of them does */
bool chain_keeps(const struct chain *c);      /* the first does */
nsec chain_batch_time(const struct chain *c); /* the shortest of theirs; 0: none has one */

/* `cancel` as in transform_ops.open. */
MUST_CHECK int chain_open(struct chain_state **s, struct chain *c, const struct cancel *cancel, struct err *e);
void chain_close(struct chain_state **s);
size_t chain_memory(const struct chain_state *s); /* what it keeps of the batch */

/* As begin, run and end of transform_ops. */
MUST_CHECK int chain_begin(struct chain_state *s, struct err *e);
MUST_CHECK int chain_run(struct chain_state *s, const struct transform_record *records, size_t count,
                         struct transform_out *out, struct err *e);
MUST_CHECK int chain_end(struct chain_state *s, struct transform_out *out, struct err *e);

/* As these of transform_ops; of a chain that keeps nothing there is nothing to do, or to tell. */
void chain_forget(struct chain_state *s);
void chain_restore(struct chain_state *s, const struct transform_kept *kept); /* only of one that keeps */
MUST_CHECK int chain_finish(struct chain_state *s, bool all, struct transform_out *out, struct err *e);
MUST_CHECK int chain_kept(const struct chain_state *s, int (*each)(void *ctx, const struct transform_kept *kept),
                          void *ctx);
nsec chain_kept_due(const struct chain_state *s);

#endif
