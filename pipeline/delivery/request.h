/* request.h -- one request of an attempt to its target, until its answer is judged. By HTTP on the loop, or on a sender where the sink
 * blocks. What takes long is a worker's: the digests of a range of the body, and a large answer.
 *
 * Threads    the delivery thread; what others do comes back as an event.
 * Ownership  made and freed by its owner: by request_free() from ended(), while it is not `away`, or when the threads have stopped. What is borrowed in `seal` stays in
 *            place, and as it is, until then.
 */
#ifndef PIPELINE_DELIVERY_REQUEST_H
#define PIPELINE_DELIVERY_REQUEST_H

#include "pipeline/base/compiler.h"
#include "pipeline/delivery/loop.h"
#include "pipeline/delivery/target.h"
#include "pipeline/encode/encoder.h"
#include "sinks/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct request;

struct request_ops {
    /* The answer is judged, r->verdict says why; `asked` false: our own side failed before anybody was asked. */
    void (*ended)(struct request *r, enum sink_outcome outcome, bool asked);
    /* A large answer needs so many bytes more. False: there are none, and the request fails. */
    bool (*room)(struct request *r, size_t bytes);
};

struct request {
    const struct request_ops *ops;
    void *owner;
    LIST_ENTRY(request) link; /* the owner's */
    struct delivery_loop *loop;
    struct target *target;

    struct sink_seal seal;
    unsigned digests;    /* of a range */
    struct buf progress; /* verdict.progress, of a step of the whole */
    struct http_request http;
    struct sink_verdict verdict;

    struct exchange exchange;
    struct loop_timer again; /* the sink was not ready */
    struct worker_job digest_job, read_job;
    struct sender_job send;
    struct loop_event digested_event, judged_event;
    bool away; /* a worker or a sender has it */
    struct sink_digests digested;
    struct err err; /* of what failed on our side */
    const char *failed;
    bool anew;                   /* ... and the sink said SINK_ANEW */
    struct http_response answer; /* a large one; the exchange keeps what it shows */
    enum sink_outcome outcome;
};

/* Begins; ended() comes later, never before this returns. `seal`: what it carries and what is known of it, but wall_now. */
struct request *request_start(const struct request_ops *ops, void *owner, struct delivery_loop *loop,
                              struct target *target, const struct sink_seal *seal, struct sink_outcomes *outcomes,
                              bool may_progress);
/* Cancels what is under way on the loop. */
void request_free(struct request **r);

/* Which digests of a body the target's sink wants. */
unsigned request_digests(const struct target *t);

#endif
