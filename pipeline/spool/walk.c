/* From the newest whole checkpoint on, frame by frame to the end of the log; what is not a whole frame is judged.
 *
 * The question is always the same: was it safe? If so records are lost, and that is damage, which is reported and
 * stepped over. If not the log just ends there: a write that a crash cut short, or bytes of the file's earlier life.
 * Three witnesses know what was safe: the commit mark, each frame (how much was safe before it), and the next
 * segment's checkpoint (how long this one was). At the end the numbers are compared with what they knew: segments and
 * records that are missing altogether are reported too. */
#include "pipeline/spool/walk.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void walk_init(struct walk *w, const struct io_ops *ops, const char *dir)
{
    *w = (struct walk){.ops = ops, .dir = dir};
    buf_init(&w->content, FRAME_EXTRA_MAX + FRAME_READ_MAX);
    w->window.room = WALK_WINDOW_BYTES;
    w->window.p = mem_alloc(WALK_WINDOW_BYTES);
}

void walk_release(struct walk *w)
{
    buf_release(&w->content);
    mem_free(w->window.p);
    MEM_CLEAR(w->segments);
    MEM_CLEAR(w->strangers);
    MEM_CLEAR(w->misnamed);
    MEM_CLEAR(w->unused);
    MEM_CLEAR(w->closed);
}

static void report(struct walk *w, struct walk_segment *seg, uint64_t offset, uint64_t records, const char *what)
{
    seg->damaged = true;
    w->damage(w->ctx, seg->number, offset, records, what);
}

char *walk_file_name(uint64_t number, char out[SEGMENT_NAME_BYTES])
{
    if (number)
        return segment_name(number, out);
    snprintf(out, SEGMENT_NAME_BYTES, "mark");
    return out;
}

int walk_open(const struct walk *w, uint64_t number, struct log_file *f, struct err *e)
{
    uint64_t file = number;
    struct stat st;
    char *path;
    int rc = 0;

    for (size_t i = 0; i < w->misnamed_count; i++)
        if (w->misnamed[i].number == number)
            file = w->misnamed[i].file;
    path = segment_path(w->dir, file);
    *f = (struct log_file){.ops = w->ops, .window = (struct log_window *)&w->window, .dir = w->dir, .number = number};
    f->fd = io_open(w->ops, path, O_RDONLY, 0, e);
    if (f->fd < 0)
        rc = -1;
    else if (fstat(f->fd, &st) < 0)
        rc = err_errno(e, "stat %s", path);
    else
        f->end = (uint64_t)st.st_size;
    if (rc < 0 && f->fd >= 0)
        close(f->fd);
    mem_free(path);
    return rc;
}

/* --- state -------------------------------------------------------------------------------------------------------- */

int walk_decode_checkpoint(struct walk *w, const struct walk_segment *seg, struct spool_state *st, struct err *e)
{
    struct log_file f;
    struct frame_header h;
    int rc;

    if (walk_open(w, seg->number, &f, e) < 0)
        return -1;
    rc = log_file_frame(&f, SEGMENT_HEADER_BYTES, &h, e);
    if (rc > 0)
        rc = log_file_meta(&f, SEGMENT_HEADER_BYTES, &h, &w->content, e);
    if (rc > 0)
        rc = spool_state_decode(st, buf_slice(&w->content));
    close(f.fd);
    w->window.n = 0;
    return rc;
}

/* Nothing is left but the mark: the numbers go on, and what waited is lost. */
static void begin_with_mark(const struct walk *w, struct spool_state *st)
{
    memcpy(st->identity, w->mark.identity, sizeof(st->identity));
    spool_state_begin(st, w->mark.next - w->mark.waiting);
}

/* No checkpoint is left. The oldest record there is was not settled, or else it might be gone: better to deliver it
 * twice than never. */
static void begin_with_oldest(struct walk *w, struct spool_state *st)
{
    spool_state_release(st);
    spool_state_init(st);
    if (w->marked)
        begin_with_mark(w, st);
    if (w->marked && !w->segments[0].first)
        return;
    for (size_t i = w->count; i > 0; i--)
        if (w->segments[i - 1].head)
            memcpy(st->identity, w->segments[i - 1].identity, sizeof(st->identity));
    spool_state_begin(st, w->segments[0].first ? w->segments[0].first : 1);
}

/* 1: *st is this segment's checkpoint. What is not whole is reported. */
static int try_checkpoint(struct walk *w, struct walk_segment *seg, struct spool_state *st, struct err *e)
{
    struct spool_state found;
    int rc = 0;

    spool_state_init(&found);
    if (seg->whole)
        rc = walk_decode_checkpoint(w, seg, &found, e);
    if (rc >= 0 && !seg->head)
        report(w, seg, 0, 0, "the file header");
    if (rc == 0)
        report(w, seg, SEGMENT_HEADER_BYTES, 0, "the checkpoint");
    if (rc > 0) {
        spool_state_release(st);
        *st = found;
    } else {
        spool_state_release(&found);
    }
    return rc;
}

