/* What is known of each file, open or not. Two tables of chained buckets: by inode, which tells what a name leads to;
 * and by the stem of the name, which finds files that may be copies of one another. Open descriptors are a list by
 * last use: when there are as many as may be, the one that was not used for longest is closed, and opened again when
 * it is read. */
#include "pipeline/inputs/tail/files.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/tail/packed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define OWN_HANDLES 2 /* that are not taken from the shared descriptors */

/* --- stat -------------------------------------------------------------------------------------------------------- */

static nsec from_timestamp(const struct statx_timestamp *t)
{
    return t->tv_sec * NSEC_PER_SEC + t->tv_nsec;
}

static int stat_any(int fd, const char *name, int flags, struct tail_stat *st)
{
    struct statx x;

    if (statx(fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &x) < 0)
        return errno;
    *st = (struct tail_stat){
        .id = {makedev(x.stx_dev_major, x.stx_dev_minor), x.stx_ino,
               x.stx_mask & STATX_BTIME ? (uint64_t)from_timestamp(&x.stx_btime) : 0},
        .size = x.stx_size,
        .modified = from_timestamp(&x.stx_mtime),
        .regular = S_ISREG(x.stx_mode),
        .link = S_ISLNK(x.stx_mode),
        .deleted = x.stx_nlink == 0,
    };
    return 0;
}

int tail_stat_at(int dir_fd, const char *name, bool follow, struct tail_stat *st)
{
    return stat_any(dir_fd, name, follow ? 0 : AT_SYMLINK_NOFOLLOW, st);
}

int tail_stat_fd(int fd, struct tail_stat *st)
{
    return stat_any(fd, "", AT_EMPTY_PATH, st);
}

/* --- the table: chained buckets by inode ------------------------------------------------------------------------- */

static struct tail_bucket *bucket_of(const struct tail_files *fs, uint64_t inode)
{
    return &fs->buckets[(size_t)(inode * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (fs->bucket_count - 1)];
}

void tail_files_init(struct tail_files *fs, size_t open_max, struct budget *descriptors)
{
    *fs = (struct tail_files){.bucket_count = TAIL_BUCKETS_FIRST, .open_max = open_max, .descriptors = descriptors};
    fs->buckets = mem_array(fs->bucket_count, sizeof(struct tail_bucket));
    fs->kin = mem_array(fs->bucket_count, sizeof(struct tail_bucket));
    TAILQ_INIT(&fs->open);
}

void tail_files_release(struct tail_files *fs)
{
    for (size_t i = 0; i < fs->bucket_count; i++)
        while (!LIST_EMPTY(&fs->buckets[i])) {
            struct tail_file *f = LIST_FIRST(&fs->buckets[i]);

            tail_files_remove(fs, &f);
        }
    MEM_CLEAR(fs->buckets);
    MEM_CLEAR(fs->kin);
    fs->bucket_count = 0;
}

struct tail_file *tail_files_find(const struct tail_files *fs, const struct tail_id *id)
{
    struct tail_file *f;

    LIST_FOREACH(f, bucket_of(fs, id->inode), by_inode)
        if (tail_id_eq(&f->id, id))
            break;
    return f;
}

bool tail_files_has_inode(const struct tail_files *fs, uint64_t inode)
{
    const struct tail_file *f;

    LIST_FOREACH(f, bucket_of(fs, inode), by_inode)
        if (f->id.inode == inode)
            return true;
    return false;
}

uint32_t tail_stem(const char *path)
{
    const char *name = strrchr(path, '/') + 1, *dot = strrchr(name, '.');

    return crc32c(0, slice_of(name, dot && dot > name ? (size_t)(dot - name) : strlen(name)));
}

struct tail_bucket *tail_files_kin(const struct tail_files *fs, uint32_t stem)
{
    return &fs->kin[stem & (fs->bucket_count - 1)];
}

static void link_file(struct tail_files *fs, struct tail_file *f)
{
    LIST_INSERT_HEAD(bucket_of(fs, f->id.inode), f, by_inode);
    LIST_INSERT_HEAD(tail_files_kin(fs, f->stem), f, kin);
}

static void grow(struct tail_files *fs)
{
    struct tail_bucket *old = fs->buckets;
    size_t old_count = fs->bucket_count;

    fs->bucket_count *= 2;
    fs->buckets = mem_array(fs->bucket_count, sizeof(struct tail_bucket));
    mem_free(fs->kin);
    fs->kin = mem_array(fs->bucket_count, sizeof(struct tail_bucket));
    for (size_t i = 0; i < old_count; i++)
        while (!LIST_EMPTY(&old[i])) {
            struct tail_file *f = LIST_FIRST(&old[i]);

            LIST_REMOVE(f, by_inode);
            link_file(fs, f);
        }
    mem_free(old);
}

struct tail_file *tail_files_add(struct tail_files *fs, const struct tail_id *id, const char *path, const char *where)
{
    struct tail_file *f = mem_alloc(sizeof(*f));

