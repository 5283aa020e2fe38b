/* Which paths are wanted: the patterns, what is excluded from them, and what `validate` says about them now. */
#include "pipeline/inputs/tail.h"

#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool tail_join(char path[PATH_MAX], const char *dir, const char *name)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);

    return n > 0 && n < PATH_MAX;
}

/* Cuts the name off. */
void tail_folder_of(char *path)
{
    char *slash = strrchr(path, '/');

    slash[slash == path] = '\0';
}

/* --- patterns ---------------------------------------------------------------------------------------------------- */

int tail_patterns_parse(struct tail *t, const char *base_dir, struct err *e)
{
    const struct tail_conf *c = t->conf;

    t->globs = mem_array(c->paths.n, sizeof(struct glob *));
    t->glob_known = mem_array(c->paths.n, sizeof(bool));
    t->excludes = mem_array(c->exclude.n, sizeof(struct glob *));
    for (size_t i = 0; i < c->paths.n; i++)
        if (glob_parse(&t->globs[i], base_dir, c->paths.v[i], e) < 0)
            return -1;
    for (size_t i = 0; i < c->exclude.n; i++)
        if (strchr(c->exclude.v[i], '/') && glob_parse(&t->excludes[i], base_dir, c->exclude.v[i], e) < 0)
            return err_wrap(e, "exclude");
    return 0;
}

static void check_pattern(const char *option, const struct cfg_strings *list, size_t i, const char *base_dir,
                          const struct cfg_options *o)
{
    struct glob *g;
    struct err e;

    if (glob_parse(&g, base_dir, list->v[i], &e) == 0) {
        glob_free(&g);
        return;
    }
    err_wrap(&e, "%s", option);
    cfg_options_refuse_item(o, option, i, &e);
}

void tail_patterns_check(const struct tail_conf *c, const char *base_dir, const struct cfg_options *o)
{
    for (size_t i = 0; i < c->paths.n; i++)
        check_pattern("paths", &c->paths, i, base_dir, o);
    for (size_t i = 0; i < c->exclude.n; i++)
        if (strchr(c->exclude.v[i], '/'))
            check_pattern("exclude", &c->exclude, i, base_dir, o);
}

void tail_patterns_release(struct tail *t)
{
    for (size_t i = 0; i < t->conf->paths.n; i++)
        glob_free(&t->globs[i]);
    for (size_t i = 0; i < t->conf->exclude.n; i++)
        glob_free(&t->excludes[i]);
    MEM_CLEAR(t->globs);
    MEM_CLEAR(t->excludes);
    MEM_CLEAR(t->glob_known);
}

/* --- what matches ------------------------------------------------------------------------------------------------ */

static bool is_compressed(const char *name)
{
    static const char *const suffixes[] = {".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip"};
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < ARRAY_LEN(suffixes); i++)
        if (strcmp(dot, suffixes[i]) == 0)
            return true;
    return false;
}

bool tail_is_excluded(const struct tail *t, const char *path)
{
    const char *name = strrchr(path, '/') + 1;

    if (is_compressed(name))
        return true;
    for (size_t i = 0; i < t->conf->exclude.n; i++) {
        if (t->excludes[i] ? glob_match(t->excludes[i], path) : fnmatch(t->conf->exclude.v[i], name, FNM_PERIOD) == 0)
            return true;
    }
    return false;
}

bool tail_is_wanted(const struct tail *t, const char *path)
{
    for (size_t i = 0; i < t->conf->paths.n; i++)
        if (glob_match(t->globs[i], path))
            return !tail_is_excluded(t, path);
    return false;
}

/* --- validate ---------------------------------------------------------------------------------------------------- */

#define WARNINGS_MAX 5 /* for one pattern */

struct look {
    struct tail *t;
    const struct cfg_options *o;
    size_t pattern, warnings;
};

static void warn(struct look *l, const struct err *e)
{
    struct err more;

    if (l->warnings++ < WARNINGS_MAX)
        cfg_options_warn_item(l->o, "paths", l->pattern, e);
    else if (l->warnings == WARNINGS_MAX + 1 && err_set(&more, ERR_IO, "and more that cannot be read") < 0)
        cfg_options_warn_item(l->o, "paths", l->pattern, &more);
}

static void look_at_folder(void *ctx, int dir_fd, const char *dir)
{
    (void)ctx;
    (void)dir_fd;
    (void)dir;
}

static void look_at_entry(void *ctx, const struct glob_entry *en)
{
    struct look *l = ctx;
    struct tail_stat st;
    char path[PATH_MAX];
    struct err e;

    if (!en->matched || !tail_join(path, en->dir, en->name) || tail_is_excluded(l->t, path))
        return;
    if (tail_stat_at(en->dir_fd, en->name, l->t->conf->follow_symlinks, &st) != 0 || !st.regular)
        return;
    if (faccessat(en->dir_fd, en->name, R_OK, 0) < 0 && err_errno(&e, "file %s cannot be read", path) < 0)
        warn(l, &e);
}

static void look_at_unreadable(void *ctx, const char *dir, int error)
{
    struct err e;

    err_set(&e, ERR_IO, "folder %s cannot be read: %s", dir, strerror(error));
    warn(ctx, &e);
}

void tail_warn_unreadable(struct tail *t, const struct cfg_options *o)
{
    struct look l = {.t = t, .o = o};
    const struct glob_visitor v = {look_at_folder, look_at_entry, look_at_unreadable, &l};

    for (l.pattern = 0; l.pattern < t->conf->paths.n; l.pattern++) {
        l.warnings = 0;
        glob_walk(t->globs[l.pattern], &v);
    }
}
