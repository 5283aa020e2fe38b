#include "pipeline/inputs/sqs/options.h"

#include "pipeline/aws/s3/address.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/sqs/message.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct cfg_choice UNWRAPS[] = {
    {"none", SQS_UNWRAP_NONE},
    {"sns", SQS_UNWRAP_SNS},
    {"eventbridge", SQS_UNWRAP_EVENTBRIDGE},
    {"s3", SQS_UNWRAP_S3},
    {NULL, 0},
};

/* clang-format off */
#define AT(member) .offset = offsetof(struct sqs_conf, member)

static const struct cfg_field s3_fields[] = {
    {.name = "endpoint", .type = CFG_STRING, .offset = offsetof(struct sqs_conf, s3.endpoint) - offsetof(struct sqs_conf, s3),
     .help = "http://host:port of a store that speaks S3; left out: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's endpoint_url, AWS"},
    {.name = "region", .type = CFG_STRING, .offset = offsetof(struct sqs_conf, s3.region) - offsetof(struct sqs_conf, s3),
     .max = SQS_REGION_MAX - 1, .help = "of the buckets; left out: as the event says, else that of the queue"},
    {.name = "access_key_id", .type = CFG_STRING,
     .offset = offsetof(struct sqs_conf, s3.keys.access_key_id) - offsetof(struct sqs_conf, s3),
     .help = "when objects are read with other keys than the queue"},
    {.name = "secret_access_key", .type = CFG_STRING,
     .offset = offsetof(struct sqs_conf, s3.keys.secret_access_key) - offsetof(struct sqs_conf, s3), .secret = true,
     .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = "session_token", .type = CFG_STRING,
     .offset = offsetof(struct sqs_conf, s3.keys.session_token) - offsetof(struct sqs_conf, s3), .secret = true,
     .help = "of temporary keys"},
    {.name = "readers", .type = CFG_INT, .offset = offsetof(struct sqs_conf, s3.readers) - offsetof(struct sqs_conf, s3),
     .def = "4", .min = 1, .max = OBJECTS_READERS_MAX,
     .help = "how many objects are read at the same time, at most; of a FIFO queue one"},
    {.name = NULL},
};

const struct cfg_field sqs_fields[] = {
    {.name = "queue_url", .type = CFG_STRING, AT(queue_url), .required = true, .max = 500,
     .help = "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME; a name that ends in .fifo is a FIFO queue"},
    {.name = "endpoint", .type = CFG_STRING, AT(aws.endpoint),
     .help = "where calls go when that is not the host of queue_url: a VPC endpoint, a queue server of your own"},
    {.name = "region", .type = CFG_STRING, AT(aws.region), .max = SQS_REGION_MAX - 1,
     .help = "of the signature; left out: as queue_url says, else AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1"},
    AWS_KEYS_FIELDS(offsetof(struct sqs_conf, aws)),
    {.name = "receivers", .type = CFG_INT, AT(receivers), .def = "8", .min = 1, .max = SQS_RECEIVERS_MAX,
     .help = "how many calls ask for messages at the same time, at most; one while the queue is empty"},
    {.name = "visibility", .type = CFG_DURATION, AT(visibility), .def = "60s", .min = 10 * NSEC_PER_SEC,
     .max = 43200 * NSEC_PER_SEC,
     .help = "after a crash the queue hands out again what was in hand when so much time is over; while sluice runs it is put off"},
    {.name = "in_flight", .type = CFG_INT, AT(in_flight), .def = "2000", .min = 10, .max = 20000,
     .help = "messages that are taken and not deleted, at most"},
    {.name = "remember", .type = CFG_INT, AT(remember), .def = "10000", .min = 0, .max = 100000,
     .help = "ids of messages that are remembered, so that one that is handed out twice is one record; 0: none"},
    {.name = "remember_for", .type = CFG_DURATION, AT(remember_for), .def = "24h", .min = 60 * NSEC_PER_SEC,
     .max = 14 * 86400 * NSEC_PER_SEC, .help = "and for how long"},
    {.name = "unwrap", .type = CFG_ENUM, AT(unwrap), .def = "none", .choices = UNWRAPS,
     .help = "take the record out of its envelope: sns: the message of a notification; eventbridge: the event's detail. A body "
             "that is none stays as it is. s3: read the objects that an event of S3 names, line by line (docs/sqs.md)"},
    {.name = "s3", .type = CFG_BLOCK, AT(s3), .fields = s3_fields, .help = "with unwrap: s3, where objects are read"},
    {.name = "check_md5", .type = CFG_BOOL, AT(check_md5), .def = "true",
     .help = "compare the MD5 sums of body and attributes; a message with a wrong one is left in the queue"},
    AWS_REACH_FIELDS(offsetof(struct sqs_conf, aws)),
    {.name = NULL},
};
/* clang-format on */

static int check_queue_url(const struct sqs_conf *c, struct err *e)
{
    struct http_url u;
    int rc = http_url_parse(&u, "queue_url", c->queue_url, e);

    if (rc < 0)
        return -1;
    if (!*u.path)
        rc = err_set(e, ERR_CONFIG, "queue_url: names no queue; it ends in /ACCOUNT/NAME, as GetQueueUrl answers it");
    http_url_release(&u);
    return rc;
}

