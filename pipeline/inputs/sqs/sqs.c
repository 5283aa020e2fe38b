/* sqs.c -- the input that takes messages out of a queue of SQS and deletes them when the spool has called them safe.
 *
 * One thread does it all, in turns: what has come back is looked at, and what is due is begun. Calls go through the agent (http/agent/agent.h),
 * whose thread notes an answer and wakes this one; so a long poll, of which there are several, keeps nobody.
 *
 *   receivers   ask for ten messages each and wait up to 20 s for the first. Full answers bring another receiver, empty ones take one
 *               away, so an empty queue is asked by one
 *   messages    go into the window (inputs/window.h) in the order in which they came; who does not fit waits here, and no receiver
 *               asks for more. What the window calls safe is deleted, ten at a time
 *   in hand     what is not deleted yet is put off in the queue again and again (hand.h), also while the stream is full
 *
 * The same message may come twice: after a crash between the spool's sync and the deletion, or when the queue likes to. Its id is remembered
 * by the spool in the write that holds the record, and so it is one record all the same.
 *
 * Of a FIFO queue a group's next messages come when the last ones are deleted, so there is an order to keep only within what one answer
 * brought: the window keeps it, and deletions are made one call after the other. A receive whose answer was lost is asked for again with its
 * attempt's id: else its groups would stand still until the messages' time is over.
 *
 * With `unwrap: s3` a message is no record but names objects (inputs/objects/objects.h), whose lines go into the window. It waits here until
 * one of the readers is free, is put off in the queue while it is read, and is HELD from then on. */
#include "pipeline/inputs/sqs/impl.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/sqs/reach.h"

#include <stdio.h>

/* --- turns --------------------------------------------------------------------------------------------------------- */

/* What is not in the window yet. */
static void return_arrived(struct input *in)
{
    for (int64_t i = 0; i < in->conf->receivers; i++)
        if (in->receivers[i].batch.n > 0)
            sqs_batch_over(&in->receivers[i]);
    if (sqs_reads_objects(in))
        objects_drop(&in->objects);
    while (!TAILQ_EMPTY(&in->hand.lists[HAND_ARRIVED]))
        hand_move(&in->hand, TAILQ_FIRST(&in->hand.lists[HAND_ARRIVED]), HAND_RETURNED);
}

/* Nothing that is not safe stays here: the queue hands it out again. */
static void drop_all(struct input *in)
{
    return_arrived(in);
    hand_return_all(&in->hand);
}

static void look(struct input *in, nsec now)
{
    struct window_news news = window_look(&in->window, now);

    if (news.safe) {
        hand_safe(&in->hand, news.upto);
        in->safe_upto = news.upto;
    }
    if (news.refused) {
        drop_all(in);
        window_reset(&in->window);
        in->safe_upto = in->numbers;
        if (sqs_reads_objects(in))
            objects_restore(&in->objects);
        in->dried_up = false;
        in->trouble.again = now + NSEC_PER_SEC; /* the disk refuses: not at once again */
    }
}

static bool any_under_way(const struct input *in)
{
    for (int64_t i = 0; i < in->conf->receivers; i++)
        if (in->receivers[i].call.under_way)
            return true;
    return in->count.under_way || !sqs_settler_is_idle(&in->settler) ||
           (sqs_reads_objects(in) && !objects_are_idle(&in->objects));
}

static void tell_finished(struct input *in)
{
    if (!in->dried_up || in->told_finished || any_under_way(in) || hand_count(&in->hand) > 0)
        return;
    in->told_finished = true;
    log_info("the queue is empty", KS("stream", in->env.stream), KS("input", in->label),
             KS("queue", in->conf->queue_url));
    if (in->env.finished)
        in->env.finished(in->env.ctx);
}

/* When something is due that nobody wakes this thread for. */
static nsec next_turn(const struct input *in, nsec now)
{
    nsec next = now + (in->hand.counts[HAND_ARRIVED] > 0 ? AWS_CALL_AGAIN : NSEC_PER_SEC);

    if (sqs_reads_objects(in) && objects_work_on(&in->objects))
        return now;
    if (in->trouble.again > now && in->trouble.again < next)
        next = in->trouble.again;
    next = sqs_settle_next(&in->settler, now, next);
    if (sqs_reads_objects(in))
        next = objects_next(&in->objects, now, next);
    return next > now ? next : now + AWS_CALL_AGAIN; /* whatever could not begin: soon */
}

