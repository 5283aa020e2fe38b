/* A transport is made for each request: keys are asked for about once an hour, and a connection that waits for the next time would only
 * be in the way. */
#include "pipeline/aws/credentials/ask.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/http/tls.h"
#include "pipeline/http/transport/transport.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void aws_ask_init(struct aws_ask *a)
{
    *a = (struct aws_ask){.cancelled = false};
    pthread_mutex_init(&a->lock, NULL);
}

void aws_ask_release(struct aws_ask *a)
{
    pthread_mutex_destroy(&a->lock);
}

/* Locks: a->lock held. */
static void end_program(const struct aws_ask *a)
{
    if (a->program > 0)
        (void)kill(-a->program, SIGKILL);
}

void aws_ask_runs(struct aws_ask *a, pid_t group)
{
    pthread_mutex_lock(&a->lock);
    a->program = group;
    if (a->cancelled)
        end_program(a);
    pthread_mutex_unlock(&a->lock);
}

void aws_ask_cancel(struct aws_ask *a)
{
    pthread_mutex_lock(&a->lock);
    a->cancelled = true;
    end_program(a);
    if (a->transport)
        transport_wake(a->transport);
    pthread_mutex_unlock(&a->lock);
}

bool aws_ask_is_cancelled(struct aws_ask *a)
{
    bool cancelled;

    pthread_mutex_lock(&a->lock);
    cancelled = a->cancelled;
    pthread_mutex_unlock(&a->lock);
    return cancelled;
}

void aws_answer_release(struct aws_answer *a)
{
    if (a->body.n > 0)
        explicit_bzero(a->body.p, a->body.n);
    buf_release(&a->body);
}

/* --- one request --------------------------------------------------------------------------------------------------- */

struct call {
    struct exchange exchange;
    struct aws_answer *out;
    struct err *e;
    bool over;
    int rc;
};

static void on_done(struct exchange *x, const struct http_response *re)
{
    struct call *c = CONTAINER_OF(x, struct call, exchange);
    nsec theirs;

    c->over = true;
    if (re->failure != HTTP_OK) {
        c->rc = err_set(c->e, ERR_IO, "%s", re->failure_text);
    } else if (re->body_truncated || buf_add_slice(&c->out->body, re->body) < 0) {
        c->rc = err_set(c->e, ERR_LIMIT, "the answer has more than %d bytes", (int)AWS_ANSWER_MAX);
    } else {
        c->out->status = re->status;
        c->out->dated = http_date(http_response_header(re, "Date"), &theirs);
        c->out->ahead = c->out->dated ? re->wall_now - theirs : 0;
    }
}

static void show_transport(struct aws_ask *a, struct transport *t)
{
    pthread_mutex_lock(&a->lock);
    a->transport = t;
    pthread_mutex_unlock(&a->lock);
}

/* AWS_CA_BUNDLE names who is trusted, as for AWS's own tools. */
static int trust(struct http_request *rq, struct err *e)
{
    char *bundle = getenv("AWS_CA_BUNDLE");
    const struct tls_conf conf = {.verify = true, .ca_file = bundle && *bundle ? bundle : NULL};
    struct tls_options *tls = tls_options_new(&conf, NULL);
    int rc = tls_options_get(tls, rq, e);

    tls_options_free(&tls);
    return rc < 0 && conf.ca_file ? err_wrap(e, "AWS_CA_BUNDLE") : rc;
}

int aws_ask_http(struct aws_ask *a, struct http_request *rq, nsec timeout, struct aws_answer *out, struct err *e)
{
    struct call c = {.exchange = {.request = rq, .done = on_done}, .out = out, .e = e};
    struct transport *t = NULL;
    nsec end;

    *out = (struct aws_answer){.status = 0};
    buf_init(&out->body, AWS_ANSWER_MAX);
    rq->response_max = AWS_ANSWER_MAX;
    rq->timeout = timeout;
    if (trust(rq, e) < 0 || transport_new(&t, e) < 0)
        return -1;
    show_transport(a, t);
    end = clock_mono() + timeout;
    transport_start(t, &c.exchange);
    while (!c.over && clock_mono() < end && !aws_ask_is_cancelled(a))
        transport_run(t, end);
    if (!c.over)
        transport_cancel(t, &c.exchange);
    show_transport(a, NULL);
    transport_free(&t);
    if (c.over)
        return c.rc;
    if (aws_ask_is_cancelled(a))
        return err_set(e, ERR_CANCELLED, "it was not waited for");
    return err_set(e, ERR_IO, "no answer within %.3g s", (double)timeout / (double)NSEC_PER_SEC);
}
