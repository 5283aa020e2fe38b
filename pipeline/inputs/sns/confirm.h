/* confirm.h -- a subscription that begins or ends. Private to this folder.
 *
 * Threads  the server's thread that has the connection.
 */
#ifndef PIPELINE_INPUTS_SNS_CONFIRM_H
#define PIPELINE_INPUTS_SNS_CONFIRM_H

#include "pipeline/inputs/sns/step.h"

/* Of a message that SNS has signed. True: it waits, and is judged when it was resumed. */
MUST_CHECK bool sns_confirm(struct sns_request *rq);
void sns_judge_confirmed(struct sns_request *rq);
void sns_note_unsubscribed(struct sns_request *rq);

#endif
