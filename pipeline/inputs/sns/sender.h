/* sender.h -- who a message is from: the topic, the signature and the age. Private to this folder.
 *
 * Threads  the server's thread that has the connection. All refuse by themselves (push.h).
 */
#ifndef PIPELINE_INPUTS_SNS_SENDER_H
#define PIPELINE_INPUTS_SNS_SENDER_H

#include "pipeline/inputs/sns/impl.h"

MUST_CHECK int sns_check_topic(struct push_request *rq, struct slice topic);
/* 1: it waits for a certificate, and is to be asked again. 0: SNS has signed the message. */
MUST_CHECK int sns_check_sender(struct push_request *rq);
MUST_CHECK int sns_check_age(struct push_request *rq);

#endif
