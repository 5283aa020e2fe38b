/* A client of librdkafka is a member of the group, from its making to its end; and what it says of itself.
 *
 * The end is the hard part. What the group wants must have been answered, or the client waits for that; it must leave the group, so that
 * nobody waits for it; and two kinds of clients cannot be destroyed at once, see there. */
#include "pipeline/inputs/kafka/impl.h"

#include "pipeline/base/thread.h"

#include <stdio.h>
#include <string.h>

/* --- what librdkafka says ------------------------------------------------------------------------------------------------ */

/* One broker that cannot be reached is no trouble as long as others can. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct input *in = opaque;
    rd_kafka_resp_err_t err = (rd_kafka_resp_err_t)code;
    nsec now = clock_mono();

    (void)rk;
    switch (err) {
    case RD_KAFKA_RESP_ERR__FATAL:
        kafka_fatal(in, now);
        break;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        if (in->tokens.held.value && in->connection.since > 0 && !in->connection.failing && in->cut_since == 0)
            in->cut_since = now;
        else if (!in->connection.failing && in->cut_since == 0)
            kafka_failed(in, "connect", err, in->said[0] ? in->said : reason, now);
        break;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        kafka_tokens_doubt(&in->tokens, now);
        kafka_failed(in, "connect", err, reason, now);
        break;
    case RD_KAFKA_RESP_ERR__SSL:
        kafka_failed(in, "connect", err, reason, now);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        kafka_topic_went(in, reason, now);
        kafka_say_refused(in, err, reason, now);
        break;
    default:
        snprintf(in->said, sizeof(in->said), "%s", reason);
        log_debug("librdkafka reports an error", KS("stream", in->env.stream), KS("input", in->label),
                  KS("cause", rd_kafka_err2str(err)), KS("said", reason));
    }
}

/* A token is renewed before that, unless the machine slept. */
static void on_token_wanted(rd_kafka_t *rk, const char *config, void *opaque)
{
    struct input *in = opaque;

    (void)rk;
    (void)config;
    kafka_tokens_doubt(&in->tokens, clock_mono());
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct input *in = rd_kafka_opaque(rk);

    (void)facility;
    if (level <= 2 && log_due(&in->lines, clock_mono(), KAFKA_SAYS_EVERY))
        log_warn("librdkafka says", KS("stream", in->env.stream), KS("input", in->label), KS("said", text));
    else
        log_debug("librdkafka says", KS("stream", in->env.stream), KS("input", in->label), KS("said", text));
}

/* --- a client -------------------------------------------------------------------------------------------------------------- */

void kafka_give_token(struct input *in, nsec now)
{
    struct err e = {.msg = ""};

    if (kafka_tokens_give(&in->tokens, clock_wall(), in->rk, &e) < 0)
        kafka_failed(in, "log in", RD_KAFKA_RESP_ERR__AUTHENTICATION, e.msg, now);
}

static void set_queue(struct input *in, rd_kafka_queue_t *queue)
{
    rd_kafka_queue_t *old;

    pthread_mutex_lock(&in->lock);
    old = in->queue;
    in->queue = queue;
    pthread_mutex_unlock(&in->lock);
    if (old)
        rd_kafka_queue_destroy(old);
}

static bool subscribe(struct input *in, nsec now)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new((int)in->conf->topics.n);
    rd_kafka_resp_err_t err;

    for (size_t i = 0; i < in->conf->topics.n; i++)
        rd_kafka_topic_partition_list_add(topics, in->conf->topics.v[i], RD_KAFKA_PARTITION_UA);
    err = rd_kafka_subscribe(in->rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (err)
        kafka_failed(in, "subscribe", err, NULL, now);
    return !err;
}

uint64_t kafka_prefetch(const struct input *in)
{
    return input_ahead_share(&in->env.ahead, in->conf->prefetch);
}

