/* Two ways to read. A scan says what a batch can take and where it goes on: it reads headers only, and the table of a
 * frame that has to be cut in two. A read brings a frame's records to a worker. Both begin at a cursor, and both
 * answer for every number: what damage took is returned as a run of lost records, so that it is counted and the next
 * call goes on behind it. */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/spool_impl.h"

#include <assert.h>
#include <inttypes.h>

/* One step of a scan. */
struct step {
    uint64_t max_bytes, max_records;
    bool at_least_one;
    struct spool_run *run;
    struct spool_cursor *next;
};

static int report_lost(const struct place *p, uint64_t seq, const struct step *step)
{
    uint64_t count = p->lost < UINT32_MAX ? p->lost : UINT32_MAX;

    *step->run = (struct spool_run){.first = seq, .count = (uint32_t)count, .arrival = NSEC_NEVER};
    *step->next = count == p->lost ? p->next : (struct spool_cursor){.seq = seq + count};
    return -1;
}

static struct spool_cursor behind(const struct place *p)
{
    if (p->header.type == FRAME_MOVED) /* what stands behind it has nothing to do with it */
        return (struct spool_cursor){.seq = p->header.first + p->header.count};
    return (struct spool_cursor){p->header.first + p->header.count, p->file.number,
                                 p->offset + frame_header_total(&p->header)};
}

static struct spool_cursor behind_frame(const struct frame *f)
{
    return (struct spool_cursor){f->header.first + f->header.count, f->segment,
                                 f->offset + frame_header_total(&f->header)};
}

/* Walks the frame's table from `seq`, as far as the step may go. False when the table is not a table. */
static bool take_part(const struct frame_header *h, struct slice table, uint64_t seq, const struct step *step)
{
    struct spool_run *run = step->run;
    uint64_t end = h->first + h->count, bytes = 0;
    size_t at = 0, stored;
    bool ours;

    run->count = 0;
    for (uint64_t i = h->first; i < end; i++) {
        if (!frame_table_next(table, &at, &stored, &ours))
            return false;
        if (i < seq)
            continue;
        if (run->count >= step->max_records || bytes + stored > step->max_bytes)
            if (run->count > 0 || !step->at_least_one)
                break;
        bytes += stored;
        run->count++;
    }
    run->bytes = bytes;
    return bytes <= h->payload;
}

/* The frame has to be cut, by where the cursor stands or by what still fits: its table is needed. */
static int scan_table(struct spool *s, const struct place *p, uint64_t seq, const struct step *step, struct err *e)
{
    const struct frame_header *h = &p->header;
    struct buf meta;
    int rc;

    buf_init(&meta, SIZE_MAX);
    rc = log_file_meta(&p->file, p->offset, h, &meta, e);
    if (rc > 0 && !take_part(h, slice_of(meta.p + h->extra, h->table), seq, step))
        rc = 0;
    buf_release(&meta);
    if (rc < 0)
        return -1;
    if (rc == 0) {
        spool_note_damage(s, p->segment);
        step->run->count = (uint32_t)(h->first + h->count - seq);
        step->run->bytes = 0;
        return spool_say_lost(s, seq, h->first + h->count - 1, e);
    }
    if (seq + step->run->count < h->first + h->count)
        *step->next = (struct spool_cursor){seq + step->run->count, p->file.number, p->offset};
    return 1;
}

/* False: the frame is not in memory. */
static bool scan_warm(struct spool *s, uint64_t seq, const struct step *step)
{
    struct frame *f = warm_pin(&s->warm, seq);
    const struct frame_header *h;
    bool true_table = true;

    if (!f)
        return false;
    h = &f->header;
    *step->next = behind_frame(f);
    *step->run = (struct spool_run){seq, (uint32_t)(h->first + h->count - seq), h->payload, h->arrival};
    if (seq != h->first || step->run->count > step->max_records || h->payload > step->max_bytes) {
        true_table = take_part(h, slice_of((const char *)f->table, f->table_bytes), seq, step);
        if (seq + step->run->count < h->first + h->count)
            *step->next = (struct spool_cursor){seq + step->run->count, f->segment, f->offset};
    }
    assert(true_table);
    warm_unpin(&s->warm, f, 0);
    return true;
}

static int scan_file(struct spool_reader *r, const struct spool_cursor *at, const struct step *step, struct err *e)
{
    struct spool *s = r->spool;
    struct place p;
    const struct frame_header *h = &p.header;
    uint64_t seq = at->seq, count; /* `at` may be what step->next points to */
    int rc;

    if (!r->window.p)
        r->window = (struct log_window){.p = mem_alloc(SCAN_WINDOW_BYTES), .room = SCAN_WINDOW_BYTES};
    rc = spool_locate(s, at, &r->window, &p, e);
    if (rc == 0) { /* the end is reached and the window used up: what comes next is not in it */
        mem_free(r->window.p);
        r->window = (struct log_window){0};
    }
    if (rc <= 0)
        return rc < 0 && e->code == ERR_FORMAT ? report_lost(&p, seq, step) : rc;
    count = h->first + h->count - seq;
    *step->next = behind(&p);
    *step->run = (struct spool_run){seq, (uint32_t)count, h->payload, h->arrival};
    if (seq != h->first || count > step->max_records || h->payload > step->max_bytes)
        rc = scan_table(s, &p, seq, step, e);
    spool_leave(s, p.segment);
    return rc;
}

