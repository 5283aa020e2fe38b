/* step.h -- one request, and what its steps have in common: how it ends, the memory of its body, and how it waits. Private to this folder.
 *
 * Threads  the server's thread that has the connection; sns_resume(): any.
 */
#ifndef PIPELINE_INPUTS_SNS_STEP_H
#define PIPELINE_INPUTS_SNS_STEP_H

#include "pipeline/base/buf.h"
#include "pipeline/inputs/sns/impl.h"
#include "pipeline/inputs/sns/message.h"

enum { SNS_REQUEST_MAGIC = 0x736e7352 };

enum sns_step {
    SNS_STEP_BODY,
    SNS_STEP_CERTIFICATE, /* suspended: it is fetched */
    SNS_STEP_CONFIRM,     /* suspended: SNS is asked to confirm */
    SNS_STEP_STORE,       /* suspended: until the spool has answered */
    SNS_STEP_ANSWER,
};

enum sns_outcome { SNS_OUTCOME_FAILING, SNS_OUTCOME_SAFE, SNS_OUTCOME_FULL, SNS_OUTCOME_TOO_LARGE };

struct sns_request {
    unsigned magic;
    struct input *in;
    struct http_exchange *exchange;
    enum sns_step step;
    bool raw;
    bool must_close; /* the rest of the body is not wanted, or where it ends is in doubt */
    uint64_t discarded;
    struct buf body, text;
    size_t held;                /* of the budget */
    struct sns_message message; /* in `text`, until its record is made; then it has an id */
    char id[SNS_ID_MAX + 1];

    struct sns_waiter waiter;
    struct spool_wait wait;
    struct sns_storing storing;
    enum sns_outcome outcome;
    size_t record_bytes;
    int confirmed; /* status of the answer to a confirmation; 0: there was none */
    char confirm_why[192];

    unsigned status; /* 0: it goes well so far */
    char why[320];
};

const char *sns_header(const struct sns_request *rq, const char *name);

/* The answer. -1. */
int sns_conclude(struct sns_request *rq, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A refusal, for those that an operator should know of: the sender is somebody else, or something is set up wrong. */
int sns_refuse(struct sns_request *rq, unsigned status, enum sns_event event, const char *hint, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
int sns_no_memory(struct sns_request *rq);
int sns_too_large(struct sns_request *rq);
/* Is a line of this kind due? *suppressed: how many were left out before it. Any thread. */
bool sns_is_due(struct input *in, enum sns_event event, uint64_t *suppressed);

/* Room for a body of n bytes, and what is made of it. -1: refused. */
MUST_CHECK int sns_body_hold(struct sns_request *rq, size_t n);
MUST_CHECK int sns_body_add(struct sns_request *rq, struct slice piece);
void sns_body_give_back(struct sns_request *rq); /* to the budget; its memory must go at once */
void sns_body_drop(struct sns_request *rq);

/* Before it waits. -1: the input ends, and it is refused. */
MUST_CHECK int sns_enter(struct sns_request *rq, enum sns_step step);
/* It did not wait. */
void sns_leave(struct input *in);
void sns_suspend(struct sns_request *rq);
/* Any thread. The request may be gone behind it. */
void sns_resume(struct sns_request *rq);

#endif
