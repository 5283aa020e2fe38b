/* kinesis.c -- the input that reads a stream of Kinesis Data Streams, shard by shard, each from where the spool says.
 *
 * One thread does it all, in turns: what has come back is looked at, and what is due is begun. Calls go through the agent (http/agent/agent.h),
 * whose thread notes an answer and wakes this one.
 *
 *   shards     which may be read, from where, and what is remembered of each is decided by shards.h alone
 *   readers    a few calls at the same time, whichever shards they are for. The shard that has waited longest is next; one that has nothing
 *              more is asked again after `poll`, one that has, at once, five times a second at most
 *   records    go into one window (inputs/window.h) in the order in which their answers came. A frame has records of many shards, and of each of
 *              them the place behind the last one: so what is safe and where reading goes on is one write, whatever breaks off
 *
 * When the spool refuses records, everything not yet safe is thrown away, and it goes on as at a start: with the places that the spool has.
 *
 * A record that the Kinesis Producer Library made of many has a place behind each of them. That of a record in the middle names its number, and
 * the whole is read again and its first ones left out. */
#include "pipeline/inputs/kinesis/impl.h"

#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>

/* --- turns --------------------------------------------------------------------------------------------------------- */

static void look(struct input *in, nsec now)
{
    struct window_news news = window_look(&in->window, now);

    if (news.safe)
        shards_safe(&in->shards, news.upto, now);
    if (!news.refused)
        return;
    window_reset(&in->window);
    in->frame_sources = 0;
    in->phase = REWINDING;
}

/* Something has broken off. What is under way ends, and then it begins anew. */
static void begin_anew(struct input *in, nsec now)
{
    if (in->phase == READING)
        return;
    kinesis_cancel_calls(in);
    kinesis_drop_answers(in);
    in->shards.list_due = true;
    in->listing = false;
    if (kinesis_under_way(in) > 0 || !window_is_idle(&in->window))
        return;
    if (in->phase == RECREATING) {
        shards_forget_all(&in->shards);
        share_recreated(in);
    } else {
        shards_rewind(&in->shards);
        kinesis_restore(in);
        in->trouble.again = now + NSEC_PER_SEC; /* the disk refuses: not at once again */
    }
    in->phase = READING;
}

static void tell_finished(struct input *in)
{
    if (in->told_finished || in->phase != READING || in->listing || kinesis_under_way(in) > 0 ||
        kinesis_oldest_answer(in) || !window_is_idle(&in->window) || !shards_are_read(&in->shards) ||
        !share_is_settled(in))
        return;
    in->told_finished = true;
    log_info("all shards are read to where they end", KS("stream", in->env.stream), KS("input", in->label),
             KS("source", in->conf->stream));
    if (in->env.finished)
        in->env.finished(in->env.ctx);
}

static void turn(struct input *in, nsec now)
{
    share_turn(in, now);
    kinesis_take_answers(in, now);
    look(in, now);
    kinesis_put_arrived(in, now);
    window_flush(&in->window, now);
    begin_anew(in, now);
    kinesis_start_calls(in, now);
    kinesis_tell_oldest(in, now);
    if (in->env.once)
        tell_finished(in);
}

/* When something is due that nobody wakes this thread for. */
static nsec next_turn(struct input *in, nsec now)
{
    nsec next = now + share_turn_every(in), due;

    if (kinesis_oldest_answer(in) || in->phase != READING)
        next = now + AWS_CALL_AGAIN;
    (void)shards_due(&in->shards, now, &due);
    if (due < in->trouble.again)
        due = in->trouble.again;
    if (due <= now) /* it could not begin: what it waits for wakes this thread, but for memory and the disk */
        due = now + AWS_CALL_AGAIN;
    if (due < next)
        next = due;
    return next > now + KINESIS_TURN_LEAST ? next : now + KINESIS_TURN_LEAST;
}

static void run(struct input_thread *t, void *arg)
{
    struct input *in = arg;

    in->caller.thread = t;
    share_begin(in);
    kinesis_restore(in);
    pace_join(in->env.pace, &in->pace);
    while (!input_thread_ends(t)) {
        nsec now = clock_mono();

        turn(in, now);
        input_thread_wait(t, next_turn(in, now));
    }
    pace_leave(in->env.pace, &in->pace);
    kinesis_cancel_calls(in);
    for (nsec now = clock_mono(); kinesis_under_way(in) > 0; now = clock_mono()) {
        in->phase = REWINDING; /* what comes now is read again at the next start */
        kinesis_take_answers(in, now);
        input_thread_linger(t, now + AWS_CALL_AGAIN);
    }
    kinesis_drop_answers(in);
    window_flush(&in->window, clock_mono());
    share_part(in);
}

/* --- the input ------------------------------------------------------------------------------------------------------ */

static void on_news(void *ctx)
{
    struct input *in = ctx;

    input_thread_wake(in->thread);
}

