#include "pipeline/delivery/object_weight.h"

void object_weight_note(struct object_weight *w, uint64_t wanted, uint64_t came, uint64_t weighed)
{
    if (weighed == 0)
        return;
    if (w->weighed > (double)wanted) {
        w->came *= (double)wanted / w->weighed;
        w->weighed = (double)wanted;
    }
    w->came += (double)came;
    w->weighed += (double)weighed;
}

uint64_t object_weight_bytes(const struct object_weight *w, uint64_t wanted, uint64_t most)
{
    double bytes = w->weighed > 0 ? (double)wanted * w->came / w->weighed : (double)wanted;

    return bytes >= (double)most ? most : bytes >= 1 ? (uint64_t)bytes : 1;
}
