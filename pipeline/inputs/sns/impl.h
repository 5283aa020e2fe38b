/* impl.h -- what the input has beside its options, and what it knows of a request; private to this folder.
 *
 * Requests, access, bodies, the spool and answers are push.h's. What is its own: who has signed a message, the certificates for that, confirmations
 * and the filter.
 *
 * Threads  a request's part: the server's thread that has its connection, but for what is awaited. The rest is fixed in open, or says
 *          how it is guarded.
 */
#ifndef PIPELINE_INPUTS_SNS_IMPL_H
#define PIPELINE_INPUTS_SNS_IMPL_H

#include "pipeline/base/log.h"
#include "pipeline/inputs/push/push.h"
#include "pipeline/inputs/sns/certificates.h"
#include "pipeline/inputs/sns/fetch.h"
#include "pipeline/inputs/sns/filter.h"
#include "pipeline/inputs/sns/message.h"
#include "pipeline/inputs/sns/options.h"

#include <stdbool.h>

/* Each has its own line in the log, now and then. */
enum sns_kind { SNS_KIND_TOPIC, SNS_KIND_SIGNATURE, SNS_KIND_AGE, SNS_KIND_MESSAGE, SNS_KINDS };
_Static_assert(SNS_KINDS <= PUSH_KINDS_MAX, "each has its line");

/* Of an input: push_own(). */
struct sns {
    const struct sns_conf *conf;
    struct input_env env;
    const char *label; /* for the log */
    struct sns_fetcher fetcher;
    struct sns_certificates certificates;
    struct sns_filter *filter;     /* NULL: none */
    bool opened;                   /* fetcher and certificates are there */
    struct log_limit known, wrong; /* guarded by the certificates' lock */
};

enum sns_step {
    SNS_STEP_BODY,
    SNS_STEP_CERTIFICATE, /* suspended: it is fetched */
    SNS_STEP_CONFIRM,     /* suspended: SNS is asked to confirm */
};

/* Of a request: push_session(). */
struct sns_session {
    struct push_request *rq;
    enum sns_step step;
    bool raw;
    struct sns_message message; /* in the request's scratch, or its headers */
    char id[SNS_ID_MAX + 1];
    struct sns_waiter waiter;
    int confirmed; /* status of the answer to a confirmation; 0: there was none */
    char confirm_why[192];
};

extern const struct push_protocol sns_protocol;

#endif
