#include "pipeline/inputs/sns/confirm.h"

#include "pipeline/inputs/sns/address.h"

#include <stdio.h>

/* --- confirmations ---------------------------------------------------------------------------------------------------- */

/* The fetcher's thread. */
static void confirmed(void *ctx, const struct sns_fetch *x)
{
    struct sns_session *s = ctx;

    s->confirmed = x->status;
    snprintf(s->confirm_why, sizeof(s->confirm_why), "%s", x->why);
    push_resume(s->rq);
}

int sns_confirm(struct push_request *rq)
{
    struct sns *own = push_own_of(rq);
    struct sns_session *s = push_session(rq);
    const struct sns_message *m = &s->message;

    if (!sns_address_fits(m->subscribe_url, SNS_ADDRESS_CONFIRMATION, own->conf->certificate_url_prefix))
        return push_refuse_as(rq, SNS_KIND_SIGNATURE, MHD_HTTP_FORBIDDEN, "nobody is asked at such an address",
                              "SubscribeURL is no address of SNS");
    if (!own->conf->confirm) {
        log_warn("SNS asks to confirm a subscription: it is not confirmed", KS("stream", own->env.stream),
                 KS("input", own->label), KB("topic", m->topic), KB("url", m->subscribe_url),
                 KS("hint", "ask for this address within three days to confirm it, or set confirm: auto"));
        return push_conclude(rq, MHD_HTTP_OK, "it is not confirmed: the operator has to do that");
    }
    if (push_wait(rq) < 0)
        return -1;
    s->step = SNS_STEP_CONFIRM;
    push_suspend(rq);
    if (!sns_fetcher_get(&own->fetcher, m->subscribe_url, confirmed, s)) {
        s->confirmed = 0;
        snprintf(s->confirm_why, sizeof(s->confirm_why), "too much is being asked for");
        push_resume(rq);
    }
    return 1;
}

int sns_judge_confirmed(struct push_request *rq)
{
    const struct sns *own = push_own_of(rq);
    const struct sns_session *s = push_session(rq);

    if (s->confirmed == 200) {
        log_info("a subscription is confirmed", KS("stream", own->env.stream), KS("input", own->label),
                 KB("topic", s->message.topic));
        return push_conclude(rq, MHD_HTTP_OK, "it is confirmed");
    }
    input_health_add(own->env.health, INPUT_FAILED_CALLS, 1);
    log_warn("a subscription could not be confirmed; SNS asks again", KS("stream", own->env.stream),
             KS("input", own->label), KB("topic", s->message.topic), KS("cause", s->confirm_why),
             KS("hint", "can this machine reach SNS (https://sns.REGION.amazonaws.com)? see the option `proxy`"));
    return push_conclude(rq, MHD_HTTP_SERVICE_UNAVAILABLE,
                         "the subscription could not be confirmed now; send it again");
}

int sns_note_unsubscribed(struct push_request *rq)
{
    const struct sns *own = push_own_of(rq);
    const struct sns_session *s = push_session(rq);

    log_warn("a subscription was taken away: SNS sends no more messages of this topic here",
             KS("stream", own->env.stream), KS("input", own->label), KB("topic", s->message.topic),
             KS("hint", "if that was not meant, subscribe the endpoint again (`aws sns subscribe`)"));
    return push_conclude(rq, MHD_HTTP_OK, "it is noted");
}
