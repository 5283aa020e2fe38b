/* strptime and timegm are no part of C. */
#include "pipeline/inputs/kafka/options.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/kafka/client.h"

#include <regex.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct cfg_choice MECHANISMS[] = {
    {"none", KAFKA_SASL_NONE},
    {"plain", KAFKA_SASL_PLAIN},
    {"scram-sha-256", KAFKA_SASL_SCRAM_256},
    {"scram-sha-512", KAFKA_SASL_SCRAM_512},
    {"oauthbearer", KAFKA_SASL_OAUTH},
    {NULL, 0},
};
static const struct cfg_choice ISOLATIONS[] = {{"read_committed", 0}, {"read_uncommitted", 1}, {NULL, 0}};
static const struct cfg_choice TOMBSTONES[] = {{"skip", 0}, {"empty", 1}, {NULL, 0}};
static const struct cfg_choice ONCES[] = {{"daemon", 0}, {"shared", 1}, {NULL, 0}};
static const struct cfg_choice PROTOCOLS[] = {{"plaintext", 0}, {"tls", 1}, {NULL, 0}};

/* clang-format off */
#define AT(member) .offset = offsetof(struct kafka_conf, member)

static const struct cfg_field sasl_fields[] = {
    {.name = "mechanism", .type = CFG_ENUM, .offset = offsetof(struct kafka_sasl_conf, mechanism), .def = "none",
     .choices = MECHANISMS, .help = "how to say who we are"},
    {.name = "username", .type = CFG_STRING, .offset = offsetof(struct kafka_sasl_conf, username)},
    {.name = "password", .type = CFG_STRING, .offset = offsetof(struct kafka_sasl_conf, password), .secret = true,
     .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = "oauth", .type = CFG_BLOCK, .offset = offsetof(struct kafka_sasl_conf, oauth), .fields = kafka_oauth_fields,
     .help = "with oauthbearer: where tokens come from (OpenID Connect, client credentials)"},
    {.name = NULL},
};

const struct cfg_field kafka_fields[] = {
    {.name = "brokers", .type = CFG_STRINGS, AT(brokers), .required = true, .min = 1, .max = 32,
     .help = "HOST:PORT of some of them; they know the others"},
    {.name = "topics", .type = CFG_STRINGS, AT(topics), .required = true, .min = 1, .max = KAFKA_TOPICS_MAX,
     .help = "names; one that begins with ^ is a regular expression (\"^orders\\..*\"), and new topics are found in 10 s"},
    {.name = "group", .type = CFG_STRING, AT(group), .required = true, .max = KAFKA_GROUP_MAX,
     .help = "consumer group: daemons with the same one share the partitions"},
    {.name = "group_instance_id", .type = CFG_STRING, AT(group_instance_id), .max = 200,
     .help = "static membership: this daemon's name in the group; after a restart within session_timeout it has the same partitions. "
             "Another one for each daemon and input"},
    {.name = "start", .type = CFG_STRING, AT(start), .def = "earliest",
     .help = "of a partition that neither the spool nor the group knows: earliest, latest, or a time, \"2026-11-27T05:00:00Z\""},
    {.name = "exactly_once", .type = CFG_BOOL, AT(shared), .def = "daemon", .choices = ONCES,
     .help = "daemon: each record once, as long as its partition stays with this daemon. shared: each record in one object, whichever "
             "daemons of the group are killed; what is sealed is kept in the group. Wants durability: memory, and s3 or file"},
    {.name = "isolation", .type = CFG_BOOL, AT(uncommitted), .def = "read_committed", .choices = ISOLATIONS,
     .help = "read_uncommitted also takes records of transactions that were aborted, or are not over"},
    {.name = "tombstones", .type = CFG_BOOL, AT(empty_tombstones), .def = "skip", .choices = TOMBSTONES,
     .help = "a message without value is left out, or is a record without bytes"},
    {.name = "meta", .type = CFG_BOOL, AT(meta), .def = "true",
     .help = "keep topic, partition, offset, time, key and headers beside each record, for a script's `meta`; without a script false is cheaper"},
    {.name = "protocol", .type = CFG_BOOL, AT(encrypted), .def = "plaintext", .choices = PROTOCOLS, .help = "how to speak to the brokers"},
    {.name = "tls", .type = CFG_BLOCK, AT(tls), .fields = tls_fields, .help = "how to trust them, with protocol: tls"},
    {.name = "sasl", .type = CFG_BLOCK, AT(sasl), .fields = sasl_fields, .help = "how to log in; without it, not at all"},
    {.name = "client_rack", .type = CFG_STRING, AT(client_rack), .max = 200,
     .help = "where this machine is (an availability zone): records come from a replica that is near"},
    {.name = "session_timeout", .type = CFG_DURATION, AT(session_timeout), .def = "45s", .min = 6 * NSEC_PER_SEC,
     .max = 1800 * NSEC_PER_SEC, .help = "the group gives away the partitions of a member that was not heard of for so long"},
    {.name = "prefetch", .type = CFG_SIZE, AT(prefetch), .def = "8MiB", .min = KAFKA_PREFETCH_MIN, .max = 1 * GIB,
     .help = "what is read ahead, beside limits.memory; all inputs of this kind together have an eighth of that"},
    {.name = NULL},
};
/* clang-format on */

