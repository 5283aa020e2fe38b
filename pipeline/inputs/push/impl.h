/* impl.h -- what an input to which others push and its requests share; private to this folder.
 *
 * Threads  the fields that change say how they are guarded; the rest is fixed in open.
 */
#ifndef PIPELINE_INPUTS_PUSH_IMPL_H
#define PIPELINE_INPUTS_PUSH_IMPL_H

#include "pipeline/base/log.h"
#include "pipeline/http/server/server.h"
#include "pipeline/inputs/servers.h"
#include "pipeline/inputs/push/push.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/queue.h>

enum push_gate { PUSH_STARTING, PUSH_OPEN, PUSH_SHUT };

/* Each has its own line in the log, now and then. */
enum push_event {
    PUSH_EVENT_ACCESS,
    PUSH_EVENT_FOREIGN,
    PUSH_EVENT_REQUEST,
    PUSH_EVENT_RECORD,
    PUSH_EVENT_FACTS,
    PUSH_EVENT_KIND, /* the first of the protocol's own */
    PUSH_EVENTS = PUSH_EVENT_KIND + PUSH_KINDS_MAX
};

/* A request that waits for the spool. */
struct push_storing {
    nsec since; /* mono */
    TAILQ_ENTRY(push_storing) link;
};

struct input {
    const struct push_protocol *protocol;
    const struct push_conf *push;
    const void *conf;
    void *own;
    struct input_env env;
    const char *label;                /* for the log */
    char owner[STREAM_NAME_MAX + 64]; /* of the paths, for messages */
    char path[256];                   /* "" for all there is */
    char beneath[257];                /* with a slash */
    struct http_route *routes[PUSH_ENDPOINTS_MAX];
    char endpoints[PUSH_ENDPOINTS_MAX][320]; /* the paths of those, where the protocol has endpoints */
    struct http_access *access;              /* NULL: nothing is wanted */
    struct http_names names;                 /* where nothing is wanted */
    atomic_bool shown;                       /* somebody was let in by what was shown */

    _Atomic uint64_t number; /* the next one */

    pthread_mutex_t lock;
    pthread_cond_t quiet;
    enum push_gate gate;                /* guarded by lock, as what follows */
    unsigned suspended;                 /* requests that wait for the spool, or for somebody else */
    unsigned unanswered;                /* those that wait for the spool, and those whose answer is not sent yet */
    TAILQ_HEAD(, push_storing) storing; /* the oldest first */
    struct log_limit events[PUSH_EVENTS];
};

enum { PUSH_MAGIC = 0x70757368 };

enum push_step {
    PUSH_STEP_BODY,
    PUSH_STEP_READ,  /* suspended: it waits for somebody else */
    PUSH_STEP_STORE, /* suspended */
    PUSH_STEP_ANSWER,
};

enum push_outcome {
    PUSH_OUTCOME_NONE, /* it was not offered */
    PUSH_OUTCOME_TAKEN,
    PUSH_OUTCOME_SAFE,
    PUSH_OUTCOME_KNOWN, /* it was safe before */
    PUSH_OUTCOME_FULL,
    PUSH_OUTCOME_FAILING,
    PUSH_OUTCOME_TOO_LARGE,
};

struct push_frame {
    struct frame *frame; /* NULL once the spool has it */
    struct spool_wait wait;
    struct push_request *rq;
    uint32_t first, count; /* its records */
    uint64_t bytes;        /* theirs */
    size_t held;           /* of the budget, when it was counted last */
    uint64_t weight;       /* in the spool: with what stands beside them there, at most */
    enum push_outcome outcome;
    STAILQ_ENTRY(push_frame) link;
};

struct push_request {
    unsigned magic;
    struct input *in;
    struct http_exchange *exchange;
    enum push_step step;
    int what;
    const char *beneath;  /* of the URL; borrowed for the call */
    const char *encoding; /* of the body; NULL: as it is */
    bool must_close;      /* the rest of the body is not wanted, or where it ends is in doubt */
    unsigned too_large;
    uint64_t discarded;

    struct buf body, scratch, note; /* the body, what the protocol makes of it, and what it notes for the answer */
    size_t held;                    /* of the budget, for these */

    char key[PUSH_KEY_MAX + 1]; /* "": none */
    size_t expected;            /* bytes of its records, about; 0: as many as the body's */
    struct buf facts;           /* of all its records */
    bool facts_cut;

    STAILQ_HEAD(, push_frame) frames;
    struct push_frame *open; /* the last one, while records go into it */
    uint32_t frame_count, count;
    size_t frame_bytes; /* of the budget, that they hold */
    uint64_t bytes;

    atomic_uint pending; /* frames without an outcome, and one for who appends them */
    struct push_storing storing;
    bool entered; /* it counts as unanswered */

    unsigned status; /* 0: it goes well so far */
    bool left_out;   /* some of its records were: `why` says so of the last */
    char why[400];
    _Alignas(max_align_t) unsigned char session[]; /* the protocol's */
};

/* A request, from its head to its answer; the route's `ctx` is the struct input. */
extern const struct http_route_ops push_request_ops;

/* step.c: is a line of this kind due? *suppressed: how many were left out before it. Any thread. */
bool push_is_due(struct input *in, enum push_event event, uint64_t *suppressed);
/* It was concluded so, and an operator should know of it: the sender is somebody else, or something is set up wrong. -1. */
int push_say_refused(struct push_request *rq, enum push_event event, const char *hint);
/* It may be stored later: the stream is full, or memory is short. -1. */
int push_busy(struct push_request *rq, const char *why);
int push_too_large(struct push_request *rq);

/* body.c: room for so many bytes of body; a piece of it; its packing undone; all given back. -1: refused. */
MUST_CHECK int push_body_hold(struct push_request *rq, size_t n);
MUST_CHECK int push_body_add(struct push_request *rq, struct slice piece);
MUST_CHECK int push_body_unpack(struct push_request *rq);
/* Most of it goes into one frame now, which counts in the budget, and the body itself no longer does: it goes soon. So what a record needs is not
 * counted twice. */
void push_body_hand_over(struct push_request *rq);
void push_body_drop(struct push_request *rq); /* but for what was noted */
void push_body_drop_note(struct push_request *rq);
MUST_CHECK bool push_body_is_known(const char *encoding); /* may a header say so? NULL: as it is */

/* store.c: held while keys are looked for and their frames appended: the same for all inputs of a stream. */
pthread_mutex_t *push_store_ids(const struct input *in);
/* The last frame is whole. -1: refused. */
MUST_CHECK int push_store_close(struct push_request *rq);
/* True: it waits, and is judged when it was resumed. */
MUST_CHECK bool push_store(struct push_request *rq);
void push_store_judge(struct push_request *rq);
void push_store_leave(struct push_request *rq); /* it is over */
void push_store_release(struct push_request *rq);

#endif
