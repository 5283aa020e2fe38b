/* judge.h -- what the end of an attempt means, for every sink alike. A pure function: no clock, no state, nothing is done.
 *
 *   delivered  the body's records have arrived; the next body
 *   partial    each record has its own outcome: delivered, again, or to the backup
 *   split      the next body holds half as many records; a single one that is too large goes to the backup
 *   rejected   to the backup at once
 *   retry      again after the back-off; when that has gone on for retry.duration, all that is left goes to the backup
 *
 * Without a backup nothing is given up: what is refused waits until everything else of the batch is delivered, and then
 * the delivery pauses: it asks again now and then, and says why it waits.
 */
#ifndef PIPELINE_DELIVERY_JUDGE_H
#define PIPELINE_DELIVERY_JUDGE_H

#include "pipeline/base/clock.h"
#include "sinks/sink.h"

#include <stdbool.h>
#include <stdint.h>

/* A body, and how its attempt ended. */
struct delivery_view {
    enum sink_outcome outcome;
    bool to_backup;                /* it went to the backup: the last safe place, where nothing is given up */
    bool has_backup;               /* the stream has one */
    bool no_room;                  /* it was not sent: there was no place for it on our own disk. No record's fault */
    bool in_memory;                /* ... although it was one record, which may lie in memory then */
    uint64_t taken;                /* records in the body; with a split: that were to be in it */
    uint64_t arrived, refused_now; /* of them, with a partial answer */
    uint64_t open;                 /* records that want a body, those of this one among them */
    uint64_t refused;              /* before this answer: found while the body was made, or earlier */
    uint64_t window;               /* as many records a body may have at most */
    bool regrow;                   /* ... for the sake of one that is gone now */
    nsec failing_for;              /* as retry.duration counts (target.h) */
    nsec retry_duration;
};

/* What becomes of the body's records. */
enum delivery_body { BODY_WAITS, BODY_ARRIVED, BODY_AS_ANSWERED, BODY_REFUSED };

enum delivery_next {
    NEXT_NOTHING, /* this part of the delivery has no record left */
    NEXT_BODY,    /* at once */
    NEXT_RETRY,   /* after a wait */
    NEXT_ERRORS,  /* what was refused goes to the backup */
    NEXT_PAUSE,   /* what was refused is to be tried again after a wait: there is no backup */
};

/* What the log says, at most once in a while. */
enum delivery_word { SAY_NOTHING, SAY_RETRY, SAY_GIVEN_UP, SAY_REFUSED, SAY_PAUSED };

struct delivery_step {
    enum delivery_body body;
    bool give_up; /* what is open behind that is refused, with this answer's reason */
    enum delivery_next next;
    nsec
        wait_max; /* of NEXT_RETRY: the attempt that decides comes when retry.duration is over, not a long back-off later */
    uint64_t window;
    bool regrow;
    bool in_memory; /* the next body is one record, and lies in memory whatever room the disk has */
    bool put_off;   /* the wait counts the partial answers so far, not the failures in a row */
    enum delivery_word say;
};

struct delivery_step delivery_judge(const struct delivery_view *v);

#endif
