#include "pipeline/spool/file_ops.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int real_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags | O_CLOEXEC, mode);
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
};
