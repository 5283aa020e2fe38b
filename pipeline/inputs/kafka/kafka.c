/* kafka.c -- the input that reads topics of Kafka as a member of a consumer group, by librdkafka.
 *
 * One thread does it, in turns: what the window says is looked at, messages are taken, what the group wants is answered, offsets are
 * committed. librdkafka's own threads fetch and keep up the heartbeat; all it has to say comes out of one queue, whose poll the committer's
 * thread cuts short when something has become safe.
 *
 * Where a partition was read to stands in the spool, in the same write as its records, and that counts (position.h). The group's offsets
 * follow, for other members and for those who watch the lag.
 *
 * It does not wait for deliveries (pace.h), as files do: a pause costs what librdkafka has read ahead, which it fetches again, and meanwhile a
 * topic may lose what is older than its retention.
 *
 * While the window is full nothing is polled; when that lasts, partitions are paused and the poll goes on, or the group would throw us out. A
 * client that is beyond help (another process has our group_instance_id) is thrown away, and a new one made a little later. */
#include "pipeline/inputs/kafka/impl.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/kafka/files.h"
#include "pipeline/inputs/kafka/probe.h"

#include <stdio.h>
#include <string.h>

/* --- turns ----------------------------------------------------------------------------------------------------------------- */

static bool is_full(const struct input *in)
{
    return in->held || !window_has_room(&in->window);
}

/* A disk that is slow for a moment is waited for with the messages that are there already: who pauses has them fetched again. */
static bool may_poll(struct input *in, nsec now)
{
    if (!is_full(in)) {
        in->full_since = 0;
        if (in->paused)
            kafka_pause(in, false);
        return true;
    }
    if (in->full_since == 0)
        in->full_since = now;
    if (!in->paused && now - in->full_since >= KAFKA_FULL_TIME)
        kafka_pause(in, true);
    return in->paused || (in->wish != KAFKA_WISH_NONE && !in->held);
}

static bool is_any(const struct input *in, enum kafka_part_state state)
{
    for (size_t i = 0; i < in->parts.n; i++)
        if (in->parts.v[i]->state == state)
            return true;
    return false;
}

static int wait_ms(const struct input *in)
{
    bool busy = in->wish != KAFKA_WISH_NONE || in->turn.step != KAFKA_TURN_NONE || is_any(in, KAFKA_PART_SEEK) ||
                !window_is_idle(&in->window);

    return busy ? KAFKA_SOON_MS : KAFKA_WAIT_MS;
}

static void take_messages(struct input *in, nsec now)
{
    int wait = wait_ms(in);

    for (int i = 0; i < KAFKA_TURN_MESSAGES && (!in->held || in->paused); i++) {
        rd_kafka_message_t *m = kafka_next_message(in, i == 0 ? wait : 0);

        if (!m)
            break;
        if (i == 0) {
            now = clock_mono();
            in->wall = clock_wall();
        }
        kafka_take(in, m, now);
    }
    window_flush(&in->window, now);
}

/* librdkafka connects anew by itself, and does not say so. The brokers end a connection whose token has expired, since librdkafka does not log in
 * on it once more: that is no trouble when the next one works. */
static void look_at_connection(struct input *in, nsec now)
{
    const struct rd_kafka_metadata *md;

    if (in->heard)
        in->cut_since = 0;
    if (in->cut_since > 0 && now - in->cut_since >= KAFKA_CUT_TIME) {
        in->cut_since = 0;
        if (!in->connection.failing)
            kafka_failed(in, "connect", RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, in->said[0] ? in->said : NULL, now);
    }
    if (!in->heard && (in->connection.failing || in->cut_since > 0) && now >= in->look_next &&
        !input_thread_ends(in->thread)) {
        in->look_next = now + KAFKA_LOOK_EVERY;
        if (rd_kafka_metadata(in->rk, 0, NULL, &md, KAFKA_ASK_MS / 2) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_metadata_destroy(md);
            in->heard = in->wish == KAFKA_WISH_NONE && !is_any(in, KAFKA_PART_SEEK);
        }
    }
    if (in->heard) {
        connection_works(&in->connection, now);
        in->cut_since = 0;
        in->said[0] = '\0';
    }
    in->heard = false;
}

