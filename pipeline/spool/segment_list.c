/* The files of one log, in order. The newest is written to, the others are only read.
 *
 * A new segment begins with a checkpoint, and is safe, file and name, before the list knows it: so frames in it may
 * be relied on, and older segments may go without being read. A segment goes when no record waits in it, wherever it
 * stands in the list; the newest never. Whoever reads holds it as a user: taken out of the list meanwhile it is dead,
 * and the last user frees it. An old segment's file is opened when somebody reads it, and only the one that was read
 * last stays open. */
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/spool_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct segment *spool_active(const struct spool *s)
{
    return s->segments[s->segment_count - 1];
}

uint64_t spool_file_bytes(const struct segment *seg)
{
    uint64_t written = seg->size > seg->ahead ? seg->size : seg->ahead;

    return written > seg->reused ? written : seg->reused;
}

void spool_add_segment(struct spool *s, const struct segment *seg)
{
    struct segment *made = mem_alloc(sizeof(*made));

    *made = *seg;
    if (s->segment_count == s->segment_room) {
        s->segment_room = s->segment_room ? 2 * s->segment_room : 4;
        s->segments = mem_grow(s->segments, s->segment_room, sizeof(struct segment *));
    }
    s->segments[s->segment_count++] = made;
    s->disk_bytes += seg->size;
    s->held_bytes += seg->size - seg->begin;
}

/* --- creating ----------------------------------------------------------------------------------------------------- */

/* A recycled file, which gets its name when it is safe, or a new one. */
static int open_new(struct spool *s, struct segment *seg, struct recycled *from, const char *path, struct err *e)
{
    int fd;

    if (recycle_take(s, from, &fd)) {
        seg->reused = from->bytes;
        return fd;
    }

    if (s->memory) {
        fd = memfd_create(s->stream, MFD_CLOEXEC);
        return fd < 0 ? err_errno(e, "create a memory file for stream %s", s->stream) : fd;
    }
    fd = io_open(s->ops, path, O_RDWR | O_CREAT | O_EXCL, 0600, e);
    if (fd < 0 && errno == EEXIST &&
        s->ops->unlink(path) == 0) /* of a segment that was abandoned, or none of ours: numbers only grow */
        fd = io_open(s->ops, path, O_RDWR | O_CREAT | O_EXCL, 0600, e);
    return fd;
}

/* So that a start knows which segments should be there. */
static void note_closed(struct spool *s)
{
    struct spool_state *st = &s->state;

    MEM_CLEAR(st->closed);
    st->closed = s->segment_count ? mem_array(s->segment_count, sizeof(*st->closed)) : NULL;
    for (st->closed_count = 0; st->closed_count < s->segment_count; st->closed_count++) {
        const struct segment *seg = s->segments[st->closed_count];
        bool active = st->closed_count + 1 == s->segment_count;

        st->closed[st->closed_count] =
            (struct closed_segment){seg->number, seg->first, active ? st->next : seg->end, seg->size};
    }
}

static int write_checkpoint(struct spool *s, struct segment *seg, const char *path, struct err *e)
{
    struct segment_header h = {
        .format = SEGMENT_FORMAT, .number = seg->number, .first = seg->first, .reused = seg->reused};
    unsigned char head[SEGMENT_HEADER_BYTES];
    struct frame *f = frame_new_control(FRAME_CHECKPOINT);
    struct iovec v[3] = {{head, sizeof(head)}, {f->encoded, sizeof(f->encoded)}};
    int rc = -1;

    memcpy(h.identity, s->state.identity, sizeof(h.identity));
    segment_header_encode(&h, head);
    note_closed(s);
    if (spool_state_encode(&s->state, &f->extra) < 0) {
        err_set(e, ERR_LIMIT, "%s: the positions of all sources need more than a checkpoint holds", path);
        goto out;
    }
    f->header.first = s->state.next;
    f->header.synced = s->segment_count ? spool_active(s)->size : 0; /* of the segment before: walk.c */
    frame_finish(f);
    frame_header_encode(&f->header, seg->number, SEGMENT_HEADER_BYTES, f->encoded);
    v[2] = (struct iovec){f->extra.p, f->extra.n};
    seg->begin = seg->size = SEGMENT_HEADER_BYTES + frame_header_total(&f->header);
    rc = io_write_at(s->ops, seg->fd, v, 3, 0);
    if (rc < 0)
        err_errno(e, "write %s", path);
out:
    frame_free(&f);
    return rc;
}

/* The file first, then its name: after this a crash cannot lose the segment, so frames may rely on it. */
static int make_safe(struct spool *s, int fd, const struct recycled *from, const char *path, struct err *e)
{
    if (s->memory)
        return 0;
    if (s->ops->fdatasync(fd) < 0)
        return err_errno(e, "sync %s", path);
    if (from->path && s->ops->rename(from->path, path) < 0)
        return err_errno(e, "rename %s to %s", from->path, path);
    if (io_sync_folder(s->ops, s->dir, e) < 0)
        return -1;
    recycle_names_are_safe(s);
    return 0;
}