static void kinesis_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    input_thread_free(&in->thread);
    if (in->begun) {
        window_release(&in->window);
        for (size_t i = 0; i < KINESIS_READERS; i++) {
            aws_call_release(&in->readers[i].call);
            kinesis_answer_release(&in->readers[i].answer);
        }
        shards_release(&in->shards);
        kinesis_close_record(&in->opened);
        buf_release(&in->opened.data);
        buf_release(&in->opened.scratch);
        buf_release(&in->facts);
        buf_release(&in->token);
        share_close(in);
        connection_release(&in->trouble);
        connection_release(&in->list_trouble);
        aws_caller_close(&in->caller);
    }
    MEM_CLEAR(*inp);
}

/* What the thread works with. */
static void begin(struct input *in)
{
    const struct window_conf window = {.spool = in->env.spool,
                                       .budget = in->env.budget,
                                       .pushback = in->env.pushback,
                                       .health = in->env.health,
                                       .origin = slice_str(in->origin),
                                       .news = on_news,
                                       .closing = kinesis_on_closing,
                                       .ctx = in};
    const struct shards_log log = kinesis_log(in);

    window_init(&in->window, &window);
    shards_init(&in->shards, &log);
    for (size_t i = 0; i < KINESIS_READERS; i++) {
        aws_call_init(&in->readers[i].call, &in->caller);
        kinesis_answer_init(&in->readers[i].answer);
    }
    buf_init(&in->opened.data, KINESIS_RECORD_MAX);
    buf_init(&in->opened.scratch, KINESIS_ANSWER_MAX);
    buf_init(&in->facts, RECORD_FACTS_MAX);
    buf_init(&in->token, KINESIS_TOKEN_MAX);
    in->pace = (struct pace_waiter){.go_on = on_news, .arg = in};
    in->begun = true;
}

static int open_caller(struct input *in, struct err *e)
{
    struct aws_caller_conf conf;

    if (kinesis_caller_conf(in->conf, &in->address, &conf, e) < 0)
        return -1;
    conf.stream = in->env.stream;
    conf.input = in->label;
    conf.base_dir = in->env.base_dir;
    conf.agent = in->env.agent;
    conf.budget = &in->room;
    conf.health = in->env.health;
    return aws_caller_open(&in->caller, &conf, e);
}

static int kinesis_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));

    in->conf = conf;
    in->env = *env;
    in->label = input_health_label(env->health, "kinesis");
    *out = in;
    budget_init(&in->room, KINESIS_ANSWERS_BYTES);
    if (open_caller(in, e) < 0) {
        kinesis_close(out);
        return err_wrap(e, "kinesis");
    }
    snprintf(in->origin, sizeof(in->origin), "input=kinesis stream=%s", in->conf->stream);
    if (strncmp(in->conf->stream, "arn:", 4) == 0) /* which has the region */
        snprintf(in->source, sizeof(in->source), "kinesis %s ", in->conf->stream);
    else
        snprintf(in->source, sizeof(in->source), "kinesis %s %s ", in->address.region, in->conf->stream);
    aws_caller_connection(&in->caller, &in->trouble);
    aws_caller_connection(&in->caller, &in->list_trouble);
    begin(in);
    if (share_open(in, e) < 0) {
        kinesis_close(out);
        return err_wrap(e, "kinesis: leases");
    }
    return 0;
}

static int kinesis_start(struct input *in, struct err *e)
{
    const struct input_thread_conf conf = {.stream = in->env.stream, .input = in->label, .run = run, .arg = in};

    return input_thread_start(&in->thread, &conf, e);
}

static void kinesis_stop(struct input *in)
{
    input_thread_stop(in->thread);
}

static bool kinesis_stopped(struct input *in, nsec until)
{
    return input_thread_ended(in->thread, until);
}

static unsigned kinesis_threads(const void *conf)
{
    (void)conf;
    return 1;
}

/* The readers, the list of shards, and calls to the table of leases. */
static unsigned kinesis_sockets(const void *conf)
{
    return KINESIS_READERS + 1 + (kinesis_conf_shares(conf) ? KINESIS_LEASE_CALLS : 0);
}

const struct input_ops kinesis_ops = {
    .name = "kinesis",
    .help = "reads a stream of Amazon Kinesis Data Streams, or of a server that speaks its protocol, through splits "
            "and merges of its "
            "shards, each record once (docs/kinesis.md)",
    .fields = kinesis_fields,
    .conf_size = sizeof(struct kinesis_conf),
    .finite = true,
    .threads = kinesis_threads,
    .sockets = kinesis_sockets,
    .open = kinesis_open,
    .start = kinesis_start,
    .stop = kinesis_stop,
    .stopped = kinesis_stopped,
    .close = kinesis_close,
    .check_conf = kinesis_conf_check_all,
    .same_positions = kinesis_conf_same_positions,
    .same_client = kinesis_conf_same_table,
    .same_client_text =
        "has these leases already, and a table or an object of leases is of one input alone: give this one another",
    .probe = kinesis_probe,
};
