/* file_ops.h -- the calls that can fail because of a disk, as a table, so that a test can be the disk that fails.
 *
 * As the system calls of the same names: -1 and errno.
 */
#ifndef PIPELINE_SPOOL_FORMAT_FILE_OPS_H
#define PIPELINE_SPOOL_FORMAT_FILE_OPS_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <sys/types.h>
#include <sys/uio.h>

struct file_ops {
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*pread)(int fd, void *p, size_t n, off_t offset);
    ssize_t (*pwritev)(int fd, const struct iovec *v, int count, off_t offset);
    int (*ftruncate)(int fd, off_t size);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd); /* of a folder */
    int (*syncfs)(int fd);
    int (*unlink)(const char *path);
    int (*rename)(const char *from, const char *to);
    int (*move)(const char *from, const char *to, unsigned flags); /* as renameat2() */
};

extern const struct file_ops file_ops_real;

/* Opens a file of the spool's own: never through a link, and only a regular file, so that nothing that was put in its place
 * can be written to, or hang who opens it. -1: said in *e. */
MUST_CHECK int file_open(const struct file_ops *ops, const char *path, int flags, mode_t mode, struct err *e);

/* Likewise, for a file whose content is worth nothing, or is written anew. What lies in its place and is not only ours (a link, a pipe,
 * a file that has a second name elsewhere) gives way. */
MUST_CHECK int file_open_disposable(const struct file_ops *ops, const char *path, int flags, mode_t mode,
                                    struct err *e);

/* A folder is one of our own, and so are those above it, `levels` in all: none of them a link. What is not there is no mistake. -1: said in
 * *e. */
MUST_CHECK int folders_check(const char *path, unsigned levels, struct err *e);

#endif