/* The new one takes over: the one before is read from now on, and its file is closed until somebody does. */
static void adopt(struct spool *s, const struct segment *seg)
{
    struct segment *before = s->segment_count ? spool_active(s) : NULL;
    int fd = -1;

    pthread_mutex_lock(&s->lock);
    if (before)
        before->end = seg->first;
    spool_add_segment(s, seg);
    s->was_full = false;
    if (before && !s->memory && before->users == 0) {
        fd = before->fd;
        before->fd = -1;
    }
    pthread_mutex_unlock(&s->lock);
    if (fd >= 0)
        close(fd);
}

int spool_create_segment(struct spool *s, struct err *e)
{
    uint64_t last = s->segment_count ? spool_active(s)->number : 0;
    uint64_t number = 1 + (last > s->last_number ? last : s->last_number);
    struct segment seg = {.number = number, .first = s->state.next, .fd = -1};
    char *path = s->memory ? mem_printf("memory of stream %s", s->stream) : segment_path(s->dir, number);
    struct recycled from = {.fd = -1};
    int rc = -1;

    seg.fd = open_new(s, &seg, &from, path, e);
    if (seg.fd >= 0 && write_checkpoint(s, &seg, path, e) == 0 && make_safe(s, seg.fd, &from, path, e) == 0)
        rc = 0;
    if (rc == 0) {
        adopt(s, &seg);
    } else if (seg.fd >= 0) {
        close(seg.fd);
        /* Whatever name it has got. If that fails too: recovery knows a segment that nothing was written to. */
        if (!s->memory)
            s->ops->unlink(path);
        if (from.path)
            s->ops->unlink(from.path);
    }
    recycle_release(&from);
    mem_free(path);
    return rc;
}

/* --- deleting ----------------------------------------------------------------------------------------------------- */

static void free_segment(struct segment *seg)
{
    if (seg->fd >= 0)
        close(seg->fd);
    mem_free(seg);
}

/* What is left of a segment that has gone from the list. */
struct unlinked {
    uint64_t number, bytes; /* the file's length */
    bool damaged, read;     /* read: somebody still does, so it must stay as it is */
    int fd;                 /* in memory mode, when nobody reads it; else -1 */
};

/* Locks: held. Does a record wait in it, its own or one that was copied to it? */
static bool is_needed(const struct spool *s, const struct segment *seg)
{
    uint64_t first, upto;

    for (size_t i = 0; i < s->state.moved_count; i++)
        if (s->state.moved[i].segment == seg->number)
            return true;
    return spool_state_waiting(&s->state, seg->first, seg->end, &first, &upto);
}

/* Takes a segment out of the list of which nothing waits. Returns false when there is none; the caller does away with what
 * is left. */
static bool drop_one(struct spool *s, struct unlinked *left)
{
    struct segment *seg, *gone = NULL;
    size_t index = 0;
    bool drop;

    pthread_mutex_lock(&s->lock);
    while (index + 1 < s->segment_count && is_needed(s, s->segments[index]))
        index++;
    drop = index + 1 < s->segment_count; /* the newest is always needed: it is where the log goes on */
    if (drop) {
        seg = s->segments[index];
        s->segment_count--;
        memmove(s->segments + index, s->segments + index + 1, (s->segment_count - index) * sizeof(struct segment *));
        s->disk_bytes -= seg->size;
        s->held_bytes -= seg->size - seg->begin;
        seg->dead = true;
        gone = seg->users == 0 ? seg : NULL;
        *left = (struct unlinked){
            .number = seg->number, .bytes = spool_file_bytes(seg), .damaged = seg->damaged, .read = !gone, .fd = -1};
        if (gone && s->memory) {
            left->fd = gone->fd;
            gone->fd = -1;
        }
    }
    pthread_mutex_unlock(&s->lock);
    if (gone)
        free_segment(gone);
    return drop;
}

bool spool_quarantine(const struct spool *s, const char *name)
{
    char *folder = mem_printf("%s/damaged", s->dir), *path = mem_printf("%s/%s", s->dir, name);
    char *to = mem_printf("%s/%s", folder, name);
    bool done;

    for (unsigned n = 2; access(to, F_OK) == 0; n++) {
        mem_free(to);
        to = mem_printf("%s/%s.%u", folder, name, n);
    }
    done = (mkdir(folder, 0700) == 0 || errno == EEXIST) && s->ops->rename(path, to) == 0;
    mem_free(to);
    mem_free(path);
    mem_free(folder);
    return done;
}

