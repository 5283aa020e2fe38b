/* What lies where one of our own files should be is not trusted: it is opened without following a link or waiting for a pipe, and looked
 * at when it is open, so that nobody can change it in between. Counts that are short and calls that a signal interrupted go on. */
#include "pipeline/base/io.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int real_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags | O_CLOEXEC, mode);
}

static int real_reserve(int fd, off_t size)
{
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size);
}

static int real_move(const char *from, const char *to, unsigned flags)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

const struct io_ops io_ops_real = {
    .open = real_open,
    .pread = pread,
    .pwritev = pwritev,
    .ftruncate = ftruncate,
    .reserve = real_reserve,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .syncfs = syncfs,
    .unlink = unlink,
    .rename = rename,
    .move = real_move,
};

/* --- opening --------------------------------------------------------------------------------------------------------- */

/* *st is what was opened. */
static int open_regular(const struct io_ops *ops, const char *path, int flags, mode_t mode, struct stat *st,
                        struct err *e)
{
    int fd = ops->open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode), failed = errno;

    if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode))
        return fd;
    if (fd >= 0) {
        close(fd);
        failed = ENODEV;
    }
    errno = failed;
    if (failed == ELOOP || failed == ENXIO || failed == EISDIR || failed == ENODEV)
        err_set(e, ERR_IO, "%s is not a regular file: look who put it there, and move it away", path);
    else
        err_errno(e, "%s %s", flags & O_CREAT ? "create" : "open", path);
    errno = failed; /* for callers that know what to do */
    return -1;
}

int io_open(const struct io_ops *ops, const char *path, int flags, mode_t mode, struct err *e)
{
    struct stat st;

    return open_regular(ops, path, flags, mode, &st, e);
}

int io_open_disposable(const struct io_ops *ops, const char *path, int flags, mode_t mode, struct err *e)
{
    struct stat st;
    int fd = open_regular(ops, path, flags, mode, &st, e);

    if (fd >= 0 && st.st_nlink <= 1)
        return fd;
    if (fd < 0 && errno != ELOOP && errno != ENXIO && errno != ENODEV)
        return fd;
    if (fd >= 0)
        close(fd);
    if (ops->unlink(path) < 0)
        return err_errno(e, "remove %s, which is also another file", path);
    return io_open(ops, path, flags, mode, e);
}

/* --- reading and writing --------------------------------------------------------------------------------------------- */

int io_read_all(int fd, struct buf *out)
{
    ssize_t got = 1;

    while (got != 0 && out->n < out->max) {
        size_t left = out->max - out->n, room = left < IO_READ_BYTES ? left : IO_READ_BYTES;

        if (buf_reserve(out, room) < 0) {
            errno = ENOMEM;
            return -1;
        }
        got = read(fd, out->p + out->n, room);
        if (got < 0 && errno != EINTR)
            return -1;
        out->n += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

int io_read_at(const struct io_ops *ops, int fd, void *p, size_t n, uint64_t offset, size_t *got)
{
    *got = 0;
    while (*got < n) {
        ssize_t r = ops->pread(fd, (char *)p + *got, n - *got, (off_t)(offset + *got));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -1;
        if (r == 0)
            break;
        *got += (size_t)r;
    }
    return 0;
}

int io_write_all(int fd, struct slice s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        s = slice_of(s.p + n, s.n - (size_t)n);
    }
    return 0;
}

static void skip_written(struct iovec **v, int *count, size_t n)
{
    while (*count > 0 && n >= (*v)->iov_len) {
        n -= (*v)->iov_len;
        (*v)++;
        (*count)--;
    }
    if (n) {
        (*v)->iov_base = (char *)(*v)->iov_base + n;
        (*v)->iov_len -= n;
    }
}

int io_write_at(const struct io_ops *ops, int fd, struct iovec *v, int count, uint64_t offset)
{
    skip_written(&v, &count, 0);
    while (count > 0) {
        ssize_t n = ops->pwritev(fd, v, count, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        if (n <= 0)
            return -1;
        offset += (uint64_t)n;
        skip_written(&v, &count, (size_t)n);
    }
    return 0;
}

/* --- folders --------------------------------------------------------------------------------------------------------- */

int io_sync_folder(const struct io_ops *ops, const char *path, struct err *e)
{
    int fd = ops->open(path, O_RDONLY | O_DIRECTORY, 0), rc = 0;

    if (fd < 0)
        return err_errno(e, "cannot open folder %s", path);
    if (ops->fsync(fd) < 0 && errno != EINVAL)
        rc = err_errno(e, "cannot sync folder %s", path);
    close(fd);
    return rc;
}

/* The folder itself first: most often it is there, and what is above it may not be ours to look at. */
int io_make_folder(const struct io_ops *ops, const char *path, struct err *e)
{
    char *name = mem_strdup(path), *slash, *parent;
    size_t n = strlen(name);
    int rc;

    while (n > 1 && name[n - 1] == '/') /* a/b/ lies in a, not in a/b */
        name[--n] = '\0';
    slash = strrchr(name, '/');
    parent = slash && slash != name ? mem_strndup(name, (size_t)(slash - name)) : mem_strdup(slash ? "/" : ".");
    rc = mkdir(name, 0700);
    if (rc < 0 && errno == ENOENT && slash) {
        if (io_make_folder(ops, parent, e) < 0)
            goto out;
        rc = mkdir(name, 0700);
    }
    if (rc == 0)
        rc = io_sync_folder(ops, parent, e);
    else
        rc = errno == EEXIST ? 0 : err_errno(e, "cannot create folder %s", path);
out:
    mem_free(parent);
    mem_free(name);
    return rc;
}

static int folder_check(const char *path, struct err *e)
{
    struct stat st;

    if (lstat(path, &st) < 0 || S_ISDIR(st.st_mode))
        return 0; /* what else is wrong with it is found by whoever opens it */
    if (S_ISLNK(st.st_mode))
        return err_set(
            e, ERR_IO,
            "%s is a link: only data_dir itself may be one, no folder in it; put a folder in its place, or mount "
            "the other disk there",
            path);
    return err_set(e, ERR_IO, "%s is not a folder: look who put it there, and move it away", path);
}

int io_check_folders(const char *path, unsigned levels, struct err *e)
{
    char *p = mem_strdup(path), *slash = p;
    int rc = 0;

    while (rc == 0 && levels-- > 0 && slash) {
        rc = folder_check(p, e);
        slash = strrchr(p, '/');
        if (slash)
            *slash = '\0';
    }
    mem_free(p);
    return rc;
}

/* --- stamps ---------------------------------------------------------------------------------------------------------- */

struct file_stamp file_stamp_of(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return (struct file_stamp){0};
    return (struct file_stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
           a->mtime.tv_nsec == b->mtime.tv_nsec;
}
