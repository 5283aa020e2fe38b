/* The environment is read as libcurl reads it, which is the way most programs agree on: lower case first (http_proxy in
 * lower case only: a web server makes HTTP_PROXY of what a client sends), and no_proxy as a list of host names with all
 * that is below them, addresses, and networks.
 *
 * With socks4:// and socks5:// the client resolves names, and libcurl would do that in its own way, where a resolver that does not
 * answer holds up the requests to others. So a name is left to the proxy: socks4a:// and socks5h:// are taken for them. */
#include "pipeline/http/proxy.h"

#include "pipeline/base/slice.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* --- URLs -------------------------------------------------------------------------------------------------------- */

static const char *const SCHEMES[] = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"};

struct parts {
    struct slice scheme, user, host, port; /* host without brackets; what is missing is empty */
    bool bracketed;                        /* it had them */
};

static bool take_port(struct slice *authority, struct parts *out)
{
    const char *end = authority->p + authority->n, *close, *colon;

    if (authority->n > 0 && authority->p[0] == '[') {
        close = memchr(authority->p, ']', authority->n);
        if (!close)
            return false;
        out->host = slice_of(authority->p + 1, (size_t)(close - authority->p) - 1);
        out->bracketed = true;
        colon = close + 1 < end ? close + 1 : NULL;
    } else {
        colon = memchr(authority->p, ':', authority->n);
        out->host = slice_of(authority->p, colon ? (size_t)(colon - authority->p) : authority->n);
    }
    if (!colon)
        return true;
    out->port = slice_of(colon + 1, (size_t)(end - colon) - 1);
    return *colon == ':';
}

/* "scheme://user:password@host:port/path"; scheme, user and port may be missing. */
static bool split(const char *url, struct parts *out)
{
    const char *rest = strstr(url, "://"), *at;
    struct slice authority;

    *out = (struct parts){.scheme = {.p = "", .n = 0}};
    if (rest)
        out->scheme = slice_of(url, (size_t)(rest - url));
    rest = rest ? rest + 3 : url;
    authority = slice_of(rest, strcspn(rest, "/?#"));
    at = memrchr(authority.p, '@', authority.n);
    if (at) {
        out->user = slice_of(authority.p, (size_t)(at - authority.p));
        authority = slice_of(at + 1, authority.n - out->user.n - 1);
    }
    return take_port(&authority, out) && out->host.n > 0;
}

static bool is_word(struct slice s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static bool is_port(struct slice s)
{
    unsigned port = 0;

    for (size_t i = 0; i < s.n && port <= 65535; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        port = port * 10 + (unsigned)(s.p[i] - '0');
    }
    return s.n == 0 || (port > 0 && port <= 65535);
}

static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("!\"#$%&'()*+,/:;<=>?@[\\]^`{|}", s.p[i]))
            return false;
    return true;
}

/* "::1", or "fe80::1%eth0" with its zone. */
static bool is_v6(struct slice s)
{
    const char *zone = memchr(s.p, '%', s.n);
    size_t n = zone ? (size_t)(zone - s.p) : s.n;
    unsigned char address[16];
    char text[INET6_ADDRSTRLEN];

    if (n >= sizeof(text))
        return false;
    snprintf(text, sizeof(text), "%.*s", (int)n, s.p);
    return inet_pton(AF_INET6, text, address) == 1 && (!zone || is_name(slice_of(zone + 1, s.n - n - 1)));
}

/* With anything else, and with a NUL behind the %, libcurl goes without the proxy or quotes the whole URL with the password. */
static bool is_user(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '@' ||
            (s.n - i >= 3 && memcmp(s.p + i, "%00", 3) == 0))
            return false;
    return true;
}

static bool is_proxy(const struct parts *u)
{
    bool known = u->scheme.n == 0;

    for (size_t i = 0; i < ARRAY_LEN(SCHEMES); i++)
        known = known || is_word(u->scheme, SCHEMES[i]);
    return known && is_port(u->port) && is_user(u->user) && (u->bracketed ? is_v6(u->host) : is_name(u->host));
}

