/* Why a pattern finds nothing: a look at what is there, for one line that says what to do. Most mistakes look right to
 * the one who made them: a name that is nearly the right one, brackets that are meant as they stand, links into a folder
 * that is not mounted here. */
#include "pipeline/inputs/tail/tail.h"

#include "config/suggest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- what is there ----------------------------------------------------------------------------------------------- */

/* What a pattern matches, by kind; and the first path of each kind that is no file to be read. */
struct census {
    const struct tail *t;
    size_t files, dangling, links, compressed, excluded, folders, others;
    char path[PATH_MAX], leads_to[PATH_MAX];
};

static void note(struct census *c, size_t *kind, const char *path)
{
    if ((*kind)++ == 0)
        snprintf(c->path, sizeof(c->path), "%s", path);
}

/* The first thing on the way from a link that is not there. */
static void follow(const char *link, char out[PATH_MAX])
{
    char target[PATH_MAX], dir[PATH_MAX];

    snprintf(out, PATH_MAX, "%s", link);
    for (unsigned i = 0; i < TAIL_EXPLAIN_LINKS_MAX; i++) {
        ssize_t n = readlink(out, target, sizeof(target) - 1);

        if (n <= 0)
            return;
        target[n] = '\0';
        if (target[0] != '/') {
            snprintf(dir, sizeof(dir), "%s", out);
            tail_folder_of(dir);
            if (!tail_join(out, dir, target))
                return;
        } else {
            snprintf(out, PATH_MAX, "%s", target);
        }
    }
}

static void count_entry(void *ctx, const struct glob_entry *en)
{
    struct census *c = ctx;
    struct tail_stat st;
    char path[PATH_MAX];

    if (!en->matched || !tail_join(path, en->dir, en->name) || tail_stat_at(en->dir_fd, en->name, false, &st) != 0)
        return;
    if (tail_is_compressed(en->name) && !tail_is_packed(c->t, en->name)) {
        c->compressed++;
    } else if (tail_is_excluded(c->t, path)) {
        c->excluded++;
    } else if (st.link && !c->t->conf->follow_symlinks) {
        c->links++;
    } else if (st.link && tail_stat_at(en->dir_fd, en->name, true, &st) != 0) {
        note(c, &c->dangling, path);
        if (c->dangling == 1)
            follow(path, c->leads_to);
    } else if (st.regular) {
        c->files++;
    } else if (faccessat(en->dir_fd, en->name, F_OK, 0) == 0 && en->type == DT_DIR) {
        note(c, &c->folders, path);
    } else {
        note(c, &c->others, path);
    }
}

static void count(struct census *c, const struct glob *g)
{
    const struct glob_visitor v = {.entry = count_entry, .no_links = !c->t->conf->follow_symlinks, .ctx = c};

    glob_walk(g, &v);
}

/* --- what may have been meant ------------------------------------------------------------------------------------ */

/* A name in `dir` that is nearly `name`. */
static bool find_near(const char *dir, const char *name, char near[NAME_MAX + 1])
{
    char *names[TAIL_EXPLAIN_NAMES_MAX];
    size_t n = 0;
    struct suggest w;
    struct dirent *d;
    DIR *stream = opendir(dir);

    suggest_init(&w, name);
    while (stream && n < TAIL_EXPLAIN_NAMES_MAX && (d = readdir(stream)))
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            suggest_add(&w, names[n++] = mem_strdup(d->d_name));
    if (stream)
        closedir(stream);
    if (w.nearest)
        snprintf(near, NAME_MAX + 1, "%s", w.nearest);
    while (n > 0)
        mem_free(names[--n]);
    return w.nearest != NULL;
}

/* The first folder, or file, that the pattern writes out and that is not there. */
static bool find_missing(const char *pattern, struct err *e)
{
    char path[PATH_MAX], near[NAME_MAX + 1];
    size_t end = strcspn(pattern, "*?[\\");
    struct stat st;

    for (size_t i = 1; i <= end; i++) {
        bool last = pattern[i] == '\0';
        char *name;

        if (pattern[i] != '/' && !last)
            continue;
        snprintf(path, sizeof(path), "%.*s", (int)i, pattern);
        if (stat(path, &st) == 0 || errno != ENOENT)
            continue;
        name = strrchr(path, '/');
        *name++ = '\0';
        if (find_near(path[0] ? path : "/", name, near))
            err_set(e, ERR_IO, "%s %s/%s is not there; did you mean %s?", last ? "file" : "folder", path, name, near);
        else
            err_set(e, ERR_IO, "%s %s/%s is not there%s", last ? "file" : "folder", path, name, last ? " yet" : "");
        return true;
    }
    return false;
}

