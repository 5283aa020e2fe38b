#include "pipeline/inputs/mqtt/options.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/mqtt/packet.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct cfg_choice VERSIONS[] = {
    {"auto", MQTT_VERSION_AUTO},
    {"3.1.1", MQTT_3},
    {"5", MQTT_5},
    {NULL, 0},
};

/* clang-format off */
#define AT(member) .offset = offsetof(struct mqtt_conf, member)

const struct cfg_field mqtt_fields[] = {
    {.name = "url", .type = CFG_STRING, AT(url), .required = true, .max = 300,
     .help = "mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS; port 1883 or 8883 when left out"},
    {.name = "client_id", .type = CFG_STRING, AT(client_id), .required = true, .max = MQTT_CLIENT_ID_MAX,
     .help = "by which the server knows the session again; of each input another one, and never changed"},
    {.name = "topics", .type = CFG_STRINGS, AT(topics), .required = true, .min = 1, .max = MQTT_TOPICS_MAX,
     .help = "topic filters: sensors/+/temperature, logs/#, $share/GROUP/FILTER for a subscription that several clients share"},
    {.name = "qos", .type = CFG_INT, AT(qos), .def = "1", .min = 0, .max = 2,
     .help = "of the subscriptions. 2: each message once; 1: one may be doubled when a connection breaks; 0: one may be lost"},
    {.name = "username", .type = CFG_STRING, AT(username), .max = 1024, .help = "left out: none"},
    {.name = "password", .type = CFG_STRING, AT(password), .secret = true, .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = "version", .type = CFG_ENUM, AT(version), .def = "auto", .choices = VERSIONS,
     .help = "of the protocol; auto: 5, and 3.1.1 where the server does not speak it"},
    {.name = "receive_maximum", .type = CFG_INT, AT(receive_maximum), .def = "0", .min = 0, .max = 65535,
     .help = "messages of QoS 1 and 2 that are taken and not acknowledged, at most; 0: 20 with qos 2, else 1000"},
    {.name = "session_expiry", .type = CFG_DURATION, AT(session_expiry), .def = "168h", .min = 60 * NSEC_PER_SEC,
     .max = 4294967294 * NSEC_PER_SEC,
     .help = "for how long the server keeps messages while sluice is away (version 5; 3.1.1: as the server is set up)"},
    {.name = "keep_alive", .type = CFG_DURATION, AT(keep_alive), .def = "30s", .min = 5 * NSEC_PER_SEC,
     .max = 65535 * NSEC_PER_SEC, .help = "when nothing comes for so long the server is asked whether it is there"},
    {.name = "tls", .type = CFG_BLOCK, AT(tls), .fields = tls_fields, .help = "how to trust the server of an mqtts:// address"},
    {.name = NULL},
};
/* clang-format on */

/* --- the address --------------------------------------------------------------------------------------------------- */

static int refuse_url(struct err *e, const char *why)
{
    return err_set(e, ERR_CONFIG, "url: %s; write mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS", why);
}

/* The host, with what stands behind it left in *p. */
static int read_host(struct mqtt_address *a, const char **p, struct err *e)
{
    bool bracket = **p == '[';
    const char *from = *p + bracket;
    size_t n = strcspn(from, bracket ? "]" : ":/");

    if (bracket && from[n] != ']')
        return refuse_url(e, "the `[` of an IPv6 address is not closed");
    if (n == 0 || n > MQTT_HOST_MAX)
        return refuse_url(e, n == 0 ? "there is no host in it" : "its host is too long");
    snprintf(a->host, sizeof(a->host), "%.*s", (int)n, from);
    *p = from + n + bracket;
    return 0;
}

