/* What frames take of a budget. */
#include "pipeline/spool/format/frame_build.h"

size_t frame_needs(size_t bytes)
{
    size_t table = bytes > FRAME_MAX_BYTES ? 0 : (bytes + 1) / TABLE_PER_PAYLOAD;

    return sizeof(struct frame) + bytes + 1 + TABLE_FIRST + table;
}

size_t frame_held(const struct frame *f)
{
    return f->budget ? f->budgeted : 0;
}

void frame_leave_budget(struct frame *f)
{
    if (f->budget)
        budget_give(f->budget, f->budgeted);
    f->budget = NULL;
}
