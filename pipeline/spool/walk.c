#include "pipeline/spool/walk.h"

#include "pipeline/base/mem.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW_BYTES = 16 * 1024 };

void walk_init(struct walk *w, const struct file_ops *ops, const char *dir)
{
    *w = (struct walk){.ops = ops, .dir = dir};
    buf_init(&w->content, FRAME_EXTRA_MAX + FRAME_READ_MAX);
    w->window.room = WINDOW_BYTES;
    w->window.p = mem_alloc(WINDOW_BYTES);
}

void walk_release(struct walk *w)
{
    buf_release(&w->content);
    mem_free(w->window.p);
    MEM_CLEAR(w->segments);
}

static void report(struct walk *w, struct walk_segment *seg, uint64_t offset, uint64_t records, const char *what)
{
    seg->damaged = true;
    w->damage(w->ctx, seg->number, offset, records, what);
}

int walk_open(const struct walk *w, uint64_t number, struct log_file *f, struct err *e)
{
    char name[SEGMENT_NAME_BYTES], *path = mem_printf("%s/%s", w->dir, segment_name(number, name));
    struct stat st;
    int rc = 0;

    *f = (struct log_file){.ops = w->ops, .window = (struct log_window *)&w->window, .dir = w->dir, .number = number};
    f->fd = w->ops->open(path, O_RDONLY, 0);
    if (f->fd < 0 || fstat(f->fd, &st) < 0)
        rc = err_errno(e, "open %s", path);
    else
        f->end = (uint64_t)st.st_size;
    if (rc < 0 && f->fd >= 0)
        close(f->fd);
    mem_free(path);
    return rc;
}

/* --- list --------------------------------------------------------------------------------------------------------- */

static int check_head(const struct walk *w, const struct segment_header *h, uint64_t number, struct err *e)
{
    char name[SEGMENT_NAME_BYTES];

    segment_name(number, name);
    if (h->format != SEGMENT_FORMAT)
        return err_set(e, ERR_FORMAT,
                       "%s/%s was written by a newer sluice (format %" PRIu32 "); this one reads format %d", w->dir,
                       name, h->format, SEGMENT_FORMAT);
    if (h->number != number)
        return err_set(e, ERR_FORMAT, "%s/%s is number %" PRIu64 " by its contents: give it back its name", w->dir,
                       name, h->number);
    return 0;
}

/* The number of the first record behind the checkpoint, and whether any frame is there. */
static int find_first(const struct log_file *f, struct walk_segment *seg, struct err *e)
{
    uint64_t at = seg->begin;
    struct frame_header h;
    int rc;

    while ((rc = log_file_search(f, &at, &h, e)) > 0) {
        if (!seg->frames && !seg->head && !seg->whole)
            seg->first = h.first;
        seg->frames = true;
        if (h.type == FRAME_DATA || seg->head || seg->whole)
            break;
        at += frame_header_total(&h);
    }
    if (rc > 0 && h.type == FRAME_DATA && !seg->head && !seg->whole)
        seg->first = h.first;
    return rc < 0 ? -1 : 0;
}

static int load_checkpoint(struct walk *w, const struct log_file *f, struct walk_segment *seg, struct err *e)
{
    struct frame_header h;
    int rc = log_file_frame(f, SEGMENT_HEADER_BYTES, &h, e);

    if (rc <= 0 || h.type != FRAME_CHECKPOINT)
        return rc < 0 ? -1 : 0;
    seg->begin = SEGMENT_HEADER_BYTES + frame_header_total(&h);
    seg->first = h.first;
    seg->before = h.synced;
    rc = log_file_meta(f, SEGMENT_HEADER_BYTES, &h, &w->content, e);
    seg->whole = rc > 0;
    return rc < 0 ? -1 : 0;
}

static int load_segment(struct walk *w, struct walk_segment *seg, struct err *e)
{
    struct segment_header head;
    struct log_file f;
    int rc;

    if (walk_open(w, seg->number, &f, e) < 0)
        return -1;
    seg->size = seg->file = f.end;
    seg->begin = SEGMENT_HEADER_BYTES;
    rc = log_file_header(&f, &head, e);
    if (rc > 0) {
        rc = check_head(w, &head, seg->number, e);
        seg->head = true;
        seg->first = head.first;
        seg->reused = head.reused;
        memcpy(seg->identity, head.identity, sizeof(seg->identity));
    }
    if (rc >= 0 && load_checkpoint(w, &f, seg, e) == 0)
        rc = find_first(&f, seg, e);
    else
        rc = -1;
    if (seg->begin > seg->size)
        seg->begin = seg->size;
    close(f.fd);
    w->window.n = 0;
    return rc;
}

