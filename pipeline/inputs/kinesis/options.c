#include "pipeline/inputs/kinesis/options.h"

#include "pipeline/aws/s3/address.h"
#include "pipeline/base/limits.h"
#include "transforms/text/time_text.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_REGION   "us-east-1"
#define DEFAULT_FAILOVER (10 * NSEC_PER_SEC)
#define LATEST           "latest"
#define TRIM_HORIZON     "trim_horizon"

/* clang-format off */
#define AT(member) .offset = offsetof(struct kinesis_conf, member)

static const struct cfg_field dynamodb_fields[] = {
    {.name = "table", .type = CFG_STRING, AT(leases.table), .min = 1, .max = 255,
     .help = "its name; it is of this stream alone. Its key is leaseKey, a text"},
    {.name = "endpoint", .type = CFG_STRING, AT(leases.endpoint),
     .help = "where calls go instead of https://dynamodb.REGION.amazonaws.com"},
    {.name = "region", .type = CFG_STRING, AT(leases.region), .max = KINESIS_REGION_MAX - 1,
     .help = "left out: that of the stream"},
    {.name = "create", .type = CFG_BOOL, AT(leases.create), .def = "false",
     .help = "make the table when there is none (on-demand capacity)"},
    {.name = NULL},
};

static const struct cfg_field s3_fields[] = {
    {.name = "bucket", .type = CFG_STRING, AT(leases.s3.bucket), .help = "where the object of leases is"},
    {.name = "key", .type = CFG_STRING, AT(leases.s3.key), .min = 1, .max = 1000,
     .help = "its name; it is of this stream alone"},
    {.name = "endpoint", .type = CFG_STRING, AT(leases.s3.endpoint),
     .help = "left out: AWS. The store has to keep to If-Match and If-None-Match of PutObject, which is tried at the start"},
    {.name = "region", .type = CFG_STRING, AT(leases.s3.region), .max = KINESIS_REGION_MAX - 1,
     .help = "left out: that of the stream"},
    {.name = "access_key_id", .type = CFG_STRING, AT(leases.s3.keys.access_key_id),
     .help = "of a store with keys of its own; left out: those of the stream"},
    {.name = "secret_access_key", .type = CFG_STRING, AT(leases.s3.keys.secret_access_key), .secret = true,
     .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = "session_token", .type = CFG_STRING, AT(leases.s3.keys.session_token), .secret = true,
     .help = "of temporary keys"},
    {.name = NULL},
};

static const struct cfg_field leases_fields[] = {
    {.name = "dynamodb", .type = CFG_BLOCK, .fields = dynamodb_fields,
     .help = "the table of leases, in the shape of the Kinesis Client Library's"},
    {.name = "s3", .type = CFG_BLOCK, .fields = s3_fields,
     .help = "or one object with all leases, for who has no DynamoDB"},
    {.name = "failover", .type = CFG_DURATION, AT(leases.failover), .min = NSEC_PER_SEC, .max = 600 * NSEC_PER_SEC,
     .help = "who has not written its lease for so long is not reading any more, and others take its shards; left out: 10s. It is written every third of it"},
    {.name = "worker", .type = CFG_STRING, AT(leases.worker), .min = 1, .max = WORKER_MAX,
     .help = "this daemon's name in the leases; no two may have the same. Left out: the host's name and a number that is kept with the stream's records"},
    {.name = NULL},
};

const struct cfg_field kinesis_fields[] = {
    {.name = "stream", .type = CFG_STRING, AT(stream), .required = true, .max = KINESIS_STREAM_MAX,
     .help = "its name, or its ARN"},
    {.name = "start", .type = CFG_STRING, AT(start), .def = TRIM_HORIZON,
     .help = "where to begin when the stream is read for the first time: trim_horizon (the oldest record there is), latest (what comes from "
             "now on), or a time like 2026-11-27T05:00:00Z (what arrived since then). Later it goes on where it was"},
    {.name = "endpoint", .type = CFG_STRING, AT(aws.endpoint),
     .help = "where calls go instead of https://kinesis.REGION.amazonaws.com: a VPC endpoint, a server of your own"},
    {.name = "region", .type = CFG_STRING, AT(aws.region), .max = KINESIS_REGION_MAX - 1,
     .help = "left out: as the ARN says, else AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1"},
    AWS_KEYS_FIELDS(offsetof(struct kinesis_conf, aws)),
    {.name = "poll", .type = CFG_DURATION, AT(poll), .def = "1s", .min = KINESIS_CALL_LEAST, .max = 60 * NSEC_PER_SEC,
     .help = "a shard that has nothing more is asked again after this time; one that has, at once (five times a second at most)"},
    {.name = "limit", .type = CFG_INT, AT(limit), .def = "10000", .min = 1, .max = KINESIS_RECORDS_MAX,
     .help = "records that are asked for at once, at most"},
    {.name = "deaggregate", .type = CFG_BOOL, AT(deaggregate), .def = "true",
     .help = "a record that the Kinesis Producer Library made of many is many records"},
    {.name = "leases", .type = CFG_BLOCK, .fields = leases_fields,
     .help = "several daemons read the stream: each reads some of its shards, and takes over those of one that dies"},
    AWS_REACH_FIELDS(offsetof(struct kinesis_conf, aws)),
    {.name = NULL},
};
/* clang-format on */