/* Brackets that were meant as they stand. */
static bool find_literal(const struct tail *t, const char *pattern, struct err *e)
{
    char text[2 * PATH_MAX];
    struct census c = {.t = t};
    struct glob *g;
    size_t n = 0;

    if (!strchr(pattern, '['))
        return false;
    for (const char *p = pattern; *p; p++) {
        if (*p == '[')
            text[n++] = '\\';
        text[n++] = *p;
    }
    text[n] = '\0';
    if (glob_parse(&g, "/", text, e) < 0)
        return false;
    count(&c, g);
    glob_free(&g);
    if (c.files == 0)
        return false;
    err_set(e, ERR_IO,
            "[...] stands for one of the characters in it; for the file that is there write \\[ in place of [: %s",
            text);
    return true;
}

/* What others write for times (%Y, %-d, %{+yyyy}) are characters like others here: how long the one at p is, 0: it is none. */
static size_t time_length(const char *p)
{
    size_t n = 1 + strspn(p + (*p == '%'), "-_0^#EO");

    if (*p != '%')
        return 0;
    if (p[1] == '{')
        return strcspn(p, "}") + (strchr(p, '}') != NULL);
    return p[n] && strchr("YyGmdejHkIlMSfLNpBbhAaFTRDzZsUVWuwCg", p[n]) ? n + 1 : 0;
}

static bool find_times(const char *pattern, struct err *e)
{
    char text[PATH_MAX];
    size_t n = 0, first = 0;

    for (const char *p = pattern; *p && n + 1 < sizeof(text);) {
        size_t length = time_length(p);

        if (length && !first)
            first = (size_t)(p - pattern) + 1;
        if (!length || n == 0 || text[n - 1] != '*')
            text[n++] = length ? '*' : *p;
        p += length ? length : 1;
    }
    text[n] = '\0';
    if (first)
        err_set(e, ERR_IO,
                "no file matches; %.*s is no time here but is taken as it stands: * stands for any text, as in %s",
                (int)time_length(pattern + first - 1), pattern + first - 1, text);
    return first > 0;
}

bool tail_explain(const struct tail *t, size_t i, struct err *e)
{
    const char *pattern = glob_text(t->patterns[i].glob);
    struct census c = {.t = t};

    count(&c, t->patterns[i].glob);
    if (c.dangling > 0)
        err_set(e, ERR_IO, "%zu of the links that match lead%s nowhere: %s leads to %s, which is not there", c.dangling,
                c.dangling == 1 ? "s" : "", c.path, c.leads_to);
    else if (c.files > 0)
        return false;
    else if (c.links > 0)
        err_set(e, ERR_IO, "only symbolic links match, and follow_symlinks is false");
    else if (c.compressed > 0)
        err_set(e, ERR_IO, "only compressed files match, which are left alone");
    else if (c.excluded > 0)
        err_set(e, ERR_IO, "all that matches is excluded");
    else if (c.folders > 0)
        err_set(e, ERR_IO, "no file matches, but the folder %s does; add /* for the files in it", c.path);
    else if (c.others > 0)
        err_set(e, ERR_IO, "no file matches; %s is no regular file", c.path);
    else if (!find_literal(t, pattern, e) && !find_times(pattern, e) && !find_missing(pattern, e))
        err_set(e, ERR_IO,
                strchr(pattern, '{') ? "no file matches yet; { } without a comma inside are characters like others"
                                     : "no file matches yet");
    return true;
}

/* --- validate ---------------------------------------------------------------------------------------------------- */

struct look {
    struct tail *t;
    const struct cfg_options *o;
    size_t pattern, warnings;
};

static void warn(struct look *l, const struct err *e)
{
    struct err more;

    if (l->warnings++ < TAIL_EXPLAIN_WARNINGS_MAX)
        cfg_options_warn_item(l->o, "paths", l->pattern, e);
    else if (l->warnings == TAIL_EXPLAIN_WARNINGS_MAX + 1 && err_set(&more, ERR_IO, "and more that cannot be read") < 0)
        cfg_options_warn_item(l->o, "paths", l->pattern, &more);
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

void tail_warn(struct tail *t, const struct cfg_options *o)
{
    struct look l = {.t = t, .o = o};
    const struct glob_visitor v = {
        .entry = look_at_entry, .unreadable = look_at_unreadable, .no_links = !t->conf->follow_symlinks, .ctx = &l};

    for (size_t i = 0; i < t->pattern_count; i++) {
        struct err e;

        l.pattern = t->patterns[i].item;
        l.warnings = 0;
        glob_walk(t->patterns[i].glob, &v);
        if (tail_explain(t, i, &e))
            cfg_options_warn_item(o, "paths", l.pattern, &e);
    }
}