int walk_start(struct walk *w, struct spool_state *st, size_t *from, struct err *e)
{
    *from = 0;
    if (w->count == 0) {
        if (w->marked)
            begin_with_mark(w, st);
        return 0;
    }
    for (size_t i = w->count; i > 0; i--) {
        int rc = try_checkpoint(w, &w->segments[i - 1], st, e);

        *from = i - 1;
        if (rc != 0)
            return rc < 0 ? -1 : 0;
    }
    begin_with_oldest(w, st);
    return 0;
}

int walk_checkpoint(struct walk *w, size_t index, struct spool_state *st, struct err *e)
{
    int rc = try_checkpoint(w, &w->segments[index], st, e);

    if (rc == 0 && index == 0)
        begin_with_oldest(w, st);
    return rc < 0 ? -1 : 0;
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

/* One segment's walk. */
struct stroll {
    struct walk *w;
    struct walk_segment *seg;
    struct log_file file;
    struct spool_state *st;
    bool newest, all, kept;
    uint64_t at;
    uint64_t torn_end; /* of what is certainly of this file's present life */
};

/* Did the mark, or a frame behind t->at, know that t->at was safe? */
static int was_safe(struct stroll *t, struct err *e)
{
    const struct spool_mark *mark = t->w->marked ? &t->w->mark : NULL;
    struct frame_header h;
    uint64_t offset = t->at + 1;
    int rc;

    t->kept = false;
    if (mark && (mark->segment > t->seg->number || (mark->segment == t->seg->number && mark->size > t->at)))
        return 1;
    rc = log_file_remnant(&t->file, t->at, e);
    if (rc < 0)
        return -1;
    if (rc > 0 && t->torn_end < t->at + FRAME_HEADER_BYTES)
        t->torn_end = t->at + FRAME_HEADER_BYTES;
    while ((rc = log_file_search(&t->file, &offset, &h, e)) > 0) {
        if (h.synced > t->at)
            return 1;
        t->kept = true;
        offset += frame_header_total(&h);
        t->torn_end = offset;
    }
    return rc;
}

/* Where what was written behind t->at in this life of the file ends: behind its earlier life there may be zeros (ahead.c). At most
 * t->at when there is nothing. */
static int written_end(const struct stroll *t, uint64_t *end, struct err *e)
{
    return log_file_written(&t->file, t->at > t->seg->reused ? t->at : t->seg->reused, end, e);
}

/* Nothing is missing before the next segment, and here is nothing but the earlier life of the file, and zeros. Otherwise its size
 * would be known: the next one's checkpoint is damaged. */
static int is_left_over(const struct stroll *t, struct err *e)
{
    const struct walk_segment *next = t->seg + 1;
    struct frame_header h;
    uint64_t offset = t->at, end;
    int rc;

    if (next->whole || !next->head || next->number != t->seg->number + 1 || next->first != t->st->next)
        return 0;
    rc = written_end(t, &end, e);
    if (rc < 0 || (end > t->at && end > t->seg->reused))
        return rc < 0 ? -1 : 0;
    rc = log_file_search(&t->file, &offset, &h, e);
    return rc < 0 ? -1 : !rc;
}

/* What is bad at t->at: 1 when it is damage, 0 when the log ends here. */
static int judge(struct stroll *t, struct err *e)
{
    int rc;

    if (t->newest)
        return was_safe(t, e);
    rc = is_left_over(t, e);
    return rc < 0 ? -1 : !rc;
}

/* Steps over bytes that are no frame. 0: the log ends here. */
static int step_over(struct stroll *t, struct err *e)
{
    struct frame_header h;
    uint64_t next = t->at + 1, lost = 0;
    int rc = judge(t, e);

    if (rc <= 0)
        return rc;
    rc = log_file_search(&t->file, &next, &h, e);
    if (rc < 0)
        return -1;
    if (rc == 0)
        next = t->file.end;
    else if (h.first > t->st->next)
        lost = h.first - t->st->next;
    report(t->w, t->seg, t->at, lost, "no frame begins here");
    t->st->next += lost;
    t->at = next;
    return 1;
}

/* A frame whose header is whole. */
static int apply(struct stroll *t, const struct frame_header *h, struct err *e)
{
    struct frame_place place = {t->seg->number, t->at};
    bool checked = t->newest || t->all;
    struct buf *content = &t->w->content;
    int rc = checked ? log_file_body(&t->file, t->at, h, content, e) : log_file_meta(&t->file, t->at, h, content, e);

    if (rc == 0) {
        t->torn_end = t->at + frame_header_total(h);
        rc = judge(t, e);
        if (rc == 0)
            t->kept = true; /* its header is whole: a person may want to see it */
        if (rc <= 0)
            return rc;
        report(t->w, t->seg, t->at, h->count, "the contents of a frame");
        if (h->type == FRAME_DATA)
            (void)spool_state_apply(t->st, h, place, slice_of(NULL, 0));
    } else if (rc > 0 && !spool_state_apply(t->st, h, place, slice_of(content->p, h->extra))) {
        report(t->w, t->seg, t->at, 0, "a frame that does not follow the one before");
    }
    t->at += frame_header_total(h);
    return rc < 0 ? -1 : 1;
}

int walk_frames(struct walk *w, size_t index, bool all, struct spool_state *st, struct walk_end *end, struct err *e)
{
    struct stroll t = {.w = w, .seg = &w->segments[index], .st = st, .all = all, .newest = index + 1 == w->count};
    struct frame_header h;
    uint64_t torn_end, written;
    int rc = 1;

    if (walk_open(w, t.seg->number, &t.file, e) < 0)
        return -1;
    t.file.end = t.seg->size;
    t.at = t.seg->begin;
    while (rc > 0 && t.at < t.file.end) {
        rc = log_file_frame(&t.file, t.at, &h, e);
        rc = rc > 0 ? apply(&t, &h, e) : rc == 0 ? step_over(&t, e) : rc;
    }
    if (rc >= 0)
        rc = written_end(&t, &written, e);
    close(t.file.fd);
    w->window.n = 0;
    if (rc < 0)
        return -1;
    if (all && !t.newest && st->next < t.seg->end) { /* others know that records stood here */
        report(w, t.seg, t.file.end, t.seg->end - st->next, "its end is missing");
        t.seg->cut_off = false;
    }
    torn_end = t.torn_end > t.at ? t.torn_end : t.at;
    if (written > t.seg->reused && written > torn_end)
        torn_end = written;
    *end = (struct walk_end){.at = t.at, .torn = torn_end - t.at, .kept = t.kept};
    return 0;
}

int walk_log(struct walk *w, struct spool_state *st, struct walk_end *end, struct err *e)
{
    size_t from;

    *end = (struct walk_end){.at = 0};
    if (walk_start(w, st, &from, e) < 0)
        return -1;
    for (size_t i = from; i < w->count; i++)
        if (walk_frames(w, i, false, st, end, e) < 0)
            return -1;
    return 0;
}

/* --- what is not there -------------------------------------------------------------------------------------------- */

/* The segment in which the record should be, and in *upto where that one ends; NULL when there is none. */
static const struct walk_segment *holder_of(const struct walk *w, uint64_t seq, uint64_t *upto)
{
    const struct walk_segment *found = NULL;

    for (size_t i = 0; i < w->count; i++) {
        const struct walk_segment *seg = &w->segments[i];

        if (seg->first <= seq && seq < seg->end)
            found = seg;
        else if (seg->first > seq && seg->first < *upto)
            *upto = seg->first;
    }
    if (found && found->end < *upto)
        *upto = found->end;
    return found;
}

/* The number of the segment that held it, as far as anybody knows. */
static uint64_t number_of_missing(const struct walk *w, uint64_t seq)
{
    uint64_t number = w->marked ? w->mark.segment : 1;

    for (size_t i = 0; i < w->closed_count; i++)
        if (w->closed[i].first <= seq && seq < w->closed[i].end)
            return w->closed[i].number;
    for (size_t i = w->count; i > 0; i--)
        if (w->segments[i - 1].first > seq)
            number = w->segments[i - 1].number - 1;
    return number;
}

static bool is_listed(const struct walk *w, uint64_t number)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->segments[i].number == number)
            return true;
    return false;
}

