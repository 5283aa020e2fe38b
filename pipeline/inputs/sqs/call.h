/* call.h -- the calls of SQS that the input makes: their parameters as JSON, and what a batch's answer says of its entries.
 *
 * Pure. SQS API Reference: ReceiveMessage, DeleteMessageBatch, ChangeMessageVisibilityBatch, GetQueueAttributes.
 */
#ifndef PIPELINE_INPUTS_SQS_CALL_H
#define PIPELINE_INPUTS_SQS_CALL_H

#include "pipeline/aws/json_call.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/inputs/sqs/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const struct aws_json_service sqs_service;

enum sqs_operation {
    SQS_RECEIVE,
    SQS_DELETE,
    SQS_EXTEND,    /* in hand for some more time */
    SQS_GIVE_BACK, /* to be handed out at once */
    SQS_COUNT,     /* how many wait */
};

const char *sqs_operation_name(enum sqs_operation op);
/* What to do about a refusal with this code; NULL: nothing is known. */
const char *sqs_hint(const char *code);

struct sqs_receive {
    const char *queue_url;
    unsigned count;            /* 1 to SQS_BATCH_MAX */
    unsigned wait, visibility; /* seconds */
    const char
        *attempt_id; /* of a FIFO queue: the same again gives the same messages, when an answer was lost; NULL: none */
};

/* -1: out is full. */
MUST_CHECK int sqs_receive_text(const struct sqs_receive *c, struct buf *out);
/* The entries' ids are their places in `handles`. visibility: of SQS_EXTEND, seconds. */
MUST_CHECK int sqs_entries_text(enum sqs_operation op, const char *queue_url, const char *const *handles, size_t n,
                                unsigned visibility, struct buf *out);

MUST_CHECK int sqs_count_text(const char *queue_url, struct buf *out);
/* How many messages may be received, about. -1 when the answer does not say it. */
MUST_CHECK int sqs_count_read(struct slice answer, uint64_t *waiting);

enum sqs_fate {
    SQS_FAILED, /* not this time: the answer names neither success nor failure, or a failure that may pass */
    SQS_DONE,
    SQS_GONE, /* the handle is too old: the queue hands the message out again, or it is deleted already */
};

struct sqs_fates {
    enum sqs_fate fate[SQS_BATCH_MAX];
    char code[96]; /* of one that failed */
};

/* n: how many entries were asked for. -1 when the answer is not what SQS says. */
MUST_CHECK int sqs_entries_read(struct slice answer, size_t n, struct sqs_fates *out, struct err *e);

#endif
