/* Which files belong to the log, and what their heads say. */
#include "pipeline/base/io.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/walk.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number of the first record behind the checkpoint, and whether any frame is there. */
static int find_first(const struct log_file *f, struct walk_segment *seg, struct err *e)
{
    uint64_t at = seg->begin;
    struct frame_header h;
    int rc;

    while ((rc = log_file_search(f, &at, &h, e)) > 0) {
        if (!seg->frames && !seg->head && !seg->whole && h.type != FRAME_MOVED)
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
    if (seg->whole && !seg->head && w->content.n >= sizeof(seg->identity))
        memcpy(seg->identity, w->content.p, sizeof(seg->identity)); /* it begins with it */
    return rc < 0 ? -1 : 0;
}

static int load_segment(struct walk *w, struct walk_segment *seg, struct err *e)
{
    char name[SEGMENT_NAME_BYTES];
    struct segment_header head;
    struct log_file f;
    int rc;

    if (walk_open(w, seg->number, &f, e) < 0)
        return -1;
    seg->size = seg->file = f.end;
    seg->begin = SEGMENT_HEADER_BYTES;
    rc = log_file_header(&f, &head, e);
    if (rc > 0) {
        if (head.format > SEGMENT_FORMAT)
            rc = err_set(e, ERR_FORMAT,
                         "%s/%s was written by a newer sluice (format %" PRIu32 "); this one reads format %d", w->dir,
                         segment_name(seg->number, name), head.format, SEGMENT_FORMAT);
        seg->head = true;
        seg->first = head.first;
        seg->format = head.format;
        seg->number_inside = head.number;
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

static int list_names(struct walk *w, struct err *e)
{
    DIR *d = opendir(w->dir);
    struct dirent *entry;
    uint64_t number;

    if (!d)
        return errno == ENOENT ? 0 : err_errno(e, "open folder %s", w->dir);
    errno = 0;
    while ((entry = readdir(d))) {
        if (!segment_name_parse(entry->d_name, &number))
            continue;
        if (w->count == w->room) {
            w->room = w->room ? 2 * w->room : 16;
            w->segments = mem_grow(w->segments, w->room, sizeof(*w->segments));
        }
        w->segments[w->count++] = (struct walk_segment){.number = number};
    }
    if (errno != 0)
        err_errno(e, "read folder %s", w->dir);
    closedir(d);
    if (w->count > 1)
        qsort(w->segments, w->count, sizeof(*w->segments), by_number);
    return errno != 0 ? -1 : 0;
}

/* Is there a true frame at or behind what `next` knew of this segment? Then `next` was abandoned. */
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

/* What stands behind the size that the next segment knows of was never taken, but for one that was abandoned: a
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

/* A crash left the newest behind before it was used. */
static bool newest_is_unused(const struct walk *w)
{
    const struct walk_segment *newest = w->count ? &w->segments[w->count - 1] : NULL;
    const struct walk_segment *before = w->count > 1 ? newest - 1 : NULL;

    if (!newest || newest->frames || (w->marked && w->mark.segment >= newest->number))
        return false;
    if (!newest->whole)
        return before || newest->number == 1;
    return newest->overtaken;
}

/* --- whose they are ----------------------------------------------------------------------------------------------- */

static bool same_identity(const unsigned char *a, const unsigned char *b)
{
    return memcmp(a, b, SEGMENT_IDENTITY_BYTES) == 0;
}

static bool says_whose(const struct walk_segment *seg)
{
    return seg->head || seg->whole;
}

/* How many witnesses say that the log is this one's: segments, the mark, the identity file. */
static size_t witnesses_of(const struct walk *w, const unsigned char *identity)
{
    size_t n = 0;

    for (size_t i = 0; i < w->count; i++)
        n += says_whose(&w->segments[i]) && same_identity(w->segments[i].identity, identity);
    n += w->marked && same_identity(w->mark.identity, identity);
    n += w->has_noted && same_identity(w->noted, identity);
    return n;
}

/* Whose log this is. Mark and identity file lie side by side for good, so what both say is so, whatever segments were put beside
 * them. When they differ, or one is missing, it is what most say: a single file that is out of place does not outvote a log. Where
 * as many say one thing as the other, the mark decides if a segment agrees with it. NULL: nobody says anything. */
static const unsigned char *find_owner(const struct walk *w)
{
    const unsigned char *found = w->has_noted ? w->noted : NULL;
    size_t most = found ? witnesses_of(w, found) : 0, n_mark;

    if (w->marked && w->has_noted && same_identity(w->mark.identity, w->noted))
        return w->noted;
    for (size_t i = w->count; i > 0; i--) {
        const struct walk_segment *seg = &w->segments[i - 1];
        size_t n;

        if (!says_whose(seg) || (found && same_identity(seg->identity, found)))
            continue;
        n = witnesses_of(w, seg->identity);
        if (n > most) {
            found = seg->identity;
            most = n;
        }
    }
    n_mark = w->marked ? witnesses_of(w, w->mark.identity) : 0;
    return n_mark > most || (n_mark == most && n_mark > 1) ? w->mark.identity : found;
}

static void add_stranger(struct walk *w, uint64_t name, const char *what)
{
    w->strangers[w->stranger_count++] = (struct walk_stranger){name, what};
}

/* What another stream wrote is no part of this log, whatever its name is. Without a segment nobody contradicts the mark. */
static void leave_out_foreign(struct walk *w)
{
    const unsigned char *found = w->count ? find_owner(w) : NULL;
    unsigned char owner[SEGMENT_IDENTITY_BYTES];
    size_t kept = 0;

    if (!found)
        return;
    memcpy(owner, found, sizeof(owner));
    w->foreign_mark = w->marked && !same_identity(w->mark.identity, owner);
    w->marked &= !w->foreign_mark;
    for (size_t i = 0; i < w->count; i++) {
        const struct walk_segment *seg = &w->segments[i];

        if (says_whose(seg) && !same_identity(seg->identity, owner))
            add_stranger(w, seg->number, "it belongs to another stream");
        else
            w->segments[kept++] = *seg;
    }
    w->count = kept;
}

/* --- whose names they have ------------------------------------------------------------------------------------------ */

static bool is_misnamed(const struct walk_segment *seg)
{
    return seg->head && seg->number_inside != seg->number;
}

static bool is_taken(const struct walk *w, uint64_t number)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->segments[i].number == number && !is_misnamed(&w->segments[i]))
            return true;
    return false;
}

/* Under its own number from now on, and read once more: frames that are under another one are none. */
static int take_own_number(struct walk *w, struct walk_segment *seg, struct err *e)
{
    w->misnamed[w->misnamed_count++] = (struct walk_misnamed){seg->number_inside, seg->number, seg->number};
    *seg = (struct walk_segment){.number = seg->number_inside};
    return load_segment(w, seg, e);
}

/* A segment that was renamed, or two that changed places, are as good as ever: nothing is lost by it. But one that is there
 * under its own name, too, is a copy. */
static int sort_out_names(struct walk *w, struct err *e)
{
    size_t kept = 0, count = w->count;

    for (size_t i = 0; i < count; i++) {
        struct walk_segment *seg = &w->segments[i];

        if (is_misnamed(seg) && !is_taken(w, seg->number_inside) && take_own_number(w, seg, e) < 0)
            return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_misnamed(&w->segments[i]))
            add_stranger(w, w->segments[i].number, "it is a copy of another segment");
        else
            w->segments[kept++] = w->segments[i];
    }
    w->count = kept;
    if (w->count > 1)
        qsort(w->segments, w->count, sizeof(*w->segments), by_number);
    return 0;
}