int proxy_check(const char *option, struct err *e)
{
    struct parts u;

    if (!option || strcmp(option, "none") == 0 || strcmp(option, "environment") == 0)
        return 0;
    /* A single word is a mistyped one rather than a host: as a URL it can be said. */
    if (strlen(option) < PROXY_URL_MAX && split(option, &u) && is_proxy(&u) && (u.scheme.n > 0 || u.port.n > 0))
        return 0;
    return err_set(e, ERR_CONFIG, "proxy: neither `none` nor `environment` nor a proxy's URL, as http://proxy:3128");
}

void proxy_check_option(const char *option, const struct cfg_options *o)
{
    struct err e;

    if (proxy_check(option, &e) < 0)
        cfg_options_refuse(o, &e);
}

/* --- who goes without -------------------------------------------------------------------------------------------- */

struct address {
    int family; /* 0: it is a name */
    unsigned char bytes[16];
};

static struct address address_of(struct slice host)
{
    char text[INET6_ADDRSTRLEN];
    struct address a = {.family = 0};

    if (host.n >= sizeof(text))
        return a;
    snprintf(text, sizeof(text), "%.*s", (int)host.n, host.p);
    if (inet_pton(AF_INET, text, a.bytes) == 1)
        a.family = AF_INET;
    else if (inet_pton(AF_INET6, text, a.bytes) == 1)
        a.family = AF_INET6;
    return a;
}

/* "10.0.0.0/8", "::1", "[fd00::]/8" */
static bool in_network(const struct address *host, struct slice entry)
{
    const char *slash = memchr(entry.p, '/', entry.n);
    struct slice net = slash ? slice_of(entry.p, (size_t)(slash - entry.p)) : entry;
    struct address a;
    unsigned all, bits;

    if (net.n > 2 && net.p[0] == '[' && net.p[net.n - 1] == ']')
        net = slice_of(net.p + 1, net.n - 2);
    a = address_of(net);
    if (!a.family || a.family != host->family)
        return false;
    all = a.family == AF_INET ? 32 : 128;
    bits = slash ? (unsigned)strtoul(slash + 1, NULL, 10) : all;
    if (bits > all || memcmp(a.bytes, host->bytes, bits / 8) != 0)
        return false;
    return bits % 8 == 0 || (a.bytes[bits / 8] ^ host->bytes[bits / 8]) >> (8 - bits % 8) == 0;
}

/* "example.org", ".example.org": itself and what is below it. */
static bool in_domain(struct slice host, struct slice entry)
{
    if (entry.n > 0 && entry.p[0] == '.')
        entry = slice_of(entry.p + 1, entry.n - 1);
    if (entry.n > 0 && entry.p[entry.n - 1] == '.')
        entry.n--;
    if (host.n > 0 && host.p[host.n - 1] == '.')
        host.n--;
    if (entry.n == 0 || host.n < entry.n || strncasecmp(host.p + host.n - entry.n, entry.p, entry.n) != 0)
        return false;
    return host.n == entry.n || host.p[host.n - entry.n - 1] == '.';
}

static bool is_excepted(struct slice host, const char *list)
{
    struct address a = address_of(host);

    if (strcmp(list, "*") == 0)
        return true;
    while (*list) {
        size_t n = strcspn(list, ", \t");
        struct slice entry = slice_of(list, n);

        if (n > 0 && (a.family ? in_network(&a, entry) : in_domain(host, entry)))
            return true;
        list += n + (list[n] != '\0');
    }
    return false;
}

static bool is_loopback(struct slice host)
{
    struct address a = address_of(host);

    return in_domain(host, SLICE("localhost")) || in_network(&a, SLICE("127.0.0.0/8")) ||
           in_network(&a, SLICE("::1")) || in_network(&a, SLICE("::ffff:127.0.0.0/104"));
}

/* --- the choice -------------------------------------------------------------------------------------------------- */

static const char *variable(const char *const *names, const char **name)
{
    for (; *names; names++) {
        const char *v = getenv(*names);

        *name = *names;
        if (v && *v)
            return v;
    }
    return NULL;
}

