/* confirm.h -- subscriptions: SNS is asked to confirm one, and says when one was taken away. Private to this folder.
 *
 * Threads  the server's thread that has the connection. All conclude by themselves, but for 1.
 */
#ifndef PIPELINE_INPUTS_SNS_CONFIRM_H
#define PIPELINE_INPUTS_SNS_CONFIRM_H

#include "pipeline/inputs/sns/impl.h"

/* 1: it waits, and sns_judge_confirmed() is next. Else -1. */
MUST_CHECK int sns_confirm(struct push_request *rq);
int sns_judge_confirmed(struct push_request *rq);
int sns_note_unsubscribed(struct push_request *rq);

#endif