/* With `client` NULL afterwards there is none, and it is tried again. */
void kafka_begin_client(struct input *in, nsec now)
{
    struct kafka_conf mine = *in->conf;
    rd_kafka_conf_t *conf;
    struct err e = {.msg = ""};
    char why[256];

    mine.prefetch = kafka_prefetch(in);
    if (kafka_client_conf(&mine, in->env.base_dir, &conf, &e) < 0) {
        kafka_failed(in, "begin", RD_KAFKA_RESP_ERR__INVALID_ARG, e.msg, now);
        return;
    }
    rd_kafka_conf_set_opaque(conf, in);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    if (in->conf->sasl.mechanism == KAFKA_SASL_OAUTH)
        rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, on_token_wanted);
    rd_kafka_conf_set_rebalance_cb(conf, kafka_on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, kafka_on_commit);
    in->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (!in->rk) {
        rd_kafka_conf_destroy(conf);
        kafka_failed(in, "begin", RD_KAFKA_RESP_ERR__INVALID_ARG, why, now);
        return;
    }
    (void)rd_kafka_set_log_queue(in->rk, NULL);
    (void)rd_kafka_poll_set_consumer(in->rk);
    set_queue(in, rd_kafka_queue_get_consumer(in->rk));
    kafka_give_token(in, now);
    in->dead = !subscribe(in, now);
}

/* Leaves the group, if that can be done in time: who only goes away is waited for until its session is over. (A static member, and a client that
 * another process has fenced, do not leave.) All that is said meanwhile comes as events out of a queue of its own. */
static void close_group(struct input *in)
{
    nsec until = clock_mono() + KAFKA_LEAVE_TIME;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(in->rk);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(in->rk, queue);

    while (!error && !rd_kafka_consumer_closed(in->rk) && clock_mono() < until) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, KAFKA_SOON_MS);

        if (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            kafka_on_rebalance(in->rk, rd_kafka_event_error(event), rd_kafka_event_topic_partition_list(event), in);
        if (event)
            rd_kafka_event_destroy(event);
    }
    if (error)
        rd_kafka_error_destroy(error);
    rd_kafka_queue_destroy(queue);
}

/* Between two steps of joining its group for the first time: it is said how partitions are divided, and not yet which ones are ours. librdkafka
 * 2.0 ends the process when a client is freed there (an assertion on what the second step makes). */
static bool is_joining(const struct input *in)
{
    return !in->joined && strcmp(rd_kafka_rebalance_protocol(in->rk), "NONE") != 0;
}

static void wait_until_joined(struct input *in)
{
    nsec until = clock_mono() + KAFKA_LEAVE_TIME;

    while (is_joining(in) && clock_mono() < until) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(in->rk, KAFKA_SOON_MS);

        if (m)
            rd_kafka_message_destroy(m);
    }
}

static void *destroy_client(void *rk)
{
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

/* librdkafka waits for the answer to a commit before a client ends, for as long as the coordinator is away, and five seconds for the one to its
 * leaving the group. Nothing of this client's is asked for any more. */
static void destroy_beside(struct input *in)
{
    if (!thread_start_detached(destroy_client, in->rk, INPUT_THREAD_STACK_BYTES))
        log_warn("a client of Kafka cannot be ended, because there is no room for a thread, and stays",
                 KS("stream", in->env.stream), KS("input", in->label));
}

void kafka_end_client(struct input *in)
{
    bool closed, joining;

    if (!in->rk)
        return;
    in->closing = true;
    kafka_answer_wish(in);
    wait_until_joined(in);
    joining = is_joining(in);
    close_group(in);
    closed = rd_kafka_consumer_closed(in->rk);
    kafka_leave_parts(in);
    set_queue(in, NULL);
    if (joining)
        log_debug("a client that had not joined its group is left to itself", KS("stream", in->env.stream),
                  KS("input", in->label), KS("group", in->conf->group)); /* nobody polls it, so it calls nobody */
    else if (in->committing || !closed)
        destroy_beside(in);
    else
        rd_kafka_destroy(in->rk);
    in->rk = NULL;
    in->joined = false;
    in->closing = in->dead = in->committing = false;
    in->assigned = false;
}
