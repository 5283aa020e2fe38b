/* io.h -- opening, reading and writing files, in spite of short counts and interruptions.
 *
 * What can fail because of a disk is called through a table (struct io_ops), so that a test can be the disk that fails. The spool's
 * files go through it; whoever has no such tests passes io_ops_real.
 *
 * Threads    any.
 */
#ifndef PIPELINE_BASE_IO_H
#define PIPELINE_BASE_IO_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/* As the system calls of the same names: -1 and errno. */
struct io_ops {
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*pread)(int fd, void *p, size_t n, off_t offset);
    ssize_t (*pwritev)(int fd, const struct iovec *v, int count, off_t offset);
    int (*ftruncate)(int fd, off_t size);
    int (*reserve)(int fd,
                   off_t size); /* of the disk's space for so many bytes; the file is no longer for it. May be NULL */
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

/* Folders of our own. A new name is safe when the folder it is in has been synced. So each folder that is made is synced into its
 * parent before anything is put into it. */

/* The folder and those above it that are missing, for their owner only (0700). */
MUST_CHECK int io_make_folder(const struct io_ops *ops, const char *path, struct err *e);

/* The names in it are safe when this returns 0. A file system that knows nothing to sync in a folder is content. */
MUST_CHECK int io_sync_folder(const struct io_ops *ops, const char *path, struct err *e);

/* A folder is one of our own, and so are those above it, `levels` in all: none of them a link. What is not there is no mistake. -1: said in
 * *e. */
MUST_CHECK int io_check_folders(const char *path, unsigned levels, struct err *e);

/* Enough of a file's stat to know that it was changed or replaced. To be taken before the file is read: a change in between is then
 * seen the next time. */
struct file_stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime;
};

/* All zero for a file that is not there. */
struct file_stamp file_stamp_of(const char *path);
bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b);

#endif
