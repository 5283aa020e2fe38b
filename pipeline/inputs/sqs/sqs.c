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
 * attempt's id: else its groups would stand still until the messages' time is over. */
#include "pipeline/inputs/sqs/options.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/aws/caller.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/sqs/call.h"
#include "pipeline/inputs/sqs/hand.h"
#include "pipeline/inputs/sqs/message.h"
#include "pipeline/inputs/sqs/reach.h"
#include "pipeline/inputs/sqs/settle.h"
#include "pipeline/inputs/window.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ATTEMPT_CHARS 32

struct receiver {
    struct aws_call call;
    char attempt_id[ATTEMPT_CHARS + 1]; /* of a FIFO queue; "": none yet */
    struct sqs_batch batch;
    struct hand_entry *entries[SQS_BATCH_MAX]; /* of its messages */
    size_t next;                               /* the first one that is not in the window */
    uint64_t came;                             /* which of the answers it was: they are taken in this order */
    nsec began;                                /* mono */
    bool alone; /* when it began nothing was in hand or on its way: an empty answer means an empty queue */
};

struct input {
    const struct sqs_conf *conf;
    struct input_env env;
    const char *label; /* for the log */
    struct input_thread *thread;
    struct aws_caller caller;
    char origin[ENDPOINT_URL_MAX + 32];
    char id_source[POSITION_SOURCE_MAX + 1];
    bool fifo;
    struct budget room; /* beside the stream's: records go on from here into that one */

    /* The thread's: */
    struct window window;
    struct hand hand;
    struct receiver *receivers; /* conf->receivers of them */
    struct sqs_settler settler;
    unsigned wanted;  /* receivers that may be under way */
    unsigned ask_for; /* messages at once: fewer when an answer was too large */
    uint64_t numbers, answers;
    struct connection trouble; /* with receiving */
    bool dried_up;             /* once: the queue has had nothing more */
    bool told_finished;
    bool facts_cut_shown;
    struct log_limit broken, too_large; /* messages that are left in the queue */
    size_t largest;                     /* of the answers lately, bytes */
    nsec hidden_until;                  /* mono; messages of a lost answer are hidden by the queue */
};

/* --- messages ------------------------------------------------------------------------------------------------------ */

static void leave_in_queue(struct input *in, struct log_limit *limit, const struct sqs_message *m, const char *why,
                           const char *hint, nsec now)
{
    input_health_error(in->env.health, why, hint, now);
    if (!log_due(limit, now, SQS_LEFT_SAYS_EVERY))
        return;
    log_warn(why, KS("stream", in->env.stream), KS("input", in->label), KS("queue", in->conf->queue_url),
             KB("message_id", m->id), KU("bytes", m->record.n), KU("record_bytes_max", RECORD_MAX_BYTES),
             KS("hint", hint));
}

/* False: the window takes nothing now. */
static bool put(struct input *in, struct receiver *r, const struct sqs_message *m, struct hand_entry *x, nsec now)
{
    const struct frame_message fm = {
        .data = m->record, .facts = m->facts, .id = in->conf->remember > 0 ? m->id : SLICE("")};

    if (m->facts_cut && !in->facts_cut_shown) {
        in->facts_cut_shown = true;
        log_warn("a message has more attributes than can be kept beside its record: some are left out, here and of "
                 "others like it",
                 KS("stream", in->env.stream), KS("input", in->label), KB("message_id", m->id),
                 KU("bytes_max", RECORD_FACTS_MAX));
    }
    switch (m->record.n > RECORD_MAX_BYTES ? WINDOW_TOO_LARGE
                                           : window_put(&in->window, &fm, in->numbers + 1, clock_wall(), now)) {
    case WINDOW_TAKEN:
        x->number = ++in->numbers;
        hand_move(&in->hand, x, HAND_HELD);
        break;
    case WINDOW_TOO_LARGE:
        leave_in_queue(in, &in->too_large, m,
                       "a message is larger than a record, or the stream's spool, may be, and stays in the queue",
                       "raise spool.limit, or let the queue have a dead-letter queue for such messages", now);
        if (x->busy)
            x->left = true;
        else
            hand_drop(&in->hand, &x);
        break;
    case WINDOW_FULL:
    case WINDOW_BROKEN:
        return false;
    }
    r->entries[r->next++] = NULL;
    return true;
}

static bool has_messages(const struct receiver *r)
{
    return r->next < r->batch.n;
}

static void batch_over(struct receiver *r)
{
    r->batch.n = r->next = 0;
    buf_clear(&r->batch.text);
    buf_trim(&r->batch.text, SQS_TEXT_KEEP);
    aws_call_forget(&r->call);
}

static struct receiver *oldest_answer(struct input *in)
{
    struct receiver *oldest = NULL;

