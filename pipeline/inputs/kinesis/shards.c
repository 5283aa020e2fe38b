/* The shards stand in one array, sorted by their ids. Whatever happens changes one shard; settle() then draws all conclusions, in passes
 * until none changes anything: a pass counts each shard's children and those with places, and looks at its parents. A stream has some
 * generations of shards at a time, so there are few passes. */
#include "pipeline/inputs/kinesis/shards.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/kinesis/sorted.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define FIRST_ROOM 16

struct shard_listed {
    char id[SHARD_ID_MAX + 1], parents[2][SHARD_ID_MAX + 1], first[SEQUENCE_MAX + 1];
    char hashes[2][HASH_KEY_MAX + 1];
    bool closed;
};

void shards_init(struct shards *s, const struct shards_log *log)
{
    *s = (struct shards){.log = *log, .list_due = true};
}

static void free_shard(struct shard *x)
{
    mem_free(x->iterator);
    mem_free(x);
}

void shards_release(struct shards *s)
{
    for (size_t i = 0; i < s->n; i++)
        free_shard(s->v[i]);
    MEM_CLEAR(s->v);
    MEM_CLEAR(s->listing);
    s->n = s->room = s->listed = s->listing_room = 0;
}

/* --- the set ------------------------------------------------------------------------------------------------------- */

static const char *id_of(const void *shards, size_t i)
{
    struct shard *const *v = shards;

    return v[i]->id;
}

static struct shard *find(const struct shards *s, const char *id)
{
    size_t at;

    return sorted_find(s->v, s->n, id_of, slice_str(id), &at) ? s->v[at] : NULL;
}

struct shard *shards_find(const struct shards *s, const char *id)
{
    return find(s, id);
}

static struct shard *find_or_add(struct shards *s, struct slice id)
{
    struct shard *x;
    size_t at;

    if (sorted_find(s->v, s->n, id_of, id, &at))
        return s->v[at];
    assert(id.n > 0 && id.n <= SHARD_ID_MAX);
    if (s->n == s->room) {
        s->room = s->room ? 2 * s->room : FIRST_ROOM;
        s->v = mem_grow((void *)s->v, s->room, sizeof(*s->v));
    }
    x = mem_alloc(sizeof(*x));
    memcpy(x->id, id.p, id.n);
    memmove((void *)(s->v + at + 1), (void *)(s->v + at), (s->n - at) * sizeof(*s->v));
    s->v[at] = x;
    s->n++;
    return x;
}

static void drop_iterator(struct shard *x)
{
    MEM_CLEAR(x->iterator);
}

static void set_place(struct shards *s, struct shard *x, const struct place *p)
{
    x->place = x->base = *p;
    s->log.remember(s->log.ctx, x->id, p);
}

static bool is_over(enum shard_state state)
{
    return state == SHARD_ENDED || state == SHARD_OVER;
}

/* --- conclusions --------------------------------------------------------------------------------------------------- */

static void count_children(struct shards *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->v[i]->children = s->v[i]->placed = 0;
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < 2; k++) {
            const struct shard *x = s->v[i];
            struct shard *parent = x->parents[k][0] ? find(s, x->parents[k]) : NULL;

            if (!parent)
                continue;
            parent->children++;
            parent->placed += x->place.kind != PLACE_NONE || x->state == SHARD_OVER;
        }
}

/* A parent that is not listed has been deleted with its records, long ago. */
static bool parents_are_over(const struct shards *s, const struct shard *x)
{
    for (size_t k = 0; k < 2; k++) {
        const struct shard *parent = x->parents[k][0] ? find(s, x->parents[k]) : NULL;

        if (parent && !is_over(parent->state))
            return false;
    }
    return true;
}

/* True: it has changed. */
static bool conclude(struct shards *s, struct shard *x, nsec now)
{
    static const struct place START = {.kind = PLACE_START};

    if (x->state == SHARD_OVER || (s->shared && !(x->state == SHARD_HELD && x->mine)))
        return false;
    if (x->state == SHARD_ENDED) {
        if (x->children == 0 || x->placed < x->children)
            return false;
        s->log.forget(s->log.ctx, x->id);
        x->place = x->base = (struct place){.kind = PLACE_NONE};
        x->state = SHARD_OVER;
        return true;
    }
    if (x->state != SHARD_HELD || (!s->shared && !parents_are_over(s, x)))
        return false;
    if (x->place.kind == PLACE_NONE)
        set_place(s, x, &START);
    x->state = SHARD_READY;
    x->due = now;
    return true;
}

