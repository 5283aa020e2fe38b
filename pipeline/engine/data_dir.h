/* data_dir.h -- the folder that holds spools and temporary bodies: made 0700, locked against a second process.
 *
 *     data_dir/lock               flock'ed while a process uses the folder; holds its process id, for people
 *     data_dir/machine            where the folder was used last: a start on a copy of it says so
 *     data_dir/streams/NAME/spool one spool per stream
 *     data_dir/admin.token        what is shown to change something by POST (admin/token.h); not made here
 *     data_dir/admin.address      where that is (admin/whereabouts.h); likewise
 *     data_dir/tmp                unlinked files of large bodies
 *     data_dir/redrive            what `sluice redrive` has put back of buckets (redrive/progress_file.h); not made here
 *
 * Threads: the main thread. Ownership: data_dir_close() gives the lock back.
 */
#ifndef PIPELINE_ENGINE_DATA_DIR_H
#define PIPELINE_ENGINE_DATA_DIR_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

struct data_dir;

/* Parents are made too, and what is made is safe when it returns. Refuses, in words, when another process holds the lock.
 * Warns of a folder that others may write to or own, and of one that is a copy. */
MUST_CHECK int data_dir_open(struct data_dir **d, const char *path, struct err *e);
void data_dir_close(struct data_dir **d);
const char *data_dir_tmp(const struct data_dir *d);

/* Locks the folder without making or changing anything in it: against `sluice run` when `exclusive`, beside other readers
 * otherwise. *fd is -1 when there is no data_dir yet; else to be closed. -1: it is in use
 * (errno is EWOULDBLOCK), or the lock is none. */
MUST_CHECK int data_dir_lock(const char *path, bool exclusive, int *fd, struct err *e);

#endif