static void say_lag(struct input *in, nsec now)
{
    uint64_t lag = 0;

    if (now < in->lag_next)
        return;
    in->lag_next = now + NSEC_PER_SEC;
    for (size_t i = 0; i < in->parts.n; i++) {
        const struct kafka_part *part = in->parts.v[i];
        int64_t low, high;

        if (in->env.seals)
            lag += part->state == KAFKA_PART_READ && part->high > part->seen.next
                       ? (uint64_t)(part->high - part->seen.next)
                       : 0;
        else if (part->state == KAFKA_PART_READ &&
                 rd_kafka_get_watermark_offsets(in->rk, part->topic, part->partition, &low, &high) ==
                     RD_KAFKA_RESP_ERR_NO_ERROR &&
                 high > part->seen.next)
            lag += (uint64_t)(high - part->seen.next);
    }
    input_health_lag(in->env.health, lag);
    if (in->passed > 0 && now >= in->passed_next) {
        log_info("messages without a value were left out", KS("stream", in->env.stream), KS("input", in->label),
                 KU("messages", in->passed), KS("hint", "tombstones: empty makes records of them"));
        in->passed = 0;
        in->passed_next = now + KAFKA_SAYS_EVERY;
    }
}

/* once: a topic that is named and was refused on the way may be there in the meantime. */
static void name_missing_topics(struct input *in, nsec now)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t err = in->any_refused ? rd_kafka_metadata(in->rk, 1, NULL, &md, KAFKA_ASK_MS) : 0;

    for (size_t i = 0; in->any_refused && i < in->conf->topics.n; i++) {
        const char *topic = in->conf->topics.v[i];
        rd_kafka_resp_err_t why = err;

        if (*topic == '^' || (md && kafka_has_topic(md, topic, &why)))
            continue;
        input_health_error(in->env.health, "a topic could not be read", kafka_hint(why), now);
        log_warn("a topic could not be read", KS("stream", in->env.stream), KS("input", in->label), KS("topic", topic),
                 KS("cause", rd_kafka_err2str(why)),
                 KS("hint", kafka_hint(why) ? kafka_hint(why) : "look at the brokers' log"));
    }
    if (md)
        rd_kafka_metadata_destroy(md);
}

/* once: who joins a group whose members have all partitions gets some when they have given them back, and those of a member that has died when
 * its session is over. Then there are more members than partitions. */
static bool waits_for_a_partition(struct input *in, nsec now)
{
    const char *hint =
        "other members of the group have all partitions, and read them: end those, or take another `group`";

    if (in->parts.n > 0) {
        in->nothing_since = 0;
        return false;
    }
    if (in->nothing_since == 0)
        in->nothing_since = now;
    if (now - in->nothing_since < in->conf->session_timeout)
        return true;
    input_health_error(in->env.health, "the group gives this member no partition", hint, now);
    log_warn("the group gives this member no partition: nothing was read", KS("stream", in->env.stream),
             KS("input", in->label), KS("group", in->conf->group), KS("hint", hint));
    return false;
}

/* once: every partition of ours was read to its end, and all of it is safe. */
static void tell_finished(struct input *in, nsec now)
{
    if (in->told_finished || !in->assigned || in->wish != KAFKA_WISH_NONE || in->held || !window_is_idle(&in->window))
        return;
    for (size_t i = 0; i < in->parts.n; i++)
        if (in->parts.v[i]->state != KAFKA_PART_READ || !in->parts.v[i]->ended)
            return;
    if (waits_for_a_partition(in, now) || (in->env.seals && !kafka_shared_is_done(in)))
        return;
    kafka_commit(in, now);
    if (!in->commit_refused && !kafka_all_committed(in))
        return;
    in->told_finished = true;
    name_missing_topics(in, now);
    log_info("the topics are read to their end", KS("stream", in->env.stream), KS("input", in->label),
             KU("partitions", in->parts.n));
    if (in->env.finished)
        in->env.finished(in->env.ctx);
}

