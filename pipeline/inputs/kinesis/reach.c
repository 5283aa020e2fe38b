#include "pipeline/inputs/kinesis/reach.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/aws/probe.h"
#include "pipeline/inputs/kinesis/call.h"
#include "pipeline/inputs/kinesis/table.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int kinesis_caller_conf(const struct kinesis_conf *c, struct kinesis_address *a, struct aws_caller_conf *out,
                        struct err *e)
{
    if (kinesis_conf_region(c, a->region, e) < 0)
        return -1;
    kinesis_conf_address(c, a->region, a->url);
    *out = (struct aws_caller_conf){.service = &kinesis_service,
                                    .input = "kinesis",
                                    .source = c->stream,
                                    .address = a->url,
                                    .keys = &c->aws.keys,
                                    .region = a->region,
                                    .tls = &c->aws.tls,
                                    .proxy = c->aws.proxy,
                                    .answer_max = KINESIS_ANSWER_MAX,
                                    .answer_factor = KINESIS_ANSWER_FACTOR,
                                    .hint = kinesis_hint};
    return 0;
}

int kinesis_table_conf(const struct kinesis_conf *c, struct kinesis_address *a, struct aws_caller_conf *out,
                       struct err *e)
{
    if (kinesis_caller_conf(c, a, out, e) < 0)
        return -1;
    if (c->leases.region && *c->leases.region)
        snprintf(a->region, sizeof(a->region), "%s", c->leases.region);
    if (c->leases.endpoint && *c->leases.endpoint)
        snprintf(a->url, sizeof(a->url), "%s", c->leases.endpoint);
    else
        snprintf(a->url, sizeof(a->url), "https://dynamodb.%s.amazonaws.com%s", a->region,
                 strncmp(a->region, "cn-", 3) == 0 ? ".cn" : "");
    out->service = &dynamodb_service;
    out->source = c->leases.table;
    out->answer_max = KINESIS_TABLE_ANSWER_MAX;
    out->hint = table_hint;
    return 0;
}

static const char *object_hint(const char *code)
{
    if (strstr(code, "NoSuchBucket"))
        return "there is no such bucket: look at leases.s3 (bucket, endpoint, region)";
    if (strstr(code, "AccessDenied"))
        return "the keys may not do this: allow s3:GetObject and s3:PutObject on the object of leases.s3, and on the "
               "one that is called "
               "likewise with `.check` behind it, and s3:ListBucket on the bucket, without which S3 says this of an "
               "object that is not there";
    if (strstr(code, "NotImplemented"))
        return "leases need a store that knows If-Match and If-None-Match for PutObject: name another one in "
               "leases.s3, or a table in "
               "leases.dynamodb";
    if (strstr(code, "AuthorizationHeaderMalformed") || strstr(code, "Redirect") ||
        strstr(code, "IllegalLocationConstraint"))
        return "set leases.s3.region to the bucket's region";
    if (strcmp(code, "status 404") == 0)
        return "is it a store of S3 that answers at leases.s3.endpoint? It would say NoSuchKey";
    return NULL;
}

int kinesis_object_open(const struct kinesis_conf *c, struct kinesis_object *o, struct aws_caller_conf *out,
                        struct err *e)
{
    const struct object_options *x = &c->leases.s3;
    const struct s3_where where = {.bucket = x->bucket, .region = o->region, .endpoint = x->endpoint};

    if (kinesis_conf_object_region(c, o->region, e) < 0 || s3_address_init(&o->at, &where, e) < 0)
        return -1;
    o->shown = mem_printf("s3://%s/%s", x->bucket, x->key);
    *out = (struct aws_caller_conf){.input = "kinesis",
                                    .source = o->shown,
                                    .address = o->at.endpoint,
                                    .keys = x->keys.access_key_id ? &x->keys : &c->aws.keys,
                                    .region = o->region,
                                    .tls = &c->aws.tls,
                                    .proxy = c->aws.proxy,
                                    .answer_max = KINESIS_LEASE_OBJECT_MAX,
                                    .answer_factor = KINESIS_ANSWER_FACTOR,
                                    .hint = object_hint,
                                    .too_large_hint = "an object of leases has 2 MiB at most: the stream needs a table "
                                                      "of DynamoDB (leases.dynamodb)"};
    return 0;
}

void kinesis_object_close(struct kinesis_object *o)
{
    s3_address_release(&o->at);
    MEM_CLEAR(o->shown);
}

/* What is not there yet is made. */
static int probe_object(const struct kinesis_conf *c, const struct input_probe *p, struct err *e)
{
    struct kinesis_object o = {.shown = NULL};
    struct aws_caller_conf caller;
    int rc = kinesis_object_open(c, &o, &caller, e);

    if (rc == 0) {
        const struct s3_ask a = {.at = &o.at, .region = o.region, .key = slice_str(c->leases.s3.key)};

        rc = aws_probe_object(&caller, &a, true, p, e);
    }
    kinesis_object_close(&o);
    return rc < 0 ? err_wrap(e, "leases.s3") : 0;
}

/* One item of it, without changing anything. What is not there yet may be made. */
static int probe_table(const struct kinesis_conf *c, const struct input_probe *p, struct err *e)
{
    struct aws_caller_conf caller;
    struct kinesis_address address;
    struct buf text;
    int rc;

    if (kinesis_table_conf(c, &address, &caller, e) < 0)
        return -1;
    buf_init(&text, KINESIS_LEASE_MAX);
    rc = table_scan_text(c->leases.table, SLICE(""), 1, &text);
    assert(rc == 0);
    rc = aws_probe(&caller, "Scan", buf_slice(&text), p, e);
    buf_release(&text);
    if (rc < 0 && c->leases.create && strstr(e->msg, "ResourceNotFound"))
        return 0;
    return rc < 0 ? err_wrap(e, "leases.dynamodb") : 0;
}

int kinesis_probe(const void *conf, const struct input_probe *p, struct err *e)
{
    const struct kinesis_conf *c = conf;
    struct aws_caller_conf caller;
    struct kinesis_address address;
    struct buf text;
    int rc;

    if (kinesis_caller_conf(c, &address, &caller, e) < 0)
        return -1;
    buf_init(&text, KINESIS_REQUEST_MAX);
    rc = kinesis_list_text(c->stream, SLICE(""), &text);
    assert(rc == 0);
    rc = aws_probe(&caller, kinesis_operation_name(KINESIS_LIST), buf_slice(&text), p, e);
    buf_release(&text);
    if (rc < 0 || !kinesis_conf_shares(c))
        return rc;
    return c->leases.table ? probe_table(c, p, e) : probe_object(c, p, e);
}