/* Nothing is known of it, but something is of a child. True: any has changed. */
static bool conclude_over(struct shards *s)
{
    bool changed = false;

    count_children(s);
    for (size_t i = 0; i < s->n; i++) {
        struct shard *x = s->v[i];

        if (x->state == SHARD_OVER || x->place.kind != PLACE_NONE || x->placed == 0)
            continue;
        x->state = SHARD_OVER;
        changed = true;
    }
    return changed;
}

/* Who is over is known of all generations before one that seems to be unread is begun. */
static void settle(struct shards *s, nsec now)
{
    bool changed;

    do {
        while (!s->shared && conclude_over(s))
            ;
        changed = false;
        for (size_t i = 0; i < s->n; i++)
            changed |= conclude(s, s->v[i], now);
    } while (changed);
}

/* --- what the spool has -------------------------------------------------------------------------------------------- */

void shards_restore(struct shards *s, const char *id, const struct place *p)
{
    struct shard *x;

    s->list_due = true;
    if (!*id) {
        s->begun = true;
        return;
    }
    x = find_or_add(s, slice_str(id));
    if (is_over(x->state))
        return; /* what the spool does not have yet says more */
    if (s->shared && place_order(p, &x->base) < 0)
        return; /* of an earlier time: others have read on */
    x->place = x->base = *p;
    if (s->shared)
        return; /* whether it was read to its end its lease says */
    if (p->kind == PLACE_END)
        x->state = SHARD_ENDED;
}

void shards_rewind(struct shards *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct shard *x = s->v[i];

        assert(!x->busy);
        drop_iterator(x);
        x->caught_up = false;
        x->last = x->marked = 0; /* what was marked is not in the spool */
        if (is_over(x->state))
            continue;
        x->place = x->base;
        x->state = SHARD_HELD;
    }
    s->list_due = true;
}

/* --- listings ------------------------------------------------------------------------------------------------------ */

static void take_text(char *to, size_t size, struct slice s)
{
    size_t n = s.n < size ? s.n : size - 1;

    if (n > 0)
        memcpy(to, s.p, n);
    to[n] = '\0';
}

void shards_list_begin(struct shards *s)
{
    s->listed = 0;
    s->list_due = false;
}

void shards_list(struct shards *s, const struct shard_description *d)
{
    struct shard_listed *l;

    if (s->listed == s->listing_room) {
        s->listing_room = s->listing_room ? 2 * s->listing_room : FIRST_ROOM;
        s->listing = mem_grow(s->listing, s->listing_room, sizeof(*s->listing));
    }
    l = &s->listing[s->listed++];
    take_text(l->id, sizeof(l->id), d->id);
    take_text(l->parents[0], sizeof(l->parents[0]), d->parents[0]);
    take_text(l->parents[1], sizeof(l->parents[1]), d->parents[1]);
    take_text(l->first, sizeof(l->first), d->first);
    for (size_t i = 0; i < 2; i++)
        take_text(l->hashes[i], sizeof(l->hashes[i]), d->hashes[i]);
    l->closed = d->closed;
}

/* True: a shard of which no record's number is known begins later than it did. What was known of it stays, and will say so again. */
static bool take_listing(struct shards *s)
{
    bool another = false;

    for (size_t i = 0; i < s->n; i++)
        s->v[i]->listed = false;
    for (size_t i = 0; i < s->listed; i++) {
        const struct shard_listed *l = &s->listing[i];
        struct shard *x = find_or_add(s, slice_str(l->id));

        x->listed = true;
        if (x->first[0] && !x->place.sequence[0] && sequence_order(x->first, l->first) < 0) {
            another = true;
            continue;
        }
        memcpy(x->parents, l->parents, sizeof(x->parents));
        memcpy(x->first, l->first, sizeof(x->first));
        memcpy(x->hashes, l->hashes, sizeof(x->hashes));
        x->closed |= l->closed;
    }
    MEM_CLEAR(s->listing);
    s->listed = s->listing_room = 0;
    return another;
}

