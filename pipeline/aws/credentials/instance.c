/* An EC2 instance asks its metadata service (IMDSv2): a token first, then the name of its role, then the role's keys. The service is at an
 * address that other machines may not have, or have something else at; so where nobody says that it is to be asked, it is asked only on what
 * looks like an instance. In a container the answer to the first request may get lost on its last hop: then it does not come at
 * all. */
#include "pipeline/aws/credentials/provider.h"

#include "pipeline/aws/credentials/answer.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/url.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define ROLES_PATH "/latest/meta-data/iam/security-credentials/"

static const char *env_or_null(const char *name)
{
    const char *v = getenv(name);

    return v && *v ? v : NULL;
}

static bool file_has(const char *path, const char *word)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[128] = "";
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    return n > 0 && strcasestr(text, word);
}

static bool looks_like_an_instance(void)
{
    return file_has("/sys/class/dmi/id/sys_vendor", "amazon") || file_has("/sys/class/dmi/id/bios_version", "amazon") ||
           file_has("/sys/hypervisor/uuid", "ec2");
}

const char *aws_instance_not_asked(bool asked)
{
    const char *disabled = env_or_null("AWS_EC2_METADATA_DISABLED");

    if (disabled && strcasecmp(disabled, "true") == 0)
        return "AWS_EC2_METADATA_DISABLED is set";
    if (asked || env_or_null("AWS_EC2_METADATA_SERVICE_ENDPOINT") || looks_like_an_instance())
        return NULL;
    return "this machine is no EC2 instance";
}

/* Without a slash at the end. */
static int service_address(char *out, size_t size, struct err *e)
{
    const char *named = env_or_null("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = env_or_null("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    struct http_url u;

    if (!named) {
        if (mode && strcasecmp(mode, "ipv4") != 0 && strcasecmp(mode, "ipv6") != 0)
            return err_set(e, ERR_CONFIG, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6");
        snprintf(out, size, "%s",
                 mode && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]" : "http://169.254.169.254");
        return 0;
    }
    if (http_url_parse(&u, "AWS_EC2_METADATA_SERVICE_ENDPOINT", named, e) < 0)
        return -1;
    snprintf(out, size, "%s://%s%s", u.scheme, u.host, u.path);
    http_url_release(&u);
    return 0;
}

static nsec patience(void)
{
    const char *text = env_or_null("AWS_METADATA_SERVICE_TIMEOUT");
    long seconds = text ? strtol(text, NULL, 10) : 0;

    return seconds > 0 && seconds <= 60 ? (nsec)seconds * NSEC_PER_SEC : AWS_INSTANCE_TIMEOUT;
}

/* token: NULL to ask for one. 0: status 200. */
static int ask(struct aws_ask *a, const char *service, const char *path, const char *token, struct aws_answer *out,
               struct err *e)
{
    struct http_request rq = {.method = token ? "GET" : "PUT", .proxy = "none"};
    int rc;

    rq.url = mem_printf("%s%s", service, path);
    if (token)
        http_request_header(&rq, "X-aws-ec2-metadata-token", slice_str(token));
    else
        http_request_header(&rq, "X-aws-ec2-metadata-token-ttl-seconds", SLICE("21600"));
    rc = aws_ask_http(a, &rq, patience(), out, e);
    http_request_release(&rq);
    if (rc < 0)
        return token ? -1
                     : err_wrap(e, "%.100s (in a container: is the instance's metadata hop limit 2 or more?)", service);
    if (out->status != 200)
        return err_set(e, ERR_REMOTE, "%.100s%s: status %d", service, path, out->status);
    return 0;
}

/* The first line; -1 when it is none that may stand in a URL or a header. */
static int take_line(const struct buf *body, char *out, size_t size)
{
    size_t n = 0;

    for (; n < body->n && body->p[n] != '\n' && body->p[n] != '\r'; n++)
        if (n + 1 >= size || body->p[n] <= ' ' || body->p[n] > '~' || strchr("/?#%\\\"<>", body->p[n]))
            return -1;
    memcpy(out, n > 0 ? body->p : "", n);
    out[n] = '\0';
    return n > 0 ? 0 : -1;
}

/* Base64 has slashes; a header may have them. */
static int take_token(const struct buf *body, char *out, size_t size)
{
    struct slice s = slice_trim(buf_slice(body));

    while (s.n > 0 && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n == 0 || s.n >= size)
        return -1;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return -1;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return 0;
}

static int keys_of_role(struct aws_ask *a, const char *service, const char *token, const char *role,
                        struct aws_keys *out, struct err *e)
{
    struct aws_answer answer = {.status = 0};
    char path[sizeof(ROLES_PATH) + 256];
    int rc;

    snprintf(path, sizeof(path), ROLES_PATH "%s", role);
    rc = ask(a, service, path, token, &answer, e);
    if (rc == 0 && aws_answer_json(buf_slice(&answer.body), KEYS_OF_INSTANCE, out, e) < 0)
        rc = err_wrap(e, "the keys of role `%.64s`", role);
    out->expires += rc == 0 ? answer.ahead : 0;
    aws_answer_release(&answer);
    return rc;
}

int aws_instance_keys(struct aws_ask *a, struct aws_keys *out, struct err *e)
{
    struct aws_answer first = {.status = 0}, second = {.status = 0};
    char service[AWS_URL_MAX], token[AWS_INSTANCE_TOKEN_MAX], role[129];
    int rc = service_address(service, sizeof(service), e);

    if (rc == 0)
        rc = ask(a, service, "/latest/api/token", NULL, &first, e);
    if (rc == 0 && take_token(&first.body, token, sizeof(token)) < 0)
        rc = err_set(e, ERR_FORMAT, "%.100s: its token is none", service);
    if (rc == 0) {
        rc = ask(a, service, ROLES_PATH, token, &second, e);
        if (rc < 0 && second.status == 404)
            rc = err_set(e, ERR_REMOTE, "the instance has no role");
        else if (rc == 0 && take_line(&second.body, role, sizeof(role)) < 0)
            rc = err_set(e, ERR_FORMAT, "%.100s: the name of the instance's role is none", service);
    }
    if (rc == 0)
        rc = keys_of_role(a, service, token, role, out, e);
    explicit_bzero(token, sizeof(token));
    aws_answer_release(&first);
    aws_answer_release(&second);
    return rc < 0 ? err_wrap(e, "the instance's metadata") : 0;
}