static void report_missing_segments(struct walk *w, const struct spool_state *st)
{
    uint64_t first, upto;

    for (uint64_t seq = 1; spool_state_waiting(st, seq, st->next, &first, &upto); seq = upto)
        if (!holder_of(w, first, &upto))
            w->damage(w->ctx, number_of_missing(w, first), 0, upto - first, "the file is missing");
    for (size_t i = 0; i < st->moved_count; i++)
        if (!is_listed(w, st->moved[i].segment))
            w->damage(w->ctx, st->moved[i].segment, 0, st->moved[i].end - st->moved[i].first, "the file is missing");
}

/* What the mark knows to be safe and the log does not hold. */
static void report_missing_end(struct walk *w, struct spool_state *st)
{
    struct walk_segment *newest = w->count ? &w->segments[w->count - 1] : NULL;
    uint64_t lost = w->mark.next > st->next ? w->mark.next - st->next : 0;

    if (newest && newest->number == w->mark.segment && lost)
        report(w, newest, newest->size, lost, "its end is missing");
    else if (!newest || newest->number < w->mark.segment)
        w->damage(w->ctx, w->mark.segment, 0, lost, "the file is missing");
    else if (lost)
        report(w, newest, newest->size, lost, "records before it are missing");
    st->next += lost;
}

void walk_missing(struct walk *w, struct spool_state *st)
{
    if (w->foreign_mark)
        w->damage(w->ctx, 0, 0, 0, "it belongs to another stream");
    for (size_t i = 0; i < w->stranger_count; i++)
        w->damage(w->ctx, w->strangers[i].name, 0, 0, w->strangers[i].what);
    for (size_t i = 0; i < w->misnamed_count; i++)
        w->damage(w->ctx, w->misnamed[i].name, 0, 0, "it has the name of another segment, and gets its own back");
    report_missing_segments(w, st);
    for (size_t i = 0; i < w->count; i++)
        if (w->segments[i].cut_off)
            report(w, &w->segments[i], w->segments[i].file, 0, "its end is missing");
    if (w->marked)
        report_missing_end(w, st);
}
