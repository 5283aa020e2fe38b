#include "pipeline/inputs/broker/url.h"

#include "config/address.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static int no_scheme(const struct broker_scheme *schemes, struct err *e)
{
    return err_set(e, ERR_CONFIG, "url: wants %s://HOST:PORT, or %s://HOST:PORT for TLS", schemes[0].name,
                   schemes[1].name);
}

int broker_url_parse(struct broker_url *u, const char *text, const struct broker_scheme *schemes, struct err *e)
{
    const char *rest = strstr(text, "://");
    const struct broker_scheme *s = schemes;
    char address[300];
    struct address a;
    size_t n;

    if (!rest)
        return no_scheme(schemes, e);
    while (s->name && (strlen(s->name) != (size_t)(rest - text) || strncasecmp(s->name, text, strlen(s->name)) != 0))
        s++;
    if (!s->name)
        return no_scheme(schemes, e);
    rest += 3;
    if (strchr(rest, '@'))
        return err_set(e, ERR_CONFIG, "url: no user and password here: they are options, which are kept secret");
    n = strcspn(rest, "/?#");
    if (rest[n] && strcmp(rest + n, "/") != 0)
        return err_set(e, ERR_CONFIG, "url: ends behind the port: what is read has an option of its own");
    if (n == 0 || n >= sizeof(u->host))
        return no_scheme(schemes, e);
    if (strrchr(rest, ']') ? strstr(rest, "]:") != NULL : memchr(rest, ':', n) != NULL)
        snprintf(address, sizeof(address), "%.*s", (int)n, rest);
    else
        snprintf(address, sizeof(address), "%.*s:%u", (int)n, rest, (unsigned)s->port);
    if (address_parse(address, &a, e) < 0)
        return err_wrap(e, "url");
    if (a.port == 0)
        return err_set(e, ERR_CONFIG, "url: port 0 is no port of a server");
    u->port = (uint16_t)a.port;
    u->tls = s->tls;
    snprintf(u->host, sizeof(u->host), "%s", a.host);
    snprintf(u->shown, sizeof(u->shown), "%s://%s", s->name, address);
    return 0;
}

bool broker_url_same_server(const char *a, const char *b, const struct broker_scheme *schemes)
{
    struct broker_url u, v;
    struct err ignored;

    return a && b && broker_url_parse(&u, a, schemes, &ignored) == 0 &&
           broker_url_parse(&v, b, schemes, &ignored) == 0 && u.port == v.port && strcasecmp(u.host, v.host) == 0;
}
