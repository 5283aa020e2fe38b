/* Which paths are wanted: the patterns, what is excluded from them, and what `validate` says about them now. */
#include "pipeline/inputs/tail/tail.h"

#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool tail_join(char path[PATH_MAX], const char *dir, const char *name)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);

    return n > 0 && n < PATH_MAX;
}

void tail_folder_of(char *path)
{
    char *slash = strrchr(path, '/');

    slash[slash == path] = '\0';
}

/* --- patterns ---------------------------------------------------------------------------------------------------- */

static int add_paths(struct tail *t, const char *base_dir, size_t item, struct err *e)
{
    struct glob_texts l;
    struct glob *g;
    int rc = glob_expand(&l, t->conf->paths.v[item], e);

    for (size_t i = 0; i < l.n && rc == 0; i++) {
        rc = glob_parse(&g, base_dir, l.v[i], e);
        if (rc < 0)
            break;
        t->patterns = mem_grow(t->patterns, t->pattern_count + 1, sizeof(*t->patterns));
        t->patterns[t->pattern_count++] = (struct tail_pattern){.glob = g, .item = item};
    }
    glob_texts_free(&l);
    return rc;
}

static int add_excludes(struct tail *t, const char *base_dir, const char *exclude, struct err *e)
{
    struct tail_exclude x = {.name = NULL};
    struct glob_texts l;
    int rc = glob_expand(&l, exclude, e);

    for (size_t i = 0; i < l.n && rc == 0; i++) {
        bool is_path = strchr(l.v[i], '/') != NULL;

        rc = is_path ? glob_parse(&x.path, base_dir, l.v[i], e) : 0;
        if (rc < 0)
            break;
        x.name = is_path ? NULL : mem_strdup(l.v[i]);
        t->excludes = mem_grow(t->excludes, t->exclude_count + 1, sizeof(*t->excludes));
        t->excludes[t->exclude_count++] = x;
        x = (struct tail_exclude){.name = NULL};
    }
    glob_texts_free(&l);
    return rc;
}

int tail_patterns_parse(struct tail *t, const char *base_dir, struct err *e)
{
    const struct tail_conf *c = t->conf;

    t->reads_packed = c->compressed == TAIL_COMPRESSED_READ;
    for (size_t i = 0; i < c->paths.n; i++)
        if (add_paths(t, base_dir, i, e) < 0)
            return -1;
    for (size_t i = 0; i < c->exclude.n; i++)
        if (add_excludes(t, base_dir, c->exclude.v[i], e) < 0)
            return err_wrap(e, "exclude");
    return 0;
}

void tail_patterns_check(const struct tail_conf *c, const char *base_dir, const struct cfg_options *o)
{
    struct tail t = {.conf = c};
    struct err e;

    for (size_t i = 0; i < c->paths.n; i++)
        if (add_paths(&t, base_dir, i, &e) < 0 && err_wrap(&e, "paths") < 0)
            cfg_options_refuse_item(o, "paths", i, &e);
    for (size_t i = 0; i < c->exclude.n; i++)
        if (add_excludes(&t, base_dir, c->exclude.v[i], &e) < 0 && err_wrap(&e, "exclude") < 0)
            cfg_options_refuse_item(o, "exclude", i, &e);
    tail_patterns_release(&t);
}

void tail_patterns_release(struct tail *t)
{
    for (size_t i = 0; i < t->pattern_count; i++)
        glob_free(&t->patterns[i].glob);
    for (size_t i = 0; i < t->exclude_count; i++) {
        glob_free(&t->excludes[i].path);
        mem_free(t->excludes[i].name);
    }
    MEM_CLEAR(t->patterns);
    MEM_CLEAR(t->excludes);
    t->pattern_count = t->exclude_count = 0;
}

/* --- what matches ------------------------------------------------------------------------------------------------ */

bool tail_is_compressed(const char *name)
{
    static const char *const suffixes[] = {".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip"};
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < ARRAY_LEN(suffixes); i++)
        if (strcmp(dot, suffixes[i]) == 0)
            return true;
    return false;
}

bool tail_is_packed(const struct tail *t, const char *name)
{
    const char *dot = strrchr(name, '.');

    return t->reads_packed && dot && (strcmp(dot, ".gz") == 0 || strcmp(dot, ".zst") == 0);
}

bool tail_is_excluded(const struct tail *t, const char *path)
{
    const char *name = strrchr(path, '/') + 1;

    if (tail_is_compressed(name) && !tail_is_packed(t, name))
        return true;
    for (size_t i = 0; i < t->exclude_count; i++) {
        const struct tail_exclude *x = &t->excludes[i];

        if (x->path ? glob_match(x->path, path) : fnmatch(x->name, name, FNM_PERIOD) == 0)
            return true;
    }
    return false;
}

bool tail_is_found(const struct tail *t, const char *path)
{
    for (size_t i = 0; i < t->pattern_count; i++)
        if (glob_match(t->patterns[i].glob, path))
            return true;
    return false;
}

bool tail_is_wanted(const struct tail *t, const char *path)
{
    return tail_is_found(t, path) && !tail_is_excluded(t, path);
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

/* Where links are not to be followed, the part of the path that the user has written may still lead through some. */
int tail_open_path(const struct tail *t, const char *path, int flags)
{
    size_t trusted = 0;

    if (t->conf->follow_symlinks)
        return open(path, flags);
    for (size_t i = 0; i < t->pattern_count; i++) {
        size_t n = glob_written_out(t->patterns[i].glob, path);

        trusted = n > trusted ? n : trusted;
    }
    return glob_open(path, trusted, flags);
}

int tail_stat_path(const struct tail *t, const char *path, struct tail_stat *st)
{
    int fd, rc;

    if (t->conf->follow_symlinks)
        return tail_stat_at(AT_FDCWD, path, false, st);
    fd = tail_open_path(t, path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno;
    rc = tail_stat_fd(fd, st);
    close(fd);
    return rc;
}
