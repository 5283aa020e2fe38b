/* One round of one spool.
 *
 * Frames leave the pending list, are written behind what is safe, and stay in `written` until a sync has made them
 * safe too. Only then are they applied to the state and their waits called. When anything fails the file is cut back to
 * what is safe and the numbers go back with it: the records were never in the spool, and all that came in behind them
 * is refused as well, so that numbers have no hole. Seals and settlements are facts and cannot be refused: they go back
 * into the pending list and are written when the disk takes writes again. */
#include "pipeline/base/limits.h"
#include "pipeline/spool/format/mark.h"
#include "pipeline/spool/spool_impl.h"

#include <assert.h>
#include <string.h>

enum {
    VECTORS_PER_FRAME = 4,
};

#define RESERVE_JOURNAL_SHARE 4
#define FULL_ROLL_SHARE       8 /* of the limit: so much in the newest segment of a full spool may be what is settled */

static void answer(struct frame_list *l, bool safe)
{
    struct frame *f;

    while ((f = frame_list_take(l))) {
        struct spool_wait *w = f->wait;

        if (w && w->back && !safe) {
            *w->back = f;
            f = NULL;
        }
        if (w)
            w->done(w, safe);
        frame_free(&f);
    }
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static int write_error(const struct spool *s, const char *what, struct err *e)
{
    char name[SEGMENT_NAME_BYTES];

    return err_errno(e, "%s %s/%s", what, s->dir, segment_name(spool_active(s)->number, name));
}

/* A segment takes at least one frame, and at least some times what it begins with. */
static bool fits(const struct spool *s, const struct frame *f)
{
    const struct segment *seg = spool_active(s);
    uint64_t room = s->segment_bytes > 4 * seg->begin ? s->segment_bytes : 4 * seg->begin;

    return s->round.write_at == seg->begin || s->round.write_at + frame_header_total(&f->header) <= room;
}

/* As many frames as fit into this segment and into one call. */
static int write_some(struct spool *s, struct err *e)
{
    struct round *r = &s->round;
    struct segment *seg = spool_active(s);
    struct iovec v[ROUND_VECTORS_MAX];
    uint64_t start = r->write_at;
    int n = 0;

    while (!STAILQ_EMPTY(&r->todo) && n + VECTORS_PER_FRAME <= ROUND_VECTORS_MAX && fits(s, STAILQ_FIRST(&r->todo))) {
        struct frame *f = frame_list_take(&r->todo);

        f->header.synced = seg->size;
        f->offset = r->write_at;
        frame_header_encode(&f->header, seg->number, r->write_at, f->encoded);
        r->write_at += frame_header_total(&f->header);
        v[n++] = (struct iovec){f->encoded, sizeof(f->encoded)};
        v[n++] = (struct iovec){f->extra.p, f->extra.n};
        v[n++] = (struct iovec){f->table, f->table_bytes};
        v[n++] = (struct iovec){f->payload, f->bytes};
        STAILQ_INSERT_TAIL(&r->written, f, link);
    }
    if (io_write_at(s->ops, seg->fd, v, n, start) < 0)
        return write_error(s, "write", e);
    return 0;
}

static int sync_active(struct spool *s, struct err *e)
{
    if (!s->memory && s->ops->fdatasync(spool_active(s)->fd) < 0)
        return write_error(s, "sync", e);
    return 0;
}

/* --- what is safe becomes visible --------------------------------------------------------------------------------- */

/* Locks: held. */
static void publish_frame(struct spool *s, const struct frame *f)
{
    uint64_t next = s->state.next;
    struct frame_ids ids;
    bool fits_state;

    fits_state = spool_state_apply(&s->state, &f->header, (struct frame_place){spool_active(s)->number, f->offset},
                                   buf_slice(&f->extra));
    assert(fits_state);
    if (f->header.type != FRAME_DATA)
        return;
    s->pending_bytes -= frame_header_total(&f->header);
    if (frame_ids_find(buf_slice(&f->extra), FRAME_TAG_IDS, &ids))
        for (size_t i = 0; i < ids.count; i++)
            id_list_drop_oldest(&s->pending_ids); /* frames become safe in their order */
    s->round.added = true;
    for (size_t i = 0; i < s->reader_count; i++) {
        struct spool_reader *r = &s->readers[i];

        if (r->state->cut.seq != next)
            continue;
        r->arrival_seq = f->header.first;
        r->arrival = f->header.arrival;
    }
}

static void publish(struct spool *s)
{
    struct round *r = &s->round;
    struct segment *seg = spool_active(s);
    struct frame *f;
    uint64_t low_water;

    r->wrote |= !STAILQ_EMPTY(&r->written);
    pthread_mutex_lock(&s->lock);
    STAILQ_FOREACH(f, &r->written, link)
        publish_frame(s, f);
    s->disk_bytes += r->write_at - seg->size;
    s->held_bytes += r->write_at - seg->size;
    seg->size = r->write_at;
    s->failing = false;
    err_forget(&s->why);
    low_water = spool_state_low_water(&s->state);
    pthread_mutex_unlock(&s->lock);
    s->mark_due |= !STAILQ_EMPTY(&r->written) && !s->memory;
    if (r->mark_now)
        round_mark(s); /* before the answers: whoever has one finds it in the mark, too */
    warm_drop(&s->warm, low_water);
    while ((f = frame_list_take(&r->written))) {
        if (f->wait)
            f->wait->done(f->wait, true);
        if (f->header.type == FRAME_DATA)
            warm_add(&s->warm, f, seg->number); /* deliveries want it next */
        else
            frame_free(&f);
    }
}

static int roll(struct spool *s, struct err *e)
{
    if (spool_create_segment(s, e) < 0)
        return -1;
    s->round.write_at = spool_active(s)->size;
    return 0;
}

static int write_round(struct spool *s, struct err *e)
{
    struct round *r = &s->round;

    while (!STAILQ_EMPTY(&r->todo)) {
        if (fits(s, STAILQ_FIRST(&r->todo))) {
            if (write_some(s, e) < 0)
                return -1;
            continue;
        }
        if (sync_active(s, e) < 0)
            return -1;
        publish(s);
        if (roll(s, e) < 0)
            return -1;
    }
    return 0;
}

/* Frames that were refused would be true ones at the next start, so they must go, and what an earlier life left behind
 * them goes along. Synced, so that they are gone before anything else is acknowledged. */
static int cut_back(struct spool *s)
{
    struct segment *seg = spool_active(s);

    if (s->ops->ftruncate(seg->fd, (off_t)seg->size) < 0 || (!s->memory && s->ops->fdatasync(seg->fd) < 0))
        return -1;
    seg->reused = seg->ahead = 0;
    return 0;
}

/* A failing disk is asked with whatever waits; when nothing does, with a frame that says nothing. */
static int prepare_retry(struct spool *s, struct err *e)
{
    struct round *r = &s->round;

    if (cut_back(s) < 0)
        return write_error(s, "cut back", e);
    if (STAILQ_EMPTY(&r->todo)) {
        struct frame *probe = frame_new_control(FRAME_PROBE);

        probe->header.first = s->state.next;
        frame_finish(probe);
        STAILQ_INSERT_TAIL(&r->todo, probe, link);
    }
    return 0;
}

void round_write(struct spool *s)
{
    struct round *r = &s->round;
    struct err e = {.code = ERR_NONE};
    bool failing;

    r->failed = r->added = r->wrote = r->more = false;
    r->write_at = spool_active(s)->size;
    pthread_mutex_lock(&s->lock);
    failing = s->failing;
    STAILQ_CONCAT(&r->todo, &s->pending);
    pthread_mutex_unlock(&s->lock);
    r->failed = (failing && prepare_retry(s, &e) < 0) || write_round(s, &e) < 0;
    if (r->failed)
        err_keep(&r->why, &e);
    else
        spool_write_ahead(s);
}

bool round_needs_sync(const struct spool *s)
{
    return !s->memory && !s->round.failed && !STAILQ_EMPTY(&s->round.written);
}

void round_sync(struct spool *s)
{
    struct err e;

    s->round.failed = sync_active(s, &e) < 0;
    if (s->round.failed)
        err_keep(&s->round.why, &e);
}

/* --- what is not -------------------------------------------------------------------------------------------------- */

/* Data frames to `refused`, the rest to `kept` with the number that comes next now. */
static void sort_out(struct frame_list *from, struct frame_list *refused, struct frame_list *kept, uint64_t next)
{
    struct frame *f;

    while ((f = frame_list_take(from))) {
        if (f->header.type == FRAME_DATA) {
            STAILQ_INSERT_TAIL(refused, f, link);
        } else if (f->header.type == FRAME_PROBE || f->header.type == FRAME_MOVED) {
            frame_free(&f);
        } else {
            f->header.first = next;
            STAILQ_INSERT_TAIL(kept, f, link);
        }
    }
}

static void tell_refused(struct spool *s)
{
    struct err why = err_kept(s->round.why);

    if (s->refused)
        s->refused(s->ctx, &why);
}

static void undo(struct spool *s)
{
    struct round *r = &s->round;
    struct frame_list refused, kept;
    bool must_be_written;
    struct err why;

    STAILQ_INIT(&refused);
    STAILQ_INIT(&kept);
    pthread_mutex_lock(&s->lock);
    sort_out(&r->written, &refused, &kept, s->state.next);
    sort_out(&r->todo, &refused, &kept, s->state.next);
    sort_out(&s->pending, &refused, &kept, s->state.next);
    must_be_written = !STAILQ_EMPTY(&kept);
    STAILQ_CONCAT(&s->pending, &kept);
    s->next = s->state.next;
    s->pending_bytes = 0;
    id_list_release(&s->pending_ids);
    s->moving = false;
    s->failing = true;
    why = err_kept(r->why);
    err_keep(&s->why, &why);
    pthread_mutex_unlock(&s->lock);
    /* After a failed sync nobody knows what the disk has of the pages behind: they are written again, never synced
     * again. When this fails too, the retry begins with it. */
    if (cut_back(s) < 0 && r->why)
        err_wrap(r->why, "cannot cut back");
    warm_drop(&s->warm, UINT64_MAX);
    recycle_drop_all(s); /* perhaps it is room that is missing, */
    s->small_rounds = 0; /* and perhaps for zeros that nobody needs */
    if (must_be_written)
        spool_use_reserve(s);
    tell_refused(s); /* before the answers: whoever has one may ask why */
    answer(&refused, false);
}

/* Without a reserve no records are taken, but what deliveries write goes on. */
static void keep_reserve(struct spool *s)
{
    const struct segment *seg = spool_active(s);
    struct round *r = &s->round;
    struct err e, ignored;

    if (spool_make_reserve(s, &e) == 0)
        return;
    err_keep(&r->why, &e);
    /* The disk is full: what is in the newest segment is freed as soon as it is delivered only when another one is the newest. That
     * holds also for seals and settlements, which are many where batches are small: a part of the reserve for them, the rest for the
     * checkpoints of the old segment and the new one. When there is no room for the new one it is tried again after the next round. */
    if (seg->size - seg->begin > spool_reserve_bytes(s) / RESERVE_JOURNAL_SHARE && roll(s, &ignored) == 0)
        spool_reap(s, false);
    r->failed = true;
    pthread_mutex_lock(&s->lock);
    s->failing = true;
    err_keep(&s->why, &e);
    pthread_mutex_unlock(&s->lock);
    tell_refused(s);
}

/* After a round that is safe. False when the disk refuses. */
static bool make_room(struct spool *s)
{
    const struct segment *seg = spool_active(s);
    uint64_t used = seg->size - seg->begin;
    bool idle, was_full, worth;
    struct err e;

    pthread_mutex_lock(&s->lock);
    idle = spool_state_low_water(&s->state) == s->state.next && s->next == s->state.next && STAILQ_EMPTY(&s->pending);
    was_full = s->was_full;
    s->moving = false;
    pthread_mutex_unlock(&s->lock);
    if (idle) {
        /* Nothing waits to be delivered, and what is left of settled records is given back: an idle stream holds little disk, and a
         * small limit cannot be full of what is long gone. */
        uint64_t held = spool_file_bytes(seg) - seg->begin;

        recycle_drop_all(s);
        worth = (held > IDLE_ROLL_BYTES && held > seg->begin) || (was_full && used > 0);
    } else {
        /* A full spool takes its newest segment for an old one, so that it can go, or be emptied, like any other. */
        worth = was_full && used > s->limit / FULL_ROLL_SHARE;
    }
    if (worth && roll(s, &e) < 0) {
        err_keep(&s->round.why, &e);
        return false;
    }
    spool_reap(s, !idle);
    s->round.more = !idle && spool_move(s);
    return true;
}

void round_finish(struct spool *s)
{
    struct round *r = &s->round;

    if (!r->failed) {
        publish(s);
        r->failed = !make_room(s);
    }
    if (atomic_exchange(&s->gives_back, false))
        recycle_drop_all(s);
    if (r->failed)
        undo(s);
    else
        keep_reserve(s);
    if (r->added && s->committed)
        s->committed(s->ctx);
}

void round_mark(struct spool *s)
{
    const struct segment *seg = spool_active(s);
    const struct spool_state *st = &s->state; /* nobody else changes it */
    struct spool_mark m = {
        .segment = seg->number, .size = seg->size, .next = st->next, .waiting = spool_state_waiting_count(st)};

    if (!s->mark_due || s->memory)
        return;
    memcpy(m.identity, st->identity, sizeof(m.identity));
    mark_write(s->ops, s->dir, &m);
    s->mark_due = false;
}

void round_abandon(struct spool *s)
{
    struct frame_list left;

    STAILQ_INIT(&left);
    pthread_mutex_lock(&s->lock);
    STAILQ_CONCAT(&left, &s->pending);
    id_list_release(&s->pending_ids);
    pthread_mutex_unlock(&s->lock);
    answer(&left, false);
}
