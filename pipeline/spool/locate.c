/* From a sequence number to the frame that holds it.
 *
 * A cursor says where the frame should be. What is there decides: frames that end before the number are stepped over
 * (also control frames, and a cursor may point to the end of a segment that is gone), and where no true frame is, the
 * next one is searched. The numbers tell whether records are missing, so there is one rule for every kind of damage: a
 * bad header, a truncated file, a file that somebody deleted. */
#include "pipeline/spool/spool_impl.h"

#include <inttypes.h>

void spool_note_damage(struct spool *s, struct segment *seg)
{
    pthread_mutex_lock(&s->lock);
    seg->damaged = true;
    pthread_mutex_unlock(&s->lock);
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

static uint64_t committed_next(struct spool *s)
{
    uint64_t next;

    pthread_mutex_lock(&s->lock);
    next = s->state.next;
    pthread_mutex_unlock(&s->lock);
    return next;
}

static int lost(struct spool *s, struct place *p, uint64_t from, struct spool_cursor next, struct err *e)
{
    p->lost = next.seq - from;
    p->next = next;
    return err_set(e, ERR_FORMAT, "%s is damaged: records %" PRIu64 " to %" PRIu64 " are lost", s->dir, from,
                   next.seq - 1);
}

int spool_locate(struct spool *s, const struct spool_cursor *at, struct log_window *w, struct place *p, struct err *e)
{
    uint64_t end = committed_next(s);
    int rc;

    if (at->seq >= end)
        return 0;
    p->file.window = w;
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
            return lost(s, p, at->seq, (struct spool_cursor){p->header.first, number, p->offset}, e);
        if (rc == 0)
            rc = spool_enter_next(s, number, &p->segment, &p->file, e);
        p->offset = 0;
    }
    return rc < 0 ? -1 : lost(s, p, at->seq, (struct spool_cursor){.seq = end}, e);
}
