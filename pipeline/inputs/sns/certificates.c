#include "pipeline/inputs/sns/certificates.h"

#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>

void sns_certificates_init(struct sns_certificates *all, struct sns_fetcher *fetcher, bool own_server,
                           void (*news)(void *ctx, const struct sns_certificate *c), void *ctx)
{
    *all = (struct sns_certificates){.fetcher = fetcher, .own_server = own_server, .news = news, .ctx = ctx};
    pthread_mutex_init(&all->lock, NULL);
    for (size_t i = 0; i < SNS_CERTIFICATES; i++) {
        all->list[i].owner = all;
        TAILQ_INIT(&all->list[i].waiters);
    }
}

void sns_certificates_release(struct sns_certificates *all)
{
    for (size_t i = 0; i < SNS_CERTIFICATES; i++)
        signer_free(&all->list[i].signer);
    pthread_mutex_destroy(&all->lock);
}

/* Locks: held. */
static void judge(struct sns_certificate *c, const struct sns_fetch *x, nsec wall_now)
{
    struct err e = {.msg = ""};

    c->until = clock_mono() + SNS_BAD_FOR;
    if (x->status != 200) {
        c->state = SNS_CERTIFICATE_BAD;
        snprintf(c->why, sizeof(c->why), "the certificate cannot be had: %s", x->why);
        return;
    }
    if (signer_new(&c->signer, buf_slice(&x->answer), c->owner->own_server ? NULL : x->request.system, wall_now, &e) ==
        0) {
        c->state = SNS_CERTIFICATE_GOOD;
        return;
    }
    c->state = SNS_CERTIFICATE_BAD;
    snprintf(c->why, sizeof(c->why), "the certificate is of no use: %s", e.msg);
}

/* The fetcher's thread. */
static void fetched(void *ctx, const struct sns_fetch *x)
{
    struct sns_certificate *c = ctx;
    struct sns_certificates *all = c->owner;
    struct sns_waiter *w;

    pthread_mutex_lock(&all->lock);
    judge(c, x, clock_wall());
    all->news(all->ctx, c);
    while ((w = TAILQ_FIRST(&c->waiters))) {
        TAILQ_REMOVE(&c->waiters, w, link);
        w->resume(w);
    }
    pthread_mutex_unlock(&all->lock);
}

/* Anybody may name addresses of which there is nothing to be had, or certificates of SNS that have nothing to do with our topics. So these
 * make room for one another, and never does the one that our messages are signed with. */
static bool goes_before(const struct sns_certificate *a, const struct sns_certificate *b)
{
    static const unsigned WORTH[] = {[SNS_CERTIFICATE_NONE] = 0, [SNS_CERTIFICATE_BAD] = 1, [SNS_CERTIFICATE_GOOD] = 2};

    if (a->state != b->state)
        return WORTH[a->state] < WORTH[b->state];
    return a->proven != b->proven ? b->proven : a->used < b->used;
}

/* Locks: held. The one of this address, or else one that nobody needs. NULL: all are needed. */
static struct sns_certificate *find(struct sns_certificates *all, struct slice url)
{
    struct sns_certificate *first = NULL;

    for (size_t i = 0; i < SNS_CERTIFICATES; i++) {
        struct sns_certificate *c = &all->list[i];

        if (c->state != SNS_CERTIFICATE_NONE && slice_is(url, c->url))
            return c;
        if (c->users > 0 || c->state == SNS_CERTIFICATE_FETCHED)
            continue;
        if (!first || goes_before(c, first))
            first = c;
    }
    return first;
}

static void forget(struct sns_certificate *c)
{
    signer_free(&c->signer);
    c->state = SNS_CERTIFICATE_NONE;
    c->proven = false;
    c->url[0] = '\0';
}

/* Locks: held. What it was before is of no use any more. */
static bool is_over(const struct sns_certificate *c, struct slice url, nsec mono_now, nsec wall_now)
{
    if (!slice_is(url, c->url))
        return true;
    switch (c->state) {
    case SNS_CERTIFICATE_GOOD:
        return !signer_is_valid(c->signer, wall_now) && c->users == 0;
    case SNS_CERTIFICATE_BAD:
        return mono_now >= c->until;
    case SNS_CERTIFICATE_NONE:
        return true;
    case SNS_CERTIFICATE_FETCHED:
        break;
    }
    return false;
}

/* Locks: held. */
static enum sns_certificate_answer ask(struct sns_certificate *c, struct slice url, struct sns_waiter *w, nsec mono_now,
                                       nsec wall_now, char why[256])
{
    if (is_over(c, url, mono_now, wall_now)) {
        if (!sns_fetcher_get(c->owner->fetcher, url, fetched, c)) {
            snprintf(why, 256, "other certificates are being fetched");
            return SNS_ASK_LATER;
        }
        forget(c);
        snprintf(c->url, sizeof(c->url), "%.*s", (int)url.n, url.p);
        c->state = SNS_CERTIFICATE_FETCHED;
    }
    c->used = mono_now;
    switch (c->state) {
    case SNS_CERTIFICATE_FETCHED:
        w->suspend(w);
        TAILQ_INSERT_TAIL(&c->waiters, w, link);
        return SNS_ASK_WAITS;
    case SNS_CERTIFICATE_GOOD:
        c->users++;
        return SNS_ASK_GOOD;
    case SNS_CERTIFICATE_NONE:
    case SNS_CERTIFICATE_BAD:
        break;
    }
    snprintf(why, 256, "%s", c->why);
    return SNS_ASK_LATER;
}

enum sns_certificate_answer sns_certificates_ask(struct sns_certificates *all, struct slice url, struct sns_waiter *w,
                                                 nsec mono_now, nsec wall_now, struct sns_certificate **out,
                                                 char why[256])
{
    enum sns_certificate_answer answer = SNS_ASK_LATER;

    pthread_mutex_lock(&all->lock);
    *out = find(all, url);
    if (*out)
        answer = ask(*out, url, w, mono_now, wall_now, why);
    else
        snprintf(why, 256, "other certificates are being fetched");
    pthread_mutex_unlock(&all->lock);
    return answer;
}

void sns_certificates_give_back(struct sns_certificate *c, bool proven)
{
    pthread_mutex_lock(&c->owner->lock);
    c->users--;
    c->proven |= proven;
    pthread_mutex_unlock(&c->owner->lock);
}