static bool start_time(const char *start, int64_t *ms, struct err *e)
{
    return time_text_parse_rfc3339(slice_str(start), NULL, ms, e) == 0 && *ms >= 0;
}

/* arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME. *region: its region. */
static bool is_arn(const char *text, struct slice *region)
{
    const char *part[5];

    part[0] = text;
    for (int i = 1; i < 5; i++) {
        const char *colon = strchr(part[i - 1], ':');

        if (!colon)
            return false;
        part[i] = colon + 1;
    }
    *region = slice_of(part[3], (size_t)(part[4] - 1 - part[3]));
    return strncmp(part[2], "kinesis:", 8) == 0 && region->n > 0 && region->n < KINESIS_REGION_MAX &&
           strstr(part[4], ":stream/") != NULL;
}

static bool is_name(const char *text)
{
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_.-", *p))
            return false;
    return strlen(text) <= 128;
}

static bool names_object(const struct object_options *x)
{
    return x->bucket || x->key || x->endpoint || x->region || x->keys.access_key_id || x->keys.secret_access_key ||
           x->keys.session_token;
}

/* A block that is left out is all zero, and nothing of it required. */
static bool leases_are_half(const struct leases_options *l)
{
    return !l->table && !names_object(&l->s3) && (l->endpoint || l->region || l->create || l->failover || l->worker);
}

static void refuse_under(const char *block, const struct err *said, const struct cfg_options *o)
{
    struct err e;

    (void)err_set(&e, ERR_CONFIG, "%s.%s", block, said->msg);
    cfg_options_refuse(o, &e);
}

static void check_object(const struct object_options *x, const struct cfg_options *o)
{
    const struct s3_where where = {
        .bucket = x->bucket, .endpoint = x->endpoint, .region = x->region ? x->region : DEFAULT_REGION};
    struct credentials *keys = NULL;
    struct s3_address at;
    struct err e;

    if (!names_object(x))
        return;
    if (!x->bucket || !x->key) {
        (void)err_set(&e, ERR_CONFIG, "leases.s3: an object needs both `bucket` and `key`");
        cfg_options_refuse(o, &e);
        return;
    }
    if (s3_address_init(&at, &where, &e) < 0)
        refuse_under("leases.s3", &e, o);
    else
        s3_address_release(&at);
    if (credentials_new(&keys, &x->keys, &e) < 0)
        refuse_under("leases.s3", &e, o);
    credentials_free(&keys);
}

void kinesis_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct kinesis_conf *c = conf;
    struct slice region;
    struct http_url u;
    struct err e;
    int64_t ms;

    if (c->stream && !is_name(c->stream) && !is_arn(c->stream, &region)) {
        (void)err_set(&e, ERR_CONFIG,
                      "stream: neither a name (letters, digits, _ . -; at most 128) nor an ARN like "
                      "arn:aws:kinesis:eu-west-1:123456789012:stream/orders");
        cfg_options_refuse(o, &e);
    }
    if (c->start && strcmp(c->start, LATEST) != 0 && strcmp(c->start, TRIM_HORIZON) != 0 &&
        !start_time(c->start, &ms, &e)) {
        (void)err_set(&e, ERR_CONFIG, "start: trim_horizon, latest, or a time like 2026-11-27T05:00:00Z");
        cfg_options_refuse(o, &e);
    }
    if (leases_are_half(&c->leases)) {
        (void)err_set(&e, ERR_CONFIG,
                      "leases: names no table and no object; write `leases: { dynamodb: { table: NAME } }` or `leases: "
                      "{ s3: { bucket: NAME, key: NAME } }`");
        cfg_options_refuse(o, &e);
    }
    if (c->leases.table && names_object(&c->leases.s3)) {
        (void)err_set(&e, ERR_CONFIG, "leases: a table and an object; leases stand in one of them");
        cfg_options_refuse(o, &e);
    }
    check_object(&c->leases.s3, o);
    if (c->leases.endpoint) {
        if (http_url_parse(&u, "leases.dynamodb.endpoint", c->leases.endpoint, &e) < 0)
            cfg_options_refuse(o, &e);
        else
            http_url_release(&u);
    }
    aws_options_check_all(&c->aws, base_dir, o);
}

