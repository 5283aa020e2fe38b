/* Old segments that hold little are emptied into the newest one.
 *
 * A batch that cannot be delivered keeps its records, and with them the segments in which they lie; those may be large and
 * otherwise settled. So when a spool is half full, what waits in such a segment is copied to the end of the log, as frames
 * that keep their records' numbers, and the segment goes as soon as the copies are safe. A copy is a fact of the log like
 * any other: a crash before it is safe leaves the original, a crash after it finds both, and the copy is the one that
 * is read.
 *
 * Copies are cut to what waits, so they never cost more than that; and no more than a quarter of a segment (half of it when
 * the spool is full) is copied to free it, a few at a time, so a spool that is half full for hours is not kept busy by it. */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/spool_impl.h"

enum {
    PRESSURE_SHARE = 2, /* of the limit: from then on room is worth copying */
    LITTLE_SHARE = 4,   /* of a segment: what is copied at most, ... */
    FULL_SHARE = 2,     /* ... and when records were refused for want of room */
};

struct move {
    struct spool *s;
    struct segment *seg;
    struct log_file file;
    struct frame_list copies;
    struct buf content;
    uint64_t bytes;   /* of the copies so far */
    uint64_t allowed; /* no more than this may be copied out of the segment */
};

/* --- which one ---------------------------------------------------------------------------------------------------- */

/* That of all seals that reach into it, and what is in no seal of one that is gone. */
static uint64_t most_that_waits_for(const struct reader_state *r, const struct segment *seg)
{
    const struct hole *end = reader_state_is_gone(r) ? &r->holes[r->hole_count - 1] : NULL;
    uint64_t bytes = 0, sealed = r->bytes_out;

    for (size_t i = 0; i < r->seal_count; i++) {
        const struct seal *seal = &r->seals[i].seal;

        sealed += seal->bytes;
        if (seal->first < seg->end && seal->last >= seg->first)
            bytes += seal->bytes;
    }
    if (end && r->cut.seq < seg->end && end->first > seg->first && end->bytes_first > sealed)
        bytes += end->bytes_first - sealed;
    return bytes;
}

/* Locks: held. No more than this waits in it: that of all readers, and what was copied to it. */
static uint64_t most_that_waits(const struct spool *s, const struct segment *seg)
{
    const struct spool_state *st = &s->state;
    uint64_t bytes = 0;

    for (size_t i = 0; i < st->moved_count; i++)
        bytes += st->moved[i].segment == seg->number ? st->moved[i].bytes : 0;
    for (size_t i = 0; i < st->reader_count; i++)
        bytes += most_that_waits_for(st->readers[i], seg);
    return bytes;
}

/* Locks: held. */
static uint64_t little_of(const struct spool *s, const struct segment *seg)
{
    return (seg->size - seg->begin) / (s->was_full ? FULL_SHARE : LITTLE_SHARE);
}

/* Locks: held. One of which everything that waits in it is sealed, and is little. */
static struct segment *choose(const struct spool *s)
{
    if (s->failing || s->moving || s->held_bytes + s->pending_bytes < s->limit / PRESSURE_SHARE)
        return NULL;
    for (size_t i = 0; i + 1 < s->segment_count; i++) {
        struct segment *seg = s->segments[i];

        if (!seg->immovable && seg->end <= spool_state_least_cut(&s->state) &&
            most_that_waits(s, seg) <= little_of(s, seg))
            return seg;
    }
    return NULL;
}

/* --- copying ------------------------------------------------------------------------------------------------------ */

/* The next records of a data frame that wait and have no copy, or the whole of a copy that is still the one. */
static bool next_wanted(struct move *m, const struct frame_header *h, uint64_t offset, uint64_t from, uint64_t *first,
                        uint64_t *end)
{
    const struct spool_state *st = &m->s->state;
    const struct moved_run *copy;
    bool wanted = false;

    pthread_mutex_lock(&m->s->lock);
    if (h->type == FRAME_DATA) {
        wanted = spool_state_waiting(st, from, h->first + h->count, first, end);
    } else if (h->type == FRAME_MOVED && from == h->first) {
        copy = spool_state_moved_from(st, h->first);
        wanted = copy && copy->segment == m->seg->number && copy->offset == offset;
        *first = h->first;
        *end = h->first + h->count;
    }
    pthread_mutex_unlock(&m->s->lock);
    return wanted;
}

/* 1: what is wanted of this frame is copied. 0: it is damaged, or it would be too much. */
static int copy_frame(struct move *m, const struct frame_header *h, uint64_t offset, struct err *e)
{
    uint64_t first, end = h->first;
    bool read = false;

    while (next_wanted(m, h, offset, end, &first, &end)) {
        struct frame *f;
        int rc = read ? 1 : log_file_body(&m->file, offset, h, &m->content, e);

        if (rc <= 0)
            return rc;
        read = true;
        f = frame_new_moved(h, buf_slice(&m->content), first, end);
        if (!f)
            return 0;
        m->bytes += frame_header_total(&f->header);
        STAILQ_INSERT_TAIL(&m->copies, f, link);
        if (m->bytes > m->allowed)
            return 0;
    }
    return 1;
}

/* As copy_frame(), for all of the segment or as much as is copied at once. */
static int copy_segment(struct move *m, struct err *e)
{
    uint64_t at = m->seg->begin;
    struct frame_header h;
    int rc = 1;

    while (rc > 0 && at < m->file.end && m->bytes < SPOOL_COPY_BYTES) {
        rc = log_file_frame(&m->file, at, &h, e);
        if (rc > 0)
            rc = copy_frame(m, &h, at, e);
        at += rc > 0 ? frame_header_total(&h) : 0;
    }
    return rc;
}

bool spool_move(struct spool *s)
{
    struct log_window window = {.room = MOVE_WINDOW_BYTES};
    struct move m = {.s = s};
    struct segment *seg;
    struct frame *f;
    bool copied = false;
    struct err e;
    int rc;

    pthread_mutex_lock(&s->lock);
    seg = choose(s);
    m.allowed = seg ? little_of(s, seg) : 0;
    pthread_mutex_unlock(&s->lock);
    if (!seg) /* only this thread takes segments out of the list */
        return false;
    window.p = mem_grow(NULL, window.room, 1);
    m.file.window = &window;
    STAILQ_INIT(&m.copies);
    buf_init(&m.content, FRAME_READ_MAX + FRAME_EXTRA_MAX);
    rc = spool_enter(s, seg->number, seg->first, &m.seg, &m.file, &e);
    if (rc > 0) {
        rc = copy_segment(&m, &e);
        pthread_mutex_lock(&s->lock);
        copied = rc > 0 && !STAILQ_EMPTY(&m.copies);
        m.seg->immovable = !copied;
        s->moving |= copied;
        if (copied) /* control data: it goes beyond the limit, for as long as the segment is still there */
            STAILQ_CONCAT(&s->pending, &m.copies);
        pthread_mutex_unlock(&s->lock);
        spool_leave(s, m.seg);
    }
    while ((f = frame_list_take(&m.copies)))
        frame_free(&f);
    buf_release(&m.content);
    mem_free(window.p);
    return copied;
}
