/* First, what became of the body: it arrived, it is refused, it waits. Then, from what is left, what comes next: first
 * what is still open (the next body, or the same again), then what was refused (to the backup, or a pause where there is none). Last, what is
 * said of it. */
#include "pipeline/delivery/judge.h"

#include <assert.h>

static bool is_expired(const struct delivery_view *v)
{
    return v->has_backup && !v->to_backup && v->failing_for >= v->retry_duration;
}

/* Until retry.duration is over; NSEC_NEVER: its clock stands, or what is over is no reason to give up. */
static nsec time_left(const struct delivery_view *v)
{
    if (!v->has_backup || v->to_backup || v->failing_for < 0 || v->failing_for >= v->retry_duration)
        return NSEC_NEVER;
    return v->retry_duration - v->failing_for;
}

/* A record that is too large alone has no other way than the backup, and those behind it need not go one by one. */
static void split(const struct delivery_view *v, struct delivery_step *s)
{
    if (v->taken > 1) {
        s->window = v->taken / 2;
        s->regrow = false;
    } else if (v->no_room) {
        s->in_memory = true;
        s->window = 1;
    } else if (!v->to_backup) {
        s->body = BODY_REFUSED;
        s->regrow = true;
    }
}

static void regrow(const struct delivery_view *v, struct delivery_step *s)
{
    if (v->regrow && s->window < UINT64_MAX / 2)
        s->window *= 2;
}

static void judge_body(const struct delivery_view *v, struct delivery_step *s)
{
    switch (v->outcome) {
    case SINK_DELIVERED:
        s->body = BODY_ARRIVED;
        regrow(v, s);
        break;
    case SINK_PARTIAL:
        s->body = BODY_AS_ANSWERED;
        s->put_off = true;
        regrow(v, s);
        break;
    case SINK_SPLIT:
        split(v, s);
        break;
    case SINK_REJECTED:
        s->body = v->to_backup ? BODY_WAITS : BODY_REFUSED;
        break;
    case SINK_RETRY:
    case SINK_FOLLOW_UP:
        break;
    }
}

struct delivery_step delivery_judge(const struct delivery_view *v)
{
    struct delivery_step s = {
        .window = v->window, .regrow = v->regrow, .in_memory = v->in_memory, .wait_max = time_left(v)};
    uint64_t open = v->open, refused = v->refused, arrived = 0, refused_now = 0;
    bool smaller;

    judge_body(v, &s);
    if (s.body == BODY_ARRIVED)
        arrived = v->taken;
    else if (s.body == BODY_AS_ANSWERED)
        arrived = v->arrived, refused_now = v->refused_now;
    else if (s.body == BODY_REFUSED)
        refused_now = v->taken;
    assert(arrived + refused_now <= open);
    open -= arrived + refused_now;
    refused += refused_now;
    smaller = v->outcome == SINK_SPLIT && (v->taken > 1 || refused_now > 0 || (s.in_memory && !v->in_memory));

    if (open > 0 && (v->outcome == SINK_RETRY || v->outcome == SINK_PARTIAL) && is_expired(v)) {
        s.give_up = true;
        refused += open;
        open = 0;
    }
    if (open > 0)
        s.next = v->outcome != SINK_PARTIAL && (arrived + refused_now > 0 || smaller) ? NEXT_BODY : NEXT_RETRY;
    else if (refused > 0 && !v->to_backup)
        s.next = v->has_backup ? NEXT_ERRORS : NEXT_PAUSE;

    if (s.give_up)
        s.say = SAY_GIVEN_UP;
    else if (s.next == NEXT_PAUSE)
        s.say = SAY_PAUSED;
    else if (s.next == NEXT_RETRY)
        s.say = SAY_RETRY;
    else if (v->has_backup && (refused_now > 0 || s.next == NEXT_ERRORS))
        s.say = SAY_REFUSED;
    return s;
}
