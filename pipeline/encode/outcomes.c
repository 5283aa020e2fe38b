/* A batch as a rule is delivered whole, so an outcome per record would be wasted: there are counts only, until the
 * first record goes its own way; then there is a byte for each. Reasons are few and repeat, so a record has an index
 * into a table of them; when it is full the last place is for all others.
 */
#include "pipeline/encode/outcomes.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void outcomes_init(struct outcomes *f, uint64_t count)
{
    *f = (struct outcomes){.count = count, .pending = count};
}

void outcomes_release(struct outcomes *f)
{
    mem_free(f->of);
    mem_free(f->reason);
    mem_free(f->reasons);
    *f = (struct outcomes){.count = 0};
}

enum record_outcome outcomes_at(const struct outcomes *f, uint64_t position)
{
    assert(position < f->count);
    return f->of ? (enum record_outcome)f->of[position] : OUTCOME_PENDING;
}

static uint64_t *counter_of(struct outcomes *f, enum record_outcome outcome)
{
    switch (outcome) {
    case OUTCOME_DELIVERED:
        return &f->delivered;
    case OUTCOME_REFUSED:
        return &f->refused;
    case OUTCOME_BACKED_UP:
        return &f->backed_up;
    case OUTCOME_LOST:
        return &f->lost;
    case OUTCOME_PENDING:
        break;
    }
    return &f->pending;
}

static void change(struct outcomes *f, uint64_t position, enum record_outcome from, enum record_outcome to)
{
    assert(outcomes_at(f, position) == from);
    if (!f->of)
        f->of = mem_array(f->count, 1);
    f->of[position] = (unsigned char)to;
    --*counter_of(f, from);
    ++*counter_of(f, to);
}

void outcomes_set(struct outcomes *f, uint64_t position, enum record_outcome outcome)
{
    assert(outcome == OUTCOME_DELIVERED || outcome == OUTCOME_LOST || outcome == OUTCOME_BACKED_UP);
    change(f, position, outcome == OUTCOME_BACKED_UP ? OUTCOME_REFUSED : OUTCOME_PENDING, outcome);
}

void outcomes_lose(struct outcomes *f, uint64_t position)
{
    enum record_outcome now = outcomes_at(f, position);

    if (now == OUTCOME_PENDING || now == OUTCOME_REFUSED)
        change(f, position, now, OUTCOME_LOST);
}

void outcomes_lose_run(struct outcomes *f, uint64_t from, uint64_t to)
{
    for (; from < to; from++)
        outcomes_lose(f, from);
}

static bool same_reason(const struct sink_refusal *a, const struct sink_refusal *b)
{
    return strcmp(a->code, b->code) == 0 && strcmp(a->message, b->message) == 0;
}

#define OTHER_REASON "refused; more different reasons than are kept for one batch"

/* The most recent ones first: neighbours tend to fail alike. */
static size_t find_reason(struct outcomes *f, const struct sink_refusal *r)
{
    static const struct sink_refusal others = {
        .code = "Refused", .message = OTHER_REASON, .own = sizeof(OTHER_REASON) - 1};

    for (size_t i = f->reason_count; i > 0; i--) {
        if (same_reason(&f->reasons[i - 1], r))
            return i - 1;
    }
    if (f->reason_count >= OUTCOMES_REASONS_MAX)
        return f->reason_count - 1;
    f->reasons = mem_grow(f->reasons, f->reason_count + 1, sizeof(*f->reasons));
    f->reasons[f->reason_count] = f->reason_count + 1 < OUTCOMES_REASONS_MAX ? *r : others;
    return f->reason_count++;
}

void outcomes_refuse(struct outcomes *f, uint64_t position, const struct sink_refusal *why)
{
    change(f, position, OUTCOME_PENDING, OUTCOME_REFUSED);
    if (!f->reason)
        f->reason = mem_array(f->count, 1);
    f->reason[position] = (unsigned char)find_reason(f, why);
}

const struct sink_refusal *outcomes_reason(const struct outcomes *f, uint64_t position)
{
    assert(outcomes_at(f, position) == OUTCOME_REFUSED);
    return &f->reasons[f->reason[position]];
}

const struct sink_refusal *outcomes_main_reason(const struct outcomes *f)
{
    uint64_t times[OUTCOMES_REASONS_MAX] = {0};
    size_t most = 0;

    if (f->refused + f->backed_up == 0)
        return NULL;
    for (uint64_t p = 0; p < f->count; p++)
        if (f->of[p] == OUTCOME_REFUSED || f->of[p] == OUTCOME_BACKED_UP)
            times[f->reason[p]]++;
    for (size_t i = 1; i < f->reason_count; i++)
        if (times[i] > times[most])
            most = i;
    return &f->reasons[most];
}

void outcomes_reconsider_refused(struct outcomes *f)
{
    for (uint64_t p = 0; f->refused > 0 && p < f->count; p++) {
        if (f->of[p] != OUTCOME_REFUSED)
            continue;
        f->of[p] = OUTCOME_PENDING;
        f->refused--;
        f->pending++;
    }
    f->reason_count = 0;
}

bool outcomes_are_final(const struct outcomes *f)
{
    return f->pending == 0 && f->refused == 0;
}

