#include "pipeline/inputs/amqp10/options.h"

#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static const struct cfg_choice TOO_LARGE[] = {{"reject", 0}, {"leave", 1}, {NULL, 0}};
static const struct cfg_choice NODES[] = {
    {"auto", -1}, {"any", AMQP10_NODE_ANY}, {"queue", AMQP10_NODE_QUEUE}, {"topic", AMQP10_NODE_TOPIC}, {NULL, 0}};
static const struct cfg_choice SASLS[] = {{"auto", AMQP10_SASL_AUTO},
                                          {"plain", AMQP10_SASL_PLAIN},
                                          {"anonymous", AMQP10_SASL_ANONYMOUS},
                                          {"external", AMQP10_SASL_EXTERNAL},
                                          {NULL, 0}};

static const struct broker_scheme SCHEMES[] = {{"amqp", 5672, false}, {"amqps", 5671, true}, {.name = NULL}};

/* clang-format off */
#define AT(member) .offset = offsetof(struct amqp10_conf, member)

const struct cfg_field amqp10_fields[] = {
    {.name = "url", .type = CFG_STRING, AT(url), .required = true, .max = 290,
     .help = "amqp://HOST:PORT, or amqps://HOST:PORT for TLS; without a port 5672 and 5671"},
    {.name = "address", .type = CFG_STRING, AT(address), .required = true, .max = 150,
     .help = "what is read, as the server names it: NAME; of ActiveMQ Classic queue://NAME or topic://NAME; of RabbitMQ 4 /queues/NAME"},
    {.name = "node", .type = CFG_ENUM, AT(node), .def = "auto", .choices = NODES,
     .help = "what is asked for, since some servers make whatever they like of an address that they do not know (Artemis: a topic). auto: a "
             "topic with `subscription`, `shared` or topic:// in the address, else a queue; any: nothing is said"},
    {.name = "user", .type = CFG_STRING, AT(user), .max = 1024, .help = "left out: none is sent"},
    {.name = "password", .type = CFG_STRING, AT(password), .max = 4096, .secret = true, .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = "sasl", .type = CFG_ENUM, AT(sasl), .def = "auto", .choices = SASLS,
     .help = "how to log in. auto: plain with a user, anonymous without; external: by the certificate of `tls`"},
    {.name = "vhost", .type = CFG_STRING, AT(vhost), .max = 255,
     .help = "the host that is named to the server; left out: that of url. RabbitMQ: vhost:NAME"},
    {.name = "selector", .type = CFG_STRING, AT(selector), .max = 4096,
     .help = "only messages of which this is true, in the words of JMS; not every server knows it"},
    {.name = "container_id", .type = CFG_STRING, AT(container_id), .max = 255,
     .help = "the name of this program for the server, used by one connection at a time; left out: another one each time"},
    {.name = "subscription", .type = CFG_STRING, AT(subscription), .max = 255,
     .help = "the name of a durable subscription of a topic: the server keeps what is sent while sluice is away; wants container_id"},
    {.name = "shared", .type = CFG_BOOL, AT(shared), .def = "false",
     .help = "several programs share the messages of a subscription of a topic"},
    {.name = "credit", .type = CFG_INT, AT(credit), .def = "1000", .min = 1, .max = AMQP10_CREDIT_MAX,
     .help = "messages that are taken and not acknowledged, at most"},
    {.name = "idle_timeout", .type = CFG_DURATION, AT(idle_timeout), .def = "60s", .max = 3600 * NSEC_PER_SEC,
     .help = "a server of which nothing is heard for so long is left; it is asked to show that it is there in half of it. 0s: never"},
    {.name = "too_large", .type = CFG_ENUM, AT(too_large), .def = "reject", .choices = TOO_LARGE,
     .help = "a message that is larger than a record may be: reject it (to the server's dead letters), or leave it with the server"},
    {.name = "remember", .type = CFG_INT, AT(remember), .def = "10000", .min = 0, .max = 100000,
     .help = "message-ids that are remembered, so that one that is handed out twice is one record; 0: none"},
    {.name = "remember_for", .type = CFG_DURATION, AT(remember_for), .def = "24h", .min = 60 * NSEC_PER_SEC,
     .max = 14 * 86400 * NSEC_PER_SEC, .help = "and for how long"},
    {.name = "tls", .type = CFG_BLOCK, AT(tls), .fields = tls_fields, .help = "how to trust a server of amqps"},
    {.name = NULL},
};
/* clang-format on */

static void refuse(const struct cfg_options *o, const char *text)
{
    struct err e;

    (void)err_set(&e, ERR_CONFIG, "%s", text);
    cfg_options_refuse(o, &e);
}

static bool given(const char *text)
{
    return text && *text;
}

/* A subscription that is shared may be read over several connections of one container. */
bool amqp10_conf_same_client(const void *conf, const void *other)
{
    const struct amqp10_conf *a = conf, *b = other;

    return !(a->shared && b->shared) && a->container_id && b->container_id &&
           strcmp(a->container_id, b->container_id) == 0 && broker_url_same_server(a->url, b->url, SCHEMES);
}

void amqp10_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct amqp10_conf *c = conf;
    struct broker_url url;
    struct err e;

    if (c->url && broker_url_parse(&url, c->url, SCHEMES, &e) < 0)
        cfg_options_refuse(o, &e);
    if (given(c->subscription) && !given(c->container_id))
        refuse(o, "subscription: wants container_id as well: the server keeps a durable subscription under both");
    if (given(c->subscription) && c->node == AMQP10_NODE_QUEUE)
        refuse(o, "subscription: is of a topic, and `node` says queue");
    if (c->shared && c->node == AMQP10_NODE_QUEUE)
        refuse(o, "shared: is of a topic, and `node` says queue; a queue is shared by all who read it");
    if (given(c->password) && !given(c->user))
        refuse(o, "password: wants user as well");
    if (c->sasl == AMQP10_SASL_PLAIN && !given(c->user))
        refuse(o, "sasl: plain wants user and password");
    if (c->remember > 0 && c->remember < c->credit) {
        (void)err_set(&e, ERR_CONFIG,
                      "remember: at least as many as credit (%" PRId64
                      "), or 0: else what comes again after a crash would "
                      "not be known",
                      c->credit);
        cfg_options_refuse(o, &e);
    }
    tls_options_check_all(&c->tls, base_dir, o);
}

struct broker_url amqp10_conf_url(const struct amqp10_conf *c)
{
    struct broker_url url;
    struct err e;

    if (broker_url_parse(&url, c->url, SCHEMES, &e) < 0)
        url = (struct broker_url){.port = 0};
    return url;
}

static enum amqp10_node node_of(const struct amqp10_conf *c)
{
    if (c->node >= 0)
        return (enum amqp10_node)c->node;
    return given(c->subscription) || c->shared || strncmp(c->address, "topic://", 8) == 0 ? AMQP10_NODE_TOPIC
                                                                                          : AMQP10_NODE_QUEUE;
}

struct amqp10_session_conf amqp10_conf_session(const struct amqp10_conf *c, const struct broker_url *url)
{
    return (struct amqp10_session_conf){.container = c->container_id,
                                        .vhost = given(c->vhost) ? c->vhost : url->host,
                                        .user = c->user,
                                        .password = c->password,
                                        .sasl = (enum amqp10_sasl)c->sasl,
                                        .address = c->address,
                                        .selector = c->selector,
                                        .subscription = c->subscription,
                                        .node = node_of(c),
                                        .shared = c->shared,
                                        .credit = (uint32_t)c->credit,
                                        .idle = c->idle_timeout,
                                        .leave_too_large = c->too_large != 0};
}
