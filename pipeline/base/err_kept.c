#include "pipeline/base/err_kept.h"

#include "pipeline/base/mem.h"

void err_keep(struct err **kept, const struct err *e)
{
    if (e->code == ERR_NONE) {
        err_forget(kept);
        return;
    }
    if (!*kept)
        *kept = mem_alloc(sizeof(**kept));
    **kept = *e;
}

void err_forget(struct err **kept)
{
    MEM_CLEAR(*kept);
}

struct err err_kept(const struct err *kept)
{
    return kept ? *kept : (struct err){.code = ERR_NONE};
}
