/* Open: from what a previous run, however it ended, left in the folder.
 *
 * The newest whole checkpoint is the state, and the frames behind it bring it up to date. In the newest segment every
 * byte is checked; what a crash cut short is cut off. Damage of what was safe is stepped over and reported, and a new
 * segment is begun, so that the state that was made the best of is written down at once. */
#include "pipeline/base/digest.h"
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/human.h"
#include "pipeline/spool/inspect.h"
#include "pipeline/spool/spool_impl.h"
#include "pipeline/spool/walk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct recovery {
    struct spool *s;
    struct spool_recovery *found;
    struct walk walk;
};

static void note_damage(void *ctx, uint64_t number, uint64_t offset, uint64_t records, const char *what)
{
    struct recovery *r = ctx;
    char name[SEGMENT_NAME_BYTES];

    r->found->corrupt_records += records;
    if (!r->found->damaged)
        err_set(&r->found->damage, ERR_FORMAT, "%s/%s is damaged at offset %" PRIu64 ": %s", r->s->dir,
                walk_file_name(number, name), offset, what);
    r->found->damaged = true;
}

/* They hold nothing, and one that was being written over when the crash came must never be taken for a segment. */
static int remove_recycled(const struct spool *s, struct err *e)
{
    DIR *d = opendir(s->dir);
    struct dirent *entry;

    if (!d)
        return err_errno(e, "open folder %s", s->dir);
    while ((entry = readdir(d)))
        if (recycle_is_name(entry->d_name)) {
            char *path = mem_printf("%s/%s", s->dir, entry->d_name);

            s->ops->unlink(path); /* when it stays: the next start finds it again */
            mem_free(path);
        }
    closedir(d);
    return 0;
}

/* --- files that are out of place ------------------------------------------------------------------------------------ */

/* Two that changed places change back in one step: a crash in between leaves each segment under one name or the other. */
static int give_name_back(struct recovery *r, struct walk_misnamed *m, struct err *e)
{
    char *from = segment_path(r->s->dir, m->file), *to = segment_path(r->s->dir, m->number);
    struct walk_misnamed *other = NULL;
    int rc;

    for (size_t i = 0; i < r->walk.misnamed_count; i++)
        if (r->walk.misnamed[i].file == m->number)
            other = &r->walk.misnamed[i];
    rc = r->s->ops->move(from, to, other ? RENAME_EXCHANGE : RENAME_NOREPLACE);
    if (rc < 0) {
        err_errno(e, "give %s its own name back, %s", from, to);
    } else {
        if (other)
            other->file = m->file;
        m->file = m->number;
    }
    mem_free(to);
    mem_free(from);
    return rc;
}

static int put_in_order(struct recovery *r, struct err *e)
{
    struct walk *w = &r->walk;

    if (w->foreign_mark)
        spool_quarantine(r->s, "mark");
    for (size_t i = 0; i < w->stranger_count; i++) {
        char name[SEGMENT_NAME_BYTES];

        spool_quarantine(r->s, segment_name(w->strangers[i].name, name));
    }
    for (size_t i = 0; i < w->misnamed_count; i++)
        if (w->misnamed[i].file != w->misnamed[i].number && give_name_back(r, &w->misnamed[i], e) < 0)
            return -1;
    return 0;
}

/* --- the newest segment ------------------------------------------------------------------------------------------- */