static void turn(struct input *in, nsec now)
{
    sqs_take_answers(in, now);
    look(in, now);
    sqs_put_arrived(in, now);
    sqs_turn_objects(in, now);
    window_flush(&in->window, now);
    sqs_settle(&in->settler, in->dried_up, now);
    sqs_start_receivers(in, now);
    sqs_count_waiting(in, now);
    if (in->env.once)
        tell_finished(in);
}

/* What is in the window becomes safe and is deleted, the rest is given back, as far as that goes in a few seconds. What does not get done comes
 * again when its time is over. */
static void leave(struct input *in)
{
    nsec now = clock_mono(), until = now + SQS_LEAVE_TIME;

    for (int64_t i = 0; i < in->conf->receivers; i++)
        aws_call_cancel(&in->receivers[i].call);
    aws_call_cancel(&in->count);
    in->count_at = NSEC_NEVER;
    sqs_turn_objects(in, now);
    for (; now < until && (any_under_way(in) || hand_count(&in->hand) > 0); now = clock_mono()) {
        sqs_take_answers(in, now);
        sqs_count_waiting(in, now);
        look(in, now);
        return_arrived(in);
        sqs_turn_objects(in, now);
        if (now > until - SQS_LEAVE_TIME / 2 && in->hand.counts[HAND_HELD] > 0) {
            window_reset(&in->window); /* what is given back is not appended any more */
            hand_return_all(&in->hand);
        }
        window_flush(&in->window, now);
        sqs_settle(&in->settler, true, now);
        input_thread_linger(in->thread, now + AWS_CALL_AGAIN);
    }
    sqs_settler_cancel(&in->settler);
    for (; any_under_way(in); now = clock_mono()) {
        sqs_take_answers(in, now);
        sqs_count_waiting(in, now);
        return_arrived(in);
        sqs_turn_objects(in, now);
        sqs_settle(&in->settler, true, now);
        input_thread_linger(in->thread, now + AWS_CALL_AGAIN);
    }
    drop_all(in);
}

static void run(struct input_thread *t, void *arg)
{
    struct input *in = arg;

    in->caller.thread = t;
    if (sqs_reads_objects(in))
        objects_begin(&in->objects, t);
    while (!input_thread_ends(t)) {
        nsec now = clock_mono();

        turn(in, now);
        input_thread_wait(t, next_turn(in, now));
    }
    leave(in);
}

/* --- the input ------------------------------------------------------------------------------------------------------ */

static void on_news(void *ctx)
{
    struct input *in = ctx;

    input_thread_wake(in->thread);
}

/* The window's open frame takes no more. */
static void on_closing(void *ctx)
{
    struct input *in = ctx;

    objects_closing(&in->objects);
}

static void sqs_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    input_thread_free(&in->thread);
    objects_close(&in->objects);
    if (in->receivers) {
        window_release(&in->window);
        for (int64_t i = 0; i < in->conf->receivers; i++) {
            aws_call_release(&in->receivers[i].call);
            sqs_batch_release(&in->receivers[i].batch);
        }
        aws_call_release(&in->count);
        sqs_settler_release(&in->settler);
        connection_release(&in->trouble);
        hand_release(&in->hand);
    }
    if (in->receivers)
        aws_caller_close(&in->caller);
    mem_free(in->receivers);
    MEM_CLEAR(*inp);
}

/* What the thread works with. */
static void begin(struct input *in)
{
    const struct sqs_conf *c = in->conf;
    const struct window_conf window = {
        .spool = in->env.spool,
        .budget = in->env.budget,
        .pushback = in->env.pushback,
        .health = in->env.health,
        .origin = slice_str(in->origin),
        .id_source = c->remember > 0 ? slice_str(in->id_source) : SLICE(""),
        .ids = {.count = (uint32_t)c->remember, .seconds = (uint32_t)(c->remember_for / NSEC_PER_SEC)},
        .records = sqs_reads_objects(in) ? OBJECTS_WINDOW_RECORDS : (uint32_t)c->in_flight,
        .news = on_news,
        .closing = sqs_reads_objects(in) ? on_closing : NULL,
        .ctx = in};

    window_init(&in->window, &window);
    hand_init(&in->hand);
    in->receivers = mem_array((size_t)c->receivers, sizeof(*in->receivers));
    for (int64_t i = 0; i < c->receivers; i++) {
        aws_call_init(&in->receivers[i].call, &in->caller);
        sqs_batch_init(&in->receivers[i].batch);
    }
    sqs_settler_init(&in->settler, c, &in->hand, &in->caller);
    aws_caller_connection(&in->caller, &in->trouble);
    aws_call_init(&in->count, &in->caller);
    in->count_at = NSEC_NEVER;
    in->wanted = 1;
    in->ask_for = SQS_BATCH_MAX;
    in->fifo = sqs_conf_is_fifo(c);
}

