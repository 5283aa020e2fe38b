/* file_stamp.h -- enough of a file's stat to know that it was changed or replaced.
 *
 * To be taken before the file is read: a change in between is then seen the next time.
 *
 * Threads    any.
 */
#ifndef PIPELINE_BASE_FILE_STAMP_H
#define PIPELINE_BASE_FILE_STAMP_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

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