    for (int64_t i = 0; i < in->conf->receivers; i++) {
        struct receiver *r = &in->receivers[i];

        if (has_messages(r) && (!oldest || r->came < oldest->came))
            oldest = r;
    }
    return oldest;
}

static void put_arrived(struct input *in, nsec now)
{
    struct receiver *r;

    while ((r = oldest_answer(in))) {
        while (has_messages(r))
            if (r->entries[r->next] == NULL)
                r->next++; /* it was not taken */
            else if (!put(in, r, &r->batch.messages[r->next], r->entries[r->next], now))
                return;
        batch_over(r);
    }
}

/* How old is what comes now? That is how far behind the input is: the queue tells nothing of those that wait. */
static void note_age(struct input *in, const struct receiver *r)
{
    nsec oldest = sqs_batch_oldest(&r->batch);

    if (oldest > 0 || (r->batch.n == 0 && hand_count(&in->hand) == 0))
        input_health_oldest(in->env.health, oldest);
}

static void take_messages(struct input *in, struct receiver *r, nsec now)
{
    nsec until = now + in->conf->visibility;

    r->next = 0;
    r->came = ++in->answers;
    note_age(in, r);
    for (size_t i = 0; i < r->batch.n; i++) {
        const struct sqs_message *m = &r->batch.messages[i];

        r->entries[i] = NULL;
        if (m->again)
            input_health_add(in->env.health, INPUT_REDELIVERED, 1);
        if (m->broken)
            leave_in_queue(
                in, &in->broken, m, "a message is not what was sent (its MD5 is another), and stays in the queue",
                "the queue hands it out again; if that goes on, look for what changes messages on the way", now);
        else
            r->entries[i] = hand_take(&in->hand, m->handle, until);
    }
}

/* --- receiving ----------------------------------------------------------------------------------------------------- */

/* An answer is lost: its messages are handed out again when their time is over. */
static void hide(struct input *in, nsec now)
{
    in->hidden_until = now + in->conf->visibility;
    in->dried_up = false;
}

static void received(struct input *in, struct receiver *r, nsec now)
{
    struct aws_call *c = &r->call;
    struct err e = {.msg = ""};

    if (!c->answered)
        return;
    if (c->error.trouble != AWS_FINE) {
        hide(in, now);
        if (c->too_large) {
            in->ask_for = in->ask_for > 1 ? in->ask_for / 2 : 1;
            in->wanted = 1;
        }
        aws_call_failed(c, &in->trouble, now);
        aws_call_forget(c);
        return;
    }
    r->attempt_id[0] = '\0';
    if (sqs_batch_read(&r->batch, buf_slice(&c->answer), (enum sqs_unwrap)in->conf->unwrap, in->conf->check_md5, &e) <
        0) {
        hide(in, now);
        aws_call_malformed(c, &in->trouble, &e, now);
        batch_over(r);
        return;
    }
    connection_works(&in->trouble, now);
    in->largest -= in->largest / 8;
    if (c->answer.n > in->largest)
        in->largest = c->answer.n;
    if (in->ask_for < SQS_BATCH_MAX)
        in->ask_for++;
    if (r->batch.n == SQS_BATCH_MAX && in->wanted < (unsigned)in->conf->receivers)
        in->wanted++;
    if (r->batch.n == 0 && in->wanted > 1)
        in->wanted--;
    in->dried_up = in->env.once && r->batch.n == 0 && r->alone;
    if (r->batch.n == 0 && now - r->began < SQS_EMPTY_LEAST)
        in->trouble.again = now + SQS_EMPTY_PAUSE; /* a server that does not wait for messages */
    take_messages(in, r, now);
    if (r->batch.n == 0)
        batch_over(r);
}

/* One whose answer was lost, of whichever receiver, goes first: its groups stand still until it is asked for again. */
static void name_attempt(struct input *in, struct receiver *r)
{
    unsigned char random[ATTEMPT_CHARS / 2];

    for (int64_t i = 0; i < in->conf->receivers && !r->attempt_id[0]; i++) {
        struct receiver *lost = &in->receivers[i];

        if (!lost->call.under_way && lost->attempt_id[0]) {
            memcpy(r->attempt_id, lost->attempt_id, sizeof(r->attempt_id));
            lost->attempt_id[0] = '\0';
        }
    }
    if (r->attempt_id[0])
        return;
    random_bytes(random, sizeof(random));
    hex_encode(random, sizeof(random), r->attempt_id);
}

/* Messages of an answer that was lost are hidden until it is asked for again. */
static bool any_lost_attempt(const struct input *in, const struct receiver *but)
{
    for (int64_t i = 0; i < in->conf->receivers; i++)
        if (&in->receivers[i] != but && in->receivers[i].attempt_id[0])
            return true;
    return false;
}

