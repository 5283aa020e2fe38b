/* Options by themselves: the table, mappings of names to texts, and what the table cannot say. */
#include "sinks/endpoint/options.h"

#include "config/node.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "sinks/endpoint/shape.h"
#include "sinks/names/literal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define ATTRIBUTES_MAX      50 /* Firehose: CommonAttributes */
#define ATTRIBUTE_NAME_MAX  256
#define ATTRIBUTE_VALUE_MAX 1024

static void pairs_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct pairs *p = out;

    if (!node || cfg_node_is_null(node))
        return;
    if (node->kind != CFG_NODE_MAP) {
        cfg_error(errs, node->at, "wants a mapping of names to texts, not %s", cfg_node_kind(node));
        return;
    }
    p->v = mem_array(node->count ? node->count : 1, sizeof(*p->v));
    for (size_t i = 0; i < node->count; i++) {
        const struct cfg_node *item = node->items[i];
        struct err e;

        if (item->bad)
            continue;
        if (item->kind != CFG_NODE_SCALAR)
            cfg_error(errs, item->at, "`%s` wants a text, not %s", item->key->text, cfg_node_kind(item));
        else if (literal_check_plain(item->text, &e) < 0)
            cfg_error(errs, item->at, "`%s`: %s", item->key->text, e.msg);
        else {
            char *text = mem_strdup(item->text); /* as it is meant */

            text[literal_unescape(text, strlen(text))] = '\0';
            p->v[p->n++] = (struct pair){mem_strdup(item->key->text), text};
        }
    }
}

static void pairs_release(void *out)
{
    struct pairs *p = out;

    for (size_t i = 0; i < p->n; i++) {
        mem_free(p->v[i].name);
        mem_free(p->v[i].value);
    }
    mem_free(p->v);
    *p = (struct pairs){0};
}

/* clang-format off */
#define AT(member) .offset = offsetof(struct http_endpoint_conf, member)

static const struct cfg_field BASIC[] = {
    {.name = "username", .type = CFG_STRING, AT(basic.username), .max = 1024, .help = "user"},
    {.name = "password", .type = CFG_STRING, AT(basic.password), .max = 1024, .secret = true,
     .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = NULL},
};

/* The rows of the inner tables count from the beginning of the whole struct: the blocks' offset is 0. */
static const struct cfg_field AUTH[] = {
    {.name = "basic", .type = CFG_BLOCK, .offset = 0, .fields = BASIC, .help = "user and password"},
    {.name = "bearer", .type = CFG_STRING, AT(bearer), .max = 8192, .secret = true, .help = "token"},
    {.name = NULL},
};

const struct cfg_field http_endpoint_fields[] = {
    {.name = "preset", .type = CFG_ENUM, AT(preset), .def = "none", .choices = preset_choices,
     .help = "a service whose address, header names, format and limits are known"},
    {.name = "url", .type = CFG_STRING, AT(url), .max = ENDPOINT_URL_MAX, .secret = true,
     .help = "http(s)://host/path to POST to; required unless the preset knows it; path and query may hold partition keys"},
    {.name = "site", .type = CFG_STRING, AT(site), .max = 253,
     .help = "the part of a preset's address that differs: datadog datadoghq.com, new_relic aws-api.newrelic.com, "
             "coralogix the team's domain, honeycomb the dataset, dynatrace the environment's host, logz_io the listener's "
             "host, logicmonitor the account"},
    {.name = "format", .type = CFG_ENUM, AT(format), .choices = shape_choices,
     .help = "needed where there is no preset, which has its own. firehose: Firehose's requests and answers; the others: the "
             "body is just records, and any 2xx is success"},
    {.name = "access_key", .type = CFG_STRING, AT(access_key), .max = 4096, .secret = true,
     .help = "sent as X-Amz-Firehose-Access-Key, for Splunk as the HEC token"},
    {.name = "headers", .type = CFG_CUSTOM, AT(headers), .bind = pairs_bind, .release = pairs_release,
     .syntax = "mapping of names to texts", .help = "further headers; values may hold partition keys"},
    {.name = "common_attributes", .type = CFG_CUSTOM, AT(attributes), .bind = pairs_bind, .release = pairs_release,
     .syntax = "mapping of names to texts",
     .help = "sent with every request: X-Amz-Firehose-Common-Attributes; host, source, sourcetype, index and fields of "
             "Splunk's events; Loki's labels; OpenTelemetry's resource attributes"},
    {.name = "auth", .type = CFG_BLOCK, .offset = 0, .fields = AUTH, .help = "Authorization: one of basic, bearer"},
    {.name = "source_arn", .type = CFG_STRING, AT(source_arn), .max = 512,
     .help = "sent as X-Amz-Firehose-Source-Arn; left out: arn:aws:firehose:us-east-1:000000000000:deliverystream/NAME"},
    {.name = "content_type", .type = CFG_STRING, AT(content_type), .max = 255,
     .help = "Content-Type of lines, json_array and raw; left out: text/plain, application/json, "
             "application/octet-stream"},
    {.name = "body_limit", .type = CFG_SIZE, AT(body_limit), .min = 64 * 1024, .max = 64 * 1024 * 1024,
     .help = "longest request, before compression; larger buffers are sent in several; left out: the preset's, 64 MiB"},
    {.name = "timeout", .type = CFG_DURATION, AT(timeout), .def = "3m", .min = NSEC_PER_SEC, .max = 3600 * NSEC_PER_SEC,
     .help = "longest time for one attempt"},
    {.name = "ack_timeout", .type = CFG_DURATION, AT(ack_timeout), .def = "180s", .min = NSEC_PER_SEC,
     .max = 3600 * NSEC_PER_SEC,
     .help = "how long Splunk's indexers may take to acknowledge, when the token has indexer acknowledgement"},
    {.name = "response_max", .type = CFG_SIZE, AT(response_max), .def = "1MiB", .min = 1024, .max = 16 * 1024 * 1024,
     .help = "longest answer that is read"},
    PROXY_FIELD(offsetof(struct http_endpoint_conf, proxy)),
    {.name = "tls", .type = CFG_BLOCK, AT(tls), .fields = tls_fields, .help = "how to trust an https address"},
    {.name = NULL},
};
/* clang-format on */

