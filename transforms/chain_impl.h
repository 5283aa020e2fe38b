/* chain_impl.h -- inside of a chain and of its states. For chain.c and chain_kept.c only.
 *
 * Threads, ownership as chain.h.
 */
#ifndef TRANSFORMS_CHAIN_IMPL_H
#define TRANSFORMS_CHAIN_IMPL_H

#include "transforms/chain.h"

#include "pipeline/base/arena.h"
#include "pipeline/base/limits.h"

/* One more, for what settings put behind those of the file. */
#define LINKS_MAX (CHAIN_MAX + 2)

struct chain {
    size_t count;
    bool single, holds, keeps;
    nsec batch_time;
    struct {
        const struct transform_ops *ops;
        void *shared;
        bool borrowed; /* `shared` */
        bool holds;
    } link[LINKS_MAX];
};

struct source {
    struct transform_record record;
    size_t held; /* items of it that are held back */
    bool arrived, failed, too_much, kept;
    bool unwanted; /* some of it was dropped so */
    struct slice reason;
    struct slice fails_as; /* the data it fails with, if it is not its own */
    struct {
        uint64_t bytes;
        size_t pieces;
    } made[LINKS_MAX]; /* what it became behind each link */
};

struct item {
    struct source *source;
    const struct transform_key *keys; /* of the links before */
    size_t key_count;
};

struct link {
    struct transform_out out; /* of the transform of this link */
    struct chain_state *owner;
    size_t index;
    struct item *now;   /* the one that is in it; NULL: outcomes are of held ones */
    struct item **held; /* in the arena */
    size_t held_count, held_room;
    struct transform_key *keys; /* of what it emits now */
    size_t key_room;
};

struct chain_state {
    struct chain *chain;
    const struct cancel *cancel;
    void *states[LINKS_MAX];
    struct link links[LINKS_MAX];
    struct transform_out *out; /* where outcomes go, while there is a call */
    struct err *err;           /* of that call */
    struct source *kept;       /* a record that the first link held back and has handed over; NULL: none */
    struct arena arena;        /* held items, their keys and sources; reasons */
    size_t memory;
};

/* What was handed over last has its outcomes. */
void chain_end_kept(struct chain_state *s);

#endif
