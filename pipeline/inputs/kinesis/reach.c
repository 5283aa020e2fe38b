#include "pipeline/inputs/kinesis/reach.h"

#include "pipeline/base/limits.h"
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
    return rc < 0 || !kinesis_conf_shares(c) ? rc : probe_table(c, p, e);
}