/* How many records from `seq` on are for the reader, as far as is known. A frame is for it or not: readers come and go when
 * a spool is opened. */
static uint64_t for_reader(const struct spool_reader *r, uint64_t seq)
{
    for (size_t i = 0; i < r->hole_count; i++)
        if (r->holes[i].end > seq)
            return r->holes[i].first > seq ? r->holes[i].first - seq : 0;
    return UINT64_MAX;
}

int spool_scan_part(struct spool_reader *r, const struct spool_cursor *at, uint64_t max_bytes, uint64_t max_records,
                    bool at_least_one, struct spool_run *run, struct spool_cursor *next, struct err *e)
{
    struct step step = {max_bytes, max_records, at_least_one, run, next};
    uint64_t seq = at->seq, most = for_reader(r, seq);
    int rc;

    if (most == 0)
        return 0;
    rc = scan_warm(r->spool, seq, &step) ? 1 : scan_file(r, at, &step, e);
    if (rc > 0 && seq == r->cut.seq)
        spool_note_arrival(r, seq, run->arrival);
    if (rc < 0 && e->code == ERR_FORMAT && run->count > most) { /* what damage took reaches beyond */
        run->count = (uint32_t)most;
        *next = (struct spool_cursor){.seq = seq + most};
    }
    return rc;
}

int spool_scan(struct spool_reader *r, const struct spool_cursor *at, struct spool_run *run, struct spool_cursor *next,
               struct err *e)
{
    return spool_scan_part(r, at, UINT64_MAX, UINT64_MAX, true, run, next, e);
}

static void add_extra(struct slice extra, struct frame_view *v)
{
    frame_extra_find(extra, FRAME_TAG_ORIGIN, &v->origin);
    frame_extra_find(extra, FRAME_TAG_FACTS, &v->facts);
}

static int read_place(struct spool *s, const struct place *p, struct spool_cursor *at, struct buf *raw,
                      struct frame_view *v, struct err *e)
{
    const struct frame_header *h = &p->header;
    int rc = log_file_body(&p->file, p->offset, h, raw, e);

    if (rc < 0)
        return -1;
    *v = (struct frame_view){.first = h->first, .count = h->count, .arrival = h->arrival};
    *at = behind(p);
    if (rc > 0) {
        v->table = slice_of(raw->p + h->extra, h->table);
        v->payload = slice_of(raw->p + h->extra + h->table, h->payload);
        add_extra(slice_of(raw->p, h->extra), v);
        return 1;
    }
    spool_note_damage(s, p->segment);
    return spool_say_lost(s, h->first, h->first + h->count - 1, e);
}

bool spool_borrow(struct spool *s, struct spool_cursor *at, struct frame **f, struct frame_view *v)
{
    const struct frame *got = *f = warm_pin(&s->warm, at->seq);

    if (!got)
        return false;
    *at = behind_frame(got);
    *v = (struct frame_view){.first = got->header.first,
                             .count = got->header.count,
                             .arrival = got->header.arrival,
                             .table = slice_of((const char *)got->table, got->table_bytes),
                             .payload = slice_of(got->payload, got->bytes)};
    add_extra(buf_slice(&got->extra), v);
    return true;
}

void spool_let_go(struct spool *s, struct frame **f, uint64_t read)
{
    if (*f)
        warm_unpin(&s->warm, *f, read);
    *f = NULL;
}

int spool_read(struct spool *s, struct spool_cursor *at, struct buf *raw, struct frame_view *v, struct err *e)
{
    unsigned char ahead[READ_AHEAD_BYTES];
    struct log_window w = {.p = ahead, .room = sizeof(ahead)};
    struct spool_run run;
    struct spool_cursor next;
    struct step step = {UINT64_MAX, UINT64_MAX, true, &run, &next};
    struct place p;
    int rc = spool_locate(s, at, &w, &p, e);

    if (rc > 0) {
        rc = read_place(s, &p, at, raw, v, e);
        spool_leave(s, p.segment);
    } else if (rc < 0 && e->code == ERR_FORMAT) {
        report_lost(&p, at->seq, &step);
        *v = (struct frame_view){.first = at->seq, .count = run.count, .arrival = NSEC_NEVER};
        *at = next;
    }
    return rc;
}
