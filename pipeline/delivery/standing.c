/* standing.c -- how a delivery stands that does not get on. */
#include "pipeline/delivery/impl.h"

struct delivery_wait delivery_wait(const struct delivery *d)
{
    struct delivery_wait w = {.waits = d->work == WORK_PAUSED, .own_fault = true, .since = d->paused_since};

    if (w.waits)
        w.own_fault = false;
    for (size_t i = 0; i < PART_COUNT; i++) {
        const struct attempt *s = d->parts[i];

        if (!s || s->step == ATTEMPT_IDLE)
            continue;
        if (s->step != ATTEMPT_WAITING)
            return (struct delivery_wait){.waits = false};
        w.waits = true;
        w.own_fault = w.own_fault && target_is_its_own_fault(s->target, &s->slot);
        if (!w.since || (s->slot.stuck_since && s->slot.stuck_since < w.since))
            w.since = s->slot.stuck_since;
    }
    if (d->work == WORK_TURN || d->work == WORK_TRANSFORMING || d->work == WORK_STAGING)
        w.waits = false;
    return w;
}

struct delivery_trouble delivery_trouble(const struct delivery *d)
{
    struct delivery_trouble t = {.since = 0};

    if (d->paused_since || d->refused_since)
        t = (struct delivery_trouble){d->paused_since ? d->paused_since : d->refused_since,
                                      true,
                                      d->paused_code,
                                      d->paused_message,
                                      d->paused_hint,
                                      false};
    for (size_t i = 0; i < PART_COUNT; i++) {
        const struct attempt *s = d->parts[i];

        if (!s || !s->slot.stuck_since || (t.since && s->slot.stuck_since >= t.since))
            continue;
        if (s->step == ATTEMPT_SENDING) /* the verdict belongs to whoever sends or judges */
            t = (struct delivery_trouble){.since = s->slot.stuck_since};
        else
            t = (struct delivery_trouble){s->slot.stuck_since, s->verdict.misconfigured, s->verdict.code,
                                          s->verdict.message,  s->verdict.hint,          s->target == d->host->backup};
    }
    return t;
}
