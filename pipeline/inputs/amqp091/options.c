#include "pipeline/inputs/amqp091/options.h"

#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct cfg_choice LOGINS[] = {{"password", 0}, {"certificate", 1}, {NULL, 0}};

/* clang-format off */
#define AT(member) .offset = offsetof(struct amqp091_conf, member)

const struct cfg_field amqp091_fields[] = {
    {.name = "url", .type = CFG_STRING, AT(url), .required = true, .max = AMQP091_URL_MAX,
     .help = "amqp://HOST:PORT/VHOST, or amqps:// with TLS; the port may be left out (5672, 5671), and the virtual host, if it is \"/\". A \"/\" "
             "in its name is written %2F"},
    {.name = "username", .type = CFG_STRING, AT(username), .def = "guest", .max = 255, .help = "the user to log in as"},
    {.name = "password", .type = CFG_STRING, AT(password), .def = "guest", .max = 4096, .secret = true,
     .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = "login", .type = CFG_BOOL, AT(by_certificate), .def = "password", .choices = LOGINS,
     .help = "password: PLAIN; certificate: EXTERNAL, the server takes the user's name out of tls.cert_file"},
    {.name = "queue", .type = CFG_STRING, AT(queue), .required = true, .max = 255,
     .help = "a queue, a quorum queue or a stream; it must be there"},
    {.name = "prefetch", .type = CFG_INT, AT(prefetch), .def = "1000", .min = 1, .max = 10000,
     .help = "messages that are taken and not acknowledged, at most"},
    {.name = "heartbeat", .type = CFG_DURATION, AT(heartbeat), .def = "30s", .min = 5 * NSEC_PER_SEC, .max = 600 * NSEC_PER_SEC,
     .help = "a server that says nothing for twice as long is taken for dead; it may want a shorter time"},
    {.name = "stream_start", .type = CFG_STRING, AT(stream_start), .max = 32,
     .help = "the queue is a stream, and is read from here when no position is known yet: first, last (the last chunk), next (what comes from now on) or a "
             "time, 2026-11-27T00:00:00Z; left out: it is no stream"},
    {.name = "remember", .type = CFG_INT, AT(remember), .def = "0", .min = 0, .max = 100000,
     .help = "message-ids that are remembered, so that a message that comes again is one record; only where each message has an id of its own. "
             "0: none"},
    {.name = "remember_for", .type = CFG_DURATION, AT(remember_for), .def = "24h", .min = 60 * NSEC_PER_SEC,
     .max = 14 * 86400 * NSEC_PER_SEC, .help = "and for how long"},
    {.name = "tls", .type = CFG_BLOCK, AT(tls), .fields = tls_fields, .help = "how to trust a server behind amqps://"},
    {.name = NULL},
};
/* clang-format on */

