#include "pipeline/spool/seal_progress.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

void seal_progress_put(struct wire_out *o, uint64_t seal_first, struct slice progress)
{
    wire_put_u64(o, seal_first);
    wire_put_bytes(o, progress);
}

struct seal_progress seal_progress_get(struct wire_in *in)
{
    struct seal_progress p;

    p.first = wire_u64(in);
    p.bytes = wire_bytes(in);
    in->failed |= p.bytes.n > SEAL_PROGRESS_MAX;
    return p;
}

bool seal_progress_set(struct reader_state *r, const struct seal_progress *p)
{
    struct pending_seal *seal = reader_state_find(r, p->first);

    if (!seal)
        return false;
    mem_free(seal->progress);
    seal->progress = p->bytes.n ? mem_alloc(p->bytes.n) : NULL;
    if (p->bytes.n)
        memcpy(seal->progress, p->bytes.p, p->bytes.n);
    seal->seal.progress = slice_of(seal->progress, p->bytes.n);
    return true;
}

size_t seal_progress_count(const struct reader_state *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->seal_count; i++)
        n += r->seals[i].progress != NULL;
    return n;
}

void seal_progress_encode(const struct reader_state *r, struct wire_out *o)
{
    wire_put_u32(o, (uint32_t)seal_progress_count(r));
    for (size_t i = 0; i < r->seal_count; i++)
        if (r->seals[i].progress)
            seal_progress_put(o, r->seals[i].seal.first, r->seals[i].seal.progress);
}

bool seal_progress_decode(struct reader_state *r, struct wire_in *in)
{
    for (uint32_t count = wire_u32(in); count && !in->failed; count--) {
        struct seal_progress p = seal_progress_get(in);

        if (in->failed || !seal_progress_set(r, &p))
            return false;
    }
    return !in->failed;
}
