/* One batch at a time, in order. What the server does not take stays in the batch and is sent again after a pause
 * that doubles up to a bound; each record that is taken sets the pause and the clock of `give_up` back. So a server
 * that is slow or overloaded is waited for, and only one that takes nothing at all ends the sending. */
#include "pipeline/put/sender.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/server/server_tls.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the connection ----------------------------------------------------------------------------------------------- */

static const char *environment(const char *name)
{
    const char *v = getenv(name);

    return v && *v ? v : NULL;
}

static bool key_from_environment(struct put_client_conf *conf)
{
    const char *id = environment("AWS_ACCESS_KEY_ID"), *secret = environment("AWS_SECRET_ACCESS_KEY");

    if (!id || !secret)
        return false;
    conf->access_key_id = id;
    conf->secret_access_key = secret;
    conf->session_token = environment("AWS_SESSION_TOKEN");
    return true;
}

static bool key_from_file(struct put_client_conf *conf, const struct settings *s)
{
    if (!s || s->api.credential_count == 0)
        return false;
    conf->access_key_id = s->api.credentials[0].access_key_id;
    conf->secret_access_key = s->api.credentials[0].secret_access_key;
    return true;
}

static const char *choose_region(const struct settings *s, bool own_api)
{
    const char *region = environment("AWS_REGION");

    if (!region)
        region = environment("AWS_DEFAULT_REGION");
    if (s && (own_api || !region))
        region = s->api.region;
    return region ? region : "us-east-1";
}

int put_sender_open(struct put_sender *s, const struct put_sender_conf *conf, struct err *e)
{
    struct put_client_conf to = {.endpoint = conf->endpoint};
    const struct settings *file = conf->settings;
    bool own_api = !conf->endpoint;
    char *endpoint = NULL, *cert_file = NULL, *key_file = NULL, *authorization = NULL;
    int rc;

    *s = (struct put_sender){.conf = *conf};
    put_batch_init(&s->batch);
    buf_init(&s->body, PUT_BODY_MAX);
    buf_init(&s->reply, PUT_REPLY_MAX);
    if (own_api)
        to.endpoint = endpoint = put_endpoint_of(file->api.listen, file->api.tls.cert_file != NULL);
    if (own_api && file->api.tls.cert_file)
        to.cert_file = cert_file = server_tls_path(file->api.tls.cert_file, file->base_dir);
    if (cert_file && file->api.tls.client_ca_file)
        to.key_file = key_file = server_tls_path(file->api.tls.key_file, file->base_dir);
    to.region = choose_region(file, own_api);
    /* The file knows what its own API wants. The keys of a server that was named on the command line (AWS, say) are what the shell
     * has. Without a key requests are not signed. */
    if (own_api && !key_from_file(&to, file))
        to.authorization = authorization = http_access_shown(&file->api.access);
    if (!to.access_key_id && !authorization && !key_from_environment(&to))
        (void)key_from_file(&to, file);
    rc = to.endpoint ? put_client_open(&s->client, &to, e)
                     : err_set(e, ERR_CONFIG, "the configuration has no address for the API");
    mem_free(endpoint);
    mem_free(cert_file);
    mem_free(key_file);
    mem_wipe(authorization);
    return rc;
}

void put_sender_close(struct put_sender *s)
{
    put_client_close(&s->client);
    put_batch_release(&s->batch);
    buf_release(&s->body);
    buf_release(&s->reply);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* One attempt. What was taken is counted; e says why the rest was not. */
static enum put_verdict attempt(struct put_sender *s, struct err *e)
{
    struct put_result result;
    long status;
    enum put_verdict verdict;

    buf_clear(&s->body);
    if (put_batch_body(&s->batch, s->conf.stream, &s->body) < 0) {
        err_set(e, ERR_NOMEM, "no memory for a request");
        return PUT_REFUSED;
    }
    if (put_client_send(s->client, buf_slice(&s->body), clock_wall(), &status, &s->reply, e) < 0)
        return PUT_AGAIN;
    verdict = put_batch_judge(&s->batch, status, buf_slice(&s->reply), &result);
    s->count.records += result.taken;
    s->count.bytes += result.taken_bytes;
    if (verdict != PUT_DONE)
        err_set(e, ERR_REMOTE, "%s", result.why);
    return verdict;
}

int put_sender_flush(struct put_sender *s, struct err *e)
{
    nsec pause = PUT_PAUSE_FIRST, since = clock_mono();
    uint32_t half;

    while (s->batch.count) {
        uint64_t before = s->count.records;
        enum put_verdict verdict = attempt(s, e);
        nsec now = clock_mono();

        s->conf.progress(s->conf.ctx, &s->count);
        if (s->count.records > before && s->conf.taken && s->conf.taken(s->conf.ctx, e) < 0)
            return -1;
        if (verdict == PUT_DONE)
            return 0;
        if (s->count.records > before) {
            since = now;
            pause = PUT_PAUSE_FIRST;
        }
        if (verdict == PUT_REFUSED)
            return -1;
        if (now - since >= s->conf.give_up) {
            snprintf(e->msg + strlen(e->msg), sizeof(e->msg) - strlen(e->msg), "; gave up");
            return -1;
        }
        /* Between half of it and all of it, so that many senders do not come back together. */
        half = (uint32_t)(pause / NSEC_PER_MSEC / 2);
        poll(NULL, 0, (int)(half + random_bits() % (half + 1)));

        pause = pause * 2 > PUT_PAUSE_MAX ? PUT_PAUSE_MAX : pause * 2;
    }
    return 0;
}

int put_sender_add(struct put_sender *s, struct slice rec, uint64_t tag, struct err *e)
{
    if (put_batch_add(&s->batch, rec, tag))
        return 0;
    if (put_sender_flush(s, e) < 0)
        return -1;
    return put_batch_add(&s->batch, rec, tag) ? 0 : err_set(e, ERR_NOMEM, "no memory for a record");
}