static void check_s3(const struct sqs_conf *c, const struct cfg_options *o)
{
    /* Any bucket: which ones there are is said by the events. */
    struct s3_where where = {
        .bucket = "any", .endpoint = c->s3.endpoint, .region = c->s3.region ? c->s3.region : "us-east-1"};
    char found[AWS_ENDPOINT_MAX];
    struct credentials *keys = NULL;
    const char *found_by = NULL;
    struct s3_address address;
    struct err e, said;

    if (c->unwrap != SQS_UNWRAP_S3 && (c->s3.endpoint || c->s3.region || c->s3.keys.access_key_id)) {
        (void)err_set(&e, ERR_CONFIG, "s3: says how objects are read, which `unwrap: s3` alone does");
        cfg_options_refuse(o, &e);
        return;
    }
    if (credentials_new(&keys, &c->s3.keys, &e) < 0) {
        (void)err_set(&said, ERR_CONFIG, "s3.%s", e.msg);
        cfg_options_refuse(o, &said);
    }
    credentials_free(&keys);
    if (c->unwrap == SQS_UNWRAP_S3 && !(c->s3.endpoint && *c->s3.endpoint) &&
        credentials_new(&keys, sqs_conf_s3_keys(c), &e) == 0 && credentials_s3_endpoint(keys, found, &found_by))
        where.endpoint = found;
    credentials_free(&keys);
    if (s3_address_init(&address, &where, &e) == 0) {
        s3_address_release(&address);
    } else {
        (void)err_set(&said, ERR_CONFIG, "s3.%s%s%s", e.msg, found_by ? "; it comes from " : "",
                      found_by ? found_by : "");
        cfg_options_refuse(o, &said);
    }
}

void sqs_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct sqs_conf *c = conf;
    struct err e;

    if (c->queue_url && check_queue_url(c, &e) < 0)
        cfg_options_refuse(o, &e);
    if (c->remember > 0 && c->remember < c->in_flight) {
        (void)err_set(&e, ERR_CONFIG,
                      "remember: at least as many as in_flight (%" PRId64 "), or 0: else what comes again after a "
                      "crash would not be known",
                      c->in_flight);
        cfg_options_refuse(o, &e);
    }
    aws_options_check_all(&c->aws, base_dir, o);
    check_s3(c, o);
}

void sqs_conf_address(const struct sqs_conf *c, char out[ENDPOINT_URL_MAX + 1])
{
    const char *host = strstr(c->queue_url, "://");
    size_t n = strlen(c->queue_url);

    if (host)
        n = (size_t)(host + 3 - c->queue_url) + strcspn(host + 3, "/");
    if (c->aws.endpoint && *c->aws.endpoint)
        snprintf(out, ENDPOINT_URL_MAX + 1, "%s", c->aws.endpoint);
    else
        snprintf(out, ENDPOINT_URL_MAX + 1, "%.*s", (int)n, c->queue_url);
}

/* https://sqs.eu-west-1.amazonaws.com/..., and the older https://eu-west-1.queue.amazonaws.com/... */
static bool region_of(const char *queue_url, char out[SQS_REGION_MAX])
{
    const char *host = strstr(queue_url, "://"), *behind = ".amazonaws.";
    size_t n;

    if (!host)
        return false;
    host += 3;
    if (strncmp(host, "sqs.", 4) == 0)
        host += 4;
    else
        behind = ".queue.amazonaws.";
    n = strcspn(host, "./:");
    if (n == 0 || n >= SQS_REGION_MAX || strncmp(host + n, behind, strlen(behind)) != 0)
        return false;
    snprintf(out, SQS_REGION_MAX, "%.*s", (int)n, host);
    return true;
}

void sqs_conf_region(const struct sqs_conf *c, char out[SQS_REGION_MAX])
{
    out[0] = '\0';
    if (c->aws.region && *c->aws.region)
        snprintf(out, SQS_REGION_MAX, "%s", c->aws.region);
    else
        (void)region_of(c->queue_url, out);
}

bool sqs_conf_is_fifo(const struct sqs_conf *c)
{
    size_t n = strlen(c->queue_url);

    return n > 5 && strcmp(c->queue_url + n - 5, ".fifo") == 0;
}

unsigned sqs_conf_sockets(const void *conf)
{
    const struct sqs_conf *c = conf;

    return (unsigned)c->receivers + SQS_BATCH_CALLS + 1 + (c->unwrap == SQS_UNWRAP_S3 ? (unsigned)c->s3.readers : 0);
}

const struct credentials_conf *sqs_conf_s3_keys(const struct sqs_conf *c)
{
    return c->s3.keys.access_key_id || c->s3.keys.secret_access_key ? &c->s3.keys : &c->aws.keys;
}

bool sqs_conf_same_positions(const void *conf, const void *other)
{
    const struct sqs_conf *a = conf, *b = other;

    return a->unwrap == SQS_UNWRAP_S3 && b->unwrap == SQS_UNWRAP_S3 && a->queue_url && b->queue_url &&
           strcmp(a->queue_url, b->queue_url) == 0;
}
