#include "pipeline/inputs/stomp/options.h"

#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static const struct cfg_choice TOO_LARGE[] = {{"leave", 0}, {"nack", 1}, {NULL, 0}};

static const struct broker_scheme SCHEMES[] = {{"stomp", 61613, false}, {"stomp+ssl", 61614, true}, {.name = NULL}};

/* clang-format off */
#define AT(member) .offset = offsetof(struct stomp_conf, member)

const struct cfg_field stomp_fields[] = {
    {.name = "url", .type = CFG_STRING, AT(url), .required = true, .max = 290,
     .help = "stomp://HOST:PORT, or stomp+ssl://HOST:PORT for TLS; without a port 61613 and 61614"},
    {.name = "destination", .type = CFG_STRING, AT(destination), .required = true, .max = 150,
     .help = "what is read, as the server names it: /queue/NAME or /topic/NAME; of Artemis also the address alone"},
    {.name = "user", .type = CFG_STRING, AT(user), .max = 1024, .help = "left out: none is sent"},
    {.name = "password", .type = CFG_STRING, AT(password), .max = 4096, .secret = true, .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = "vhost", .type = CFG_STRING, AT(vhost), .max = 255,
     .help = "the header `host`; left out: the host of url. RabbitMQ's is / mostly"},
    {.name = "selector", .type = CFG_STRING, AT(selector), .max = 4096,
     .help = "only messages of which this is true, in the server's words"},
    {.name = "client_id", .type = CFG_STRING, AT(client_id), .max = 255,
     .help = "the name under which a durable subscription of a topic is kept; used by one connection at a time"},
    {.name = "subscription", .type = CFG_STRING, AT(subscription), .max = 255,
     .help = "the name of a durable subscription of a topic (activemq.subscriptionName): the server keeps what is sent while sluice is away; "
             "wants client_id"},
    {.name = "headers", .type = CFG_STRINGS, AT(headers), .max = 1024,
     .help = "further headers of SUBSCRIBE, each \"name: value\"; they win over those that sluice sends"},
    {.name = "prefetch", .type = CFG_INT, AT(prefetch), .def = "1000", .min = 1, .max = STOMP_PREFETCH_MAX,
     .help = "messages that are taken and not acknowledged, at most (activemq.prefetchSize)"},
    {.name = "heart_beat", .type = CFG_DURATION, AT(heart_beat), .def = "10s", .max = 3600 * NSEC_PER_SEC,
     .help = "how often each side shows that it is there; the slower one decides. 0s: never"},
    {.name = "too_large", .type = CFG_ENUM, AT(too_large), .def = "leave", .choices = TOO_LARGE,
     .help = "a message that is larger than a record may be: leave it with the server, or nack it (ActiveMQ Classic: to its dead-letter "
             "queue; Artemis drops it)"},
    {.name = "remember", .type = CFG_INT, AT(remember), .def = "10000", .min = 0, .max = 100000,
     .help = "ids of messages that are remembered, so that one that is handed out twice is one record; 0: none"},
    {.name = "remember_for", .type = CFG_DURATION, AT(remember_for), .def = "24h", .min = 60 * NSEC_PER_SEC,
     .max = 14 * 86400 * NSEC_PER_SEC, .help = "and for how long"},
    {.name = "tls", .type = CFG_BLOCK, AT(tls), .fields = tls_fields, .help = "how to trust a server of stomp+ssl"},
    {.name = NULL},
};
/* clang-format on */

static void refuse(const struct cfg_options *o, const char *text)
{
    struct err e;

    (void)err_set(&e, ERR_CONFIG, "%s", text);
    cfg_options_refuse(o, &e);
}

/* CONNECT has no escapes: a line break would end its header. */
static void check_lines(const struct stomp_conf *c, const struct cfg_options *o)
{
    const struct {
        const char *name, *text;
    } plain[] = {{"user", c->user}, {"password", c->password}, {"vhost", c->vhost}, {"client_id", c->client_id}};
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (plain[i].text && strpbrk(plain[i].text, "\r\n")) {
            (void)err_set(&e, ERR_CONFIG, "%s: has a line break, which STOMP cannot send here", plain[i].name);
            cfg_options_refuse(o, &e);
        }
}

static bool split(const char *text, struct stomp_header_option *h)
{
    const char *colon = strchr(text, ':');

    if (!colon)
        return false;
    *h = (struct stomp_header_option){slice_trim(slice_of(text, (size_t)(colon - text))),
                                      slice_trim(slice_str(colon + 1))};
    return h->name.n > 0;
}

static void check_headers(const struct stomp_conf *c, const struct cfg_options *o)
{
    struct stomp_header_option h;
    struct err e;

    for (size_t i = 0; i < c->headers.n; i++)
        if (c->headers.v[i] && !split(c->headers.v[i], &h)) {
            (void)err_set(&e, ERR_CONFIG, "headers: wants \"name: value\"");
            cfg_options_refuse_item(o, "headers", i, &e);
        }
    if (c->headers.n > STOMP_OPTION_HEADERS_MAX) {
        (void)err_set(&e, ERR_CONFIG, "headers: at most %d", STOMP_OPTION_HEADERS_MAX);
        cfg_options_refuse(o, &e);
    }
}

bool stomp_conf_same_client(const void *conf, const void *other)
{
    const struct stomp_conf *a = conf, *b = other;

    return a->client_id && b->client_id && strcmp(a->client_id, b->client_id) == 0 &&
           broker_url_same_server(a->url, b->url, SCHEMES);
}

void stomp_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct stomp_conf *c = conf;
    struct broker_url url;
    struct err e;

    if (c->url && broker_url_parse(&url, c->url, SCHEMES, &e) < 0)
        cfg_options_refuse(o, &e);
    check_lines(c, o);
    check_headers(c, o);
    if (c->subscription && *c->subscription && !(c->client_id && *c->client_id))
        refuse(o, "subscription: wants client_id as well: the server keeps a durable subscription under both");
    if (c->password && *c->password && !(c->user && *c->user))
        refuse(o, "password: wants user as well");
    if (c->remember > 0 && c->remember < c->prefetch) {
        (void)err_set(&e, ERR_CONFIG,
                      "remember: at least as many as prefetch (%" PRId64 "), or 0: else what comes again after a crash "
                      "would not be known",
                      c->prefetch);
        cfg_options_refuse(o, &e);
    }
    tls_options_check_all(&c->tls, base_dir, o);
}

struct broker_url stomp_conf_url(const struct stomp_conf *c)
{
    struct broker_url url;
    struct err e;

    if (broker_url_parse(&url, c->url, SCHEMES, &e) < 0)
        url = (struct broker_url){.port = 0};
    return url;
}

struct stomp_session_conf stomp_conf_session(const struct stomp_conf *c, const struct broker_url *url,
                                             struct stomp_header_option *headers)
{
    size_t n = 0;

    for (size_t i = 0; i < c->headers.n; i++)
        n += split(c->headers.v[i], &headers[n]);
    return (struct stomp_session_conf){.vhost = c->vhost && *c->vhost ? c->vhost : url->host,
                                       .user = c->user,
                                       .password = c->password,
                                       .client_id = c->client_id,
                                       .destination = c->destination,
                                       .selector = c->selector,
                                       .subscription = c->subscription,
                                       .headers = headers,
                                       .header_count = n,
                                       .prefetch = (uint32_t)c->prefetch,
                                       .heart_beat = c->heart_beat,
                                       .nack_too_large = c->too_large != 0};
}