static bool is_of_another(const struct shard *x)
{
    return x->listed && x->first[0] && x->place.sequence[0] && sequence_order(x->place.sequence, x->first) < 0;
}

static void remove_unlisted(struct shards *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct shard *x = s->v[i];

        if (x->listed || x->busy || !(is_over(x->state) || x->missing || (s->shared && !x->mine))) {
            s->v[kept++] = x;
            continue;
        }
        if (x->place.kind != PLACE_NONE)
            s->log.forget(s->log.ctx, x->id);
        if (!is_over(x->state) && (!s->shared || x->mine))
            s->log.gone(s->log.ctx, x->id);
        free_shard(x);
    }
    s->n = kept;
}

static void end_if_safe(struct shards *s, struct shard *x)
{
    struct place end = {.kind = PLACE_END};

    if (x->state != SHARD_DRAINED || !x->ends || x->last > s->safe)
        return;
    memcpy(end.sequence, x->place.sequence[0] ? x->place.sequence : x->first, sizeof(end.sequence));
    set_place(s, x, &end);
    x->state = SHARD_ENDED;
}

/* Who was not known to be closed when it had no more is asked again: at once if it is closed now. Who came to that after the listing began
 * waits for the next one. */
static void judge_ends(struct shards *s, nsec now)
{
    count_children(s);
    for (size_t i = 0; i < s->n; i++) {
        struct shard *x = s->v[i];

        x->closed |= x->children > 0;
        if (x->state != SHARD_DRAINED || x->ends || s->list_due)
            continue;
        if (x->listed) {
            x->state = SHARD_READY;
            x->due = x->closed ? now : x->due;
        } else { /* nothing is left to be asked for */
            x->ends = true;
            end_if_safe(s, x);
        }
    }
}

static void begin(struct shards *s, const struct place *start)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i]->place.kind == PLACE_NONE)
            set_place(s, s->v[i], start);
    s->log.remember(s->log.ctx, "", start);
    s->begun = true;
}

enum shards_verdict shards_list_end(struct shards *s, const struct place *start, nsec now)
{
    static const struct place START = {.kind = PLACE_START};

    bool another = take_listing(s);

    for (size_t i = 0; i < s->n; i++)
        another |= is_of_another(s->v[i]);
    if (another)
        return SHARDS_OF_ANOTHER;
    remove_unlisted(s);
    for (size_t i = 0; i < s->n; i++) {
        struct shard *x = s->v[i];

        x->missing = false;
        if (!x->suspect)
            continue;
        x->suspect = false;
        s->log.restarted(s->log.ctx, x->id);
        set_place(s, x, &START);
    }
    if (!s->begun && !s->shared)
        begin(s, start);
    judge_ends(s, now);
    settle(s, now);
    return SHARDS_FINE;
}

