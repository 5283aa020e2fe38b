/* glob.h -- path patterns: matching one path, and walking the folders in which matches can be.
 *
 * As in a shell: * ? [...] within one path component, a leading dot only by a literal dot, \ quotes. `**` as a whole
 * component stands for any number of folders, also none; it does not enter symbolic links (loops). A pattern whose last
 * component has no wildcard and names a folder means the files in it, not those below. {a,b} stands for several patterns,
 * `~/` for the home folder; braces without a comma are characters like others.
 *
 * Ownership  glob_free(), glob_texts_free(). Paths given to visitors are borrowed for the call.
 * Threads    a parsed glob is only read; glob_walk() does blocking file system calls.
 */
#ifndef PIPELINE_INPUTS_TAIL_GLOB_H
#define PIPELINE_INPUTS_TAIL_GLOB_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct glob;

/* What a pattern with {a,b} stands for, one text each; without braces it is the only one. */
struct glob_texts {
    char **v;
    size_t n;
};
MUST_CHECK int glob_expand(struct glob_texts *out, const char *pattern, struct err *e);
void glob_texts_free(struct glob_texts *l);

/* One of them. A relative pattern starts at base_dir. */
MUST_CHECK int glob_parse(struct glob **g, const char *base_dir, const char *pattern, struct err *e);
void glob_free(struct glob **g);
const char *glob_text(const struct glob *g); /* absolute */
/* How much of `path`, up to its last '/', is written in the pattern letter by letter: in bytes, 0 when nothing is. */
size_t glob_written_out(const struct glob *g, const char *path);

/* `path` is absolute and has no "." or ".." components. */
bool glob_match(const struct glob *g, const char *path);

struct glob_entry {
    int dir_fd;
    const char *dir, *name;
    uint64_t inode;     /* as the folder lists it: without following a link, below a mount point another one */
    unsigned char type; /* DT_REG, ...; DT_UNKNOWN on some file systems */
    bool matched;       /* by name; it may still be a folder or a device */
};

/* Each may be NULL. */
struct glob_visitor {
    /* A folder in which matches can appear, before its entries. May come more than once. */
    void (*folder)(void *ctx, int dir_fd, const char *dir);
    /* Everything in such a folder, also what does not match: a rotated file is found among those. */
    void (*entry)(void *ctx, const struct glob_entry *en);
    /* A folder that cannot be read (not: one that does not exist). */
    void (*unreadable)(void *ctx, const char *dir, int error);
    /* Follow no symbolic link but those in the part that the pattern writes out. */
    bool no_links;
    void *ctx;
    /* What is opened, listed or looked at next: a disk may not answer. */
    void (*next)(void *ctx, const char *path);
};

void glob_walk(const struct glob *g, const struct glob_visitor *v);

/* Opens a path of which the first `trusted` bytes may lead through symbolic links, and the rest may not. -1: errno. */
MUST_CHECK int glob_open(const char *path, size_t trusted, int flags);

#endif
