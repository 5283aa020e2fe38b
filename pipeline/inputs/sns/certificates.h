/* certificates.h -- the certificates that messages are signed with, by their addresses: each is fetched once, and kept until it is not valid
 * any more, or room is needed for another. One that cannot be had, or is of no use, is remembered as that for a while.
 *
 * Who asks for one that is not there yet waits: its request is suspended, and resumed when it is there or cannot be had. Then it asks again.
 *
 * Threads    ask, give back: the HTTP server's. The rest: the main thread. A fetch ends on the fetcher's.
 * Ownership  embedded in its owner; the fetcher outlives it, and has ended before it is released.
 */
#ifndef PIPELINE_INPUTS_SNS_CERTIFICATES_H
#define PIPELINE_INPUTS_SNS_CERTIFICATES_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/signer.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/sns/fetch.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

/* Embedded in who waits. */
struct sns_waiter {
    void (*suspend)(struct sns_waiter *w); /* called by ask(), under its lock */
    void (*resume)(struct sns_waiter *w);  /* on the fetcher's thread; it may be gone behind it */
    TAILQ_ENTRY(sns_waiter) link;
};

enum sns_certificate_state {
    SNS_CERTIFICATE_NONE,
    SNS_CERTIFICATE_FETCHED, /* it is on its way */
    SNS_CERTIFICATE_GOOD,
    SNS_CERTIFICATE_BAD, /* it cannot be had, or is of no use: not asked for again for a while */
};

struct sns_certificate {
    struct sns_certificates *owner;
    enum sns_certificate_state state; /* guarded by the lock, as all that follows */
    char url[SNS_URL_MAX + 1];
    struct signer *signer;
    char why[256];
    nsec until, used; /* mono: of one that is no good; of all, when it was last asked for */
    unsigned users;
    bool proven; /* a message of one of our topics was signed with it */
    TAILQ_HEAD(, sns_waiter) waiters;
};

struct sns_certificates {
    struct sns_fetcher *fetcher;
    bool own_server;                                          /* an operator's: its certificates are from nobody else */
    void (*news)(void *ctx, const struct sns_certificate *c); /* for the log; under the lock */
    void *ctx;
    pthread_mutex_t lock;
    struct sns_certificate list[SNS_CERTIFICATES];
};

void sns_certificates_init(struct sns_certificates *all, struct sns_fetcher *fetcher, bool own_server,
                           void (*news)(void *ctx, const struct sns_certificate *c), void *ctx);
void sns_certificates_release(struct sns_certificates *all);

enum sns_certificate_answer {
    SNS_ASK_GOOD,  /* (*c)->signer, until it is given back */
    SNS_ASK_WAITS, /* w was suspended, and is resumed */
    SNS_ASK_LATER, /* why */
};
/* `url` fits (address.h). *c is the certificate's, when it is good. */
MUST_CHECK enum sns_certificate_answer sns_certificates_ask(struct sns_certificates *all, struct slice url,
                                                            struct sns_waiter *w, nsec mono_now, nsec wall_now,
                                                            struct sns_certificate **c, char why[256]);
/* `proven`: it has signed what was compared with it. Only for another one that did so, too, it is forgotten before it is not valid any more. */
void sns_certificates_give_back(struct sns_certificate *c, bool proven);

#endif
