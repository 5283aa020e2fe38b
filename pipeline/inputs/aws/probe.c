#include "pipeline/inputs/aws/probe.h"

#include "pipeline/base/limits.h"

#include <string.h>

/* One of both. */
struct asked {
    const char *operation;
    struct slice text;
    const struct s3_ask *object;
    bool none_is_fine;
};

static int make_request(struct aws_caller *a, const struct asked *x, struct http_request *rq, struct err *e)
{
    struct aws_keys keys;
    int rc;

    if (credentials_get(a->credentials, &keys, e) < 0)
        return -1;
    rc = x->object ? s3_request(rq, x->object, &keys, clock_wall(), e)
                   : aws_json_request(rq, a->conf.service, x->operation, &a->address, a->region, x->text, &keys,
                                      clock_wall(), e);
    aws_keys_wipe(&keys);
    return rc == 0 ? tls_options_get(a->tls, rq, e) : rc;
}

static int send(struct aws_caller *a, const struct asked *x, const struct http_request *rq, struct err *e)
{
    struct aws_json_error said;
    struct http_call c;
    bool answered;

    http_call_init(&c, a->conf.answer_max);
    answered = http_agent_call(a->conf.agent, &c, rq, NULL);
    if (answered && x->object)
        s3_judge(&c.re, &said);
    else if (answered)
        aws_json_judge(&c.re, &said);
    http_call_release(&c);
    if (!answered)
        return err_set(e, ERR_CANCELLED, "it was given up");
    if (said.trouble == AWS_FINE || (x->none_is_fine && strcmp(said.code, "NoSuchKey") == 0))
        return 0;
    return err_set(e, ERR_REMOTE, "%s%s%s; %s", said.code, said.code[0] && said.said[0] ? ": " : "", said.said,
                   aws_caller_hint(&a->conf, &said));
}

static int probe(const struct aws_caller_conf *conf, const struct asked *x, const struct input_probe *p, struct err *e)
{
    struct aws_caller_conf with = *conf;
    struct http_request rq;
    struct aws_caller a;
    nsec timeout = p->until - clock_mono();
    int rc;

    with.agent = p->agent;
    with.base_dir = p->base_dir;
    if (aws_caller_open(&a, &with, e) < 0)
        return -1;
    rq = (struct http_request){.proxy = conf->proxy,
                               .timeout = timeout > NSEC_PER_MSEC ? timeout : NSEC_PER_MSEC,
                               .response_max = conf->answer_max};
    rc = make_request(&a, x, &rq, e);
    if (rc == 0)
        rc = send(&a, x, &rq, e);
    http_request_release(&rq);
    aws_caller_close(&a);
    return rc;
}

int aws_probe(const struct aws_caller_conf *conf, const char *operation, struct slice text, const struct input_probe *p,
              struct err *e)
{
    const struct asked x = {.operation = operation, .text = text};

    return probe(conf, &x, p, e);
}

int aws_probe_object(const struct aws_caller_conf *conf, const struct s3_ask *o, bool none_is_fine,
                     const struct input_probe *p, struct err *e)
{
    const struct asked x = {.object = o, .none_is_fine = none_is_fine};

    return probe(conf, &x, p, e);
}
