/* ask.h -- one look for keys, on a thread that may wait: HTTP requests with a time limit for each, and an end that others can ask
 * for.
 *
 * Threads    aws_ask_cancel(): any. The rest: the thread that looks.
 * Ownership  embedded in its owner; aws_ask_init() once, then aws_ask_release().
 */
#ifndef PIPELINE_AWS_CREDENTIALS_ASK_H
#define PIPELINE_AWS_CREDENTIALS_ASK_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/message.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

struct transport;

struct aws_ask {
    pthread_mutex_t lock;
    bool cancelled;              /* guarded by lock */
    struct transport *transport; /* guarded by lock: while a request is under way */
    pid_t program;               /* guarded by lock: group of a program that runs; 0: none */
};

void aws_ask_init(struct aws_ask *a);
void aws_ask_release(struct aws_ask *a);
/* What is under way ends soon, and whatever follows at once, with ERR_CANCELLED. */
void aws_ask_cancel(struct aws_ask *a);
bool aws_ask_is_cancelled(struct aws_ask *a);
/* A program is under way, in a process group of its own; 0: not any more, said before it is waited for. Who cancels ends it at once, because the
 * process may leave before this thread runs again. */
void aws_ask_runs(struct aws_ask *a, pid_t group);

struct aws_answer {
    int status;
    struct buf body;
    bool dated; /* the far end says what time it is: */
    nsec ahead; /* this machine's clock is so much ahead of its */
};

void aws_answer_release(struct aws_answer *a);

/* Sends `rq` with the system's trust where it is https, and waits for all of the answer for at most `timeout`, connecting included. -1
 * when there is none, with what happened. */
MUST_CHECK int aws_ask_http(struct aws_ask *a, struct http_request *rq, nsec timeout, struct aws_answer *out,
                            struct err *e);

#endif
