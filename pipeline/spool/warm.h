/* warm.h -- frames that were just written, kept in memory for the delivery that takes them next.
 *
 * A delivery mostly takes what came in a moment ago. Kept here it is neither read back from the spool's file nor checked
 * once more. It is a cache and nothing else: every frame in it is in the file, too, and whoever does not find it here reads
 * it there. So a frame may go at any time, and nobody ever waits for room or is refused because of what is here. Nothing is taken
 * in while more than half of limits.memory is in use.
 *
 * One store for all spools, with a limit; in it a list for each spool, in the order of the records' numbers. When the store
 * is full, what is there stays and what comes is not taken in: the oldest is read next. A spool of which a frame was not
 * taken in has the others read from the file anyway, so none is taken in until its readers are at that frame. What nobody
 * has read while several times the limit went past belongs to a destination that is stalled: it makes room. Of several
 * readers the fastest counts: when the store is full, what one of them has read goes before something new is not taken in.
 *
 * Ownership  warm_add() takes the frame over. A frame that is pinned stays until it is unpinned, whatever happens to the list.
 * Threads    add, drop: the committer. pin, unpin, give_back: any. One short lock of the store.
 * Invariant  bytes held <= limit. Who takes memory and finds none left gets that of the oldest (budget_reclaims).
 */
#ifndef PIPELINE_SPOOL_WARM_H
#define PIPELINE_SPOOL_WARM_H

#include "pipeline/base/budget.h"
#include "pipeline/base/compiler.h"
#include "pipeline/spool/format/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct warm_store;

/* `limit` bytes at most, a part of `whole`, which may be NULL and outlives it. */
struct warm_store *warm_store_new(struct budget *whole, size_t limit);
/* The oldest frames that a smaller limit has no room for go at once. Any thread. */
void warm_store_resize(struct warm_store *st, size_t limit);
void warm_store_free(struct warm_store **st); /* after all its lists were released */
/* Lets the oldest frames go until so many bytes are free or none is left. What is pinned counts as gone. */
void warm_give_back(void *store, size_t bytes);

/* A spool's frames. */
struct warm {
    struct warm_store *store; /* NULL: nothing is kept */
    struct warm_entry *entries;
    size_t begin, end, room, live; /* entries [begin, end) are in use, `live` of them have a frame */
    size_t bytes, most;            /* of these frames; how many they may be, 0: as many as the store takes */
    uint64_t gap;                  /* the first record that was not taken in; 0: none */
    uint32_t readers;              /* that will read it; a frame stays for all of them */
};

void warm_init(struct warm *w, struct warm_store *st, size_t most);
size_t warm_limit(const struct warm *w); /* of the store */
void warm_release(struct warm *w);       /* nothing is pinned any more */

/* A data frame that is safe, in the segment of this number; behind all that were added before. Kept or freed. */
void warm_add(struct warm *w, struct frame *f, uint64_t segment);
/* What is below this number is needed no more. UINT64_MAX: all. */
void warm_drop(struct warm *w, uint64_t below);

/* The frame that holds this record, to be read until warm_unpin(); NULL when it is not here. */
struct frame *warm_pin(struct warm *w, uint64_t seq);
/* `read`: how many of its records were read by the delivery they belong to. When all readers have read all, the frame goes. */
void warm_unpin(struct warm *w, struct frame *f, uint64_t read);

#endif