static int by_number(const void *a, const void *b)
{
    const struct walk_segment *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static void add_name(struct walk *w, const char *name)
{
    uint64_t number;

    if (!segment_name_parse(name, &number))
        return;
    if (w->count == w->room) {
        w->room = w->room ? 2 * w->room : 16;
        w->segments = mem_grow(w->segments, w->room, sizeof(*w->segments));
    }
    w->segments[w->count++] = (struct walk_segment){.number = number};
}

static int list_names(struct walk *w, struct err *e)
{
    DIR *d = opendir(w->dir);
    struct dirent *entry;

    if (!d)
        return errno == ENOENT ? 0 : err_errno(e, "open folder %s", w->dir);
    errno = 0;
    while ((entry = readdir(d)))
        add_name(w, entry->d_name);
    if (errno != 0)
        err_errno(e, "read folder %s", w->dir);
    closedir(d);
    if (w->count > 1)
        qsort(w->segments, w->count, sizeof(*w->segments), by_number);
    return errno != 0 ? -1 : 0;
}

/* Is there a true frame at or behind what `next` knew of this segment? Then `next` was made in vain. */
static int find_overtaken(struct walk *w, const struct walk_segment *seg, struct walk_segment *next, struct err *e)
{
    struct frame_header h;
    struct log_file f;
    uint64_t at = next->before;
    int rc;

    if (walk_open(w, seg->number, &f, e) < 0)
        return -1;
    rc = log_file_search(&f, &at, &h, e);
    next->overtaken = rc > 0;
    close(f.fd);
    w->window.n = 0;
    return rc < 0 ? -1 : 0;
}

/* What stands behind the size that the next segment knows of was never taken, but for one that was made in vain: a
 * write that was undone, or left over from the file's earlier life. */
static int clip_to_next(struct walk *w, struct err *e)
{
    for (size_t i = 0; i + 1 < w->count; i++) {
        struct walk_segment *seg = &w->segments[i], *next = &w->segments[i + 1];

        if (!next->whole || next->number != seg->number + 1 || next->before < seg->begin || next->before >= seg->size)
            continue;
        if (!next->frames && i + 2 == w->count && find_overtaken(w, seg, next, e) < 0)
            return -1;
        if (!next->overtaken)
            seg->size = next->before;
    }
    return 0;
}

int walk_list(struct walk *w, struct err *e)
{
    if (list_names(w, e) < 0)
        return -1;
    for (size_t i = 0; i < w->count; i++)
        if (load_segment(w, &w->segments[i], e) < 0)
            return -1;
    return clip_to_next(w, e);
}

bool walk_newest_is_unused(const struct walk *w)
{
    const struct walk_segment *newest = w->count ? &w->segments[w->count - 1] : NULL;
    const struct walk_segment *before = w->count > 1 ? newest - 1 : NULL;

    if (!newest || newest->frames)
        return false;
    if (!newest->whole)
        return before || newest->number == 1;
    return newest->overtaken;
}

/* --- state -------------------------------------------------------------------------------------------------------- */

static int decode_checkpoint(struct walk *w, const struct walk_segment *seg, struct spool_state *st, struct err *e)
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

/* No checkpoint is left. The oldest record there is was not settled, or else it might be gone: better to deliver it
 * twice than never. */
static void begin_with_oldest(struct walk *w, struct spool_state *st)
{
    spool_state_release(st);
    spool_state_init(st);
    for (size_t i = w->count; i > 0; i--)
        if (w->segments[i - 1].head)
            memcpy(st->identity, w->segments[i - 1].identity, sizeof(st->identity));
    st->next = w->segments[0].first ? w->segments[0].first : 1;
    st->cut = (struct spool_cursor){.seq = st->next};
    st->settled.delivered = st->next - 1;
}

/* 1: *st is this segment's checkpoint. What is not whole is reported. */
static int try_checkpoint(struct walk *w, struct walk_segment *seg, struct spool_state *st, struct err *e)
{
    struct spool_state found;
    int rc = 0;

    spool_state_init(&found);
    if (seg->whole)
        rc = decode_checkpoint(w, seg, &found, e);
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

/* Did a frame behind t->at know that t->at was safe? */
static int was_safe(struct stroll *t, struct err *e)
{
    struct frame_header h;
    uint64_t offset = t->at + 1;
    int rc;

    t->kept = false;
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

/* Nothing is missing before the next segment, and here is nothing but the earlier life of the file. Otherwise its size
 * would be known: the next one's checkpoint is damaged. */
static int is_left_over(const struct stroll *t, struct err *e)
{
    const struct walk_segment *next = t->seg + 1;
    struct frame_header h;
    uint64_t offset = t->at;
    int rc;

    if (next->whole || !next->head || next->number != t->seg->number + 1 || next->first != t->st->next ||
        t->file.end > t->seg->reused)
        return 0;
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
    bool checked = t->newest || t->all;
    struct buf *content = &t->w->content;
    int rc = checked ? log_file_body(&t->file, t->at, h, content, e) : log_file_meta(&t->file, t->at, h, content, e);

    if (rc == 0) {
        t->torn_end = t->at + frame_header_total(h);
        rc = judge(t, e);
        if (rc <= 0)
            return rc;
        report(t->w, t->seg, t->at, h->count, "the contents of a frame");
        if (h->type == FRAME_DATA)
            (void)spool_state_apply(t->st, h, slice_of(NULL, 0));
    } else if (rc > 0 && !spool_state_apply(t->st, h, slice_of(content->p, h->extra))) {
        report(t->w, t->seg, t->at, 0, "a frame that does not follow the one before");
    }
    t->at += frame_header_total(h);
    return rc < 0 ? -1 : 1;
}

static struct walk_end end_of(const struct stroll *t)
{
    uint64_t torn_end = t->torn_end > t->at ? t->torn_end : t->at;

    if (t->file.end > t->seg->reused)
        torn_end = t->file.end;
    return (struct walk_end){.at = t->at, .torn = torn_end - t->at, .kept = t->kept};
}

int walk_frames(struct walk *w, size_t index, bool all, struct spool_state *st, struct walk_end *end, struct err *e)
{
    struct stroll t = {.w = w, .seg = &w->segments[index], .st = st, .all = all, .newest = index + 1 == w->count};
    struct frame_header h;
    int rc = 1;

    if (walk_open(w, t.seg->number, &t.file, e) < 0)
        return -1;
    t.file.end = t.seg->size;
    t.at = t.seg->begin;
    while (rc > 0 && t.at < t.file.end) {
        rc = log_file_frame(&t.file, t.at, &h, e);
        rc = rc > 0 ? apply(&t, &h, e) : rc == 0 ? step_over(&t, e) : rc;
    }
    close(t.file.fd);
    w->window.n = 0;
    *end = end_of(&t);
    return rc < 0 ? -1 : 0;
}
