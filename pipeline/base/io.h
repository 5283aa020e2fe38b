/* io.h -- opening, reading and writing files, in spite of short counts and interruptions.
 *
 * What can fail because of a disk is called through a table (struct io_ops), so that a test can be the disk that fails. The spool's
 * files go through it; whoever has no such tests passes io_ops_real. Folders: folders.h.
 *
 * Threads    any.
 */
#ifndef PIPELINE_BASE_IO_H
#define PIPELINE_BASE_IO_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* As the system calls of the same names: -1 and errno. */
struct io_ops {
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

extern const struct io_ops io_ops_real;

/* Opens a file of our own: never through a link, and only a regular file, so that nothing that was put in its place can be
 * written to, or hang who opens it. -1: said in *e, and errno. */
MUST_CHECK int io_open(const struct io_ops *ops, const char *path, int flags, mode_t mode, struct err *e);

/* Likewise, for a file whose content is worth nothing, or is written anew. What lies in its place and is not only ours (a link, a pipe,
 * a file that has a second name elsewhere) gives way. */
MUST_CHECK int io_open_disposable(const struct io_ops *ops, const char *path, int flags, mode_t mode, struct err *e);

/* From where the descriptor stands to the end of the file, or until `out` has its maximum. -1 with errno. */
MUST_CHECK int io_read_all(int fd, struct buf *out);
/* Up to n bytes into p; *got is less only at the end of the file. -1 with errno. */
MUST_CHECK int io_read_at(const struct io_ops *ops, int fd, void *p, size_t n, uint64_t offset, size_t *got);

/* All of it, where the descriptor stands. -1 with errno. */
MUST_CHECK int io_write_all(int fd, struct slice s);
/* All of it from `offset` on; changes v. -1 with errno. */
MUST_CHECK int io_write_at(const struct io_ops *ops, int fd, struct iovec *v, int count, uint64_t offset);

#endif
