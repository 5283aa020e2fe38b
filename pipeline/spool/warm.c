/* The frames of a spool stand in an array in the order of their numbers, so that one is found by halving; those that have
 * gone leave an empty entry behind until they are at an end of it or half of all are empty. The frames of all spools stand in
 * one list in the order in which they came: its first is the oldest. */
#include "pipeline/spool/warm.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/format/frame_build.h"

#include <assert.h>
#include <pthread.h>
#include <sys/queue.h>

struct warm_entry {
    uint64_t first;
    struct frame *frame; /* NULL: gone */
};

TAILQ_HEAD(warm_frames, frame);

struct warm_store {
    pthread_mutex_t lock;
    struct budget budget;      /* a part of the whole */
    uint64_t passed;           /* bytes of all frames that were ever offered */
    struct warm_frames oldest; /* guarded by lock, as are all lists of spools and all frames in them */
};

struct warm_store *warm_store_new(struct budget *whole, size_t limit)
{
    struct warm_store *st = mem_alloc(sizeof(*st));

    pthread_mutex_init(&st->lock, NULL);
    budget_init_part(&st->budget, whole, limit);
    TAILQ_INIT(&st->oldest);
    return st;
}

void warm_store_free(struct warm_store **st)
{
    if (!*st)
        return;
    assert(TAILQ_EMPTY(&(*st)->oldest));
    pthread_mutex_destroy(&(*st)->lock);
    MEM_CLEAR(*st);
}

void warm_init(struct warm *w, struct warm_store *st, size_t most)
{
    *w = (struct warm){.store = st, .readers = 1, .most = most};
}

/* --- a spool's list -----------------------------------------------------------------------------------------------
 * Locks: held. */