/* --- the address --------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 32) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* -1: a % without two digits, a NUL, or too long. */
static int percent_decode(const char *text, char *out, size_t room)
{
    size_t n = 0;

    for (; *text; text++) {
        int c = (unsigned char)*text;

        if (c == '%') {
            int high = hex_digit(text[1]), low = high < 0 ? -1 : hex_digit(text[2]);

            if (low < 0 || high * 16 + low == 0)
                return -1;
            c = high * 16 + low;
            text += 2;
        }
        if (n + 1 >= room)
            return -1;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return 0;
}

static int parse_host(struct amqp091_address *a, const char *p, size_t n, struct err *e)
{
    const char *port = NULL, *end = p + n;
    size_t host;
    long number;

    if (n > 0 && *p == '[') {
        const char *close = memchr(p, ']', n);

        if (!close || (close + 1 < end && close[1] != ':'))
            return err_set(e, ERR_CONFIG, "url: an IPv6 address stands in brackets, and a port behind them");
        p++;
        host = (size_t)(close - p);
        port = close + 1 < end ? close + 2 : NULL;
    } else {
        const char *colon = memchr(p, ':', n);

        host = colon ? (size_t)(colon - p) : n;
        port = colon ? colon + 1 : NULL;
    }
    if (host == 0 || host >= sizeof(a->host))
        return err_set(e, ERR_CONFIG, "url: names no host; it is amqp://HOST:PORT/VHOST");
    snprintf(a->host, sizeof(a->host), "%.*s", (int)host, p);
    if (!port)
        return 0;
    number = 0;
    for (; port < end && *port >= '0' && *port <= '9' && number < 65536; port++)
        number = number * 10 + (*port - '0');
    if (port != end || number < 1 || number > 65535)
        return err_set(e, ERR_CONFIG, "url: the port is a number from 1 to 65535");
    a->port = (uint16_t)number;
    return 0;
}

int amqp091_address_parse(struct amqp091_address *a, const char *url, struct err *e)
{
    const char *rest = url;
    size_t n;

    *a = (struct amqp091_address){.port = 5672};
    if (strncmp(rest, "amqp://", 7) == 0) {
        rest += 7;
    } else if (strncmp(rest, "amqps://", 8) == 0) {
        rest += 8;
        a->tls = true;
        a->port = 5671;
    } else {
        return err_set(e, ERR_CONFIG, "url: begins with amqp:// or amqps://");
    }
    n = strcspn(rest, "/?#");
    if (memchr(rest, '@', n))
        return err_set(e, ERR_CONFIG, "url: user and password have options of their own: username, password");
    if (parse_host(a, rest, n, e) < 0)
        return -1;
    rest += n;
    if (strpbrk(rest, "?#"))
        return err_set(e, ERR_CONFIG, "url: ends with the virtual host; what stands behind a ? has options of its own");
    if (strchr(rest + (*rest == '/'), '/'))
        return err_set(e, ERR_CONFIG, "url: a / within the virtual host's name is written %%2F");
    if (*rest == '/' && percent_decode(rest + 1, a->vhost, sizeof(a->vhost)) < 0)
        return err_set(e, ERR_CONFIG, "url: the virtual host is too long, or a %% has no two digits behind it");
    if (!a->vhost[0])
        snprintf(a->vhost, sizeof(a->vhost), "/");
    return 0;
}

int amqp091_begin_parse(struct amqp091_begin *b, const char *text, struct err *e)
{
    struct tm tm = {.tm_year = 0};
    const char *end;

    *b = (struct amqp091_begin){.start = AMQP091_QUEUE};
    if (!text)
        return 0;
    if (strcmp(text, "first") == 0)
        b->start = AMQP091_FIRST;
    else if (strcmp(text, "last") == 0)
        b->start = AMQP091_LAST;
    else if (strcmp(text, "next") == 0)
        b->start = AMQP091_NEXT;
    if (b->start != AMQP091_QUEUE)
        return 0;
    end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!end || strcmp(end, "Z") != 0)
        return err_set(e, ERR_CONFIG,
                       "stream_start: is first, last, next or a time in UTC, such as 2026-11-27T00:00:00Z");
    b->start = AMQP091_TIME;
    b->time = timegm(&tm);
    return 0;
}

void amqp091_place_name(const struct amqp091_address *a, const char *queue, char out[POSITION_SOURCE_MAX + 1])
{
    snprintf(out, POSITION_SOURCE_MAX + 1, "amqp091 %s %.110s %.110s", queue, a->vhost, a->host);
}

bool amqp091_conf_same_positions(const void *conf, const void *other)
{
    const struct amqp091_conf *c[2] = {conf, other};
    char names[2][POSITION_SOURCE_MAX + 1];

    for (int i = 0; i < 2; i++) {
        struct amqp091_address a;
        struct err ignored;

        if (!c[i]->url || !c[i]->queue || !c[i]->stream_start || amqp091_address_parse(&a, c[i]->url, &ignored) < 0)
            return false;
        amqp091_place_name(&a, c[i]->queue, names[i]);
    }
    return strcmp(names[0], names[1]) == 0;
}

void amqp091_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct amqp091_conf *c = conf;
    struct amqp091_address a;
    struct amqp091_begin b;
    struct err e;

    if (c->url && amqp091_address_parse(&a, c->url, &e) < 0) {
        cfg_options_refuse(o, &e);
    } else if (c->url && c->by_certificate && !(a.tls && c->tls.cert_file && *c->tls.cert_file)) {
        (void)err_set(&e, ERR_CONFIG, "login: a certificate is shown with amqps:// only, and is in tls.cert_file");
        cfg_options_refuse(o, &e);
    }
    if (amqp091_begin_parse(&b, c->stream_start, &e) < 0)
        cfg_options_refuse(o, &e);
    if (c->remember > 0 && c->stream_start) {
        (void)err_set(&e, ERR_CONFIG,
                      "remember: is for queues; a stream has numbers, which say which messages are known");
        cfg_options_refuse(o, &e);
    } else if (c->remember > 0 && c->remember < c->prefetch) {
        (void)err_set(&e, ERR_CONFIG,
                      "remember: at least as many as prefetch (%" PRId64
                      "), or 0: else what comes again after a crash would not be known",
                      c->prefetch);
        cfg_options_refuse(o, &e);
    }
    tls_options_check_all(&c->tls, base_dir, o);
}
