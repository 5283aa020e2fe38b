/* message.h -- the answer of ReceiveMessage, read: messages with their bodies, what is known of them, and whether their checksums are right.
 *
 * Ownership  a sqs_batch owns what its messages point to, until the next read or sqs_batch_release(). Pure; one thread at a time.
 * Memory     about as much as the answer, for which its reader has asked the budget.
 *
 * SQS API Reference, ReceiveMessage; SQS Developer Guide, "Calculating the MD5 message digest for message attributes".
 */
#ifndef PIPELINE_INPUTS_SQS_MESSAGE_H
#define PIPELINE_INPUTS_SQS_MESSAGE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* Which envelope a body is taken out of. A body that is none stays as it is. */
enum sqs_unwrap {
    SQS_UNWRAP_NONE,
    SQS_UNWRAP_SNS,         /* what a subscription without raw delivery puts around a message */
    SQS_UNWRAP_EVENTBRIDGE, /* the event's `detail` */
    SQS_UNWRAP_S3, /* it names objects to read (inputs/objects/event.h): the body is no record, and stays as it is */
};

struct sqs_message {
    struct slice id;     /* MessageId */
    struct slice handle; /* ReceiptHandle; never empty */
    struct slice record; /* the body, or what was in its envelope */
    struct slice facts;  /* base/facts.h: message_id, sent, received, group, sequence_number, attribute.NAME ... */
    nsec sent;           /* wall; 0: it does not say */
    bool again;          /* it was handed out before: ApproximateReceiveCount */
    bool broken;         /* a checksum is wrong: it is not what was sent */
    bool facts_cut;      /* more is known of it than facts take */
};

enum { SQS_BATCH_MAX = 10 };

struct sqs_batch {
    struct sqs_message messages[SQS_BATCH_MAX];
    size_t n;
    struct buf text; /* all of it; never moved while it is filled */
};

void sqs_batch_init(struct sqs_batch *b);
void sqs_batch_release(struct sqs_batch *b);

/* -1 when the answer is not what SQS says. Every message that it has is in the batch, or none. */
MUST_CHECK int sqs_batch_read(struct sqs_batch *b, struct slice answer, enum sqs_unwrap unwrap, bool check_md5,
                              struct err *e);

/* When the oldest of them was sent (wall); 0: none says. */
nsec sqs_batch_oldest(const struct sqs_batch *b);

#endif
