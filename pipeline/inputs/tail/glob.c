/* A pattern is its components; matching and walking are the same recursion over them, once along a path, once along the
 * file system. fnmatch(3) does what happens within a component. */
#include "pipeline/inputs/tail/glob.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/slice.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FNM_FLAGS FNM_PERIOD

enum part_kind { PART_LITERAL, PART_WILD, PART_ANY_DEPTH };

struct part {
    enum part_kind kind;
    char *text;
};

struct glob {
    char *text;
    struct part *parts;
    size_t count;
};

static void add_part(struct glob *g, const char *p, size_t n)
{
    char *text = mem_strndup(p, n);
    enum part_kind kind = strcmp(text, "**") == 0 ? PART_ANY_DEPTH : strpbrk(text, "*?[\\") ? PART_WILD : PART_LITERAL;
    bool doubled = kind == PART_ANY_DEPTH && g->count > 0 && g->parts[g->count - 1].kind == PART_ANY_DEPTH;

    if (doubled || strcmp(text, ".") == 0) {
        mem_free(text);
        return;
    }
    g->parts = mem_grow(g->parts, g->count + 1, sizeof(*g->parts));
    g->parts[g->count++] = (struct part){kind, text};
}

static void split(struct glob *g)
{
    const char *p = g->text;

    while (*p) {
        size_t n = strcspn(p, "/");

        if (n > 0)
            add_part(g, p, n);
        p += n;
        p += *p == '/';
    }
}

/* "**" at the end means every file below, as "** / *" does. */
static int finish(struct glob *g, struct err *e)
{
    if (g->count == 0)
        return err_set(e, ERR_CONFIG, "path \"%s\" names no file", g->text);
    if (g->parts[g->count - 1].kind == PART_ANY_DEPTH)
        add_part(g, "*", 1);
    for (size_t i = 0; i < g->count; i++) {
        if (strcmp(g->parts[i].text, "..") == 0)
            return err_set(e, ERR_CONFIG, "path \"%s\" must not contain \"..\"", g->text);
        if (strlen(g->parts[i].text) > NAME_MAX)
            return err_set(e, ERR_CONFIG, "path \"%s\" has a component longer than %d bytes", g->text, NAME_MAX);
    }
    return 0;
}

/* --- alternatives ------------------------------------------------------------------------------------------------ */

/* The first brace of `p` that has a comma and an end: its start, else NULL. */
static const char *find_braces(const char *p, const char **end)
{
    for (; *p; p++) {
        unsigned depth = 0;
        bool comma = false;

        if (*p == '\\' && p[1] != '\0') {
            p++;
            continue;
        }
        if (*p != '{')
            continue;
        for (const char *q = p; *q; q++) {
            depth += *q == '{';
            depth -= *q == '}';
            comma = comma || (*q == ',' && depth == 1);
            if (*q == '\\' && q[1] != '\0')
                q++;
            if (depth > 0)
                continue;
            *end = q;
            if (comma)
                return p;
            break;
        }
    }
    return NULL;
}

static int expand(struct glob_texts *out, const char *pattern, struct err *e);

static int expand_one(struct glob_texts *out, const char *pattern, const char *open, struct slice word,
                      const char *behind, struct err *e)
{
    char *text = mem_printf("%.*s%.*s%s", (int)(open - pattern), pattern, (int)word.n, word.p, behind);
    int rc = expand(out, text, e);

    mem_free(text);
    return rc;
}

static int expand(struct glob_texts *out, const char *pattern, struct err *e)
{
    const char *end = NULL, *open = find_braces(pattern, &end), *word;
    unsigned depth = 0;

    if (!open) {
        if (out->n == GLOB_ALTERNATIVES_MAX)
            return err_set(e, ERR_CONFIG, "its braces stand for more than %d patterns", GLOB_ALTERNATIVES_MAX);
        out->v = mem_grow(out->v, out->n + 1, sizeof(*out->v));
        out->v[out->n++] = mem_strdup(pattern);
        return 0;
    }
    word = open + 1;
    for (const char *p = word; p <= end; p++) {
        if (depth == 0 && (*p == ',' || p == end)) {
            if (expand_one(out, pattern, open, slice_of(word, (size_t)(p - word)), end + 1, e) < 0)
                return -1;
            word = p + 1;
        }
        depth += *p == '{';
        depth -= *p == '}' && p < end;
        if (*p == '\\' && p + 1 < end)
            p++;
    }
    return 0;
}

int glob_expand(struct glob_texts *out, const char *pattern, struct err *e)
{
    *out = (struct glob_texts){NULL, 0};
    if (expand(out, pattern, e) == 0)
        return 0;
    glob_texts_free(out);
    return err_wrap(e, "path \"%.64s\"", pattern);
}

void glob_texts_free(struct glob_texts *l)
{
    for (size_t i = 0; i < l->n; i++)
        mem_free(l->v[i]);
    MEM_CLEAR(l->v);
    l->n = 0;
}

/* --- parsing ----------------------------------------------------------------------------------------------------- */

