#include "pipeline/inputs/sns/sender.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/inputs/sns/address.h"

#include <string.h>
#include <strings.h>

/* --- who asks --------------------------------------------------------------------------------------------------------- */

/* Takes as long whatever is wrong with it. */
static bool is_secret(const struct sns_request *rq, struct slice shown)
{
    unsigned char a[SHA256_BYTES], b[SHA256_BYTES];

    sha256_of(shown, a);
    sha256_of(slice_str(rq->in->conf->secret), b);
    return equal_constant_time(a, b, sizeof(a));
}

/* "Basic base64(any:SECRET)" */
static bool password_is_right(const struct sns_request *rq, const char *authorization)
{
    char text[512 + BASE64_SLACK], *colon;
    struct slice coded;
    bool right;
    long n;

    if (strncasecmp(authorization, "Basic ", 6) != 0)
        return false;
    coded = slice_trim(slice_str(authorization + 6));
    if (base64_decoded_max(coded.n) > 512)
        return false;
    n = base64_decode(coded, text);
    colon = n > 0 ? memchr(text, ':', (size_t)n) : NULL;
    right = colon && is_secret(rq, slice_of(colon + 1, (size_t)(text + n - colon - 1)));
    memset(text, 0, sizeof(text));
    return right;
}

/* SNS shows a password when it is asked for one, each time anew. So a request without any is of no interest once one has shown it; before
 * that, the subscription may have been made without. */
int sns_check_secret(struct sns_request *rq, const char *url)
{
    static const char WANTED[] = "this endpoint wants its secret";
    struct input *in = rq->in;
    const char *authorization = sns_header(rq, "Authorization");
    bool in_path = strncmp(url, in->beneath, strlen(in->beneath)) == 0;

    if (!in->conf->secret)
        return 0;
    if ((in_path && is_secret(rq, slice_str(url + strlen(in->beneath)))) ||
        (authorization && password_is_right(rq, authorization))) {
        atomic_store(&in->secret_shown, true);
        return 0;
    }
    if (in_path || authorization)
        return sns_refuse(rq, MHD_HTTP_UNAUTHORIZED, SNS_EVENT_SECRET,
                          "compare the endpoint of the subscription with `secret`; others who know the address may try",
                          "the secret is wrong");
    if (atomic_load(&in->secret_shown))
        return sns_conclude(rq, MHD_HTTP_UNAUTHORIZED, "%s", WANTED);
    return sns_refuse(
        rq, MHD_HTTP_UNAUTHORIZED, SNS_EVENT_SECRET,
        "the endpoint of the subscription is PATH/SECRET, or has it as a password (https://any:SECRET@host/path)", "%s",
        WANTED);
}

static bool is_listed(const struct input *in, struct slice topic)
{
    for (size_t i = 0; i < in->conf->topics.n; i++)
        if (slice_is(topic, in->conf->topics.v[i]))
            return true;
    return false;
}

int sns_check_topic(struct sns_request *rq, struct slice topic)
{
    if (is_listed(rq->in, topic))
        return 0;
    return sns_refuse(rq, MHD_HTTP_FORBIDDEN, SNS_EVENT_TOPIC,
                      "list the topic in `topics` if its messages are wanted, or take the subscription away",
                      "the topic is not one of those that this input takes");
}

/* --- a signed message ------------------------------------------------------------------------------------------------- */

/* Two clocks differ, both ways. SNS tries for an hour at most, and its last attempt is not to be refused for that. */
int sns_check_age(struct sns_request *rq)
{
    nsec age = clock_wall() - rq->message.sent;

    if (age > rq->in->conf->max_age + SNS_CLOCK_SKEW)
        return sns_refuse(rq, MHD_HTTP_FORBIDDEN, SNS_EVENT_AGE,
                          "somebody sends an old message again, or the clock of this machine is wrong, or max_age "
                          "is shorter than SNS's retries",
                          "the message is %lld s old, and max_age is %lld s", (long long)(age / NSEC_PER_SEC),
                          (long long)(rq->in->conf->max_age / NSEC_PER_SEC));
    if (age < -SNS_CLOCK_SKEW)
        return sns_refuse(rq, MHD_HTTP_SERVICE_UNAVAILABLE, SNS_EVENT_AGE,
                          "set the clock of this machine (chronyd, systemd-timesyncd)",
                          "the message was published %lld s from now", (long long)(-age / NSEC_PER_SEC));
    return 0;
}

static int check_version(struct sns_request *rq, enum signer_digest *digest)
{
    bool first = slice_is(rq->message.version, "1");

    *digest = first ? SIGNER_SHA1 : SIGNER_SHA256;
    if (!first && !slice_is(rq->message.version, "2"))
        return sns_refuse(rq, MHD_HTTP_FORBIDDEN, SNS_EVENT_SIGNATURE, "SNS knows 1 and 2",
                          "SignatureVersion is none that is known");
    if (first && rq->in->conf->signature == SNS_SIGNATURES_V2)
        return sns_refuse(rq, MHD_HTTP_FORBIDDEN, SNS_EVENT_SIGNATURE,
                          "set the topic's SignatureVersion to 2, or signature: any",
                          "the message is signed with SHA-1, and `signature` is v2");
    return 0;
}

static int check_signature(struct sns_request *rq, const struct signer *signer, enum signer_digest digest)
{
    const struct sns_message *m = &rq->message;
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
        return sns_refuse(rq, MHD_HTTP_SERVICE_UNAVAILABLE, SNS_EVENT_SIGNATURE,
                          "this machine's OpenSSL forbids it: set the topic's SignatureVersion to 2",
                          "a signature of this kind cannot be checked here");
    return sns_refuse(rq, MHD_HTTP_FORBIDDEN, SNS_EVENT_SIGNATURE,
                      "somebody else sends here, or something on the way changes bodies", "the signature is wrong");
}

static void on_waiter_suspend(struct sns_waiter *w)
{
    sns_suspend(CONTAINER_OF(w, struct sns_request, waiter));
}

static void on_waiter_resume(struct sns_waiter *w)
{
    sns_resume(CONTAINER_OF(w, struct sns_request, waiter));
}

int sns_check_sender(struct sns_request *rq)
{
    struct input *in = rq->in;
    const struct sns_message *m = &rq->message;
    enum signer_digest digest;
    struct sns_certificate *c;
    char why[256] = "";
    int rc;

    if (check_version(rq, &digest) < 0)
        return -1;
    if (!sns_address_fits(m->certificate_url, SNS_ADDRESS_CERTIFICATE, in->conf->certificate_url_prefix))
        return sns_refuse(rq, MHD_HTTP_FORBIDDEN, SNS_EVENT_SIGNATURE,
                          "somebody else sends here; for a server of your own see certificate_url_prefix",
                          "SigningCertURL is no address of SNS");
    rq->waiter = (struct sns_waiter){.suspend = on_waiter_suspend, .resume = on_waiter_resume};
    if (sns_enter(rq, SNS_STEP_CERTIFICATE) < 0)
        return -1;
    switch (
        sns_certificates_ask(&in->certificates, m->certificate_url, &rq->waiter, clock_mono(), clock_wall(), &c, why)) {
    case SNS_ASK_WAITS:
        return 1;
    case SNS_ASK_GOOD:
        sns_leave(in);
        rc = check_signature(rq, c->signer, digest);
        sns_certificates_give_back(c, rc == 0);
        return rc;
    case SNS_ASK_LATER:
        break;
    }
    sns_leave(in);
    return sns_conclude(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", why);
}
