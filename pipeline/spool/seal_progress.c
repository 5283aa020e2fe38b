#include "pipeline/spool/seal_progress.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <string.h>

static void set(struct pending_seal *p, struct slice progress)
{
    mem_free(p->progress);
    p->progress = progress.n ? mem_alloc(progress.n) : NULL;
    if (progress.n)
        memcpy(p->progress, progress.p, progress.n);
    p->seal.progress = slice_of(p->progress, progress.n);
}

static void put(struct wire_out *o, uint64_t seal_first, struct slice progress)
{
    wire_put_u64(o, seal_first);
    wire_put_bytes(o, progress);
}

void seal_progress_put(struct buf *out, uint64_t seal_first, struct slice progress)
{
    struct wire_out o = {.b = out};

    put(&o, seal_first, progress);
    assert(!o.failed);
}

/* False: there is no such seal, or the bytes are none of ours. */
static bool take(struct spool_state *st, struct wire_in *in)
{
    uint64_t first = wire_u64(in);
    struct slice progress = wire_bytes(in);
    struct pending_seal *p = spool_state_find_seal(st, first);

    if (in->failed || progress.n > SEAL_PROGRESS_MAX || !p)
        return false;
    set(p, progress);
    return true;
}

bool seal_progress_apply(struct spool_state *st, struct slice extra)
{
    struct wire_in in = {.rest = extra};

    return take(st, &in);
}

size_t seal_progress_count(const struct spool_state *st)
{
    size_t n = 0;

    for (size_t i = 0; i < st->seal_count; i++)
        n += st->seals[i].progress != NULL;
    return n;
}

void seal_progress_encode(const struct spool_state *st, struct wire_out *o)
{
    size_t count = seal_progress_count(st);

    if (count == 0)
        return;
    wire_put_u32(o, (uint32_t)count);
    for (size_t i = 0; i < st->seal_count; i++)
        if (st->seals[i].progress)
            put(o, st->seals[i].seal.first, st->seals[i].seal.progress);
}

bool seal_progress_decode(struct spool_state *st, struct wire_in *in)
{
    for (uint32_t count = in->rest.n > 0 ? wire_u32(in) : 0; count && !in->failed; count--)
        if (!take(st, in))
            return false;
    return !in->failed;
}
