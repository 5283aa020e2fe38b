/* reach.h -- would a tail read a file of this name, if there were one? For loops that no record should enter: what input.h calls reach.
 *
 * The answer goes by names, links resolved, so it holds for files and folders that are not there yet.
 *
 * Ownership  tail_reach_open() to tail_reach_close(). Threads: the main thread; blocking calls are made on another (thread_try()).
 */
#ifndef PIPELINE_INPUTS_TAIL_REACH_H
#define PIPELINE_INPUTS_TAIL_REACH_H

#include "pipeline/base/clock.h"

#include <stdbool.h>
#include <stddef.h>

/* Patterns that are no good reach nothing. A disk that does not answer is waited for at most `wait`; then links are not known. */
void *tail_reach_open(const void *conf, const char *base_dir, nsec wait);
void tail_reach_close(void **reach);

/* `path` is as true_path() gives it. *item: which of `paths` it is, from 0. */
bool tail_reach_has(const void *reach, const char *path, size_t *item);

#endif