static int open_caller(struct input *in, struct err *e)
{
    char address[ENDPOINT_URL_MAX + 1], region[SQS_REGION_MAX];
    struct aws_caller_conf conf = sqs_caller_conf(in->conf, address, region);

    conf.stream = in->env.stream;
    conf.input = in->label;
    conf.base_dir = in->env.base_dir;
    conf.agent = in->env.agent;
    conf.budget = &in->room;
    conf.health = in->env.health;
    return aws_caller_open(&in->caller, &conf, e) < 0 ? err_wrap(e, "sqs") : 0;
}

static int open_objects(struct input *in, struct err *e)
{
    const struct sqs_conf *c = in->conf;
    const struct objects_conf conf = {.stream = in->env.stream,
                                      .windows = in->env.windows,
                                      .input = in->label,
                                      .source = c->queue_url,
                                      .store = {.endpoint = c->s3.endpoint,
                                                .region = c->s3.region,
                                                .region_otherwise = in->caller.region,
                                                .keys = sqs_conf_s3_keys(c),
                                                .tls = &c->aws.tls,
                                                .proxy = c->aws.proxy,
                                                .base_dir = in->env.base_dir,
                                                .agent = in->env.agent},
                                      .readers = in->fifo ? 1 : (unsigned)c->s3.readers,
                                      .spool = in->env.spool,
                                      .window = &in->window,
                                      .numbers = &in->numbers,
                                      .id_source = in->window.conf.id_source,
                                      .place_source = in->place_source,
                                      .health = in->env.health};

    return objects_open(&in->objects, &conf, e) < 0 ? err_wrap(e, "sqs") : 0;
}

static int sqs_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));

    in->conf = conf;
    in->env = *env;
    in->label = input_health_label(env->health, "sqs");
    *out = in;
    budget_init(&in->room, SQS_ANSWERS_BYTES);
    if (open_caller(in, e) < 0) {
        sqs_close(out);
        return -1;
    }
    snprintf(in->origin, sizeof(in->origin), "input=sqs queue=%s", in->conf->queue_url);
    snprintf(in->id_source, sizeof(in->id_source), "sqs %s", in->conf->queue_url);
    snprintf(in->place_source, sizeof(in->place_source), "sqs %s s3", in->conf->queue_url);
    begin(in);
    if (sqs_reads_objects(in) && open_objects(in, e) < 0) {
        sqs_close(out);
        return -1;
    }
    return 0;
}

static int sqs_start(struct input *in, struct err *e)
{
    const struct input_thread_conf conf = {.stream = in->env.stream, .input = in->label, .run = run, .arg = in};

    return input_thread_start(&in->thread, &conf, e);
}

static void sqs_stop(struct input *in)
{
    input_thread_stop(in->thread);
}

static bool sqs_stopped(struct input *in, nsec until)
{
    return input_thread_ended(in->thread, until);
}

static unsigned sqs_threads(const void *conf)
{
    (void)conf;
    return 1;
}

const struct input_ops sqs_ops = {
    .name = "sqs",
    .help = "takes messages out of a queue of Amazon SQS, or of a server that speaks its protocol, and deletes them "
            "when they are safe "
            "in the spool (docs/sqs.md)",
    .fields = sqs_fields,
    .conf_size = sizeof(struct sqs_conf),
    .finite = true,
    .threads = sqs_threads,
    .sockets = sqs_conf_sockets,
    .open = sqs_open,
    .start = sqs_start,
    .stop = sqs_stop,
    .stopped = sqs_stopped,
    .close = sqs_close,
    .check_conf = sqs_conf_check_all,
    .same_positions = sqs_conf_same_positions,
    .probe = sqs_probe,
};