/* A name that cannot be removed is found at the next start and removed then. */
static void remove_unlinked(struct spool *s, const struct unlinked *left, bool aside)
{
    char *path = segment_path(s->dir, left->number), name[SEGMENT_NAME_BYTES];

    if (left->fd >= 0)
        close(left->fd);
    if (!s->memory && !(aside && spool_quarantine(s, segment_name(left->number, name))))
        s->ops->unlink(path);
    mem_free(path);
}

void spool_reap(struct spool *s, bool keep)
{
    struct unlinked left;

    for (unsigned aside = 0; drop_one(s, &left);) {
        bool whole = !left.damaged && !left.read;

        if (!keep || !whole || !recycle_keep(s, left.number, left.bytes, left.fd))
            remove_unlinked(s, &left, left.damaged && aside++ < DAMAGED_KEPT_MAX);
    }
}

void spool_release_segments(struct spool *s)
{
    for (size_t i = 0; i < s->segment_count; i++)
        free_segment(s->segments[i]);
    s->segment_count = 0;
    MEM_CLEAR(s->segments);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Locks: held. */
static struct segment *pick(const struct spool *s, uint64_t number, uint64_t seq)
{
    size_t i;

    for (i = s->segment_count; i > 0; i--)
        if (s->segments[i - 1]->number == number)
            return s->segments[i - 1];
    for (i = s->segment_count; i > 1; i--)
        if (s->segments[i - 1]->first <= seq)
            break;
    return i ? s->segments[i - 1] : NULL;
}

/* Locks: held. */
static struct segment *pick_next(const struct spool *s, uint64_t number)
{
    for (size_t i = 0; i < s->segment_count; i++)
        if (s->segments[i]->number > number)
            return s->segments[i];
    return NULL;
}

/* Opens the file when nobody has it open. Two may do so at once; the second one's is closed again. */
static int open_entered(struct spool *s, struct segment *seg, struct log_file *f, struct err *e)
{
    char *path = segment_path(s->dir, seg->number);
    int fd = io_open(s->ops, path, O_RDONLY, 0, e), unused = -1, rc = 1;

    if (fd < 0) {
        rc = -1;
    } else {
        pthread_mutex_lock(&s->lock);
        if (seg->fd < 0)
            seg->fd = fd;
        else
            unused = fd;
        f->fd = seg->fd;
        pthread_mutex_unlock(&s->lock);
    }
    if (unused >= 0)
        close(unused);
    mem_free(path);
    return rc;
}

/* A cursor may stand at the end of a segment whose last record is settled just now: its file may be gone before it is
 * open. Then the segment has left the list, and another one is picked. */
static int enter(struct spool *s, bool next, uint64_t number, uint64_t seq, struct segment **seg, struct log_file *f,
                 struct err *e)
{
    for (;;) {
        bool gone;

        pthread_mutex_lock(&s->lock);
        *seg = next ? pick_next(s, number) : pick(s, number, seq);
        if (*seg) {
            (*seg)->users++;
            *f = (struct log_file){.ops = s->ops,
                                   .window = f->window,
                                   .dir = s->dir,
                                   .fd = (*seg)->fd,
                                   .number = (*seg)->number,
                                   .end = (*seg)->size};
        }
        pthread_mutex_unlock(&s->lock);
        if (!*seg)
            return 0;
        if (f->fd >= 0 || open_entered(s, *seg, f, e) > 0)
            return 1;
        pthread_mutex_lock(&s->lock);
        gone = (*seg)->dead;
        pthread_mutex_unlock(&s->lock);
        spool_leave(s, *seg);
        if (!gone)
            return -1;
    }
}

int spool_enter(struct spool *s, uint64_t number, uint64_t seq, struct segment **seg, struct log_file *f, struct err *e)
{
    return enter(s, false, number, seq, seg, f, e);
}

int spool_enter_next(struct spool *s, uint64_t number, struct segment **seg, struct log_file *f, struct err *e)
{
    return enter(s, true, number, 0, seg, f, e);
}

/* The files of all but the active one and the one that was read last are closed when nobody reads them. */
void spool_leave(struct spool *s, struct segment *seg)
{
    struct segment *gone = NULL;
    int fd = -1;

    pthread_mutex_lock(&s->lock);
    seg->users--;
    if (seg->dead) {
        gone = seg->users == 0 ? seg : NULL;
    } else if (seg != spool_active(s) && s->kept_open != seg->number) {
        struct segment *cold = pick(s, s->kept_open, UINT64_MAX);

        if (cold->number == s->kept_open && !s->memory && cold->users == 0 && cold != spool_active(s)) {
            fd = cold->fd;
            cold->fd = -1;
        }
        s->kept_open = seg->number;
    }
    pthread_mutex_unlock(&s->lock);
    if (gone)
        free_segment(gone);
    if (fd >= 0)
        close(fd);
}
