/* data_dir.h -- the folder that holds spools and temporary bodies: made 0700, locked against a second process.
 *
 *     data_dir/lock               flock'ed while a process uses the folder; holds its process id, for people
 *     data_dir/streams/NAME/spool one spool per stream
 *     data_dir/tmp                unlinked files of large bodies
 *     data_dir/redrive            what `sluice redrive` has put back of buckets (redrive_note.h); not made here
 *
 * Threads: the main thread. Ownership: data_dir_close() gives the lock back.
 */
#ifndef PIPELINE_DATA_DIR_H
#define PIPELINE_DATA_DIR_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

struct data_dir;

/* Parents are made too. Refuses, in words, when another process holds the lock. */
MUST_CHECK int data_dir_open(struct data_dir **d, const char *path, struct err *e);
void data_dir_close(struct data_dir **d);
const char *data_dir_tmp(const struct data_dir *d);

/* Makes a folder, and those around it, for their owner only. It may be there. */
MUST_CHECK int data_dir_make_folders(const char *path, struct err *e);

#endif
