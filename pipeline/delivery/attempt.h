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
 * Usually the body goes in one request (request.h). With sink_ops.steps it may take several, one after the other, and some
 * of them may send ranges of the body, several at once as far as the target has places. What is there already is not
 * sent again by the next attempt, nor after a restart (unfinished.h).
 *
 * Threads    the delivery thread; encoding on a worker: it comes back as an event.
 * Ownership  made and freed by its owner; while the threads run, not before attempt_give_up() has said that it may be.
 */
#ifndef PIPELINE_DELIVERY_ATTEMPT_H
#define PIPELINE_DELIVERY_ATTEMPT_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/metrics.h"
#include "pipeline/delivery/loop.h"
#include "pipeline/delivery/request.h"
#include "pipeline/delivery/target.h"
#include "pipeline/delivery/unfinished.h"
#include "pipeline/encode/encoder.h"
#include "sinks/sink.h"

enum attempt_step {
    ATTEMPT_IDLE,
    ATTEMPT_QUEUED,   /* for a place at the target */
    ATTEMPT_WAITING,  /* for its retry time */
    ATTEMPT_ENCODING, /* on a worker; from here on it has a place at the target */
    ATTEMPT_ENCODED,  /* and held back (attempt_hold) */
    ATTEMPT_SENDING,
};

struct attempt;

struct attempt_ops {
    /* Worker: makes out->body from what the owner has prepared. */
    int (*encode)(struct attempt *s, struct worker *w);
    /* Delivery thread: the body is made, s->out.id says which it is; names it. */
    void (*encoded)(struct attempt *s);
    /* Delivery thread: *s->progress has changed; attempt_go_on() when that is safe in the journal. Only where encoded() has set
     * it; else NULL. */
    void (*progressed)(struct attempt *s);
    void (*begins_anew)(struct attempt *s); /* the same: what *s->progress tells of is not gone on with; s->leaves */
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
    uint64_t expected;                /* bytes that the body may have, before compression: for the budget */
    struct slice name;                /* of the object; may be empty */
    struct unfinished_body *progress; /* set by encoded(): how far this body is; NULL: it goes in one step */
    const char *content_type, *encoding;
    struct sink_outcomes *sink_outcomes; /* for judge(); NULL: the target answers for the body as a whole */

    bool undo;  /* the body is none: what an earlier one left at the target is to be removed (sink_seal.undo) */
    bool alone; /* ... sink_seal.alone */
    struct buf
        undone; /* ... and how far that is; empty: not begun. Not in the journal: *progress stays as the body left it */
    bool away;  /* a worker makes its body */
    bool lent;  /* that is another job's work so far: its place is no attempt under way yet */
    bool held;  /* it begins nothing more: until the seal is safe, or for good */
    bool no_room;      /* the body could not be made: there was no place for it on our own disk */
    unsigned attempts; /* made so far, in this run */
    unsigned failures; /* in a row: what the back-off counts */
    uint64_t budgeted; /* bytes taken for the body and a large answer */
    struct worker_job job;
    struct loop_event encoded_event;

    /* While it is sent: */
    LIST_HEAD(, request) requests; /* under way; the first has the attempt's own place, each other one a place more */
    unsigned request_count, answers;
    uint64_t ranges_under_way, ranges_failed; /* bits, as unfinished_body.there */
    bool range_failed_last;                   /* no other begins until one is taken */
    unsigned follow_up;
    char token[sizeof(((struct sink_verdict *)NULL)->token)]; /* of the step before */
    struct loop_timer next_step;
    struct loop_event kept_event;
    bool pausing, keeping;    /* before the next step: for that timer; until the progress is safe, ... */
    bool kept;                /* ... which it is now, unless more has come since */
    bool decided;             /* how it ends: */
    bool begins_anew, leaves; /* verdict.begin_anew, .leaves of any answer; also of the one that says DELIVERED */
    enum sink_outcome outcome;
    struct sink_verdict verdict;
    struct http_request request; /* ... whose answer this was */
};

void attempt_init(struct attempt *s, const struct attempt_ops *ops, void *owner, struct delivery_loop *loop,
                  struct target *target);
void attempt_release(struct attempt *s);

/* Asks for an attempt. */
void attempt_queue(struct attempt *s);
/* Starts the attempt that target_next() granted. False: no memory for the body now, or no more of it for this target,
 * while another of its attempts is under way; nothing was started. */
MUST_CHECK bool attempt_start(struct target_slot *slot);
/* The first attempt, where another job of a worker ends with its body: what attempt_start() does, but the job. False: no place
 * or no memory. The job calls attempt_make() (worker), and its end either of the two behind it. */
MUST_CHECK bool attempt_start_with(struct attempt *s);
void attempt_make(struct attempt *s, struct worker *w);
void attempt_made(struct attempt *s);
void attempt_not_made(struct attempt *s); /* place and memory are given back; it is IDLE */
/* While held it is encoded, but not sent: the seal is not safe yet. */
void attempt_hold(struct attempt *s);
void attempt_unhold(struct attempt *s);

/* It begins nothing more. True: it may be released, which cancels what is under way on the loop. False: a worker or a sender has something
 * of it; when that has come back ended() is called, and it is to be asked again. */
MUST_CHECK bool attempt_give_up(struct attempt *s);

/* What it has got so far is safe. Nothing, when it does not wait for that. */
void attempt_go_on(struct attempt *s);

/* From judged(): another attempt after the back-off, or `at_most`, or what the destination asked for. Returns the
 * wait. */
nsec attempt_retry(struct attempt *s, nsec at_most);

#endif
