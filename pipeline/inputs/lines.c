#include "pipeline/inputs/lines.h"

#include <assert.h>

struct lines_cut lines_cut(struct slice in, bool last)
{
    const char *end = in.n > 0 ? memrchr(in.p, '\n', in.n) : NULL;

    assert(in.n <= LINES_READ_MAX);
    if (end)
        return (struct lines_cut){LINES_WHOLE, (size_t)(end - in.p) + 1};
    if (in.n > LINE_MAX_BYTES)
        return (struct lines_cut){LINES_PIECE, LINE_MAX_BYTES};
    if (last && in.n > 0)
        return (struct lines_cut){LINES_REST, in.n};
    return (struct lines_cut){LINES_NONE, 0};
}
