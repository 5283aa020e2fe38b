#include "pipeline/inputs/sns/confirm.h"

#include "pipeline/inputs/sns/address.h"

#include <stdio.h>

/* --- confirmations ---------------------------------------------------------------------------------------------------- */

/* The fetcher's thread. */
static void confirmed(void *ctx, const struct sns_fetch *x)
{
    struct sns_request *rq = ctx;

    rq->confirmed = x->status;
    snprintf(rq->confirm_why, sizeof(rq->confirm_why), "%s", x->why);
    sns_resume(rq);
}

bool sns_confirm(struct sns_request *rq)
{
    struct input *in = rq->in;
    const struct sns_message *m = &rq->message;

    if (!sns_address_fits(m->subscribe_url, SNS_ADDRESS_CONFIRMATION, in->conf->certificate_url_prefix)) {
        sns_refuse(rq, MHD_HTTP_FORBIDDEN, SNS_EVENT_SIGNATURE, "nobody is asked at such an address",
                   "SubscribeURL is no address of SNS");
        return false;
    }
    if (!in->conf->confirm) {
        log_warn("SNS asks to confirm a subscription: it is not confirmed", KS("stream", in->env.stream),
                 KS("input", in->label), KB("topic", m->topic), KB("url", m->subscribe_url),
                 KS("hint", "ask for this address within three days to confirm it, or set confirm: auto"));
        sns_conclude(rq, MHD_HTTP_OK, "it is not confirmed: the operator has to do that");
        return false;
    }
    if (sns_enter(rq, SNS_STEP_CONFIRM) < 0)
        return false;
    sns_suspend(rq);
    if (!sns_fetcher_get(&in->fetcher, m->subscribe_url, confirmed, rq)) {
        rq->confirmed = 0;
        snprintf(rq->confirm_why, sizeof(rq->confirm_why), "too much is being asked for");
        sns_resume(rq);
    }
    return true;
}

void sns_judge_confirmed(struct sns_request *rq)
{
    struct input *in = rq->in;

    if (rq->confirmed == 200) {
        log_info("a subscription is confirmed", KS("stream", in->env.stream), KS("input", in->label),
                 KB("topic", rq->message.topic));
        sns_conclude(rq, MHD_HTTP_OK, "it is confirmed");
        return;
    }
    input_health_add(in->env.health, INPUT_FAILED_CALLS, 1);
    log_warn("a subscription could not be confirmed; SNS asks again", KS("stream", in->env.stream),
             KS("input", in->label), KB("topic", rq->message.topic), KS("cause", rq->confirm_why),
             KS("hint", "can this machine reach SNS (https://sns.REGION.amazonaws.com)? see the option `proxy`"));
    sns_conclude(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "the subscription could not be confirmed now; send it again");
}

void sns_note_unsubscribed(struct sns_request *rq)
{
    struct input *in = rq->in;

    log_warn("a subscription was taken away: SNS sends no more messages of this topic here",
             KS("stream", in->env.stream), KS("input", in->label), KB("topic", rq->message.topic),
             KS("hint", "if that was not meant, subscribe the endpoint again (`aws sns subscribe`)"));
    sns_conclude(rq, MHD_HTTP_OK, "it is noted");
}
