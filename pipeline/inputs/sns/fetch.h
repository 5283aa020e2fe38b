/* fetch.h -- the few requests that an sns input makes: certificates, and confirmations of subscriptions.
 *
 * They are begun on a thread of the HTTP server's, which may not wait, and made on one of their own, in parallel: files of authorities may
 * have to be read first. Redirects are not followed (http/transport/transport.h).
 *
 * Threads    begin: any. done() is called on the fetcher's thread. The rest: the main thread.
 * Ownership  embedded in its owner. What `conf` borrows outlives it. A fetch is the fetcher's; borrowed for done().
 */
#ifndef PIPELINE_INPUTS_SNS_FETCH_H
#define PIPELINE_INPUTS_SNS_FETCH_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/http/agent/agent.h"
#include "pipeline/http/tls.h"
#include "pipeline/inputs/input_thread.h"

#include <pthread.h>
#include <stdbool.h>

struct sns_fetcher;

enum sns_fetch_step { SNS_FETCH_FREE, SNS_FETCH_DUE, SNS_FETCH_UNDER_WAY, SNS_FETCH_ENDED };

struct sns_fetch {
    struct sns_fetcher *owner;
    enum sns_fetch_step step; /* guarded by the fetcher's lock */
    char url[SNS_URL_MAX + 1];
    void (*done)(void *ctx, const struct sns_fetch *f);
    void *ctx;
    struct http_request request;
    struct http_ask ask;
    /* What came: */
    int status;    /* 0: none */
    char why[192]; /* when it did not come */
    struct buf answer;
};

struct sns_fetcher {
    struct http_agent *agent;
    const char *proxy;
    struct tls_options *tls;
    struct input_thread *thread;
    pthread_mutex_t lock;
    bool ends; /* guarded by lock: nothing is begun any more */
    struct sns_fetch list[SNS_FETCHES];
};

struct sns_fetcher_conf {
    const char *proxy, *base_dir;
    struct http_agent *agent;
};

MUST_CHECK int sns_fetcher_open(struct sns_fetcher *f, const struct sns_fetcher_conf *conf, struct err *e);
MUST_CHECK int sns_fetcher_start(struct sns_fetcher *f, const char *stream, const char *label, struct err *e);
/* Every done() that is owed comes, soon. */
void sns_fetcher_stop(struct sns_fetcher *f);
MUST_CHECK bool sns_fetcher_ended(struct sns_fetcher *f, nsec until);
void sns_fetcher_close(struct sns_fetcher *f);

/* False: too many are under way, or it ends. */
MUST_CHECK bool sns_fetcher_get(struct sns_fetcher *f, struct slice url,
                                void (*done)(void *ctx, const struct sns_fetch *f), void *ctx);

#endif
