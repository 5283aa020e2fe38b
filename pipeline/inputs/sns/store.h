/* store.h -- a message's record on its way into the spool, once for each message. Private to this folder.
 *
 * Threads  the server's thread that has the connection.
 */
#ifndef PIPELINE_INPUTS_SNS_STORE_H
#define PIPELINE_INPUTS_SNS_STORE_H

#include "pipeline/inputs/sns/step.h"

/* True: it waits, and is judged when it was resumed. `record` may be in its body, which is dropped. */
MUST_CHECK bool sns_store(struct sns_request *rq, struct slice record);
void sns_judge_stored(struct sns_request *rq);

#endif
