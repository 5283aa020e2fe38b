/* For each reason the time of its last note is kept, nothing else. All that is asked follows from these times: a block is over when the
 * newest of them is older than the hold, and its reason is the first one, in the order of the enum, that is not. So a note costs a
 * lock and a store, however many clients are turned away at once. */
#include "pipeline/inputs/pushback.h"

#include "pipeline/base/limits.h"

#include <string.h>

void pushback_init(struct pushback *p, void (*began)(void *ctx), void *ctx)
{
    memset(p, 0, sizeof(*p));
    p->hold = PUSHBACK_HOLD;
    p->began = began;
    p->ctx = ctx;
    pthread_mutex_init(&p->lock, NULL);
}

void pushback_release(struct pushback *p)
{
    pthread_mutex_destroy(&p->lock);
}

static nsec next_hold(const struct pushback *p, nsec now)
{
    if (!p->ended || now - p->ended >= PUSHBACK_AGAIN)
        return PUSHBACK_HOLD;
    return p->hold < PUSHBACK_HOLD_MOST ? 2 * p->hold : PUSHBACK_HOLD_MOST;
}

void pushback_note(struct pushback *p, enum pushback_why why, nsec now)
{
    bool begins;

    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    begins = !p->blocked;
    if (begins) {
        p->hold = next_hold(p, now);
        p->blocked = true;
        p->since = now;
        p->count = 0;
        memset(p->last, 0, sizeof(p->last));
    }
    p->last[why] = now;
    p->count++;
    pthread_mutex_unlock(&p->lock);
    if (begins && p->began)
        p->began(p->ctx);
}

void pushback_wait(struct pushback *p, enum pushback_why why, nsec *held, nsec now)
{
    if (!*held)
        *held = now;
    else if (now - *held >= PUSHBACK_TIMEOUT)
        pushback_note(p, why, now);
}

static nsec newest(const struct pushback *p)
{
    nsec last = 0;

    for (unsigned i = 0; i < PUSHBACK_WHYS; i++)
        last = p->last[i] > last ? p->last[i] : last;
    return last;
}

/* Locks: held. */
static struct pushback_view view(const struct pushback *p, nsec now)
{
    struct pushback_view v = {.blocked = p->blocked, .lasted = now - p->since, .count = p->count};

    v.until = newest(p) + p->hold;
    while (v.why + 1 < PUSHBACK_WHYS && (!p->last[v.why] || newest(p) - p->last[v.why] >= p->hold))
        v.why++;
    return v;
}

struct pushback_view pushback_view(struct pushback *p, nsec now)
{
    struct pushback_view v = {.blocked = false};

    if (!p)
        return v;
    pthread_mutex_lock(&p->lock);
    v = view(p, now);
    pthread_mutex_unlock(&p->lock);
    return v;
}

bool pushback_look(struct pushback *p, nsec now, bool still, struct pushback_view *v)
{
    bool ends;

    pthread_mutex_lock(&p->lock);
    *v = view(p, now);
    ends = p->blocked && now >= v->until;
    if (ends && still) { /* as if noted, but nobody was pushed back */
        p->last[v->why] = now;
        v->until = now + p->hold;
        ends = false;
    }
    if (ends) {
        v->blocked = p->blocked = false;
        p->ended = now;
    }
    pthread_mutex_unlock(&p->lock);
    return ends;
}
