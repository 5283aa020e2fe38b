#include "pipeline/inputs/sns/sender.h"

#include "pipeline/base/base64.h"
#include "pipeline/inputs/sns/address.h"

/* --- any message ------------------------------------------------------------------------------------------------------ */

/* What is asked for has been found to be plain: it may stand in the log. */
int sns_check_topic(struct push_request *rq, struct slice topic)
{
    const struct cfg_strings *topics = &((const struct sns_conf *)push_conf_of(rq))->topics;

    for (size_t i = 0; i < topics->n; i++)
        if (slice_is(topic, topics->v[i]))
            return 0;
    return push_refuse_as(rq, SNS_KIND_TOPIC, MHD_HTTP_FORBIDDEN,
                          "list the topic in `topics` if its messages are wanted, or take the subscription away",
                          "the topic is not one of those that this input takes: %.*s", (int)topic.n, topic.p);
}

/* --- a signed message ------------------------------------------------------------------------------------------------- */

/* Two clocks differ, both ways. SNS tries for an hour at most, and its last attempt is not to be refused for that. */
int sns_check_age(struct push_request *rq)
{
    const struct sns_conf *conf = push_conf_of(rq);
    const struct sns_session *s = push_session(rq);
    nsec age = clock_wall() - s->message.sent;

    if (age > conf->max_age + SNS_CLOCK_SKEW)
        return push_refuse_as(rq, SNS_KIND_AGE, MHD_HTTP_FORBIDDEN,
                              "somebody sends an old message again, or the clock of this machine is wrong, or max_age "
                              "is shorter than SNS's retries",
                              "the message is %lld s old, and max_age is %lld s", (long long)(age / NSEC_PER_SEC),
                              (long long)(conf->max_age / NSEC_PER_SEC));
    if (age < -SNS_CLOCK_SKEW)
        return push_refuse_as(rq, SNS_KIND_AGE, MHD_HTTP_SERVICE_UNAVAILABLE,
                              "set the clock of this machine (chronyd, systemd-timesyncd)",
                              "the message was published %lld s from now", (long long)(-age / NSEC_PER_SEC));
    return 0;
}

static int check_version(struct push_request *rq, enum signer_digest *digest)
{
    const struct sns_conf *conf = push_conf_of(rq);
    const struct sns_session *s = push_session(rq);
    bool first = slice_is(s->message.version, "1");

    *digest = first ? SIGNER_SHA1 : SIGNER_SHA256;
    if (!first && !slice_is(s->message.version, "2"))
        return push_refuse_as(rq, SNS_KIND_SIGNATURE, MHD_HTTP_FORBIDDEN, "SNS knows 1 and 2",
                              "SignatureVersion is none that is known");
    if (first && conf->signature == SNS_SIGNATURES_V2)
        return push_refuse_as(rq, SNS_KIND_SIGNATURE, MHD_HTTP_FORBIDDEN,
                              "set the topic's SignatureVersion to 2, or signature: any",
                              "the message is signed with SHA-1, and `signature` is v2");
    return 0;
}

static int check_signature(struct push_request *rq, const struct signer *signer, enum signer_digest digest)
{
    const struct sns_message *m = &((struct sns_session *)push_session(rq))->message;
    char signature[SNS_SIGNATURE_MAX + BASE64_SLACK];
    struct slice parts[SNS_PARTS_MAX];
    size_t count = sns_message_signed(m, parts);
    enum signer_answer answer = SIGNER_NO;
    long n = m->signature.n <= SNS_SIGNATURE_MAX ? base64_decode(m->signature, signature) : -1;

    if (n > 0)
        answer = signer_signed(signer, digest, parts, count, slice_of(signature, (size_t)n));
    if (answer == SIGNER_YES)
        return 0;
    if (answer == SIGNER_CANNOT)
        return push_refuse_as(rq, SNS_KIND_SIGNATURE, MHD_HTTP_SERVICE_UNAVAILABLE,
                              "this machine's OpenSSL forbids it: set the topic's SignatureVersion to 2",
                              "a signature of this kind cannot be checked here");
    return push_refuse_as(rq, SNS_KIND_SIGNATURE, MHD_HTTP_FORBIDDEN,
                          "somebody else sends here, or something on the way changes bodies", "the signature is wrong");
}

static void on_waiter_suspend(struct sns_waiter *w)
{
    push_suspend(CONTAINER_OF(w, struct sns_session, waiter)->rq);
}

static void on_waiter_resume(struct sns_waiter *w)
{
    push_resume(CONTAINER_OF(w, struct sns_session, waiter)->rq);
}

/* Of one that is there already nobody waits. */
static int check_certificate(struct push_request *rq, enum signer_digest digest)
{
    struct sns *own = push_own_of(rq);
    struct sns_session *s = push_session(rq);
    struct sns_certificate *c;
    char why[256] = "";
    int rc;

    s->waiter = (struct sns_waiter){.suspend = on_waiter_suspend, .resume = on_waiter_resume};
    if (push_wait(rq) < 0)
        return -1;
    s->step = SNS_STEP_CERTIFICATE;
    switch (sns_certificates_ask(&own->certificates, s->message.certificate_url, &s->waiter, clock_mono(), clock_wall(),
                                 &c, why)) {
    case SNS_ASK_WAITS:
        return 1;
    case SNS_ASK_GOOD:
        push_do_not_wait(rq);
        rc = check_signature(rq, c->signer, digest);
        sns_certificates_give_back(c, rc == 0);
        return rc;
    case SNS_ASK_LATER:
        break;
    }
    push_do_not_wait(rq);
    return push_conclude(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", why);
}

int sns_check_sender(struct push_request *rq)
{
    const struct sns_conf *conf = push_conf_of(rq);
    const struct sns_session *s = push_session(rq);
    enum signer_digest digest;

    if (check_version(rq, &digest) < 0)
        return -1;
    if (!sns_address_fits(s->message.certificate_url, SNS_ADDRESS_CERTIFICATE, conf->certificate_url_prefix))
        return push_refuse_as(rq, SNS_KIND_SIGNATURE, MHD_HTTP_FORBIDDEN,
                              "somebody else sends here; for a server of your own see certificate_url_prefix",
                              "SigningCertURL is no address of SNS");
    return check_certificate(rq, digest);
}