/* `~/x` and `~` begin in the home folder. Returns the pattern as it is, or a new one in *own; NULL: a mistake. */
static const char *go_home(const char *pattern, char **own, struct err *e)
{
    const char *home = getenv("HOME");

    *own = NULL;
    if (pattern[0] != '~')
        return pattern;
    if (pattern[1] != '/' && pattern[1] != '\0') {
        err_set(e, ERR_CONFIG,
                "path \"%s\" begins with ~ and a name: write the folder out; a file whose name begins with ~ "
                "is ./%s",
                pattern, pattern);
        return NULL;
    }
    if (!home || home[0] != '/') {
        err_set(e, ERR_CONFIG, "path \"%s\" begins with ~, but HOME is not set: write the folder out", pattern);
        return NULL;
    }
    *own = mem_printf("%s%s", home, pattern + 1);
    return *own;
}

int glob_parse(struct glob **out, const char *base_dir, const char *given, struct err *e)
{
    struct glob *g = mem_alloc(sizeof(*g));
    char *base = NULL, *home = NULL;
    const char *pattern = go_home(given, &home, e);
    int rc = -1;

    if (!pattern)
        goto out;
    if (pattern[0] == '\0') {
        err_set(e, ERR_CONFIG, "a path is empty");
        goto out;
    }
    if (pattern[0] != '/') {
        base = realpath(base_dir && base_dir[0] ? base_dir : ".", NULL);
        if (!base) {
            err_errno(e, "folder %s, where the path \"%s\" starts", base_dir, pattern);
            goto out;
        }
    }
    g->text = base ? mem_printf("%s/%s", base, pattern) : mem_strdup(pattern);
    if (strlen(g->text) >= PATH_MAX) {
        err_set(e, ERR_CONFIG, "path \"%.64s...\" is longer than %d bytes", g->text, PATH_MAX - 1);
        goto out;
    }
    split(g);
    rc = finish(g, e);
out:
    mem_free(base);
    mem_free(home);
    if (rc == 0)
        *out = g;
    else
        glob_free(&g);
    return rc;
}

void glob_free(struct glob **g)
{
    if (!*g)
        return;
    for (size_t i = 0; i < (*g)->count; i++)
        mem_free((*g)->parts[i].text);
    mem_free((*g)->parts);
    mem_free((*g)->text);
    MEM_CLEAR(*g);
}

const char *glob_text(const struct glob *g)
{
    return g->text;
}

/* --- one path ---------------------------------------------------------------------------------------------------- */

static bool part_matches(const struct part *p, const char *name)
{
    return p->kind == PART_LITERAL ? strcmp(p->text, name) == 0 : fnmatch(p->text, name, FNM_FLAGS) == 0;
}

/* Takes the next component of *path into name; false at the end, or when it is longer than any file name. */
static bool next_name(const char **path, char name[NAME_MAX + 1])
{
    const char *p = *path + strspn(*path, "/");
    size_t n = strcspn(p, "/");

    if (n == 0 || n > NAME_MAX)
        return false;
    memcpy(name, p, n);
    name[n] = '\0';
    *path = p + n;
    return true;
}

static bool match_from(const struct glob *g, size_t i, const char *path)
{
    char name[NAME_MAX + 1];

    if (!next_name(&path, name)) /* the path has ended: so must the pattern */
        return i == g->count;
    if (i == g->count) /* one name is left: a file in the folder that the whole pattern names */
        return g->parts[i - 1].kind == PART_LITERAL && name[0] != '.' && *path == '\0';
    if (g->parts[i].kind != PART_ANY_DEPTH)
        return part_matches(&g->parts[i], name) && match_from(g, i + 1, path);
    if (match_from(g, i + 1, path - strlen(name)))
        return true;
    return name[0] != '.' && match_from(g, i, path);
}

bool glob_match(const struct glob *g, const char *path)
{
    return match_from(g, 0, path);
}

size_t glob_written_out(const struct glob *g, const char *path)
{
    char name[NAME_MAX + 1];
    const char *p = path;
    size_t n = 0;

    for (size_t i = 0; i < g->count && g->parts[i].kind == PART_LITERAL; i++) {
        if (!next_name(&p, name) || strcmp(name, g->parts[i].text) != 0 || *p == '\0')
            break;
        n = (size_t)(p - path);
    }
    return n;
}

/* --- opening without following ----------------------------------------------------------------------------------- */

