/* As TCP finds out what a network bears (additive increase, multiplicative decrease): one place more for each round that worked, half of
 * the places when one fails. What is usual, and how much it varies, are two weighted averages over rounds, taken also of slow ones: a
 * destination that has become slow for good is usual after a while, and may have more places again. */
#include "pipeline/delivery/inflight_limit.h"

#include <assert.h>

/* How much longer than usual is slow: by some deviations, and by more than the noise of a busy machine. */
#define SLOW_DEVIATIONS 4
#define SLOW_LEAST      (250 * NSEC_PER_MSEC)

/* Weights of a new round in what is usual, as TCP weighs round trips (RFC 6298 section 2.3). */
#define USUAL_WEIGHT     8
#define DEVIATION_WEIGHT 4

void inflight_limit_init(struct inflight_limit *c, unsigned min, unsigned max)
{
    assert(min >= 1 && min <= max);
    *c = (struct inflight_limit){.min = min, .max = max, .allowed = min};
}

static void begin_round(struct inflight_limit *c)
{
    c->worked = 0;
    c->took = 0;
}

static void halve(struct inflight_limit *c, nsec now)
{
    c->allowed = c->allowed / 2 > c->min ? c->allowed / 2 : c->min;
    c->lowered = now;
    begin_round(c);
}

static bool is_slow(const struct inflight_limit *c, nsec average)
{
    nsec over = average - c->usual;

    return c->usual && over > SLOW_LEAST && over > SLOW_DEVIATIONS * c->deviation;
}

static void learn(struct inflight_limit *c, nsec average)
{
    nsec off = average > c->usual ? average - c->usual : c->usual - average;

    if (!c->usual) {
        c->usual = average;
        c->deviation = average / 2;
        return;
    }
    c->deviation += (off - c->deviation) / DEVIATION_WEIGHT;
    c->usual += (average - c->usual) / USUAL_WEIGHT;
}

static void end_round(struct inflight_limit *c, nsec now)
{
    nsec average = c->took / c->worked;
    bool slow = is_slow(c, average);

    learn(c, average);
    begin_round(c);
    if (slow)
        halve(c, now);
    else if (c->allowed < c->max)
        c->allowed++;
}

void inflight_limit_worked(struct inflight_limit *c, nsec began, nsec now, bool full)
{
    if (!full || (c->lowered && began < c->lowered))
        return;
    c->took += now - began;
    if (++c->worked >= c->allowed)
        end_round(c, now);
}

void inflight_limit_failed(struct inflight_limit *c, nsec began, nsec now)
{
    if (!c->lowered || began >= c->lowered)
        halve(c, now);
}
