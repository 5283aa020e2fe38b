#include "pipeline/put/sender.h"

#include "config/address.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/cli/cli.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the connection ----------------------------------------------------------------------------------------------- */

/* Where a server that listens everywhere can be reached from here. */
static char *endpoint_of(const struct api_conf *api)
{
    struct address at;
    struct err e;
    const char *host;

    if (address_parse(api->listen, &at, &e) < 0)
        return NULL;
    host = strcmp(at.host, "0.0.0.0") == 0 ? "127.0.0.1" : strcmp(at.host, "::") == 0 ? "::1" : at.host;
    return mem_printf(strchr(host, ':') ? "http://[%s]:%u" : "http://%s:%u", host, at.port);
}

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

/* The file knows the keys of its own API. Those of a server that was named on the command line (AWS, say) are what the
 * shell has. */
static void choose_key(struct put_client_conf *conf, const struct settings *s, bool own_api)
{
    bool found = own_api ? key_from_file(conf, s) || key_from_environment(conf)
                         : key_from_environment(conf) || key_from_file(conf, s);

    (void)found; /* without a key requests are not signed */
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

static int connect_client(const struct put_sender_conf *o, struct put_client **client)
{
    struct settings *s = NULL;
    struct put_client_conf conf = {.endpoint = o->endpoint};
    char *endpoint = NULL;
    struct err e;
    int rc = CLI_USAGE;

    if (!o->endpoint || o->config) {
        s = cli_load_settings(o->config, &(struct settings_use){.api = true});
        if (!s)
            return CLI_USAGE;
    }
    if (!conf.endpoint)
        conf.endpoint = endpoint = endpoint_of(&s->api);
    conf.region = choose_region(s, !o->endpoint);
    choose_key(&conf, s, !o->endpoint);
    if (conf.endpoint && put_client_open(client, &conf, &e) == 0)
        rc = CLI_DONE;
    else
        fprintf(stderr, "sluice %s: %s\n", o->command,
                conf.endpoint ? e.msg : "the configuration has no address for the API");
    mem_free(endpoint);
    settings_free(&s);
    return rc;
}

int put_sender_open(struct put_sender *s, const struct put_sender_conf *conf)
{
    *s = (struct put_sender){.conf = *conf};
    put_batch_init(&s->batch);
    buf_init(&s->body, PUT_BODY_MAX);
    buf_init(&s->reply, PUT_REPLY_MAX);
    progress_init(&s->progress, conf->verb, STDERR_FILENO, clock_mono());
    return connect_client(conf, &s->client);
}

void put_sender_close(struct put_sender *s)
{
    put_client_close(&s->client);
    put_batch_release(&s->batch);
    buf_release(&s->body);
    buf_release(&s->reply);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* Between half of it and all of it, so that many senders do not come back together. */
static void pause_for(nsec d)
{
    uint32_t half = (uint32_t)(d / NSEC_PER_MSEC / 2);

    poll(NULL, 0, (int)(half + random_bits() % (half + 1)));
}

/* One attempt. What was taken is counted; *why says what was not. */
static enum put_verdict attempt(struct put_sender *s, char *why, size_t size)
{
    struct put_result result;
    struct err e;
    long status;
    enum put_verdict verdict;

    buf_clear(&s->body);
    if (put_batch_body(&s->batch, s->conf.stream, &s->body) < 0) {
        snprintf(why, size, "no memory for a request");
        return PUT_REFUSED;
    }
    if (put_client_send(s->client, buf_slice(&s->body), clock_wall(), &status, &s->reply, &e) < 0) {
        snprintf(why, size, "%s", e.msg);
        return PUT_AGAIN;
    }
    verdict = put_batch_judge(&s->batch, status, buf_slice(&s->reply), &result);
    s->count.records += result.taken;
    s->count.bytes += result.taken_bytes;
    snprintf(why, size, "%s", result.why);
    return verdict;
}

int put_sender_flush(struct put_sender *s)
{
    nsec pause = PUT_PAUSE_FIRST, since = clock_mono();
    char why[512];

    while (s->batch.count) {
        uint64_t before = s->count.records;
        enum put_verdict verdict = attempt(s, why, sizeof(why));
        nsec now = clock_mono();

        progress_update(&s->progress, &s->count, now);
        if (s->count.records > before && s->conf.taken && s->conf.taken(s->conf.ctx) < 0)
            return -1;
        if (verdict == PUT_DONE)
            return 0;
        if (s->count.records > before) {
            since = now;
            pause = PUT_PAUSE_FIRST;
        }
        if (verdict == PUT_REFUSED || now - since >= s->conf.give_up) {
            fprintf(stderr, "sluice %s: %s%s\n", s->conf.command, why, verdict == PUT_AGAIN ? "; gave up" : "");
            return -1;
        }
        pause_for(pause);
        pause = pause * 2 > PUT_PAUSE_MAX ? PUT_PAUSE_MAX : pause * 2;
    }
    return 0;
}

int put_sender_add(struct put_sender *s, struct slice rec, uint64_t tag)
{
    if (put_batch_add(&s->batch, rec, tag))
        return 0;
    if (put_sender_flush(s) < 0)
        return -1;
    return put_batch_add(&s->batch, rec, tag) ? 0 : -1;
}
