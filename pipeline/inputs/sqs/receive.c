#include "pipeline/inputs/sqs/impl.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/sqs/call.h"

#include <assert.h>
#include <string.h>

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
        if (r->repeats && c->error.trouble != AWS_UNREACHED)
            r->attempt_id[0] = '\0'; /* the queue does not repeat that answer, and may never */
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
        sqs_batch_over(r);
        return;
    }
    connection_works(&in->trouble, now);
    if (in->count_at == NSEC_NEVER && !in->env.once)
        in->count_at = now;
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
    sqs_take_messages(in, r, now);
    if (r->batch.n == 0)
        sqs_batch_over(r);
}

/* What an answer had comes again by itself then, and may have been handed out otherwise: the queue need not know that attempt any more, and
 * ElasticMQ forgets messages over one that has come to nothing. */
static void forget_old_attempts(struct input *in, nsec now)
{
    for (int64_t i = 0; i < in->conf->receivers; i++) {
        struct receiver *r = &in->receivers[i];

        if (!r->call.under_way && now >= r->attempt_began + in->conf->visibility)
            r->attempt_id[0] = '\0';
    }
}

/* One whose answer was lost, of whichever receiver, goes first: its groups stand still until it is asked for again. */
static void name_attempt(struct input *in, struct receiver *r, nsec now)
{
    unsigned char random[ATTEMPT_CHARS / 2];

    forget_old_attempts(in, now);
    for (int64_t i = 0; i < in->conf->receivers && !r->attempt_id[0]; i++) {
        struct receiver *lost = &in->receivers[i];

        if (!lost->call.under_way && lost->attempt_id[0]) {
            memcpy(r->attempt_id, lost->attempt_id, sizeof(r->attempt_id));
            r->attempt_began = lost->attempt_began;
            lost->attempt_id[0] = '\0';
        }
    }
    r->repeats = r->attempt_id[0] != '\0';
    if (r->repeats)
        return;
    r->attempt_began = now;
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
        name_attempt(in, r, now);
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

void sqs_start_receivers(struct input *in, nsec now)
{
    unsigned under_way = 0;

    for (int64_t i = 0; i < in->conf->receivers; i++)
        under_way += in->receivers[i].call.under_way;
    if (in->dried_up || now < in->trouble.again || sqs_oldest_answer(in) || !window_has_room(&in->window))
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
        if (r->call.under_way || sqs_has_messages(r))
            continue;
        receive(in, r, now);
        under_way += r->call.under_way;
    }
}

void sqs_take_answers(struct input *in, nsec now)
{
    for (int64_t i = 0; i < in->conf->receivers; i++)
        if (aws_call_ended(&in->receivers[i].call))
            received(in, &in->receivers[i], now);
}

/* --- how many wait ------------------------------------------------------------------------------------------------- */

static void counted(struct input *in, nsec now)
{
    const struct aws_call *c = &in->count;
    uint64_t waiting;

    if (c->answered && c->error.trouble == AWS_FINE && sqs_count_read(buf_slice(&c->answer), &waiting) == 0) {
        input_health_lag(in->env.health, waiting);
        return;
    }
    if (in->count_at != NSEC_NEVER)
        in->count_at = now + SQS_LAG_LATER;
    if (!c->answered || in->uncounted_shown)
        return;
    in->uncounted_shown = true;
    log_info("how many messages wait in the queue is not known", KS("stream", in->env.stream), KS("input", in->label),
             KS("queue", in->conf->queue_url), KS("cause", c->error.code[0] ? c->error.code : c->error.said),
             KS("hint", "allow the keys sqs:GetQueueAttributes, if sluice_input_lag is to show it"));
}

void sqs_count_waiting(struct input *in, nsec now)
{
    struct buf text;
    int rc;

    if (aws_call_ended(&in->count)) {
        counted(in, now);
        aws_call_forget(&in->count);
    }
    if (in->count.under_way || now < in->count_at || now < in->trouble.again)
        return;
    in->count_at = now + SQS_LAG_EVERY;
    buf_init(&text, SQS_REQUEST_MAX);
    rc = sqs_count_text(in->conf->queue_url, &text);
    assert(rc == 0); /* a queue's address is bounded */
    if (!aws_call_begin(&in->count, sqs_operation_name(SQS_COUNT), buf_slice(&text), SQS_TIMEOUT, false, &in->trouble,
                        now))
        in->count_at = now; /* when in->trouble lets it */
    buf_release(&text);
}
