/* impl.h -- what the input and its requests share; private to this folder.
 *
 * Threads  the fields that change say how they are guarded; the rest is fixed in open.
 */
#ifndef PIPELINE_INPUTS_SNS_IMPL_H
#define PIPELINE_INPUTS_SNS_IMPL_H

#include "pipeline/base/log.h"
#include "pipeline/http/server/server.h"
#include "pipeline/inputs/servers.h"
#include "pipeline/inputs/health.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/sns/certificates.h"
#include "pipeline/inputs/sns/fetch.h"
#include "pipeline/inputs/sns/filter.h"
#include "pipeline/inputs/sns/options.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

enum sns_gate { SNS_STARTING, SNS_OPEN, SNS_SHUT };

/* Each has its own line in the log, now and then. */
enum sns_event {
    SNS_EVENT_SECRET,
    SNS_EVENT_TOPIC,
    SNS_EVENT_SIGNATURE,
    SNS_EVENT_AGE,
    SNS_EVENT_MESSAGE,
    SNS_EVENT_CERTIFICATE,
    SNS_EVENT_KNOWN,
    SNS_EVENTS,
};

/* A request that waits for the spool. */
struct sns_storing {
    nsec since; /* mono */
    TAILQ_ENTRY(sns_storing) link;
};

struct input {
    const struct sns_conf *conf;
    struct input_env env;
    const char *label;                /* for the log */
    char owner[STREAM_NAME_MAX + 32]; /* of the paths, for messages */
    char path[256];                   /* of the endpoint */
    char beneath[257];                /* with a slash: the secret may follow */
    struct http_route *route, *secret_route;
    struct sns_fetcher fetcher;
    struct sns_certificates certificates;
    struct sns_filter *filter; /* NULL: none */
    bool opened;               /* fetcher and certificates are there */

    atomic_bool secret_shown; /* by somebody, since the start */

    pthread_mutex_t ids; /* held while an id is looked for and its record appended */

    pthread_mutex_t lock;
    pthread_cond_t quiet;
    enum sns_gate gate;                /* guarded by lock, as what follows */
    unsigned suspended;                /* requests that wait for a certificate, a confirmation or the spool */
    TAILQ_HEAD(, sns_storing) storing; /* the oldest first */
    bool said_facts_cut;
    struct log_limit events[SNS_EVENTS];
};

/* A request, from its head to its answer; the route's `ctx` is the struct input.
 *
 *     head -> judged -> body collected -> read -> certificate -> signature -> stored -> answered
 *                                               (suspended)            \     (suspended)
 *                                                                       confirmed -> answered
 *                                                                       (suspended) */
extern const struct http_route_ops sns_request_ops;

#endif
