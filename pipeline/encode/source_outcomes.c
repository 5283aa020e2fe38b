#include "pipeline/encode/source_outcomes.h"

#include "pipeline/base/mem.h"

#include <assert.h>
#include <string.h>

void source_outcomes_init(struct source_outcomes *s, uint64_t first, uint64_t count)
{
    *s = (struct source_outcomes){.first = first, .count = count, .status = mem_array(count, 1)};
}

void source_outcomes_release(struct source_outcomes *s)
{
    mem_free(s->status);
    *s = (struct source_outcomes){.count = 0};
}

void source_outcomes_reset(struct source_outcomes *s, uint64_t first, uint64_t last)
{
    assert(first >= s->first && last - s->first < s->count);
    memset(s->status + (first - s->first), SOURCE_DROPPED, last - first + 1);
}

void source_outcomes_note(struct source_outcomes *s, uint64_t seq, enum source_status status)
{
    unsigned char *at = &s->status[seq - s->first];

    assert(seq - s->first < s->count);
    if (*at < status)
        *at = (unsigned char)status;
}

struct source_counts source_outcomes_count(const struct source_outcomes *s)
{
    uint64_t n[SOURCE_BACKED_UP + 1] = {0};

    for (uint64_t i = 0; i < s->count; i++)
        n[s->status[i]]++;
    return (struct source_counts){.dropped = n[SOURCE_DROPPED],
                                  .emitted = n[SOURCE_EMITTED],
                                  .lost = n[SOURCE_LOST],
                                  .backed_up = n[SOURCE_BACKED_UP]};
}