/* For kernels before 5.6, and sandboxes that do not know the call. */
static int open_step_by_step(int fd, const char *path, int flags)
{
    int at = dup(fd), next;
    char name[NAME_MAX + 1];

    while (at >= 0 && next_name(&path, name)) {
        bool last = path[strspn(path, "/")] == '\0';

        next = openat(at, name, last ? flags | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(at);
        at = next;
        if (last)
            break;
    }
    return at;
}

int glob_open(const char *path, size_t trusted, int flags)
{
    char base[PATH_MAX];
    const char *rest = path + trusted + strspn(path + trusted, "/");
    struct open_how how = {.flags = (unsigned)(flags | O_NOFOLLOW),
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd, got, error;

    if (trusted >= sizeof(base)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(base, sizeof(base), "%.*s", trusted > 0 ? (int)trusted : 1, trusted > 0 ? path : "/");
    fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    got = (int)syscall(SYS_openat2, fd, rest, &how, sizeof(how));
    if (got < 0 && (errno == ENOSYS || errno == EPERM))
        got = open_step_by_step(fd, rest, flags);
    error = errno;
    close(fd);
    errno = error;
    return got;
}

/* --- the file system --------------------------------------------------------------------------------------------- */

struct walk {
    const struct glob *g;
    const struct glob_visitor *v;
    char path[PATH_MAX]; /* the folder we are in, without a slash at its end; "" is the root */
    size_t length;
    unsigned depth;
};

static void walk_from(struct walk *w, size_t i);

/* Appends "/name"; false when the path would be longer than the system takes. */
static bool enter(struct walk *w, const char *name)
{
    size_t n = strlen(name);

    if (w->length + 1 + n >= sizeof(w->path) || w->depth == GLOB_DEPTH_MAX)
        return false;
    w->path[w->length] = '/';
    memcpy(w->path + w->length + 1, name, n + 1);
    w->length += n + 1;
    w->depth++;
    return true;
}

static void leave(struct walk *w, size_t length)
{
    w->length = length;
    w->path[length] = '\0';
    w->depth--;
}

static void walk_into(struct walk *w, const char *name, size_t i)
{
    size_t length = w->length;

    if (!enter(w, name))
        return;
    walk_from(w, i);
    leave(w, length);
}

/* Folders that the pattern goes through. `links`: also through a symbolic link to one. */
static bool is_folder(int dir_fd, const struct dirent *d, bool links)
{
    struct stat st;

    if (d->d_type == DT_DIR)
        return true;
    if (d->d_type != DT_UNKNOWN && !(links && d->d_type == DT_LNK))
        return false;
    return fstatat(dir_fd, d->d_name, &st, links ? 0 : AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void visit(struct walk *w, const struct part *p, bool descends, size_t i, int fd, const struct dirent *d)
{
    bool any_depth = p && p->kind == PART_ANY_DEPTH;
    bool matches = !p || any_depth ? d->d_name[0] != '.' : part_matches(p, d->d_name);

    if (!descends) {
        struct glob_entry en = {fd, w->length > 0 ? w->path : "/", d->d_name, d->d_ino, d->d_type, matches};

        if (w->v->entry)
            w->v->entry(w->v->ctx, &en);
    } else if (matches && is_folder(fd, d, !any_depth && !w->v->no_links)) {
        walk_into(w, d->d_name, any_depth ? i : i + 1);
    }
}

static int open_folder(const struct walk *w, const char *dir)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK;
    char inside[PATH_MAX];

    if (!w->v->no_links)
        return open(dir, flags);
    if (snprintf(inside, sizeof(inside), "%s/.", dir) >= (int)sizeof(inside)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return glob_open(inside, glob_written_out(w->g, inside), flags); /* the folder itself may be written out, too */
}

static void say_next(const struct walk *w, const char *path)
{
    if (w->v->next)
        w->v->next(w->v->ctx, path);
}

/* Lists the folder we are in. `p`: what its entries must match, NULL for all that are not hidden. `descends`: matches
 * are folders to go on in, otherwise they are the result. */
static void list(struct walk *w, const struct part *p, bool descends, size_t i)
{
    const char *dir = w->length > 0 ? w->path : "/";
    struct dirent *d;
    DIR *stream;
    int fd;

    say_next(w, dir);
    fd = open_folder(w, dir);
    stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) {
        if (errno != ENOENT && errno != ENOTDIR && !(w->v->no_links && errno == ELOOP) && w->v->unreadable)
            w->v->unreadable(w->v->ctx, dir, errno);
        if (fd >= 0)
            close(fd);
        return;
    }
    if (w->v->folder)
        w->v->folder(w->v->ctx, fd, dir);
    while ((d = readdir(stream)))
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            visit(w, p, descends, i, fd, d);
    closedir(stream);
}

static void walk_last_literal(struct walk *w, const struct part *p)
{
    size_t length = w->length;
    struct stat st;

    if (!enter(w, p->text))
        return;
    say_next(w, w->path);
    if (stat(w->path, &st) == 0 && S_ISDIR(st.st_mode)) {
        list(w, NULL, false, 0);
        leave(w, length);
    } else {
        leave(w, length);
        list(w, p, false, 0);
    }
}

static void walk_from(struct walk *w, size_t i)
{
    const struct part *p = &w->g->parts[i];
    bool last = i + 1 == w->g->count;

    if (p->kind == PART_ANY_DEPTH) {
        walk_from(w, i + 1);
        list(w, p, true, i);
    } else if (p->kind == PART_LITERAL && last) {
        walk_last_literal(w, p);
    } else if (p->kind == PART_LITERAL) {
        walk_into(w, p->text, i + 1);
    } else {
        list(w, p, !last, i);
    }
}

void glob_walk(const struct glob *g, const struct glob_visitor *v)
{
    struct walk w = {.g = g, .v = v};

    walk_from(&w, 0);
}