void shards_forget_all(struct shards *s)
{
    for (size_t i = 0; i < s->n; i++) {
        assert(!s->v[i]->busy);
        if (s->v[i]->place.kind != PLACE_NONE)
            s->log.forget(s->log.ctx, s->v[i]->id);
        free_shard(s->v[i]);
    }
    s->n = 0;
    s->list_due = true;
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

/* One that is missing or suspect waits for the listing. */
static bool can_be_asked(const struct shard *x)
{
    return !x->busy && !x->missing && !x->suspect && (x->state == SHARD_READY || x->state == SHARD_READING);
}

struct shard *shards_due(const struct shards *s, nsec now, nsec *next)
{
    struct shard *first = NULL;

    for (size_t i = 0; i < s->n; i++)
        if (can_be_asked(s->v[i]) && (!first || s->v[i]->due < first->due))
            first = s->v[i];
    *next = first ? first->due : NSEC_NEVER;
    return first && first->due <= now ? first : NULL;
}

void shard_got_iterator(struct shard *x, struct slice iterator)
{
    drop_iterator(x);
    x->iterator = mem_strndup(iterator.p, iterator.n);
    x->state = SHARD_READING;
    x->resumes = true;
}

void shard_took(struct shard *x, const struct place *place, uint64_t number)
{
    x->place = *place;
    x->last = number;
}

void shard_is_closed(struct shard *x)
{
    x->closed = true;
}

void shard_was_read(struct shards *s, struct shard *x, struct slice next, bool caught_up, nsec due, nsec now)
{
    x->failures = 0;
    x->caught_up = caught_up;
    x->due = due;
    drop_iterator(x);
    if (next.n > 0) {
        x->iterator = mem_strndup(next.p, next.n);
        return;
    }
    x->state = SHARD_DRAINED;
    x->ends = x->closed;
    x->behind_ms = 0;
    s->list_due = true; /* is it closed, and who are its children? */
    end_if_safe(s, x);
    settle(s, now);
}

void shard_lost_iterator(struct shard *x, nsec due)
{
    drop_iterator(x);
    x->state = SHARD_READY;
    x->due = due;
}

void shard_is_missing(struct shards *s, struct shard *x)
{
    shard_lost_iterator(x, x->due);
    x->missing = true;
    s->list_due = true;
}

void shard_place_refused(struct shards *s, struct shard *x)
{
    shard_lost_iterator(x, x->due);
    x->suspect = true;
    s->list_due = true;
}

/* While it is read there is always something that is not safe yet. So the place of now is marked, and counts when that is. */
static void mark(const struct shards *s, struct shard *x)
{
    if (x->marked > 0 && x->marked <= s->safe) {
        x->safe = x->mark;
        x->marked = 0;
    }
    if (x->last <= s->safe) {
        x->safe = x->place;
        x->marked = 0;
    } else if (x->marked == 0) {
        x->mark = x->place;
        x->marked = x->last;
    }
}

struct place shard_safe_place(const struct shards *s, struct shard *x)
{
    mark(s, x);
    return x->safe;
}

void shards_safe(struct shards *s, uint64_t upto, nsec now)
{
    bool ended = false;

    s->safe = upto;
    for (size_t i = 0; s->shared && i < s->n; i++)
        mark(s, s->v[i]);
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i]->state == SHARD_DRAINED) {
            end_if_safe(s, s->v[i]);
            ended |= s->v[i]->state == SHARD_ENDED;
        }
    if (ended)
        settle(s, now);
}

/* --- a stream that others read, too -------------------------------------------------------------------------------- */

void shards_grant(struct shards *s, const char *id, const struct place *p, bool again, nsec now)
{
    struct shard *x = find_or_add(s, slice_str(id));
    bool further = again && place_order(&x->place, p) > 0;

    x->mine = true;
    x->state = SHARD_HELD;
    x->missing = x->suspect = x->caught_up = x->ends = false;
    x->failures = 0;
    if (!further) {
        set_place(s, x, p);
        x->last = 0;
        x->marked = 0;
        x->safe = *p;
    }
    if (x->place.kind == PLACE_END) /* and it was not written that it ended */
        x->state = SHARD_ENDED;
    settle(s, now);
}

void shards_revoke(struct shards *s, const char *id)
{
    struct shard *x = find(s, id);

    if (!x)
        return;
    drop_iterator(x);
    x->mine = false;
    x->revoked = x->busy;
    x->state = SHARD_HELD;
    x->behind_ms = x->asked = 0;
}

/* --- for others ---------------------------------------------------------------------------------------------------- */

bool shards_are_read(const struct shards *s)
{
    if (s->list_due)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        const struct shard *x = s->v[i];

        if (s->shared && !x->mine)
            continue;
        if (!is_over(x->state) && !(x->state == SHARD_READING && !x->busy && x->caught_up && x->last <= s->safe))
            return false;
    }
    return true;
}

bool shards_miss_children(const struct shards *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i]->state == SHARD_ENDED && s->v[i]->children == 0)
            return true;
    return false;
}

nsec shards_wait_since(const struct shards *s, bool held)
{
    nsec oldest = 0;

    for (size_t i = 0; i < s->n; i++) {
        const struct shard *x = s->v[i];
        nsec since = x->asked - x->behind_ms * NSEC_PER_MSEC;

        if (x->asked == 0 || is_over(x->state) || x->state == SHARD_DRAINED || (x->behind_ms == 0 && !held))
            continue;
        if (oldest == 0 || since < oldest)
            oldest = since;
    }
    return oldest;
}
