/* sns.c -- the input that a topic of SNS posts to: an endpoint for HTTP(S) subscriptions.
 *
 * It is a protocol of the pushed inputs (push.h): what a request has is request.c; certificates are fetched and subscriptions confirmed beside
 * it (fetch.h). A message is answered with 200 when its record is safe in the spool; its id is remembered in the same write, so a message
 * that SNS sends once more is one record all the same. */
#include "pipeline/inputs/sns/impl.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/sns/reach.h"

#include <string.h>

/* A certificate came, or could not be had. Under the certificates' lock. */
static void on_certificate(void *ctx, const struct sns_certificate *c)
{
    struct sns *own = ctx;

    if (c->state == SNS_CERTIFICATE_GOOD) {
        if (!log_due(&own->known, clock_mono(), PUSH_SAYS_EVERY))
            return;
        log_info("a signing certificate is known now", KS("stream", own->env.stream), KS("input", own->label),
                 KS("url", c->url), KU("suppressed", own->known.suppressed));
        return;
    }
    input_health_add(own->env.health, INPUT_FAILED_CALLS, 1);
    if (!log_due(&own->wrong, clock_mono(), PUSH_SAYS_EVERY))
        return;
    log_warn(
        "messages cannot be checked, and are answered with 503: SNS sends them again", KS("stream", own->env.stream),
        KS("input", own->label), KS("url", c->url), KS("cause", c->why), KU("suppressed", own->wrong.suppressed),
        KS("hint", "can this machine reach SNS (https://sns.REGION.amazonaws.com), and is its clock right? see the "
                   "option `proxy`"));
}

static void release(struct sns *own)
{
    if (own->opened) {
        sns_certificates_release(&own->certificates);
        sns_fetcher_close(&own->fetcher);
    }
    sns_filter_free(&own->filter);
    mem_free(own);
}

static void sns_close(struct input **in)
{
    struct sns *own;

    if (!*in)
        return;
    own = push_own(*in);
    push_close(in); /* nobody asks for anything any more */
    release(own);
}

static int open_own(struct sns *own, struct err *e)
{
    const struct sns_conf *conf = own->conf;
    const struct sns_fetcher_conf fetcher = {
        .proxy = conf->proxy, .base_dir = own->env.base_dir, .agent = own->env.agent};

    if (conf->filter_policy &&
        sns_filter_new(&own->filter, slice_str(conf->filter_policy), (enum sns_scope)conf->filter_policy_scope, e) < 0)
        return -1;
    own->opened = true;
    sns_certificates_init(&own->certificates, &own->fetcher, conf->certificate_url_prefix != NULL, on_certificate, own);
    return sns_fetcher_open(&own->fetcher, &fetcher, e);
}

static int sns_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    struct sns *own = mem_alloc(sizeof(*own));
    const struct sns_conf *c = conf;
    const struct push_opening with = {
        .protocol = &sns_protocol, .push = &c->push, .conf = c, .own = own, .token = c->secret};

    own->conf = c;
    own->env = *env;
    own->label = input_health_label(env->health, "sns");
    if (open_own(own, e) == 0 && push_open_with(in, &with, env, e) == 0)
        return 0;
    release(own);
    return -1;
}

static int sns_start(struct input *in, struct err *e)
{
    struct sns *own = push_own(in);

    return push_start(in, e) < 0 ? -1 : sns_fetcher_start(&own->fetcher, own->env.stream, own->label, e);
}

static void sns_stop(struct input *in)
{
    push_stop(in);
    sns_fetcher_stop(&((struct sns *)push_own(in))->fetcher);
}

static bool sns_stopped(struct input *in, nsec until)
{
    return sns_fetcher_ended(&((struct sns *)push_own(in))->fetcher, until) && push_stopped(in, until);
}

/* And the fetcher's. */
static unsigned sns_threads(const void *conf)
{
    return push_threads(conf) + 1;
}

static unsigned sns_sockets(const void *conf)
{
    return push_sockets(conf) + SNS_FETCHES;
}

const struct input_ops sns_ops = {
    .name = "sns",
    .help = "takes what topics of Amazon SNS post to an HTTP(S) subscription: checks who signed it, confirms the "
            "subscription, and answers when "
            "the message is safe in the spool (docs/sns.md)",
    .fields = sns_fields,
    .conf_size = sizeof(struct sns_conf),
    .threads = sns_threads,
    .sockets = sns_sockets,
    .open = sns_open,
    .start = sns_start,
    .stop = sns_stop,
    .stopped = sns_stopped,
    .close = sns_close,
    .check_conf = sns_conf_check_all,
    .same_positions = sns_conf_same_positions,
    .route = sns_conf_route,
    .probe = sns_probe,
};
