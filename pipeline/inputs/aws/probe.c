#include "pipeline/inputs/aws/probe.h"

#include "pipeline/base/limits.h"

static int call(struct aws_caller *a, const char *operation, struct slice text, nsec timeout, struct err *e)
{
    struct http_request rq = {.proxy = a->conf.proxy, .timeout = timeout, .response_max = a->conf.answer_max};
    struct aws_json_error said;
    struct aws_keys keys;
    struct http_call c;
    bool answered = false;

    if (credentials_get(a->credentials, &keys, e) < 0)
        return -1;
    if (aws_json_request(&rq, a->conf.service, operation, &a->address, a->region, text, &keys, clock_wall(), e) < 0) {
        aws_keys_wipe(&keys);
        http_request_release(&rq);
        return -1;
    }
    aws_keys_wipe(&keys);
    http_call_init(&c, a->conf.answer_max);
    if (tls_options_get(a->tls, &rq, e) == 0) {
        answered = http_agent_call(a->conf.agent, &c, &rq, NULL);
        if (answered)
            aws_json_judge(&c.re, &said);
        else
            err_set(e, ERR_CANCELLED, "it was given up");
    }
    http_call_release(&c);
    http_request_release(&rq);
    if (!answered)
        return -1;
    if (said.trouble == AWS_FINE)
        return 0;
    return err_set(e, ERR_REMOTE, "%s%s%s; %s", said.code, said.code[0] && said.said[0] ? ": " : "", said.said,
                   aws_caller_hint(&a->conf, &said));
}

int aws_probe(const struct aws_caller_conf *conf, const char *operation, struct slice text, const struct input_probe *p,
              struct err *e)
{
    struct aws_caller_conf with = *conf;
    struct aws_caller a;
    nsec timeout = p->until - clock_mono();
    int rc;

    with.agent = p->agent;
    with.base_dir = p->base_dir;
    if (aws_caller_open(&a, &with, e) < 0)
        return -1;
    rc = call(&a, operation, text, timeout > NSEC_PER_MSEC ? timeout : NSEC_PER_MSEC, e);
    aws_caller_close(&a);
    return rc;
}
