/* Where a bucket is: below the endpoint's path, or in its host's name ("virtual hosted": http://logs.s3.example/). The endpoint may have a
 * path of its own. What is signed is what is sent, so nothing may stand in it that curl would change on the way. */
#include "pipeline/aws/s3/address.h"

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

bool s3_address_is_region(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && n <= 63 && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == n;
}

static int check_region(const char *region, struct err *e)
{
    if (!s3_address_is_region(region))
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

/* A partition is what its regions' names begin with. */
static const struct partition {
    const char *regions, *domain;
} PARTITIONS[] = {
    {"cn-", "amazonaws.com.cn"}, {"us-isob-", "sc2s.sgov.gov"}, {"us-isof-", "csp.hci.ic.gov"},
    {"us-iso-", "c2s.ic.gov"},   {"eusc-", "amazonaws.eu"},     {"eu-isoe-", "cloud.adc-e.uk"},
    {"", "amazonaws.com"},
};

static const char *domain_of(const char *region)
{
    const struct partition *p = PARTITIONS;

    while (strncmp(region, p->regions, strlen(p->regions)) != 0)
        p++;
    return p->domain;
}

static char *aws_endpoint(const struct s3_where *w)
{
    if (w->accelerate)
        return mem_printf("https://s3-accelerate%s.amazonaws.com", w->dual_stack ? ".dualstack" : "");
    return mem_printf("https://s3%s%s.%s.%s", w->fips ? "-fips" : "", w->dual_stack ? ".dualstack" : "", w->region,
                      domain_of(w->region));
}

static bool is_aws(const struct s3_where *w)
{
    return !w->endpoint || !*w->endpoint;
}

static int check_variants(const struct s3_where *w, struct err *e)
{
    const char *variant = w->accelerate ? "accelerate" : w->fips ? "fips" : w->dual_stack ? "dual_stack" : NULL;

    if (variant && !is_aws(w))
        return err_set(e, ERR_CONFIG, "%s: chooses among AWS's own endpoints, and `endpoint` is another", variant);
    if (w->accelerate && w->fips)
        return err_set(e, ERR_CONFIG, "accelerate: there is no FIPS endpoint for transfer acceleration");
    if (w->accelerate && w->bucket && (strchr(w->bucket, '.') || w->addressing == S3_ADDRESSING_PATH))
        return err_set(
            e, ERR_CONFIG,
            "accelerate: the bucket's name becomes a part of the host's, so it has no dots, and addressing is "
            "not `path`");
    if ((w->accelerate || w->fips) && w->region && strcmp(domain_of(w->region), "amazonaws.com") != 0 &&
        (w->accelerate || strncmp(w->region, "cn-", 3) == 0))
        return err_set(e, ERR_CONFIG, "%s: there is no such endpoint for region `%s`", variant, w->region);
    return 0;
}

int s3_address_init(struct s3_address *a, const struct s3_where *w, struct err *e)
{
    bool virtual_hosted = w->addressing == S3_ADDRESSING_AUTO ? is_aws(w) && !strchr(w->bucket, '.')
                                                              : w->addressing == S3_ADDRESSING_VIRTUAL;
    struct http_url u = {0};
    char *text;

    *a = (struct s3_address){0};
    if (check_bucket(w->bucket, e) < 0 || check_region(w->region, e) < 0 || check_variants(w, e) < 0)
        return -1;
    text = is_aws(w) ? aws_endpoint(w) : mem_strdup(w->endpoint);
    if (parse_endpoint(&u, text, w->bucket, e) < 0 || (virtual_hosted && check_virtual(u.host, e) < 0))
        goto out;
    a->scheme = u.scheme;
    a->endpoint = mem_printf("%s%s", u.shown, u.path);
    a->host = virtual_hosted ? mem_printf("%s.%s", w->bucket, u.host) : mem_strdup(u.host);
    a->folder = virtual_hosted ? mem_strdup(u.path) : mem_printf("%s/%s", u.path, w->bucket);
out:
    mem_free(text);
    http_url_release(&u);
    return a->host ? 0 : -1;
}

void s3_address_check(const struct s3_where *w, const struct cfg_options *o)
{
    struct http_url u = {0};
    struct err e;

    if (w->bucket && check_bucket(w->bucket, &e) < 0)
        cfg_options_refuse(o, &e);
    if (w->region && *w->region && check_region(w->region, &e) < 0)
        cfg_options_refuse(o, &e);
    if (!is_aws(w) && parse_endpoint(&u, w->endpoint, w->bucket ? w->bucket : "", &e) < 0)
        cfg_options_refuse(o, &e);
    if (u.host && w->addressing == S3_ADDRESSING_VIRTUAL && check_virtual(u.host, &e) < 0)
        cfg_options_refuse(o, &e);
    if (check_variants(w, &e) < 0)
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
