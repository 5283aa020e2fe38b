#include "pipeline/delivery/throughput.h"

#define WINDOW (60 * NSEC_PER_SEC)

void throughput_note(struct throughput *t, uint64_t bytes, nsec lasted, nsec mono)
{
    uint64_t rate =
        (uint64_t)((double)bytes * (double)NSEC_PER_SEC / (double)(lasted > NSEC_PER_SEC ? lasted : NSEC_PER_SEC));

    if (!t->since || mono - t->since >= WINDOW)
        *t = (struct throughput){.since = mono, .before = t->since && mono - t->since < 2 * WINDOW ? t->now : 0};
    t->now = rate > t->now ? rate : t->now;
}

uint64_t throughput_most(const struct throughput *t, nsec mono)
{
    if (!t->since || mono - t->since >= 2 * WINDOW)
        return 0;
    return mono - t->since >= WINDOW || t->now > t->before ? t->now : t->before;
}