int mqtt_address_parse(struct mqtt_address *a, const char *url, struct err *e)
{
    const char *p;
    char *end;
    unsigned long port;

    *a = (struct mqtt_address){.tls = strncmp(url, "mqtts://", 8) == 0};
    if (!a->tls && strncmp(url, "mqtt://", 7) != 0)
        return refuse_url(e, strncmp(url, "ws", 2) == 0 ? "MQTT over WebSocket is not spoken here"
                                                        : "it begins neither with mqtt:// nor with mqtts://");
    p = url + (a->tls ? 8 : 7);
    a->port = a->tls ? 8883 : 1883;
    if (strchr(p, '@'))
        return refuse_url(e, "user and password have options of their own, `username` and `password`");
    if (read_host(a, &p, e) < 0)
        return -1;
    if (*p == ':') {
        port = strtoul(p + 1, &end, 10);
        if (end == p + 1 || p[1] == '-' || p[1] == '+' || p[1] == ' ' || port == 0 || port > 65535)
            return refuse_url(e, "its port is not a number from 1 to 65535");
        a->port = (uint16_t)port;
        p = end;
    }
    if (*p != '\0' && strcmp(p, "/") != 0)
        return refuse_url(e, "there is something behind the port");
    return 0;
}

uint16_t mqtt_conf_receive_maximum(const struct mqtt_conf *c)
{
    if (c->receive_maximum > 0)
        return (uint16_t)c->receive_maximum;
    return c->qos == 2 ? MQTT_RECEIVE_QOS2 : MQTT_RECEIVE_USUAL;
}

/* --- topics -------------------------------------------------------------------------------------------------------- */

/* NULL: it is a filter. MQTT 5.0 section 4.7. */
static const char *wrong_with_filter(const char *f)
{
    size_t n = strlen(f);

    if (n == 0 || n > MQTT_TOPIC_MAX)
        return n == 0 ? "is empty" : "is too long";
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)f[i] < 0x20 || f[i] == 0x7f)
            return "has a control character";
    if (strncmp(f, "$share/", 7) == 0) {
        size_t group = strcspn(f + 7, "/");

        if (group == 0 || f[7 + group] != '/' || f[7 + group + 1] == '\0' || strcspn(f + 7, "+#") < group)
            return "is no shared subscription: write $share/GROUP/FILTER";
        f += 7 + group + 1;
        n = strlen(f);
    }
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || f[i - 1] == '/', last = i + 1 == n;

        if (f[i] == '#' && !(first && last))
            return "has a `#` that is not the last level";
        if (f[i] == '+' && !(first && (last || f[i + 1] == '/')))
            return "has a `+` that is not a whole level";
    }
    return NULL;
}

static void check_topics(const struct mqtt_conf *c, const struct cfg_options *o)
{
    struct err e;

    for (size_t i = 0; i < c->topics.n; i++) {
        const char *wrong = wrong_with_filter(c->topics.v[i]);

        for (size_t j = 0; j < i && !wrong; j++)
            if (strcmp(c->topics.v[i], c->topics.v[j]) == 0)
                wrong = "is there twice";
        if (!wrong)
            continue;
        (void)err_set(&e, ERR_CONFIG, "topics: `%.64s` %s", c->topics.v[i], wrong);
        cfg_options_refuse_item(o, "topics", i, &e);
    }
}

bool mqtt_conf_same_client(const void *conf, const void *other)
{
    const struct mqtt_conf *a = conf, *b = other;
    struct mqtt_address u, v;
    struct err ignored;

    return a->client_id && b->client_id && strcmp(a->client_id, b->client_id) == 0 && a->url && b->url &&
           mqtt_address_parse(&u, a->url, &ignored) == 0 && mqtt_address_parse(&v, b->url, &ignored) == 0 &&
           u.port == v.port && strcasecmp(u.host, v.host) == 0;
}

void mqtt_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct mqtt_conf *c = conf;
    struct mqtt_address a;
    struct err e;

    if (c->url && mqtt_address_parse(&a, c->url, &e) < 0)
        cfg_options_refuse(o, &e);
    check_topics(c, o);
    if (c->password && !c->username && c->version == MQTT_3) {
        (void)err_set(&e, ERR_CONFIG, "password: goes together with username in version 3.1.1, which is not set");
        cfg_options_refuse(o, &e);
    }
    if (c->password && strlen(c->password) > UINT16_MAX) {
        (void)err_set(&e, ERR_CONFIG, "password: is longer than MQTT allows (65535 bytes)");
        cfg_options_refuse(o, &e);
    }
    tls_options_check_all(&c->tls, base_dir, o);
}
