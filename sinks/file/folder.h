/* folder.h -- a folder that objects are written into so that each appears whole, and stays after power loss.
 *
 * An object is written under a temporary name beside its own, synced, renamed, and the rename is synced. The temporary
 * name is the caller's and should depend on the object alone: what a crash leaves is then removed by the next attempt.
 * The file is always a new one: links, pipes and other files that have the temporary name lose it, and are not opened.
 *
 * Ownership  folder_free(). Threads: any (one mutex around what was synced last; never held across I/O).
 * Invariant  nothing is written outside the folder, whatever the object's name says and whatever links there are in it.
 */
#ifndef SINKS_FILE_FOLDER_H
#define SINKS_FILE_FOLDER_H

#include "pipeline/base/body.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

struct folder;

/* Nothing is created before the first object. */
struct folder *folder_new(const char *path);
void folder_free(struct folder **f);
const char *folder_path(const struct folder *f);

/* `errno_out` is the cause of an I/O error, for advice to the operator. */
MUST_CHECK int folder_put(struct folder *f, struct slice name, const char *tmp_name, const struct body *body,
                          int *errno_out, struct err *e);

/* Could it be written into, or made when it is not there? Creates nothing. */
MUST_CHECK int folder_check(const struct folder *f, struct err *e);

#endif
