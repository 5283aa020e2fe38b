/* watch.h -- what changed in the folders we look at: inotify, polled by the loop.
 *
 * One watch per folder, never one per file. After a report the watch rests for some milliseconds: the kernel folds
 * repeated changes of one file into one event meanwhile, so a program that writes 50,000 lines a second wakes us 50
 * times, not 50,000. (libuv's uv_fs_event would wake for each, and it does not tell when the kernel's queue
 * overflowed.)
 *
 * It is a hint, not the truth: file systems over a network report nothing, watches can run out, the queue can overflow.
 * The input looks at everything again from time to time in any case.
 *
 * Threads    the loop thread only.
 */
#ifndef PIPELINE_INPUTS_TAIL_WATCH_H
#define PIPELINE_INPUTS_TAIL_WATCH_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct tail_watch;

struct tail_watch_events {
    /* The file dir/name has new content or other permissions. */
    void (*changed)(void *ctx, const char *dir, const char *name);
    /* dir/name appeared, by creation or renaming. */
    void (*appeared)(void *ctx, const char *dir, const char *name);
    /* Something went away or was renamed, a folder came, or events were lost: look at everything. */
    void (*look)(void *ctx);
    void *ctx;
};

MUST_CHECK int tail_watch_open(struct tail_watch **w, uv_loop_t *loop, const struct tail_watch_events *on,
                               struct err *e);
/* The memory goes when libuv has closed the handles, after the call. */
void tail_watch_close(struct tail_watch **w);

/* Also when it is watched already. False: the system refuses (errno); then the folder must be polled. */
bool tail_watch_add(struct tail_watch *w, const char *dir);

/* Is it a file system (statfs(2), f_type) on which others write without a report? Then a watch is not enough. */
bool tail_watch_is_remote(uint32_t type);

#endif