uint64_t outcomes_next(const struct outcomes *f, enum record_outcome outcome, uint64_t from)
{
    const unsigned char *p;

    if (!f->of)
        return outcome == OUTCOME_PENDING && from < f->count ? from : f->count;
    if (from >= f->count)
        return f->count;
    p = memchr(f->of + from, (int)outcome, f->count - from);
    return p ? (uint64_t)(p - f->of) : f->count;
}

uint64_t outcomes_next_pending(const struct outcomes *f, uint64_t from)
{
    return outcomes_next(f, OUTCOME_PENDING, from);
}

uint64_t outcomes_last_pending(const struct outcomes *f)
{
    const unsigned char *p;

    if (!f->of)
        return f->count ? f->count - 1 : 0;
    p = memrchr(f->of, OUTCOME_PENDING, f->count);
    return p ? (uint64_t)(p - f->of) : f->count;
}

uint64_t outcomes_run_end(const struct outcomes *f, uint64_t from, uint64_t limit)
{
    if (!f->of)
        return limit;
    while (from < limit && f->of[from] == OUTCOME_PENDING)
        from++;
    return from;
}

void outcomes_settle_all(struct outcomes *f, enum record_outcome outcome)
{
    assert(outcome == OUTCOME_DELIVERED || outcome == OUTCOME_LOST);
    if (f->of) {
        for (uint64_t p = outcomes_next_pending(f, 0); p < f->count; p = outcomes_next_pending(f, p + 1))
            f->of[p] = (unsigned char)outcome;
    }
    *counter_of(f, outcome) += f->pending;
    f->pending = 0;
}

void outcomes_counted_init(struct counted_records *c, uint64_t count)
{
    *c = (struct counted_records){.count = count, .bits = mem_array((size_t)(count + 7) / 8, 1)};
}

void outcomes_counted_release(struct counted_records *c)
{
    mem_free(c->bits);
    *c = (struct counted_records){.count = 0};
}

void outcomes_counted_note(struct counted_records *c, uint64_t position)
{
    assert(position < c->count);
    c->bits[position / 8] |= (unsigned char)(1U << position % 8);
}

bool outcomes_counted_has(const struct counted_records *c, uint64_t position)
{
    return !c->bits || (c->bits[position / 8] & 1U << position % 8) != 0;
}

/* --- of source records ------------------------------------------------------------------------------------------- */

void outcomes_source_init(struct source_outcomes *s, uint64_t first, uint64_t count)
{
    *s = (struct source_outcomes){.first = first, .count = count, .status = mem_array(count, 1), .begin = first};
}

void outcomes_source_release(struct source_outcomes *s)
{
    mem_free(s->status);
    mem_free(s->held);
    *s = (struct source_outcomes){.count = 0};
}

void outcomes_source_reset(struct source_outcomes *s, uint64_t first, uint64_t last)
{
    s->begin = first;
    if (last + 1 == first)
        return;
    assert(first >= s->first && last - s->first < s->count);
    memset(s->status + (first - s->first), SOURCE_DROPPED, last - first + 1);
}

void outcomes_source_add_held(struct source_outcomes *s, uint64_t seq)
{
    if ((s->held_count & (s->held_count - 1)) == 0)
        s->held = mem_grow(s->held, s->held_count ? 2 * s->held_count : 1, sizeof(*s->held));
    s->held[s->held_count++] = (struct source_held){.seq = seq, .status = SOURCE_DROPPED};
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = ((const struct source_held *)a)->seq, y = ((const struct source_held *)b)->seq;

    return (x > y) - (x < y);
}

void outcomes_source_held_are_all(struct source_outcomes *s)
{
    if (s->held_count)
        qsort(s->held, s->held_count, sizeof(*s->held), by_number);
}

void outcomes_source_forget_held(struct source_outcomes *s)
{
    MEM_CLEAR(s->held);
    s->held_count = 0;
}

static struct source_held *find_held(const struct source_outcomes *s, uint64_t seq)
{
    const struct source_held key = {.seq = seq};
    struct source_held *h = s->held_count ? bsearch(&key, s->held, s->held_count, sizeof(*s->held), by_number) : NULL;

    assert(h);
    return h;
}

enum source_status outcomes_source_at(const struct source_outcomes *s, uint64_t seq, uint64_t *place)
{
    const struct source_held *h = seq < s->begin ? find_held(s, seq) : NULL;

    *place = h ? s->count + (uint64_t)(h - s->held) : seq - s->first;
    return h ? h->status : s->status[seq - s->first];
}

void outcomes_source_note(struct source_outcomes *s, uint64_t seq, enum source_status status)
{
    unsigned char *at = seq < s->begin ? &find_held(s, seq)->status : &s->status[seq - s->first];

    assert(seq < s->begin || seq - s->first < s->count);
    if (*at < status)
        *at = (unsigned char)status;
}

struct source_counts outcomes_source_count(const struct source_outcomes *s)
{
    uint64_t n[SOURCE_HELD + 1] = {0};

    for (uint64_t i = 0; i < s->count; i++)
        n[s->status[i]]++;
    return (struct source_counts){.dropped = n[SOURCE_DROPPED],
                                  .unwanted = n[SOURCE_UNWANTED],
                                  .emitted = n[SOURCE_EMITTED],
                                  .lost = n[SOURCE_LOST],
                                  .backed_up = n[SOURCE_BACKED_UP]};
}
