/* settle.h -- the calls about messages in hand: those that are safe are deleted, those that go back are given back, and all others are put off
 * in the queue while they are here. Ten messages a call, some calls at the same time.
 *
 * Of a FIFO queue deletions go one call after the other: a group's next messages come when its last ones are gone.
 *
 * Ownership  conf, hand and caller are borrowed. Threads: the input's own.
 */
#ifndef PIPELINE_INPUTS_SQS_SETTLE_H
#define PIPELINE_INPUTS_SQS_SETTLE_H

#include "pipeline/base/limits.h"
#include "pipeline/inputs/aws/caller.h"
#include "pipeline/inputs/sqs/call.h"
#include "pipeline/inputs/sqs/hand.h"
#include "pipeline/inputs/sqs/options.h"

#include <stdbool.h>

struct settle_call {
    struct aws_call aws;
    enum sqs_operation op;
    struct hand_entry *entries[SQS_BATCH_MAX]; /* what it is about */
    size_t count;
};

struct sqs_settler {
    const struct sqs_conf *conf;
    struct hand *hand;
    struct aws_caller *caller;
    bool fifo;
    struct settle_call calls[SQS_BATCH_CALLS];
    bool closed; /* nothing more is begun */
    struct connection trouble;
    nsec safe_since; /* mono; messages wait to be deleted; 0: none */
    nsec look_at;    /* mono; whose time in the queue is half over is looked for then */
};

void sqs_settler_init(struct sqs_settler *s, const struct sqs_conf *conf, struct hand *hand, struct aws_caller *caller);
void sqs_settler_release(struct sqs_settler *s);

/* What has come back, then what is due. `all`: deletes at once, and does not wait for ten. */
void sqs_settle(struct sqs_settler *s, bool all, nsec mono_now);
/* When something is due that no call's end brings; at most `latest`. */
nsec sqs_settle_next(const struct sqs_settler *s, nsec mono_now, nsec latest);

bool sqs_settler_is_idle(const struct sqs_settler *s);
/* What is under way ends soon, and nothing more is begun. */
void sqs_settler_cancel(struct sqs_settler *s);

#endif