/* --- what the newest checkpoint knows of those before --------------------------------------------------------------- */

static const struct closed_segment *find_closed(const struct walk *w, uint64_t number)
{
    for (size_t i = 0; i < w->closed_count; i++)
        if (w->closed[i].number == number)
            return &w->closed[i];
    return NULL;
}

static int load_closed(struct walk *w, struct err *e)
{
    struct spool_state st;
    size_t i = w->count;
    int rc;

    while (i > 0 && (!w->segments[i - 1].whole || w->segments[i - 1].overtaken))
        i--;
    if (i == 0)
        return 0;
    spool_state_init(&st);
    rc = walk_decode_checkpoint(w, &w->segments[i - 1], &st, e);
    if (rc > 0) {
        w->closed = st.closed;
        w->closed_count = st.closed_count;
        st.closed = NULL;
    }
    spool_state_release(&st);
    return rc < 0 ? -1 : 0;
}

/* The number behind the last record of a segment that nothing else knows the end of. */
static int find_end(struct walk *w, struct walk_segment *seg, struct err *e)
{
    struct frame_header h;
    struct log_file f;
    uint64_t at = seg->begin;
    int rc;

    if (walk_open(w, seg->number, &f, e) < 0)
        return -1;
    f.end = seg->size;
    seg->end = seg->first;
    while ((rc = log_file_search(&f, &at, &h, e)) > 0) {
        if (h.type == FRAME_DATA)
            seg->end = h.first + h.count;
        at += frame_header_total(&h);
    }
    close(f.fd);
    w->window.n = 0;
    return rc < 0 ? -1 : 0;
}

/* Sizes and ends. A segment that is shorter than it was has lost its end. */
static int fit_to_closed(struct walk *w, struct err *e)
{
    for (size_t i = 0; i < w->count; i++) {
        struct walk_segment *seg = &w->segments[i], *next = i + 1 < w->count ? seg + 1 : NULL;
        const struct closed_segment *c = find_closed(w, seg->number);

        if (c) {
            seg->end = c->end;
            seg->cut_off = c->size > seg->file;
            seg->size = c->size < seg->size && c->size >= seg->begin ? c->size : seg->size;
        } else if (!next) {
            seg->end = UINT64_MAX;
        } else if (next->number == seg->number + 1 && (next->head || next->whole || next->frames)) {
            seg->end = next->first;
        } else if (find_end(w, seg, e) < 0) {
            return -1;
        }
    }
    return 0;
}

int walk_check_folders(const char *dir, struct err *e)
{
    enum { FOLDERS = 3 }; /* streams/NAME/spool */
    char *damaged = mem_printf("%s/damaged", dir);
    int rc = io_check_folders(damaged, 1 + FOLDERS, e);

    mem_free(damaged);
    return rc;
}

int walk_list(struct walk *w, struct err *e)
{
    if (walk_check_folders(w->dir, e) < 0 || list_names(w, e) < 0)
        return -1;
    for (size_t i = 0; i < w->count; i++)
        if (load_segment(w, &w->segments[i], e) < 0)
            return -1;
    w->marked = mark_read(w->ops, w->dir, &w->mark);
    w->has_noted = identity_read(w->ops, w->dir, w->noted);
    if (w->count) {
        w->strangers = mem_array(w->count, sizeof(*w->strangers));
        w->misnamed = mem_array(w->count, sizeof(*w->misnamed));
        w->unused = mem_array(w->count, sizeof(*w->unused));
    }
    leave_out_foreign(w);
    if (sort_out_names(w, e) < 0 || clip_to_next(w, e) < 0 || load_closed(w, e) < 0)
        return -1;
    while (newest_is_unused(w))
        w->unused[w->unused_count++] = w->segments[--w->count].number;
    return fit_to_closed(w, e);
}
