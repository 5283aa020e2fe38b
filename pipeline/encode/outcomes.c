#include "pipeline/encode/outcomes.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void fates_init(struct fates *f, uint64_t count)
{
    *f = (struct fates){.count = count, .pending = count};
}

void fates_release(struct fates *f)
{
    mem_free(f->of);
    mem_free(f->reason);
    mem_free(f->reasons);
    *f = (struct fates){.count = 0};
}

enum fate fates_at(const struct fates *f, uint64_t position)
{
    assert(position < f->count);
    return f->of ? (enum fate)f->of[position] : FATE_PENDING;
}

static uint64_t *counter_of(struct fates *f, enum fate fate)
{
    switch (fate) {
    case FATE_DELIVERED:
        return &f->delivered;
    case FATE_REFUSED:
        return &f->refused;
    case FATE_BACKED_UP:
        return &f->backed_up;
    case FATE_LOST:
        return &f->lost;
    case FATE_PENDING:
        break;
    }
    return &f->pending;
}

static void change(struct fates *f, uint64_t position, enum fate from, enum fate to)
{
    assert(fates_at(f, position) == from);
    if (!f->of)
        f->of = mem_array(f->count, 1);
    f->of[position] = (unsigned char)to;
    --*counter_of(f, from);
    ++*counter_of(f, to);
}

void fates_set(struct fates *f, uint64_t position, enum fate fate)
{
    assert(fate == FATE_DELIVERED || fate == FATE_LOST || fate == FATE_BACKED_UP);
    change(f, position, fate == FATE_BACKED_UP ? FATE_REFUSED : FATE_PENDING, fate);
}

void fates_lose(struct fates *f, uint64_t position)
{
    enum fate now = fates_at(f, position);

    if (now == FATE_PENDING || now == FATE_REFUSED)
        change(f, position, now, FATE_LOST);
}

static struct sink_refusal make_reason(const char *code, struct slice message)
{
    struct sink_refusal r;

    snprintf(r.code, sizeof(r.code), "%s", code);
    snprintf(r.message, sizeof(r.message), "%.*s", (int)(message.n < sizeof(r.message) ? message.n : sizeof(r.message)),
             message.p ? message.p : "");
    return r;
}

static bool same_reason(const struct sink_refusal *a, const struct sink_refusal *b)
{
    return strcmp(a->code, b->code) == 0 && strcmp(a->message, b->message) == 0;
}

/* The most recent ones first: neighbours tend to fail alike. */
static size_t find_reason(struct fates *f, const struct sink_refusal *r)
{
    for (size_t i = f->reason_count; i > 0; i--) {
        if (same_reason(&f->reasons[i - 1], r))
            return i - 1;
    }
    if (f->reason_count >= FATES_REASONS_MAX)
        return f->reason_count - 1;
    f->reasons = mem_grow(f->reasons, f->reason_count + 1, sizeof(*f->reasons));
    f->reasons[f->reason_count] =
        f->reason_count + 1 < FATES_REASONS_MAX
            ? *r
            : make_reason("Refused", SLICE("refused; more different reasons than are kept for one batch"));
    return f->reason_count++;
}

void fates_refuse(struct fates *f, uint64_t position, const char *code, struct slice message)
{
    struct sink_refusal r = make_reason(code, message);

    change(f, position, FATE_PENDING, FATE_REFUSED);
    if (!f->reason)
        f->reason = mem_array(f->count, 1);
    f->reason[position] = (unsigned char)find_reason(f, &r);
}

const struct sink_refusal *fates_reason(const struct fates *f, uint64_t position)
{
    assert(fates_at(f, position) == FATE_REFUSED);
    return &f->reasons[f->reason[position]];
}

const struct sink_refusal *fates_main_reason(const struct fates *f)
{
    uint64_t times[FATES_REASONS_MAX] = {0};
    size_t most = 0;

    if (f->refused + f->backed_up == 0)
        return NULL;
    for (uint64_t p = 0; p < f->count; p++)
        if (f->of[p] == FATE_REFUSED || f->of[p] == FATE_BACKED_UP)
            times[f->reason[p]]++;
    for (size_t i = 1; i < f->reason_count; i++)
        if (times[i] > times[most])
            most = i;
    return &f->reasons[most];
}

void fates_reconsider_refused(struct fates *f)
{
    for (uint64_t p = 0; f->refused > 0 && p < f->count; p++) {
        if (f->of[p] != FATE_REFUSED)
            continue;
        f->of[p] = FATE_PENDING;
        f->refused--;
        f->pending++;
    }
    f->reason_count = 0;
}

bool fates_are_final(const struct fates *f)
{
    return f->pending == 0 && f->refused == 0;
}

uint64_t fates_next(const struct fates *f, enum fate fate, uint64_t from)
{
    const unsigned char *p;

    if (!f->of)
        return fate == FATE_PENDING && from < f->count ? from : f->count;
    if (from >= f->count)
        return f->count;
    p = memchr(f->of + from, fate, f->count - from);
    return p ? (uint64_t)(p - f->of) : f->count;
}

uint64_t fates_next_pending(const struct fates *f, uint64_t from)
{
    return fates_next(f, FATE_PENDING, from);
}
uint64_t fates_last_pending(const struct fates *f)
{
    const unsigned char *p;

    if (!f->of)
        return f->count ? f->count - 1 : 0;
    p = memrchr(f->of, FATE_PENDING, f->count);
    return p ? (uint64_t)(p - f->of) : f->count;
}

uint64_t fates_run_end(const struct fates *f, uint64_t from, uint64_t limit)
{
    if (!f->of)
        return limit;
    while (from < limit && f->of[from] == FATE_PENDING)
        from++;
    return from;
}

void fates_settle_all(struct fates *f, enum fate fate)
{
    assert(fate == FATE_DELIVERED || fate == FATE_LOST);
    if (f->of) {
        for (uint64_t p = fates_next_pending(f, 0); p < f->count; p = fates_next_pending(f, p + 1))
            f->of[p] = (unsigned char)fate;
    }
    *counter_of(f, fate) += f->pending;
    f->pending = 0;
}
