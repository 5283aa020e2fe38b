/* Where a bucket is: below the endpoint's path, or in its host's name ("virtual hosted": http://logs.s3.example/). The endpoint may have a
 * path of its own. What is signed is what is sent, so nothing may stand in it that curl would change on the way. */
#include "sinks/s3/address.h"

#include "pipeline/aws/sigv4.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/url.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define BUCKET_MAX 255 /* AWS: 63; stores of one's own may allow more */
/* What needs no encoding in a path, and what is encoded already: the signature covers it as it is. */
#define PATH_ALLOWED "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/%"

static int check_bucket(const char *bucket, struct err *e)
{
    size_t n = strlen(bucket);

    if (n == 0 || n > BUCKET_MAX || strcmp(bucket, ".") == 0 || strcmp(bucket, "..") == 0 ||
        strspn(bucket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != n)
        return err_set(e, ERR_CONFIG, "bucket: `%.80s` is not a bucket's name; folders in it go into prefix", bucket);
    return 0;
}

static int check_region(const char *region, struct err *e)
{
    size_t n = strlen(region);

    if (n == 0 || n > 63 || strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != n)
        return err_set(e, ERR_CONFIG, "region: `%.80s` is not a region's name, such as us-east-1", region);
    return 0;
}

static int parse_endpoint(struct http_url *u, const char *text, const char *bucket, struct err *e)
{
    const char *host = strstr(text, "://"), *path;

    if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0)
        return err_set(e, ERR_CONFIG, "endpoint: `%.200s` does not begin with http:// or https://", text);
    host += 3;
    path = host + strcspn(host, "/");
    if (path == host || memchr(host, '@', (size_t)(path - host)) || memchr(host, '?', (size_t)(path - host)))
        return err_set(e, ERR_CONFIG,
                       "endpoint: it is not of the form http://host:port; the bucket goes into `bucket`");
    if (path[strspn(path, PATH_ALLOWED)])
        return err_set(e, ERR_CONFIG, "endpoint: `%.200s`: its path may have letters, digits, - . _ ~ / and %%XX",
                       text);
    if (http_url_parse(u, "endpoint", text, e) < 0)
        return -1;
    if (*u->path && strcmp(u->path + 1, bucket) == 0) {
        err_set(e, ERR_CONFIG, "endpoint: `%.200s` ends in the bucket, which goes into `bucket` alone", text);
        goto fail;
    }
    for (const char *p = u->path; *p; p += strcspn(p + 1, "/") + 1) {
        size_t part = strcspn(p + 1, "/");

        /* curl would take `.` and `..` out of what is signed. */
        if (part <= 2 && strspn(p + 1, ".") >= part && (part > 0 || p[1] == '/')) {
            err_set(e, ERR_CONFIG, "endpoint: `%.200s`: no folder of its path may be empty, `.` or `..`", text);
            goto fail;
        }
    }
    return 0;
fail:
    http_url_release(u);
    return -1;
}

static int check_virtual(const char *host, struct err *e)
{
    if (host[0] == '[' || strspn(host, "0123456789.:") == strlen(host))
        return err_set(e, ERR_CONFIG, "addressing: virtual needs a host name in endpoint, and `%s` is an address",
                       host);
    return 0;
}

int s3_address_init(struct s3_address *a, const char *bucket, const char *endpoint, const char *region,
                    enum s3_addressing addressing, struct err *e)
{
    bool aws = !endpoint || !*endpoint;
    bool virtual_hosted =
        addressing == S3_ADDRESSING_AUTO ? aws && !strchr(bucket, '.') : addressing == S3_ADDRESSING_VIRTUAL;
    struct http_url u = {0};
    char *text;

    *a = (struct s3_address){0};
    if (check_bucket(bucket, e) < 0 || check_region(region, e) < 0)
        return -1;
    text = aws ? mem_printf("https://s3.%s.amazonaws.com%s", region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "")
               : mem_strdup(endpoint);
    if (parse_endpoint(&u, text, bucket, e) < 0 || (virtual_hosted && check_virtual(u.host, e) < 0))
        goto out;
    a->scheme = u.scheme;
    a->endpoint = mem_printf("%s%s", u.shown, u.path);
    a->host = virtual_hosted ? mem_printf("%s.%s", bucket, u.host) : mem_strdup(u.host);
    a->folder = virtual_hosted ? mem_strdup(u.path) : mem_printf("%s/%s", u.path, bucket);
out:
    mem_free(text);
    http_url_release(&u);
    return a->host ? 0 : -1;
}

void s3_address_check(const char *bucket, const char *endpoint, const char *region, enum s3_addressing addressing,
                      const struct cfg_options *o)
{
    struct http_url u = {0};
    struct err e;

    if (bucket && check_bucket(bucket, &e) < 0)
        cfg_options_refuse(o, &e);
    if (region && *region && check_region(region, &e) < 0)
        cfg_options_refuse(o, &e);
    if (endpoint && *endpoint && parse_endpoint(&u, endpoint, bucket ? bucket : "", &e) < 0)
        cfg_options_refuse(o, &e);
    if (u.host && addressing == S3_ADDRESSING_VIRTUAL && check_virtual(u.host, &e) < 0)
        cfg_options_refuse(o, &e);
    http_url_release(&u);
}

void s3_address_release(struct s3_address *a)
{
    mem_free(a->endpoint);
    mem_free(a->host);
    mem_free(a->folder);
    *a = (struct s3_address){0};
}

int s3_address_path(const struct s3_address *a, struct slice key, struct buf *out)
{
    if (buf_add_str(out, a->folder) < 0 || buf_add_char(out, '/') < 0)
        return -1;
    return sigv4_uri_encode(key, true, out);
}