    f->id = f->name = *id;
    f->path = mem_strdup(path);
    f->stem = tail_stem(path);
    f->where = mem_strdup(where);
    f->fd = -1;
    if (++fs->count > fs->bucket_count)
        grow(fs);
    link_file(fs, f);
    return f;
}

void tail_files_remove(struct tail_files *fs, struct tail_file **f)
{
    LIST_REMOVE(*f, by_inode);
    LIST_REMOVE(*f, kin);
    fs->count--;
    tail_files_close(fs, *f);
    packed_free(&(*f)->packed);
    mem_free((*f)->path);
    mem_free((*f)->where);
    MEM_CLEAR(*f);
}

void tail_file_moved(struct tail_file *f, const char *where)
{
    if (strcmp(f->where, where) == 0)
        return;
    mem_free(f->where);
    f->where = mem_strdup(where);
    f->fleeting = true;
}

void tail_files_each(struct tail_files *fs, void (*fn)(void *ctx, struct tail_file *f), void *ctx)
{
    for (size_t i = 0; i < fs->bucket_count; i++)
        for (struct tail_file *f = LIST_FIRST(&fs->buckets[i]), *next; f; f = next) {
            next = LIST_NEXT(f, by_inode);
            fn(ctx, f);
        }
}

/* --- handles ----------------------------------------------------------------------------------------------------- */

/* Closes the least recently used one. A deleted file cannot be opened again, so its handle is not taken away: there are
 * never more of those than were open when they were deleted. False: there is none to close. */
static bool close_oldest(struct tail_files *fs)
{
    struct tail_file *f = TAILQ_FIRST(&fs->open);

    while (f && f->gone)
        f = TAILQ_NEXT(f, handle);
    if (f)
        tail_files_close(fs, f);
    return f != NULL;
}

static bool take_descriptor(struct tail_files *fs)
{
    if (fs->open_count < OWN_HANDLES)
        return true;
    if (fs->descriptors && !budget_take(fs->descriptors, 1))
        return false;
    fs->own_descriptors++;
    return true;
}

static void give_descriptor(struct tail_files *fs)
{
    if (fs->own_descriptors == 0)
        return;
    fs->own_descriptors--;
    if (fs->descriptors)
        budget_give(fs->descriptors, 1);
}

/* False: every handle there could be is that of a deleted file. */
static bool make_room(struct tail_files *fs)
{
    size_t open_max = fs->open_max < OWN_HANDLES ? OWN_HANDLES : fs->open_max;

    while (fs->open_count >= open_max)
        if (!close_oldest(fs))
            return false;
    while (!take_descriptor(fs))
        if (!close_oldest(fs))
            return false;
    return true;
}

static int open_same(const struct tail_files *fs, const struct tail_file *f, int *fd)
{
    struct tail_stat st;
    int rc;

    *fd = fs->open_path(fs->ctx, f->where, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return errno;
    rc = tail_stat_fd(*fd, &st);
    if (rc == 0 && !tail_id_eq(&st.id, &f->id))
        rc = ESTALE;
    if (rc != 0)
        close(*fd);
    return rc;
}

int tail_files_open(struct tail_files *fs, struct tail_file *f)
{
    int rc;

    if (f->fd >= 0) {
        TAILQ_REMOVE(&fs->open, f, handle);
        TAILQ_INSERT_TAIL(&fs->open, f, handle);
        return 0;
    }
    if (!make_room(fs))
        return EMFILE;
    do
        rc = open_same(fs, f, &f->fd);
    while ((rc == EMFILE || rc == ENFILE) && close_oldest(fs));
    if (rc != 0) {
        give_descriptor(fs);
        f->fd = -1;
        return rc;
    }
    TAILQ_INSERT_TAIL(&fs->open, f, handle);
    fs->open_count++;
    return 0;
}

ssize_t tail_file_read(const struct tail_file *f, void *to, size_t n, uint64_t at)
{
    if (!f->is_packed)
        return pread(f->fd, to, n, (off_t)at);
    if (f->packed)
        return packed_read(f->packed, f->fd, to, n, at);
    errno = EAGAIN; /* it is not its turn */
    return -1;
}

void tail_files_close(struct tail_files *fs, struct tail_file *f)
{
    if (f->fd < 0)
        return;
    close(f->fd);
    f->fd = -1;
    TAILQ_REMOVE(&fs->open, f, handle);
    fs->open_count--;
    give_descriptor(fs);
}
