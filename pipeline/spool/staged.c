/* The journal's side of staging: each call becomes a frame, as in spool.c, and what the callers see at once (the cut, what is
 * settled) runs ahead of the state. */
#include "pipeline/spool/staged.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/spool_impl.h"

#include <assert.h>

uint64_t staged_new_parcel(struct spool_reader *r)
{
    return ++r->last_parcel;
}

void staged_skip_parcels(struct spool_reader *r, uint64_t upto)
{
    r->last_parcel = r->last_parcel > upto ? r->last_parcel : upto;
}

uint64_t staged_room(const struct spool_reader *r, bool *disk_is_full)
{
    return spool_piece_room(r->spool, disk_is_full);
}

void staged_want_room(struct spool_reader *r, uint64_t bytes)
{
    atomic_uint_fast64_t *wanted = &r->spool->piece_bytes;
    uint_fast64_t before = atomic_load(wanted);

    while (before < bytes && !atomic_compare_exchange_weak(wanted, &before, bytes))
        ;
}

void staged_lacks_disk(struct spool_reader *r)
{
    struct spool *s = r->spool;

    atomic_store(&s->gives_back, true);
    committer_wake(s->committer, s, false);
}

/* Locks: held. */
static struct pending_parcel *find(const struct spool_reader *r, uint64_t parcel)
{
    struct pending_parcel *p = parcels_find(&r->state->parcels, parcel);

    assert(p && !p->settling);
    return p;
}

static uint64_t records_of(const struct staged_piece *p)
{
    uint64_t records = seal_result_sum(&p->ended);

    for (size_t i = 0; i < p->count; i++)
        records += p->parts[i].records;
    return records;
}

void staged_add(struct spool_reader *r, const struct staged_piece *p, const struct spool_cursor *end,
                struct spool_wait *w)
{
    struct frame *f = frame_new_control(p->replaced_count ? FRAME_REPLACED : FRAME_STAGED);
    uint64_t records = p->last + 1 - p->first;
    struct spool *s = r->spool;

    assert((records > 0 || p->replaced_count) && end->seq == p->last + 1);
    spool_state_put_staged(&f->extra, r->state->name, p, end);
    frame_finish(f);
    pthread_mutex_lock(&s->lock);
    assert(p->first == r->cut.seq && p->last < s->state.next);
    for (size_t i = 0; i < p->replaced_count; i++) {
        struct pending_parcel *old = find(r, p->replaced[i]);

        assert(!old->parcel.sealed);
        records += old->parcel.records;
        old->settling = true;
    }
    assert(records_of(p) == records);
    r->cut = spool_skip(r, *end);
    seal_result_add(&r->settled, &p->ended);
    spool_add_control(s, f, w);
    pthread_mutex_unlock(&s->lock);
    committer_wake(s->committer, s, w != NULL);
}

void staged_seal(struct spool_reader *r, uint64_t parcel, struct slice note, struct spool_wait *w)
{
    struct frame *f = frame_new_control(FRAME_PARCEL);
    struct spool *s = r->spool;

    assert(note.n <= SEAL_META_MAX);
    spool_state_put_parcel(&f->extra, r->state->name, PARCEL_SEALED, parcel, note);
    frame_finish(f);
    pthread_mutex_lock(&s->lock);
    assert(!find(r, parcel)->parcel.sealed);
    spool_add_control(s, f, w);
    pthread_mutex_unlock(&s->lock);
    committer_wake(s->committer, s, true);
}

void staged_progress(struct spool_reader *r, uint64_t parcel, struct slice progress, struct spool_wait *w)
{
    struct frame *f = frame_new_control(FRAME_PARCEL);
    struct spool *s = r->spool;

    assert(progress.n <= SEAL_PROGRESS_MAX);
    spool_state_put_parcel(&f->extra, r->state->name, PARCEL_PROGRESS, parcel, progress);
    frame_finish(f);
    pthread_mutex_lock(&s->lock);
    assert(find(r, parcel)->parcel.sealed);
    spool_add_control(s, f, w);
    pthread_mutex_unlock(&s->lock);
    committer_wake(s->committer, s, w != NULL);
}

void staged_settle(struct spool_reader *r, uint64_t parcel, const struct seal_result *result, struct spool_wait *w)
{
    struct frame *f = frame_new_control(FRAME_PARCEL);
    struct spool *s = r->spool;
    struct pending_parcel *p;

    spool_state_put_parcel_settled(&f->extra, r->state->name, parcel, result);
    frame_finish(f);
    pthread_mutex_lock(&s->lock);
    p = find(r, parcel);
    assert(seal_result_sum(result) == p->parcel.records);
    p->settling = true;
    seal_result_add(&r->settled, result);
    spool_add_control(s, f, w);
    pthread_mutex_unlock(&s->lock);
    committer_wake(s->committer, s, false);
}

bool staged_parcel(const struct spool_reader *r, size_t index, struct parcel *out)
{
    struct spool *s = r->spool;
    bool found;

    pthread_mutex_lock(&s->lock);
    found = index < r->state->parcels.count;
    if (found)
        *out = r->state->parcels.list[index].parcel;
    pthread_mutex_unlock(&s->lock);
    return found;
}