static const char *from_environment(const struct parts *target, const char **name)
{
    static const char *const HTTP[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const HTTPS[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
    static const char *const EXCEPT[] = {"no_proxy", "NO_PROXY", NULL};
    const char *ignored, *except = variable(EXCEPT, &ignored);

    if (is_loopback(target->host) || (except && is_excepted(target->host, except)))
        return NULL;
    return variable(is_word(target->scheme, "https") ? HTTPS : HTTP, name);
}

/* The one of SCHEMES that lets the proxy resolve the target's name. */
static const char *scheme_to(const struct parts *proxy, const struct parts *target)
{
    bool by_name = !address_of(target->host).family;

    if (is_word(proxy->scheme, "socks4") && by_name)
        return "socks4a";
    if (is_word(proxy->scheme, "socks5") && by_name)
        return "socks5h";
    for (size_t i = 0; i < ARRAY_LEN(SCHEMES); i++)
        if (is_word(proxy->scheme, SCHEMES[i]))
            return SCHEMES[i];
    return "http";
}

static bool take(const char *url, const char *from, const struct parts *target, struct proxy *out)
{
    struct parts u;
    const char *scheme;
    bool bracket;

    if (!split(url, &u) || !is_proxy(&u))
        return false;
    scheme = scheme_to(&u, target);
    if ((size_t)snprintf(out->url, sizeof(out->url), "%s://%s", scheme,
                         u.scheme.n ? u.scheme.p + u.scheme.n + 3 : url) >= sizeof(out->url))
        return false;
    bracket = memchr(u.host.p, ':', u.host.n) != NULL;
    snprintf(out->shown, sizeof(out->shown), "%s://%s%.*s%s:%.*s", scheme, bracket ? "[" : "", (int)u.host.n, u.host.p,
             bracket ? "]" : "", u.port.n ? (int)u.port.n : 4,
             u.port.n ? u.port.p : "1080"); /* what libcurl takes for it */
    out->from = from;
    return true;
}

/* What is said of the proxy, where it is looked for; NULL: nothing, or it is not looked for. */
static const char *said(const char *option, const struct parts *target, const char **from)
{
    if (option && strcmp(option, "none") == 0)
        return NULL;
    if (!option || strcmp(option, "environment") == 0)
        return from_environment(target, from);
    *from = "the option `proxy`";
    return option;
}

bool proxy_find(const char *option, const char *url, struct proxy *out)
{
    const char *from = "", *value;
    struct parts target;

    out->url[0] = out->shown[0] = '\0';
    out->from = "";
    value = split(url, &target) ? said(option, &target, &from) : NULL;
    return value && take(value, from, &target, out);
}

int proxy_check_found(const char *option, const char *url, struct err *e)
{
    const char *from = "", *value, *at, *rest;
    struct parts target;
    struct proxy p;
    size_t scheme;

    value = split(url, &target) ? said(option, &target, &from) : NULL;
    if (!value || take(value, from, &target, &p))
        return 0;
    /* Whatever may be a user or a password stands before the last @, and behind the scheme. */
    at = strrchr(value, '@');
    rest = strstr(value, "://");
    scheme = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    scheme = rest == value + scheme ? scheme + 3 : 0;
    return err_set(e, ERR_CONFIG,
                   "%s: `%.*s%.100s` is no proxy's URL; write one as http://proxy:3128 (http, https, socks4a, socks5h; "
                   "in user and password %%40 for @, %%2F for /), unset it, or set the option `proxy` to `none`",
                   from, scheme < 32 ? (int)scheme : 32, value, at ? at + 1 : value + scheme);
}

bool proxy_is_https(const struct proxy *p)
{
    return strncasecmp(p->url, "https:", strlen("https:")) == 0;
}

int proxy_describe(const char *option, const char *url, struct buf *out)
{
    struct proxy p;

    return proxy_find(option, url, &p) ? buf_printf(out, " through proxy %s (from %s)", p.shown, p.from) : 0;
}