int kinesis_conf_region(const struct kinesis_conf *c, char out[KINESIS_REGION_MAX], struct err *e)
{
    struct credentials *keys = NULL;
    struct slice region;

    if (c->aws.region && *c->aws.region) {
        snprintf(out, KINESIS_REGION_MAX, "%s", c->aws.region);
        return 0;
    }
    if (is_arn(c->stream, &region)) {
        snprintf(out, KINESIS_REGION_MAX, "%.*s", (int)region.n, region.p);
        return 0;
    }
    if (credentials_new(&keys, &c->aws.keys, e) < 0)
        return -1;
    if (!credentials_region(keys, out, KINESIS_REGION_MAX))
        snprintf(out, KINESIS_REGION_MAX, "%s", DEFAULT_REGION);
    credentials_free(&keys);
    return 0;
}

bool kinesis_conf_same_positions(const void *conf, const void *other)
{
    const struct kinesis_conf *a = conf, *b = other;
    char regions[2][KINESIS_REGION_MAX];
    struct err ignored;

    if (!a->stream || !b->stream || strcmp(a->stream, b->stream) != 0)
        return false;
    return strncmp(a->stream, "arn:", 4) == 0 ||
           (kinesis_conf_region(a, regions[0], &ignored) == 0 && kinesis_conf_region(b, regions[1], &ignored) == 0 &&
            strcmp(regions[0], regions[1]) == 0);
}

static int region_or_streams(const struct kinesis_conf *c, const char *option, char out[KINESIS_REGION_MAX],
                             struct err *e)
{
    if (!option || !*option)
        return kinesis_conf_region(c, out, e);
    snprintf(out, KINESIS_REGION_MAX, "%s", option);
    return 0;
}

int kinesis_conf_object_region(const struct kinesis_conf *c, char out[KINESIS_REGION_MAX], struct err *e)
{
    return region_or_streams(c, c->leases.s3.region, out, e);
}

/* A text that is left out is "". */
static bool are_same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_object(const struct object_options *a, const struct object_options *b)
{
    return a->bucket && b->bucket && are_same(a->bucket, b->bucket) && are_same(a->key, b->key) &&
           are_same(a->endpoint, b->endpoint);
}

bool kinesis_conf_same_table(const void *conf, const void *other)
{
    const struct kinesis_conf *a = conf, *b = other;
    char regions[2][KINESIS_REGION_MAX];
    struct err ignored;

    if (!a->stream || !b->stream)
        return false;
    if (same_object(&a->leases.s3, &b->leases.s3))
        return true;
    return a->leases.table && b->leases.table && are_same(a->leases.table, b->leases.table) &&
           are_same(a->leases.endpoint, b->leases.endpoint) &&
           region_or_streams(a, a->leases.region, regions[0], &ignored) == 0 &&
           region_or_streams(b, b->leases.region, regions[1], &ignored) == 0 && are_same(regions[0], regions[1]);
}

bool kinesis_conf_shares(const struct kinesis_conf *c)
{
    return c->leases.table || c->leases.s3.bucket;
}

nsec kinesis_conf_failover(const struct kinesis_conf *c)
{
    return c->leases.failover ? c->leases.failover : DEFAULT_FAILOVER;
}

void kinesis_conf_address(const struct kinesis_conf *c, const char *region, char out[ENDPOINT_URL_MAX + 1])
{
    if (c->aws.endpoint && *c->aws.endpoint)
        snprintf(out, ENDPOINT_URL_MAX + 1, "%s", c->aws.endpoint);
    else
        snprintf(out, ENDPOINT_URL_MAX + 1, "https://kinesis.%s.amazonaws.com%s", region,
                 strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

struct place kinesis_conf_start(const struct kinesis_conf *c, int64_t now_ms)
{
    struct place p = {.kind = PLACE_START};
    struct err ignored;

    if (strcmp(c->start, TRIM_HORIZON) == 0)
        return p;
    p.kind = PLACE_TIME;
    p.ms = now_ms;
    if (strcmp(c->start, LATEST) != 0)
        (void)!start_time(c->start, &p.ms, &ignored);
    return p;
}
