#include "pipeline/inputs/sns/reach.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/agent/agent.h"
#include "pipeline/http/tls.h"
#include "pipeline/inputs/sns/options.h"

#include <string.h>

static int check_tls(const struct sns_conf *c, const char *base_dir, struct err *e)
{
    struct server_tls *t;
    int rc;

    if (!server_tls_set(&c->push.tls))
        return 0;
    t = server_tls_new(&c->push.tls, base_dir, "sns");
    rc = server_tls_read(t, e);
    server_tls_free(&t);
    return rc;
}

/* Of the first topic: arn:aws:sns:eu-west-1:123456789012:name. */
static char *address_of(const struct sns_conf *c)
{
    const char *arn = c->topics.v[0] + strlen("arn:"), *region = strstr(arn, ":sns:") + strlen(":sns:");

    if (c->certificate_url_prefix)
        return mem_strdup(c->certificate_url_prefix);
    return mem_printf("https://sns.%.*s.amazonaws.com%s/", (int)strcspn(region, ":"), region,
                      strncmp(arn, "aws-cn:", 7) == 0 ? ".cn" : "");
}

/* Whatever it answers, it is there. */
static int ask(const struct http_request *rq, struct http_agent *agent, struct err *e)
{
    struct http_call c;
    int rc = -1;

    http_call_init(&c, SNS_CERTIFICATE_MAX);
    if (!http_agent_call(agent, &c, rq, NULL))
        err_set(e, ERR_CANCELLED, "it was given up");
    else if (c.failure != HTTP_OK)
        err_set(e, ERR_REMOTE,
                "%s cannot be reached: %s; it is needed for certificates, and to confirm subscriptions: see the option "
                "`proxy`",
                rq->url, c.failure_text);
    else
        rc = 0;
    http_call_release(&c);
    return rc;
}

int sns_probe(const void *conf, const struct input_probe *p, struct err *e)
{
    static const struct tls_conf TLS = {.verify = true};
    const struct sns_conf *c = conf;
    nsec timeout = p->until - clock_mono();
    struct http_request rq = {.method = "GET",
                              .bare = true,
                              .proxy = c->proxy,
                              .timeout = timeout > NSEC_PER_MSEC ? timeout : NSEC_PER_MSEC,
                              .response_max = SNS_CERTIFICATE_MAX};
    struct tls_options *tls;
    int rc = -1;

    if (check_tls(c, p->base_dir, e) < 0)
        return -1;
    rq.url = address_of(c);
    tls = tls_options_new(&TLS, p->base_dir);
    if (tls_options_get(tls, &rq, e) == 0)
        rc = ask(&rq, p->agent, e);
    tls_options_free(&tls);
    http_request_release(&rq);
    return rc;
}
