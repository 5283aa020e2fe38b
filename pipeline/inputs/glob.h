/* glob.h -- path patterns: matching one path, and walking the folders in which matches can be.
 *
 * As in a shell: * ? [...] within one path component, a leading dot only by a literal dot, \ quotes. `**` as a whole
 * component stands for any number of folders, also none; it does not enter symbolic links (loops). A pattern whose last
 * component has no wildcard and names a folder means the files in it, not those below.
 *
 * Ownership  glob_free(). Paths given to visitors are borrowed for the call.
 * Threads    a parsed glob is only read; glob_walk() does blocking file system calls.
 */
#ifndef PIPELINE_INPUTS_GLOB_H
#define PIPELINE_INPUTS_GLOB_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct glob;

/* A relative pattern starts at base_dir. */
MUST_CHECK int glob_parse(struct glob **g, const char *base_dir, const char *pattern, struct err *e);
void glob_free(struct glob **g);
const char *glob_text(const struct glob *g); /* absolute */

/* `path` is absolute and has no "." or ".." components. */
bool glob_match(const struct glob *g, const char *path);

struct glob_entry {
    int dir_fd;
    const char *dir, *name;
    uint64_t inode;     /* as the folder lists it: without following a link, below a mount point another one */
    unsigned char type; /* DT_REG, ...; DT_UNKNOWN on some file systems */
    bool matched;       /* by name; it may still be a folder or a device */
};

struct glob_visitor {
    /* A folder in which matches can appear, before its entries. May come more than once. */
    void (*folder)(void *ctx, int dir_fd, const char *dir);
    /* Everything in such a folder, also what does not match: a rotated file is found among those. */
    void (*entry)(void *ctx, const struct glob_entry *en);
    /* A folder that cannot be read (not: one that does not exist). */
    void (*unreadable)(void *ctx, const char *dir, int error);
    void *ctx;
};

void glob_walk(const struct glob *g, const struct glob_visitor *v);

#endif
