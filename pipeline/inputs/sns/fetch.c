#include "pipeline/inputs/sns/fetch.h"

#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>

/* As tls.h's table has it when nothing is written. */
static const struct tls_conf TLS = {.verify = true};

int sns_fetcher_open(struct sns_fetcher *f, const struct sns_fetcher_conf *conf, struct err *e)
{
    *f = (struct sns_fetcher){.agent = conf->agent, .proxy = conf->proxy};
    pthread_mutex_init(&f->lock, NULL);
    f->tls = tls_options_new(&TLS, conf->base_dir);
    for (size_t i = 0; i < SNS_FETCHES; i++) {
        f->list[i].owner = f;
        buf_init(&f->list[i].answer, SNS_CERTIFICATE_MAX);
    }
    return http_agent_use(conf->agent, e);
}

void sns_fetcher_close(struct sns_fetcher *f)
{
    input_thread_free(&f->thread);
    for (size_t i = 0; i < SNS_FETCHES; i++)
        buf_release(&f->list[i].answer);
    tls_options_free(&f->tls);
    pthread_mutex_destroy(&f->lock);
}

static void set_step(struct sns_fetch *x, enum sns_fetch_step step)
{
    pthread_mutex_lock(&x->owner->lock);
    x->step = step;
    pthread_mutex_unlock(&x->owner->lock);
}

static enum sns_fetch_step step_of(struct sns_fetch *x)
{
    enum sns_fetch_step step;

    pthread_mutex_lock(&x->owner->lock);
    step = x->step;
    pthread_mutex_unlock(&x->owner->lock);
    return step;
}

bool sns_fetcher_get(struct sns_fetcher *f, struct slice url, void (*done)(void *ctx, const struct sns_fetch *x),
                     void *ctx)
{
    struct sns_fetch *x = NULL;

    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; !f->ends && f->thread && !x && i < SNS_FETCHES; i++)
        if (f->list[i].step == SNS_FETCH_FREE)
            x = &f->list[i];
    if (x) {
        snprintf(x->url, sizeof(x->url), "%.*s", (int)url.n, url.p);
        x->done = done;
        x->ctx = ctx;
        x->step = SNS_FETCH_DUE;
        input_thread_wake(f->thread);
    }
    pthread_mutex_unlock(&f->lock);
    return x != NULL;
}

/* --- on its thread ---------------------------------------------------------------------------------------------------- */

/* On the agent's. Behind the lock fetch and fetcher may be gone. */
static void answered(struct http_ask *ask, const struct http_response *re)
{
    struct sns_fetch *x = CONTAINER_OF(ask, struct sns_fetch, ask);
    struct sns_fetcher *f = x->owner;

    if (!re) {
        snprintf(x->why, sizeof(x->why), "the input ends");
    } else if (re->failure != HTTP_OK) {
        snprintf(x->why, sizeof(x->why), "%s", re->failure_text);
    } else if (re->body_truncated || buf_add_slice(&x->answer, re->body) < 0) {
        snprintf(x->why, sizeof(x->why), "the answer is too large");
    } else {
        x->status = re->status;
        if (re->status != 200)
            snprintf(x->why, sizeof(x->why), "it was answered with status %d", re->status);
    }
    pthread_mutex_lock(&f->lock);
    x->step = SNS_FETCH_ENDED;
    input_thread_wake(f->thread);
    pthread_mutex_unlock(&f->lock);
}

static void begin(struct sns_fetch *x)
{
    struct sns_fetcher *f = x->owner;
    struct err e = {.msg = ""};

    x->status = 0;
    x->why[0] = '\0';
    buf_clear(&x->answer);
    x->request = (struct http_request){.method = "GET",
                                       .url = mem_strdup(x->url),
                                       .bare = true,
                                       .proxy = f->proxy,
                                       .timeout = SNS_FETCH_TIMEOUT,
                                       .response_max = SNS_CERTIFICATE_MAX};
    if (tls_options_get(f->tls, &x->request, &e) < 0) {
        snprintf(x->why, sizeof(x->why), "%s", e.msg);
        set_step(x, SNS_FETCH_ENDED);
        return;
    }
    x->ask = (struct http_ask){.request = &x->request, .done = answered};
    set_step(x, SNS_FETCH_UNDER_WAY);
    http_agent_send(f->agent, &x->ask);
}

static void end(struct sns_fetch *x)
{
    x->done(x->ctx, x);
    http_request_release(&x->request);
    buf_release(&x->answer);
    set_step(x, SNS_FETCH_FREE);
}

/* True: something is under way. */
static bool turn(struct sns_fetcher *f)
{
    bool any = false;

    for (size_t i = 0; i < SNS_FETCHES; i++) {
        struct sns_fetch *x = &f->list[i];

        if (step_of(x) == SNS_FETCH_DUE)
            begin(x);
        if (step_of(x) == SNS_FETCH_ENDED)
            end(x);
        any |= step_of(x) != SNS_FETCH_FREE;
    }
    return any;
}

static void run(struct input_thread *t, void *arg)
{
    struct sns_fetcher *f = arg;

    while (!input_thread_ends(t)) {
        (void)turn(f);
        input_thread_wait(t, NSEC_NEVER);
    }
    pthread_mutex_lock(&f->lock);
    f->ends = true;
    pthread_mutex_unlock(&f->lock);
    while (turn(f)) {
        for (size_t i = 0; i < SNS_FETCHES; i++)
            if (step_of(&f->list[i]) == SNS_FETCH_UNDER_WAY)
                http_agent_cancel(f->agent, &f->list[i].ask);
        input_thread_linger(t, clock_mono() + NSEC_PER_SEC);
    }
}

int sns_fetcher_start(struct sns_fetcher *f, const char *stream, const char *label, struct err *e)
{
    const struct input_thread_conf conf = {.stream = stream, .input = label, .run = run, .arg = f};
    struct input_thread *t;
    int rc;

    rc = input_thread_start(&t, &conf, e);
    if (rc < 0)
        return -1;
    pthread_mutex_lock(&f->lock); /* requests may be there already */
    f->thread = t;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

void sns_fetcher_stop(struct sns_fetcher *f)
{
    input_thread_stop(f->thread);
}

bool sns_fetcher_ended(struct sns_fetcher *f, nsec until)
{
    return input_thread_ended(f->thread, until);
}
