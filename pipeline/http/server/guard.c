/* The headers come one by one, as the library has read them. Lengths, codings and hosts are counted, since what
 * stands there twice is read by two programs in two ways. Where the library takes a head apart in place, its pointers
 * are also followed from line to line: every byte between two of them must be one that belongs there, so nothing can
 * hide between the headers that were reported. */
#include "pipeline/http/server/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LENGTH_DIGITS_MAX 18
#define HOST_MAX          255

/* --- framing ----------------------------------------------------------------------------------------------------- */

/* RFC 9110, 5.6.2. */
static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           (c && strchr("!#$%&'*+.^_`|~", c));
}

static bool is_token(const char *s)
{
    const char *end = s;

    while (is_token_char(*end))
        end++;
    return end > s && *end == '\0';
}

static bool has_controls(const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

static bool begins_with(const char *s, const char *beginning)
{
    return strncasecmp(s, beginning, strlen(beginning)) == 0;
}

static void broken(struct http_guard *g, const char *why)
{
    if (!g->broken)
        g->broken = why;
}

/* --- lines ------------------------------------------------------------------------------------------------------- */

#define LINE_END 2 /* NULs where CR and LF were */

/* Behind the text at `p`, its NUL and one more; NULL: a lone LF, a NUL in the middle, or no place within the head. */
static const char *next_line(const char *p, const char *end)
{
    p += strlen(p);
    return end - p >= 2 * LINE_END && p[1] == '\0' ? p + LINE_END : NULL;
}

static void lose_track(struct http_guard *g)
{
    broken(g, "a line of the head has no name or a NUL, is continued on another, or does not end with CR and LF");
    g->line = NULL;
}

void http_guard_lines(struct http_guard *g, const char *version, const char *end)
{
    g->end = end;
    g->line = next_line(version, end);
    if (!g->line)
        lose_track(g);
}

static void follow(struct http_guard *g, const char *name, const char *value)
{
    const char *at = name + strlen(name) + 1;

    if (name == g->line && at < g->end)
        at += strspn(at, " \t");
    g->line = name == g->line && at == value ? next_line(value, g->end) : NULL;
    if (!g->line)
        lose_track(g);
}

/* --- headers ----------------------------------------------------------------------------------------------------- */

void http_guard_header(struct http_guard *g, const char *name, const char *value)
{
    if (g->line)
        follow(g, name, value);
    if (!is_token(name) || has_controls(value))
        broken(g, "a header has a name or a value with characters that may not be in it");
    if (strcasecmp(name, "Content-Length") == 0) {
        size_t n = strspn(value, "0123456789");

        if (++g->lengths > 1)
            broken(g, "there is more than one Content-Length");
        if (n == 0 || n > LENGTH_DIGITS_MAX || value[n])
            broken(g, "Content-Length is not a number");
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        if (++g->codings > 1)
            broken(g, "there is more than one Transfer-Encoding");
        if (strcasecmp(value, "chunked") != 0)
            broken(g, "a body may be sent with Content-Length or with Transfer-Encoding: chunked, and with no other "
                      "coding");
    } else if (strcasecmp(name, "Host") == 0) {
        if (++g->hosts > 1)
            broken(g, "there is more than one Host");
        if (!*value || strlen(value) > HOST_MAX || strpbrk(value, " \t,/@\\?#"))
            broken(g, "Host is no name and no address");
        g->host = value;
    } else if (strcasecmp(name, "Origin") == 0) {
        g->origin = value;
    } else if (strcasecmp(name, "Sec-Fetch-Site") == 0) {
        g->site = value;
    } else if (strcasecmp(name, "Sec-Fetch-Mode") == 0) {
        g->mode = value;
    } else if (begins_with(name, "Content-Length") || begins_with(name, "Transfer-Encoding")) {
        broken(g, "a header is continued on a second line"); /* the library appends that to the name */
    }
}

bool http_guard_framing(const struct http_guard *g, const char *version, const char **why)
{
    bool old = strcmp(version, "HTTP/1.0") == 0;

    if (g->broken)
        *why = g->broken;
    else if (g->line && g->line + LINE_END != g->end) /* behind the last line there is an empty one and nothing else */
        *why = "a line of the head has no name";
    else if (g->lengths > 0 && g->codings > 0)
        *why = "Content-Length and Transfer-Encoding contradict one another";
    else if (g->codings > 0 && old)
        *why = "HTTP/1.0 knows no Transfer-Encoding";
    else if (g->hosts == 0 && !old)
        *why = "the header Host is missing";
    else
        return true;
    return false;
}

/* --- names ------------------------------------------------------------------------------------------------------- */

void http_names_init(struct http_names *n, const char *listen_host, bool loopback, const struct cfg_strings *more)
{
    *n = (struct http_names){.loopback = loopback, .listen = listen_host, .more = more};
    if (gethostname(n->machine, sizeof(n->machine) - 1) < 0)
        n->machine[0] = '\0';
}

/* "[::1]:4573" -> "::1", "localhost.:80" -> "localhost". False: too long, no host at all, or no port behind it. */
static bool host_part(const char *host, char out[HOST_MAX + 1], bool *bracketed)
{
    const char *from = host, *end = host + strcspn(host, ":"), *port;

    *bracketed = *host == '[';
    if (*bracketed) {
        from++;
        end = strchr(from, ']');
        if (!end)
            return false;
    }
    port = end + *bracketed; /* "", ":" or ":4573" */
    if (*port && (*port != ':' || port[1 + strspn(port + 1, "0123456789")]))
        return false;

    if (!*bracketed && end > from + 1 && end[-1] == '.')
        end--;
    if (end == from || (size_t)(end - from) > HOST_MAX)
        return false;
    memcpy(out, from, (size_t)(end - from));
    out[end - from] = '\0';
    return true;
}

static bool is_literal(const char *host, bool bracketed, bool *loopback)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (bracketed) {
        if (inet_pton(AF_INET6, host, &v6) != 1)
            return false;
        *loopback = IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
        return true;
    }
    if (inet_pton(AF_INET, host, &v4) != 1)
        return false;
    *loopback = ntohl(v4.s_addr) >> 24 == 127;
    return true;
}