static void receive(struct input *in, struct receiver *r, nsec now)
{
    struct sqs_receive rc = {.queue_url = in->conf->queue_url,
                             .count = in->ask_for,
                             .wait = in->env.once ? SQS_WAIT_ONCE : SQS_WAIT,
                             .visibility = (unsigned)(in->conf->visibility / NSEC_PER_SEC)};
    struct buf text;
    int rt;

    if (in->fifo) {
        name_attempt(in, r);
        rc.attempt_id = r->attempt_id;
    }
    r->alone = hand_count(&in->hand) == 0 && !any_lost_attempt(in, r) && now >= in->hidden_until;
    r->began = now;
    buf_init(&text, SQS_REQUEST_MAX);
    rt = sqs_receive_text(&rc, &text);
    assert(rt == 0); /* a queue's address is bounded */
    (void)aws_call_begin(&r->call, sqs_operation_name(SQS_RECEIVE), buf_slice(&text), SQS_TIMEOUT, true, &in->trouble,
                         now); /* if it did not begin, the next turn asks again */
    buf_release(&text);
}

/* For one answer more, if it is like those that came lately: what cannot be kept is hidden in the queue for its time, and counts there as
 * taken once more. The only one is always asked for. */
static bool may_have_room(const struct input *in, unsigned under_way)
{
    size_t used = in->room.used, each = SQS_ANSWER_FACTOR * in->largest;

    return (under_way == 0 && used == 0) || used + (under_way + 1) * each <= SQS_ANSWERS_BYTES;
}

static void start_receivers(struct input *in, nsec now)
{
    unsigned under_way = 0;

    for (int64_t i = 0; i < in->conf->receivers; i++)
        under_way += in->receivers[i].call.under_way;
    if (in->dried_up || now < in->trouble.again || oldest_answer(in) || !window_has_room(&in->window))
        return;
    for (int64_t i = 0; i < in->conf->receivers && under_way < in->wanted && now >= in->trouble.again; i++) {
        struct receiver *r = &in->receivers[i];
        size_t room = (size_t)in->conf->in_flight - hand_count(&in->hand);

        if (hand_count(&in->hand) > (size_t)in->conf->in_flight || room < (under_way + 1) * SQS_BATCH_MAX)
            return;
        if (in->trouble.failures > 0 && under_way > 0)
            return; /* one tries whether it works again */
        if (!may_have_room(in, under_way))
            return;
        if (r->call.under_way || has_messages(r))
            continue;
        receive(in, r, now);
        under_way += r->call.under_way;
    }
}

/* --- turns --------------------------------------------------------------------------------------------------------- */

/* What is not in the window yet. */
static void return_arrived(struct input *in)
{
    for (int64_t i = 0; i < in->conf->receivers; i++)
        if (in->receivers[i].batch.n > 0)
            batch_over(&in->receivers[i]);
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

    if (news.safe)
        hand_safe(&in->hand, news.upto);
    if (news.refused) {
        drop_all(in);
        window_reset(&in->window);
        in->dried_up = false;
        in->trouble.again = now + NSEC_PER_SEC; /* the disk refuses: not at once again */
    }
}

static void take_answers(struct input *in, nsec now)
{
    for (int64_t i = 0; i < in->conf->receivers; i++)
        if (aws_call_ended(&in->receivers[i].call))
            received(in, &in->receivers[i], now);
}

static bool any_under_way(const struct input *in)
{
    for (int64_t i = 0; i < in->conf->receivers; i++)
        if (in->receivers[i].call.under_way)
            return true;
    return !sqs_settler_is_idle(&in->settler);
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

    if (in->trouble.again > now && in->trouble.again < next)
        next = in->trouble.again;
    next = sqs_settle_next(&in->settler, now, next);
    return next > now ? next : now + AWS_CALL_AGAIN; /* whatever could not begin: soon */
}

static void turn(struct input *in, nsec now)
{
    take_answers(in, now);
    look(in, now);
    put_arrived(in, now);
    window_flush(&in->window, now);
    sqs_settle(&in->settler, in->dried_up, now);
    start_receivers(in, now);
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
    for (; now < until && (any_under_way(in) || hand_count(&in->hand) > 0); now = clock_mono()) {
        take_answers(in, now);
        look(in, now);
        return_arrived(in);
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
        take_answers(in, now);
        sqs_settle(&in->settler, true, now);
        input_thread_linger(in->thread, now + AWS_CALL_AGAIN);
    }
    drop_all(in);
}

static void run(struct input_thread *t, void *arg)
{
    struct input *in = arg;

    in->caller.thread = t;
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

static void sqs_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    input_thread_free(&in->thread);
    if (in->receivers) {
        window_release(&in->window);
        for (int64_t i = 0; i < in->conf->receivers; i++) {
            aws_call_release(&in->receivers[i].call);
            sqs_batch_release(&in->receivers[i].batch);
        }
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
        .records = (uint32_t)c->in_flight,
        .news = on_news,
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
    begin(in);
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
    .probe = sqs_probe,
};
