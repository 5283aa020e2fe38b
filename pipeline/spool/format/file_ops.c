#include "pipeline/spool/format/file_ops.h"

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

static int real_move(const char *from, const char *to, unsigned flags)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

const struct file_ops file_ops_real = {
    .open = real_open,
    .pread = pread,
    .pwritev = pwritev,
    .ftruncate = ftruncate,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .syncfs = syncfs,
    .unlink = unlink,
    .rename = rename,
    .move = real_move,
};

int file_open(const struct file_ops *ops, const char *path, int flags, mode_t mode, struct err *e)
{
    int fd = ops->open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode), failed = errno;
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
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

int file_open_disposable(const struct file_ops *ops, const char *path, int flags, mode_t mode, struct err *e)
{
    int fd = file_open(ops, path, flags, mode, e);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink <= 1)
        return fd;
    if (fd < 0 && errno != ELOOP && errno != ENXIO && errno != ENODEV)
        return fd;
    if (fd >= 0)
        close(fd);
    if (ops->unlink(path) < 0)
        return err_errno(e, "remove %s, which is also another file", path);
    return file_open(ops, path, flags, mode, e);
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

int folders_check(const char *path, unsigned levels, struct err *e)
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
