#include "pipeline/encode/source_outcomes.h"

#include "pipeline/base/mem.h"

#include <assert.h>
#include <string.h>

void sources_init(struct sources *s, uint64_t first, uint64_t count)
{
    *s = (struct sources){.first = first, .count = count, .status = mem_array(count, 1)};
}

void sources_release(struct sources *s)
{
    mem_free(s->status);
    *s = (struct sources){.count = 0};
}

void sources_reset(struct sources *s, uint64_t first, uint64_t last)
{
    assert(first >= s->first && last - s->first < s->count);
    memset(s->status + (first - s->first), SOURCE_DROPPED, last - first + 1);
}

void sources_note(struct sources *s, uint64_t seq, enum source_status status)
{
    unsigned char *at = &s->status[seq - s->first];

    assert(seq - s->first < s->count);
    if (*at < status)
        *at = (unsigned char)status;
}

struct source_counts sources_count(const struct sources *s)
{
    uint64_t n[SOURCE_BACKED_UP + 1] = {0};

    for (uint64_t i = 0; i < s->count; i++)
        n[s->status[i]]++;
    return (struct source_counts){.dropped = n[SOURCE_DROPPED],
                                  .emitted = n[SOURCE_EMITTED],
                                  .lost = n[SOURCE_LOST],
                                  .backed_up = n[SOURCE_BACKED_UP]};
}
