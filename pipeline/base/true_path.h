/* true_path.h -- where a path leads when all links are followed, also when its end is not there yet.
 *
 * As realpath(3), but what does not exist stays as it is written, and a link to something that does not exist leads there.
 */
#ifndef PIPELINE_BASE_TRUE_PATH_H
#define PIPELINE_BASE_TRUE_PATH_H

#include "pipeline/base/clock.h"

/* `path` is absolute. The caller frees it. */
char *true_path(const char *path);
/* The same, waiting for its disk at most `wait`. NULL: it does not answer. */
char *true_path_within(const char *path, nsec wait);

#endif