static void turn(struct input *in, nsec now)
{
    in->wall = clock_wall();
    kafka_look_at_window(in, now);
    if (in->env.seals)
        kafka_shared_turn(in, now);
    if (!in->paused || window_has_room(&in->window))
        kafka_take_held(in, now);
    if (may_poll(in, now))
        take_messages(in, now);
    else
        input_thread_wait(in->thread, now + KAFKA_SOON_MS * NSEC_PER_MSEC);
    if (in->dead)
        return;
    now = clock_mono();
    kafka_group_turn(in, now);
    kafka_find_places(in, now);
    look_at_connection(in, now);
    say_lag(in, now);
    if (in->env.once)
        tell_finished(in, now);
}

/* What is sealed is delivered, as far as that goes in a moment; the rest goes back. */
static void leave_shared(struct input *in)
{
    nsec now = clock_mono(), until = now + KAFKA_LAST_UPLOADS;

    in->leaving_all = true;
    for (size_t i = 0; i < in->parts.n; i++)
        if (in->parts.v[i]->state == KAFKA_PART_READ || in->parts.v[i]->state == KAFKA_PART_SEEK)
            in->parts.v[i]->state = KAFKA_PART_LEAVING;
    while (in->rk && !in->dead) {
        rd_kafka_message_t *m;

        kafka_look_at_window(in, now);
        if (kafka_shared_gives_back(in, now >= until, now))
            break;
        m = rd_kafka_consumer_poll(in->rk, KAFKA_SOON_MS);
        if (m)
            kafka_take(in, m, now);
        now = clock_mono();
    }
    kafka_give_up_open(in);
    kafka_end_client(in);
    for (until = clock_mono() + KAFKA_LEAVE_TIME; in->turn.step != KAFKA_TURN_NONE && clock_mono() < until;) {
        kafka_look_at_window(in, clock_mono());
        kafka_shared_turn(in, clock_mono());
        if (in->turn.step != KAFKA_TURN_NONE)
            input_thread_linger(in->thread, clock_mono() + KAFKA_SOON_MS * NSEC_PER_MSEC);
    }
    source_journal_attach(in->env.seals, NULL, NULL);
}

/* What is in the window becomes safe and is committed, as far as that goes in a moment. What does not is read again. */
static void leave(struct input *in)
{
    nsec now = clock_mono(), until = now + KAFKA_LEAVE_TIME;

    if (in->rk) {
        kafka_drop_held(in);
        for (size_t i = 0; i < in->parts.n; i++)
            if (in->parts.v[i]->state == KAFKA_PART_READ)
                in->parts.v[i]->state = KAFKA_PART_LEAVING;
        for (; now < until && !in->dead; now = clock_mono()) {
            rd_kafka_message_t *m;

            kafka_look_at_window(in, now);
            if (window_is_idle(&in->window))
                kafka_commit(in, now);
            if (window_is_idle(&in->window) && (kafka_all_committed(in) || in->commit_refused))
                break;
            m = rd_kafka_consumer_poll(in->rk, KAFKA_SOON_MS);
            if (m)
                kafka_take(in, m, now);
        }
    }
    kafka_give_up_open(in);
    kafka_end_client(in);
}

static void run(struct input_thread *t, void *arg)
{
    struct input *in = arg;

    while (!input_thread_ends(t)) {
        nsec now = clock_mono();

        if (in->dead)
            kafka_end_client(in);
        if (kafka_tokens_turn(&in->tokens, clock_wall(), now) && in->rk)
            kafka_give_token(in, now);
        if (!in->rk && connection_is_due(&in->connection, now))
            kafka_begin_client(in, now);
        if (in->rk && !in->dead) {
            turn(in, now);
        } else {
            kafka_look_at_window(in, now);
            input_thread_wait(t, now + KAFKA_ASK_AGAIN);
        }
    }
    if (in->env.seals)
        leave_shared(in);
    else
        leave(in);
    kafka_tokens_end(&in->tokens, t);
}

/* --- the input --------------------------------------------------------------------------------------------------------------- */

/* On the committer's thread, and the main one. */
static void wake(void *ctx)
{
    struct input *in = ctx;

    pthread_mutex_lock(&in->lock);
    if (in->queue)
        rd_kafka_queue_yield(in->queue);
    pthread_mutex_unlock(&in->lock);
    if (in->thread)
        input_thread_wake(in->thread);
}