static int remove_unused(struct recovery *r, struct err *e)
{
    for (size_t i = 0; i < r->walk.unused_count; i++) {
        char *path = segment_path(r->s->dir, r->walk.unused[i]);
        int rc = r->s->ops->unlink(path);

        if (rc < 0)
            err_errno(e, "remove %s", path);
        mem_free(path);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int copy_out(const struct log_file *f, uint64_t offset, int to)
{
    char chunk[RECOVERY_COPY_BYTES];
    ssize_t n;

    while ((n = f->ops->pread(f->fd, chunk, sizeof(chunk), (off_t)offset)) > 0) {
        if (io_write_all(to, slice_of(chunk, (size_t)n)) < 0)
            return -1;
        offset += (uint64_t)n;
    }
    return n < 0 ? -1 : 0;
}

/* There are true frames in what is going to be cut off: somebody may want to see them. A keepsake: a disk that has no room
 * for it does not keep the spool from being opened. */
static void keep_tail(struct recovery *r, uint64_t number, uint64_t offset)
{
    char name[SEGMENT_NAME_BYTES];
    char *folder = mem_printf("%s/damaged", r->s->dir);
    char *path = mem_printf("%s/%s.from-%" PRIu64, folder, segment_name(number, name), offset);
    struct log_file f = {.fd = -1};
    struct err ignored;
    int to = -1;

    if (io_make_folder(r->s->ops, folder, &ignored) == 0 && walk_open(&r->walk, number, &f, &ignored) == 0) {
        unlink(path); /* of an earlier start that did not get to its end */
        to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (to >= 0 && copy_out(&f, offset, to) < 0)
            unlink(path);
    }
    if (to >= 0)
        close(to);
    if (f.fd >= 0)
        close(f.fd);
    mem_free(path);
    mem_free(folder);
}

static int cut_tail(struct recovery *r, const struct walk_end *end, struct err *e)
{
    struct walk_segment *newest = &r->walk.segments[r->walk.count - 1];
    struct spool *s = r->s;
    char *path;
    int fd, rc = 0;

    if (end->at == newest->size)
        return 0;
    if (end->kept)
        keep_tail(r, newest->number, end->at);
    path = segment_path(s->dir, newest->number);
    fd = io_open(s->ops, path, O_RDWR, 0, e);
    if (fd < 0)
        rc = -1;
    else if (s->ops->ftruncate(fd, (off_t)end->at) < 0 || s->ops->fdatasync(fd) < 0)
        rc = err_errno(e, "cut the torn end of %s", path);
    if (fd >= 0)
        close(fd);
    mem_free(path);
    r->found->torn_bytes += end->torn;
    newest->size = newest->file = end->at;
    return rc;
}

/* --- together ----------------------------------------------------------------------------------------------------- */

/* The state goes on in the newest segment, or, when it had to be made the best of, in a new one. */
static int go_on(struct recovery *r, struct err *e)
{
    const struct walk_segment *newest = r->walk.count ? &r->walk.segments[r->walk.count - 1] : NULL;
    struct spool *s = r->s;
    char *path;

    for (size_t i = 0; i < r->walk.count; i++) {
        const struct walk_segment *w = &r->walk.segments[i];
        struct segment seg = {.number = w->number,
                              .first = w->first ? w->first : s->state.next,
                              .end = w->end,
                              .begin = w->begin,
                              .size = w->size,
                              .reused = w->file,
                              .damaged = w->damaged,
                              .fd = -1};

        spool_add_segment(s, &seg);
    }
    s->last_number = r->walk.marked ? r->walk.mark.segment : 0;
    if (!newest || r->found->damaged || newest->format != SEGMENT_FORMAT) {
        if (spool_create_segment(s, e) == 0)
            return 0;
        if (!newest || spool_active(s)->begin <= SEGMENT_HEADER_BYTES)
            return -1;
        /* A full disk: it goes on in the old one, and the next start makes the best of it again. */
    }
    path = segment_path(s->dir, spool_active(s)->number);
    spool_active(s)->fd = io_open(s->ops, path, O_RDWR, 0, e);
    mem_free(path);
    return spool_active(s)->fd < 0 ? -1 : 0;
}

/* What the next start would find nothing of, when this one ends before it has reported it. Without any log nobody knows yet whether the
 * stream is new, or the log of what lies beside it is lost. */
static bool will_look_whole(const struct walk *w)
{
    return w->count == 0 || w->foreign_mark || w->stranger_count > 0 || w->misnamed_count > 0;
}

static int recover_disk(struct recovery *r, struct err *e)
{
    static const unsigned char none[SEGMENT_IDENTITY_BYTES];
    struct spool *s = r->s;
    struct walk_end end;
    struct stat st;

    if (walk_check_folders(s->dir, e) < 0 || io_make_folder(s->ops, s->dir, e) < 0)
        return -1;
    if (stat(s->dir, &st) < 0)
        return err_errno(e, "stat %s", s->dir);
    s->device = st.st_dev;
    r->found->was_damaged = damage_is_noted(s->dir);
    if (remove_recycled(s, e) < 0 || walk_list(&r->walk, e) < 0)
        return -1;
    if (will_look_whole(&r->walk))
        damage_note(s);
    if (put_in_order(r, e) < 0 || remove_unused(r, e) < 0 || walk_log(&r->walk, &s->state, &end, e) < 0)
        return -1;
    r->found->is_new = r->walk.count == 0;
    if (r->found->damaged)
        damage_note(s);
    if (r->walk.count > 0 && cut_tail(r, &end, e) < 0)
        return -1;
    walk_missing(&r->walk, &s->state);
    if (r->found->damaged)
        damage_note(s);
    if (memcmp(s->state.identity, none, sizeof(none)) == 0)
        random_bytes(s->state.identity, sizeof(s->state.identity));
    if (!r->walk.has_noted || memcmp(r->walk.noted, s->state.identity, sizeof(r->walk.noted)) != 0)
        identity_write(s->ops, s->dir, s->state.identity);
    if (go_on(r, e) < 0)
        return -1;
    s->mark_due = r->walk.count == 0; /* all there is was synced just now; later marks find their file */
    round_mark(s);
    return 0;
}

static void ignore_damage(void *ctx, const struct spool_damage *d)
{
    (void)ctx, (void)d;
}

/* A stream that was on disk before may have left records there, and they were acknowledged. */
static int recover_memory(struct spool *s, struct err *e)
{
    struct spool_report left;

    if (spool_inspect(s->dir, &left, ignore_damage, NULL, e) < 0)
        return -1;
    for (size_t i = 0; i < left.reader_count && left.waiting == 0; i++)
        left.waiting = left.readers[i].parcels;
    if (left.waiting > 0)
        return err_set(e, ERR_CONFIG,
                       "%s holds %" PRIu64
                       " record%s that `durability: memory` would leave behind; run with `durability: "
                       "disk` until all is delivered, or remove the folder",
                       s->dir, left.waiting, noun_s(left.waiting));
    random_bytes(s->state.identity, sizeof(s->state.identity));
    return spool_create_segment(s, e);
}

int spool_recover(struct spool *s, struct spool_recovery *found, struct err *e)
{
    struct recovery r = {.s = s, .found = found};
    struct err ignored;
    int rc;

    if (s->memory) {
        rc = recover_memory(s, e);
    } else {
        walk_init(&r.walk, s->ops, s->dir);
        r.walk.damage = note_damage;
        r.walk.ctx = &r;
        rc = recover_disk(&r, e);
        walk_release(&r.walk);
    }
    if (rc < 0)
        return -1;
    spool_reap(s, false);
    if (spool_make_reserve(s, &ignored) < 0)
        s->reserved = false; /* a full disk keeps nobody from starting: the first round asks again */
    found->records = spool_state_waiting_count(&s->state);
    found->segments = s->segment_count;
    found->pending_seals = spool_state_seal_count(&s->state);
    for (size_t i = 0; i < s->state.reader_count; i++)
        found->parcels += s->state.readers[i]->parcels.count;
    return 0;
}
