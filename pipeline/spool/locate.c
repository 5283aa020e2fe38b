/* From a sequence number to the frame that holds it.
 *
 * A cursor says where the frame should be. What is there decides: frames that end before the number are stepped over
 * (also control frames, and a cursor may point to the end of a segment that is gone), and where no true frame is, the
 * next one is searched. The numbers tell whether records are missing, so there is one rule for every kind of damage: a
 * bad header, a truncated file, a file that somebody deleted.
 *
 * Records that were copied forward (move.c) are looked for where the copy is, and only when that is damaged where they
 * were first put. */
#include "pipeline/spool/spool_impl.h"

#include <inttypes.h>

void spool_note_damage(struct spool *s, struct segment *seg)
{
    pthread_mutex_lock(&s->lock);
    seg->damaged = true;
    pthread_mutex_unlock(&s->lock);
}

int spool_say_lost(const struct spool *s, uint64_t first, uint64_t last, struct err *e)
{
    if (first == last)
        return err_set(e, ERR_FORMAT, "%s is damaged: record %" PRIu64 " is lost", s->dir, first);
    return err_set(e, ERR_FORMAT, "%s is damaged: records %" PRIu64 " to %" PRIu64 " are lost", s->dir, first, last);
}

/* The first data frame at or behind p->offset that does not end before seq. 1, or 0 at the end of the segment. */
static int find_in_segment(struct spool *s, uint64_t seq, struct place *p, struct err *e)
{
    const struct log_file *f = &p->file;

    while (p->offset < f->end) {
        int rc = log_file_frame(f, p->offset, &p->header, e);

        if (rc == 0) {
            spool_note_damage(s, p->segment);
            p->offset++;
            rc = log_file_search(f, &p->offset, &p->header, e);
        }
        if (rc <= 0)
            return rc;
        if (p->header.type == FRAME_DATA && p->header.first + p->header.count > seq)
            return 1;
        p->offset += frame_header_total(&p->header);
    }
    return 0;
}

/* What is known of a record before its frame is looked for. */
struct lookup {
    uint64_t committed; /* the number behind the last record */
    uint64_t upto;      /* what is lost here ends before it: copies and what was not copied are damaged one by one */
    bool moved;         /* the record was copied to ... */
    struct spool_cursor to;
};

static struct lookup look_up(struct spool *s, uint64_t seq)
{
    struct lookup l;
    const struct moved_run *m;

    pthread_mutex_lock(&s->lock);
    l = (struct lookup){.committed = s->state.next, .upto = s->state.next};
    m = spool_state_moved_from(&s->state, seq);
    if (m) {
        l.moved = m->first <= seq;
        l.upto = l.moved ? m->end : m->first;
        l.to = (struct spool_cursor){seq, m->segment, m->offset};
    }
    pthread_mutex_unlock(&s->lock);
    return l;
}

/* The copy of at->seq, when it is what stands at `from`. Entered when 1 is returned. */
static int find_moved(struct spool *s, const struct spool_cursor *from, struct place *p, struct err *e)
{
    int rc = spool_enter(s, from->segment, from->seq, &p->segment, &p->file, e);

    if (rc <= 0)
        return rc;
    p->offset = from->offset;
    if (p->segment->number == from->segment)
        rc = log_file_frame(&p->file, p->offset, &p->header, e);
    else
        rc = 0;
    if (rc > 0 && p->header.type == FRAME_MOVED && p->header.first <= from->seq &&
        from->seq - p->header.first < p->header.count)
        return 1;
    if (rc >= 0)
        spool_note_damage(s, p->segment);
    spool_leave(s, p->segment);
    return rc < 0 ? -1 : 0;
}

static int lost(struct spool *s, struct place *p, uint64_t from, uint64_t upto, struct spool_cursor next, struct err *e)
{
    if (next.seq > upto)
        next = (struct spool_cursor){.seq = upto};
    p->lost = next.seq - from;
    p->next = next;
    return spool_say_lost(s, from, next.seq - 1, e);
}

int spool_locate(struct spool *s, const struct spool_cursor *at, struct log_window *w, struct place *p, struct err *e)
{
    struct lookup l = look_up(s, at->seq);
    int rc;

    if (at->seq >= l.committed)
        return 0;
    p->file.window = w;
    if (l.moved) {
        rc = find_moved(s, &l.to, p, e);
        if (rc != 0)
            return rc;
    }
    rc = spool_enter(s, at->segment, at->seq, &p->segment, &p->file, e);
    p->offset = rc > 0 && p->segment->number == at->segment ? at->offset : 0;
    while (rc > 0) {
        uint64_t number = p->segment->number;

        if (p->offset < p->segment->begin)
            p->offset = p->segment->begin;
        rc = find_in_segment(s, at->seq, p, e);
        if (rc > 0 && p->header.first <= at->seq)
            return 1;
        spool_leave(s, p->segment);
        if (rc > 0)
            return lost(s, p, at->seq, l.upto, (struct spool_cursor){p->header.first, number, p->offset}, e);
        if (rc == 0)
            rc = spool_enter_next(s, number, &p->segment, &p->file, e);
        p->offset = 0;
    }
    return rc < 0 ? -1 : lost(s, p, at->seq, l.upto, (struct spool_cursor){.seq = l.committed}, e);
}
