#include "pipeline/spool/file_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