static bool is_token(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
            return false;
    return *name != '\0';
}

static int check_header(const struct pair *h, bool authorized, struct err *e)
{
    static const char *const OURS[] = {"Host",       "Content-Length", "Content-Encoding", "Content-Type",
                                       "Connection", "Expect",         "Transfer-Encoding"};

    if (!is_token(h->name))
        return err_set(e, ERR_CONFIG, "headers: `%.40s` is not a header's name", h->name);
    if (strpbrk(h->value, "\r\n"))
        return err_set(e, ERR_CONFIG, "headers: the value of %s has a line break", h->name);
    for (size_t i = 0; i < ARRAY_LEN(OURS); i++)
        if (strcasecmp(h->name, OURS[i]) == 0)
            return err_set(e, ERR_CONFIG, "headers: %s is set by the program itself%s", h->name,
                           strcasecmp(h->name, "Content-Type") == 0 ? "; see content_type" : "");
    if (strcasecmp(h->name, "Authorization") == 0 && authorized)
        return err_set(e, ERR_CONFIG, "headers: Authorization is set by auth or access_key");
    return 0;
}

enum { CHECK_CONTENT_TYPE, CHECK_SOURCE_ARN, CHECK_HEADERS, CHECK_ATTRIBUTES, CHECK_EACH };

/* What is checked has numbers: four things, then each header, then each attribute. 1: there is nothing with this number. */
static int check(const struct http_endpoint_conf *c, bool authorized, size_t number, struct err *e)
{
    const struct pairs *headers = &c->headers, *attributes = &c->attributes;
    const struct pair *a;

    switch (number) {
    case CHECK_CONTENT_TYPE:
        return c->content_type && strpbrk(c->content_type, "\r\n")
                   ? err_set(e, ERR_CONFIG, "content_type: has a line break")
                   : 0;
    case CHECK_SOURCE_ARN:
        return c->source_arn && strpbrk(c->source_arn, "\r\n") ? err_set(e, ERR_CONFIG, "source_arn: has a line break")
                                                               : 0;
    case CHECK_HEADERS:
        return headers->n > HTTP_HEADERS_OWN_MAX
                   ? err_set(e, ERR_CONFIG, "headers: %d at most, these are %zu", (int)HTTP_HEADERS_OWN_MAX, headers->n)
                   : 0;
    case CHECK_ATTRIBUTES:
        return attributes->n > ATTRIBUTES_MAX ? err_set(e, ERR_CONFIG, "common_attributes: %d at most, these are %zu",
                                                        ATTRIBUTES_MAX, attributes->n)
                                              : 0;
    }
    number -= CHECK_EACH;
    if (number < headers->n)
        return check_header(&headers->v[number], authorized, e);
    number -= headers->n;
    if (number >= attributes->n)
        return 1;
    a = &attributes->v[number];
    if (*a->name && strlen(a->name) <= ATTRIBUTE_NAME_MAX && strlen(a->value) <= ATTRIBUTE_VALUE_MAX)
        return 0;
    return err_set(e, ERR_CONFIG, "common_attributes: `%.40s`: names have 1 to %d characters, values up to %d", a->name,
                   ATTRIBUTE_NAME_MAX, ATTRIBUTE_VALUE_MAX);
}

int endpoint_options_check(const struct http_endpoint_conf *c, bool authorized, struct err *e)
{
    int rc = 0;

    for (size_t i = 0; rc == 0; i++)
        rc = check(c, authorized, i, e);
    return rc < 0 ? -1 : 0;
}

void endpoint_options_check_all(const struct http_endpoint_conf *c, bool authorized, const struct cfg_options *o)
{
    struct err e;
    int rc = 0;

    for (size_t i = 0; rc <= 0; i++) {
        rc = check(c, authorized, i, &e);
        if (rc < 0)
            cfg_options_refuse(o, &e);
    }
}
