/* caller.h -- calls of one AWS service, or of objects of S3, that an input makes from its thread: begun without waiting, looked at when they have come back, and
 * told in the log when they begin to fail, and when they work again.
 *
 *     aws_call_begin()   signs and sends; false: not now, its connection says when (keys or certificates are being read)
 *     aws_call_ended()   in each turn: has it come back? Then call->answered, call->error, call->answer say what came
 *     aws_call_forget()  when the answer is not needed any more
 *
 * The answer's bytes are taken from the caller's budget before they are kept. An answer for which that has no room, or of more than
 * answer_max, is a call that failed, with `too_large`: less is to be asked for.
 *
 * Threads    the input's own (input_thread.h), which is woken when a call has come back.
 * Ownership  a call is embedded in its owner, and stays while it is under way. What the caller was given outlives it.
 */
#ifndef PIPELINE_INPUTS_AWS_CALLER_H
#define PIPELINE_INPUTS_AWS_CALLER_H

#include "pipeline/aws/credentials/credentials.h"
#include "pipeline/aws/json_call.h"
#include "pipeline/aws/s3/request.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/budget.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/agent/agent.h"
#include "pipeline/http/tls.h"
#include "pipeline/http/url.h"
#include "pipeline/inputs/connection.h"
#include "pipeline/inputs/input_thread.h"

#include <pthread.h>
#include <stdbool.h>

#define AWS_CALLER_REGION_MAX 64
#define AWS_CALLER_TAG_MAX    256

struct aws_caller_conf {
    const struct aws_json_service *service; /* NULL: S3 */
    const char *stream, *input;             /* for the log: the input's label */
    const char *source;                     /* what is read, for people: a queue's address */
    const char *address;                    /* scheme://host:port and path */
    const struct credentials_conf *keys;
    const char *region; /* NULL or "": as environment and profile say, else us-east-1 */
    const struct tls_conf *tls;
    const char *base_dir, *proxy;
    struct http_agent *agent;
    struct budget *budget;       /* of answers alone, since what becomes of them must not wait for them; may be NULL */
    struct input_health *health; /* may be NULL */
    size_t answer_max;           /* bytes */
    size_t answer_factor;        /* what is made of a byte of it takes so many, with itself */
    const char *(*hint)(const char *code); /* what to do about a refusal of this service; NULL: nothing is known */
    const char *too_large_hint;            /* what to do about an answer that is; NULL: less is asked for */
};

struct aws_caller {
    struct aws_caller_conf conf;
    struct http_url address;
    struct credentials *credentials;
    struct tls_options *tls;
    char region[AWS_CALLER_REGION_MAX];
    struct input_thread *thread; /* its owner's, set before the first call */
    pthread_mutex_t lock;        /* of each call's `over` */
};

/* What is borrowed by `conf` outlives it, but for `address`. On failure nothing stays. */
MUST_CHECK int aws_caller_open(struct aws_caller *a, const struct aws_caller_conf *conf, struct err *e);
void aws_caller_close(struct aws_caller *a);

/* What to do about it. */
const char *aws_caller_hint(const struct aws_caller_conf *conf, const struct aws_json_error *x);

/* For one kind of call, each of which stands by itself: released with connection_release(). */
void aws_caller_connection(const struct aws_caller *a, struct connection *c);

struct aws_call {
    struct aws_caller *caller;
    const char *operation; /* while it is under way, and when it has ended */
    bool under_way;
    struct http_ask ask;
    struct http_request request;
    nsec began; /* wall */

    bool over;     /* guarded by the caller's lock; until then all below is the agent's */
    bool answered; /* false: it was cancelled */
    bool too_large;
    nsec served; /* wall, by the far end's clock; 0: it does not say */
    struct aws_json_error error;
    char tag[AWS_CALLER_TAG_MAX]; /* of S3: the object's ETag, with its quotes; "": it says none */
    struct buf answer;
    size_t held; /* of the budget */
};

void aws_call_init(struct aws_call *c, struct aws_caller *a);
void aws_call_release(struct aws_call *c);

/* `text`: the parameters; copied. `late`: the far end may be silent until `timeout`. */
bool aws_call_begin(struct aws_call *c, const char *operation, struct slice text, nsec timeout, bool late,
                    struct connection *t, nsec mono_now);
/* Of an object of S3; all that it points to is copied. */
bool aws_call_begin_object(struct aws_call *c, const struct s3_ask *o, nsec timeout, struct connection *t,
                           nsec mono_now);
MUST_CHECK bool aws_call_ended(struct aws_call *c);
void aws_call_cancel(struct aws_call *c); /* it ends soon; not under way: nothing */
void aws_call_forget(struct aws_call *c);

/* What has ended failed: t->again says when to try again. If it worked: connection_works(). */
void aws_call_failed(const struct aws_call *c, struct connection *t, nsec mono_now);
/* Likewise, for an answer that its reader refused. */
void aws_call_malformed(const struct aws_call *c, struct connection *t, const struct err *e, nsec mono_now);

#endif