bool kafka_conf_start(const struct kafka_conf *c, int64_t *out)
{
    struct tm tm = {.tm_isdst = 0};
    const char *end;
    time_t t;

    if (strcmp(c->start, "earliest") == 0) {
        *out = KAFKA_START_EARLIEST;
        return true;
    }
    if (strcmp(c->start, "latest") == 0) {
        *out = KAFKA_START_LATEST;
        return true;
    }
    end = strptime(c->start, "%Y-%m-%dT%H:%M:%SZ", &tm);
    t = end && *end == '\0' ? timegm(&tm) : (time_t)-1;
    *out = (int64_t)t * 1000;
    return t >= 0;
}

bool kafka_conf_shares(const void *conf, unsigned char *identity)
{
    const struct kafka_conf *c = conf;
    unsigned char sum[SHA256_BYTES];

    if (!c->shared || !c->group)
        return false;
    sha256_of(slice_str(c->group), sum);
    memcpy(identity, sum, 16);
    return true;
}

static void refuse(const struct cfg_options *o, const char *text)
{
    struct err e;

    (void)err_set(&e, ERR_CONFIG, "%s", text);
    cfg_options_refuse(o, &e);
}

static bool is_given(const char *s)
{
    return s && *s;
}

static void check_sasl(const struct kafka_sasl_conf *s, const char *base_dir, const struct cfg_options *o)
{
    bool names = is_given(s->username) || is_given(s->password);

    if (s->mechanism != KAFKA_SASL_OAUTH && (is_given(s->oauth.token_url) || is_given(s->oauth.client_id)))
        refuse(o, "sasl.oauth: is of no use without `mechanism: oauthbearer`");
    if (s->mechanism == KAFKA_SASL_OAUTH) {
        if (names)
            refuse(o, "sasl.username: is of no use with oauthbearer, which has sasl.oauth");
        kafka_oauth_check_all(&s->oauth, base_dir, o);
        return;
    }
    if (s->mechanism == KAFKA_SASL_NONE && names)
        refuse(o, "sasl.mechanism: which one? There are a username or a password, and none says how they are sent");
    if (s->mechanism != KAFKA_SASL_NONE && !is_given(s->username))
        refuse(o, "sasl.username: is missing");
    if (s->mechanism != KAFKA_SASL_NONE && !is_given(s->password))
        refuse(o, "sasl.password: is missing");
}

/* As librdkafka reads it. */
static bool is_regex(const char *text)
{
    regex_t re;
    bool fine = regcomp(&re, text, REG_EXTENDED | REG_NOSUB) == 0;

    if (fine)
        regfree(&re);
    return fine;
}

/* librdkafka says that one is wrong only when it subscribes, and not which. */
static void check_topics(const struct cfg_strings *topics, const struct cfg_options *o)
{
    for (size_t i = 0; i < topics->n; i++) {
        const char *topic = topics->v[i], *wrong = NULL;
        struct err e;

        if (*topic == '^' && !is_regex(topic))
            wrong = "is no regular expression";
        for (size_t j = 0; j < i && !wrong; j++)
            if (strcmp(topic, topics->v[j]) == 0)
                wrong = "is there twice";
        if (!wrong)
            continue;
        (void)err_set(&e, ERR_CONFIG, "topics: `%.64s` %s", topic, wrong);
        cfg_options_refuse_item(o, "topics", i, &e);
    }
}

void kafka_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct kafka_conf *c = conf;
    rd_kafka_conf_t *client = NULL;
    int64_t start;
    struct err e;

    if (c->start && !kafka_conf_start(c, &start))
        refuse(o, "start: earliest, latest, or a time as 2026-11-27T05:00:00Z");
    check_topics(&c->topics, o);
    check_sasl(&c->sasl, base_dir, o);
    if (!c->encrypted && (is_given(c->tls.ca_file) || is_given(c->tls.cert_file) || is_given(c->tls.key_file)))
        refuse(o, "tls: is of no use without `protocol: tls`");
    tls_options_check_all(&c->tls, base_dir, o);
    if (c->brokers.n > 0 && c->group && kafka_client_conf(c, base_dir, &client, &e) < 0)
        cfg_options_refuse(o, &e);
    if (client)
        rd_kafka_conf_destroy(client);
}
