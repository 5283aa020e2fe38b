/* attempt.h -- bodies on their way to one target, one at a time: encode, attempt, judge; again after a wait. The
 * mechanics of an attempt, without policy.
 *
 *     IDLE -> QUEUED -> ENCODING -> ENCODED -> SENDING -> judged() -> IDLE: done, or
 *                                                      -> attempt_queue(): QUEUED with another body, or
 *                                                      -> attempt_retry(): WAITING -> QUEUED
 *
 * What an outcome means (retry, give up, split, back up) is its owner's; it is told through judged(). While an attempt
 * waits it holds no memory: the body exists during an attempt and is made again, byte for byte the same, for the next.
 *
 * Threads    the delivery thread; encoding on a worker, blocking sends on a sender: each comes back as an event.
 * Ownership  made and freed by its owner; not freed between ENCODING and the end of the attempt, while the loop runs.
 */
#ifndef PIPELINE_DELIVERY_ATTEMPT_H
#define PIPELINE_DELIVERY_ATTEMPT_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/metrics.h"
#include "pipeline/delivery/loop.h"
#include "pipeline/delivery/target.h"
#include "pipeline/encode/encoder.h"
#include "sinks/sink.h"

enum attempt_step {
    ATTEMPT_IDLE,
    ATTEMPT_QUEUED,   /* for a place at the target */
    ATTEMPT_WAITING,  /* for its retry time */
    ATTEMPT_ENCODING, /* on a worker */
    ATTEMPT_ENCODED,  /* and held back (attempt_hold) */
    ATTEMPT_SENDING,
};

struct attempt;

struct attempt_ops {
    /* Worker: makes out->body from what the owner has prepared. */
    int (*encode)(struct attempt *s, struct worker *w);
    /* Delivery thread: the body is made, s->out.id says which it is; names it. */
    void (*encoded)(struct attempt *s);
    /* Delivery thread: *s->progress is to be kept. `go_on`: attempt_go_on() once it is safe. Only where encoded() has set
     * it; else NULL. */
    void (*progressed)(struct attempt *s, bool go_on);
    /* Delivery thread: the attempt is over, body and place are given back after this returns. s->verdict says why. */
    void (*judged)(struct attempt *s, enum sink_outcome outcome);
    /* Delivery thread, the last thing after each event: the attempt may be gone. */
    void (*ended)(void *owner);
};

struct attempt {
    const struct attempt_ops *ops;
    void *owner;
    struct delivery_loop *loop;
    struct target *target;
    struct target_slot slot;
    struct metrics *metrics; /* of the stream; NULL: its attempts are not counted */
    enum attempt_step step;

    struct encoder_in in;
    struct encoder_out out;
    uint64_t expected;    /* bytes that the body may have, before compression: for the budget */
    struct slice name;    /* of the object; may be empty */
    struct buf *progress; /* set by encoded(): where the sink notes how far it is with this body; NULL: nowhere */
    const char *content_type, *encoding;
    struct sink_outcomes *sink_outcomes; /* for judge(); NULL: the target answers for the body as a whole */

    bool held;
    bool no_room;      /* the body could not be made: there was no place for it on our own disk */
    unsigned attempts; /* made so far, in this run */
    unsigned failures; /* in a row: what the back-off counts */
    uint64_t budgeted; /* bytes taken for the body and a large answer */
    struct worker_job job;
    struct loop_event encoded_event;
    struct sink_seal offer;
    struct http_request request;
    struct exchange exchange;
    struct loop_timer ask; /* the next question of a follow-up */
    struct sender_job send;
    struct loop_event sent_event; /* the outcome of send(), or of a large answer, is known */
    enum sink_outcome sent_outcome;
    struct worker_job read_job;  /* reads a large answer ... */
    struct http_response answer; /* ... which the exchange keeps meanwhile */
    struct sink_verdict verdict;
    char token[sizeof(((struct sink_verdict *)NULL)->token)]; /* of a follow-up */
};

void attempt_init(struct attempt *s, const struct attempt_ops *ops, void *owner, struct delivery_loop *loop,
                  struct target *target);
void attempt_release(struct attempt *s);

/* Asks for an attempt. */
void attempt_queue(struct attempt *s);
/* Starts the attempt that target_next() granted. False: no memory for the body now, or no more of it for this target,
 * while another of its attempts is under way; nothing was started. */
MUST_CHECK bool attempt_start(struct target_slot *slot);
/* While held it is encoded, but not sent: the seal is not safe yet. */
void attempt_hold(struct attempt *s);
void attempt_unhold(struct attempt *s);

/* The next step of an attempt that has several. */
void attempt_go_on(struct attempt *s);

/* From judged(): another attempt after the back-off, or `at_most`, or what the destination asked for. Returns the
 * wait. */
nsec attempt_retry(struct attempt *s, nsec at_most);

#endif
