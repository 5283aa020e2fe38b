#include "config/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_MAX 65535

static bool is_loopback(const char *host)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcmp(host, "localhost") == 0;
}

int address_parse(const char *text, struct address *out, struct err *e)
{
    const char *colon = strrchr(text, ':'), *host = text, *port = colon ? colon + 1 : "";
    size_t n = colon ? (size_t)(colon - text) : 0, digits = strspn(port, "0123456789");

    *out = (struct address){.port = 0};
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        host++;
        n -= 2;
    } else if (n && memchr(host, ':', n)) {
        return err_set(e, ERR_CONFIG, "wants host:port; an IPv6 address goes in brackets, such as [::1]:4573");
    }
    if (n == 0 || n >= sizeof(out->host) || memchr(host, ' ', n))
        return err_set(e, ERR_CONFIG, "wants host:port, such as 127.0.0.1:4573");
    out->port = digits && digits <= 5 && !port[digits] ? (unsigned)strtoul(port, NULL, 10) : PORT_MAX + 1;
    if (out->port > PORT_MAX)
        return err_set(e, ERR_CONFIG, "wants a port from 0 to 65535 behind the last `:`");
    memcpy(out->host, host, n);
    out->loopback = is_loopback(out->host);
    return 0;
}

const char *address_host(const struct address *a)
{
    return strcmp(a->host, "localhost") == 0 ? "127.0.0.1" : a->host;
}

/* There are many ways to write one of IPv6. */
static const char *spell(const struct address *a, char out[INET6_ADDRSTRLEN])
{
    struct in6_addr v6;

    return inet_pton(AF_INET6, a->host, &v6) == 1 ? inet_ntop(AF_INET6, &v6, out, INET6_ADDRSTRLEN) : address_host(a);
}

bool address_is_same(const struct address *a, const struct address *b)
{
    char x[INET6_ADDRSTRLEN], y[INET6_ADDRSTRLEN];

    return a->port != 0 && a->port == b->port && strcmp(spell(a, x), spell(b, y)) == 0;
}

void address_write(const char *text, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    struct address a;
    struct err e;

    if (address_parse(text, &a, &e) < 0)
        snprintf(out, size, "%s", text);
    else
        snprintf(out, size, strchr(a.host, ':') ? "[%s]:%u" : "%s:%u", spell(&a, host), a.port);
}
