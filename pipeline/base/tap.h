/* tap.h -- some of the records that pass by, for somebody who looks at them: as they come in, and what a transform made of them.
 *
 * Nobody looks as a rule: then who has records asks one flag, once for many of them, and that is all it costs. Who looks keeps asking
 * (tap_look()); some seconds behind the last time the tap is closed and its memory is gone. So many records a second are shown at most, of each
 * side, so much of each; of the others it is known how many they were.
 *
 * What it holds are records: they are shown to who may see them, and never stand in a log.
 *
 * Threads    tap_init(), tap_release(): when nobody else knows it. The rest: any. `now` is an argument: mono, but for what is kept of it (`at`, wall).
 * Ownership  embedded; views are the caller's.
 */
#ifndef PIPELINE_BASE_TAP_H
#define PIPELINE_BASE_TAP_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tap_side { TAP_IN, TAP_OUT, TAP_SIDES };

enum tap_fate {
    TAP_CAME,    /* TAP_IN: it came in. TAP_OUT: */
    TAP_MADE,    /* this was made of it */
    TAP_DROPPED, /* the transform dropped it, */
    TAP_FAILED,  /* or failed on it; `after` says why */
};

struct tap_text {
    char *bytes; /* the first of them; NULL: there is none of this */
    size_t n;
    uint64_t whole; /* how many there were */
};

struct tap_entry {
    uint64_t number; /* 2, 3, ... of what was shown; a reader goes on behind the last one that it has */
    uint64_t record; /* its number in the stream */
    uint64_t unseen; /* of its side: passed by before it, and were not shown */
    nsec at;         /* wall */
    enum tap_fate fate;
    char by[SPOOL_READER_NAME_MAX + 1]; /* of which of several destinations the transform is; "" */
    struct tap_text before, after;
};

struct tap {
    atomic_bool wanted;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t shown;
    nsec until;             /* mono; nobody has looked since: it is closed */
    struct tap_entry *ring; /* TAP_ENTRIES, by number; NULL: closed */
    uint64_t count;         /* ever shown; goes on when it is opened again */
    struct {
        nsec second; /* mono; when the present one began */
        unsigned shown;
        uint64_t unseen;
    } sides[TAP_SIDES];
};

void tap_init(struct tap *t);
void tap_release(struct tap *t);

/* The question of the hot path. NULL: no. */
static inline bool tap_is_wanted(const struct tap *t)
{
    return t && atomic_load_explicit(&t->wanted, memory_order_relaxed);
}

/* One record passes by. False: not shown; who has many more of this side may leave them to tap_pass(). */
bool tap_show_in(struct tap *t, nsec now, uint64_t record, struct slice data);
void tap_show_out(struct tap *t, nsec now, enum tap_fate fate, const char *by, uint64_t record, struct slice before,
                  struct slice after);
void tap_pass(struct tap *t, enum tap_side side, uint64_t records);
/* Nobody looks any more? Now and then. */
void tap_tick(struct tap *t, nsec now);

struct tap_view {
    struct tap_entry entries[TAP_LOOK];
    size_t count;
    uint64_t next; /* to be given next time */
    bool opened;   /* it was closed before */
};

/* Opens it, or keeps it open, and copies what was shown behind number `after`, as far as it is still there; 0: nothing, but where it goes on. */
void tap_look(struct tap *t, nsec now, uint64_t after, struct tap_view *v);
/* Waits until something is shown behind number `after`, or until `mono`. */
void tap_await(struct tap *t, uint64_t after, nsec mono);
/* Leaves what came in, and what this destination's transform made of it. */
void tap_view_keep(struct tap_view *v, const char *by);
void tap_view_release(struct tap_view *v);

/* The bytes on one line, for people and for terminals, which must not obey them: what is no UTF-8, controls, and what turns the direction of text
 * become \xHH. -1: out is full. */
MUST_CHECK int tap_visible(struct slice bytes, struct buf *out);

#endif
