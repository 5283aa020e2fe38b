/* shipment.h -- one body on its way to one target: encode, attempt, judge; again after a wait. The mechanics of an
 * attempt, without policy.
 *
 *     QUEUED -> ENCODING -> SENDING -> judged() -> shipment_retry() -> WAITING -> QUEUED ...
 *                                                \-> shipment_queue() (another body) or done
 *
 * What an outcome means (retry, give up, split, back up) is delivery.c's; it is told through judged(). While a shipment
 * waits it holds no memory: the body exists during an attempt and is made again, byte for byte the same, for the next.
 *
 * Threads    the delivery thread; encoding on a worker, blocking sends on a sender: each comes back as an event.
 * Ownership  made and freed by its delivery; not freed while ENCODING or SENDING.
 */
#ifndef PIPELINE_SHIPMENT_H
#define PIPELINE_SHIPMENT_H

#include "pipeline/base/compiler.h"
#include "pipeline/delivery_loop.h"
#include "pipeline/stage.h"
#include "pipeline/target.h"
#include "sinks/sink.h"

enum shipment_step {
    SHIPMENT_IDLE,
    SHIPMENT_QUEUED,   /* for a place at the target */
    SHIPMENT_WAITING,  /* for its retry time */
    SHIPMENT_ENCODING, /* on a worker; or encoded, and held back (shipment_hold) */
    SHIPMENT_SENDING,
};

struct shipment_ops {
    /* Worker: makes out->body from what the owner has prepared. */
    int (*encode)(struct shipment *s, struct worker *w);
    /* Delivery thread: the attempt is over, body and place are given back after this returns. s->verdict says why. */
    void (*judged)(struct shipment *s, enum sink_outcome outcome);
    /* Delivery thread, after judged(): the place is free again. The shipment may be gone. */
    void (*ended)(void *owner);
};

struct shipment {
    const struct shipment_ops *ops;
    void *owner;
    struct delivery_loop *loop;
    struct target *target;
    struct metrics *metrics;                    /* of the stream; NULL: its attempts are not counted */
    struct shipment *next_ready, *next_waiting; /* the target's */
    struct shipment *next_under_way;            /* the target's, too */
    nsec begun;                                 /* wall; the attempt under way was granted */
    enum shipment_step step;

    struct stage_in in;
    struct stage_out out;
    struct slice name; /* of the object; may be empty */
    const char *content_type, *encoding;
    struct sink_fates *sink_fates; /* for judge(); NULL: the target answers for the body as a whole */

    bool held, encoded;
    unsigned attempts;       /* made so far, in this run */
    unsigned failures;       /* in a row: what the back-off counts */
    nsec failing_since;      /* mono; 0: the last attempt worked or met a wrong configuration, or none was made */
    nsec stuck_since;        /* the same, a wrong configuration counted */
    bool failed_with_target; /* the last attempt failed as a whole, and nobody said when to come back */
    nsec sent, answered;     /* mono; of the last attempt */
    uint64_t budgeted;       /* bytes taken for the body */
    struct loop_timer retry;
    struct worker_job job;
    struct loop_event encoded_event;
    struct sink_seal offer;
    struct http_request request;
    struct exchange exchange;
    struct sender_job send;
    struct loop_event sent_event;
    enum sink_outcome sent_outcome;
    struct sink_verdict verdict;
    char token[sizeof(((struct sink_verdict *)NULL)->token)]; /* of a follow-up */
};

void shipment_init(struct shipment *s, const struct shipment_ops *ops, void *owner, struct delivery_loop *loop,
                   struct target *target);
void shipment_release(struct shipment *s);

/* Asks for an attempt. */
void shipment_queue(struct shipment *s);
/* Starts the attempt that target_next() granted. False: no memory for the body now, or no more of it for this target, while
 * another of its attempts is under way; nothing was started. */
MUST_CHECK bool shipment_start(struct shipment *s);
/* While held it is encoded, but not sent: the seal is not safe yet. */
void shipment_hold(struct shipment *s);
void shipment_unhold(struct shipment *s);

/* From judged(): another attempt after the back-off (or what the destination asked for). Returns the wait. */
nsec shipment_retry(struct shipment *s);
/* While it waits: the target works again, so it need not wait any longer. */
void shipment_retry_now(struct shipment *s);
/* How long it has been failing for reasons that time may mend: what `retry.duration` counts. A wrong configuration stops
 * the clock and sets it back, or the first failure of another kind after a week of 401 would be the last. */
nsec shipment_failing_for(const struct shipment *s);

#endif
