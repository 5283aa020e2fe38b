#include "sinks/s3/address.h"

#include "pipeline/aws/sigv4.h"
#include "pipeline/base/mem.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_MAX   255 /* AWS: 63; stores of one's own may allow more */
#define HOST_ALLOWED "abcdefghijklmnopqrstuvwxyz0123456789.-:[]_"
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

static bool is_ip(const char *host)
{
    return host[0] == '[' || strspn(host, "0123456789.:") == strlen(host);
}

static char *lower(const char *s)
{
    char *out = mem_strdup(s);

    for (char *p = out; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return out;
}

/* What curl leaves out of the Host header, the signature must not cover. */
static void drop_default_port(char *host, const char *port)
{
    size_t n = strlen(host), k = strlen(port);

    if (n > k && strcmp(host + n - k, port) == 0)
        host[n - k] = '\0';
}

/* What stands behind the host's last colon. An IPv6 address is in brackets. */
static int check_port(const char *host, struct err *e)
{
    const char *bracket = strchr(host, ']'), *colon = strrchr(bracket ? bracket : host, ':');
    long port;

    if (!colon)
        return 0;
    port = strspn(colon + 1, "0123456789") == strlen(colon + 1) ? strtol(colon + 1, NULL, 10) : 0;
    if (port < 1 || port > 65535)
        return err_set(e, ERR_CONFIG, "endpoint: `%s` is not a port (1 to 65535)", colon + 1);
    return 0;
}

/* What stands behind the host, without slashes at its end. curl would take `.` and `..` out of what is signed. */
static int check_path(char *path, const char *bucket, const char *text, struct err *e)
{
    size_t n = strlen(path);

    while (n > 0 && path[n - 1] == '/')
        path[--n] = '\0';
    if (strspn(path, PATH_ALLOWED) != n)
        return err_set(e, ERR_CONFIG, "endpoint: `%.200s`: its path may have letters, digits, - . _ ~ / and %%XX",
                       text);
    if (n > 0 && strcmp(path + 1, bucket) == 0)
        return err_set(e, ERR_CONFIG, "endpoint: `%.200s` ends in the bucket, which goes into `bucket` alone", text);
    for (char *p = path; *p; p += strcspn(p + 1, "/") + 1) {
        size_t part = strcspn(p + 1, "/");

        if (part <= 2 && strspn(p + 1, ".") >= part && (part > 0 || p[1] == '/'))
            return err_set(e, ERR_CONFIG, "endpoint: `%.200s`: no folder of its path may be empty, `.` or `..`", text);
    }
    return 0;
}

/* Takes an endpoint apart into scheme, host and path; *host and *path are the caller's to free. */
static int parse_endpoint(const char *text, const char *bucket, const char **scheme, char **host, char **path,
                          struct err *e)
{
    char *all = lower(text), *h;
    size_t n;
    int rc = -1;

    *scheme = strncmp(all, "https://", 8) == 0 ? "https" : "http";
    if (strncmp(all, "http://", 7) != 0 && strncmp(all, "https://", 8) != 0) {
        err_set(e, ERR_CONFIG, "endpoint: `%.200s` does not begin with http:// or https://", text);
        goto out;
    }
    h = all + strlen(*scheme) + 3;
    n = strcspn(h, "/");
    *path = mem_strdup(text + (h - all) + n);
    h[n] = '\0';
    if (n == 0 || n > 253 + 6 || strspn(h, HOST_ALLOWED) != n) {
        err_set(e, ERR_CONFIG, "endpoint: `%.200s` is not of the form http://host:port; the bucket goes into `bucket`",
                text);
        goto out;
    }
    if (check_port(h, e) < 0 || check_path(*path, bucket, text, e) < 0)
        goto out;
    drop_default_port(h, strcmp(*scheme, "https") == 0 ? ":443" : ":80");
    *host = mem_strdup(h);
    rc = 0;
out:
    mem_free(all);
    return rc;
}

static bool wants_virtual(const char *bucket, bool aws, enum s3_addressing addressing)
{
    if (addressing != S3_ADDRESSING_AUTO)
        return addressing == S3_ADDRESSING_VIRTUAL;
    return aws && !strchr(bucket, '.');
}

static int check_virtual(const char *host, struct err *e)
{
    if (is_ip(host))
        return err_set(e, ERR_CONFIG, "addressing: virtual needs a host name in endpoint, and `%s` is an address",
                       host);
    return 0;
}

static char *aws_endpoint(const char *region)
{
    return mem_printf("https://s3.%s.amazonaws.com%s", region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

int s3_address_init(struct s3_address *a, const char *bucket, const char *endpoint, const char *region,
                    enum s3_addressing addressing, struct err *e)
{
    bool aws = !endpoint || !*endpoint, virtual_hosted = wants_virtual(bucket, aws, addressing);
    char *text, *host = NULL, *path = NULL;

    *a = (struct s3_address){0};
    if (check_bucket(bucket, e) < 0 || check_region(region, e) < 0)
        return -1;
    text = aws ? aws_endpoint(region) : mem_strdup(endpoint);
    if (parse_endpoint(text, bucket, &a->scheme, &host, &path, e) < 0)
        goto out;
    if (virtual_hosted && check_virtual(host, e) < 0)
        goto out;
    a->endpoint = mem_printf("%s://%s%s", a->scheme, host, path);
    a->host = virtual_hosted ? mem_printf("%s.%s", bucket, host) : mem_strdup(host);
    a->folder = virtual_hosted ? mem_strdup(path) : mem_printf("%s/%s", path, bucket);
out:
    mem_free(text);
    mem_free(host);
    mem_free(path);
    return a->host ? 0 : -1;
}

void s3_address_check(const char *bucket, const char *endpoint, const char *region, enum s3_addressing addressing,
                      const struct cfg_options *o)
{
    const char *scheme;
    char *host = NULL, *path = NULL;
    struct err e;

    if (bucket && check_bucket(bucket, &e) < 0)
        cfg_options_refuse(o, &e);
    if (region && *region && check_region(region, &e) < 0)
        cfg_options_refuse(o, &e);
    if (endpoint && *endpoint && parse_endpoint(endpoint, bucket ? bucket : "", &scheme, &host, &path, &e) < 0)
        cfg_options_refuse(o, &e);
    if (host && addressing == S3_ADDRESSING_VIRTUAL && check_virtual(host, &e) < 0)
        cfg_options_refuse(o, &e);
    mem_free(host);
    mem_free(path);
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
