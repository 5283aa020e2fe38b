/* parts.h -- a configuration in several files: beside the main one, in the folder `config.d`, those whose names end in `.yaml`.
 *
 * They are read in the order of their names and become one tree, whose nodes know their own file. A key at the top stands in one of the
 * files; only the mapping `shared` may stand in each, and a key in it in one of them.
 *
 * Threads: the main thread, or whoever reloads.
 */
#ifndef CONFIG_PARTS_H
#define CONFIG_PARTS_H

#include "config/errors.h"
#include "config/node.h"

/* Adds them to the tree of the file at `path`. Where a key stands twice, that is reported at both places. ${file:...} and whatever is relative starts
 * in the folder of the main file. */
void cfg_tree_add_parts(struct cfg_tree *t, const char *path, const char *shared, struct cfg_errors *errs);

#endif