/* Browsers look these up nowhere: they are this machine. */
static bool is_localhost(const char *host)
{
    static const char SUFFIX[] = ".localhost";
    size_t n = strlen(host);

    return strcasecmp(host, "localhost") == 0 ||
           (n > sizeof(SUFFIX) - 1 && strcasecmp(host + n - (sizeof(SUFFIX) - 1), SUFFIX) == 0);
}

static bool is_configured(const char *host, const struct cfg_strings *more)
{
    for (size_t i = 0; more && i < more->n; i++)
        if (strcmp(more->v[i], "*") == 0 || strcasecmp(more->v[i], host) == 0)
            return true;
    return false;
}

/* An address cannot be rebound, and neither can a name without a dot, which the whole of the internet does not know; but on
 * loopback only what is meant for loopback. */
static bool is_ours(const char *value, const struct http_names *n)
{
    char host[HOST_MAX + 1];
    bool bracketed, loopback = false;

    if (is_configured("*", n->more))
        return true;
    if (!host_part(value, host, &bracketed))
        return false;
    if (is_literal(host, bracketed, &loopback))
        return loopback || !n->loopback || is_configured(host, n->more);
    if (bracketed)
        return false;
    if (is_localhost(host) || is_configured(host, n->more) || strcasecmp(host, n->listen) == 0)
        return true;
    return !n->loopback && (!strchr(host, '.') || strcasecmp(host, n->machine) == 0);
}

static bool is_same_origin(const char *origin, const char *host)
{
    const char *rest = begins_with(origin, "http://")    ? origin + 7
                       : begins_with(origin, "https://") ? origin + 8
                                                         : NULL;

    return rest && host && strcasecmp(rest, host) == 0;
}

bool http_guard_names(const struct http_guard *g, const char *method, const struct http_names *n, const char **why)
{
    /* A link on another page may lead here: it only shows the page to whoever follows it. */
    bool navigates =
        g->mode && strcmp(g->mode, "navigate") == 0 && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0);

    if (g->host && !is_ours(g->host, n)) /* without one it is HTTP/1.0, which no browser speaks */
        *why = n->loopback
                   ? "this server answers to localhost only; the name in Host is another, and can be allowed with "
                     "the option `hosts`"
                   : "this server does not answer to the name in Host; it can be allowed with the option `hosts`";
    else if (g->origin && !is_same_origin(g->origin, g->host))
        *why = "a page of another site may not ask this server";
    else if (g->site && strcmp(g->site, "same-origin") != 0 && strcmp(g->site, "none") != 0 && !navigates)
        *why = "a page of another site may not ask this server";
    else
        return true;
    return false;
}