/* The last entry that begins at or below seq; SIZE_MAX when all begin above. */
static size_t find(const struct warm *w, uint64_t seq)
{
    size_t low = w->begin, high = w->end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (w->entries[middle].first <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low == w->begin ? SIZE_MAX : low - 1;
}

static void squeeze(struct warm *w)
{
    size_t n = 0;

    for (size_t i = w->begin; i < w->end; i++)
        if (w->entries[i].frame)
            w->entries[n++] = w->entries[i];
    w->begin = 0;
    w->end = n;
}

static void put_in(struct warm *w, struct frame *f)
{
    if (w->end == w->room && w->live <= w->room / 2)
        squeeze(w);
    if (w->end == w->room) {
        w->room = w->room ? 2 * w->room : WARM_ENTRIES_FIRST;
        w->entries = mem_grow(w->entries, w->room, sizeof(*w->entries));
    }
    w->entries[w->end++] = (struct warm_entry){f->header.first, f};
    w->live++;
    w->bytes += f->budgeted;
    TAILQ_INSERT_TAIL(&w->store->oldest, f, warm_next);
}

/* Out of all lists; freed, at once or by its last user. Its bytes are given back now: whoever wants them must not wait. */
static void take_out(struct frame *f)
{
    struct warm *w = f->warm;
    size_t at = find(w, f->header.first);

    assert(w->entries[at].frame == f);
    w->entries[at].frame = NULL;
    w->live--;
    w->bytes -= f->budgeted;
    while (w->begin < w->end && !w->entries[w->begin].frame)
        w->begin++;
    if (w->begin == w->end) {
        w->begin = w->end = 0;
        if (w->room > WARM_ENTRIES_FIRST) {
            MEM_CLEAR(w->entries);
            w->room = 0;
        }
    }
    TAILQ_REMOVE(&w->store->oldest, f, warm_next);
    budget_give(f->budget, f->budgeted);
    f->budget = NULL;
    f->warm = NULL;
    if (f->warm_users == 0)
        frame_free(&f);
}

/* From the input's budget into the store's, while others leave half of the whole: when many deliveries are under way, memory is
 * for them. */
static bool take_bytes(struct warm_store *st, const struct warm *w, struct frame *f)
{
    if (f->budgeted > WARM_FRAME_MAX || (w->most && w->bytes + f->budgeted > w->most) ||
        (st->budget.whole && !budget_has_plenty(st->budget.whole, 0)) || !budget_take(&st->budget, f->budgeted))
        return false;
    if (f->budget)
        budget_give(f->budget, f->budgeted);
    f->budget = &st->budget;
    return true;
}

/* Of this spool's frames those that are at its front and that one of several readers has read: the others are behind, and will
 * read them from the file. False: there is none. */
static bool drop_read_by_one(struct warm *w)
{
    struct frame *f = w->readers > 1 && w->live ? w->entries[w->begin].frame : NULL;

    if (!f || f->warm_unread > (uint64_t)(w->readers - 1) * f->header.count)
        return false;
    take_out(f);
    return true;
}

void warm_add(struct warm *w, struct frame *f, uint64_t segment)
{
    struct warm_store *st = w->store;
    struct frame *old;
    bool taken = false;

    if (st) {
        pthread_mutex_lock(&st->lock);
        st->passed += f->budgeted;
        while ((old = TAILQ_FIRST(&st->oldest)) && st->passed - old->warm_passed > WARM_STALLED * st->budget.limit)
            take_out(old); /* its destination is stalled */
        while (w->gap == 0 && !(taken = take_bytes(st, w, f)) && f->budgeted <= WARM_FRAME_MAX && drop_read_by_one(w))
            ;
        if (taken) {
            f->warm = w;
            f->warm_passed = st->passed;
            f->warm_unread = (uint64_t)f->header.count * w->readers;
            f->segment = segment;
            put_in(w, f);
        } else if (w->gap == 0) {
            w->gap = f->header.first;
        }
        pthread_mutex_unlock(&st->lock);
    }
    if (!taken)
        frame_free(&f);
}

void warm_drop(struct warm *w, uint64_t below)
{
    struct frame *f;

    if (!w->store)
        return;
    pthread_mutex_lock(&w->store->lock);
    while (w->live > 0 && (f = w->entries[w->begin].frame) && f->header.first + f->header.count <= below)
        take_out(f);
    pthread_mutex_unlock(&w->store->lock);
}

void warm_give_back(void *store, size_t bytes)
{
    struct warm_store *st = store;
    size_t before;

    pthread_mutex_lock(&st->lock);
    before = atomic_load(&st->budget.used);
    while (!TAILQ_EMPTY(&st->oldest) && before - atomic_load(&st->budget.used) < bytes)
        take_out(TAILQ_FIRST(&st->oldest));
    pthread_mutex_unlock(&st->lock);
}

void warm_store_resize(struct warm_store *st, size_t limit)
{
    pthread_mutex_lock(&st->lock);
    budget_resize(&st->budget, limit);
    while (!TAILQ_EMPTY(&st->oldest) && atomic_load(&st->budget.used) > limit)
        take_out(TAILQ_FIRST(&st->oldest));
    pthread_mutex_unlock(&st->lock);
}

size_t warm_limit(const struct warm *w)
{
    return w->store ? w->store->budget.limit : 0;
}

void warm_release(struct warm *w)
{
    warm_drop(w, UINT64_MAX);
    MEM_CLEAR(w->entries);
}

/* --- readers ------------------------------------------------------------------------------------------------------ */

struct frame *warm_pin(struct warm *w, uint64_t seq)
{
    struct frame *f = NULL;
    size_t at;

    if (!w->store)
        return NULL;
    pthread_mutex_lock(&w->store->lock);
    if (w->gap && seq >= w->gap)
        w->gap = 0;
    at = find(w, seq);
    if (at != SIZE_MAX)
        f = w->entries[at].frame;
    if (f && seq - f->header.first >= f->header.count)
        f = NULL;
    if (f)
        f->warm_users++;
    pthread_mutex_unlock(&w->store->lock);
    return f;
}

void warm_unpin(struct warm *w, struct frame *f, uint64_t read)
{
    pthread_mutex_lock(&w->store->lock);
    f->warm_unread -= read < f->warm_unread ? read : f->warm_unread;
    f->warm_users--;
    if (f->warm && f->warm_unread == 0) {
        take_out(f);
    } else if (!f->warm && f->warm_users == 0) {
        frame_free(&f);
    }
    pthread_mutex_unlock(&w->store->lock);
}