static void kafka_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    input_thread_free(&in->thread);
    if (in->env.seals)
        source_journal_attach(in->env.seals, NULL, NULL);
    window_release(&in->window);
    kafka_books_drop(&in->books);
    kafka_parts_release(&in->parts);
    connection_release(&in->connection);
    kafka_tokens_close(&in->tokens);
    buf_release(&in->facts);
    pthread_mutex_destroy(&in->lock);
    MEM_CLEAR(*inp);
}

static void begin(struct input *in)
{
    const struct window_conf window = {.spool = in->env.spool,
                                       .budget = in->env.budget,
                                       .pushback = in->env.pushback,
                                       .health = in->env.health,
                                       .origin = SLICE("input=kafka"),
                                       .records = KAFKA_WINDOW_RECORDS,
                                       .news = wake,
                                       .closing = kafka_frame_closes,
                                       .ctx = in};
    const struct connection_conf connection = {.stream = in->env.stream,
                                               .input = in->label,
                                               .source = in->source,
                                               .health = in->env.health,
                                               .holds = CONNECTION_HOLDS};

    pthread_mutex_init(&in->lock, NULL);
    window_init(&in->window, &window);
    connection_init(&in->connection, &connection);
    buf_init(&in->facts, RECORD_FACTS_MAX);
}

static int begin_tokens(struct input *in, struct err *e)
{
    const struct kafka_tokens_conf tokens = {.oauth = &in->conf->sasl.oauth,
                                             .stream = in->env.stream,
                                             .input = in->label,
                                             .base_dir = in->env.base_dir,
                                             .agent = in->env.agent,
                                             .health = in->env.health,
                                             .news = wake,
                                             .ctx = in};

    return in->conf->sasl.mechanism == KAFKA_SASL_OAUTH ? kafka_tokens_open(&in->tokens, &tokens, e) : 0;
}

static void say_prefetch(const struct input *in)
{
    uint64_t bytes = kafka_prefetch(in);

    if (bytes < in->conf->prefetch)
        log_info("less is read ahead than `prefetch` says: all inputs together have a part of limits.memory for that",
                 KS("stream", in->env.stream), KS("input", in->label), KU("bytes", bytes),
                 KU("prefetch", in->conf->prefetch), KS("hint", "raise limits.memory if the input is slow"));
}

static int kafka_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));

    in->conf = conf;
    in->env = *env;
    in->label = input_health_label(env->health, "kafka");
    snprintf(in->source, sizeof(in->source), "%s, group %s", in->conf->brokers.v[0], in->conf->group);
    begin(in);
    say_prefetch(in);
    if (in->env.seals)
        source_journal_attach(in->env.seals, wake, in);
    if (begin_tokens(in, e) < 0) {
        kafka_close(&in);
        return -1;
    }
    *out = in;
    return 0;
}

static int kafka_start(struct input *in, struct err *e)
{
    const struct input_thread_conf conf = {
        .stream = in->env.stream, .input = in->label, .run = run, .interrupt = wake, .arg = in};

    return input_thread_start(&in->thread, &conf, e);
}

static void kafka_stop(struct input *in)
{
    input_thread_stop(in->thread);
}

static bool kafka_stopped(struct input *in, nsec until)
{
    return input_thread_ended(in->thread, until);
}

static unsigned kafka_threads(const void *conf)
{
    (void)conf;
    return 1 + KAFKA_THREADS;
}

static uint64_t kafka_read_ahead(const void *conf)
{
    return ((const struct kafka_conf *)conf)->prefetch;
}

static unsigned kafka_sockets(const void *conf)
{
    (void)conf;
    return KAFKA_DESCRIPTORS;
}

const struct input_ops kafka_ops = {
    .name = "kafka",
    .help = "reads topics of Apache Kafka, or of what speaks its protocol, as a member of a consumer group, and "
            "commits offsets when the "
            "records are safe in the spool (docs/kafka.md)",
    .fields = kafka_fields,
    .conf_size = sizeof(struct kafka_conf),
    .finite = true,
    .threads = kafka_threads,
    .sockets = kafka_sockets,
    .read_ahead = kafka_read_ahead,
    .open = kafka_open,
    .start = kafka_start,
    .stop = kafka_stop,
    .stopped = kafka_stopped,
    .close = kafka_close,
    .check_conf = kafka_conf_check_all,
    .digest = kafka_files_digest,
    .check = kafka_files_check,
    .shares = kafka_conf_shares,
    .probe = kafka_probe,
};
