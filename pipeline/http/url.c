/* The host is checked character by character, because it goes into a header and into names that a resolver is asked for; path and
 * query are taken as they stand, once it is sure that they can stand in a request's first line. */
#include "pipeline/http/url.h"

#include "pipeline/base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int check_characters(const char *option, const char *text, struct err *e)
{
    size_t n = strlen(text);

    if (n > ENDPOINT_URL_MAX)
        return err_set(e, ERR_CONFIG, "%s: an address may have %d characters, this one has %zu", option,
                       ENDPOINT_URL_MAX, n);
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return err_set(e, ERR_CONFIG, "%s: character %zu is white space or not ASCII", option, i + 1);
    for (const char *p = text; (p = strchr(p, '%')); p++)
        if (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]))
            return err_set(
                e, ERR_CONFIG,
                "%s: `%%` begins an encoded character, such as %%20, in an address; times cannot be put in here",
                option);
    if (strchr(text, '#'))
        return err_set(e, ERR_CONFIG, "%s: a fragment (#...) is never sent to a server", option);
    return 0;
}

static int check_host(struct http_url *u, const char *option, struct err *e)
{
    char *bracket = strchr(u->host, ']');
    char *colon = strchr(bracket ? bracket : u->host, ':'), *end;
    long port;

    if (strchr(u->host, '@'))
        return err_set(e, ERR_CONFIG, "%s: user and password do not belong into the address; set auth, or the keys",
                       option);
    if (!*u->host || u->host == colon)
        return err_set(e, ERR_CONFIG, "%s: the address names no host", option);
    if ((u->host[0] == '[') != (bracket != NULL))
        return err_set(e, ERR_CONFIG, "%s: an IPv6 address stands in brackets: http://[::1]:9200", option);
    for (char *p = u->host; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr(bracket ? "[]:.-" : ":.-_", *p))
            return err_set(e, ERR_CONFIG, "%s: a host name has no `%c`", option, *p);
        *p = (char)tolower((unsigned char)*p);
    }
    if (!colon)
        return 0;
    port = strtol(colon + 1, &end, 10);
    if (!isdigit((unsigned char)colon[1]) || *end || port < 1 || port > 65535)
        return err_set(e, ERR_CONFIG, "%s: `%s` is not a port (1 to 65535)", option, colon + 1);
    if (port == (strcmp(u->scheme, "https") == 0 ? 443 : 80)) /* the scheme's own is dropped */
        *colon = '\0';
    return 0;
}

int http_url_parse(struct http_url *u, const char *option, const char *text, struct err *e)
{
    size_t host, path;

    *u = (struct http_url){0};
    if (check_characters(option, text, e) < 0)
        return -1;
    u->scheme = strncasecmp(text, "https://", 8) == 0 ? "https" : strncasecmp(text, "http://", 7) == 0 ? "http" : NULL;
    if (!u->scheme)
        return err_set(e, ERR_CONFIG, "%s: an address begins with http:// or https://", option);
    text += strlen(u->scheme) + 3;
    host = strcspn(text, "/?");
    path = strcspn(text + host, "?");
    u->host = mem_strndup(text, host);
    u->query = mem_strdup(text[host + path] ? text + host + path + 1 : "");
    while (path > 0 && text[host + path - 1] == '/')
        path--;
    u->path = mem_strndup(text + host, path);
    if (check_host(u, option, e) < 0) {
        http_url_release(u);
        return -1;
    }
    u->shown = mem_printf("%s://%s", u->scheme, u->host);
    return 0;
}

int http_url_place(const struct http_url *u, struct buf *out)
{
    const char *bracket = strrchr(u->host, ']'), *port = strrchr(bracket ? bracket : u->host, ':');
    const char *own = strcmp(u->scheme, "https") == 0 ? ":443" : ":80";

    return buf_add_str(out, u->host) < 0 || (!port && buf_add_str(out, own) < 0) ? -1 : buf_add_str(out, u->path);
}

void http_url_release(struct http_url *u)
{
    mem_free(u->host);
    mem_free(u->path);
    mem_free(u->query);
    mem_free(u->shown);
    *u = (struct http_url){0};
}
