/* message.h -- what SNS posts to a subscription, read: a notification, or a confirmation that is asked for.
 *
 * Strict: a member that the signature covers may not be there twice, and all that its kind needs must be there. What SNS does not know is
 * passed over. Nothing is believed by it: who signed it is sender.h's.
 *
 * Ownership  what a message points to is in `text`. Pure; one thread at a time.
 *
 * SNS Developer Guide: "Parsing Amazon SNS message formats", "Verifying the signatures of Amazon SNS messages".
 */
#ifndef PIPELINE_INPUTS_SNS_MESSAGE_H
#define PIPELINE_INPUTS_SNS_MESSAGE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/sns/filter.h"

#include <stdbool.h>
#include <stddef.h>

enum sns_type { SNS_NOTIFICATION, SNS_SUBSCRIPTION, SNS_UNSUBSCRIPTION };

struct sns_message {
    enum sns_type type;
    struct slice type_name, id, topic, subject, message, timestamp, token, subscribe_url;
    struct slice version, signature, certificate_url; /* SignatureVersion, Signature, SigningCertURL */
    bool has_subject;                                 /* it may be empty */
    nsec sent;                                        /* wall: the timestamp */
    struct sns_attribute attributes[SNS_ATTRIBUTES_MAX];
    size_t attribute_count;
    bool too_many_attributes;
};

/* -1 (ERR_FORMAT): it is none, with what is wrong in words that quote nothing of it. `text`: see sns_text_room(); cleared. */
MUST_CHECK int sns_message_read(struct sns_message *m, struct slice body, struct buf *text, struct err *e);
/* How much `text` must be able to hold for a body of n bytes. */
size_t sns_text_room(size_t n);

/* What is signed: the parts, one behind the other. Returns how many. */
enum { SNS_PARTS_MAX = 7 * 4 };
size_t sns_message_signed(const struct sns_message *m, struct slice parts[SNS_PARTS_MAX]);

/* "2026-11-27T09:30:00.125Z" as wall time. False: it is none. */
MUST_CHECK bool sns_time(struct slice text, nsec *wall);

#endif
