/* ECS tasks and EKS pods (Pod Identity) have an address at which their role's keys are. An environment variable names it, so whoever can
 * set that could send our token elsewhere: over plain http only this machine and the two addresses of ECS and EKS are asked. */
#include "pipeline/aws/credentials/provider.h"

#include "pipeline/aws/credentials/answer.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define ECS_ADDRESS "http://169.254.170.2"

static const char *env_or_null(const char *name)
{
    const char *v = getenv(name);

    return v && *v ? v : NULL;
}

/* host[:port], without the port; brackets go. */
static void bare_host(const char *host, char *out, size_t size)
{
    size_t n = *host == '[' ? strcspn(host, "]") : strcspn(host, ":");

    snprintf(out, size, "%.*s", (int)(*host == '[' ? n - 1 : n), *host == '[' ? host + 1 : host);
}

static bool may_be_asked_openly(const char *host)
{
    static const char *const ALLOWED[] = {"localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23", "::1"};
    char bare[128], given[16], allowed[16];

    bare_host(host, bare, sizeof(bare));
    if (inet_pton(AF_INET, bare, given) == 1 && given[0] == 127)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(ALLOWED); i++)
        if (strcmp(bare, ALLOWED[i]) == 0 ||
            (inet_pton(AF_INET6, bare, given) == 1 && inet_pton(AF_INET6, ALLOWED[i], allowed) == 1 &&
             memcmp(given, allowed, sizeof(given)) == 0))
            return true;
    return false;
}

static bool is_plain(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    return true;
}

int aws_container_address(char *url, size_t size, struct err *e)
{
    const char *relative = env_or_null("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = env_or_null("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const char *name = relative ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" : "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    struct http_url u;
    int rc = 0;

    if (!relative && !full)
        return 1;
    if (relative && *relative != '/')
        return err_set(e, ERR_CONFIG, "%s does not begin with /", name);
    if ((size_t)snprintf(url, size, "%s%s", relative ? ECS_ADDRESS : "", relative ? relative : full) >= size)
        return err_set(e, ERR_LIMIT, "%s is too long", name);
    if (!is_plain(url))
        return err_set(e, ERR_CONFIG, "%s has white space, or is not ASCII", name);
    if (http_url_parse(&u, name, url, e) < 0)
        return -1;
    if (strcmp(u.scheme, "https") != 0 && !may_be_asked_openly(u.host))
        rc = err_set(e, ERR_CONFIG,
                     "%s names %.80s: over http only loopback, 169.254.170.2 and 169.254.170.23 are asked", name,
                     u.host);
    http_url_release(&u);
    return rc;
}

/* The token goes as it is, and is read anew each time: EKS rotates it. */
static int authorize(struct http_request *rq, struct err *e)
{
    const char *file = env_or_null("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = env_or_null("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct buf text = {.p = NULL};
    int rc = 0;

    if (file) {
        rc = aws_read_token(file, &text, e);
        if (rc == 0)
            http_request_header(rq, "Authorization", buf_slice(&text));
        else
            err_wrap(e, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        if (text.n > 0)
            explicit_bzero(text.p, text.n);
        buf_release(&text);
    } else if (token && strpbrk(token, "\r\n")) {
        rc = err_set(e, ERR_CONFIG, "AWS_CONTAINER_AUTHORIZATION_TOKEN has a line break");
    } else if (token) {
        http_request_header(rq, "Authorization", slice_str(token));
    }
    return rc;
}

int aws_container_keys(struct aws_ask *a, struct aws_keys *out, struct err *e)
{
    struct http_request rq = {.method = "GET", .proxy = "none"};
    struct aws_answer answer = {.status = 0};
    char url[AWS_URL_MAX];
    int rc = aws_container_address(url, sizeof(url), e);

    if (rc != 0)
        return rc < 0 ? -1 : err_set(e, ERR_CONFIG, "AWS_CONTAINER_CREDENTIALS_* is not set");
    rq.url = mem_strdup(url);
    http_request_header(&rq, "Accept", SLICE("application/json"));
    rc = authorize(&rq, e);
    if (rc == 0)
        rc = aws_ask_http(a, &rq, AWS_CONTAINER_TIMEOUT, &answer, e);
    if (rc == 0 && answer.status != 200)
        rc = err_set(e, ERR_REMOTE, "status %d", answer.status);
    else if (rc == 0 && aws_answer_json(buf_slice(&answer.body), KEYS_OF_CONTAINER, out, e) < 0)
        rc = err_wrap(e, "the answer");
    out->expires += rc == 0 ? answer.ahead : 0;
    http_request_release(&rq);
    aws_answer_release(&answer);
    return rc < 0 ? err_wrap(e, "the container's endpoint") : 0;
}
