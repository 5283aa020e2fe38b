#include "pipeline/delivery/places.h"

#include "pipeline/base/limits.h"

static unsigned extra_after(nsec longest)
{
    unsigned extra = 0;

    for (nsec t = PLACES_FIRST_EXTRA; t <= longest; t *= 2)
        extra++;
    return extra;
}

bool places_are_free(const struct places *p)
{
    unsigned extra = extra_after(p->longest), bound = p->max > OPEN_DELIVERIES_MAX ? p->max : OPEN_DELIVERIES_MAX;

    if (extra > p->waiting)
        extra = p->waiting;
    return p->open < bound && p->open - p->own_fault < p->max + extra;
}
