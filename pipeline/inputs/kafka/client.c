#include "pipeline/inputs/kafka/client.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The first failure is kept. `option` is what the user wrote. */
struct setter {
    rd_kafka_conf_t *conf;
    struct err *e;
    bool failed;
};

static void set(struct setter *s, const char *option, const char *name, const char *value)
{
    char why[256];

    if (s->failed || !value || !*value || rd_kafka_conf_set(s->conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return;
    s->failed = true;
    (void)err_set(s->e, ERR_CONFIG, "%s: librdkafka does not take it (%s)", option, name);
}

static void set_number(struct setter *s, const char *option, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    set(s, option, name, text);
}

static void set_path(struct setter *s, const char *option, const char *name, const char *path, const char *base_dir)
{
    char *whole;

    if (!path || !*path)
        return;
    whole = *path == '/' || !base_dir ? mem_strdup(path) : mem_printf("%s/%s", base_dir, path);
    set(s, option, name, whole);
    mem_free(whole);
}

static void set_brokers(struct setter *s, const struct cfg_strings *brokers)
{
    struct buf list;
    int rc = 0;

    buf_init(&list, 64 * KIB);
    for (size_t i = 0; i < brokers->n && rc == 0; i++)
        rc = buf_add_slice(&list, slice_str(i ? "," : "")) + buf_add_slice(&list, slice_str(brokers->v[i]));
    if (rc == 0)
        rc = buf_add_char(&list, '\0');
    if (rc < 0) {
        s->failed = true;
        (void)err_set(s->e, ERR_CONFIG, "brokers: the list is too long");
    } else {
        set(s, "brokers", "bootstrap.servers", list.p);
    }
    buf_release(&list);
}

static void set_security(struct setter *s, const struct kafka_conf *c, const char *base_dir)
{
    static const char *const MECHANISMS[] = {"", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"};
    bool sasl = c->sasl.mechanism != KAFKA_SASL_NONE;

    set(s, "protocol", "security.protocol",
        c->encrypted ? (sasl ? "sasl_ssl" : "ssl") : (sasl ? "sasl_plaintext" : "plaintext"));
    if (sasl) {
        set(s, "sasl.mechanism", "sasl.mechanisms", MECHANISMS[c->sasl.mechanism]);
        set(s, "sasl.username", "sasl.username", c->sasl.username);
        set(s, "sasl.password", "sasl.password", c->sasl.password);
    }
    if (!c->encrypted)
        return;
    set(s, "tls.verify", "enable.ssl.certificate.verification", c->tls.verify ? "true" : "false");
    set(s, "tls.verify", "ssl.endpoint.identification.algorithm", c->tls.verify ? "https" : "none");
    set_path(s, "tls.ca_file", "ssl.ca.location", c->tls.ca_file, base_dir);
    set_path(s, "tls.cert_file", "ssl.certificate.location", c->tls.cert_file, base_dir);
    set_path(s, "tls.key_file", "ssl.key.location", c->tls.key_file, base_dir);
    set(s, "tls.key_password", "ssl.key.password", c->tls.key_password);
}

/* What is read ahead is bounded by `prefetch`. One answer brings a part of it: whoever has more in its queue than these bounds when an answer is
 * there waits before it asks for the next (awake.c), so several answers must fit. A batch that is larger comes all the same, alone.
 *
 * librdkafka makes no client when an answer may be smaller than a message that is sent, which we do not do, or larger than what it takes. */
static void set_bounds(struct setter *s, const struct kafka_conf *c)
{
    char why[256];
    uint64_t answer = c->prefetch / 4 < KAFKA_ANSWER_MAX / 2 ? c->prefetch / 4 : KAFKA_ANSWER_MAX / 2,
             part = answer < KAFKA_PARTITION_FETCH_MAX ? answer : KAFKA_PARTITION_FETCH_MAX;

    set_number(s, "prefetch", "queued.max.messages.kbytes", c->prefetch / 4 * 3 / KIB);
    set_number(s, "prefetch", "queued.min.messages", KAFKA_PREFETCH_RECORDS);
    set_number(s, "prefetch", "fetch.message.max.bytes", part);
    set_number(s, "prefetch", "fetch.max.bytes", answer);
    set_number(s, "prefetch", "message.max.bytes", answer);
    set_number(s, "prefetch", "receive.message.max.bytes", KAFKA_ANSWER_MAX);
    /* Since 2.2; before, it is a second. See awake.c. */
    (void)rd_kafka_conf_set(s->conf, "fetch.queue.backoff.ms", KAFKA_FETCH_BACKOFF_MS, why, sizeof(why));
    set_number(s, "session_timeout", "session.timeout.ms", (uint64_t)(c->session_timeout / NSEC_PER_MSEC));
    set_number(s, "session_timeout", "heartbeat.interval.ms",
               (uint64_t)(c->session_timeout / NSEC_PER_MSEC) / 15 > 3000
                   ? 3000
                   : (uint64_t)(c->session_timeout / NSEC_PER_MSEC) / 15);
    set_number(s, "session_timeout", "max.poll.interval.ms",
               (uint64_t)((c->session_timeout > KAFKA_POLL_INTERVAL ? c->session_timeout : KAFKA_POLL_INTERVAL) /
                          NSEC_PER_MSEC));
}

/* Without one no client is made. */
static void on_token_wanted(rd_kafka_t *rk, const char *config, void *opaque)
{
    (void)rk;
    (void)config;
    (void)opaque;
}

int kafka_client_conf(const struct kafka_conf *c, const char *base_dir, rd_kafka_conf_t **out, struct err *e)
{
    struct setter s = {.conf = rd_kafka_conf_new(), .e = e};

    set_brokers(&s, &c->brokers);
    set(&s, "group", "group.id", c->group);
    set(&s, "group_instance_id", "group.instance.id", c->group_instance_id);
    set(&s, "client_rack", "client.rack", c->client_rack);
    set(&s, "group", "client.id", "sluice");
    set(&s, "isolation", "isolation.level", c->uncommitted ? "read_uncommitted" : "read_committed");
    set(&s, "group", "partition.assignment.strategy", "cooperative-sticky");
    set(&s, "start", "auto.offset.reset", "error");
    set(&s, "start", "enable.auto.commit", "false");
    set(&s, "start", "enable.auto.offset.store", "false");
    set(&s, "topics", "allow.auto.create.topics", "false");
    set(&s, "topics", "topic.metadata.refresh.interval.ms", KAFKA_TOPICS_REFRESH_MS);
    set(&s, "topics", "enable.partition.eof", "true");
    set(&s, "brokers", "reconnect.backoff.max.ms", "10000");
    set(&s, "brokers", "socket.keepalive.enable", "true");
    set(&s, "brokers", "log.queue", "true");
    if (c->shared) /* a turn is over when the partition is at its end, and the next one's fetch waits for this answer */
        set(&s, "exactly_once", "fetch.wait.max.ms", KAFKA_FETCH_WAIT_MS);
    set_bounds(&s, c);
    set_security(&s, c, base_dir);
    if (c->sasl.mechanism == KAFKA_SASL_OAUTH)
        rd_kafka_conf_set_oauthbearer_token_refresh_cb(s.conf, on_token_wanted);
    if (s.failed) {
        rd_kafka_conf_destroy(s.conf);
        return -1;
    }
    *out = s.conf;
    return 0;
}

bool kafka_has_topic(const struct rd_kafka_metadata *md, const char *name, rd_kafka_resp_err_t *err)
{
    *err = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    for (int i = 0; i < md->topic_cnt; i++)
        if (strcmp(md->topics[i].topic, name) == 0) {
            *err = md->topics[i].err;
            return *err == RD_KAFKA_RESP_ERR_NO_ERROR;
        }
    return false;
}

/* Before 2.6.1 librdkafka repeats its own nonce in the last message of SCRAM, which brokers let pass before CVE-2024-56128 was closed in them. */
#define SCRAM_FIXED 0x020601ff

const char *kafka_login_hint(const struct kafka_conf *c, rd_kafka_resp_err_t err)
{
    bool scram = c->sasl.mechanism == KAFKA_SASL_SCRAM_256 || c->sasl.mechanism == KAFKA_SASL_SCRAM_512;

    if (err != RD_KAFKA_RESP_ERR__AUTHENTICATION && err != RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
        return kafka_hint(err);
    if (c->sasl.mechanism == KAFKA_SASL_OAUTH)
        return "the brokers do not take the token: look at sasl.oauth.scope, audience and extensions, at the issuer "
               "and audience "
               "that the brokers expect, and at the clocks";
    if (scram && rd_kafka_version() < SCRAM_FIXED)
        return "look at sasl.username and sasl.password. By SCRAM this librdkafka, which is older than 2.6.1, cannot "
               "log in at brokers "
               "from 3.7.2, 3.8.1 or 4.0 on: use a newer one, or another sasl.mechanism";
    return kafka_hint(err);
}

const char *kafka_hint(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        return "look at sasl.username and sasl.password, and whether the brokers know this mechanism";
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
        return "set sasl.mechanism to one that the brokers have in sasl.enabled.mechanisms";
    case RD_KAFKA_RESP_ERR__SSL:
        return "look at `tls`: the authority in ca_file, the certificate's names; and whether the port speaks TLS";
    case RD_KAFKA_RESP_ERR__RESOLVE:
        return "look at the names in `brokers`, and at those that the brokers say of themselves (advertised.listeners)";
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        return "look at `brokers`, at the network to them, and whether the port speaks TLS (protocol)";
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return "look at `topics`: the brokers have no such topic, or do not show it to this user. It is read as soon "
               "as it is there";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return "allow this user Read and Describe on the topics";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return "allow this user Read on the group";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return "allow this user what it needs in the cluster";
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__FENCED:
        return "another process has the same group_instance_id: give each daemon and input its own";
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
        return "the brokers' offset.metadata.max.bytes must be 4096, as it is by default, or more";
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
        return "members of the group divide partitions in another way: end those, or have them use cooperative-sticky "
               "too, or choose another "
               "`group`";
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
        return "choose a session_timeout between the brokers' group.min.session.timeout.ms and "
               "group.max.session.timeout.ms";
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
        return "the input's thread did not get on for long: is a disk, or the machine, too busy?";
    default:
        return NULL;
    }
}
